#include "telemetry/console_text.h"

#include <string.h>

/* A note that does not end within this many bytes, or within its line, is none: the text goes on. */
enum { NOTE_MAX = 64 * 1024, ESC = 0x1b };

static const char note_start[] = "\x1b[8mha:";
static const char note_end[] = "\x1b[0m";
static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void ns_console_init(ns_console *console)
{
    *console = (ns_console){.held_len = 0};
}

size_t ns_console_held(const ns_console *console)
{
    return console->held_len + (console->in_note ? console->note_len : 0);
}

static void shift(ns_console *console, size_t n)
{
    memmove(console->held, console->held + n, console->held_len - n);
    console->held_len -= n;
}

static void emit(ns_console *console, size_t n, ns_buf *out)
{
    (void)ns_buf_put(out, console->held, n);
    shift(console, n);
}

/* How many of these bytes (1-3, not a whole sequence) could begin a well-formed one: Unicode standard, table 3-7. */
static size_t utf8_prefix(const unsigned char *b, size_t len)
{
    if (b[0] < 0xC2 || b[0] > 0xF4)
        return 0;
    size_t whole = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    unsigned char low = b[0] == 0xE0 ? 0xA0 : b[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = b[0] == 0xED ? 0x9F : b[0] == 0xF4 ? 0x8F : 0xBF;
    if (len < 2 || b[1] < low || b[1] > high)
        return 1;
    size_t n = 2;
    while (n < len && n < whole && (b[n] & 0xC0) == 0x80)
        n++;
    return n;
}

/* Each decides about held[0..]; false: more bytes are needed. */
static bool decide_escape(ns_console *console, ns_buf *out)
{
    size_t n = console->held_len < sizeof note_start - 1 ? console->held_len : sizeof note_start - 1;
    if (memcmp(console->held, note_start, n) != 0) {
        emit(console, 1, out);
        return true;
    }
    if (n < sizeof note_start - 1)
        return false;
    console->in_note = true;
    console->note_len = n;
    shift(console, n);
    return true;
}

static bool decide_return(ns_console *console, ns_buf *out)
{
    if (console->held_len < 2)
        return false;
    if (console->held[1] == '\n')
        shift(console, 1);
    else
        emit(console, 1, out);
    return true;
}

static bool decide_utf8(ns_console *console, ns_buf *out)
{
    size_t whole = ns_utf8_sequence((ns_text){console->held, console->held_len});
    if (whole > 0) {
        emit(console, whole, out);
        return true;
    }
    size_t n = utf8_prefix((const unsigned char *)console->held, console->held_len);
    if (n == console->held_len)
        return false;
    (void)ns_buf_put(out, replacement, sizeof replacement - 1);
    shift(console, n == 0 ? 1 : n);
    return true;
}

static bool decide_note(ns_console *console)
{
    size_t n = console->held_len < sizeof note_end - 1 ? console->held_len : sizeof note_end - 1;
    if (memcmp(console->held, note_end, n) == 0) {
        if (n < sizeof note_end - 1)
            return false;
        shift(console, n);
        console->in_note = false;
    } else if (console->held[0] == '\n' || console->note_len >= NOTE_MAX) {
        console->in_note = false;
    } else {
        shift(console, 1);
        console->note_len++;
    }
    return true;
}

static void decide(ns_console *console, ns_buf *out)
{
    bool going = true;
    while (going && console->held_len > 0) {
        unsigned char first = (unsigned char)console->held[0];
        if (console->in_note)
            going = decide_note(console);
        else if (first == ESC)
            going = decide_escape(console, out);
        else if (first == '\r')
            going = decide_return(console, out);
        else if (first < 0x80)
            emit(console, 1, out);
        else
            going = decide_utf8(console, out);
    }
}

/* Length of the run of bytes that need no decision. */
static size_t plain_run(ns_text raw)
{
    size_t n = 0;
    while (n < raw.len && (unsigned char)raw.at[n] < 0x80 && raw.at[n] != ESC && raw.at[n] != '\r')
        n++;
    return n;
}

ns_status ns_console_put(ns_console *console, ns_text raw, ns_buf *out)
{
    for (size_t i = 0; i < raw.len;) {
        if (console->held_len == 0 && !console->in_note) {
            size_t run = plain_run((ns_text){raw.at + i, raw.len - i});
            (void)ns_buf_put(out, raw.at + i, run);
            i += run;
            if (i == raw.len)
                break;
        }
        NS_CHECK(console->held_len < sizeof console->held);
        console->held[console->held_len++] = raw.at[i++];
        decide(console, out);
    }
    return out->failed ? NS_TOO_LARGE : NS_OK;
}

ns_status ns_console_end(ns_console *console, ns_buf *out)
{
    while (!console->in_note && console->held_len > 0) {
        unsigned char first = (unsigned char)console->held[0];
        if (first < 0x80) {
            emit(console, 1, out);
        } else {
            size_t n = utf8_prefix((const unsigned char *)console->held, console->held_len);
            (void)ns_buf_put(out, replacement, sizeof replacement - 1);
            shift(console, n == 0 ? 1 : n);
        }
    }
    ns_console_init(console);
    return out->failed ? NS_TOO_LARGE : NS_OK;
}
