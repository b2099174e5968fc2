#include "lab/recorded_logs.h"

#include "base/log.h"
#include "base/mem.h"
#include "lab/corpus.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LOG_BYTES = 2 << 20 };

typedef struct shelf {
    ns_corpus *corpus;
    bool told; /* that one could not be read */
} shelf;

static void at(void *self, size_t i, ns_recorded_log *out)
{
    const shelf *s = self;
    const ns_corpus_log *log = ns_corpus_at(s->corpus, i);
    *out = (ns_recorded_log){.tool = log->tool,
                             .project = log->project_number,
                             .cause = NS_CAUSE_none,
                             .fault_line = log->fault_line,
                             .times = log->times,
                             .time_count = log->time_count};
    /* A failing log whose cause has no name here fits nothing that the world knows. Its agents go away; agents that
     * only have a read-only disk or no more processes, which count as lost in the corpus, it does not have. */
    bool named = !log->failing || ns_cause_parse(ns_text_of(log->cause), &out->cause);
    bool other_agent_fault =
        out->cause == NS_CAUSE_agent_lost && log->fault[0] != '\0' && strcmp(log->fault, "agent_lost") != 0;
    if (!named || other_agent_fault)
        out->cause = NS_CAUSE_COUNT;
}

static ns_status read_text(void *self, size_t i, ns_buf *out, ns_error *err)
{
    shelf *s = self;
    ns_status status = ns_corpus_read(s->corpus, i, out, err);
    if (status != NS_OK && !s->told)
        ns_log(NS_LOG_WARNING, "world", "recorded_log_unreadable", "reason=\"%s\"", err->text);
    s->told |= status != NS_OK;
    return status;
}

ns_status ns_recorded_logs_open(const char *folder, const char *split, ns_recorded_logs *out, ns_error *err)
{
    ns_corpus_filter filter = {.split = split, .max_bytes = LOG_BYTES};
    shelf *s = NS_NEW(shelf);
    *out = (ns_recorded_logs){0};
    if (s == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for recorded logs");
    ns_status status = ns_corpus_open(&folder, 1, &filter, &s->corpus, err);
    if (status != NS_OK) {
        ns_free(s);
        return status;
    }
    *out = (ns_recorded_logs){.self = s, .count = ns_corpus_count(s->corpus), .at = at, .read = read_text};
    return NS_OK;
}

void ns_recorded_logs_close(ns_recorded_logs *logs)
{
    shelf *s = logs->self;
    if (s != NULL)
        ns_corpus_free(s->corpus);
    ns_free(s);
    *logs = (ns_recorded_logs){0};
}

static bool is_corpus(const char *folder)
{
    char path[4200];
    return snprintf(path, sizeof path, "%s/index.jsonl", folder) < (int)sizeof path && access(path, F_OK) == 0;
}

static bool shipped(char out[4096])
{
    static const char *const places[] = {"../corpus", "../share/neuroshield/corpus"};
    char program[4000];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    for (size_t i = 0; i < NS_COUNT_OF(places); i++)
        if (snprintf(out, 4096, "%s/%s", program, places[i]) < 4096 && is_corpus(out))
            return true;
    return false;
}

ns_status ns_recorded_logs_choose(const char *setting, const char *split, ns_recorded_logs *out, ns_error *err)
{
    char found[4096];
    *out = (ns_recorded_logs){0};
    bool none = setting != NULL && strcmp(setting, "none") == 0;
    const char *folder = none ? NULL : setting != NULL && setting[0] != '\0' ? setting : shipped(found) ? found : NULL;
    if (folder == NULL) {
        ns_log(NS_LOG_INFO, "world", "logs_made_up", "reason=\"%s\"",
               none ? "as configured" : "no corpus of recorded logs is installed");
        return NS_OK;
    }
    ns_error why;
    ns_status status = ns_recorded_logs_open(folder, split, out, &why);
    if (status == NS_OK)
        ns_log(NS_LOG_INFO, "world", "logs_recorded", "logs=%zu split=%s", out->count, split);
    if (status == NS_OK || status == NS_NO_MEMORY)
        return status == NS_OK ? NS_OK : ns_fail(err, status, "%s", why.text);
    return ns_fail(err, NS_BAD_INPUT, "%.300s; give another folder as world.logs, or none for made-up text", why.text);
}
