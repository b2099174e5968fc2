/* The world behind the doors of flow/: a snapshot filled, logs handed over whole, effects carried out exactly once. */
#include "world_help.h"

#include "world/world_doors.h"

typedef struct bucket {
    ns_buf text[16][64]; /* by pipeline and build number */
    bool ended[16][64];
    int refuse; /* so many pieces are answered with BUSY */
} bucket;

static ns_status take(void *self, const ns_log_piece *piece)
{
    bucket *b = self;
    size_t p = piece->pipeline->index, n = (size_t)piece->build;
    CHECK(n < 64 && !b->ended[p][n] && !piece->restarted);
    if (b->refuse > 0) {
        b->refuse--;
        return NS_BUSY;
    }
    b->ended[p][n] = piece->ended;
    CHECK_OK(ns_buf_text(&b->text[p][n], piece->text));
    CHECK_INT(b->text[p][n].len, piece->next_offset);
    return NS_OK;
}

static int64_t offset_of(void *self, const char *job, int64_t build)
{
    (void)self, (void)job;
    return build == 2 ? -1 : 0; /* build 2 has been read before */
}

static bool wanted(void *self, const ns_pipeline_view *pipeline, const ns_build *build)
{
    (void)self, (void)pipeline;
    return build->number != 3;
}

static void the_source_tells_all_and_loses_nothing(void **state)
{
    (void)state;
    ns_world *w = demo(5);
    ns_snapshot *snapshot = ns_snapshot_new();
    bucket *b = ns_alloc(1, sizeof *b);
    for (size_t i = 0; i < 16; i++)
        for (size_t k = 0; k < 64; k++)
            ns_buf_init(&b->text[i][k], 16u << 20);
    ns_log_sink sink = {b, take, offset_of, wanted};
    ns_source source;
    CHECK_OK(ns_world_source(w, snapshot, &sink, NULL, &source, NULL));
    b->refuse = 40;
    for (int64_t s = 0; s <= 3600; s += 30) {
        source.poll(source.self, START_MS + s * 1000);
        CHECK(source.settled(source.self));
    }
    CHECK_INT(START_MS + 3600000, ns_world_now_ms(w));
    CHECK_INT(8, snapshot->pipeline_count);
    CHECK(snapshot->source[NS_FROM_jenkins].state == NS_SOURCE_ok);
    CHECK(snapshot->source[NS_FROM_prometheus].good_at_ms == START_MS + 3600000);
    CHECK(snapshot->source[NS_FROM_kubernetes].state == NS_SOURCE_ok);
    CHECK_NEAR(2, snapshot->nodes_ready.value, 0);
    CHECK(ns_value_known(snapshot->signal[NS_SIGNAL_cpu_usage]) && ns_value_known(snapshot->queue_length));
    int logs = 0;
    for (size_t i = 0; i < snapshot->pipeline_count; i++) {
        const ns_pipeline_view *view = snapshot->pipelines[i];
        CHECK(view->deployment[0] != '\0' && view->completed.number >= 4);
        CHECK(ns_value_known(view->signal[NS_SIGNAL_deployment_memory]));
        CHECK(view->cluster.exists && view->cluster.at_ms == START_MS + 3600000 &&
              view->cluster.template_hash[0] != '\0');
        CHECK(ns_deployment_fact_of(&view->cluster, NS_DEPLOYMENT_replicas_wanted) >= 1);
        CHECK_INT(0, b->text[i][2].len);
        CHECK_INT(0, b->text[i][3].len);
        ptrdiff_t job = ns_world_find_job(w, ns_text_of(view->jenkins_job));
        for (int64_t n = 4; n < 64 && ns_world_plan(w, (size_t)job, n) != NULL; n++) {
            ns_buf whole;
            int64_t next;
            bool more;
            ns_buf_init(&whole, 16u << 20);
            CHECK_OK(ns_world_log(w, (size_t)job, n, 0, 16u << 20, &whole, &next, &more));
            CHECK(ns_text_same(ns_buf_view(&whole), ns_buf_view(&b->text[i][n])));
            CHECK_INT(!more, b->ended[i][n]);
            ns_buf_clear(&whole);
            logs++;
        }
    }
    CHECK(logs > 30);
    for (size_t i = 0; i < 16; i++)
        for (size_t k = 0; k < 64; k++)
            ns_buf_clear(&b->text[i][k]);
    ns_free(b);
    source.free(source.self);
    ns_snapshot_free(snapshot);
    ns_world_free(w);
    CHECK_INT(0, ns_mem_live());
}

static void keep_answer(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    (void)effect;
    *(ns_effect_answer *)owner = *answer;
}

static ns_effect effect_of(ns_action action, const char *key)
{
    ns_effect effect = {.action = action, .build = 4};
    (void)snprintf(effect.key, sizeof effect.key, "%s", key);
    (void)snprintf(effect.jenkins_job, sizeof effect.jenkins_job, "sock-shop/orders");
    return effect;
}

static void a_retry_is_prepared_sent_and_found_again(void **state)
{
    (void)state;
    ns_world *w = demo(2);
    ns_hands hands;
    ns_effect_answer answer;
    CHECK_OK(ns_world_hands(w, &hands, NULL));
    ns_effect effect = effect_of(NS_ACTION_retry_build, "a1");
    hands.prepare(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_acknowledged && strstr(answer.baseline, "next_number") != NULL);
    CHECK_INT(0, ns_world_effect_total(w));
    hands.reconcile(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_refused);
    hands.send(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_acknowledged && answer.queue_id > 0);
    CHECK_INT(1, ns_world_effect_total(w));
    ns_world_advance(w, START_MS + 30000);
    hands.reconcile(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_acknowledged && answer.build == 5);
    ns_world_build b;
    ptrdiff_t job = ns_world_find_job(w, NS_TEXT("orders"));
    CHECK(ns_world_build_at(w, (size_t)job, 5, &b));
    CHECK_STRING("a1", b.key);
    CHECK_STRING("staging", b.parameter[0].value);
    effect.build = 5; /* still running */
    hands.prepare(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_refused && answer.error.status == NS_CONFLICT);
    effect.build = 99;
    hands.prepare(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_refused && answer.error.status == NS_NOT_FOUND);
    effect.action = NS_ACTION_isolate_agent;
    hands.send(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_refused && answer.error.status == NS_LATER);
    hands.free(hands.self);
    ns_world_free(w);
}

static void lost_requests_and_lost_answers_are_told_apart(void **state)
{
    (void)state;
    ns_world *w = demo(2);
    ns_hands hands;
    ns_effect_answer answer;
    CHECK_OK(ns_world_hands(w, &hands, NULL));
    ns_effect effect = effect_of(NS_ACTION_escalate, "e1");
    ns_world_faults_of(w)->lose_share = 1;
    hands.send(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_unknown);
    hands.reconcile(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_refused);
    *ns_world_faults_of(w) = (ns_world_faults){.drop_reply_share = 1};
    hands.send(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_unknown);
    hands.reconcile(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_acknowledged);
    *ns_world_faults_of(w) = (ns_world_faults){.refuse_share = 1};
    hands.send(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_refused);
    CHECK_INT(1, ns_world_effect_total(w));
    ns_world_free(w);
}

/* Prepared, committed with that baseline, sent. */
static ns_sent carry_out(const ns_hands *hands, ns_effect *effect, ns_effect_answer *answer)
{
    hands->prepare(hands->self, effect, keep_answer, answer);
    if (answer->sent != NS_SENT_acknowledged)
        return answer->sent;
    memcpy(effect->baseline, answer->baseline, sizeof effect->baseline);
    hands->send(hands->self, effect, keep_answer, answer);
    return answer->sent;
}

static void deployments_are_changed_once_and_found_again(void **state)
{
    (void)state;
    ns_scenario s = scenario_of("default");
    s.control_share = 1;
    s.rate_per_day = 0.01;
    ns_world *w = world_of(&s, 2);
    ns_snapshot *snapshot = ns_snapshot_new();
    ns_hands hands;
    ns_source source;
    ns_effect_answer answer;
    CHECK_OK(ns_world_hands(w, &hands, NULL));
    CHECK_OK(ns_world_source(w, snapshot, NULL, NULL, &source, NULL));
    source.poll(source.self, START_MS + 60000);
    const ns_deployment_view *cluster = &ns_snapshot_find(snapshot, NS_TEXT("sock-shop/orders"))->cluster;
    char first[NS_NAME_MAX];
    (void)snprintf(first, sizeof first, "%s", cluster->template_hash);

    ns_effect effect = effect_of(NS_ACTION_scale_up, "s1");
    (void)snprintf(effect.deployment, sizeof effect.deployment, "orders");
    effect.replicas = 2;
    CHECK_INT(NS_SENT_acknowledged, carry_out(&hands, &effect, &answer));
    hands.send(hands.self, &effect, keep_answer, &answer); /* the very same again: changed meanwhile, by ourselves */
    CHECK(answer.sent == NS_SENT_refused && answer.error.status == NS_CONFLICT);
    hands.reconcile(hands.self, &effect, keep_answer, &answer);
    CHECK(answer.sent == NS_SENT_acknowledged);

    ns_effect back = effect_of(NS_ACTION_scale_up, "s2");
    (void)snprintf(back.deployment, sizeof back.deployment, "orders");
    back.undo = true;
    back.replicas = 1;
    CHECK_INT(NS_SENT_acknowledged, carry_out(&hands, &back, &answer));

    ns_effect restart = effect_of(NS_ACTION_restart_pods, "r1");
    (void)snprintf(restart.deployment, sizeof restart.deployment, "orders");
    CHECK_INT(NS_SENT_acknowledged, carry_out(&hands, &restart, &answer));
    source.poll(source.self, START_MS + 70000);
    CHECK(cluster->rollout == NS_ROLLOUT_progressing && strcmp(first, cluster->template_hash) != 0);
    source.poll(source.self, START_MS + 200000);
    CHECK(cluster->rollout == NS_ROLLOUT_complete);

    ns_effect rollback = effect_of(NS_ACTION_rollback, "b1");
    (void)snprintf(rollback.deployment, sizeof rollback.deployment, "orders");
    CHECK_INT(NS_SENT_refused, carry_out(&hands, &rollback, &answer)); /* nothing was verified */
    (void)snprintf(rollback.target, sizeof rollback.target, "%s", cluster->template_hash);
    CHECK_INT(NS_SENT_refused, carry_out(&hands, &rollback, &answer)); /* that is the present one */
    (void)snprintf(rollback.target, sizeof rollback.target, "%s", first);
    CHECK_INT(NS_SENT_acknowledged, carry_out(&hands, &rollback, &answer));
    source.poll(source.self, START_MS + 300000);
    CHECK_STRING(first, cluster->template_hash);
    CHECK_INT(4, ns_world_effect_total(w));
    (void)snprintf(rollback.deployment, sizeof rollback.deployment, "nosuch");
    CHECK_INT(NS_SENT_refused, carry_out(&hands, &rollback, &answer));
    source.free(source.self);
    ns_snapshot_free(snapshot);
    ns_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_source_tells_all_and_loses_nothing),
        cmocka_unit_test(a_retry_is_prepared_sent_and_found_again),
        cmocka_unit_test(lost_requests_and_lost_answers_are_told_apart),
        cmocka_unit_test(deployments_are_changed_once_and_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
