#include "check.h"

#include "base/unpack.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static ns_text gzip_of(ns_text plain, char *out, size_t room)
{
    z_stream z = {0};
    CHECK(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)plain.at;
    z.avail_in = (uInt)plain.len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    CHECK(deflateEnd(&z) == Z_OK);
    return (ns_text){out, room - z.avail_out};
}

static ns_text zstd_of(ns_text plain, char *out, size_t room)
{
    size_t n = ZSTD_compress(out, room, plain.at, plain.len, 3);
    CHECK(!ZSTD_isError(n));
    return (ns_text){out, n};
}

typedef ns_text packer(ns_text plain, char *out, size_t room);
static packer *const packers[] = {gzip_of, zstd_of};

static void packed_and_plain_files_give_the_same_text(void **state)
{
    (void)state;
    static char plain[300000], packed[700000];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (char)('a' + (i * i + i / 7) % 23);
    ns_error err;
    ns_buf out;
    ns_buf_init(&out, 0);
    ns_text all = {plain, sizeof plain};
    CHECK_OK(ns_unpack("x", all, sizeof plain, &out, &err));
    CHECK(ns_text_same(all, ns_buf_view(&out)));
    for (size_t p = 0; p < NS_COUNT_OF(packers); p++) {
        /* Two members, or frames, one behind the other. */
        ns_text first = packers[p]((ns_text){plain, 100001}, packed, sizeof packed);
        ns_text second =
            packers[p]((ns_text){plain + 100001, sizeof plain - 100001}, packed + first.len, sizeof packed - first.len);
        ns_text both = {packed, first.len + second.len};
        CHECK_OK(ns_unpack("x", both, sizeof plain, &out, &err));
        CHECK(ns_text_same(all, ns_buf_view(&out)));
        CHECK_STATUS(NS_TOO_LARGE, ns_unpack("x", both, sizeof plain - 1, &out, &err));
        CHECK_STRING("x: its text is larger than 299999 bytes", err.text);
        for (size_t cut = 4; cut < both.len; cut += 1 + both.len / 97)
            if (cut != first.len)
                CHECK_STATUS(NS_BAD_INPUT, ns_unpack("x", (ns_text){packed, cut}, sizeof plain, &out, &err));
        packed[first.len / 2] = (char)(packed[first.len / 2] ^ 0x55);
        CHECK(ns_unpack("x", both, sizeof plain, &out, &err) != NS_OK || !ns_text_same(all, ns_buf_view(&out)));
        CHECK(ns_text_same(all, ns_buf_view(&out)) || out.len > 0); /* out stays on failure */
    }
    ns_buf_clear(&out);
    CHECK_INT(0, ns_mem_live());
}

static void files_are_told_by_their_bytes(void **state)
{
    (void)state;
    char path[] = "/tmp/ns-unpack-XXXXXX", packed[200];
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    ns_error err;
    ns_buf out;
    ns_buf_init(&out, 0);
    for (size_t p = 0; p < NS_COUNT_OF(packers); p++) {
        ns_text bytes = packers[p](NS_TEXT("one\ntwo\n"), packed, sizeof packed);
        CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes.at, bytes.len, 0) == (ssize_t)bytes.len);
        CHECK_OK(ns_log_file_read(path, 100, &out, &err));
        CHECK_TEXT("one\ntwo\n", ns_buf_view(&out));
    }
    CHECK(ftruncate(fd, 0) == 0);
    CHECK_OK(ns_log_file_read(path, 100, &out, &err));
    CHECK_INT(0, out.len);
    (void)close(fd);
    (void)unlink(path);
    CHECK_STATUS(NS_IO, ns_log_file_read(path, 100, &out, &err));
    CHECK(strstr(err.text, path) == err.text);
    CHECK_STATUS(NS_IO, ns_log_file_read("/", 100, &out, &err));
    ns_buf_clear(&out);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    char packed[200];
    ns_error err;
    for (size_t p = 0; p < NS_COUNT_OF(packers); p++) {
        ns_text bytes = packers[p](NS_TEXT("one\ntwo\n"), packed, sizeof packed);
        bool done = false;
        for (long n = 0; !done; n++) {
            ns_buf out;
            ns_buf_init(&out, 0);
            ns_mem_fail_after(n);
            ns_status status = ns_unpack("x", bytes, 100, &out, &err);
            ns_mem_fail_after(-1);
            CHECK(status == NS_OK || status == NS_NO_MEMORY);
            done = status == NS_OK;
            ns_buf_clear(&out);
            CHECK_INT(0, ns_mem_live());
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_and_plain_files_give_the_same_text),
        cmocka_unit_test(files_are_told_by_their_bytes),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
