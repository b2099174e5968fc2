/*
 * Any bytes are a log. The first byte says how it is cut, the second where a reference ends and the log begins. Cut or
 * whole, with references or without, the answers must be the same to the last bit, and make sense.
 */
#include "prediction/keyword.h"
#include "prediction/sketch.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void read_in_pieces(const ns_predictor *predictor, ns_text reference, ns_text log, size_t step,
                           ns_prediction *out)
{
    ns_sketch *sketch = ns_sketch_of_log(reference);
    must(sketch != NULL);
    const ns_sketch *const sketches[] = {sketch};
    ns_reading *reading = predictor->begin(predictor->self, sketches, reference.len > 0 ? 1 : 0);
    must(reading != NULL);
    for (size_t at = 0; at < log.len; at += step) {
        size_t n = log.len - at < step ? log.len - at : step;
        must(predictor->feed(predictor->self, reading, (ns_text){log.at + at, n}) == NS_OK);
    }
    predictor->score(predictor->self, reading, out);
    predictor->end(predictor->self, reading);
    ns_sketch_free(sketch);
}

static void check_sense(const ns_prediction *said)
{
    double sum = 0.0;
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++) {
        must(said->cause_probability[c] >= 0.0 && said->cause_probability[c] <= 1.0);
        sum += said->cause_probability[c];
    }
    must(sum > 1.0 - 1e-9 && sum < 1.0 + 1e-9);
    must(said->fail_probability >= 0.0 && said->fail_probability <= 1.0);
    must((said->decision == NS_PREDICTED_failure) == (said->cause != NS_CAUSE_none));
    must(said->evidence_count <= NS_EVIDENCE_MAX);
    for (size_t i = 0; i < said->evidence_count; i++) {
        ns_text text = ns_text_of(said->evidence[i].text);
        must(said->evidence[i].line >= 1 && said->evidence[i].line <= said->lines);
        for (size_t at = 0, n; at < text.len; at += n)
            must((n = ns_utf8_sequence((ns_text){text.at + at, text.len - at})) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ns_predictor predictor;
    static ns_prediction whole, pieces;
    if (predictor.begin == NULL)
        must(ns_keyword_predictor_new(&predictor, NULL) == NS_OK);
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
    size_t head = size < 2 ? size : 2;
    ns_text rest = {(const char *)data + head, size - head};
    size_t cut = size > 1 ? rest.len * data[1] / 512 : 0; /* up to half of it is the reference */
    ns_text reference = {rest.at, cut}, log = {rest.at + cut, rest.len - cut};
    read_in_pieces(&predictor, reference, log, log.len + 1, &whole);
    read_in_pieces(&predictor, reference, log, step, &pieces);
    must(memcmp(&whole, &pieces, sizeof whole) == 0);
    check_sense(&whole);
    return 0;
}
