#include "check.h"

#include "wire/csv.h"
#include "wire/sse.h"

static void cells_are_written_safely(void **state)
{
    (void)state;
    static const struct {
        ns_text cell;
        const char *written;
    } cases[] = {
        {BYTES(""), ""},
        {BYTES("plain"), "plain"},
        {BYTES("a,b"), "\"a,b\""},
        {BYTES("say \"hi\""), "\"say \"\"hi\"\"\""},
        {BYTES("two\nlines"), "\"two\nlines\""},
        {BYTES(" padded"), "\" padded\""},
        {BYTES("=1+1"), "'=1+1"},
        {BYTES("+1"), "'+1"},
        {BYTES("-1"), "'-1"},
        {BYTES("@x"), "'@x"},
        {BYTES("\tx"), "'\tx"},
        {BYTES("\rx"), "\"'\rx\""},
        {BYTES("=\"a\",b"), "\"'=\"\"a\"\",b\""},
        {BYTES("a=b"), "a=b"},
    };
    ns_buf row;
    ns_buf_init(&row, 256);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf_reset(&row);
        ns_csv_text(&row, true, cases[i].cell);
        CHECK_TEXT(cases[i].written, ns_buf_view(&row));
    }
    ns_buf_reset(&row);
    ns_csv_text(&row, true, NS_TEXT("x"));
    ns_csv_real(&row, false, NAN);
    ns_csv_real(&row, false, 12.5);
    ns_csv_real(&row, false, -3);
    ns_csv_int(&row, false, INT64_MIN);
    ns_csv_text(&row, false, NS_TEXT(""));
    ns_csv_end(&row);
    CHECK_TEXT("x,,12.5,-3,-9223372036854775808,\n", ns_buf_view(&row));
    ns_buf_clear(&row);
}

/* Cells as "[a][b]", one line per record, "!" for a bad one. */
static void print_cell(void *owner, size_t column, ns_text cell)
{
    (void)column;
    (void)ns_buf_char(owner, '[');
    (void)ns_buf_text(owner, cell);
    (void)ns_buf_char(owner, ']');
}

static void print_records(ns_text rest, ns_buf *out, size_t scratch_ceiling)
{
    ns_buf scratch;
    ns_status status;
    ns_buf_init(&scratch, scratch_ceiling);
    while (ns_csv_record(&rest, &scratch, print_cell, out, &status))
        (void)ns_buf_string(out, status == NS_OK ? "\n" : status == NS_BAD_INPUT ? "!\n" : "#\n");
    CHECK_STATUS(NS_OK, status);
    ns_buf_clear(&scratch);
}

static void records_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *printed;
    } cases[] = {
        {"", ""},
        {"a,b\n", "[a][b]\n"},
        {"a,b", "[a][b]\n"},
        {"a,b\r\nc,d\r\n", "[a][b]\n[c][d]\n"},
        {"\n", "[]\n"},
        {",\n", "[][]\n"},
        {"a,\n", "[a][]\n"},
        {"\"a,b\",\"c\"\"d\"\n", "[a,b][c\"d]\n"},
        {"\"two\r\nlines\",x\ny\n", "[two\r\nlines][x]\n[y]\n"},
        {"\"\"\n", "[]\n"},
        {"\"\",\"\"\n", "[][]\n"},
        {"a\rb\n", "[a\rb]\n"},
        {"a\r\r\n", "[a\r]\n"},
        {"a\r", "[a\r]\n"},
        {"a\"b,c\nd\n", "!\n[d]\n"},
        {"x,\"a\"b\nd\n", "!\n[d]\n"},
        {"\"open\nd\n", "!\n"},
        {"\"a\"\"\nd", "!\n"},
        {"'=1+1\n", "['=1+1]\n"},
    };
    ns_buf out;
    ns_buf_init(&out, 256);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf_reset(&out);
        print_records(ns_text_of(cases[i].text), &out, 64);
        CHECK_TEXT(cases[i].printed, ns_buf_view(&out));
    }
    ns_buf_reset(&out);
    print_records(NS_TEXT("abc,too long\nd\n"), &out, 4);
    CHECK_TEXT("[abc]#\n[d]\n", ns_buf_view(&out));
    ns_buf_clear(&out);
    CHECK_INT(0, ns_mem_live());
}

static void events_are_written_line_by_line(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        const char *written;
    } cases[] = {
        {"", "id: 7\nevent: build\ndata: \n\n"},
        {"{}", "id: 7\nevent: build\ndata: {}\n\n"},
        {"a\nb\r\nc\rd", "id: 7\nevent: build\ndata: a\ndata: b\ndata: c\ndata: d\n\n"},
        {"a\n", "id: 7\nevent: build\ndata: a\ndata: \n\n"},
        {"\r", "id: 7\nevent: build\ndata: \ndata: \n\n"},
    };
    ns_buf out;
    ns_buf_init(&out, 256);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf_reset(&out);
        ns_sse_event(&out, 7, "build", ns_text_of(cases[i].data));
        CHECK_TEXT(cases[i].written, ns_buf_view(&out));
    }
    ns_buf_reset(&out);
    ns_sse_event(&out, UINT64_MAX, "a\ndata: b", NS_TEXT("x"));
    ns_sse_comment(&out, "still\nhere");
    CHECK_TEXT("id: 18446744073709551615\nevent: a data: b\ndata: x\n\n: still here\n\n", ns_buf_view(&out));
    ns_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_written_safely),
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(events_are_written_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
