#include "prediction/template.h"

#include "prediction/template_pen.h"

#include <string.h>

/* ---- numbers ---- */

static bool is(char c, unsigned kinds)
{
    return (ns_signs[(unsigned char)c] & kinds) != 0;
}

static bool is_hex(char c)
{
    return is(c, NS_SIGN_hex);
}

static bool is_alnum(char c)
{
    return is(c, NS_SIGN_digit | NS_SIGN_letter);
}

static char at(ns_text text, size_t i)
{
    return i < text.len ? text.at[i] : '\0';
}

static ns_text from(ns_text text, size_t n)
{
    return (ns_text){text.at + n, text.len - n};
}

static size_t digits_at(ns_text text, size_t i)
{
    size_t n = 0;
    while (ns_is_digit(at(text, i + n)))
        n++;
    return n;
}

static size_t letters_at(ns_text text, size_t i)
{
    size_t n = 0;
    while (ns_is_letter(at(text, i + n)))
        n++;
    return n;
}

/* yyyy-mm-dd or yyyy/mm/dd with a time behind it, if there is one; 0: no date. */
static size_t date_at(ns_text text)
{
    char between = at(text, 4);
    if ((between != '-' && between != '/') || digits_at(text, 0) != 4 || digits_at(text, 5) != 2 ||
        at(text, 7) != between || digits_at(text, 8) != 2)
        return 0;
    size_t n = 10;
    if ((at(text, n) == 'T' || at(text, n) == ' ') && digits_at(text, n + 1) == 2 && at(text, n + 3) == ':')
        n++;
    return n;
}

/* What a number at the text's start comes to. */
typedef struct number {
    size_t len;
    bool zero;      /* a whole number that is 0 */
    bool clock;     /* holds a colon: a time of day, or ratio, or line and column */
    const char *as; /* "0", "1", "1s", "1B" */
} number;

/* digits, joined by single points, colons and commas: 1.2.3, 12:30:01.5, 1,234, 10.0.0.7:80 */
static size_t joined_digits(ns_text text, size_t i, number *out)
{
    for (;;) {
        for (; ns_is_digit(at(text, i)); i++)
            out->zero = out->zero && text.at[i] == '0';
        char join = at(text, i);
        if ((join != '.' && join != ':' && join != ',') || !ns_is_digit(at(text, i + 1)))
            return i;
        out->zero = out->zero && join == ',';
        out->clock = out->clock || join == ':';
        i++;
    }
}

static size_t exponent_at(ns_text text, size_t i)
{
    if (at(text, i) != 'e' && at(text, i) != 'E')
        return 0;
    size_t n = at(text, i + 1) == '-' || at(text, i + 1) == '+' ? 2 : 1;
    size_t digits = digits_at(text, i + n);
    return digits > 0 && !is_alnum(at(text, i + n + digits)) ? n + digits : 0;
}

/* Zone of a time: Z, +hh:mm, +hhmm; " AM". */
static size_t zone_at(ns_text text, size_t i)
{
    if (at(text, i) == 'Z' && !is_alnum(at(text, i + 1)))
        return 1;
    if ((at(text, i) == '+' || at(text, i) == '-') && digits_at(text, i + 1) == 4)
        return 5;
    if ((at(text, i) == '+' || at(text, i) == '-') && digits_at(text, i + 1) == 2 && at(text, i + 3) == ':')
        return 4 + digits_at(text, i + 4);
    if (at(text, i) == ' ' && (at(text, i + 1) == 'A' || at(text, i + 1) == 'P') && at(text, i + 2) == 'M' &&
        !is_alnum(at(text, i + 3)))
        return 3;
    return 0;
}

/* clang-format off */
#define TIME_UNITS(X)                                                                                                  \
    X(s) X(ms) X(us) X(ns) X(m) X(h) X(d) X(sec) X(secs) X(second) X(seconds) X(min) X(mins) X(minute) X(minutes)      \
    X(hour) X(hours) X(hr) X(hrs) X(msec) X(millis) X(milliseconds) X(day) X(days)
#define SIZE_UNITS(X)                                                                                                  \
    X(B) X(kB) X(KB) X(MB) X(GB) X(TB) X(KiB) X(MiB) X(GiB) X(Kb) X(Mb) X(kb) X(mb) X(gb) X(bytes) X(byte) X(kbytes)
#define ATTACHED_SIZES(X) X(k) X(K) X(M) X(G) X(b)
/* clang-format on */

/* Which unit the letters are: 's' a duration's, 'B' a size's, 0 none. */
static char unit_of(ns_text word, bool attached)
{
#define IS_UNIT(name, kind)                                                                                            \
    if (word.len == sizeof #name - 1 && memcmp(word.at, #name, sizeof #name - 1) == 0)                                 \
        return kind;
#define IS_TIME(name) IS_UNIT(name, 's')
#define IS_SIZE(name) IS_UNIT(name, 'B')
    if (word.len == 0 || word.len > 12)
        return '\0';
    TIME_UNITS(IS_TIME)
    SIZE_UNITS(IS_SIZE)
    if (attached) {
        ATTACHED_SIZES(IS_SIZE)
    }
    return '\0';
#undef IS_UNIT
#undef IS_TIME
#undef IS_SIZE
}

/* A unit behind the number, attached or after one blank: its kind, *n its length with the blank. */
static char unit_at(ns_text text, size_t i, size_t *n)
{
    size_t blank = at(text, i) == ' ' ? 1 : 0;
    size_t letters = letters_at(text, i + blank);
    /* "1m30s": the next part begins at once. */
    if (letters == 0 || (ns_is_digit(at(text, i + blank + letters)) && blank > 0) ||
        at(text, i + letters + blank) == '_')
        return '\0';
    *n = blank + letters;
    return unit_of((ns_text){text.at + i + blank, letters}, blank == 0);
}

/* "1m 3s", "2 min 10 sec", "1m30.5s": further parts of the same duration. */
static size_t more_duration(ns_text text, size_t i)
{
    for (;;) {
        size_t start = i + (at(text, i) == ',' ? 1 : 0);
        start += at(text, start) == ' ' ? 1 : 0;
        size_t end = start + digits_at(text, start), unit;
        if (end == start)
            return i;
        if (at(text, end) == '.' && ns_is_digit(at(text, end + 1)))
            end += 1 + digits_at(text, end + 1);
        if (unit_at(text, end, &unit) != 's')
            return i;
        i = end + unit;
    }
}

/* attached: the sign before the digits belongs to them ("thread-0"), so 0 is a name and not a count. */
static number read_number(ns_text text, bool attached)
{
    number out = {.zero = true, .as = "1"};
    size_t date = date_at(text), unit = 0;
    out.len = joined_digits(text, date, &out);
    out.zero = out.zero && date == 0 && !attached;
    if (date > 0 || out.clock)
        out.len += zone_at(text, out.len);
    else
        out.len += exponent_at(text, out.len);
    char kind = out.clock ? '\0' : unit_at(text, out.len, &unit);
    if (kind == 's') {
        out.len = more_duration(text, out.len + unit);
        out.as = "1s";
    } else if (kind == 'B') {
        out.len += unit;
        out.as = "1B";
    } else if (out.zero && at(text, out.len) != '%' && !(at(text, out.len) == ' ' && at(text, out.len + 1) == '%')) {
        out.as = "0";
    }
    return out;
}

/* ---- words ---- */

static bool one_of(ns_text word, const char *names)
{
    for (const char *name = names; *name != '\0'; name += 4)
        if (memcmp(word.at, name, 3) == 0)
            return true;
    return false;
}

/* "Jan", "Monday": names that stand for numbers when numbers stand beside them. */
static bool names_a_date(ns_text word)
{
    if (word.len < 3 || word.at[0] < 'A' || word.at[0] > 'Z')
        return false;
    bool day = one_of(word, "Mon Tue Wed Thu Fri Sat Sun ");
    bool month = one_of(word, "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ");
    if (word.len == 3)
        return day || month;
    return (day && ns_text_ends(word, "day")) ||
           (month && (ns_text_ends(word, "uary") || ns_text_ends(word, "ber") || ns_text_ends(word, "ch") ||
                      ns_text_ends(word, "ril") || ns_text_is(word, "June") || ns_text_is(word, "July") ||
                      ns_text_is(word, "August")));
}

/* Is the word of n letters at the text's start part of a date? */
static bool part_of_date(const ns_template_pen *pen, ns_text text, size_t n)
{
    if (n > 9 || !names_a_date((ns_text){text.at, n}))
        return false;
    size_t i = n;
    while (i < n + 2 && (at(text, i) == ' ' || at(text, i) == ',' || at(text, i) == '-' || at(text, i) == '/'))
        i++;
    if (i > n && (ns_is_digit(at(text, i)) ||
                  (letters_at(text, i) >= 3 && names_a_date((ns_text){text.at + i, letters_at(text, i)}))))
        return true;
    return ns_pen_after_number(pen);
}

/* 8-4-4-4-12 hex digits. */
static bool uuid_at(ns_text text)
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    size_t i = 0;
    for (size_t g = 0; g < NS_COUNT_OF(groups); g++) {
        for (size_t n = 0; n < groups[g]; n++)
            if (!is_hex(at(text, i++)))
                return false;
        if (g < 4 && at(text, i++) != '-')
            return false;
    }
    return !is_alnum(at(text, i));
}

typedef struct word_shape {
    size_t len, digits, hex, upper;
} word_shape;

static word_shape shape_of(ns_text text)
{
    word_shape word = {0};
    for (; word.len < text.len; word.len++) {
        unsigned kinds = ns_signs[(unsigned char)text.at[word.len]];
        if ((kinds & (NS_SIGN_digit | NS_SIGN_letter)) == 0)
            break;
        word.digits += kinds & NS_SIGN_digit;
        word.hex += (kinds & NS_SIGN_hex) != 0;
        word.upper += (kinds & NS_SIGN_upper) != 0;
    }
    return word;
}

/* A hash, an id, a random name at the start of a word; its length, 0 when it is none. */
static size_t id_at(ns_text text, const word_shape *word)
{
    if (word->len == 8 && word->hex == 8 && uuid_at(text))
        return 36;
    if (word->len > 2 && text.at[0] == '0' && (text.at[1] == 'x' || text.at[1] == 'X') && word->hex == word->len - 1)
        return word->len;
    size_t letters = word->len - word->digits;
    if (word->hex == word->len && word->len >= 7 && word->digits > 0 && letters > 0)
        return word->len;
    /* base64 and the like: long, with capitals, small letters and digits mixed. */
    if (word->len >= 20 && word->digits >= 2 && word->upper >= 2 && letters > word->upper)
        return word->len;
    return 0;
}

/* What mkdtemp and Python's tempfile make: tmpab12_xyz (8 signs), tmp.AbCdEfGhIj (10). */
static size_t temporary_at(ns_text text)
{
    if (text.len < 10 || memcmp(text.at, "tmp", 3) != 0)
        return 0;
    size_t start = text.at[3] == '.' ? 4 : 3, n = start;
    while (is_alnum(at(text, n)) || at(text, n) == '_')
        n++;
    return n - start == (start == 4 ? 10 : 8) ? n : 0;
}

static void put_text(ns_template_pen *pen, ns_text text)
{
    for (size_t i = 0; i < text.len; i++)
        ns_pen_sign(pen, text.at[i]);
}

/* A word at its start; returns what it took. Digits inside a word are left to the next step. */
static size_t put_word(ns_template_pen *pen, ns_text text)
{
    size_t n = temporary_at(text);
    if (n > 0) {
        put_text(pen, NS_TEXT("tmp#"));
        return n;
    }
    word_shape word = shape_of(text);
    if (word.digits > 0 && (n = id_at(text, &word)) > 0) {
        ns_pen_sign(pen, '#');
        return n;
    }
    n = word.digits == 0 ? word.len : letters_at(text, 0);
    if (part_of_date(pen, text, n))
        ns_pen_number(pen, "1");
    else
        ns_pen_letters(pen, (ns_text){text.at, n});
    return n;
}

/* before: the sign in front of the digits, NUL at the line's start. */
static size_t put_number(ns_template_pen *pen, ns_text text, char before)
{
    word_shape word = {0};
    if (!is_alnum(before))
        word = shape_of(text);
    size_t id = word.len > word.digits || word.len == 8 ? id_at(text, &word) : 0;
    if (id > 0 && !ns_is_digit(before)) {
        ns_pen_sign(pen, '#');
        return id;
    }
    bool attached = ns_is_letter(before) || (before != '\0' && strchr("-_.$#@[", before) != NULL);
    number one = read_number(text, attached);
    ns_pen_number(pen, one.as);
    return one.len;
}

/* ---- paths and URLs ---- */

static bool path_sign(char c)
{
    return is(c, NS_SIGN_path);
}

static void put_words(ns_template_pen *pen, ns_text text)
{
    for (size_t i = 0; i < text.len;) {
        char c = text.at[i], before = i > 0 ? text.at[i - 1] : '/';
        if (ns_is_digit(c))
            i += put_number(pen, from(text, i), before);
        else if (ns_is_letter(c))
            i += put_word(pen, from(text, i));
        else
            i += ns_pen_any(pen, from(text, i));
    }
}

/* The last part of a path, closing slashes left aside. */
static ns_text last_part(ns_text path, char slash)
{
    while (path.len > 0 && path.at[path.len - 1] == slash)
        path.len--;
    size_t start = path.len;
    while (start > 0 && path.at[start - 1] != slash)
        start--;
    return from(path, start);
}

static bool temporary_folder(ns_text path)
{
    return ns_text_is(path, "/tmp/") || ns_text_is(path, "/var/tmp/");
}

/* A path of at least two parts at a slash: its length, 0 when it is none. */
static size_t put_path(ns_template_pen *pen, ns_text text)
{
    size_t n = 0, slashes = 0;
    for (; path_sign(at(text, n)); n++)
        slashes += text.at[n] == '/';
    if (slashes < 2)
        return 0;
    ns_text last = last_part((ns_text){text.at, n}, '/');
    ns_pen_sign(pen, '/');
    if (temporary_folder((ns_text){text.at, (size_t)(last.at - text.at)}))
        ns_pen_letters(pen, NS_TEXT("tmp"));
    else
        put_words(pen, last);
    return n;
}

/* X:\one\two */
static size_t put_windows_path(ns_template_pen *pen, ns_text text)
{
    size_t n = 2, slashes = 0;
    for (; path_sign(at(text, n)) || at(text, n) == '\\'; n++)
        slashes += text.at[n] == '\\';
    if (slashes < 1)
        return 0;
    ns_pen_sign(pen, '/');
    put_words(pen, last_part((ns_text){text.at, n}, '\\'));
    return n;
}

static bool ends_url(char c)
{
    return c == '\0' || (unsigned char)c <= ' ' || strchr("\"'<>()[]{}|`,;", c) != NULL;
}

/* Behind "scheme:": "//host/a/b?c" as "://host/b". */
static size_t put_url(ns_template_pen *pen, ns_text text)
{
    size_t n = 3, host = 3;
    while (!ends_url(at(text, n)))
        n++;
    while (host < n && text.at[host] != '/' && text.at[host] != '?')
        host++;
    ns_pen_letters(pen, NS_TEXT("://"));
    put_words(pen, (ns_text){text.at + 3, host - 3});
    size_t path = host;
    while (path < n && text.at[path] != '?' && text.at[path] != '#')
        path++;
    ns_text last = last_part((ns_text){text.at + host, path - host}, '/');
    if (last.len > 0) {
        ns_pen_sign(pen, '/');
        put_words(pen, last);
    }
    return n;
}

/* ---- progress ---- */

/* "..F..s.E" of a test runner, a token of its own with at least two dots: "." with F and E kept. */
static size_t put_dots(ns_template_pen *pen, ns_text text)
{
    size_t n = 0, dots = 0;
    bool failed = false, error = false;
    for (; n < text.len && text.at[n] != ' '; n++) {
        char c = text.at[n];
        if (!is(c, NS_SIGN_dots))
            return 0;
        dots += c == '.';
        failed = failed || c == 'F' || c == '!';
        error = error || c == 'E';
    }
    if (dots < 2)
        return 0;
    ns_pen_sign(pen, '.');
    if (failed)
        ns_pen_sign(pen, 'F');
    if (error)
        ns_pen_sign(pen, 'E');
    return n;
}

/* "[====>    ]", "|####    |" */
static size_t put_bar(ns_template_pen *pen, ns_text text)
{
    char close = text.at[0] == '[' ? ']' : '|';
    size_t n = 1;
    while (n < text.len && (strchr("=>#-. *", text.at[n]) != NULL || (unsigned char)text.at[n] >= 0x80))
        n++;
    if (n < 5 || at(text, n) != close)
        return 0;
    ns_pen_sign(pen, text.at[0]);
    ns_pen_sign(pen, '=');
    ns_pen_sign(pen, close);
    return n + 1;
}

/* ---- the line ---- */

/* What starts at a sign that is neither letter nor digit. */
static size_t put_other(ns_template_pen *pen, ns_text text, char before)
{
    size_t n = 0;
    switch (text.at[0]) {
    case '/':
        n = put_path(pen, text);
        break;
    case ':':
        if (ns_is_letter(before) && at(text, 1) == '/' && at(text, 2) == '/')
            n = put_url(pen, text);
        break;
    case '[':
    case '|':
        n = put_bar(pen, text);
        break;
    case '.':
        if (before == '\0' || before == ' ')
            n = put_dots(pen, text);
        break;
    case '@': {
        /* Object@1a2b3c: what Java prints for an object. */
        word_shape word = shape_of(from(text, 1));
        if (word.len >= 4 && word.hex == word.len && word.digits > 0) {
            put_text(pen, NS_TEXT("@#"));
            n = 1 + word.len;
        }
        break;
    }
    default:
        break;
    }
    return n > 0 ? n : ns_pen_any(pen, text);
}

static size_t put_letter(ns_template_pen *pen, ns_text text, char before)
{
    bool starts = before == '\0' || before == ' ';
    size_t n = 0;
    if (starts && is(text.at[0], NS_SIGN_dots))
        n = put_dots(pen, text);
    if (n == 0 && at(text, 1) == ':' && at(text, 2) == '\\' && !is_alnum(before))
        n = put_windows_path(pen, text);
    return n > 0 ? n : put_word(pen, text);
}

ns_text ns_template_text(ns_text line, char out[NS_TEMPLATE_MAX])
{
    ns_template_pen pen = {.at = out};
    line = ns_text_trim(line);
    if (ns_template_verb(line, &pen))
        return (ns_text){out, pen.len};
    for (size_t i = 0; i < line.len && !pen.full;) {
        char c = line.at[i], before = i > 0 ? line.at[i - 1] : '\0';
        ns_text rest = from(line, i);
        if (ns_is_letter(c))
            i += put_letter(&pen, rest, before);
        else if (ns_is_digit(c))
            i += put_number(&pen, rest, before);
        else
            i += put_other(&pen, rest, before);
    }
    return (ns_text){out, pen.len};
}

uint64_t ns_template_hash(ns_text template_text)
{
    uint64_t hash = ns_hash(template_text);
    return hash == 0 ? 1 : hash;
}
