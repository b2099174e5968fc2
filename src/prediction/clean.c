#include "prediction/clean.h"

#include <string.h>

#define ESCAPE '\x1b'
#define BELL   '\x07'

void ns_cleaner_init(ns_cleaner *cleaner)
{
    cleaner->state = NS_CLEAN_text;
    cleaner->head = cleaner->csi_len = 0;
    cleaner->csi_first = '\0';
    cleaner->redrawn = false;
    cleaner->len = 0;
    cleaner->lines = 0;
    cleaner->mark_len = 0;
    cleaner->ended = false;
}

/* What stood there is drawn over; of fold marks the name is kept. */
static void draw_anew(ns_cleaner *cleaner)
{
    ns_text old = {cleaner->line, cleaner->len};
    if (ns_text_starts(old, "travis_fold:") || ns_text_starts(old, "section_start:")) {
        cleaner->mark_len = (uint8_t)(old.len < NS_MARK_MAX ? old.len : NS_MARK_MAX);
        memcpy(cleaner->mark, old.at, cleaner->mark_len);
    }
    cleaner->len = 0;
    cleaner->redrawn = false;
}

static void put(ns_cleaner *cleaner, char c)
{
    if (c == '\r') {
        cleaner->redrawn = true;
        return;
    }
    if (c == '\t' || c == '\0')
        c = ' ';
    if ((unsigned char)c < 0x20 || c == 0x7f)
        return;
    /* Only something visible replaces what stood there: "text\r   \n" still reads "text". */
    if (cleaner->redrawn && c != ' ')
        draw_anew(cleaner);
    if (cleaner->len < NS_LINE_MAX)
        cleaner->line[cleaner->len++] = c;
}

static ns_clean_state after_escape(ns_cleaner *cleaner, char c)
{
    cleaner->csi_len = 0;
    return c == '[' ? NS_CLEAN_csi : c == ']' ? NS_CLEAN_osc : c == '(' || c == ')' ? NS_CLEAN_charset : NS_CLEAN_text;
}

static ns_clean_state in_csi(ns_cleaner *cleaner, char c)
{
    if (c >= 0x20 && c < 0x40) {
        if (cleaner->csi_len == 0)
            cleaner->csi_first = c;
        cleaner->csi_len = cleaner->csi_len < 2 ? (uint8_t)(cleaner->csi_len + 1) : 2;
        return NS_CLEAN_csi;
    }
    cleaner->head = 0;
    return c == 'm' && cleaner->csi_len == 1 && cleaner->csi_first == '8' ? NS_CLEAN_note_head : NS_CLEAN_text;
}

/* ESC[8m hides text; only with "ha:" behind it is it a console note, whose base64 goes up to the next ESC[0m. */
static ns_clean_state in_note_head(ns_cleaner *cleaner, char c)
{
    static const char head[] = "ha:";
    if (c == head[cleaner->head])
        return head[++cleaner->head] == '\0' ? NS_CLEAN_note : NS_CLEAN_note_head;
    for (uint8_t i = 0; i < cleaner->head; i++)
        put(cleaner, head[i]);
    if (c == ESCAPE)
        return NS_CLEAN_escape;
    put(cleaner, c);
    return NS_CLEAN_text;
}

static ns_clean_state next_state(ns_cleaner *cleaner, char c)
{
    switch (cleaner->state) {
    case NS_CLEAN_text:
        if (c == ESCAPE)
            return NS_CLEAN_escape;
        put(cleaner, c);
        return NS_CLEAN_text;
    case NS_CLEAN_escape:
        return c == ESCAPE ? NS_CLEAN_escape : after_escape(cleaner, c);
    case NS_CLEAN_charset:
        return NS_CLEAN_text;
    case NS_CLEAN_csi:
        return c == ESCAPE ? NS_CLEAN_escape : in_csi(cleaner, c);
    case NS_CLEAN_osc:
        return c == BELL ? NS_CLEAN_text : c == ESCAPE ? NS_CLEAN_osc_escape : NS_CLEAN_osc;
    case NS_CLEAN_osc_escape:
        return c == '\\' || c == BELL ? NS_CLEAN_text : c == ESCAPE ? NS_CLEAN_osc_escape : NS_CLEAN_osc;
    case NS_CLEAN_note_head:
        return in_note_head(cleaner, c);
    case NS_CLEAN_note:
        return c == ESCAPE ? NS_CLEAN_note_escape : NS_CLEAN_note;
    case NS_CLEAN_note_escape:
        return c == '[' ? NS_CLEAN_note_csi : NS_CLEAN_note;
    case NS_CLEAN_note_csi:
        return c >= 0x20 && c < 0x40 ? NS_CLEAN_note_csi : NS_CLEAN_text;
    }
    return NS_CLEAN_text;
}

/* The common case by the block: plain bytes with nothing to interpret. */
static size_t put_plain(ns_cleaner *cleaner, ns_text text)
{
    size_t n = 0;
    while (n < text.len && (unsigned char)text.at[n] >= 0x20 && text.at[n] != 0x7f)
        n++;
    size_t room = NS_LINE_MAX - cleaner->len;
    size_t kept = n < room ? n : room;
    if (kept > 0)
        memcpy(&cleaner->line[cleaner->len], text.at, kept);
    cleaner->len += kept;
    return n;
}

bool ns_cleaner_next(ns_cleaner *cleaner, ns_text *rest, ns_text *line)
{
    size_t i = 0;
    if (cleaner->ended) {
        cleaner->ended = false;
        cleaner->mark_len = 0;
    }
    while (i < rest->len) {
        if (cleaner->state == NS_CLEAN_text && !cleaner->redrawn) {
            i += put_plain(cleaner, (ns_text){rest->at + i, rest->len - i});
            if (i == rest->len)
                break;
        }
        char c = rest->at[i++];
        if (c != '\n') {
            cleaner->state = next_state(cleaner, c);
            continue;
        }
        /* No code survives its line: a broken one costs one line, not the rest of the log. */
        *line = (ns_text){cleaner->line, cleaner->len};
        cleaner->state = NS_CLEAN_text;
        cleaner->redrawn = false;
        cleaner->len = 0;
        cleaner->lines++;
        cleaner->ended = true;
        rest->at += i;
        rest->len -= i;
        return true;
    }
    *rest = (ns_text){rest->at == NULL ? NULL : rest->at + rest->len, 0};
    return false;
}

ns_text ns_cleaner_mark(const ns_cleaner *cleaner)
{
    return (ns_text){cleaner->mark, cleaner->mark_len};
}

ns_text ns_cleaner_open_line(const ns_cleaner *cleaner)
{
    return (ns_text){cleaner->line, cleaner->len};
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of the match of a shape at the text's start, 0 for none: 'd' is a digit, anything else stands for itself. */
static size_t shape(ns_text text, const char *wanted)
{
    size_t n = strlen(wanted);
    if (text.len < n)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (wanted[i] == 'd' ? !digit(text.at[i]) : text.at[i] != wanted[i])
            return 0;
    return n;
}

static ns_text from(ns_text text, size_t n)
{
    return (ns_text){text.at + n, text.len - n};
}

/* hh:mm:ss with fraction and zone; 0 when there is none. */
static size_t time_of_day(ns_text text)
{
    size_t n = shape(text, "dd:dd:dd");
    if (n == 0)
        return 0;
    if (n < text.len && (text.at[n] == '.' || text.at[n] == ','))
        for (n++; n < text.len && digit(text.at[n]);)
            n++;
    if (n < text.len && text.at[n] == 'Z')
        return n + 1;
    size_t zone = n < text.len && (text.at[n] == '+' || text.at[n] == '-') ? shape(from(text, n + 1), "dd:dd") : 0;
    return zone > 0 ? n + 1 + zone : n;
}

/* One stamp: [word] date and/or time, perhaps in brackets. */
static size_t stamp(ns_text text)
{
    size_t n = 0;
    bool bracket = text.len > 0 && text.at[0] == '[';
    if (bracket)
        n++;
    size_t word = n;
    while (bracket && word < text.len && letter(text.at[word]))
        word++;
    if (word > n && word < text.len && text.at[word] == ' ')
        n = word + 1;
    size_t date = shape(from(text, n), "dddd-dd-dd");
    if (date == 0)
        date = shape(from(text, n), "dddd/dd/dd");
    if (date > 0 && n + date < text.len && (text.at[n + date] == 'T' || text.at[n + date] == ' '))
        n += date + 1;
    size_t time = time_of_day(from(text, n));
    if (time == 0)
        return 0;
    n += time;
    if (bracket)
        return n < text.len && text.at[n] == ']' ? n + 1 : 0;
    return n == text.len || text.at[n] == ' ' ? n : 0;
}

ns_text ns_line_skip_stamps(ns_text line)
{
    for (int round = 0; round < 4; round++) {
        while (line.len > 0 && line.at[0] == ' ' && round > 0)
            line = from(line, 1);
        size_t blanks = 0;
        while (blanks < line.len && line.at[blanks] == ' ')
            blanks++;
        size_t n = stamp(from(line, blanks));
        if (n == 0)
            break;
        line = from(line, blanks + n);
    }
    /* Travis leaves this half of a terminal code when the escape byte was lost. */
    while (ns_text_starts(line, "[0K"))
        line = from(line, 3);
    while (line.len > 0 && line.at[line.len - 1] == ' ')
        line.len--;
    return line;
}
