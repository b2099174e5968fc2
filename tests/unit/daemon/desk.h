/*
 * A desk for tests of the daemon: one pipeline with an open case about build 40, a store that counts what is put, hands
 * that answer when they are told to, and a clock that stands still. Header only: each test program has its own.
 */
#ifndef NS_TESTS_DESK_H
#define NS_TESTS_DESK_H

#include "check.h"

#include "daemon/carry_out.h"
#include "daemon/settle.h"

#define NOW 1800000000000

enum { ROWS_MAX = 256 };

typedef struct desk {
    ns_house house;
    ns_settings settings;
    ns_track track;
    ns_pipeline_view *view;
    int64_t now_ms;
    /* the store */
    ns_row_kind put[ROWS_MAX];
    ns_case_state effect_state; /* of the newest effect row */
    int64_t effect_queue_id;
    char effect_error[512]; /* its words */
    size_t rows;
    uint64_t committed;
    bool full;
    /* the hands */
    int prepared, sent, reconciled;
    char sent_key[NS_KEY_MAX];
    ns_effect effect;
    ns_effect_done *done;
    void *owner;
} desk;

static inline ns_status store_put(void *self, const ns_row *row, uint64_t *sequence)
{
    desk *d = self;
    if (d->full)
        return NS_IO;
    CHECK(d->rows < ROWS_MAX);
    d->put[d->rows++] = row->kind;
    if (row->kind == NS_ROW_effect) {
        d->effect_state = row->of.effect->state;
        d->effect_queue_id = row->of.effect->effect.queue_id;
        (void)snprintf(d->effect_error, sizeof d->effect_error, "%s", row->of.effect->error.text);
    }
    *sequence = d->rows;
    return NS_OK;
}

static inline void store_status(void *self, ns_store_status *out)
{
    const desk *d = self;
    *out = (ns_store_status){.put = d->rows, .committed = d->committed};
}

static inline void keep(desk *d, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    d->effect = *effect;
    d->done = done;
    d->owner = owner;
}

static inline void hands_prepare(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    desk *d = self;
    d->prepared++;
    keep(d, effect, done, owner);
}

static inline void hands_send(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    desk *d = self;
    d->sent++;
    memcpy(d->sent_key, effect->key, sizeof d->sent_key);
    keep(d, effect, done, owner);
}

static inline void hands_reconcile(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    desk *d = self;
    d->reconciled++;
    keep(d, effect, done, owner);
}

static inline void answer(desk *d, ns_sent sent, int64_t queue_id)
{
    ns_effect_answer said = {.sent = sent, .queue_id = queue_id, .baseline = "{\"v\":1}"};
    ns_effect effect = d->effect;
    ns_effect_done *done = d->done;
    d->done = NULL;
    done(d->owner, &effect, &said);
}

static inline void begin(desk *d, ns_action action)
{
    ns_effect effect;
    ns_case_begin_attempt(d->track.open_case, 5, action, &effect);
    CHECK(ns_case_step(d->track.open_case,
                       &(ns_case_event){.kind = NS_EVENT_decided, .at_ms = d->now_ms, .effect = &effect}));
}

static inline void desk_open(desk *d)
{
    memset(d, 0, sizeof *d);
    d->now_ms = NOW;
    d->settings.verify_wait_s = 1800;
    d->settings.stale_after_s = 300;
    ns_house *house = &d->house;
    house->settings = &d->settings;
    house->caps = NS_REWARD_CAPS;
    house->clock = (ns_clock){.manual_ms = &d->now_ms, .speed = 1};
    house->snapshot = ns_snapshot_new();
    house->feed = ns_feed_new();
    house->store = (ns_store){.self = d, .put = store_put, .status = store_status};
    house->hands[0] = (ns_hands){.self = d,
                                 .name = "test",
                                 .actions = NS_ACTION_BIT(NS_ACTION_retry_build) | NS_ACTION_BIT(NS_ACTION_escalate),
                                 .prepare = hands_prepare,
                                 .send = hands_send,
                                 .reconcile = hands_reconcile};
    house->hands_count = 1;
    ns_guardrail_options rails = ns_guardrail_defaults();
    rails.mode = NS_MODE_auto;
    CHECK_OK(ns_guardrails_new(&rails, &house->rails, NULL));
    d->view = ns_snapshot_pipeline(house->snapshot, NS_TEXT("shop/carts"));
    d->view->jenkins_at_ms = NOW;
    house->snapshot->source[NS_FROM_jenkins].state = NS_SOURCE_ok;
    house->tracks = &d->track;
    house->track_count = 1;
    ns_build_entry *entry = ns_house_build(house, &d->track, 40, true);
    entry->has_prediction = true;
    entry->prediction = (ns_prediction){.known_at_ms = NOW, .cause = NS_CAUSE_flaky_test};
    d->track.open_case = NS_NEW(ns_case);
    ns_case_open(d->track.open_case, 3, "shop/carts", 40, NS_CAUSE_flaky_test, NOW - 1000, NOW);
}

static inline void desk_close(desk *d)
{
    if (d->done != NULL) /* as hands do when they are taken down */
        answer(d, NS_SENT_unknown, -1);
    ns_free(d->track.open_case);
    ns_free(d->track.scaled);
    ns_free(d->track.builds);
    ns_guardrails_free(d->house.rails);
    ns_feed_free(d->house.feed);
    ns_snapshot_free(d->house.snapshot);
    CHECK_INT(0, ns_mem_live());
}

/* As far as the intent lies in the store's hands. */
static inline void until_written(desk *d)
{
    ns_carry_on(&d->house, d->view, &d->track);
    CHECK_INT(1, d->prepared);
    answer(d, NS_SENT_acknowledged, -1);
}

static inline void until_sent(desk *d)
{
    begin(d, NS_ACTION_retry_build);
    until_written(d);
    d->committed = d->rows;
    ns_carry_committed(&d->house);
    CHECK_INT(1, d->sent);
}

#endif
