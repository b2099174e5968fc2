#include "check.h"

#include "prediction/keyword.h"
#include "prediction/scorer.h"

#include <pthread.h>

/* The loop's side of a wake-up: answers are waited for with a limit, never slept for. */
typedef struct bell {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    int count;
} bell;

static bell the_bell = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void ring(void *owner)
{
    bell *one = owner;
    (void)pthread_mutex_lock(&one->lock);
    one->count++;
    (void)pthread_cond_signal(&one->rung);
    (void)pthread_mutex_unlock(&one->lock);
}

typedef struct got {
    char job[NS_JOB_MAX];
    int64_t build;
    bool ended;
    ns_prediction prediction;
} got;

static void wait_for_answer(ns_scorer *scorer, got *out)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    (void)pthread_mutex_lock(&the_bell.lock);
    while (!ns_scorer_take(scorer, out->job, &out->build, &out->ended, &out->prediction))
        CHECK(pthread_cond_timedwait(&the_bell.rung, &the_bell.lock, &until) == 0);
    (void)pthread_mutex_unlock(&the_bell.lock);
}

static ns_predictor keyword;

static ns_scorer *start(const ns_predictor *predictor, ns_scorer_options options)
{
    ns_scorer *scorer = NULL;
    options.answered = ring;
    options.owner = &the_bell;
    if (options.clock.manual_ms == NULL && options.clock.speed == 0.0)
        options.clock = ns_clock_real();
    CHECK_OK(ns_scorer_new(predictor, &options, &scorer, NULL));
    return scorer;
}

static int set_up(void **state)
{
    (void)state;
    return ns_keyword_predictor_new(&keyword, NULL) == NS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    keyword.free(keyword.self);
    return ns_mem_live() == 0 ? 0 : -1;
}

static void growth_is_answered_and_stamped(void **state)
{
    (void)state;
    int64_t now_ms = 5000;
    ns_scorer *scorer = start(&keyword, (ns_scorer_options){.clock = ns_clock_manual(&now_ms)});
    got answer;
    CHECK_OK(ns_scorer_grow(scorer, "shop/carts", 7, NS_TEXT("compiling\nerr"), false, false, 0.1));
    wait_for_answer(scorer, &answer);
    CHECK_STRING("shop/carts", answer.job);
    CHECK_INT(7, answer.build);
    CHECK(!answer.ended && answer.prediction.decision == NS_PREDICTED_success);
    CHECK_INT(5000, answer.prediction.known_at_ms);
    CHECK(answer.prediction.elapsed_ms >= 0.0);
    now_ms = 6000;
    CHECK_OK(ns_scorer_grow(scorer, "shop/carts", 7,
                            NS_TEXT("or[E0308]: mismatched types\nerror: could not compile `x`\n"), false, true, 0.1));
    wait_for_answer(scorer, &answer);
    CHECK(answer.ended && answer.prediction.decision == NS_PREDICTED_failure);
    CHECK_INT(3, answer.prediction.lines); /* both pieces are one log */
    CHECK_INT(6000, answer.prediction.known_at_ms);
    ns_scorer_figures figures;
    ns_scorer_counts(scorer, &figures);
    CHECK_INT(2, figures.scored);
    CHECK_INT(0, figures.readings);
    CHECK_INT(0, figures.pending_bytes);
    CHECK(figures.p50_ms > 0.0 && figures.p99_ms >= figures.p50_ms);
    ns_scorer_free(scorer);
}

static void a_replaced_log_begins_anew(void **state)
{
    (void)state;
    ns_scorer *scorer = start(&keyword, (ns_scorer_options){0});
    got answer;
    CHECK_OK(ns_scorer_grow(scorer, "a", 1, NS_TEXT("--- FAIL: TestX (1s)\n"), false, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK(answer.prediction.decision == NS_PREDICTED_failure);
    CHECK_OK(ns_scorer_grow(scorer, "a", 1, NS_TEXT("fine\n"), true, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK(answer.prediction.decision == NS_PREDICTED_success);
    CHECK_INT(1, answer.prediction.lines);
    ns_scorer_forget(scorer, "a", 1);
    CHECK_OK(ns_scorer_grow(scorer, "a", 1, NS_TEXT("x\n"), false, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK_INT(1, answer.prediction.lines);
    ns_scorer_free(scorer);
}

static void references_are_handed_to_later_builds(void **state)
{
    (void)state;
    ns_scorer *scorer = start(&keyword, (ns_scorer_options){0});
    const ns_text greens[] = {NS_TEXT("--- FAIL: TestX (1s)\n"), NS_TEXT("")};
    got answer;
    ns_scorer_references(scorer, "a", greens, NS_COUNT_OF(greens));
    CHECK_OK(ns_scorer_grow(scorer, "a", 2, NS_TEXT("--- FAIL: TestX (7s)\n"), false, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK_INT(2, answer.prediction.references);
    CHECK(answer.prediction.decision == NS_PREDICTED_success);
    ns_scorer_references(scorer, "a", NULL, 0);
    CHECK_OK(ns_scorer_grow(scorer, "a", 3, NS_TEXT("--- FAIL: TestX (7s)\n"), false, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK_INT(0, answer.prediction.references);
    ns_scorer_free(scorer);
}

static void green_builds_become_references(void **state)
{
    (void)state;
    ns_scorer *scorer = start(&keyword, (ns_scorer_options){0});
    got answer;
    for (int64_t build = 1; build <= 5; build++) {
        CHECK_OK(ns_scorer_grow(scorer, "a", build, NS_TEXT("--- FAIL: TestX (1s)\n"), false, false, NAN));
        wait_for_answer(scorer, &answer);
        CHECK_INT(build - 1 < 3 ? build - 1 : 3, answer.prediction.references);
        CHECK(answer.prediction.decision == (build == 1 ? NS_PREDICTED_failure : NS_PREDICTED_success));
        CHECK_OK(ns_scorer_grow(scorer, "a", build, NS_TEXT("done\n"), false, true, NAN));
        wait_for_answer(scorer, &answer);
        ns_scorer_green(scorer, "a", build);
    }
    /* Neither of another job, nor of a build that nobody has read, nor of one that was forgotten before its end. */
    ns_scorer_green(scorer, "a", 77);
    CHECK_OK(ns_scorer_grow(scorer, "b", 1, NS_TEXT("--- FAIL: TestX (1s)\n"), false, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK_INT(0, answer.prediction.references);
    ns_scorer_forget(scorer, "b", 1);
    ns_scorer_green(scorer, "b", 1);
    CHECK_OK(ns_scorer_grow(scorer, "b", 2, NS_TEXT("x\n"), false, false, NAN));
    wait_for_answer(scorer, &answer);
    CHECK_INT(0, answer.prediction.references);
    ns_scorer_free(scorer);
}

/* A predictor that stands still in `feed` until it is let through: what waits behind it can be looked at. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool inside;
    bool open;
} gate;

static gate the_gate;

static ns_reading *gate_begin(void *self, const ns_sketch *const *references, size_t count)
{
    (void)self, (void)references, (void)count;
    return (ns_reading *)ns_alloc(1, sizeof(int64_t));
}

static ns_status gate_feed(void *self, ns_reading *reading, ns_text text)
{
    gate *one = self;
    *(int64_t *)(void *)reading += (int64_t)text.len;
    (void)pthread_mutex_lock(&one->lock);
    one->inside = true;
    (void)pthread_cond_broadcast(&one->moved);
    while (!one->open)
        (void)pthread_cond_wait(&one->moved, &one->lock);
    (void)pthread_mutex_unlock(&one->lock);
    return NS_OK;
}

static void gate_score(void *self, const ns_reading *reading, ns_prediction *out)
{
    (void)self;
    memset(out, 0, sizeof *out);
    out->log_bytes = *(const int64_t *)(const void *)reading;
}

static void gate_end(void *self, ns_reading *reading)
{
    (void)self;
    ns_free(reading);
}

static void gate_reset(void)
{
    the_gate = (gate){.open = false};
    CHECK(pthread_mutex_init(&the_gate.lock, NULL) == 0);
    CHECK(pthread_cond_init(&the_gate.moved, NULL) == 0);
}

static void gate_wait_inside(void)
{
    (void)pthread_mutex_lock(&the_gate.lock);
    while (!the_gate.inside)
        (void)pthread_cond_wait(&the_gate.moved, &the_gate.lock);
    (void)pthread_mutex_unlock(&the_gate.lock);
}

static void gate_open(void)
{
    (void)pthread_mutex_lock(&the_gate.lock);
    the_gate.open = true;
    (void)pthread_cond_broadcast(&the_gate.moved);
    (void)pthread_mutex_unlock(&the_gate.lock);
}

static const ns_predictor gated = {
    .self = &the_gate, .name = "gated", .begin = gate_begin, .feed = gate_feed, .score = gate_score, .end = gate_end};

static void newest_wins_and_the_riskiest_comes_first(void **state)
{
    (void)state;
    gate_reset();
    ns_scorer *scorer = start(&gated, (ns_scorer_options){0});
    got answer;
    CHECK_OK(ns_scorer_grow(scorer, "first", 1, NS_TEXT("x"), false, false, 0.0));
    gate_wait_inside();
    CHECK_OK(ns_scorer_grow(scorer, "calm", 1, NS_TEXT("ab"), false, false, 0.1));
    CHECK_OK(ns_scorer_grow(scorer, "risky", 1, NS_TEXT("abc"), false, false, 0.8));
    CHECK_OK(ns_scorer_grow(scorer, "calm", 1, NS_TEXT("cde"), false, false, 0.1));
    CHECK_OK(ns_scorer_grow(scorer, "over", 1, NS_TEXT(""), false, true, 0.0));
    ns_scorer_figures figures;
    ns_scorer_counts(scorer, &figures);
    CHECK_INT(3, figures.waiting);
    CHECK_INT(8, figures.pending_bytes);
    gate_open();
    static const char *const order[] = {"first", "over", "risky", "calm"};
    static const int64_t bytes[] = {1, 0, 3, 5};
    for (size_t i = 0; i < NS_COUNT_OF(order); i++) {
        wait_for_answer(scorer, &answer);
        CHECK_STRING(order[i], answer.job);
        CHECK_INT(bytes[i], answer.prediction.log_bytes);
    }
    ns_scorer_counts(scorer, &figures);
    CHECK_INT(4, figures.scored);
    ns_scorer_free(scorer);
}

static void ceilings_hold_and_nothing_is_half_taken(void **state)
{
    (void)state;
    gate_reset();
    ns_scorer *scorer =
        start(&gated, (ns_scorer_options){.max_pending_bytes = 10, .max_build_bytes = 6, .max_readings = 1});
    got answer;
    CHECK_OK(ns_scorer_grow(scorer, "first", 1, NS_TEXT("x"), false, false, 0.0));
    gate_wait_inside();
    CHECK_OK(ns_scorer_grow(scorer, "a", 1, NS_TEXT("12345"), false, false, 0.9));
    CHECK_STATUS(NS_BUSY, ns_scorer_grow(scorer, "a", 1, NS_TEXT("67"), false, false, 0.9));
    CHECK_STATUS(NS_BUSY, ns_scorer_grow(scorer, "b", 1, NS_TEXT("123456"), false, false, 0.5));
    CHECK_STATUS(NS_TOO_LARGE, ns_scorer_grow(scorer, "b", 1, NS_TEXT("1234567"), false, false, 0.5));
    CHECK_OK(ns_scorer_grow(scorer, "a", 1, NS_TEXT("123456"), true, false, 0.9)); /* replaces the five */
    CHECK_OK(ns_scorer_grow(scorer, "b", 1, NS_TEXT("1234"), false, true, 0.5));
    char name[NS_JOB_MAX + 1];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK_STATUS(NS_TOO_LARGE, ns_scorer_grow(scorer, name, 1, NS_TEXT("x"), false, false, 0.5));
    gate_open();
    int64_t a_bytes = -1, b_bytes = -1;
    for (int i = 0; i < 3; i++) {
        wait_for_answer(scorer, &answer);
        a_bytes = strcmp(answer.job, "a") == 0 ? answer.prediction.log_bytes : a_bytes;
        b_bytes = strcmp(answer.job, "b") == 0 ? answer.prediction.log_bytes : b_bytes;
    }
    CHECK_INT(6, a_bytes);
    CHECK_INT(4, b_bytes);
    ns_scorer_figures figures;
    ns_scorer_counts(scorer, &figures);
    CHECK_INT(3, figures.dropped); /* two refused, one reading pushed out by the next */
    ns_scorer_free(scorer);
}

static void full_answers_hold_the_thread_not_the_loop(void **state)
{
    (void)state;
    ns_scorer *scorer = start(&keyword, (ns_scorer_options){0});
    for (int64_t build = 1; build <= 200; build++)
        CHECK_OK(ns_scorer_grow(scorer, "a", build, NS_TEXT("ok\n"), false, true, 0.5));
    got answer;
    bool seen[201] = {false};
    for (int i = 0; i < 200; i++) {
        wait_for_answer(scorer, &answer);
        CHECK(!seen[answer.build] && answer.ended);
        seen[answer.build] = true;
    }
    CHECK(!ns_scorer_take(scorer, answer.job, &answer.build, &answer.ended, &answer.prediction));
    /* Stopping with answers and growth left over. */
    for (int64_t build = 1; build <= 200; build++)
        CHECK_OK(ns_scorer_grow(scorer, "b", build, NS_TEXT("ok\n"), false, false, 0.5));
    ns_scorer_free(scorer);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    size_t before = ns_mem_live();
    ns_scorer *scorer = NULL;
    ns_scorer_options options = {.clock = ns_clock_real(), .answered = ring, .owner = &the_bell};
    for (long n = 0; n < 5; n++) {
        ns_mem_fail_after(n);
        CHECK_STATUS(NS_NO_MEMORY, ns_scorer_new(&keyword, &options, &scorer, NULL));
        ns_mem_fail_after(-1);
        CHECK_INT(before, ns_mem_live());
    }
    scorer = start(&keyword, (ns_scorer_options){0});
    ns_mem_fail_after(0);
    CHECK_STATUS(NS_NO_MEMORY, ns_scorer_grow(scorer, "a", 1, NS_TEXT("x"), false, false, 0.5));
    ns_mem_fail_after(1);
    CHECK_STATUS(NS_NO_MEMORY, ns_scorer_grow(scorer, "a", 1, NS_TEXT("x"), false, false, 0.5));
    /* The entry and its text fit, the reading does not: answered, honestly. */
    ns_mem_fail_after(2);
    CHECK_OK(ns_scorer_grow(scorer, "a", 1, NS_TEXT("x"), false, true, 0.5));
    got answer;
    wait_for_answer(scorer, &answer);
    ns_mem_fail_after(-1);
    CHECK(answer.ended && answer.prediction.decision == NS_PREDICTED_abstain);
    ns_scorer_free(scorer);
    CHECK_INT(before, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_is_answered_and_stamped),
        cmocka_unit_test(a_replaced_log_begins_anew),
        cmocka_unit_test(references_are_handed_to_later_builds),
        cmocka_unit_test(green_builds_become_references),
        cmocka_unit_test(newest_wins_and_the_riskiest_comes_first),
        cmocka_unit_test(ceilings_hold_and_nothing_is_half_taken),
        cmocka_unit_test(full_answers_hold_the_thread_not_the_loop),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
