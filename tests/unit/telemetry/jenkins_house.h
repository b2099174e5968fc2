/* A Jenkins source, a scripted Jenkins and a sink that keeps all text, for the tests of the source. */
#ifndef NS_TESTS_JENKINS_HOUSE_H
#define NS_TESTS_JENKINS_HOUSE_H

#include "jenkins_script.h"

#include "base/log.h"
#include "telemetry/jenkins_source.h"

#define JOBS              "GET /api/json?tree=jobs"
/* Further fields: at least one. */
#define JOB(name, fields) "{\"name\":\"" name "\",\"color\":\"blue\",\"buildable\":true," fields "}"
#define BUILD(number, building, result)                                                                                \
    "{\"number\":" #number ",\"building\":" building ",\"inProgress\":" building ",\"result\":" result                 \
    ",\"duration\":50}"
#define LAST(number, building, result, started)                                                                        \
    "\"lastBuild\":{\"number\":" #number ",\"building\":" building ",\"inProgress\":" building ",\"result\":" result   \
    ",\"timestamp\":" started ",\"duration\":50}"

typedef struct house {
    script s;
    ns_snapshot *snapshot;
    ns_source source;
    int64_t now;
    /* the sink */
    ns_buf text;
    int64_t next_offset;
    int64_t stored; /* what the sink says it has */
    bool refuses;   /* wants no log */
    int busy;       /* says so this often, then takes */
    int pieces, restarts, ended;
    char order[256]; /* jobs whose logs came, in order */
} house;

static inline ns_status sink_take(void *self, const ns_log_piece *piece)
{
    house *h = self;
    if (h->busy > 0) {
        h->busy--;
        return NS_BUSY;
    }
    h->pieces++;
    if (piece->restarted) {
        h->restarts++;
        ns_buf_reset(&h->text);
    }
    h->ended += piece->ended;
    h->next_offset = piece->next_offset;
    size_t len = strlen(h->order);
    (void)snprintf(h->order + len, sizeof h->order - len, "%s ", piece->pipeline->jenkins_job);
    return ns_buf_text(&h->text, piece->text);
}

static inline int64_t sink_offset(void *self, const char *job, int64_t build)
{
    (void)job;
    (void)build;
    return ((house *)self)->stored;
}

static inline bool sink_wanted(void *self, const ns_pipeline_view *view, const ns_build *build)
{
    (void)view;
    (void)build;
    return !((house *)self)->refuses;
}

static inline void house_open(house *h, ns_jenkins_source_options options)
{
    ns_error err = {0};
    memset(h, 0, sizeof *h);
    ns_log_set_level(NS_LOG_ERROR);
    script_open(&h->s, "");
    script_on(&h->s, (script_rule){.match = "/whoAmI/api/json", .body = "{\"name\":\"me\",\"anonymous\":false}"});
    script_on(&h->s, (script_rule){.match = "/queue/api/json", .body = "{\"items\":[]}"});
    script_on(&h->s, (script_rule){.match = "/computer/api/json", .body = "{\"computer\":[]}"});
    h->now = 1000000;
    ns_buf_init(&h->text, 16u << 20);
    h->snapshot = ns_snapshot_new();
    CHECK(h->snapshot != NULL);
    ns_clock clock = ns_clock_manual(&h->now);
    ns_log_sink sink = {h, sink_take, sink_offset, sink_wanted};
    options.connection.base_url = h->s.url;
    options.connection.username = "me";
    options.connection.token = "t0";
    options.connection.back_off_ms = options.connection.back_off_max_ms = options.connection.unauthorized_ms = 1;
    if (ns_jenkins_source_new(h->s.loop, h->snapshot, &sink, &clock, &options, &h->source, &err) != NS_OK)
        fail_msg("%s", err.text);
}

static inline void house_close(house *h)
{
    h->source.free(h->source.self);
    ns_snapshot_free(h->snapshot);
    ns_buf_clear(&h->text);
    script_close(&h->s);
}

/* One tick, until everything it asked for is there. A poll while backing off asks nothing: poll until it does. */
static inline void tick(house *h)
{
    size_t before = h->s.request_count;
    h->now += 1000;
    SCRIPT_UNTIL(&h->s, (h->source.poll(h->source.self, h->now), !h->source.settled(h->source.self)));
    SCRIPT_UNTIL(&h->s, h->source.settled(h->source.self));
    CHECK(h->s.request_count > before);
}

static inline ns_pipeline_view *view_of(const house *h, const char *job)
{
    ns_pipeline_view *view = ns_snapshot_find(h->snapshot, ns_text_of(job));
    if (view == NULL)
        fail_msg("no pipeline %s", job);
    return view;
}

static inline const ns_source_health *health(const house *h)
{
    return &h->snapshot->source[NS_FROM_jenkins];
}

#endif
