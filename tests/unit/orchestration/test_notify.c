#include "check.h"

#include "orchestration/notify.h"
#include "wire/http_server.h"
#include "wire/json.h"

#include <event2/event.h>

/* A receiver on a free port, and what it got last. */
typedef struct receiver {
    ns_http_server *server;
    int code; /* what it answers; 0: it drops the connection without a word */
    int requests;
    char key[NS_KEY_MAX];
    char authorization[64];
    char path[128];
    ns_buf body;
} receiver;

static struct event_base *loop;
static receiver other;

static void keep(char *out, size_t size, ns_exchange *exchange, const char *name)
{
    ns_text value = {NULL, 0};
    (void)ns_exchange_header(exchange, name, &value);
    CHECK(ns_text_copy(out, size, value));
}

static void receive(void *owner, ns_exchange *exchange)
{
    receiver *one = owner;
    one->requests++;
    keep(one->key, sizeof one->key, exchange, "Idempotency-Key");
    keep(one->authorization, sizeof one->authorization, exchange, "Authorization");
    (void)snprintf(one->path, sizeof one->path, "%s %.*s?%.*s", ns_exchange_method_name(exchange),
                   (int)ns_exchange_path(exchange).len, ns_exchange_path(exchange).at,
                   (int)ns_exchange_query(exchange).len, ns_exchange_query(exchange).at);
    ns_buf_reset(&one->body);
    CHECK_OK(ns_buf_text(&one->body, ns_exchange_body(exchange)));
    if (one->code == 0)
        ns_exchange_drop(exchange);
    else
        ns_exchange_answer(exchange, one->code, "text/plain", NS_TEXT("thanks"));
}

typedef struct heard {
    int times;
    ns_effect_answer answer;
} heard;

static void hear(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    heard *one = owner;
    CHECK(effect->key[0] != '\0');
    one->times++;
    one->answer = *answer;
}

static void turn_until(const heard *one)
{
    struct timeval limit = {20, 0};
    (void)event_base_loopexit(loop, &limit);
    while (one->times == 0 && !event_base_got_exit(loop))
        (void)event_base_loop(loop, EVLOOP_ONCE);
    CHECK_INT(1, one->times);
}

static ns_effect some_effect(void)
{
    ns_effect effect = {.key = "00112233445566778899aabbccddeeff",
                        .case_id = 12,
                        .attempt = 2,
                        .action = NS_ACTION_escalate,
                        .jenkins_job = "shop/carts and more",
                        .build = 41,
                        .cause = NS_CAUSE_compile_error};
    ns_case c = {.first_bad_ms = 1700000000000};
    c.tried[NS_ACTION_retry_build] = 1;
    static ns_prediction prediction;
    prediction = (ns_prediction){.fail_probability = 0.9, .evidence_count = NS_EVIDENCE_MAX};
    for (int i = 0; i < NS_EVIDENCE_MAX; i++) {
        prediction.evidence[i] = (ns_evidence){.line = i + 1, .weight = 4.0, .is_new = true};
        memset(prediction.evidence[i].text, '"', NS_EVIDENCE_TEXT_MAX - 1); /* grows when escaped */
    }
    (void)snprintf(prediction.evidence[0].text, NS_EVIDENCE_TEXT_MAX, "A.java:[12,8] cannot find symbol");
    ns_notify_message(&c, &prediction, effect.message);
    return effect;
}

static ns_hands hands_to(const char *url)
{
    ns_hands hands;
    ns_notify_options options = {.webhook_url = url,
                                 .bearer_token = url == NULL ? NULL : "s3cret",
                                 .jenkins_url = "http://ci.example:8080/jenkins/",
                                 .own_url = "http://127.0.0.1:8470"};
    CHECK_OK(ns_notify_hands_new(loop, &options, &hands, NULL));
    return hands;
}

static char url[128];

static int set_up(void **state)
{
    (void)state;
    char bound[64];
    loop = event_base_new();
    ns_buf_init(&other.body, 1u << 20);
    ns_http_server_options options = {.handler = receive, .owner = &other};
    if (ns_http_server_new(loop, &options, &other.server, NULL) != NS_OK ||
        ns_http_server_listen(other.server, "127.0.0.1:0", bound, sizeof bound, NULL) != NS_OK)
        return -1;
    (void)snprintf(url, sizeof url, "http://%s/hooks/ci?team=a", bound);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ns_http_server_free(other.server);
    event_base_free(loop);
    ns_buf_clear(&other.body);
    return ns_mem_live() == 0 ? 0 : -1;
}

static void a_person_is_told_everything(void **state)
{
    (void)state;
    ns_hands hands = hands_to(url);
    ns_effect effect = some_effect();
    heard ready = {0}, done = {0};
    CHECK_INT(NS_ACTION_BIT(NS_ACTION_escalate), hands.actions);
    hands.prepare(hands.self, &effect, hear, &ready);
    CHECK_INT(NS_SENT_acknowledged, ready.answer.sent);
    other.code = 202;
    hands.send(hands.self, &effect, hear, &done);
    turn_until(&done);
    CHECK_INT(NS_SENT_acknowledged, done.answer.sent);
    CHECK_INT(NS_OK, done.answer.error.status);
    CHECK_STRING("00112233445566778899aabbccddeeff", other.key);
    CHECK_STRING("Bearer s3cret", other.authorization);
    CHECK_STRING("POST /hooks/ci?team=a", other.path);
    json_t *body = NULL;
    CHECK_OK(ns_json_read(ns_buf_view(&other.body), &body, NULL));
    CHECK_INT(1, ns_json_int(body, "schema", 0));
    CHECK_INT(12, ns_json_int(body, "case", 0));
    CHECK_STRING("shop/carts and more", ns_json_string(body, "pipeline", ""));
    CHECK_STRING("compile_error", ns_json_string(body, "cause", ""));
    CHECK_INT(1, ns_json_int(ns_json_at(body, "tried"), "retry_build", 0));
    json_t *first = json_array_get(ns_json_at(body, "evidence"), 0);
    CHECK_STRING("A.java:[12,8] cannot find symbol", ns_json_string(first, "text", ""));
    CHECK_STRING("http://ci.example:8080/jenkins/job/shop/job/carts%20and%20more/41/",
                 ns_json_string(ns_json_at(body, "links"), "build", ""));
    CHECK_STRING("http://127.0.0.1:8470/api/v1/cases/12", ns_json_string(ns_json_at(body, "links"), "case", ""));
    json_decref(body);
    hands.free(hands.self);
}

static void answers_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        int code;
        ns_sent wanted;
    } cases[] = {
        {200, NS_SENT_acknowledged}, {204, NS_SENT_acknowledged}, {302, NS_SENT_refused}, {401, NS_SENT_refused},
        {404, NS_SENT_refused},      {500, NS_SENT_unknown},      {503, NS_SENT_unknown}, {0, NS_SENT_unknown},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_hands hands = hands_to(url);
        ns_effect effect = some_effect();
        heard done = {0};
        other.code = cases[i].code;
        hands.send(hands.self, &effect, hear, &done);
        turn_until(&done);
        if (done.answer.sent != cases[i].wanted)
            fail_msg("answer %d: %s", cases[i].code, ns_sent_name(done.answer.sent));
        CHECK((done.answer.error.status == NS_OK) == (cases[i].wanted == NS_SENT_acknowledged));
        CHECK(strstr(done.answer.error.text, "s3cret") == NULL);
        hands.free(hands.self);
    }
}

static void nobody_there_is_certainly_not_told(void **state)
{
    (void)state;
    ns_hands hands = hands_to("http://127.0.0.1:1/hook");
    ns_effect effect = some_effect();
    heard done = {0}, asked = {0};
    hands.send(hands.self, &effect, hear, &done);
    turn_until(&done);
    CHECK_INT(NS_SENT_refused, done.answer.sent);
    CHECK_INT(NS_UNREACHABLE, done.answer.error.status);
    /* At least once: when it cannot be told, it goes out again under the same key. */
    hands.reconcile(hands.self, &effect, hear, &asked);
    CHECK_INT(NS_SENT_refused, asked.answer.sent);
    hands.free(hands.self);
}

static void freeing_answers_what_is_under_way(void **state)
{
    (void)state;
    ns_hands hands = hands_to(url);
    ns_effect effect = some_effect();
    heard done = {0};
    hands.send(hands.self, &effect, hear, &done);
    hands.free(hands.self);
    CHECK_INT(1, done.times);
    CHECK_INT(NS_SENT_unknown, done.answer.sent);
}

static void without_a_webhook_the_log_is_told(void **state)
{
    (void)state;
    ns_hands hands = hands_to(NULL);
    ns_effect effect = some_effect();
    heard done = {0};
    CHECK_STRING("log", hands.name);
    hands.send(hands.self, &effect, hear, &done);
    CHECK_INT(1, done.times);
    CHECK_INT(NS_SENT_acknowledged, done.answer.sent);
    hands.free(hands.self);
}

static void the_message_always_fits(void **state)
{
    (void)state;
    char out[1024];
    ns_case c = {.first_bad_ms = -1};
    for (int a = 0; a < NS_ACTION_COUNT; a++)
        c.tried[a] = INT32_MAX;
    static ns_prediction prediction;
    prediction.evidence_count = 3;
    for (int i = 0; i < 3; i++)
        memset(prediction.evidence[i].text, '\x01', NS_EVIDENCE_TEXT_MAX - 1); /* six bytes each in JSON */
    ns_notify_message(&c, &prediction, out);
    json_t *read = NULL;
    CHECK_OK(ns_json_read(ns_text_of(out), &read, NULL));
    CHECK_INT(0, json_array_size(ns_json_at(read, "evidence")));
    json_decref(read);
    ns_notify_message(&c, NULL, out);
    CHECK(strstr(out, "\"failure_probability\":null") != NULL && strstr(out, "\"since\":null") != NULL);
}

static void bad_addresses_and_no_memory(void **state)
{
    (void)state;
    static const char *const bad[] = {"ftp://x/", "http://", "http://x/a b", "nonsense"};
    ns_hands hands;
    ns_error err;
    size_t before = ns_mem_live();
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        ns_notify_options options = {.webhook_url = bad[i]};
        CHECK(ns_notify_hands_new(loop, &options, &hands, &err) != NS_OK);
        CHECK(err.text[0] != '\0');
        CHECK_INT(before, ns_mem_live());
    }
    ns_notify_options options = {.webhook_url = url};
    bool made = false;
    for (long n = 0; !made && n < 100; n++) {
        ns_mem_fail_after(n);
        made = ns_notify_hands_new(loop, &options, &hands, NULL) == NS_OK;
        ns_mem_fail_after(-1);
        if (!made)
            CHECK_INT(before, ns_mem_live());
    }
    CHECK(made);
    ns_effect effect = some_effect();
    for (long n = 0; n < 6; n++) {
        heard done = {0};
        ns_mem_fail_after(n);
        hands.send(hands.self, &effect, hear, &done);
        ns_mem_fail_after(-1);
        other.code = 200;
        turn_until(&done);
    }
    hands.free(hands.self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_is_told_everything),        cmocka_unit_test(answers_are_told_apart),
        cmocka_unit_test(nobody_there_is_certainly_not_told), cmocka_unit_test(freeing_answers_what_is_under_way),
        cmocka_unit_test(without_a_webhook_the_log_is_told),  cmocka_unit_test(the_message_always_fits),
        cmocka_unit_test(bad_addresses_and_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
