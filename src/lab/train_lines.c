#include "lab/train_lines.h"

#include "base/mem.h"
#include "base/rng.h"
#include "lab/judged_lines.h"

#include <math.h>
#include <string.h>

/* Tried by folds of projects: flat between 2 and 8 rounds and 0.15 and 0.3. */
enum { ROUNDS = 2 };
#define RATE      0.3F
#define BIAS_RATE 0.02F
#define PUSH_MAX  4.0F

typedef struct instance {
    uint32_t form;
    float positive, negative; /* weights */
} instance;

typedef struct line_fit {
    float *weight; /* (NS_LINE_BUCKETS) */
    float *square; /* sums of squared gradients */
    float bias;
    instance *instances;
    size_t count;
    int32_t *place; /* (forms) of its instance; -1 none */
    ns_line_features features;
} line_fit;

/* So many Jenkins consoles and other logs of either outcome are needed for heads of their own. */
enum { KIND_MIN = 15 };

static bool jenkins_head(ns_line_head head)
{
    return head >= NS_LINE_jenkins_all;
}

/* Its place in the trio of its kind of log. */
static ns_line_head role(ns_line_head head)
{
    return jenkins_head(head) ? head - NS_LINE_jenkins_all : head;
}

static bool fresh_head(ns_line_head head)
{
    return role(head) == NS_LINE_fresh;
}

static bool passing_head(ns_line_head head)
{
    return role(head) == NS_LINE_passing;
}

static void add_instance(line_fit *fit, uint32_t form, float positive, float negative)
{
    if (fit->place[form] < 0) {
        fit->place[form] = (int32_t)fit->count;
        fit->instances[fit->count++] = (instance){.form = form};
    }
    fit->instances[fit->place[form]].positive += positive;
    fit->instances[fit->place[form]].negative += negative;
}

/* What one log says about which of its lines tell that things go well. */
static void label_passing(line_fit *fit, const ns_line_table *table, size_t i, float project_weight)
{
    const ns_corpus_log *log = ns_corpus_at(table->corpus, i);
    const ns_table_log *mine = &table->logs[i];
    float weight = project_weight / sqrtf((float)mine->lines + 1.0F);
    for (size_t k = 0; k < mine->count; k++) {
        uint32_t form = mine->entries[k].form;
        if (log->failing)
            add_instance(fit, form, 0.0F, weight);
        else if (!ns_table_failing(table, log->project_number, form))
            add_instance(fit, form, weight, 0.0F);
    }
}

/* What one log says about its lines. known: what its references have; NULL none (head `all`). */
static void label_log(line_fit *fit, const ns_line_table *table, size_t i, ns_line_head head, const uint8_t *known,
                      float project_weight)
{
    const ns_corpus_log *log = ns_corpus_at(table->corpus, i);
    const ns_table_log *mine = &table->logs[i];
    size_t lines = mine->lines;
    if (fresh_head(head)) {
        lines = 0;
        for (size_t k = 0; k < mine->count; k++)
            lines += !ns_table_bit(known, mine->entries[k].form);
    }
    float weight = project_weight / sqrtf((float)lines + 1.0F);
    for (size_t k = 0; k < mine->count; k++) {
        uint32_t form = mine->entries[k].form;
        if (ns_table_bit(known, form) || table->forms[form].said.ended)
            continue;
        bool green = ns_table_green(table, log->project_number, form);
        if (log->failing && !green)
            add_instance(fit, form, weight, 0.0F);
        else if (!log->failing || fresh_head(head))
            add_instance(fit, form, 0.0F, weight);
    }
}

/* A line that a person judged counts as if the log had no other. */
typedef struct judged_line {
    line_fit *fit;
    float weight;
} judged_line;

static void label_judged(void *owner, uint32_t form, bool telling)
{
    const judged_line *judged = owner;
    add_instance(judged->fit, form, telling ? judged->weight : 0.0F, telling ? 0.0F : judged->weight);
}

/* apart: each kind of log has heads of its own, and learns from its own. */
static ns_status label_all(line_fit *fit, const ns_line_table *table, const bool *use, ns_line_head head, bool apart)
{
    size_t logs = ns_corpus_count(table->corpus);
    uint32_t *of_project = NS_NEW_ARRAY(uint32_t, ns_corpus_projects(table->corpus));
    if (of_project == NULL)
        return NS_NO_MEMORY;
    for (size_t i = 0; i < logs; i++)
        of_project[ns_corpus_at(table->corpus, i)->project_number]++;
    ns_status status = NS_OK;
    for (size_t i = 0; status == NS_OK && i < logs; i++) {
        if (!use[i] || (apart && jenkins_head(head) != table->logs[i].jenkins))
            continue;
        uint8_t *known = fresh_head(head) ? ns_table_known(table, i) : NULL;
        float weight = 1.0F / sqrtf((float)of_project[ns_corpus_at(table->corpus, i)->project_number]);
        if (passing_head(head))
            label_passing(fit, table, i, weight);
        else if (!fresh_head(head) || known != NULL)
            label_log(fit, table, i, head, known, weight);
        ns_free(known);
        status = ns_judged_lines(table, i, label_judged, &(judged_line){fit, weight}, NULL);
    }
    ns_free(of_project);
    return status;
}

static float score(const line_fit *fit)
{
    const uint32_t *id = fit->features.id;
    float z = fit->bias;
    for (size_t g = 0; g < NS_LINE_GROUPS; g++) {
        float sum = 0.0F;
        for (uint32_t i = 0; i < fit->features.count[g]; i++)
            sum += fit->weight[id[i]];
        z += sum * fit->features.value[g];
        id += fit->features.count[g];
    }
    return z;
}

static void step(line_fit *fit, float push, float rate)
{
    const uint32_t *id = fit->features.id;
    for (size_t g = 0; g < NS_LINE_GROUPS; g++) {
        float gradient = push * fit->features.value[g];
        for (uint32_t i = 0; i < fit->features.count[g]; i++) {
            fit->square[id[i]] += gradient * gradient;
            fit->weight[id[i]] -= rate * gradient / sqrtf(fit->square[id[i]] + 1e-6F);
        }
        id += fit->features.count[g];
    }
    fit->bias -= rate * BIAS_RATE * push;
}

static void shuffle(instance *at, size_t n, ns_rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)ns_rng_below(rng, i);
        instance kept = at[i - 1];
        at[i - 1] = at[j];
        at[j] = kept;
    }
}

static void descend(line_fit *fit, const ns_line_table *table, ns_rng *rng)
{
    double total = 0.0;
    for (size_t i = 0; i < fit->count; i++)
        total += (double)(fit->instances[i].positive + fit->instances[i].negative);
    float even = total > 0.0 ? (float)((double)fit->count / total) : 0.0F;
    for (int round = 0; round < ROUNDS; round++) {
        float rate = RATE * (1.0F - 0.8F * (float)round / (float)ROUNDS);
        shuffle(fit->instances, fit->count, rng);
        for (size_t i = 0; i < fit->count; i++) {
            const instance *one = &fit->instances[i];
            const ns_table_form *form = &table->forms[one->form];
            ns_line_features_of(form->form, form->said.hit, form->said.hits, &fit->features);
            float p = 1.0F / (1.0F + expf(-score(fit)));
            float push = even * (one->negative * p - one->positive * (1.0F - p));
            step(fit, fmaxf(-PUSH_MAX, fminf(PUSH_MAX, push)), rate);
        }
    }
}

static ns_status train_head(line_fit *fit, const ns_line_table *table, const bool *use, ns_line_head head, bool apart,
                            uint64_t seed, ns_line_scorer *out)
{
    ns_rng rng;
    static const char *const stream[NS_LINE_TRIO] = {"lines all", "lines fresh", "lines passing"};
    ns_rng_seed_named(&rng, seed, stream[role(head)]);
    memset(fit->weight, 0, NS_LINE_BUCKETS * sizeof fit->weight[0]);
    memset(fit->square, 0, NS_LINE_BUCKETS * sizeof fit->square[0]);
    memset(fit->place, 0xff, table->form_count * sizeof fit->place[0]);
    fit->bias = 0.0F;
    fit->count = 0;
    ns_status status = label_all(fit, table, use, head, apart);
    if (status == NS_OK) {
        descend(fit, table, &rng);
        ns_line_scorer_set(out, head, fit->weight, fit->bias);
    }
    return status;
}

static bool enough_of_both(const ns_line_table *table, const bool *use)
{
    size_t logs[2][2] = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < ns_corpus_count(table->corpus); i++)
        logs[table->logs[i].jenkins][ns_corpus_at(table->corpus, i)->failing] += use[i];
    return logs[0][0] >= KIND_MIN && logs[0][1] >= KIND_MIN && logs[1][0] >= KIND_MIN && logs[1][1] >= KIND_MIN;
}

/* The general heads in the place of those for Jenkins consoles. */
static void stand_in(ns_line_scorer *scorer)
{
    for (size_t h = 0; h < NS_LINE_TRIO; h++) {
        scorer->bias[NS_LINE_jenkins_all + h] = scorer->bias[h];
        scorer->scale[NS_LINE_jenkins_all + h] = scorer->scale[h];
        for (size_t i = 0; i < NS_LINE_BUCKETS; i++)
            scorer->weight[i * NS_LINE_HEADS + NS_LINE_jenkins_all + h] = scorer->weight[i * NS_LINE_HEADS + h];
    }
}

ns_status ns_train_lines(const ns_line_table *table, const bool *use, uint64_t seed, ns_line_scorer *out, ns_error *err)
{
    line_fit *fit = NS_NEW(line_fit);
    ns_status status = NS_NO_MEMORY;
    if (fit != NULL) {
        fit->weight = NS_NEW_ARRAY(float, NS_LINE_BUCKETS);
        fit->square = NS_NEW_ARRAY(float, NS_LINE_BUCKETS);
        fit->instances = NS_NEW_ARRAY(instance, table->form_count);
        fit->place = NS_NEW_ARRAY(int32_t, table->form_count);
        if (fit->weight != NULL && fit->square != NULL && fit->instances != NULL && fit->place != NULL)
            status = NS_OK;
        bool apart = enough_of_both(table, use);
        size_t heads = apart ? NS_LINE_HEADS : NS_LINE_TRIO;
        for (size_t head = 0; status == NS_OK && head < heads; head++)
            status = train_head(fit, table, use, (ns_line_head)head, apart, seed, out);
        if (heads == NS_LINE_TRIO)
            stand_in(out);
        ns_free(fit->weight);
        ns_free(fit->square);
        ns_free(fit->instances);
        ns_free(fit->place);
    }
    ns_free(fit);
    return status == NS_OK ? NS_OK : ns_fail(err, status, "training the line scorer: no memory");
}

void ns_score_forms(const ns_line_table *table, const ns_line_scorer *scorer, float *out)
{
    ns_line_features features;
    for (size_t i = 0; i < table->form_count; i++) {
        const ns_table_form *form = &table->forms[i];
        ns_line_features_of(form->form, form->said.hit, form->said.hits, &features);
        ns_line_score(scorer, &features, &out[i * NS_LINE_HEADS]);
    }
}
