/* The safetensors reader on damaged and hostile files, and what is written read back. */
#include "check.h"

#include "tensor/half.h"
#include "tensor/safetensors.h"

#include <sys/stat.h>
#include <unistd.h>

/* Length, header, `bytes` zero bytes of data. */
static ns_text file_of(ns_buf *buf, const char *header, size_t bytes)
{
    const uint64_t length = strlen(header);
    ns_buf_init(buf, 1 << 20);
    for (size_t i = 0; i < 8; i++)
        CHECK_OK(ns_buf_char(buf, (char)(length >> (8 * i) & 0xff)));
    CHECK_OK(ns_buf_string(buf, header));
    for (size_t i = 0; i < bytes; i++)
        CHECK_OK(ns_buf_char(buf, 0));
    return ns_buf_view(buf);
}

#define T(name, shape, begin, end)                                                                                     \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t bytes;
        const char *says;
    } cases[] = {
        {"{" T("a", "[2]", 0, 8) "," T("b", "[]", 8, 12) "}   ", 12, NULL},
        {"{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\\\"}\"}," T("a", "[0,3]", 0, 0) "," T("b", "[1]", 0, 4) "}", 4,
         NULL},
        {"{}", 0, NULL},
        {"{" T("a", "[2]", 0, 8) "}", 7, "cut short: tensor a ends at byte 8 of 7"},
        {"{" T("a", "[2]", 0, 8) "}", 9, "8 bytes of tensors but 9 in the file"},
        {"{" T("a", "[2]", 0, 8) "," T("b", "[2]", 4, 12) "}", 12, "tensor b overlaps another"},
        {"{" T("a", "[2]", 0, 8) "," T("b", "[2]", 0, 8) "}", 8, "overlaps another"},
        {"{" T("a", "[2]", 4, 12) "}", 12, "leaves a hole before it"},
        {"{" T("a", "[3]", 0, 8) "}", 8, "its shape asks for 12 bytes"},
        {"{" T("a", "[2]", 8, 0) "}", 8, "tensor a"},
        {"{" T("a", "[2]", 0, 8) "," T("a", "[2]", 8, 16) "}", 16, "tensor a stands twice"},
        {"{" T("a", "[4294967296,4294967296]", 0, 8) "}", 8, "beyond 64 bits"},
        {"{" T("a", "[4611686018427387904]", 0, 0) "}", 0, "beyond 64 bits"},
        {"{" T("a", "[99999999999999999999]", 0, 8) "}", 8, "beyond 64 bits"},
        {"{" T("a", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "too long"},
        {"{" T("a", "[-1]", 0, 4) "}", 4, "whole number"},
        {"{" T("a", "[1.5]", 0, 4) "}", 4, "without an end"},
        {"{\"a\":{\"dtype\":\"F7\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "not known here"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "needs dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "stands twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two numbers"},
        {"{\"\":{}}", 0, "empty"},
        {"{\"a\\n\":{}}", 0, "escaped"},
        {"{\"a\":1}", 0, "description was expected"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "a string was expected"},
        {"{} x", 0, "behind the header's end"},
        {"[]", 0, "does not begin with '{'"},
        {"{\"a", 0, "without an end"},
        {"{\"a\\", 0, "without an end"},
        {"{", 0, "a string was expected"},
        {"", 0, "does not begin with '{'"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf buf;
        ns_safetensors *file = NULL;
        ns_error err = {0};
        const ns_status status = ns_safetensors_parse(file_of(&buf, cases[i].header, cases[i].bytes), "m", &file, &err);
        if (cases[i].says == NULL)
            CHECK_STATUS(NS_OK, status);
        else if (status != NS_CORRUPT || strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s: %s", i, ns_status_name(status), err.text);
        ns_safetensors_close(file);
        ns_buf_clear(&buf);
    }
}

static void a_length_beyond_the_file_is_refused(void **state)
{
    (void)state;
    static const unsigned char huge[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, '{', '}'};
    ns_safetensors *file;
    ns_error err;
    CHECK_STATUS(NS_CORRUPT, ns_safetensors_parse((ns_text){(const char *)huge, sizeof huge}, "m", &file, &err));
    CHECK_STATUS(NS_CORRUPT, ns_safetensors_parse((ns_text){(const char *)huge, 7}, "m", &file, &err));
    CHECK_STATUS(NS_IO, ns_safetensors_open("/nowhere/model.safetensors", &file, &err));
    CHECK(strstr(err.text, "/nowhere/model.safetensors") != NULL);
    CHECK_STATUS(NS_IO, ns_safetensors_open("/tmp", &file, &err));
}

static void scratch_path(char *out, size_t size)
{
    (void)snprintf(out, size, "/tmp/ns-safetensors-%ld.safetensors", (long)getpid());
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    static const float values[6] = {1.0f, -2.5f, 3.140625f, 0.0f, 65504.0f, 6.1e-5f};
    char path[128];
    ns_error err;
    ns_safetensors *file;
    scratch_path(path, sizeof path);
    const ns_tensor_out out[] = {
        {"one.weight", NS_DTYPE_F32, 2, {2, 3}, values},
        {"two", NS_DTYPE_F16, 1, {5}, values},
        {"three", NS_DTYPE_BF16, 1, {6}, values},
        {"four", NS_DTYPE_F32, 0, {0}, values + 2},
    };
    CHECK_OK(ns_safetensors_write(path, out, NS_COUNT_OF(out), "pt", &err));
    CHECK_OK(ns_safetensors_open(path, &file, &err));
    CHECK_INT(4, ns_safetensors_count(file));
    for (size_t i = 0; i < NS_COUNT_OF(out); i++) {
        float back[6] = {0};
        const ns_tensor_view *view = ns_safetensors_find(file, out[i].name);
        CHECK(view != NULL && view->dtype == out[i].dtype && view->rank == out[i].rank);
        CHECK_OK(ns_tensor_floats(view, back, &err));
        for (size_t k = 0; k < view->count; k++)
            CHECK_NEAR(out[i].data[k], back[k], out[i].dtype == NS_DTYPE_F32 ? 0 : fabs((double)out[i].data[k]) / 250);
    }
    CHECK(ns_safetensors_find(file, "five") == NULL && ns_safetensors_find(file, "") == NULL);
    CHECK_STRING("one.weight", ns_safetensors_at(file, 0)->name);
    ns_safetensors_close(file);
    (void)unlink(path);
}

static void what_a_type_cannot_hold_is_not_written(void **state)
{
    (void)state;
    static const float big[] = {1, 65520.0f}, bad[] = {NAN};
    char path[128];
    ns_error err;
    scratch_path(path, sizeof path);
    const ns_tensor_out half = {"h", NS_DTYPE_F16, 1, {2}, big}, nan = {"n", NS_DTYPE_F32, 1, {1}, bad};
    CHECK_STATUS(NS_BAD_INPUT, ns_safetensors_write(path, &half, 1, "pt", &err));
    CHECK(strstr(err.text, "tensor h: element 1 (65520) cannot be written as F16") != NULL);
    CHECK_STATUS(NS_BAD_INPUT, ns_safetensors_write(path, &nan, 1, "pt", &err));
    CHECK(access(path, F_OK) != 0);
    CHECK_STATUS(NS_IO, ns_safetensors_write("/nowhere/at/all", &half, 1, "pt", &err));
}

static void numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    static const float nan[] = {0, NAN}, inf[] = {-INFINITY, 0};
    static const double huge[] = {1, 1e39};
    static const int8_t whole[] = {1, 2};
    const struct {
        ns_tensor_view view;
        const char *says;
    } cases[] = {
        {{"a", NS_DTYPE_F32, 1, {2}, 2, nan}, "tensor a: element 1"},
        {{"b", NS_DTYPE_F32, 1, {2}, 2, inf}, "tensor b: element 0"},
        {{"c", NS_DTYPE_F64, 1, {2}, 2, huge}, "tensor c: element 1"},
        {{"d", NS_DTYPE_I8, 1, {2}, 2, whole}, "its type is I8"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        float out[2];
        ns_error err;
        CHECK_STATUS(NS_BAD_INPUT, ns_tensor_floats(&cases[i].view, out, &err));
        CHECK(strstr(err.text, cases[i].says) != NULL);
    }
}

static void sixteen_bits_there_and_back(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= 0xffff; bits++) {
        const float half = ns_from_f16((uint16_t)bits), brain = ns_from_bf16((uint16_t)bits);
        if (!isnan(half))
            CHECK_INT(bits, ns_to_f16(half));
        if (!isnan(brain))
            CHECK_INT(bits, ns_to_bf16(brain));
    }
    static const struct {
        float x;
        uint16_t f16, bf16; /* ties go to the even neighbour */
    } cases[] = {
        {1.0f, 0x3c00, 0x3f80},          {-2.0f, 0xc000, 0xc000},      {65504.0f, 0x7bff, 0x4780},
        {65519.0f, 0x7bff, 0x4780},      {65520.0f, 0x7c00, 0x4780},   {1e-8f, 0x0000, 0x322c},
        {0x1p-24f, 0x0001, 0x3380},      {0x1p-25f, 0x0000, 0x3300},   {0x1.8p-24f, 0x0002, 0x33c0},
        {0x1.004p0f, 0x3c01, 0x3f80},    {0x1.002p0f, 0x3c00, 0x3f80}, {0x1.006p0f, 0x3c02, 0x3f80},
        {0x1.01p0f, 0x3c04, 0x3f80},     {0x1.03p0f, 0x3c0c, 0x3f82},  {INFINITY, 0x7c00, 0x7f80},
        {3.4028235e38f, 0x7c00, 0x7f80},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        CHECK_INT(cases[i].f16, ns_to_f16(cases[i].x));
        CHECK_INT(cases[i].bf16, ns_to_bf16(cases[i].x));
    }
    CHECK(isnan(ns_from_f16(ns_to_f16(NAN))) && isnan(ns_from_bf16(ns_to_bf16(ns_float_of_bits(0x7f800001u)))));
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    ns_buf buf;
    const ns_text text = file_of(&buf, "{" T("a", "[2]", 0, 8) "," T("b", "[]", 8, 12) "}", 12);
    const size_t live = ns_mem_live();
    bool done = false;
    for (long n = 0; n < 20 && !done; n++) {
        ns_safetensors *file = NULL;
        ns_error err;
        ns_mem_fail_after(n);
        const ns_status status = ns_safetensors_parse(text, "m", &file, &err);
        ns_mem_fail_after(-1);
        done = status == NS_OK;
        CHECK(done || status == NS_NO_MEMORY);
        ns_safetensors_close(file);
        CHECK_INT(live, ns_mem_live());
    }
    CHECK(done);
    ns_buf_clear(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_files_are_refused),         cmocka_unit_test(a_length_beyond_the_file_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),      cmocka_unit_test(what_a_type_cannot_hold_is_not_written),
        cmocka_unit_test(numbers_that_are_none_are_refused), cmocka_unit_test(sixteen_bits_there_and_back),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
