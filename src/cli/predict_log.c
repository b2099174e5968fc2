#include "cli/predict_log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/unpack.h"

enum { REFERENCES_MAX = 64 };

static ns_status feed_and_score(const ns_predictor *predictor, ns_text log, const ns_sketch *const *references,
                                size_t count, ns_prediction *out, ns_error *err)
{
    ns_reading *reading = predictor->begin(predictor->self, references, count);
    if (reading == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to read the log");
    ns_status status = predictor->feed(predictor->self, reading, log);
    if (status == NS_OK)
        predictor->score(predictor->self, reading, out);
    else
        (void)ns_fail(err, status, "the log cannot be read through: %s", ns_status_sentence(status));
    predictor->end(predictor->self, reading);
    return status;
}

ns_status ns_tell_log(const ns_log_teller *teller, const char *log, const char *const *references,
                      size_t reference_count, ns_prediction *out, ns_error *err)
{
    const ns_sketch *sketches[REFERENCES_MAX];
    size_t got = 0;
    ns_buf text;
    ns_status status = NS_OK;
    int64_t began_ns = ns_monotonic_ns();
    if (reference_count > REFERENCES_MAX)
        return ns_fail(err, NS_TOO_LARGE, "%zu references; at most %d can be used", reference_count, REFERENCES_MAX);
    ns_buf_init(&text, 0);
    while (status == NS_OK && got < reference_count) {
        status = ns_sketch_cache_get(teller->cache, references[got], &sketches[got], err);
        got += status == NS_OK;
    }
    if (status == NS_OK)
        status = ns_log_file_read(log, NS_LOG_FILE_MAX, &text, err);
    if (status == NS_OK)
        status = feed_and_score(&teller->predictor, ns_buf_view(&text), sketches, got, out, err);
    for (size_t i = 0; i < got; i++)
        ns_sketch_cache_return(teller->cache, sketches[i]);
    ns_buf_clear(&text);
    if (status != NS_OK)
        return status;
    out->fallback = teller->predictor.fallback;
    out->elapsed_ms = (double)(ns_monotonic_ns() - began_ns) / 1e6;
    return NS_OK;
}

static void put_id(ns_json_writer *w, const json_t *id)
{
    char *text = id == NULL ? NULL : json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY);
    ns_json_key(w, "id");
    if (text == NULL)
        ns_json_put_null(w);
    else
        ns_json_put_raw(w, ns_text_of(text));
    free(text);
}

static void put_evidence(ns_json_writer *w, const ns_log_teller *teller, const ns_prediction *prediction)
{
    char text[NS_EVIDENCE_TEXT_MAX + sizeof NS_REDACTED];
    ns_json_key(w, "evidence");
    ns_json_array(w);
    for (size_t i = 0; i < prediction->evidence_count; i++) {
        const ns_evidence *one = &prediction->evidence[i];
        ns_json_object(w);
        ns_json_field_int(w, "line", one->line);
        ns_json_field_string(w, "text", ns_redact_copy(teller->redactor, text, sizeof text, ns_text_of(one->text)));
        ns_json_field_real(w, "weight", one->weight);
        ns_json_field_bool(w, "new", one->is_new);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
}

static void put_model(ns_json_writer *w, const ns_log_teller *teller, const ns_prediction *prediction)
{
    ns_json_key(w, "model");
    ns_json_object(w);
    ns_json_field_string(w, "name", teller->predictor.name);
    ns_json_field_string_or_null(w, "sha256", teller->predictor.sha256);
    ns_json_field_string(w, "code_path", ns_code_path_name(prediction->code_path));
    ns_json_field_bool(w, "fallback", prediction->fallback);
    ns_json_end_object(w);
}

void ns_put_prediction_answer(ns_json_writer *w, const ns_log_teller *teller, const json_t *id,
                              const ns_prediction *prediction)
{
    ns_json_object(w);
    ns_json_field_int(w, "schema", 1);
    put_id(w, id);
    ns_json_field_real(w, "failure_probability", prediction->fail_probability);
    ns_json_field_string(w, "decision", ns_predicted_name(prediction->decision));
    ns_json_field_real(w, "threshold", prediction->threshold);
    ns_json_field_string(w, "cause", prediction->cause == NS_CAUSE_none ? NULL : ns_cause_name(prediction->cause));
    ns_json_key(w, "causes");
    ns_json_object(w);
    for (unsigned i = 0; i < NS_CAUSE_COUNT; i++)
        ns_json_field_real(w, ns_cause_name((ns_cause)i), prediction->cause_probability[i]);
    ns_json_end_object(w);
    ns_json_field_int(w, "lines", prediction->lines);
    ns_json_field_int(w, "windows", prediction->windows);
    ns_json_field_int(w, "references", prediction->references);
    put_evidence(w, teller, prediction);
    put_model(w, teller, prediction);
    ns_json_field_real(w, "elapsed_ms", prediction->elapsed_ms);
    ns_json_end_object(w);
}
