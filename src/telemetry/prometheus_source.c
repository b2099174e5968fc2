#include "telemetry/prometheus_source.h"

#include "base/log.h"
#include "base/mem.h"
#include "telemetry/deployment_index.h"

#include <stdio.h>
#include <string.h>

/* A template of the longest length with nothing but $window in it still fits when filled in. */
enum { TEMPLATE_MOST = 16 * 1024, WINDOW_MOST = 32, QUERY_CEILING = 16 * TEMPLATE_MOST, AT_ONCE = 3, SHOWN = 256 };

typedef struct source source;

/* One named signal and what is wrong with it, if anything. */
typedef struct asked_signal {
    source *owner;
    ns_signal signal;
    const ns_signal_facts *facts;
    char *query; /* NULL: switched off */
    ns_complaint refused;
    ns_complaint degraded;
    ns_complaint odd; /* several series where one is wanted, labels missing */
} asked_signal;

/* What the queries of one tick have met so far. */
typedef struct query_round {
    int64_t tick_ms;
    size_t next; /* signal to ask next */
    size_t asked;
    size_t under_way; /* queries without an answer yet */
    size_t good;      /* answers that show a working Prometheus, refused queries included */
    ns_status lost;   /* why there was no answer; NS_OK: there always was one */
    bool stopped;     /* the rest is not asked */
    char trouble[SHOWN];
} query_round;

struct source {
    ns_snapshot *snapshot;
    const ns_clock *clock;
    ns_redactor *redactor;
    ns_prometheus_client *client;
    asked_signal signal[NS_SIGNAL_COUNT];
    size_t at_once;
    bool without_time;
    bool closing;
    bool asking; /* ask_more is at work: an answer that comes at once must not start another one */
    query_round now;
    ns_complaint down;
    ns_deployment_index *index;
};

static ns_source_health *health_of(source *self)
{
    return &self->snapshot->source[NS_FROM_prometheus];
}

/* text as it may be shown: without secrets. */
static void note_trouble(source *self, const char *signal, const char *text)
{
    char clean[SHOWN];
    if (self->redactor != NULL)
        (void)ns_redact_copy(self->redactor, clean, sizeof clean, ns_text_of(text));
    else
        (void)ns_text_copy(clean, sizeof clean, ns_text_of(text));
    char said[SHOWN + NS_NAME_MAX];
    (void)snprintf(said, sizeof said, "%.*s%s%s", NS_NAME_MAX - 3, signal, signal[0] == '\0' ? "" : ": ", clean);
    (void)ns_text_copy(self->now.trouble, sizeof self->now.trouble, ns_text_of(said));
}

/* Tells one kind of trouble with one signal once, then ever more rarely. */
static void tell(source *self, asked_signal *asked, ns_complaint *complaint, const char *event, const char *text)
{
    char quoted[2 * SHOWN];
    uint64_t unsaid;
    note_trouble(self, asked->facts->name, text);
    if (!ns_complain(complaint, ns_real_now_ms(), &unsaid))
        return;
    ns_log(NS_LOG_WARNING, "telemetry", event, "source=prometheus signal=%s text=%s unsaid=%llu", asked->facts->name,
           ns_log_quote(quoted, sizeof quoted, self->now.trouble), (unsigned long long)unsaid);
}

static void tell_over(asked_signal *asked, ns_complaint *complaint, const char *event)
{
    if (ns_complaint_over(complaint))
        ns_log(NS_LOG_INFO, "telemetry", event, "source=prometheus signal=%s", asked->facts->name);
}

static void forget(source *self, ns_signal signal)
{
    if (ns_signal_facts_of(signal)->scope == NS_SCOPE_global) {
        self->snapshot->signal[signal] = NS_MISSING;
        return;
    }
    for (size_t i = 0; i < self->snapshot->pipeline_count; i++)
        self->snapshot->pipelines[i]->signal[signal] = NS_MISSING;
}

/* The number is taken as of the tick: the query asked for that moment. */
static ns_value at_tick(const source *self, ns_value v)
{
    return ns_value_known(v) ? (ns_value){v.value, self->now.tick_ms} : NS_MISSING;
}

static void take_global(source *self, asked_signal *asked, const ns_prometheus_answer *answer)
{
    ns_value v = answer->series == 0 ? NS_MISSING : ns_prometheus_series(answer, 0, NULL, NULL);
    self->snapshot->signal[asked->signal] = at_tick(self, v);
    if (answer->series > 1)
        tell(self, asked, &asked->odd, "too_many_series",
             "the query gives several series where one number is wanted: aggregate it; the first is taken");
    else
        tell_over(asked, &asked->odd, "one_series_again");
}

static void take_deployments(source *self, asked_signal *asked, const ns_prometheus_answer *answer)
{
    const char *odd = NULL;
    forget(self, asked->signal);
    if (answer->shape == NS_PROMETHEUS_scalar)
        odd = "the query gives a scalar where series with a label \"deployment\" are wanted";
    for (size_t i = 0; i < answer->series && odd == NULL; i++) {
        ns_text name;
        ns_value v = at_tick(self, ns_prometheus_series(answer, i, "deployment", &name));
        if (name.len == 0)
            odd = answer->series == 1 ? "its series has no label \"deployment\"" : odd;
        else if (!ns_deployment_index_put(self->index, name, asked->signal, v))
            odd = "two series have the same label \"deployment\": aggregate them; the first is taken";
    }
    if (odd != NULL)
        tell(self, asked, &asked->odd, "odd_series", odd);
    else
        tell_over(asked, &asked->odd, "series_as_wanted_again");
}

static void take_good(source *self, asked_signal *asked, const ns_prometheus_answer *answer)
{
    self->now.good++;
    tell_over(asked, &asked->refused, "signal_answered_again");
    if (asked->facts->scope == NS_SCOPE_global)
        take_global(self, asked, answer);
    else
        take_deployments(self, asked, answer);
    if (answer->warnings > 0)
        tell(self, asked, &asked->degraded, "partial_answer", answer->warning);
    else
        tell_over(asked, &asked->degraded, "whole_answer_again");
}

/* No answer that Prometheus itself gave to this query: the rest of the round would meet the same. */
static bool is_lost(const ns_prometheus_answer *answer)
{
    switch (answer->status) {
    case NS_BAD_INPUT:
    case NS_TOO_LARGE:
    case NS_NO_MEMORY:
        return false;
    case NS_TIMEOUT:
        return answer->code == 0; /* else one query was too heavy */
    default:
        return true;
    }
}

static void take_bad(source *self, asked_signal *asked, const ns_prometheus_answer *answer)
{
    forget(self, asked->signal);
    if (is_lost(answer)) {
        self->now.lost = answer->status;
        self->now.stopped = true;
        note_trouble(self, "", answer->error.text);
        return;
    }
    if (answer->code != 0)
        self->now.good++;
    tell(self, asked, &asked->refused, "signal_failed", answer->error.text);
}

static ns_source_state state_after(const query_round *r)
{
    if (r->good > 0)
        return NS_SOURCE_ok;
    if (r->asked == 0 && r->lost == NS_OK)
        return NS_SOURCE_not_configured; /* every signal is switched off */
    switch (r->lost) {
    case NS_UNAUTHORIZED:
    case NS_FORBIDDEN:
        return NS_SOURCE_unauthorized;
    case NS_STARTING:
        return NS_SOURCE_starting;
    default:
        return NS_SOURCE_down;
    }
}

static void tell_state(source *self, ns_source_state state)
{
    char quoted[2 * SHOWN];
    uint64_t unsaid;
    if (self->now.lost == NS_OK && state != NS_SOURCE_down) {
        if (ns_complaint_over(&self->down))
            ns_log(NS_LOG_INFO, "telemetry", "source_recovered", "source=prometheus url=%s",
                   ns_log_quote(quoted, sizeof quoted, ns_prometheus_client_url(self->client)));
        return;
    }
    if (ns_complain(&self->down, ns_real_now_ms(), &unsaid))
        ns_log(NS_LOG_WARNING, "telemetry", "source_trouble",
               "source=prometheus state=%s status=%s text=%s unsaid=%llu", ns_source_state_name(state),
               ns_status_name(self->now.lost), ns_log_quote(quoted, sizeof quoted, self->now.trouble),
               (unsigned long long)unsaid);
}

static void finish_round(source *self)
{
    ns_source_health *health = health_of(self);
    ns_source_state state = state_after(&self->now);
    health->state = state;
    if (state == NS_SOURCE_ok && self->now.good > 0)
        health->good_at_ms = ns_clock_now_ms(self->clock);
    for (size_t i = self->now.next; i < NS_SIGNAL_COUNT; i++) /* not asked any more; the others wrote their own */
        forget(self, (ns_signal)i);
    (void)ns_text_copy(health->error, sizeof health->error, ns_text_of(self->now.trouble));
    tell_state(self, state);
}

static void ask_more(source *self);

static void answered(void *owner, const ns_prometheus_answer *answer)
{
    asked_signal *asked = owner;
    source *self = asked->owner;
    self->now.under_way--;
    if (self->closing)
        return;
    if (answer->status == NS_OK)
        take_good(self, asked, answer);
    else
        take_bad(self, asked, answer);
    ask_more(self);
}

static void ask_one(source *self, asked_signal *asked)
{
    ns_error err;
    self->now.asked++;
    self->now.under_way++;
    if (ns_prometheus_query(self->client, ns_text_of(asked->query), self->without_time ? -1 : self->now.tick_ms,
                            answered, asked, &err) == NS_OK)
        return;
    self->now.under_way--;
    forget(self, asked->signal);
    tell(self, asked, &asked->refused, "signal_failed", err.text);
}

/* Keeps some queries under way until all signals of the round are asked; then the round is over. */
static void ask_more(source *self)
{
    if (self->asking)
        return;
    self->asking = true;
    while (!self->now.stopped && self->now.next < NS_SIGNAL_COUNT && self->now.under_way < self->at_once) {
        asked_signal *asked = &self->signal[self->now.next++];
        if (asked->query != NULL)
            ask_one(self, asked);
    }
    self->asking = false;
    if (self->now.under_way == 0)
        finish_round(self);
}

static void poll(void *of, int64_t tick_ms)
{
    source *self = of;
    if (self->now.under_way > 0)
        return; /* slower than the ticks: the round under way goes on, its values age meanwhile */
    self->now = (query_round){.tick_ms = tick_ms};
    if (ns_deployment_index_build(self->index, self->snapshot) != NS_OK) {
        self->now.lost = NS_NO_MEMORY;
        self->now.stopped = true;
        note_trouble(self, "", "no memory to sort the answers");
    }
    ask_more(self);
}

static bool settled(void *of)
{
    source *self = of;
    return self->now.under_way == 0;
}

static void free_source(void *of)
{
    source *self = of;
    if (self == NULL)
        return;
    self->closing = true;
    ns_prometheus_client_free(self->client);
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++)
        ns_free(self->signal[i].query);
    ns_deployment_index_free(self->index);
    ns_free(self);
}

/* Names go into queries as they are, so they may hold nothing that PromQL reads. */
static bool has_only(const char *text, const char *also)
{
    for (const char *c = text; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || strchr(also, *c) != NULL))
            return false;
    return text[0] != '\0';
}

static ns_status fill_query(asked_signal *asked, const char *promql, const char *name_space, const char *window,
                            ns_error *err)
{
    const char *wanted = promql == NULL ? asked->facts->promql : promql;
    if (ns_text_trim(ns_text_of(wanted)).len == 0)
        return NS_OK;
    if (strlen(wanted) > TEMPLATE_MOST)
        return ns_fail(err, NS_BAD_USAGE, "the query of the signal %s is longer than %d bytes", asked->facts->name,
                       TEMPLATE_MOST);
    ns_buf query;
    ns_buf_init(&query, QUERY_CEILING);
    if (ns_signal_query(wanted, name_space, window, &query) == NS_OK)
        asked->query = ns_strndup(query.at, query.len);
    ns_buf_clear(&query);
    if (asked->query == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the query of the signal %s", asked->facts->name);
    return NS_OK;
}

static ns_status fill_signals(source *self, const ns_prometheus_source_options *options, ns_error *err)
{
    const char *name_space = options->name_space == NULL ? NS_SIGNAL_NAMESPACE : options->name_space;
    const char *window = options->window == NULL ? NS_SIGNAL_WINDOW : options->window;
    if (!has_only(name_space, "-") || strlen(name_space) >= NS_NAME_MAX)
        return ns_fail(err, NS_BAD_USAGE, "Prometheus: \"%.64s\" is no Kubernetes namespace", name_space);
    if (!has_only(window, "") || window[0] < '1' || window[0] > '9' || strlen(window) >= WINDOW_MOST)
        return ns_fail(err, NS_BAD_USAGE, "Prometheus: \"%.32s\" is no rate window (like 2m or 90s)", window);
    ns_status status = NS_OK;
    for (unsigned i = 0; i < NS_SIGNAL_COUNT && status == NS_OK; i++) {
        self->signal[i] =
            (asked_signal){.owner = self, .signal = (ns_signal)i, .facts = ns_signal_facts_of((ns_signal)i)};
        status = fill_query(&self->signal[i], options->promql[i], name_space, window, err);
    }
    return status;
}

/* A redactor that cannot take one more still knows the usual shapes of tokens. */
static void learn_token(void *owner, ns_text token)
{
    const source *self = owner;
    if (self->redactor != NULL && token.len >= NS_REDACT_SECRET_LEAST)
        (void)!ns_redactor_add(self->redactor, token, NULL);
}

ns_status ns_prometheus_source_new(struct event_base *loop, ns_snapshot *snapshot, const ns_clock *clock,
                                   const ns_prometheus_source_options *options, ns_source *out, ns_error *err)
{
    source *self = NS_NEW(source);
    ns_deployment_index *index = ns_deployment_index_new();
    if (self == NULL || index == NULL) {
        ns_free(self);
        ns_deployment_index_free(index);
        return ns_fail(err, NS_NO_MEMORY, "the Prometheus source");
    }
    self->snapshot = snapshot;
    self->clock = clock;
    self->redactor = options->redactor;
    self->without_time = options->without_time;
    self->index = index;
    ns_prometheus_options server = options->server;
    server.learn = learn_token;
    server.learn_owner = self;
    server.at_once = server.at_once < 1 || server.at_once > 16 ? AT_ONCE : server.at_once;
    self->at_once = (size_t)server.at_once;
    ns_status status = fill_signals(self, options, err);
    if (status == NS_OK)
        status = ns_prometheus_client_new(loop, &server, &self->client, err);
    if (status != NS_OK) {
        free_source(self);
        return status;
    }
    *health_of(self) = (ns_source_health){.state = NS_SOURCE_starting, .good_at_ms = -1};
    *out = (ns_source){.self = self, .name = "prometheus", .poll = poll, .settled = settled, .free = free_source};
    return NS_OK;
}
