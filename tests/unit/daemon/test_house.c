/* The whole house on the built-in world: real store, real scorer thread, real guardrails, a loop of its own. */
#include "check.h"

#include "daemon/api.h"
#include "daemon/house.h"
#include "daemon/metrics.h"
#include "daemon/schedule.h"
#include "daemon/summary.h"
#include "wire/json.h"

#include <event2/event.h>
#include <unistd.h>

typedef struct running {
    char folder[64];
    struct event_base *loop;
    ns_settings *settings;
    ns_house *house;
    ns_schedule *schedule;
    uint64_t until_ticks;
    int64_t give_up_ns;
} running;

static void look(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    running *r = owner;
    /* On a slow machine predictions come late in world time, and the first retry with them: it is waited for. */
    bool enough = r->house->counts.ticks >= r->until_ticks && r->house->counts.sent[NS_ACTION_retry_build] > 0;
    if (enough || ns_monotonic_ns() > r->give_up_ns)
        (void)event_base_loopbreak(r->loop);
}

static void open_house(running *r, const char *seed)
{
    ns_error err = {.text = ""};
    const ns_setting_flag flags[] = {
        {"world.enabled", "world", "true"},
        {"world.speed", "speed", "250"}, /* sanitizers and busy machines keep up with it */
        {"scorer.cpu_share", "cpu-share", "1"},
        {"guardrails.stale_after", "stale-after", "3600"}, /* a slow machine is no stale source */
        {"data", "data", r->folder},
        {"seed", "seed", seed},
        {"listen", "listen", "127.0.0.1:0"}};
    static char *environment[] = {NULL};
    ns_settings_sources sources = {
        .env_file = "/dev/null", .environment = environment, .flags = flags, .flag_count = NS_COUNT_OF(flags)};
    if (ns_settings_load(&sources, &r->settings, &err) != NS_OK)
        fail_msg("%s", err.text);
    r->loop = event_base_new();
    if (ns_house_open(r->settings, r->loop, &r->house, &err) != NS_OK)
        fail_msg("%s", err.text);
    CHECK_OK(ns_schedule_start(r->house, 0, &r->schedule, &err));
}

static void run_ticks(running *r, uint64_t ticks)
{
    struct timeval often = {.tv_sec = 0, .tv_usec = 5000};
    struct event *timer = event_new(r->loop, -1, EV_PERSIST, look, r);
    r->until_ticks = ticks;
    r->give_up_ns = ns_monotonic_ns() + (int64_t)100e9;
    CHECK_INT(0, event_add(timer, &often));
    CHECK_INT(0, event_base_dispatch(r->loop));
    event_free(timer);
    CHECK(r->house->counts.ticks >= ticks);
}

static void close_house(running *r)
{
    ns_schedule_free(r->schedule);
    ns_house_close(r->house);
    ns_settings_free(r->settings);
    event_base_free(r->loop);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    CHECK_INT(0, system(command));
}

static void it_heals_and_every_effect_is_received(void **state)
{
    (void)state;
    size_t live = ns_mem_live();
    running r = {.folder = "/tmp/neuroshield-house-XXXXXX"};
    CHECK(mkdtemp(r.folder) != NULL);
    open_house(&r, "17");
    run_ticks(&r, 150);

    ns_error err = {.text = ""};
    ns_effects_compared effects;
    CHECK_OK(r.house->store.flush(r.house->store.self, 10000, &err));
    ns_summary_effects(r.house, &effects);
    CHECK(effects.sent > 0);
    CHECK_INT(effects.sent, effects.received);
    CHECK_INT(0, effects.unmatched);
    CHECK(r.house->counts.cases_opened > 0);
    CHECK(r.house->counts.builds_finished >= r.house->counts.builds_failed);
    CHECK(r.house->counts.sent[NS_ACTION_retry_build] > 0);

    ns_buf json, text;
    ns_buf_init(&json, 1u << 20);
    ns_buf_init(&text, 1u << 20);
    CHECK_OK(ns_summary_json(r.house, "time", &json, &err));
    CHECK_OK(ns_summary_text(ns_buf_view(&json), &text, &err));
    ns_buf_clear(&text);
    ns_metrics_print(r.house, false, &text);
    CHECK(ns_text_find(ns_buf_view(&text), "neuroshield_ticks_total ") >= 0);
    CHECK(ns_text_find(ns_buf_view(&text), "# EOF") < 0);
    ns_buf_clear(&text);
    ns_buf_clear(&json);
    close_house(&r);
    CHECK_INT(live, ns_mem_live());
}

static void a_second_house_in_the_same_folder_is_refused(void **state)
{
    (void)state;
    running r = {.folder = "/tmp/neuroshield-house-XXXXXX"};
    CHECK(mkdtemp(r.folder) != NULL);
    open_house(&r, "18");
    ns_house *second = NULL;
    ns_error err = {.text = ""};
    CHECK_STATUS(NS_REFUSED, ns_house_open(r.settings, r.loop, &second, &err));
    CHECK(second == NULL);
    close_house(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_heals_and_every_effect_is_received),
        cmocka_unit_test(a_second_house_in_the_same_folder_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
