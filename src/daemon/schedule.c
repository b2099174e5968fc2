#include "daemon/schedule.h"

#include "base/mem.h"
#include "daemon/carry_out.h"
#include "daemon/cluster_watch.h"
#include "daemon/log_desk.h"
#include "daemon/pipeline.h"
#include "wire/json.h"

#include <event2/event.h>
#include <math.h>

/* Real time. A tick waits for its sources, but never longer than most of the interval. */
enum { LOOK_AGAIN_MS = 10, LONGEST_WAIT_MS = 8000, KEEP_ALIVE_MS = 15000 };
static const double SHARE_OF_INTERVAL = 0.8;

struct ns_schedule {
    ns_house *house;
    struct event *begin;      /* the next tick begins */
    struct event *look;       /* have the sources settled? */
    struct event *keep_alive; /* of event streams */
    struct event *end;        /* --for is over */
    int64_t tick_ms;          /* world time of the tick that is gathering */
    int64_t give_up_ns;       /* real time: the tick goes on without the rest */
    bool gathering;
    bool time_is_up;
};

static void after(struct event *timer, double ms)
{
    if (ms < 1)
        ms = 1;
    struct timeval in = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(fmod(ms, 1000) * 1000)};
    NS_CHECK(evtimer_add(timer, &in) == 0);
}

static double real_ms(const ns_house *house, int64_t world_ms)
{
    return (double)world_ms / house->clock.speed;
}

/* The next point of the grid in world time; ticks that were missed are left out. */
static void plan_next(ns_schedule *schedule)
{
    const ns_house *house = schedule->house;
    int64_t now_ms = ns_clock_now_ms(&house->clock);
    int64_t grid = house->interval_ms;
    int64_t next = schedule->tick_ms + grid;
    if (next <= now_ms)
        next = schedule->tick_ms + (now_ms - schedule->tick_ms + grid - 1) / grid * grid;
    after(schedule->begin, real_ms(house, next - now_ms));
}

static void tell_source(ns_house *house, ns_source_kind kind)
{
    const ns_source_health *health = &house->snapshot->source[kind];
    if (house->told_source[kind] == health->state)
        return;
    house->told_source[kind] = health->state;
    ns_buf json;
    ns_buf_init(&json, 4096);
    ns_json_writer w;
    ns_json_begin(&w, &json);
    ns_json_object(&w);
    ns_json_field_string(&w, "name", ns_source_kind_name(kind));
    ns_json_field_string(&w, "state", ns_source_state_name(health->state));
    ns_json_field_string_or_null(&w, "error", health->error);
    ns_json_end_object(&w);
    ns_feed_publish(house->feed, NS_FEED_source, ns_buf_view(&json));
    ns_buf_clear(&json);
}

static void tell_kill_switch(ns_house *house)
{
    ns_kill_switch now;
    ns_guardrails_kill_switch(house->rails, &now);
    if (house->told_kill_switch == now.on)
        return;
    house->told_kill_switch = now.on;
    ns_house_audit(house, now.on ? now.by : "neuroshield", now.on ? "kill_switch_on" : "kill_switch_off", "", "");
    ns_log(NS_LOG_WARNING, "daemon", "kill_switch", "on=%s by=%s", now.on ? "true" : "false", now.by);
    ns_buf json;
    ns_buf_init(&json, 4096);
    ns_json_writer w;
    ns_json_begin(&w, &json);
    ns_json_object(&w);
    ns_json_field_bool(&w, "on", now.on);
    ns_json_field_string_or_null(&w, "by", now.by);
    ns_json_field_time(&w, "since", now.since_ms);
    ns_json_end_object(&w);
    ns_feed_publish(house->feed, NS_FEED_kill_switch, ns_buf_view(&json));
    ns_buf_clear(&json);
}

static void tell_records(ns_house *house, int64_t tick_ms)
{
    ns_buf json;
    ns_buf_init(&json, 4096);
    ns_json_writer w;
    ns_json_begin(&w, &json);
    ns_json_object(&w);
    ns_json_field_time(&w, "timestamp", tick_ms);
    ns_json_field_int(&w, "records", (int64_t)house->snapshot->pipeline_count);
    ns_json_end_object(&w);
    ns_feed_publish(house->feed, NS_FEED_record, ns_buf_view(&json));
    ns_buf_clear(&json);
}

static void tick(ns_schedule *schedule)
{
    ns_house *house = schedule->house;
    int64_t began_ns = ns_monotonic_ns();
    ns_log_desk_push(house);
    ns_log_desk_predictions(house);
    ns_arena_reset(house->tick);
    size_t count = house->snapshot->pipeline_count;
    ns_step *steps = NS_TAKE(house->tick, ns_step, count);
    if (steps == NULL || ns_house_tracks(house) != NS_OK) {
        ns_log(NS_LOG_ERROR, "daemon", "tick_left_out", "status=NO_MEMORY pipelines=%zu", count);
        return;
    }
    ns_cluster_ask_rights(house);
    ns_pipeline_tick(house, schedule->tick_ms, ns_clock_now_ms(&house->clock), steps, count);
    ns_carry_out(house, steps, count);
    for (unsigned kind = 0; kind < NS_SOURCE_KINDS; kind++)
        tell_source(house, (ns_source_kind)kind);
    tell_records(house, schedule->tick_ms);
    house->counts.ticks++;
    house->counts.tick_ms_last = (double)(ns_monotonic_ns() - began_ns) / 1e6;
    if (house->counts.tick_ms_last > house->counts.tick_ms_max)
        house->counts.tick_ms_max = house->counts.tick_ms_last;
}

static bool settled(const ns_house *house)
{
    for (size_t i = 0; i < house->source_count; i++)
        if (!house->sources[i].settled(house->sources[i].self))
            return false;
    return true;
}

static void look(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_schedule *schedule = owner;
    if (!settled(schedule->house) && ns_monotonic_ns() < schedule->give_up_ns) {
        after(schedule->look, LOOK_AGAIN_MS);
        return;
    }
    schedule->gathering = false;
    tick(schedule);
    plan_next(schedule);
}

static void begin(evutil_socket_t fd, short what, void *owner)
{
    ns_schedule *schedule = owner;
    ns_house *house = schedule->house;
    schedule->tick_ms = ns_clock_now_ms(&house->clock) / house->interval_ms * house->interval_ms;
    schedule->gathering = true;
    double wait_ms = real_ms(house, house->interval_ms) * SHARE_OF_INTERVAL;
    schedule->give_up_ns = ns_monotonic_ns() + (int64_t)((wait_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait_ms) * 1e6);
    (void)ns_guardrails_look(house->rails, schedule->tick_ms);
    tell_kill_switch(house);
    for (size_t i = 0; i < house->source_count; i++)
        house->sources[i].poll(house->sources[i].self, schedule->tick_ms);
    look(fd, what, schedule);
}

static void keep_alive(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_schedule *schedule = owner;
    ns_feed_keep_alive(schedule->house->feed);
    after(schedule->keep_alive, KEEP_ALIVE_MS);
}

static void end(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_schedule *schedule = owner;
    schedule->time_is_up = true;
    (void)event_base_loopbreak(schedule->house->loop);
}

ns_status ns_schedule_start(ns_house *house, double for_s, ns_schedule **out, ns_error *err)
{
    ns_schedule *schedule = NS_NEW(ns_schedule);
    if (schedule == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the schedule");
    schedule->house = house;
    schedule->begin = evtimer_new(house->loop, begin, schedule);
    schedule->look = evtimer_new(house->loop, look, schedule);
    schedule->keep_alive = evtimer_new(house->loop, keep_alive, schedule);
    schedule->end = evtimer_new(house->loop, end, schedule);
    if (schedule->begin == NULL || schedule->look == NULL || schedule->keep_alive == NULL || schedule->end == NULL) {
        ns_schedule_free(schedule);
        return ns_fail(err, NS_NO_MEMORY, "no memory for the schedule");
    }
    after(schedule->begin, 1);
    after(schedule->keep_alive, KEEP_ALIVE_MS);
    if (for_s > 0)
        after(schedule->end, for_s * 1000);
    *out = schedule;
    return NS_OK;
}

void ns_schedule_free(ns_schedule *schedule)
{
    if (schedule == NULL)
        return;
    struct event *timers[] = {schedule->begin, schedule->look, schedule->keep_alive, schedule->end};
    for (size_t i = 0; i < NS_COUNT_OF(timers); i++)
        if (timers[i] != NULL)
            event_free(timers[i]);
    ns_free(schedule);
}

bool ns_schedule_time_is_up(const ns_schedule *schedule)
{
    return schedule->time_is_up;
}
