#include "world/build_log.h"

#include "base/mem.h"
#include "world/build_log_pen.h"
#include "world/build_log_recorded.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- how a log looks --------------------------------------------------------------------------------------------- */

static ns_log_style style_of(const ns_build_plan *plan)
{
    /* Time stamps, colours and parallel stages are the pipeline's ways, so all builds of a job share them; the length
     * and the verbosity change from build to build. */
    ns_rng job, build;
    ns_rng_seed(&job, ns_hash(ns_text_of(plan->jenkins_job)));
    ns_rng_seed_named(&build, plan->text_seed, "style");
    ns_log_style style = {
        .stamps = ns_rng_uniform(&job) < 0.4,
        .colour = ns_rng_uniform(&job) < 0.4,
        .progress = ns_rng_uniform(&job) < 0.5,
        .parallel = ns_rng_uniform(&job) < 0.35,
    };
    style.verbose = ns_rng_uniform(&build) < 0.12;
    double scale = ns_rng_lognormal(&build, 1.0, 0.5);
    style.scale = scale < 0.3 ? 0.3 : scale > 5.0 ? 5.0 : scale;
    return style;
}

/* ---- Jenkins' frame ---------------------------------------------------------------------------------------------- */

static void started_by(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    switch (plan->trigger) {
    case NS_TRIGGER_timer:
        ns_pen_raw(pen, "Started by timer");
        break;
    case NS_TRIGGER_scm:
        ns_pen_raw(pen, "Started by an SCM change");
        break;
    case NS_TRIGGER_upstream:
        ns_pen_line(pen, "Started by upstream project \"%s\"", plan->user);
        ns_pen_raw(pen, "originally caused by:");
        ns_pen_raw(pen, " Started by an SCM change");
        break;
    case NS_TRIGGER_remote:
        ns_pen_raw(pen, "Started by remote host 10.0.3.17");
        break;
    case NS_TRIGGER_replay:
        ns_pen_line(pen, "Replayed #%lld", (long long)(plan->number - 1));
        break;
    case NS_TRIGGER_user:
    case NS_TRIGGER_neuroshield:
    case NS_TRIGGER_unknown:
        ns_pen_line(pen, "Started by user %s", plan->user[0] == '\0' ? "anonymous" : plan->user);
        break;
    }
}

static void write_header(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    static const char *const script_from[] = {"Obtained Jenkinsfile from git https://git.sock-shop.example/%s.git",
                                              "Obtained ci/Jenkinsfile from git https://git.sock-shop.example/%s.git"};
    ns_pen_seed(pen, "header", 0);
    started_by(pen);
    ns_pen_line(pen, ns_hash(ns_text_of(plan->service)) % 2 == 0 ? script_from[0] : script_from[1], plan->service);
    ns_pen_raw(pen, "[Pipeline] Start of Pipeline");
    ns_pen_raw(pen, "[Pipeline] node");
    ns_pen_line(pen, "Running on %s in /home/jenkins/workspace/sock-shop_%s", plan->agent, plan->service);
    ns_pen_raw(pen, "[Pipeline] {");
    if (pen->style.stamps) {
        ns_pen_raw(pen, "[Pipeline] timestamps");
        ns_pen_raw(pen, "[Pipeline] {");
    }
    if (pen->style.colour) {
        ns_pen_raw(pen, "[Pipeline] ansiColor");
        ns_pen_raw(pen, "[Pipeline] {");
    }
    ns_pen_flush(pen, plan->started_ms, plan->started_ms);
}

static void stage_opens(ns_pen *pen, ns_stage_kind kind)
{
    ns_pen_raw(pen, "[Pipeline] stage");
    ns_pen_line(pen, "[Pipeline] { (%s)", ns_stage_title(kind));
}

static void stage_closes(ns_pen *pen)
{
    ns_pen_raw(pen, "[Pipeline] }");
    ns_pen_raw(pen, "[Pipeline] // stage");
}

static int lines_of(const ns_pen *pen, const ns_plan_stage *stage)
{
    return (int)lround((double)ns_log_usual_lines(pen->plan->language, stage->kind) * pen->style.scale);
}

static int share_of(int lines, int64_t part_ms, int64_t whole_ms)
{
    return whole_ms <= 0 ? 0 : (int)((double)lines * ((double)part_ms / (double)whole_ms));
}

static void write_good_stage(ns_pen *pen, const ns_plan_stage *stage, int lines)
{
    int before = stage->noise ? ns_pen_below(pen, lines) : lines;
    ns_log_body(pen, stage, before, true);
    if (stage->noise) {
        ns_log_survived(pen, stage);
        ns_log_body(pen, stage, lines - before, false);
    }
    ns_log_good_end(pen, stage);
    stage_closes(pen);
    ns_pen_flush(pen, stage->start_ms, stage->end_ms);
}

/* Until evidence_ms the text is what a good stage would print. */
static void write_bad_stage(ns_pen *pen, const ns_plan_stage *stage, int lines)
{
    int64_t evidence_ms = stage->evidence_ms < stage->start_ms ? stage->start_ms : stage->evidence_ms;
    if (evidence_ms > stage->end_ms)
        evidence_ms = stage->end_ms;
    int before = share_of(lines, evidence_ms - stage->start_ms, stage->end_ms - stage->start_ms);
    int survived_after = stage->noise ? ns_pen_below(pen, lines) : lines;
    if (survived_after < before) {
        ns_log_body(pen, stage, survived_after, true);
        ns_log_survived(pen, stage);
        ns_log_body(pen, stage, before - survived_after, false);
    } else {
        ns_log_body(pen, stage, before, true);
    }
    ns_pen_flush(pen, stage->start_ms, evidence_ms);

    ns_pen_seed(pen, "evidence", (int)stage->kind);
    ns_log_evidence(pen, stage);
    /* Mostly 5 to 200 lines pass between the first evidence and the end: other work goes on, tools clean up. */
    double after = ns_rng_lognormal(&pen->rng, 30.0, 1.0);
    ns_log_body(pen, stage, after > 400.0 ? 400 : (int)after, false);
    ns_log_bad_end(pen, stage);
    stage_closes(pen);
    ns_pen_flush(pen, evidence_ms, stage->end_ms);
}

static void write_stage(ns_pen *pen, size_t i)
{
    const ns_plan_stage *stage = &pen->plan->stage[i];
    ns_pen_seed(pen, "stage", (int)i);
    stage_opens(pen, stage->kind);
    int lines = lines_of(pen, stage);
    if (stage->cause == NS_CAUSE_none)
        write_good_stage(pen, stage, lines);
    else
        write_bad_stage(pen, stage, lines);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void write_cut(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    if (plan->stopped_by[0] != '\0') {
        ns_pen_line(pen, "Aborted by %s", plan->stopped_by);
        ns_pen_raw(pen, "Sending interrupt signal to process");
        ns_pen_raw(pen, "Terminated");
        ns_pen_raw(pen, "script returned exit code 143");
        stage_closes(pen);
    } else if (plan->agent_lost) {
        ns_pen_line(
            pen,
            "Cannot contact %s: hudson.remoting.ChannelClosedException: Channel \"hudson.remoting.Channel@%x:%s\": "
            "Remote call on %s failed. The channel is closing down or has closed down",
            plan->agent, (unsigned)(plan->text_seed & 0xffffff), plan->agent, plan->agent);
        ns_pen_line(pen, "Could not connect to %s to send interrupt signal to process", plan->agent);
        stage_closes(pen);
    }
}

static bool is_cut(const ns_build_plan *plan)
{
    return plan->stage_count > 0 && (plan->stopped_by[0] != '\0' || plan->agent_lost) &&
           plan->ended_ms < plan->stage[plan->stage_count - 1].end_ms;
}

static const ns_plan_stage *failing_stage(const ns_build_plan *plan)
{
    for (size_t i = 0; i < plan->stage_count; i++) {
        if (plan->stage[i].cause != NS_CAUSE_none)
            return &plan->stage[i];
    }
    return NULL;
}

static void skipped_stages(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    if (plan->stage_count == 0)
        return;
    for (int kind = (int)plan->stage[plan->stage_count - 1].kind + 1; kind < (int)NS_STAGE_KINDS; kind++) {
        stage_opens(pen, (ns_stage_kind)kind);
        ns_pen_line(pen, "Stage \"%s\" skipped due to earlier failure(s)", ns_stage_title((ns_stage_kind)kind));
        ns_pen_raw(pen, "[Pipeline] getContext");
        stage_closes(pen);
    }
}

static void post_actions(ns_pen *pen, bool good)
{
    ns_pen_raw(pen, "[Pipeline] stage");
    ns_pen_raw(pen, "[Pipeline] { (Declarative: Post Actions)");
    ns_pen_raw(pen, "[Pipeline] junit");
    ns_pen_raw(pen, "Recording test results");
    ns_pen_raw(pen, pen->plan->tests_total > 0 ? "[Checks API] No suitable checks publisher found."
                                               : "None of the test reports contained any result");
    ns_pen_raw(pen, "[Pipeline] archiveArtifacts");
    ns_pen_raw(pen, "Archiving artifacts");
    if (!good) {
        ns_pen_raw(pen, "[Pipeline] sh");
        ns_pen_line(pen, "+ ./ci/notify.sh %s %lld", pen->plan->service, (long long)pen->plan->number);
        ns_pen_raw(pen, "chat: channel #builds told");
    }
    ns_pen_raw(pen, "[Pipeline] cleanWs");
    ns_pen_raw(pen, "[WS-CLEANUP] Deleting project workspace...");
    ns_pen_raw(pen, "[WS-CLEANUP] Deferred wipeout is used...");
    ns_pen_raw(pen, "[WS-CLEANUP] done");
    stage_closes(pen);
}

static void write_end(ns_pen *pen)
{
    const ns_build_plan *plan = pen->plan;
    const ns_plan_stage *bad = failing_stage(plan);
    bool good = plan->result == NS_BUILD_SUCCESS;
    ns_pen_seed(pen, "end", 0);
    if (is_cut(plan))
        write_cut(pen);
    if (!good)
        skipped_stages(pen);
    if (!plan->agent_lost)
        post_actions(pen, good);
    if (pen->style.colour) {
        ns_pen_raw(pen, "[Pipeline] }");
        ns_pen_raw(pen, "[Pipeline] // ansiColor");
    }
    if (pen->style.stamps) {
        ns_pen_raw(pen, "[Pipeline] }");
        ns_pen_raw(pen, "[Pipeline] // timestamps");
    }
    ns_pen_raw(pen, "[Pipeline] }");
    ns_pen_raw(pen, "[Pipeline] // node");
    ns_pen_raw(pen, "[Pipeline] End of Pipeline");
    if (plan->agent_lost || (bad != NULL && bad->cause == NS_CAUSE_agent_lost))
        ns_pen_raw(pen, "hudson.remoting.ChannelClosedException: the agent's channel is closed");
    else if (plan->stopped_by[0] == '\0' && bad != NULL && !good && bad->cause != NS_CAUSE_timeout)
        ns_pen_line(pen, "ERROR: script returned exit code %d", ns_log_exit_status(bad));
    ns_pen_line(pen, "Finished: %s",
                plan->result == NS_BUILD_unknown ? "NOT_BUILT" : ns_build_result_name(plan->result));
    ns_pen_flush(pen, plan->ended_ms, plan->closed_ms > plan->ended_ms ? plan->closed_ms : plan->ended_ms);
}

/* ---- generating, growing with the plan --------------------------------------------------------------------------- */

typedef struct generated {
    struct generated *newer, *older; /* LRU list */
    char job[NS_JOB_MAX];
    int64_t number;
    uint64_t text_seed;
    int64_t started_ms;
    ns_log_text log;
    size_t stages; /* how many stages of the plan stand in it */
    bool header;
    bool closed;
} generated;

static void generated_clear(generated *entry)
{
    ns_buf_clear(&entry->log.text);
    ns_free(entry->log.mark);
    entry->log.mark = NULL;
}

static void generated_init(generated *entry, const ns_build_plan *plan)
{
    *entry = (generated){.number = plan->number, .text_seed = plan->text_seed, .started_ms = plan->started_ms};
    (void)ns_text_copy(entry->job, sizeof entry->job, ns_text_of(plan->jenkins_job));
    ns_buf_init(&entry->log.text, NS_LOG_BYTES_MAX);
}

static bool is_of(const generated *entry, const ns_build_plan *plan)
{
    return entry->number == plan->number && entry->text_seed == plan->text_seed &&
           entry->started_ms == plan->started_ms && strcmp(entry->job, plan->jenkins_job) == 0 &&
           entry->stages <= plan->stage_count && (!entry->closed || plan->ended_ms >= 0);
}

/* Number of lines printed at now_ms. */
static size_t lines_by(const ns_log_text *log, int64_t now_ms)
{
    size_t low = 0, high = log->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->mark[middle].at_ms <= now_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The build ended inside a stage: what it would have printed later is not printed. */
static void cut_at(ns_log_text *log, int64_t ended_ms)
{
    log->count = lines_by(log, ended_ms);
    size_t len = log->count == 0 ? 0 : log->mark[log->count - 1].end;
    log->text.len = len;
    if (log->text.at != NULL)
        log->text.at[len] = '\0';
}

/* What a stage prints when no log was recorded of its cause. */
static void write_made_up_evidence(ns_pen *pen, const ns_plan_stage *stage)
{
    ns_pen_seed(pen, "evidence", (int)stage->kind);
    ns_log_evidence(pen, stage);
    ns_log_bad_end(pen, stage);
    ns_pen_flush(pen, stage->evidence_ms, stage->end_ms);
}

static void write_recorded_start(ns_pen *pen)
{
    started_by(pen);
    ns_pen_flush(pen, pen->plan->started_ms, pen->plan->started_ms);
}

/* Brings the entry up to the plan; recorded NULL: with made-up text. */
static ns_status grow(generated *entry, const ns_build_plan *plan, const ns_recorded_logs *recorded)
{
    bool close = plan->ended_ms >= 0 && !entry->closed;
    if (entry->header && entry->stages == plan->stage_count && !close)
        return NS_OK;
    bool real = recorded != NULL && ns_log_recorded_has(recorded, plan);
    ns_log_style style = {.scale = 1.0};
    if (!real)
        style = style_of(plan);
    ns_pen pen;
    ns_pen_init(&pen, plan, &style, &entry->log);
    if (!entry->header)
        real ? write_recorded_start(&pen) : write_header(&pen);
    entry->header = true;
    for (; entry->stages < plan->stage_count && !pen.failed; entry->stages++) {
        if (!real)
            write_stage(&pen, entry->stages);
        else if (!ns_log_recorded_stage(&pen, recorded, entry->stages))
            write_made_up_evidence(&pen, &plan->stage[entry->stages]);
    }
    if (close && !pen.failed) {
        cut_at(&entry->log, plan->ended_ms);
        if (!real || !ns_log_recorded_end(&pen, recorded))
            write_end(&pen);
        entry->closed = true;
    }
    bool failed = pen.failed;
    ns_pen_clear(&pen);
    return failed ? NS_NO_MEMORY : NS_OK;
}

static ns_status read_piece(const ns_log_text *log, int64_t now_ms, int64_t offset, size_t limit, ns_buf *out,
                            int64_t *total)
{
    size_t lines = lines_by(log, now_ms);
    size_t printed = lines == 0 ? 0 : log->mark[lines - 1].end;
    if (offset >= 0 && (uint64_t)offset < printed) {
        size_t left = printed - (size_t)offset;
        ns_status status = ns_buf_put(out, log->text.at + offset, left < limit ? left : limit);
        if (status != NS_OK)
            return status;
    }
    *total = (int64_t)printed;
    return NS_OK;
}

ns_status ns_build_log_read(const ns_build_plan *plan, int64_t now_ms, int64_t offset, size_t limit, ns_buf *out,
                            int64_t *total)
{
    return ns_build_log_cached(NULL, plan, now_ms, offset, limit, out, total);
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

struct ns_build_log_cache {
    const ns_recorded_logs *recorded; /* NULL: text is made up */
    size_t ceiling;
    size_t bytes;
    generated *newest, *oldest;
};

ns_build_log_cache *ns_build_log_cache_new(size_t ceiling_bytes)
{
    ns_build_log_cache *cache = NS_NEW(ns_build_log_cache);
    if (cache != NULL)
        cache->ceiling = ceiling_bytes;
    return cache;
}

static size_t size_of(const generated *entry)
{
    return sizeof *entry + entry->log.text.room + entry->log.room * sizeof *entry->log.mark;
}

static void unlink_entry(ns_build_log_cache *cache, generated *entry)
{
    *(entry->newer == NULL ? &cache->newest : &entry->newer->older) = entry->older;
    *(entry->older == NULL ? &cache->oldest : &entry->older->newer) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void link_newest(ns_build_log_cache *cache, generated *entry)
{
    entry->older = cache->newest;
    *(cache->newest == NULL ? &cache->oldest : &cache->newest->newer) = entry;
    cache->newest = entry;
}

static void forget(ns_build_log_cache *cache, generated *entry)
{
    cache->bytes -= size_of(entry);
    unlink_entry(cache, entry);
    generated_clear(entry);
    ns_free(entry);
}

void ns_build_log_cache_print(ns_build_log_cache *cache, const ns_recorded_logs *recorded)
{
    while (cache->newest != NULL)
        forget(cache, cache->newest);
    cache->recorded = recorded;
}

void ns_build_log_cache_free(ns_build_log_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->newest != NULL)
        forget(cache, cache->newest);
    ns_free(cache);
}

size_t ns_build_log_cache_bytes(const ns_build_log_cache *cache)
{
    return cache->bytes;
}

/* The entry of this plan, now the newest; NULL: no memory. */
static generated *entry_of(ns_build_log_cache *cache, const ns_build_plan *plan)
{
    generated *entry = cache->newest;
    while (entry != NULL && !is_of(entry, plan))
        entry = entry->older;
    if (entry != NULL) {
        unlink_entry(cache, entry);
    } else {
        entry = NS_NEW(generated);
        if (entry == NULL)
            return NULL;
        generated_init(entry, plan);
        cache->bytes += size_of(entry);
    }
    link_newest(cache, entry);
    return entry;
}

ns_status ns_build_log_cached(ns_build_log_cache *cache, const ns_build_plan *plan, int64_t now_ms, int64_t offset,
                              size_t limit, ns_buf *out, int64_t *total)
{
    if (cache == NULL) {
        generated once;
        generated_init(&once, plan);
        ns_status status = grow(&once, plan, NULL);
        if (status == NS_OK)
            status = read_piece(&once.log, now_ms, offset, limit, out, total);
        generated_clear(&once);
        return status;
    }
    generated *entry = entry_of(cache, plan);
    if (entry == NULL)
        return NS_NO_MEMORY;
    size_t before = size_of(entry);
    ns_status status = grow(entry, plan, cache->recorded);
    cache->bytes += size_of(entry) - before;
    if (status == NS_OK)
        status = read_piece(&entry->log, now_ms, offset, limit, out, total);
    if (status != NS_OK)
        forget(cache, entry); /* perhaps half written: the next reader begins anew */
    while (cache->bytes > cache->ceiling && cache->oldest != cache->newest)
        forget(cache, cache->oldest);
    return status;
}
