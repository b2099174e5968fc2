#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static atomic_int least = NS_LOG_INFO;

static const char *const words[] = {
#define NS_LOG_WORD(name, word) word,
    NS_LOG_LEVEL_MAP(NS_LOG_WORD)
#undef NS_LOG_WORD
};

void ns_log_set_level(ns_log_level level)
{
    atomic_store(&least, (int)level);
}

bool ns_log_level_parse(const char *name, ns_log_level *out)
{
    static const char *const level_names[] = {
#define NS_LOG_NAME(name, word) #name,
        NS_LOG_LEVEL_MAP(NS_LOG_NAME)
#undef NS_LOG_NAME
    };
    for (size_t i = 0; i < NS_COUNT_OF(level_names); i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (ns_log_level)i;
            return true;
        }
    }
    return false;
}

void ns_log(ns_log_level level, const char *room, const char *event, const char *keys, ...)
{
    if ((int)level < atomic_load(&least))
        return;
    char line[2048];
    char at[NS_TIME_TEXT_MAX];
    int head = snprintf(line, sizeof line, "%s level=%s room=%s event=%s ", ns_time_text(ns_real_now_ms(), at),
                        words[level], room, event);
    if (head < 0 || (size_t)head >= sizeof line)
        return;
    va_list args;
    va_start(args, keys);
    int body = vsnprintf(line + head, sizeof line - (size_t)head, keys, args);
    va_end(args);
    size_t len = (size_t)head + (body > 0 ? (size_t)body : 0);
    if (len > sizeof line - 1)
        len = sizeof line - 1;
    for (size_t i = 0; i < len; i++) /* one event, one line, whatever came in */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    while (len > 0 && line[len - 1] == ' ')
        len--;
    line[len++] = '\n';
    /* One write per line: lines of two threads never mix. A full or closed stderr is nobody's trouble. */
    ssize_t ignored = write(STDERR_FILENO, line, len);
    (void)ignored;
}

const char *ns_log_quote(char *out, size_t size, const char *value)
{
    bool plain = value[0] != '\0';
    for (const char *c = value; *c != '\0' && plain; c++)
        plain = (unsigned char)*c > ' ' && *c != '"' && *c != '=' && *c != '\\' && *c != 0x7f;
    size_t n = 0;
    if (!plain)
        out[n++] = '"';
    for (const char *c = value; *c != '\0' && n + 3 < size; c++) {
        if (*c == '"' || *c == '\\')
            out[n++] = '\\';
        out[n++] = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    }
    if (!plain)
        out[n++] = '"';
    out[n] = '\0';
    return out;
}

enum { FIRST_WAIT_MS = 60 * 1000, LONGEST_WAIT_MS = 60 * 60 * 1000 };

bool ns_complain(ns_complaint *complaint, int64_t now_ms, uint64_t *unsaid)
{
    if (complaint->active && now_ms - complaint->told_at_ms < complaint->wait_ms) {
        complaint->unsaid++;
        return false;
    }
    int64_t doubled = complaint->wait_ms * 2;
    complaint->wait_ms = !complaint->active ? FIRST_WAIT_MS : doubled > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : doubled;
    complaint->active = true;
    complaint->told_at_ms = now_ms;
    *unsaid = complaint->unsaid;
    complaint->unsaid = 0;
    return true;
}

bool ns_complaint_over(ns_complaint *complaint)
{
    bool was = complaint->active;
    *complaint = (ns_complaint){0};
    return was;
}
