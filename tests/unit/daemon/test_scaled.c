/* Pods that were added are owed until they are taken back, over restarts, and left where somebody else decided. */
#include "check.h"

#include "daemon/carry_out.h"
#include "daemon/cluster_watch.h"
#include "daemon/scaled.h"

#define NOW    1800000000000
#define MINUTE 60000

enum { ROWS_MAX = 256 };

typedef struct scene {
    ns_house house;
    ns_settings settings;
    ns_track track;
    ns_pipeline_view *view;
    ns_step step;
    int64_t now_ms;
    /* the store */
    ns_row_kind put[ROWS_MAX];
    size_t rows;
    ns_scaling_row on_disk; /* newest put */
    char audit[NS_NAME_MAX];
    char detail[512];
} scene;

static ns_status store_put(void *self, const ns_row *row, uint64_t *sequence)
{
    scene *s = self;
    CHECK(s->rows < ROWS_MAX);
    s->put[s->rows++] = row->kind;
    if (row->kind == NS_ROW_scaling)
        s->on_disk = *row->of.scaling;
    if (row->kind == NS_ROW_audit) {
        memcpy(s->audit, row->of.audit->what, sizeof s->audit);
        memcpy(s->detail, row->of.audit->detail, sizeof s->detail);
    }
    *sequence = s->rows;
    return NS_OK;
}

static ns_status store_list(void *self, const ns_row_query *query, ns_row_visit *visit, void *owner, ns_error *err)
{
    (void)err;
    scene *s = self;
    CHECK_INT(NS_ROW_scaling, query->kind);
    CHECK(query->open_only);
    if (query->after == 0 && s->on_disk.replicas_to > 0 && s->on_disk.state == NS_SCALING_owed)
        (void)visit(owner, &(ns_row){.kind = NS_ROW_scaling, .of.scaling = &s->on_disk}, 7);
    return NS_OK;
}

/* The cluster tells now: so many replicas are wanted, all is rolled out and calm. */
static void tell(scene *s, int64_t wanted)
{
    ns_deployment_view *cluster = &s->view->cluster;
    cluster->at_ms = s->now_ms;
    cluster->exists = true;
    cluster->rollout = NS_ROLLOUT_complete;
    cluster->generation = cluster->observed_generation = 5;
    ns_deployment_fact_set(cluster, NS_DEPLOYMENT_replicas_wanted, wanted, s->now_ms);
    s->view->signal[NS_SIGNAL_deployment_cpu] = (ns_value){.value = 30, .at_ms = s->now_ms};
    s->track.symptoms = (ns_symptoms){.known = true, .since_ms = -1, .calm_ms = NOW, .restart_ms = -1};
}

static void open_scene(scene *s)
{
    memset(s, 0, sizeof *s);
    s->now_ms = NOW;
    s->settings.verify_wait_s = s->settings.approval_wait_s = 1800;
    s->settings.stale_after_s = 120;
    ns_house *house = &s->house;
    house->settings = &s->settings;
    house->caps = NS_REWARD_CAPS;
    house->clock = (ns_clock){.manual_ms = &s->now_ms, .speed = 1};
    house->snapshot = ns_snapshot_new();
    house->feed = ns_feed_new();
    house->store = (ns_store){.self = s, .put = store_put, .list = store_list};
    ns_guardrail_options rails = ns_guardrail_defaults();
    rails.mode = NS_MODE_auto;
    CHECK_OK(ns_guardrails_new(&rails, &house->rails, NULL));
    s->view = ns_snapshot_pipeline(house->snapshot, NS_TEXT("shop/carts"));
    s->view->buildable = true;
    (void)snprintf(s->view->deployment, sizeof s->view->deployment, "sock-shop/carts");
    (void)snprintf(s->view->cluster.uid, sizeof s->view->cluster.uid, "u1");
    for (int i = 0; i < NS_SOURCE_KINDS; i++)
        house->snapshot->source[i].state = NS_SOURCE_ok;
    house->tracks = &s->track;
    house->track_count = 1;
    s->step = (ns_step){.view = s->view, .track = &s->track};
}

static void close_scene(scene *s)
{
    ns_free(s->track.open_case);
    ns_free(s->track.scaled);
    ns_guardrails_free(s->house.rails);
    ns_feed_free(s->house.feed);
    ns_snapshot_free(s->house.snapshot);
    CHECK_INT(0, ns_mem_live());
}

static ns_effect scaling(const char *key, int from, int to)
{
    ns_effect effect = {.action = NS_ACTION_scale_up, .replicas = to};
    (void)snprintf(effect.key, sizeof effect.key, "%s", key);
    (void)snprintf(effect.deployment, sizeof effect.deployment, "sock-shop/carts");
    (void)snprintf(effect.jenkins_job, sizeof effect.jenkins_job, "shop/carts");
    (void)snprintf(effect.target, sizeof effect.target, "%d", from);
    return effect;
}

static void scaled(scene *s, const char *key, int from, int to)
{
    ns_effect effect = scaling(key, from, to);
    ns_scaled_note(&s->house, &s->track, &effect);
}

static void watch_after(scene *s, int64_t pause_ms, int64_t wanted)
{
    s->now_ms += pause_ms;
    tell(s, wanted);
    ns_scaled_watch(&s->house, &s->step, s->now_ms);
}

/* A new daemon: nothing is known but what was put. */
static void restart(scene *s)
{
    ns_free(s->track.scaled);
    ns_free(s->track.open_case);
    s->track = (ns_track){0};
    CHECK_OK(ns_scaled_read_back(&s->house, NULL));
}

static void what_is_added_is_owed_on_disk(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    CHECK_INT(2, s.on_disk.replicas_from);
    CHECK_INT(3, s.on_disk.replicas_to);
    CHECK_INT(NS_SCALING_owed, s.on_disk.state);
    CHECK_STRING("a", s.on_disk.key);
    s.track.scaled->tries = 2;
    scaled(&s, "b", 3, 4); /* upon the first: it all goes back to where that began */
    CHECK_INT(2, s.on_disk.replicas_from);
    CHECK_INT(4, s.on_disk.replicas_to);
    CHECK_INT(0, s.on_disk.tries);
    scaled(&s, "b", 3, 4); /* the same, read once more after a restart */
    CHECK_INT(2, s.on_disk.replicas_from);
    scaled(&s, "c", 7, 9); /* somebody had set another number in between: that is what it goes back to */
    CHECK_INT(7, s.on_disk.replicas_from);
    CHECK_INT(9, s.on_disk.replicas_to);

    ns_effect back = scaling("d", 9, 7), other = scaling("e", 9, 10);
    back.undo = true;
    other.action = NS_ACTION_restart_pods;
    size_t rows = s.rows;
    ns_scaled_note(&s.house, &s.track, &back);
    ns_scaled_note(&s.house, &s.track, &other);
    CHECK_INT(rows, s.rows);
    close_scene(&s);
}

static void calm_takes_it_back_as_an_attempt_of_its_own(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    watch_after(&s, 0, 2); /* the cluster's word from before: it says nothing about what was done since */
    CHECK_INT(NS_SCALING_owed, s.on_disk.state);
    watch_after(&s, 9 * MINUTE, 3);
    CHECK(s.track.open_case == NULL);
    watch_after(&s, MINUTE, 3);
    const ns_case *c = s.track.open_case;
    CHECK(c != NULL);
    CHECK(ns_scaled_case(c));
    CHECK_INT(NS_CASE_intent, c->state);
    CHECK_INT(NS_ACTION_scale_up, c->effect.action);
    CHECK(c->effect.undo);
    CHECK_INT(2, c->effect.replicas);
    CHECK_STRING("3", c->effect.target);
    CHECK_INT(32, strlen(c->effect.key));
    CHECK(strcmp("a", c->effect.key) != 0);
    CHECK_INT(NS_SCALING_owed, s.on_disk.state); /* until it is done */
    close_scene(&s);
}

static void it_is_still_owed_after_a_restart(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    restart(&s);
    CHECK(s.track.scaled != NULL);
    watch_after(&s, 11 * MINUTE, 3);
    CHECK(s.track.open_case != NULL);
    CHECK_INT(2, s.track.open_case->effect.replicas);
    close_scene(&s);
}

/* The intent was decided, and neither prepared nor written, when the daemon died. */
static void an_attempt_cut_off_before_it_was_prepared_is_begun_anew(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    watch_after(&s, 11 * MINUTE, 3);
    char key[NS_KEY_MAX];
    memcpy(key, s.track.open_case->effect.key, sizeof key);
    CHECK(ns_case_step(s.track.open_case, &(ns_case_event){.kind = NS_EVENT_restarted, .at_ms = s.now_ms}));
    CHECK(ns_scaled_case(s.track.open_case)); /* and no incident to be healed by more pods */
    ns_scaled_settle(&s.house, &s.step, s.now_ms);
    CHECK(!ns_case_is_open(s.track.open_case));
    CHECK_INT(0, s.on_disk.tries);
    ns_free(s.track.open_case);
    s.track.open_case = NULL;
    watch_after(&s, MINUTE, 3);
    CHECK(s.track.open_case == NULL);
    watch_after(&s, 10 * MINUTE, 3);
    CHECK(s.track.open_case != NULL);
    CHECK(strcmp(key, s.track.open_case->effect.key) != 0);
    close_scene(&s);
}

static void trouble_and_load_put_it_off(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    s.now_ms += 11 * MINUTE;
    for (int i = 0; i < 5; i++) {
        tell(&s, 3);
        if (i == 0)
            s.track.symptoms.known = false;
        else if (i == 1)
            s.track.symptoms.bad = true;
        else if (i == 2)
            s.view->cluster.rollout = NS_ROLLOUT_progressing;
        else if (i == 3) /* a third fewer pods would be at 63 percent */
            s.view->signal[NS_SIGNAL_deployment_cpu].value = 42;
        else
            s.view->cluster.at_ms = s.now_ms - 10 * MINUTE; /* nobody knows what is there now */
        ns_scaled_watch(&s.house, &s.step, s.now_ms);
        CHECK(s.track.open_case == NULL);
        CHECK_INT(NS_SCALING_owed, s.track.scaled->state);
    }
    close_scene(&s);
}

static void guardrails_put_it_off_or_have_a_person_asked(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    ns_guardrails_stop(s.house.rails, true, "ann", s.now_ms);
    watch_after(&s, 11 * MINUTE, 3);
    CHECK(s.track.open_case == NULL);
    ns_guardrails_stop(s.house.rails, false, "ann", s.now_ms);
    ns_guardrails_set_mode(s.house.rails, NS_MODE_approve);
    watch_after(&s, MINUTE, 3);
    CHECK(s.track.open_case != NULL);
    CHECK_INT(NS_CASE_waiting, s.track.open_case->state);
    CHECK_INT(s.now_ms + 30 * MINUTE, s.track.open_case->deadline_ms);
    close_scene(&s);
}

static void where_somebody_else_decided_the_pods_stay_and_that_is_told(void **state)
{
    (void)state;
    static const struct {
        int64_t wanted;
        const char *uid, *deployment;
        int8_t has_hpa;
        bool gone;
        ns_scaling_state end;
        const char *says;
    } cases[] = {
        {5, "u1", "sock-shop/carts", 0, false, NS_SCALING_kept, "somebody else has set 5 replicas"},
        {0, "u1", "sock-shop/carts", 0, false, NS_SCALING_kept, "set 0 replicas"},
        {2, "u1", "sock-shop/carts", 0, false, NS_SCALING_taken_back, "2 replicas again"},
        {3, "u2", "sock-shop/carts", 0, false, NS_SCALING_kept, "made anew"},
        {3, "u1", "sock-shop/cart", 0, false, NS_SCALING_kept, "another Deployment"},
        {3, "u1", "sock-shop/carts", 1, false, NS_SCALING_kept, "HorizontalPodAutoscaler"},
        {-1, "u1", "sock-shop/carts", 0, true, NS_SCALING_kept, "gone"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        scene s;
        open_scene(&s);
        scaled(&s, "a", 2, 3);
        s.now_ms += 1000;
        tell(&s, cases[i].wanted);
        (void)snprintf(s.view->cluster.uid, sizeof s.view->cluster.uid, "%s", cases[i].uid);
        (void)snprintf(s.view->deployment, sizeof s.view->deployment, "%s", cases[i].deployment);
        s.view->cluster.has_hpa = cases[i].has_hpa;
        s.view->cluster.exists = !cases[i].gone;
        ns_scaled_watch(&s.house, &s.step, s.now_ms);
        CHECK_INT(cases[i].end, s.on_disk.state);
        if (strstr(s.detail, cases[i].says) == NULL)
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, s.detail, cases[i].says);
        CHECK_STRING(cases[i].end == NS_SCALING_kept ? "scale_up_kept" : "scale_up_taken_back", s.audit);
        restart(&s);
        CHECK(s.track.scaled == NULL); /* and nobody thinks of it again */
        watch_after(&s, 11 * MINUTE, 3);
        CHECK(s.track.open_case == NULL);
        close_scene(&s);
    }
}

static void the_case_ends_when_the_pods_are_gone(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    watch_after(&s, 11 * MINUTE, 3);
    static const ns_case_event_kind road[] = {NS_EVENT_prepared, NS_EVENT_committed, NS_EVENT_sent,
                                              NS_EVENT_acknowledged};
    for (size_t i = 0; i < NS_COUNT_OF(road); i++) {
        ns_scaled_settle(&s.house, &s.step, s.now_ms);
        CHECK(ns_case_step(s.track.open_case, &(ns_case_event){.kind = road[i], .at_ms = s.now_ms}));
    }
    tell(&s, 2);
    s.view->cluster.at_ms = s.track.open_case->last_action_ms; /* not younger than the request */
    ns_scaled_settle(&s.house, &s.step, s.now_ms);
    CHECK(ns_case_is_open(s.track.open_case));
    s.now_ms += 1000;
    tell(&s, 2);
    ns_scaled_settle(&s.house, &s.step, s.now_ms);
    CHECK(!ns_case_is_open(s.track.open_case));
    CHECK_INT(NS_SCALING_taken_back, s.on_disk.state);
    CHECK_INT(1, s.house.counts.undone);
    for (size_t i = 0; i < s.rows; i++) /* the case is put by whoever does what the tick wants: after all of this */
        CHECK(s.put[i] != NS_ROW_case);
    close_scene(&s);
}

static void three_refusals_are_enough(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(NS_SCALING_owed, s.on_disk.state);
        watch_after(&s, 11 * MINUTE, 3);
        CHECK(s.track.open_case != NULL);
        CHECK(ns_case_step(s.track.open_case, &(ns_case_event){.kind = NS_EVENT_not_possible, .at_ms = s.now_ms}));
        ns_scaled_settle(&s.house, &s.step, s.now_ms);
        CHECK(!ns_case_is_open(s.track.open_case));
        ns_free(s.track.open_case);
        s.track.open_case = NULL;
        CHECK_INT(i + 1, s.on_disk.tries);
        watch_after(&s, 9 * MINUTE, 3); /* each waits as long as the first */
        CHECK(s.track.open_case == NULL);
    }
    CHECK_INT(NS_SCALING_kept, s.on_disk.state);
    CHECK_STRING("scale_up_kept", s.audit);
    scaled(&s, "b", 3, 4); /* a new debt, with its own tries */
    CHECK_INT(0, s.on_disk.tries);
    CHECK_INT(3, s.on_disk.replicas_from);
    close_scene(&s);
}

static void what_cannot_be_told_is_a_persons(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    scaled(&s, "a", 2, 3);
    watch_after(&s, 11 * MINUTE, 3);
    ns_case *c = s.track.open_case;
    CHECK(ns_case_step(c, &(ns_case_event){.kind = NS_EVENT_prepared, .at_ms = s.now_ms}));
    CHECK(ns_case_step(c, &(ns_case_event){.kind = NS_EVENT_restarted, .at_ms = s.now_ms}));
    CHECK(ns_scaled_case(c));
    CHECK(ns_case_step(c, &(ns_case_event){.kind = NS_EVENT_reconciled_unknowable, .at_ms = s.now_ms}));
    CHECK(!ns_scaled_case(c)); /* like any case that is unsure: a person is told, and calm closes it */
    s.now_ms += 1000;
    tell(&s, 4);
    ns_cluster_watch(&s.house, &s.step, s.now_ms);
    CHECK_INT(NS_SCALING_kept, s.on_disk.state);
    CHECK(ns_case_is_open(c));
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_is_owed_on_disk),
        cmocka_unit_test(calm_takes_it_back_as_an_attempt_of_its_own),
        cmocka_unit_test(it_is_still_owed_after_a_restart),
        cmocka_unit_test(an_attempt_cut_off_before_it_was_prepared_is_begun_anew),
        cmocka_unit_test(trouble_and_load_put_it_off),
        cmocka_unit_test(guardrails_put_it_off_or_have_a_person_asked),
        cmocka_unit_test(where_somebody_else_decided_the_pods_stay_and_that_is_told),
        cmocka_unit_test(the_case_ends_when_the_pods_are_gone),
        cmocka_unit_test(three_refusals_are_enough),
        cmocka_unit_test(what_cannot_be_told_is_a_persons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
