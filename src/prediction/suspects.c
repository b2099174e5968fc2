#include "prediction/suspects.h"

#include <math.h>
#include <string.h>

/* What stands for "no such line", as in judge_tally.c. */
#define NO_LINE (-8.0F)

static const float over_edge[2] = {0.0F, 2.0F};

void ns_suspects_init(ns_suspects *suspects)
{
    memset(suspects, 0, sizeof *suspects);
}

static void make_window(const ns_suspects *s, const ns_window_reader *reader, ns_text form, ns_window_ids *out)
{
    ns_text lines[NS_WINDOW_BEFORE + 1];
    const size_t before = s->met < NS_WINDOW_BEFORE ? s->met : NS_WINDOW_BEFORE;
    for (size_t i = 0; i < before; i++) {
        const size_t slot = (s->met - before + i) % NS_WINDOW_BEFORE;
        lines[i] = (ns_text){s->form[slot], s->length[slot]};
    }
    lines[before] = form;
    reader->prepare(reader->self, &(ns_window){lines, before + 1}, out);
}

static void suspect(ns_suspects *s, const ns_window_reader *reader, ns_text form, float strength)
{
    size_t at = s->count;
    while (at > 0 && s->at[at - 1].strength < strength)
        at--;
    if (at == NS_SUSPECTS)
        return;
    const size_t kept = s->count < NS_SUSPECTS ? s->count : NS_SUSPECTS - 1;
    memmove(&s->at[at + 1], &s->at[at], (kept - at) * sizeof s->at[0]);
    s->count = kept + 1;
    s->at[at].strength = strength;
    s->at[at].answered = false;
    make_window(s, reader, form, &s->at[at].window);
}

void ns_suspects_add(ns_suspects *s, const ns_window_reader *reader, ns_text form, float strength)
{
    if (!isnan(strength))
        suspect(s, reader, form, strength);
    const size_t slot = s->met++ % NS_WINDOW_BEFORE;
    s->length[slot] = form.len < NS_TEMPLATE_MAX ? form.len : NS_TEMPLATE_MAX;
    memcpy(s->form[slot], form.at, s->length[slot]);
}

void ns_suspects_ask(ns_suspects *s, const ns_window_reader *reader)
{
    const ns_window_ids *windows[NS_SUSPECTS] = {NULL};
    ns_window_answer answers[NS_SUSPECTS];
    size_t asked[NS_SUSPECTS], n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->at[i].answered)
            continue;
        windows[n] = &s->at[i].window;
        asked[n++] = i;
    }
    reader->read(reader->self, windows, n, answers);
    for (size_t i = 0; i < n; i++) {
        s->at[asked[i]].answer = answers[i];
        s->at[asked[i]].answered = true;
    }
}

static void top(float kept[3], float value)
{
    for (size_t i = 0; i < 3; i++) {
        if (value > kept[i]) {
            const float pushed = kept[i];
            kept[i] = value;
            value = pushed;
        }
    }
}

void ns_suspects_features(const ns_suspects *s, float out[NS_SUSPECT_FEATURES])
{
    int over[2] = {0, 0};
    for (size_t k = 0; k < 3; k++)
        out[NS_SUSPECT_encoder_1 + k] = out[NS_SUSPECT_joint_1 + k] = NO_LINE;
    for (size_t i = 0; i < s->count; i++) {
        const float logit = s->at[i].answer.logit;
        top(&out[NS_SUSPECT_encoder_1], logit);
        top(&out[NS_SUSPECT_joint_1], logit + s->at[i].strength);
        for (size_t k = 0; k < 2; k++)
            over[k] += logit > over_edge[k];
    }
    for (size_t k = 0; k < 2; k++)
        out[NS_SUSPECT_encoder_over_0 + k] = log2f(1.0F + (float)over[k]);
}

/* Shares of the suspects by how telling they are, softmax of their joint log-odds. */
void ns_suspects_causes(const ns_suspects *s, double out[NS_CAUSE_COUNT])
{
    double share[NS_SUSPECTS], total = 0.0, most = -INFINITY;
    for (size_t i = 0; i < s->count; i++)
        most = fmax(most, (double)(s->at[i].answer.logit + s->at[i].strength));
    for (size_t i = 0; i < s->count; i++) {
        share[i] = exp((double)(s->at[i].answer.logit + s->at[i].strength) - most);
        total += share[i];
    }
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++) {
        double p = 0.0;
        for (size_t i = 0; i < s->count; i++)
            p += share[i] / total * (double)s->at[i].answer.cause[c];
        out[c] = s->count == 0 ? 0.0 : log(p * (double)NS_CAUSE_COUNT + 0.01);
    }
}
