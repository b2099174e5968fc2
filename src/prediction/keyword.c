#include "prediction/keyword.h"

#include "base/mem.h"
#include "prediction/hash_set.h"
#include "prediction/keyword_rules.h"
#include "prediction/literals.h"
#include "prediction/log_lines.h"
#include "prediction/sketch.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <math.h>
#include <string.h>

_Static_assert(NS_KEYWORD_LINE_MAX == NS_LINE_MAX, "the ceiling told outside is the cleaner's");

/*
 * The score: z = BASE + STRONGEST * (weight of the strongest line) + STRONG * log2(1 + number of distinct lines of
 * weight >= STRONG_FROM), the probability 1 / (1 + exp(-z)). Both inputs only grow while a log grows, and neither
 * knows how long the log is. The constants were fitted by logistic regression to prefixes of public CI logs, half of
 * them failing, and rounded; with references the lines left over mean more, hence the second set.
 */
typedef struct score_constants {
    double base;
    double strongest;
    double strong;
} score_constants;

static const score_constants without_references = {-1.9, 0.8, 0.6};
static const score_constants with_references = {-2.3, 1.1, 0.5};

#define STRONG_FROM   2.0
/* What is left of a line's weight when an earlier green log has it too: such a failure has been survived before. */
#define SURVIVED      0.15
/* A line's weight counts at least so much to be evidence at all. */
#define EVIDENCE_FROM 0.5

/* How causes share the probability of failure before anything is known, and how fast lines change that. A cause's
 * score is its strongest line plus a little for each further one. */
static const double cause_prior[NS_CAUSE_COUNT] = {
    [NS_CAUSE_compile_error] = 0.20, [NS_CAUSE_test_failure] = 0.28,    [NS_CAUSE_flaky_test] = 0.12,
    [NS_CAUSE_dependency] = 0.10,    [NS_CAUSE_registry_outage] = 0.08, [NS_CAUSE_out_of_memory] = 0.03,
    [NS_CAUSE_disk_full] = 0.02,     [NS_CAUSE_timeout] = 0.05,         [NS_CAUSE_agent_lost] = 0.04,
    [NS_CAUSE_config] = 0.06,        [NS_CAUSE_bad_release] = 0.01,     [NS_CAUSE_overload] = 0.01,
};
#define CAUSE_FURTHER  0.15
#define CAUSE_COUNTED  10 /* further lines beyond this add nothing */
#define CAUSE_STEEP    1.4
#define FLAKY_UNHINTED 1.0

typedef struct keyword_self {
    ns_literals *literals;
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_match_data *match;
    size_t rules;
    pcre2_code *code[NS_LITERALS_MAX]; /* NULL: the literal alone decides */
} keyword_self;

typedef struct cause_sum {
    double strongest;
    int32_t lines;
} cause_sum;

/* All that lines add to. Small, so that the open line can be tried on a copy. */
typedef struct tally {
    double strongest;
    int64_t strong_lines;
    cause_sum cause[NS_CAUSE_COUNT];
    ns_evidence evidence[NS_EVIDENCE_MAX];
    size_t evidence_count;
} tally;

struct ns_reading {
    ns_log_lines lines;
    ns_hash_set seen;               /* templates of suspicious lines of this log */
    const ns_sketch *const *greens; /* (references) borrowed */
    int32_t references;
    int64_t bytes;
    tally sum;
};

/* What the rules say about one line. */
typedef struct line_verdict {
    double weight;                /* of the strongest evidence, damped; 0 none */
    double cause[NS_CAUSE_COUNT]; /* of evidence, damped, and of hints, which nothing damps */
    double hint[NS_CAUSE_COUNT];
    bool any; /* evidence or hint */
} line_verdict;

static void *gate_alloc(size_t size, void *owner)
{
    (void)owner;
    return ns_alloc(1, size);
}

static void gate_free(void *block, void *owner)
{
    (void)owner;
    ns_free(block);
}

static bool rule_matches(const keyword_self *self, size_t i, ns_text line)
{
    if (self->code[i] == NULL)
        return true;
    return pcre2_match(self->code[i], (PCRE2_SPTR)line.at, line.len, 0, 0, self->match, self->limits) >= 0;
}

static void apply(const ns_keyword_rule *rule, line_verdict *out, double *damp, bool *ended)
{
    switch (rule->kind) {
    case NS_RULE_evidence:
        out->any = true;
        out->weight = fmax(out->weight, rule->weight);
        out->cause[rule->cause] = fmax(out->cause[rule->cause], rule->weight);
        break;
    case NS_RULE_hint:
        out->any = true;
        out->hint[rule->cause] = fmax(out->hint[rule->cause], rule->weight);
        break;
    case NS_RULE_damper:
        *damp = fmin(*damp, rule->weight);
        break;
    case NS_RULE_verdict:
        *ended = true;
        break;
    }
}

/* Runs every rule whose literal occurs. A verdict line keeps its hints only. */
static void look_at(const keyword_self *self, ns_text line, line_verdict *out)
{
    ns_literal_set found;
    double damp = 1.0;
    bool ended = false;
    memset(out, 0, sizeof *out);
    if (line.len == 0 || !ns_literals_scan(self->literals, line, &found))
        return;
    for (size_t i = 0; i < self->rules; i++)
        if (ns_literal_in(&found, i) && rule_matches(self, i, line))
            apply(&ns_keyword_rules[i], out, &damp, &ended);
    out->weight = ended ? 0.0 : out->weight * damp;
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        out->cause[c] = fmax(out->hint[c], ended ? 0.0 : out->cause[c] * damp);
}

/* Cut at a character; what is not UTF-8 becomes '?'. */
static void evidence_text(char out[NS_EVIDENCE_TEXT_MAX], ns_text line)
{
    size_t n = 0;
    for (size_t i = 0; i < line.len;) {
        size_t length = ns_utf8_sequence((ns_text){line.at + i, line.len - i});
        size_t step = length == 0 ? 1 : length;
        if (n + step >= NS_EVIDENCE_TEXT_MAX)
            break;
        if (length == 0)
            out[n] = '?';
        else
            memcpy(&out[n], line.at + i, length);
        n += step;
        i += step;
    }
    out[n] = '\0';
}

/* Weightiest first; of equals the earlier line, so the list does not depend on what comes after. */
static void keep_evidence(tally *sum, ns_text line, int64_t number, double weight, bool fresh)
{
    size_t at = sum->evidence_count;
    while (at > 0 && sum->evidence[at - 1].weight < weight)
        at--;
    if (at == NS_EVIDENCE_MAX)
        return;
    size_t kept = sum->evidence_count < NS_EVIDENCE_MAX ? sum->evidence_count : NS_EVIDENCE_MAX - 1;
    memmove(&sum->evidence[at + 1], &sum->evidence[at], (kept - at) * sizeof sum->evidence[0]);
    sum->evidence_count = kept + 1;
    ns_evidence *one = &sum->evidence[at];
    *one = (ns_evidence){.line = number, .weight = weight, .is_new = fresh};
    evidence_text(one->text, line);
}

static void add_up(tally *sum, const line_verdict *said, ns_text line, int64_t number, bool fresh)
{
    double share = fresh ? 1.0 : SURVIVED;
    double weight = said->weight * share;
    sum->strongest = fmax(sum->strongest, weight);
    sum->strong_lines += weight >= STRONG_FROM;
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        if (said->cause[c] <= 0.0)
            continue;
        sum->cause[c].strongest = fmax(sum->cause[c].strongest, said->cause[c] * share);
        sum->cause[c].lines += fresh;
    }
    if (weight >= EVIDENCE_FROM)
        keep_evidence(sum, line, number, weight, fresh);
}

static bool is_new(const ns_reading *reading, uint64_t hash)
{
    return !ns_sketches_have(reading->greens, (size_t)reading->references, hash);
}

static ns_status take_line(const keyword_self *self, ns_reading *reading, const ns_log_line *line)
{
    line_verdict said;
    look_at(self, line->text, &said);
    if (!said.any)
        return NS_OK;
    ns_status status = ns_hash_set_put(&reading->seen, line->hash);
    if (status == NS_OK)
        add_up(&reading->sum, &said, line->text, line->number, is_new(reading, line->hash));
    /* Seen before, or more distinct complaints than fit: both add nothing. */
    return status == NS_NO_MEMORY ? NS_NO_MEMORY : NS_OK;
}

static void keyword_end(void *self, ns_reading *reading)
{
    (void)self;
    if (reading == NULL)
        return;
    ns_hash_set_clear(&reading->seen);
    ns_free(reading);
}

static ns_reading *keyword_begin(void *self, const ns_sketch *const *references, size_t reference_count)
{
    (void)self;
    ns_reading *reading = ns_alloc(1, sizeof *reading + reference_count * sizeof(ns_sketch *));
    if (reading == NULL)
        return NULL;
    const ns_sketch **greens = (const ns_sketch **)(reading + 1);
    for (size_t i = 0; i < reference_count; i++)
        greens[i] = references[i];
    reading->greens = greens;
    reading->references = (int32_t)reference_count;
    ns_hash_set_init(&reading->seen, NS_KEYWORD_TEMPLATES_MAX);
    ns_log_lines_init(&reading->lines);
    return reading;
}

static ns_status keyword_feed(void *self, ns_reading *reading, ns_text text)
{
    ns_log_line line;
    reading->bytes += (int64_t)text.len;
    while (ns_log_lines_next(&reading->lines, &text, &line))
        if (take_line(self, reading, &line) != NS_OK)
            return NS_NO_MEMORY;
    return NS_OK;
}

static double failure_probability(const ns_reading *reading, const tally *sum)
{
    const score_constants *k = reading->references > 0 ? &with_references : &without_references;
    double z = k->base + k->strongest * sum->strongest + k->strong * log2(1.0 + (double)sum->strong_lines);
    return 1.0 / (1.0 + exp(-z));
}

static double cause_score(const cause_sum *one)
{
    int32_t further = one->lines > 1 ? one->lines - 1 : 0;
    further = further < CAUSE_COUNTED ? further : CAUSE_COUNTED;
    return one->strongest + CAUSE_FURTHER * (double)further;
}

/* A flaky test prints what a failing test prints. It is told apart by hints (clocks, ports, races, reruns), which count
 * on top of the failing test; without any it stays possible. */
static double flaky_score(const tally *sum)
{
    double hints = cause_score(&sum->cause[NS_CAUSE_flaky_test]);
    if (sum->cause[NS_CAUSE_test_failure].lines == 0)
        return hints;
    double test = cause_score(&sum->cause[NS_CAUSE_test_failure]);
    return hints > 0.0 ? test + hints : test - FLAKY_UNHINTED;
}

/* prior * exp(steep * score), normalised, times the probability of failure; `none` gets what is left over. */
static void share_causes(const tally *sum, ns_prediction *out)
{
    double share[NS_CAUSE_COUNT], total = 0.0, given = 0.0;
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        double score = c == NS_CAUSE_flaky_test ? flaky_score(sum) : cause_score(&sum->cause[c]);
        share[c] = cause_prior[c] * exp(CAUSE_STEEP * score);
        total += share[c];
    }
    size_t best = NS_CAUSE_none + 1;
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        out->cause_probability[c] = out->fail_probability * share[c] / total;
        given += out->cause_probability[c];
        best = share[c] > share[best] ? c : best;
    }
    out->cause_probability[NS_CAUSE_none] = fmax(0.0, 1.0 - given);
    out->cause = out->decision == NS_PREDICTED_failure ? (ns_cause)best : NS_CAUSE_none;
}

/* The line not ended yet counts as if it ended here: an answer rests on all bytes fed. */
static int64_t try_open_line(const keyword_self *self, const ns_reading *reading, tally *sum)
{
    ns_log_line line;
    line_verdict said;
    char form[NS_TEMPLATE_MAX];
    int64_t ended = reading->lines.cleaner.lines;
    if (ns_cleaner_open_line(&reading->lines.cleaner).len == 0)
        return ended;
    if (!ns_log_lines_open(&reading->lines, &line, form))
        return ended + 1;
    look_at(self, line.text, &said);
    if (said.any && !ns_hash_set_has(&reading->seen, line.hash) && reading->seen.count < reading->seen.ceiling)
        add_up(sum, &said, line.text, line.number, is_new(reading, line.hash));
    return ended + 1;
}

static void keyword_score(void *self, const ns_reading *reading, ns_prediction *out)
{
    tally sum = reading->sum;
    memset(out, 0, sizeof *out);
    out->lines = out->windows = try_open_line(self, reading, &sum);
    out->fail_probability = failure_probability(reading, &sum);
    out->threshold = NS_KEYWORD_THRESHOLD;
    out->decision = out->fail_probability >= out->threshold ? NS_PREDICTED_failure : NS_PREDICTED_success;
    share_causes(&sum, out);
    out->references = reading->references;
    memcpy(out->evidence, sum.evidence, sizeof out->evidence);
    out->evidence_count = sum.evidence_count;
    out->code_path = NS_PATH_keyword;
    out->log_bytes = reading->bytes;
    out->known_at_ms = -1;
}

static void keyword_free(void *state)
{
    keyword_self *self = state;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->rules; i++)
        pcre2_code_free(self->code[i]);
    pcre2_match_data_free(self->match);
    pcre2_match_context_free(self->limits);
    pcre2_general_context_free(self->memory);
    ns_literals_free(self->literals);
    ns_free(self);
}

/* A pattern that does not compile is a bug of ours; that there is no memory for it is not. */
static bool compile_rule(keyword_self *self, size_t i, pcre2_compile_context *context)
{
    const char *pattern = ns_keyword_rules[i].pattern;
    int error;
    PCRE2_SIZE where;
    if (pattern[0] == '\0')
        return true;
    self->code[i] =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_NO_AUTO_CAPTURE, &error, &where, context);
    NS_CHECK(self->code[i] != NULL || error == PCRE2_ERROR_HEAP_FAILED);
    if (self->code[i] == NULL)
        return false;
    (void)pcre2_jit_compile(self->code[i], PCRE2_JIT_COMPLETE); /* where there is no JIT the interpreter matches */
    return true;
}

static bool compile_rules(keyword_self *self)
{
    const char *words[NS_LITERALS_MAX];
    NS_CHECK(ns_keyword_rule_count <= NS_LITERALS_MAX);
    for (size_t i = 0; i < ns_keyword_rule_count; i++)
        words[i] = ns_keyword_rules[i].literal;
    self->rules = ns_keyword_rule_count;
    self->literals = ns_literals_new(words, ns_keyword_rule_count);
    self->memory = pcre2_general_context_create(gate_alloc, gate_free, NULL);
    if (self->literals == NULL || self->memory == NULL)
        return false;
    self->limits = pcre2_match_context_create(self->memory);
    self->match = pcre2_match_data_create(1, self->memory);
    pcre2_compile_context *context = pcre2_compile_context_create(self->memory);
    bool good = self->limits != NULL && self->match != NULL && context != NULL;
    /* A line of 4 KiB that makes a pattern think for too long does not match. */
    if (good)
        (void)pcre2_set_match_limit(self->limits, 200000);
    for (size_t i = 0; good && i < ns_keyword_rule_count; i++)
        good = compile_rule(self, i, context);
    pcre2_compile_context_free(context);
    return good;
}

ns_status ns_keyword_predictor_new(ns_predictor *out, ns_error *err)
{
    keyword_self *self = NS_NEW(keyword_self);
    if (self == NULL || !compile_rules(self)) {
        keyword_free(self);
        return ns_fail(err, NS_NO_MEMORY, "keyword predictor: no memory for its %zu rules", ns_keyword_rule_count);
    }
    *out = (ns_predictor){.self = self,
                          .name = "keyword",
                          .code_path = NS_PATH_keyword,
                          .begin = keyword_begin,
                          .feed = keyword_feed,
                          .score = keyword_score,
                          .end = keyword_end,
                          .free = keyword_free};
    return NS_OK;
}
