#include "daemon/build_story.h"

#include "daemon/show.h"
#include "wire/json.h"

#include <math.h>
#include <string.h>

enum { PAGE = 1000, LINE_MAX_NUMBER = 100000000, LOG_PIECE = 256 * 1024 };

typedef struct story {
    ns_buf *out;
    ns_build build;
    int64_t count;
    int64_t alarm_ms; /* first alarm while it ran; -1 none */
} story;

static bool take_build(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    story *s = owner;
    s->build = row->of.build->build;
    s->count++;
    return false;
}

static bool take_prediction(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    story *s = owner;
    const ns_prediction_row *p = row->of.prediction;
    const ns_build *build = &s->build;
    bool ended = !build->running && build->started_ms >= 0 && build->duration_ms >= 0 &&
                 p->prediction.known_at_ms >= build->started_ms + build->duration_ms;
    if (s->alarm_ms < 0 && p->prediction.decision == NS_PREDICTED_failure && !ended)
        s->alarm_ms = p->prediction.known_at_ms;
    (void)ns_buf_string(s->out, s->count++ > 0 ? "," : "");
    ns_show_prediction(s->out, p->jenkins_job, p->build, &p->prediction);
    return !s->out->failed;
}

static bool take_label(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    story *s = owner;
    (void)ns_buf_string(s->out, s->count++ > 0 ? "," : "");
    ns_show_label(s->out, row->of.label);
    return !s->out->failed;
}

static void put_alarm(const story *s)
{
    ns_json_writer w;
    ns_json_begin(&w, s->out);
    if (s->alarm_ms < 0) {
        ns_json_put_null(&w);
        return;
    }
    ns_json_object(&w);
    ns_json_field_time(&w, "first_at", s->alarm_ms);
    ns_json_field_real(&w, "lead_s", ns_lead_s(s->alarm_ms, &s->build));
    ns_json_end_object(&w);
}

static ns_status find_build(const ns_house *house, const char *job, int64_t number, story *s, ns_error *err)
{
    ns_row_query query = {.kind = NS_ROW_build, .jenkins_job = job, .build = number, .limit = 1};
    ns_status status = house->store.list(house->store.self, &query, take_build, s, err);
    if (status == NS_OK && s->count == 0)
        return ns_fail(err, NS_NOT_FOUND, "this build is not stored");
    s->count = 0;
    return status;
}

ns_status ns_build_story(const ns_house *house, const char *job, int64_t number, ns_buf *out, ns_error *err)
{
    story s = {.out = out, .alarm_ms = -1};
    ns_status status = find_build(house, job, number, &s, err);
    if (status != NS_OK)
        return status;
    (void)ns_buf_string(out, "{\"schema\":1,\"build\":");
    ns_show_build(out, job, &s.build, NULL);
    (void)ns_buf_string(out, ",\"predictions\":[");
    ns_row_query query = {.jenkins_job = job, .build = number, .oldest_first = true, .limit = PAGE};
    query.kind = NS_ROW_prediction;
    status = house->store.list(house->store.self, &query, take_prediction, &s, err);
    (void)ns_buf_string(out, "],\"alarm\":");
    put_alarm(&s);
    (void)ns_buf_string(out, ",\"verdicts\":[");
    s.count = 0;
    query.kind = NS_ROW_label;
    if (status == NS_OK)
        status = house->store.list(house->store.self, &query, take_label, &s, err);
    (void)ns_buf_string(out, "]}\n");
    return status;
}

/* ---- a person's word ---- */

static ns_status read_cause(const json_t *said, ns_label_row *row, ns_error *err)
{
    ns_cause cause;
    ns_text name;
    if (ns_json_at(said, "cause") == NULL)
        return NS_OK;
    if (!ns_json_text(said, "cause", &name) || !ns_cause_parse(name, &cause))
        return ns_fail(err, NS_BAD_INPUT, "'cause' is the name of a cause, such as flaky_test");
    (void)ns_text_copy(row->cause, sizeof row->cause, name);
    return NS_OK;
}

static ns_status read_line(const json_t *said, ns_label_row *row, ns_error *err)
{
    const json_t *line = ns_json_at(said, "line"), *telling = ns_json_at(said, "telling");
    if (line == NULL && telling == NULL)
        return NS_OK;
    if (!json_is_integer(line) || json_integer_value(line) < 1 || json_integer_value(line) > LINE_MAX_NUMBER ||
        !json_is_boolean(telling))
        return ns_fail(err, NS_BAD_INPUT,
                       "'line' is the number of a line of the log, from 1 on, and goes with 'telling': true or false");
    row->line = json_integer_value(line);
    row->telling = json_is_true(telling);
    return NS_OK;
}

static ns_status read_word(ns_text body, ns_label_row *row, ns_error *err)
{
    json_t *said = NULL;
    ns_error why;
    if (ns_json_read(body, &said, &why) != NS_OK || !json_is_object(said)) {
        json_decref(said);
        return ns_fail(err, NS_BAD_INPUT, "a JSON object is wanted, such as {\"cause\":\"flaky_test\"}");
    }
    row->line = -1;
    row->telling = -1;
    ns_status status = read_cause(said, row, err);
    if (status == NS_OK)
        status = read_line(said, row, err);
    json_decref(said);
    if (status == NS_OK && row->cause[0] == '\0' && row->line < 0)
        return ns_fail(err, NS_BAD_INPUT, "'cause', or 'line' with 'telling', is wanted");
    return status;
}

/* A line that the stored log has not got could not be learnt from: better told now. */
static ns_status has_line(const ns_house *house, const ns_label_row *row, ns_error *err)
{
    int64_t from = 0, total = 1, lines = 0;
    ns_status status = NS_OK;
    ns_buf piece;
    ns_buf_init(&piece, LOG_PIECE);
    while (status == NS_OK && from < total && lines < row->line) {
        ns_buf_reset(&piece);
        status = house->store.log_text(house->store.self, row->jenkins_job, row->build, from, LOG_PIECE, &piece, &total,
                                       err);
        if (status != NS_OK || piece.len == 0)
            break;
        from += (int64_t)piece.len;
        for (size_t i = 0; i < piece.len; i++)
            lines += piece.at[i] == '\n' || from - (int64_t)(piece.len - i) + 1 == total;
    }
    ns_buf_clear(&piece);
    if (status == NS_NOT_FOUND)
        return ns_fail(err, status, "no log of this build is stored");
    if (status == NS_OK && lines < row->line)
        return ns_fail(err, NS_BAD_INPUT, "the stored log has %lld lines, line %lld is none of them", (long long)lines,
                       (long long)row->line);
    return status;
}

static void audit(ns_house *house, const ns_label_row *row)
{
    char object[NS_JOB_MAX + 24], detail[160];
    ns_show_build_id(object, row->jenkins_job, row->build);
    int n = snprintf(detail, sizeof detail, "cause=%s", row->cause[0] == '\0' ? "not_said" : row->cause);
    if (row->line > 0)
        (void)snprintf(detail + n, sizeof detail - (size_t)n, " line=%lld telling=%s", (long long)row->line,
                       row->telling == 1 ? "yes" : "no");
    ns_house_audit(house, row->actor, "build_judged", object, detail);
}

ns_status ns_build_judged(ns_house *house, const char *job, int64_t number, const char *actor, ns_text body,
                          ns_buf *out, ns_error *err)
{
    ns_label_row row = {.at_ms = ns_clock_now_ms(&house->clock), .build = number};
    story s = {.out = out, .alarm_ms = -1};
    (void)ns_text_copy(row.jenkins_job, sizeof row.jenkins_job, ns_text_of(job));
    (void)ns_text_copy(row.actor, sizeof row.actor, ns_text_of(actor));
    ns_status status = read_word(body, &row, err);
    if (status == NS_OK)
        status = find_build(house, job, number, &s, err);
    if (status == NS_OK && row.line > 0)
        status = has_line(house, &row, err);
    if (status != NS_OK)
        return status;
    if (ns_house_put(house, &(ns_row){.kind = NS_ROW_label, .of.label = &row}) == 0)
        return ns_fail(err, NS_IO, "the store cannot be written");
    audit(house, &row);
    ns_show_label(out, &row);
    return NS_OK;
}
