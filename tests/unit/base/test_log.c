#include "base/log.h"
#include "check.h"

#include <unistd.h>

/* What `write_it` puts on stderr. */
static const char *written(void (*write_it)(void))
{
    static char text[8192];
    FILE *file = tmpfile();
    CHECK(file != NULL);
    int kept = dup(STDERR_FILENO);
    CHECK(kept >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    write_it();
    CHECK(dup2(kept, STDERR_FILENO) >= 0 && close(kept) == 0);
    rewind(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    return text;
}

static void one_event(void)
{
    ns_log(NS_LOG_WARNING, "telemetry", "poll_failed", "source=%s after_ms=%d", "jenkins", 5000);
}

static void with_line_ends(void)
{
    ns_log(NS_LOG_ERROR, "wire", "odd", "text=%s", "a\nb\r\nc");
}

static void without_keys(void)
{
    ns_log(NS_LOG_INFO, "daemon", "started", "%s", "");
}

static void too_long(void)
{
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    ns_log(NS_LOG_INFO, "daemon", "long", "text=%s", text);
}

static void below_the_level(void)
{
    ns_log(NS_LOG_DEBUG, "daemon", "detail", "n=%d", 1);
}

static void a_line_is_time_level_room_event_and_keys(void **state)
{
    (void)state;
    const char *line = written(one_event);
    CHECK_STRING(" level=warn room=telemetry event=poll_failed source=jenkins after_ms=5000\n", line + 24);
    CHECK(line[10] == 'T' && line[23] == 'Z');
    CHECK_STRING(" level=error room=wire event=odd text=a b  c\n", written(with_line_ends) + 24);
    CHECK_STRING(" level=info room=daemon event=started\n", written(without_keys) + 24);
    line = written(too_long);
    CHECK_INT(2048, strlen(line));
    CHECK(strchr(line, '\n') == line + 2047);
}

static void levels_are_read_and_kept(void **state)
{
    ns_log_level level = NS_LOG_ERROR;
    (void)state;
    CHECK_STRING("", written(below_the_level));
    CHECK(ns_log_level_parse("DEBUG", &level) && level == NS_LOG_DEBUG);
    CHECK(ns_log_level_parse("WARNING", &level) && level == NS_LOG_WARNING);
    CHECK(!ns_log_level_parse("debug", &level) && !ns_log_level_parse("", &level) && level == NS_LOG_WARNING);
    ns_log_set_level(NS_LOG_DEBUG);
    CHECK(strstr(written(below_the_level), "event=detail n=1") != NULL);
    ns_log_set_level(NS_LOG_INFO);
}

static void values_are_quoted_where_needed(void **state)
{
    static const struct {
        const char *value, *wanted;
        size_t size;
    } cases[] = {
        {"jenkins", "jenkins", 40},
        {"", "\"\"", 40},
        {"two words", "\"two words\"", 40},
        {"say \"no\"", "\"say \\\"no\\\"\"", 40},
        {"back\\slash", "\"back\\\\slash\"", 40},
        {"a=b", "\"a=b\"", 40},
        {"bell\a", "\"bell \"", 40},
        {"caf\xc3\xa9", "caf\xc3\xa9", 40},
        {"\"\"\"\"\"\"", "\"\\\"\\\"\"", 8},
        {"abcdefgh", "abcde", 8},
    };
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        char out[40];
        CHECK_STRING(cases[i].wanted, ns_log_quote(out, cases[i].size, cases[i].value));
    }
}

static void trouble_is_told_ever_more_rarely(void **state)
{
    enum { MINUTE = 60000 };
    ns_complaint complaint = {0};
    uint64_t unsaid = 99;
    int told = 0;
    (void)state;
    CHECK(!ns_complaint_over(&complaint));
    CHECK(ns_complain(&complaint, 0, &unsaid));
    CHECK_INT(0, unsaid);
    CHECK(!ns_complain(&complaint, MINUTE - 1, &unsaid));
    CHECK(ns_complain(&complaint, MINUTE, &unsaid));
    CHECK_INT(1, unsaid);
    CHECK(!ns_complain(&complaint, 3 * MINUTE - 1, &unsaid));
    CHECK(ns_complain(&complaint, 3 * MINUTE, &unsaid));
    for (int minute = 4; minute < 24 * 60; minute++)
        told += ns_complain(&complaint, minute * MINUTE, &unsaid);
    CHECK(told >= 24 && told <= 28); /* 4, 8, 16, 32 minutes apart, then one an hour */
    CHECK(ns_complaint_over(&complaint));
    CHECK(!ns_complaint_over(&complaint));
    CHECK(ns_complain(&complaint, 0, &unsaid));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_time_level_room_event_and_keys),
        cmocka_unit_test(levels_are_read_and_kept),
        cmocka_unit_test(values_are_quoted_where_needed),
        cmocka_unit_test(trouble_is_told_ever_more_rarely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
