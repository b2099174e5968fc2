/* The log lane: the growth of one build's console log after the other, into the sink, at the sink's pace. */
#include "telemetry/jenkins_inside.h"

#include "base/mem.h"

#include <event2/event.h>
#include <string.h>

enum {
    CHUNK = 32 * 1024,          /* text handed over at a time; smaller growth goes over whole, with its new offset */
    TEXT_MAX = 8 * 1024 * 1024, /* ceiling of text waiting for the sink: one piece of the transfer, three times */
    AGAIN_MS = 20,              /* between offers to a sink that had no room */
    IDLE_MAX = 60,              /* answers without growth of an ended build whose log never says that it is over */
    LOG_TIMEOUT_MS = 60 * 1000,
};

/* ---- watches ---- */

static const ns_build *build_of(const build_watch *watch)
{
    return ns_pipeline_build(watch->view, watch->number);
}

static build_watch *find_watch(const jenkins_source *s, const ns_pipeline_view *view, int64_t number)
{
    build_watch *watch = s->job[view->index].builds;
    while (watch != NULL && watch->number != number)
        watch = watch->next_of_job;
    return watch;
}

static bool room_for_watch(jenkins_source *s)
{
    if (s->watch_count < s->watch_room)
        return true;
    size_t room = s->watch_room == 0 ? 64 : s->watch_room * 2;
    build_watch **moved = room > WATCHES_MAX ? NULL : ns_realloc(s->watch, room, sizeof(build_watch *));
    if (moved == NULL)
        return false;
    s->watch = moved;
    s->watch_room = room;
    return true;
}

void jenkins_follow(jenkins_source *s, ns_pipeline_view *view, const ns_build *build)
{
    if (find_watch(s, view, build->number) != NULL)
        return;
    int64_t offset = s->sink.offset(s->sink.self, view->jenkins_job, build->number);
    bool log = offset >= 0 && s->sink.wanted(s->sink.self, view, build);
    bool stages = s->job[view->index].pipeline && build->stages == 0;
    if ((!build->running && !log && !stages) || !room_for_watch(s))
        return;
    build_watch *watch = NS_NEW(build_watch);
    if (watch == NULL)
        return;
    watch->view = view;
    watch->number = build->number;
    watch->log_over = !log;
    watch->stages_over = !s->job[view->index].pipeline;
    watch->offset = log ? offset : 0;
    ns_console_init(&watch->console);
    watch->next_of_job = s->job[view->index].builds;
    s->job[view->index].builds = watch;
    s->watch[s->watch_count++] = watch;
}

static void drop(jenkins_source *s, size_t i)
{
    build_watch *watch = s->watch[i];
    build_watch **link = &s->job[watch->view->index].builds;
    while (*link != watch)
        link = &(*link)->next_of_job;
    *link = watch->next_of_job;
    s->watch[i] = s->watch[--s->watch_count];
    ns_free(watch);
}

/* Those of builds that ended and have nothing more to give, and of builds that fell out of the snapshot. */
void jenkins_drop_watches(jenkins_source *s)
{
    for (size_t i = s->watch_count; i-- > 0;) {
        const build_watch *watch = s->watch[i];
        const ns_build *build = build_of(watch);
        bool stages_over = watch->stages_over || s->stages_missing;
        if (watch != s->log.watch && (build == NULL || (!build->running && watch->log_over && stages_over)))
            drop(s, i);
    }
}

/* Fair turns: of those not asked for in this round the one that waited longest. Running builds go before ended ones,
 * but every fourth turn the other way round, so that the last lines of an ended build are never put off for ever. */
static build_watch *longest_waiting(jenkins_source *s, bool for_stages)
{
    build_watch *best = NULL;
    bool best_running = false, first = s->turn % 4 != 3; /* the kind that goes first */
    uint64_t best_turn = 0;
    for (size_t i = 0; i < s->watch_count; i++) {
        build_watch *watch = s->watch[i];
        uint64_t turn = for_stages ? watch->stages_turn : watch->log_turn;
        const ns_build *build = build_of(watch);
        if ((for_stages ? watch->stages_over : watch->log_over) || build == NULL ||
            (for_stages ? watch->stages_round : watch->log_round) >= s->round)
            continue;
        if (best == NULL || (build->running == first && best_running != first) ||
            (build->running == best_running && turn < best_turn)) {
            best = watch;
            best_running = build->running;
            best_turn = turn;
        }
    }
    return best;
}

build_watch *jenkins_next_stages(jenkins_source *s)
{
    build_watch *watch = s->stages_missing ? NULL : longest_waiting(s, true);
    if (watch != NULL) {
        watch->stages_round = s->round;
        watch->stages_turn = ++s->turn;
        watch->stages_over = !build_of(watch)->running; /* the last look at an ended build */
    }
    return watch;
}

/* ---- handing over ---- */

static void free_lane(jenkins_source *s)
{
    log_lane *log = &s->log;
    ns_buf_reset(&log->text);
    log->watch = NULL;
    log->call = NULL;
    log->blocked = log->whole = false;
}

/* Where a reader that remembers nothing has to start so that no byte is lost. */
static int64_t safe_offset(int64_t offset, const ns_console *console)
{
    int64_t held = (int64_t)ns_console_held(console);
    return offset > held ? offset - held : 0;
}

/* Gives the waiting text to the sink. Text of an answer that is not whole yet goes with the old offset: should we
 * crash now, it is read once more rather than lost. */
static ns_status deliver(jenkins_source *s)
{
    log_lane *log = &s->log;
    build_watch *watch = log->watch;
    ns_log_piece piece = {
        .pipeline = watch->view,
        .build = watch->number,
        .text = ns_buf_view(&log->text),
        .next_offset = log->whole ? safe_offset(log->size, &log->console) : safe_offset(watch->offset, &watch->console),
        .at_ms = ns_clock_now_ms(&s->clock),
        .restarted = watch->restart_untold,
        .ended = log->whole && log->ended,
    };
    ns_status status = s->sink.take(s->sink.self, &piece);
    log->blocked = status == NS_BUSY;
    if (status == NS_OK) {
        watch->restart_untold = false;
        watch->delivered += log->text.len;
    } else if (status != NS_BUSY) {
        watch->log_over = true; /* the sink will not have it */
    }
    if (status != NS_BUSY)
        ns_buf_reset(&log->text);
    return status;
}

static void try_later(jenkins_source *s)
{
    const struct timeval wait = {.tv_usec = AGAIN_MS * 1000};
    (void)evtimer_add(s->log.again, &wait);
}

static void commit(jenkins_source *s)
{
    log_lane *log = &s->log;
    build_watch *watch = log->watch;
    const ns_build *known = build_of(watch);
    bool grew = log->size != watch->offset;
    watch->offset = log->size;
    watch->console = log->console;
    watch->delivered = 0;
    watch->idle = grew || !log->finished ? 0 : watch->idle + 1;
    watch->log_over = watch->log_over || log->ended;
    if (known != NULL) {
        ns_build build = *known;
        build.log_bytes = log->size;
        ns_pipeline_put_build(watch->view, &build);
    }
    free_lane(s);
}

/* The answer is whole: hand over the rest, then the next log may come. */
static void hand_over_rest(jenkins_source *s)
{
    log_lane *log = &s->log;
    bool news = log->text.len > 0 || log->ended || log->watch->restart_untold ||
                safe_offset(log->size, &log->console) != safe_offset(log->watch->offset, &log->watch->console);
    if (news && deliver(s) == NS_BUSY) {
        try_later(s);
        return;
    }
    commit(s);
    jenkins_pump_logs(s);
}

void jenkins_offer_again(jenkins_source *s)
{
    log_lane *log = &s->log;
    if (log->watch == NULL || !log->blocked)
        return;
    if (log->whole) {
        hand_over_rest(s);
        return;
    }
    if (deliver(s) == NS_BUSY)
        try_later(s);
    else
        ns_jenkins_resume(log->call);
}

static void again(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    jenkins_offer_again(owner);
}

/* ---- one answer ---- */

/* Looks at the head once: a log shorter than what we had is another one, and comes from its beginning. */
static void begin(jenkins_source *s, int64_t size)
{
    log_lane *log = &s->log;
    build_watch *watch = log->watch;
    log->begun = true;
    if (size >= watch->offset)
        return;
    watch->offset = 0;
    watch->delivered = 0;
    watch->restart_untold = true;
    ns_console_init(&watch->console);
    log->console = watch->console;
    log->to_skip = 0;
}

/* The text from `from` on is new: what the sink already has of it (the transfer before broke off) is dropped. */
static void skip_delivered(log_lane *log, size_t from)
{
    size_t fresh = log->text.len - from;
    size_t n = log->to_skip < fresh ? log->to_skip : fresh;
    if (n == 0)
        return;
    memmove(log->text.at + from, log->text.at + from + n, fresh - n + 1);
    log->text.len -= n;
    log->to_skip -= n;
}

static bool log_piece(void *owner, const ns_http_call *http, ns_text piece)
{
    jenkins_source *s = owner;
    log_lane *log = &s->log;
    if (log->blocked)
        return false;
    if (!log->begun)
        begin(s, ns_jenkins_text_size(http));
    if (log->watch->log_over)
        return true; /* the sink does not want it: let the rest pass by */
    size_t from = log->text.len;
    if (ns_console_put(&log->console, piece, &log->text) != NS_OK) {
        log->watch->log_over = true;
        return true;
    }
    skip_delivered(log, from);
    if (log->text.len >= CHUNK && deliver(s) == NS_BUSY)
        try_later(s);
    return true;
}

static void log_failed(jenkins_source *s, const ns_jenkins_answer *answer)
{
    log_lane *log = &s->log;
    build_watch *watch = log->watch;
    const ns_build *build = build_of(watch);
    (void)evtimer_del(log->again);
    if (answer->status == NS_NOT_FOUND && (build == NULL || !build->running)) {
        log->whole = log->ended = true; /* deleted: nothing more will come */
        log->size = watch->offset;
        hand_over_rest(s);
        return;
    }
    free_lane(s);
    if (answer->status != NS_NOT_FOUND)
        jenkins_complain(s, &s->detail_trouble, "log_failed", &answer->error);
    if (ns_jenkins_ready(s->client))
        jenkins_pump_logs(s);
}

static void log_done(void *owner, const ns_jenkins_answer *answer)
{
    jenkins_source *s = owner;
    log_lane *log = &s->log;
    log->call = NULL;
    if (s->closing)
        return;
    bool cut = answer->status == NS_TOO_LARGE && answer->text_size >= 0;
    if (answer->status != NS_OK && !cut) {
        log_failed(s, answer);
        return;
    }
    if (cut)
        jenkins_complain(s, &s->detail_trouble, "log_cut", &answer->error);
    if (!log->begun)
        begin(s, answer->text_size);
    log->whole = true;
    log->size = answer->text_size;
    bool never_ends = log->watch->idle >= IDLE_MAX;
    log->ended = log->finished && (!answer->more || never_ends) && !cut;
    if (log->ended && ns_console_end(&log->console, &log->text) != NS_OK)
        log->watch->log_over = true;
    (void)evtimer_del(log->again);
    hand_over_rest(s);
}

static ns_status ask_for_log(jenkins_source *s, build_watch *watch)
{
    log_lane *log = &s->log;
    const ns_build *build = build_of(watch);
    ns_error err;
    ns_buf path;
    ns_buf_init(&path, 4096);
    jenkins_put_job(&path, watch->view);
    (void)ns_buf_printf(&path, "/%lld/logText/progressiveText?start=%lld", (long long)watch->number,
                        (long long)watch->offset);
    log->watch = watch;
    log->begun = log->whole = log->blocked = log->ended = false;
    log->finished = build != NULL && !build->running;
    log->console = watch->console;
    log->to_skip = watch->delivered;
    ns_jenkins_request request = {.kind = NS_JENKINS_TEXT,
                                  .path = path.at,
                                  .ceiling = s->log_ceiling,
                                  .timeout_ms = LOG_TIMEOUT_MS,
                                  .on_text = log_piece,
                                  .done = log_done,
                                  .owner = s,
                                  .group = s};
    ns_status status = path.failed ? NS_NO_MEMORY : ns_jenkins_start(s->client, &request, &log->call, &err);
    ns_buf_clear(&path);
    return status;
}

void jenkins_pump_logs(jenkins_source *s)
{
    if (s->closing || s->log.watch != NULL || s->log.left <= 0)
        return;
    build_watch *watch = longest_waiting(s, false);
    if (watch == NULL)
        return;
    s->log.left--;
    watch->log_round = s->round;
    watch->log_turn = ++s->turn;
    if (ask_for_log(s, watch) != NS_OK)
        free_lane(s);
}

ns_status jenkins_logs_init(jenkins_source *s, struct event_base *loop, ns_error *err)
{
    ns_buf_init(&s->log.text, TEXT_MAX);
    s->log.again = evtimer_new(loop, again, s);
    return s->log.again == NULL ? ns_fail(err, NS_NO_MEMORY, "a timer") : NS_OK;
}

void jenkins_logs_clear(jenkins_source *s)
{
    if (s->log.again != NULL)
        event_free(s->log.again);
    ns_buf_clear(&s->log.text);
    for (size_t i = 0; i < s->watch_count; i++)
        ns_free(s->watch[i]);
    ns_free(s->watch);
}
