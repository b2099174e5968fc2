/* Any bytes as the CSV file that is already there: it is taken, or refused and left as it is to the last byte. */
#include "base/mem.h"
#include "telemetry/csv_rows.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The first byte says how much of the true header stands before the input. */
    ns_text header = ns_csv_header();
    size_t lead = size == 0 || data[0] == 0 ? 0 : data[0] > 127 ? header.len : (size_t)data[0];
    int fd = memfd_create("csv", MFD_CLOEXEC);
    NS_CHECK(fd >= 0);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ns_buf before, after;
    ns_buf_init(&before, 1u << 24);
    ns_buf_init(&after, 1u << 24);
    (void)ns_buf_put(&before, header.at, lead);
    if (size > 1)
        (void)ns_buf_put(&before, (const char *)data + 1, size - 1);
    NS_CHECK(write(fd, before.len == 0 ? "" : before.at, before.len) == (ssize_t)before.len);

    ns_csv_file *file = NULL;
    ns_error err;
    bool mended = false;
    ns_status status = ns_csv_file_open(&(ns_csv_file_options){.path = path}, &file, &mended, &err);
    ns_csv_file_close(file);
    NS_CHECK(ns_file_read(path, 1u << 24, &after, NULL) == NS_OK);
    ns_text a = ns_buf_view(&before), b = ns_buf_view(&after);
    if (status == NS_OK && a.len == 0) {
        NS_CHECK(ns_text_same(b, header));
    } else if (status == NS_OK) {
        NS_CHECK(mended == (a.at[a.len - 1] != '\n'));
        NS_CHECK(b.len == a.len + (mended ? 1 : 0) && memcmp(a.at, b.at, a.len) == 0 && b.at[b.len - 1] == '\n');
    } else {
        NS_CHECK(status == NS_BAD_INPUT && ns_text_same(a, b));
    }
    (void)close(fd);
    ns_buf_clear(&before);
    ns_buf_clear(&after);
    return 0;
}
