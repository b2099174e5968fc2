#include "wire/sse.h"

#include <inttypes.h>
#include <string.h>

/* A line end inside one of these would start a field of its own. */
static void put_one_line(ns_buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        (void)ns_buf_char(out, *c == '\n' || *c == '\r' ? ' ' : *c);
}

void ns_sse_event(ns_buf *out, uint64_t id, const char *event, ns_text data)
{
    (void)ns_buf_printf(out, "id: %" PRIu64 "\nevent: ", id);
    put_one_line(out, event);
    (void)ns_buf_string(out, "\ndata: ");
    for (size_t i = 0; i < data.len; i++) {
        char c = data.at[i];
        if (c == '\r' && i + 1 < data.len && data.at[i + 1] == '\n')
            continue; /* CR LF is one line end; the LF that follows writes it */
        if (c == '\n' || c == '\r')
            (void)ns_buf_string(out, "\ndata: ");
        else
            (void)ns_buf_char(out, c);
    }
    (void)ns_buf_string(out, "\n\n");
}

void ns_sse_comment(ns_buf *out, const char *text)
{
    (void)ns_buf_string(out, ": ");
    put_one_line(out, text);
    (void)ns_buf_string(out, "\n\n");
}
