/* The growing console logs of running builds, from a scripted Jenkins into a sink. */
#include "jenkins_house.h"

#define TEXT         "text/plain;charset=UTF-8"
#define RUNNING(job) "{\"jobs\":[" JOB(job, LAST(1, "true", "null", "5")) "]}"
#define OVER(job)    "{\"jobs\":[" JOB(job, LAST(1, "false", "\"SUCCESS\"", "5")) "]}"

/* What the log of job a, build 1, answers from `start` on. */
static script_rule *log_from(house *h, const char *match, const char *body, const char *size, bool more)
{
    return script_on(&h->s, (script_rule){.match = match,
                                          .type = TEXT,
                                          .body = body,
                                          .header = {"X-Text-Size", size, more ? "X-More-Data" : NULL, "true"}});
}

static void a_log_grows_by_its_own_offsets_until_its_build_is_over(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs = script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    script_on(&h.s, (script_rule){.match = "/job/a/api/json", .body = "{\"builds\":[]}"});
    log_from(&h, "Text?start=0 ", "one\r\n", "500", true); /* hidden notes make the raw log longer than the text */
    log_from(&h, "Text?start=500 ", "two\n", "504", true);
    log_from(&h, "Text?start=504 ", "", "504", false);
    jobs->body = "{\"jobs\":[" JOB("a", LAST(1, "true", "null", "5") ",\"x\":1") "]}";
    tick(&h);
    CHECK_TEXT("one\n", ns_buf_view(&h.text));
    CHECK_INT(500, h.next_offset);
    CHECK_INT(500, view_of(&h, "a")->builds[0].log_bytes);
    tick(&h);
    CHECK_TEXT("one\ntwo\n", ns_buf_view(&h.text));
    tick(&h); /* no more data, but the build is not over: not the end */
    CHECK_INT(0, h.ended);
    jobs->body = "{\"jobs\":[{\"name\":\"a\",\"color\":\"blue\",\"lastBuild\":" BUILD(1, "false", "\"SUCCESS\"") "}]}";
    log_from(&h, "Text?start=504 ", "Finished: SUCCESS\n", "522", true); /* post-production still writes */
    log_from(&h, "Text?start=522 ", "", "522", false);
    tick(&h);
    CHECK_INT(0, h.ended);
    tick(&h);
    CHECK_INT(1, h.ended);
    CHECK_TEXT("one\ntwo\nFinished: SUCCESS\n", ns_buf_view(&h.text));
    int asked = script_asked(&h.s, "/logText/");
    tick(&h);
    CHECK_INT(asked, script_asked(&h.s, "/logText/"));
    CHECK_INT(0, h.restarts);
    house_close(&h);
}

static void a_log_that_was_replaced_starts_anew(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    log_from(&h, "start=0 ", "old old old\n", "12", true);
    log_from(&h, "start=12 ", "new\n", "4", true);
    log_from(&h, "start=4 ", "more\n", "9", true);
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(1, h.restarts);
    CHECK_TEXT("new\nmore\n", ns_buf_view(&h.text));
    CHECK_INT(9, h.next_offset);
    log_from(&h, "start=9 ", "", "0", true); /* and now the file is gone */
    tick(&h);
    CHECK_INT(2, h.restarts);
    CHECK_INT(0, h.text.len);
    CHECK_INT(0, h.next_offset);
    house_close(&h);
}

static void what_is_cut_between_two_answers_is_joined(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs = script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    log_from(&h, "start=0 ", "caf\xc3", "4", true);
    log_from(&h, "start=4 ", "\xa9 \x1b[8mha:AA", "14", true);
    log_from(&h, "start=14 ", "AA\x1b[0mok \xff\xe2\x82", "24", false);
    tick(&h);
    CHECK_TEXT("caf", ns_buf_view(&h.text));
    CHECK_INT(3, h.next_offset); /* after a restart the whole character is read again */
    tick(&h);
    CHECK_TEXT("caf\xc3\xa9 ", ns_buf_view(&h.text));
    CHECK_INT(5, h.next_offset);
    tick(&h);
    CHECK_TEXT("caf\xc3\xa9 ok \xef\xbf\xbd", ns_buf_view(&h.text));
    CHECK_INT(22, h.next_offset);
    jobs->body = OVER("a");
    log_from(&h, "start=24 ", "", "24", false);
    tick(&h);
    CHECK_INT(1, h.ended);
    CHECK_TEXT("caf\xc3\xa9 ok \xef\xbf\xbd\xef\xbf\xbd", ns_buf_view(&h.text));
    house_close(&h);
}

static void a_stored_offset_is_taken_up(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    h.stored = 700;
    script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    log_from(&h, "start=700 ", "on we go\n", "709", true);
    tick(&h);
    CHECK_TEXT("on we go\n", ns_buf_view(&h.text));
    CHECK_INT(0, h.restarts);
    CHECK_INT(0, script_asked(&h.s, "start=0 "));
    house_close(&h);
}

static void a_log_that_ended_or_is_not_wanted_is_left_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        house h;
        house_open(&h, (ns_jenkins_source_options){0});
        h.stored = i == 0 ? -1 : 0;
        h.refuses = i == 1;
        script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
        tick(&h);
        tick(&h);
        CHECK_INT(0, script_asked(&h.s, "/logText/"));
        house_close(&h);
    }
}

/* 200 KB of text whose every line says where it stands, so that nothing can be missing, twice or out of order. */
static void fill(char *out, size_t size)
{
    for (size_t i = 0; i + 10 <= size; i += 10)
        (void)snprintf(out + i, 11, "%09zu\n", i);
}

enum { BIG = 200 * 1000 };

static void a_slow_sink_makes_it_wait_and_loses_nothing(void **state)
{
    (void)state;
    static char big[BIG + 1];
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    fill(big, BIG);
    h.busy = 6;
    script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    log_from(&h, "start=0 ", big, "200000", true);
    h.source.poll(h.source.self, h.now);
    SCRIPT_UNTIL(&h.s, h.text.len == BIG);
    CHECK(memcmp(h.text.at, big, BIG) == 0);
    CHECK(h.pieces > 1);
    SCRIPT_UNTIL(&h.s, h.source.settled(h.source.self));
    CHECK_INT(200000, h.next_offset);
    h.busy = 1000000; /* a sink that never has room holds nobody up but its own logs */
    log_from(&h, "start=200000 ", "x", "200001", true);
    tick(&h);
    tick(&h);
    CHECK_INT(BIG, h.text.len);
    house_close(&h);
}

static void a_transfer_that_breaks_off_is_taken_up_without_doubles(void **state)
{
    (void)state;
    static char big[BIG + 1];
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    fill(big, BIG);
    script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    log_from(&h, "start=0 ", big, "200000", true);
    script_on(&h.s, (script_rule){.match = "start=0 ",
                                  .type = TEXT,
                                  .body = big,
                                  .body_len = 120000,
                                  .half = true,
                                  .times = 1,
                                  .header = {"X-Text-Size", "200000"}});
    h.source.poll(h.source.self, h.now);
    SCRIPT_UNTIL(&h.s, h.text.len > 60000);
    CHECK_INT(0, h.next_offset); /* should we crash now, it is read again */
    script_break_off(&h.s);
    SCRIPT_UNTIL(&h.s, h.source.settled(h.source.self));
    CHECK(h.text.len <= 120000);
    tick(&h);
    CHECK_INT(BIG, h.text.len);
    CHECK(memcmp(h.text.at, big, BIG) == 0);
    CHECK_INT(200000, h.next_offset);
    house_close(&h);
}

static void a_log_above_its_ceiling_is_passed_over(void **state)
{
    (void)state;
    static char big[BIG + 1];
    house h;
    house_open(&h, (ns_jenkins_source_options){.log_ceiling = 64 * 1024});
    fill(big, BIG);
    script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    log_from(&h, "start=0 ", big, "200000", true);
    log_from(&h, "start=200000 ", "the end\n", "200008", true);
    tick(&h);
    tick(&h);
    CHECK(h.text.len < BIG / 2);
    CHECK(ns_text_ends(ns_buf_view(&h.text), "the end\n"));
    CHECK_INT(200008, h.next_offset);
    house_close(&h);
}

static void many_logs_take_fair_turns(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){.logs_per_tick = 2});
    script_on(&h.s,
              (script_rule){.match = JOBS,
                            .body = "{\"jobs\":[" JOB("a", LAST(1, "true", "null", "5")) "," JOB(
                                "b", LAST(1, "true", "null", "5")) "," JOB("c", LAST(1, "true", "null", "5")) "]}"});
    log_from(&h, "/logText/", "x", "1", true);
    log_from(&h, "start=1 ", "y", "2", true);
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_STRING("a b c a b c ", h.order);
    CHECK_INT(6, script_asked(&h.s, "/logText/"));
    house_close(&h);
}

static void the_log_of_a_deleted_build_ends(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_on(&h.s, (script_rule){.match = JOBS, .body = OVER("a")});
    tick(&h);
    CHECK_INT(1, h.ended);
    house_close(&h);
}

static void an_error_page_is_never_log_text(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_on(&h.s, (script_rule){.match = JOBS, .body = RUNNING("a")});
    script_on(&h.s, (script_rule){.match = "/logText/", .type = "text/html", .body = "<html>log in"});
    tick(&h);
    script_on(&h.s, (script_rule){.match = "/logText/", .code = 500, .type = TEXT, .body = "Oops"});
    tick(&h);
    CHECK_INT(0, h.text.len);
    log_from(&h, "start=0 ", "fine\n", "5", true);
    tick(&h);
    CHECK_TEXT("fine\n", ns_buf_view(&h.text));
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_grows_by_its_own_offsets_until_its_build_is_over),
        cmocka_unit_test(a_log_that_was_replaced_starts_anew),
        cmocka_unit_test(what_is_cut_between_two_answers_is_joined),
        cmocka_unit_test(a_stored_offset_is_taken_up),
        cmocka_unit_test(a_log_that_ended_or_is_not_wanted_is_left_alone),
        cmocka_unit_test(a_slow_sink_makes_it_wait_and_loses_nothing),
        cmocka_unit_test(a_transfer_that_breaks_off_is_taken_up_without_doubles),
        cmocka_unit_test(a_log_above_its_ceiling_is_passed_over),
        cmocka_unit_test(many_logs_take_fair_turns),
        cmocka_unit_test(the_log_of_a_deleted_build_ends),
        cmocka_unit_test(an_error_page_is_never_log_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
