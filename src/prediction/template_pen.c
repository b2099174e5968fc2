#include "prediction/template_pen.h"

#include <string.h>

/* Made once from the sets named in template_pen.h: [0-9], [A-Za-z], [0-9A-Fa-f], [A-Z], [0-9A-Za-z/._-+@~%$] and all
 * bytes from 0x80, [.FEsSxXPpRWU*!]. */
/* clang-format off */
const uint8_t ns_signs[256] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x20, 0x00, 0x00, 0x10, 0x10, 0x00, 0x00, 0x00, 0x00, 0x20, 0x10, 0x00, 0x10, 0x30, 0x10,
    0x15, 0x15, 0x15, 0x15, 0x15, 0x15, 0x15, 0x15, 0x15, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x10, 0x1e, 0x1e, 0x1e, 0x1e, 0x3e, 0x3e, 0x1a, 0x1a, 0x1a, 0x1a, 0x1a, 0x1a, 0x1a, 0x1a, 0x1a,
    0x3a, 0x1a, 0x3a, 0x3a, 0x1a, 0x3a, 0x1a, 0x3a, 0x3a, 0x1a, 0x1a, 0x00, 0x00, 0x00, 0x00, 0x10,
    0x00, 0x16, 0x16, 0x16, 0x16, 0x16, 0x16, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12, 0x12,
    0x32, 0x12, 0x12, 0x32, 0x12, 0x12, 0x12, 0x12, 0x32, 0x12, 0x12, 0x00, 0x00, 0x00, 0x10, 0x00,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
    0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
};
/* clang-format on */

void ns_pen_letters(ns_template_pen *pen, ns_text text)
{
    size_t room = NS_TEMPLATE_MAX - pen->len;
    if (text.len > room) {
        pen->full = true;
        text.len = room;
    }
    if (text.len > 0)
        memcpy(&pen->at[pen->len], text.at, text.len);
    pen->len += text.len;
}

void ns_pen_sign(ns_template_pen *pen, char c)
{
    if (pen->len > 0 && pen->at[pen->len - 1] == c && !ns_is_letter(c) && !ns_is_digit(c))
        return;
    if (pen->len == NS_TEMPLATE_MAX)
        pen->full = true;
    else
        pen->at[pen->len++] = c;
}

static ns_text behind_number(const ns_template_pen *pen)
{
    return (ns_text){pen->at + pen->number_end, pen->len - pen->number_end};
}

static bool separates(ns_text text)
{
    static const char *const between[] = {"", " ", ",", ", ", "-", " - ", "..", "|", " | ", "/", "+", "x", " x "};
    if (text.len > 3)
        return false;
    for (size_t i = 0; i < NS_COUNT_OF(between); i++)
        if (ns_text_is(text, between[i]))
            return true;
    return false;
}

bool ns_pen_after_number(const ns_template_pen *pen)
{
    return pen->number_end > pen->number_at && pen->len - pen->number_end <= 2 && pen->len > pen->number_end &&
           separates(behind_number(pen));
}

void ns_pen_number(ns_template_pen *pen, const char *as)
{
    ns_text text = ns_text_of(as);
    size_t last = pen->number_end - pen->number_at;
    /* "1 - 1, 1" is a list as long as it happens to be; zeros are counts and stay. */
    if (as[0] == '1' && last == text.len && memcmp(&pen->at[pen->number_at], as, last) == 0 &&
        separates(behind_number(pen))) {
        pen->len = pen->number_end;
        return;
    }
    pen->number_at = pen->len;
    ns_pen_letters(pen, text);
    pen->number_end = pen->len;
}

size_t ns_pen_any(ns_template_pen *pen, ns_text text)
{
    if ((unsigned char)text.at[0] < 0x80) {
        ns_pen_sign(pen, text.at[0]);
        return 1;
    }
    size_t n = ns_utf8_sequence(text);
    if (n == 0) {
        ns_pen_sign(pen, '?');
        return 1;
    }
    bool again = pen->len >= n && memcmp(&pen->at[pen->len - n], text.at, n) == 0;
    if (!again && n > NS_TEMPLATE_MAX - pen->len)
        pen->full = true;
    else if (!again)
        ns_pen_letters(pen, (ns_text){text.at, n});
    return n;
}

/* ---- verbs ---- */

/* What package managers, compilers and fetchers print once for each thing they handle. */
static const char *const verbs[] = {
    "Adding debian:",
    "Building wheel for ",
    "Checking connectivity",
    "Checking out files",
    "Collecting ",
    "Compiling ",
    "Compressing objects",
    "Counting objects",
    "Created wheel for ",
    "Download ",
    "Downloaded ",
    "Downloading ",
    "Downloading: ",
    "Downloaded: ",
    "Enumerating objects",
    "Extracting ",
    "Fetched ",
    "Fetching ",
    "Fetching: ",
    "Get:",
    "Hit:",
    "Hit ",
    "Ign:",
    "Ign ",
    "Installing ",
    "Installing collected packages",
    "Preparing to unpack ",
    "Processing triggers for ",
    "Progress (",
    "Receiving objects",
    "Removing ",
    "Requirement already satisfied",
    "Resolving deltas",
    "Resolving ",
    "Running setup.py ",
    "Selecting previously unselected package ",
    "Setting up ",
    "Stored in directory",
    "Successfully installed ",
    "Unpacking ",
    "Updating files",
    "Using ",
    "Using cached ",
    "Writing objects",
    "downloading ",
    "go: downloading ",
    "go: extracting ",
    "go: finding ",
    "inflating: ",
    "creating: ",
    "trying URL ",
    "* [new branch]",
    "* [new tag]",
    "- Installing ",
    "- Downloading ",
    "==> Downloading ",
    "==> Pouring ",
    "resolving ",
    "Resolved ",
    "extracting ",
    "copying ",
    "adding ",
    "byte-compiling ",
    "-- Installing: ",
    "-- Up-to-date: ",
    "http fetch GET 200 ",
    "npm http fetch GET 200 ",
    "npm http GET ",
    "npm http 200 ",
    "npm http 304 ",
};

/* In front of a verb. */
static const char *const tags[] = {"[INFO] ", "[info] ", "remote: ", "INFO: ", "> "};

/* Bytes at which trouble may begin, both cases. */
static bool tells_trouble(ns_text line)
{
    static const char *const words[] = {"fail",     "error",    "warn",      "unable",  "could not", "cannot",
                                        "can't",    "denied",   "timed",     "refus",   "not found", "retry",
                                        "invalid",  "missing",  "unmet",     "abort",   "fatal",     "killed",
                                        "conflict", "mismatch", "exception", "corrupt", "no such"};
    char small[1025];
    size_t n = line.len < sizeof small - 1 ? line.len : sizeof small - 1;
    for (size_t i = 0; i < n; i++)
        small[i] = line.at[i] >= 'A' && line.at[i] <= 'Z' ? (char)(line.at[i] + 'a' - 'A') : line.at[i];
    small[n] = '\0';
    for (size_t at = 0; at < n; at++)
        for (size_t i = 0; i < NS_COUNT_OF(words); i++)
            if (small[at] == words[i][0] && small[at + 1] == words[i][1] &&
                ns_text_starts((ns_text){small + at, n - at}, words[i]))
                return true;
    return false;
}

/* A line of a dependency tree: "+-- name@1.2". */
static bool tree_line(ns_text line)
{
    static const char *const branches[] = {"+-", "| ", "`-", "\xe2\x94\x9c", "\xe2\x94\x94", "\xe2\x94\x82"};
    bool branch = false;
    for (size_t i = 0; i < NS_COUNT_OF(branches) && !branch; i++)
        branch = ns_text_starts(line, branches[i]);
    for (size_t i = 1; branch && i + 1 < line.len; i++)
        if (line.at[i] == '@' && ns_is_digit(line.at[i + 1]) && line.at[i - 1] != ' ')
            return true;
    return false;
}

static const char *verb_of(ns_text line)
{
    for (size_t i = 0; i < NS_COUNT_OF(verbs); i++)
        if (verbs[i][0] == line.at[0] && ns_text_starts(line, verbs[i]))
            return verbs[i];
    return NULL;
}

bool ns_template_verb(ns_text line, ns_template_pen *pen)
{
    for (size_t i = 0; i < NS_COUNT_OF(tags); i++)
        if (ns_text_starts(line, tags[i]))
            line = (ns_text){line.at + strlen(tags[i]), line.len - strlen(tags[i])};
    line = ns_text_trim(line);
    if (line.len == 0)
        return false;
    const char *verb = verb_of(line);
    if (verb == NULL && !tree_line(line))
        return false;
    if (tells_trouble(line))
        return false;
    ns_pen_letters(pen, verb == NULL ? NS_TEXT("+- ") : ns_text_of(verb));
    ns_pen_sign(pen, '~');
    return true;
}
