/* The drift watch in the house: what it takes in, whom it tells, what it does to the verdicts, and a restart. */
#include "check.h"

#include "daemon/drift_watch.h"

#define NOW 1800000000000

enum { BUILDS = 40 };

typedef struct scene {
    ns_house house;
    ns_track track;
    ns_pipeline_view *view;
    int64_t now_ms;
    /* the store */
    ns_build_row build[BUILDS];
    ns_prediction_row prediction[BUILDS];
    size_t builds;
    int began, over;
    int64_t windows;
    ns_code_path code_path;
} scene;

static ns_status store_put(void *self, const ns_row *row, uint64_t *sequence)
{
    scene *s = self;
    CHECK_INT(NS_ROW_audit, row->kind);
    s->began += strcmp(row->of.audit->what, "drift_began") == 0;
    s->over += strcmp(row->of.audit->what, "drift_over") == 0;
    *sequence = 1;
    return NS_OK;
}

static ns_status store_list(void *self, const ns_row_query *query, ns_row_visit *visit, void *owner, ns_error *err)
{
    (void)err;
    scene *s = self;
    for (size_t i = s->builds; query->kind == NS_ROW_build && i-- > 0;)
        if (!visit(owner, &(ns_row){.kind = NS_ROW_build, .of.build = &s->build[i]}, (int64_t)i + 1))
            break;
    if (query->kind == NS_ROW_prediction)
        (void)visit(owner, &(ns_row){.kind = NS_ROW_prediction, .of.prediction = &s->prediction[query->build - 1]}, 1);
    return NS_OK;
}

static void open_scene(scene *s)
{
    memset(s, 0, sizeof *s);
    s->now_ms = NOW;
    s->windows = 2;
    s->code_path = NS_PATH_portable_fp32;
    s->house.clock = (ns_clock){.manual_ms = &s->now_ms, .speed = 1};
    s->house.snapshot = ns_snapshot_new();
    s->house.store = (ns_store){.self = s, .put = store_put, .list = store_list};
    s->view = ns_snapshot_pipeline(s->house.snapshot, NS_TEXT("shop/carts"));
    s->house.tracks = &s->track;
    s->house.track_count = 1;
}

static void close_scene(scene *s)
{
    ns_snapshot_free(s->house.snapshot);
    CHECK_INT(0, ns_mem_live());
}

/* A build ends, scored to its end; final false: its log was not read to the end yet. */
static void ends(scene *s, int64_t number, ns_build_result result, bool alarmed, bool final)
{
    ns_build_entry entry = {
        .number = number,
        .has_prediction = true,
        .final = final,
        .alarmed = alarmed,
        .finished_ms = s->now_ms,
        .prediction = {
            .fail_probability = 0.1, .lines = 100, .windows = s->windows, .references = 3, .code_path = s->code_path}};
    ns_build *build = &s->view->builds[0];
    *build = (ns_build){.number = number, .result = result, .started_ms = s->now_ms - 1000, .duration_ms = 1000};
    s->view->build_count = 1;
    s->track.builds = &entry;
    ns_drift_watch_note(&s->house, s->view, &s->track);
    ns_drift_watch_note(&s->house, s->view, &s->track); /* the next tick: not once more */
    s->track.builds = NULL;
}

static void false_alarms_begin_it_and_calm_ends_it(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    for (int i = 1; i <= 6; i++)
        ends(&s, i, NS_BUILD_SUCCESS, true, true);
    ends(&s, 7, NS_BUILD_SUCCESS, true, false);
    ends(&s, 8, NS_BUILD_ABORTED, true, true);
    CHECK_INT(6, s.house.drift.count);
    CHECK(ns_drift_watch_why(&s.house, &s.track) == NULL);
    for (int i = 9; i <= 12; i++)
        ends(&s, i, NS_BUILD_SUCCESS, false, true);
    CHECK_STRING("alarm_rate of this job", ns_drift_watch_why(&s.house, &s.track));
    CHECK_INT(1, s.began);
    for (int i = 13; i <= 22; i++)
        ends(&s, i, NS_BUILD_SUCCESS, i % 2 == 0, true);
    CHECK_STRING("alarm_rate", ns_drift_watch_why(&s.house, &s.track));
    CHECK_INT(2, s.began);
    for (int i = 23; i <= 180; i++)
        ends(&s, i, NS_BUILD_SUCCESS, false, true);
    CHECK(ns_drift_watch_why(&s.house, &s.track) == NULL);
    CHECK_INT(2, s.over);
    close_scene(&s);
}

/* The keyword rule looks at every line, new or not. */
static void new_lines_are_a_models_word(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    s.windows = 100;
    s.code_path = NS_PATH_keyword;
    for (int i = 1; i <= 60; i++)
        ends(&s, i, NS_BUILD_SUCCESS, false, true);
    CHECK_INT(60, s.house.drift.count);
    CHECK(ns_drift_watch_why(&s.house, &s.track) == NULL);
    s.code_path = NS_PATH_portable_fp32;
    for (int i = 61; i <= 90; i++)
        ends(&s, i, NS_BUILD_SUCCESS, false, true);
    CHECK_STRING("new_templates", ns_drift_watch_why(&s.house, &s.track));
    close_scene(&s);
}

static void it_lasts_over_a_restart(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    for (size_t i = 0; i < BUILDS; i++) {
        bool running = i == BUILDS - 1, aborted = i == BUILDS - 2;
        ns_build_result result = running ? NS_BUILD_unknown : aborted ? NS_BUILD_ABORTED : NS_BUILD_SUCCESS;
        s.build[i] = (ns_build_row){.jenkins_job = "shop/carts",
                                    .build = {.number = (int64_t)i + 1,
                                              .running = running,
                                              .result = result,
                                              .started_ms = NOW - 9000,
                                              .duration_ms = running ? -1 : 5000}};
        s.prediction[i].prediction = (ns_prediction){.fail_probability = 0.9,
                                                     .decision = NS_PREDICTED_failure,
                                                     .words = 200,
                                                     .unknown_words = 20,
                                                     .known_at_ms = i % 2 == 0 ? NOW - 6000 : NOW - 3000};
    }
    s.builds = BUILDS;
    ns_error err;
    CHECK_OK(ns_drift_watch_read_back(&s.house, &err));
    CHECK_INT(BUILDS - 2, s.house.drift.count);
    CHECK_NEAR(0.5, ns_drift_value(&s.house.drift, NS_DRIFT_alarm_rate, NULL), 1e-9); /* after its end: no alarm */
    CHECK_NEAR(0.1, ns_drift_value(&s.house.drift, NS_DRIFT_unknown_words, NULL), 1e-9);
    CHECK_STRING("alarm_rate", ns_drift_watch_why(&s.house, &s.track));
    CHECK_INT(0, s.began); /* it was told when it began */
    ns_buf json;
    ns_json_writer w;
    ns_buf_init(&json, 4096);
    ns_json_begin(&w, &json);
    ns_drift_watch_show(&w, &s.house);
    CHECK(strstr(json.at, "\"on\":true,\"signals\":[") != NULL && strstr(json.at, "\"shop/carts\"") != NULL);
    ns_buf_clear(&json);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(false_alarms_begin_it_and_calm_ends_it),
        cmocka_unit_test(new_lines_are_a_models_word),
        cmocka_unit_test(it_lasts_over_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
