#include "base/clock.h"
#include "check.h"

static void times_are_read_and_refused(void **state)
{
    static const struct {
        ns_text text;
        bool good;
        int64_t at_ms;
    } cases[] = {
        {BYTES("1970-01-01T00:00:00Z"), true, 0},
        {BYTES("2026-11-23T22:40:01.123Z"), true, 1795473601123},
        {BYTES("2026-11-23T22:40:01.1239Z"), true, 1795473601123},
        {BYTES("2026-11-23T22:40:01.000000001Z"), true, 1795473601000},
        {BYTES("2026-11-24T00:10:01+01:30"), true, 1795473601000},
        {BYTES("2026-11-23 17:40:01-05:00"), true, 1795473601000},
        {BYTES("2024-02-29T12:00:00z"), true, 1709208000000},
        {BYTES("2026-06-30T23:59:60Z"), true, 1782864000000}, /* a leap second is the next day's first */
        {BYTES("2026-02-29T12:00:00Z"), false, 0},
        {BYTES("2026-04-31T12:00:00Z"), false, 0},
        {BYTES("2026-13-01T12:00:00Z"), false, 0},
        {BYTES("2026-00-01T12:00:00Z"), false, 0},
        {BYTES("2026-01-00T12:00:00Z"), false, 0},
        {BYTES("2026-01-01T24:00:00Z"), false, 0},
        {BYTES("2026-01-01T12:60:00Z"), false, 0},
        {BYTES("2026-01-01T12:00:00"), false, 0},
        {BYTES("2026-01-01T12:00:00.Z"), false, 0},
        {BYTES("2026-01-01T12:00:00.1234567890Z"), false, 0},
        {BYTES("2026-01-01T12:00:00+1:00"), false, 0},
        {BYTES("2026-01-01T12:00:00+24:00"), false, 0},
        {BYTES("2026-01-01T-1:00:00Z"), false, 0},
        {BYTES("-026-01-01T12:00:00Z"), false, 0},
        {BYTES("2026-01-01"), false, 0},
        {BYTES("2026-01-01T12:00:00Zjunk"), false, 0},
        {BYTES(""), false, 0},
    };
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        int64_t at = 42;
        if (ns_time_parse(cases[i].text, &at) != cases[i].good || at != (cases[i].good ? cases[i].at_ms : 42))
            fail_msg("%s gives %lld", cases[i].text.at, (long long)at);
    }
}

static void what_is_written_is_read_back(void **state)
{
    char text[NS_TIME_TEXT_MAX];
    (void)state;
    /* A step that meets all months, leap years and every millisecond's digits sooner or later. */
    for (int64_t at = 0; at < 7258118400000; at += 86399987LL * 13) {
        int64_t back;
        CHECK(ns_time_parse(ns_text_of(ns_time_text(at, text)), &back));
        CHECK_INT(at, back);
    }
    CHECK_STRING("2026-11-23T22:40:01.123Z", ns_time_text(1795473601123, text));
    CHECK_STRING("", ns_time_text(-1, text));
    CHECK_STRING("", ns_time_text(INT64_MAX, text));
}

static void world_time_follows_its_clock(void **state)
{
    int64_t now = 5;
    (void)state;
    ns_clock manual = ns_clock_manual(&now);
    CHECK_INT(5, ns_clock_now_ms(&manual));
    now = 77;
    CHECK_INT(77, ns_clock_now_ms(&manual));

    ns_clock real = ns_clock_real();
    int64_t before = ns_real_now_ms(), told = ns_clock_now_ms(&real), after = ns_real_now_ms();
    CHECK(before <= told && told <= after);

    ns_clock fast = ns_clock_scaled(1000, 60);
    int64_t real_from = fast.origin_real_ms, world = ns_clock_now_ms(&fast), real_to = ns_real_now_ms();
    CHECK(world >= 1000 && world <= 1000 + (real_to - real_from) * 60);
    fast.origin_real_ms -= 1000; /* as if a second had passed */
    CHECK(ns_clock_now_ms(&fast) >= world + 60000);
    int64_t a = ns_monotonic_ns();
    CHECK(ns_monotonic_ns() >= a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_and_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(world_time_follows_its_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
