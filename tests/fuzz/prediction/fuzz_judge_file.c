/* Any bytes as judge.json: refused with a message, or a judge whose probabilities are probabilities. The version of the
 * phrases is put in for "RULES", so that a seed outlives a change of their table. */
#include "prediction/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void fill_in(ns_buf *out, ns_text text)
{
    ptrdiff_t at = ns_text_find(text, "RULES");
    char version[17];
    (void)snprintf(version, sizeof version, "%016llx", (unsigned long long)ns_rules_version());
    if (at < 0) {
        must(ns_buf_text(out, text) == NS_OK);
        return;
    }
    must(ns_buf_put(out, text.at, (size_t)at) == NS_OK && ns_buf_string(out, version) == NS_OK &&
         ns_buf_put(out, text.at + at + 5, text.len - (size_t)at - 5) == NS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ns_judge judge;
    static float feature[NS_JUDGE_FEATURES];
    ns_buf text;
    ns_error err = {.text = ""};
    ns_buf_init(&text, (size_t)1 << 20);
    fill_in(&text, (ns_text){(const char *)data, size});
    ns_status status = ns_judge_parse("judge.json", ns_buf_view(&text), &judge, &err);
    ns_buf_clear(&text);
    must(status == NS_OK || err.text[0] != '\0');
    for (size_t m = 0; status == NS_OK && m < NS_JUDGE_MODES; m++) {
        for (size_t f = 0; f < NS_JUDGE_FEATURES; f++)
            feature[f] = (float)(f % 3);
        const ns_judge_head *heads[] = {&judge.head[m], &judge.encoder_head[m]};
        for (size_t k = 0; k < (judge.with_encoder ? 2 : 1); k++) {
            double p = ns_judge_probability(heads[k], ns_judge_evidence(heads[k], feature));
            must(!(p < 0.0) && !(p > 1.0));
        }
    }
    return 0;
}
