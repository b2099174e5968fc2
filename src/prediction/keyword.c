#include "prediction/keyword.h"

#include "base/mem.h"
#include "prediction/causes.h"
#include "prediction/evidence.h"
#include "prediction/hash_set.h"
#include "prediction/log_lines.h"
#include "prediction/rule_match.h"
#include "prediction/sketch.h"

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

typedef struct keyword_self {
    ns_rules *rules;
} keyword_self;

/* All that lines add to. Small, so that the open line can be tried on a copy. */
typedef struct tally {
    double strongest;
    int64_t strong_lines;
    ns_cause_tally causes;
    ns_evidence_list evidence;
} tally;

struct ns_reading {
    ns_log_lines lines;
    ns_hash_set seen;               /* templates of suspicious lines of this log */
    const ns_sketch *const *greens; /* (references) borrowed */
    int32_t references;
    int64_t bytes;
    tally sum;
};

static void add_up(tally *sum, const ns_rule_verdict *said, ns_text line, int64_t number, bool fresh)
{
    double share = fresh ? 1.0 : SURVIVED;
    double weight = said->weight * share;
    sum->strongest = fmax(sum->strongest, weight);
    sum->strong_lines += weight >= STRONG_FROM;
    ns_cause_tally_add(&sum->causes, said->cause, share, fresh);
    if (weight >= EVIDENCE_FROM)
        ns_evidence_keep(&sum->evidence, line, number, weight, fresh);
}

static bool is_new(const ns_reading *reading, uint64_t hash)
{
    return !ns_sketches_have(reading->greens, (size_t)reading->references, hash);
}

static ns_status take_line(const keyword_self *self, ns_reading *reading, const ns_log_line *line)
{
    ns_rule_verdict said;
    ns_rules_look(self->rules, line->text, &said);
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

/* The line not ended yet counts as if it ended here: an answer rests on all bytes fed. */
static int64_t try_open_line(const keyword_self *self, const ns_reading *reading, tally *sum)
{
    ns_log_line line;
    ns_rule_verdict said;
    char form[NS_TEMPLATE_MAX];
    int64_t ended = reading->lines.cleaner.lines;
    if (ns_cleaner_open_line(&reading->lines.cleaner).len == 0)
        return ended;
    if (!ns_log_lines_open(&reading->lines, &line, form))
        return ended + 1;
    ns_rules_look(self->rules, line.text, &said);
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
    ns_causes_share(&sum.causes, NULL, out);
    out->references = reading->references;
    memcpy(out->evidence, sum.evidence.at, sizeof out->evidence);
    out->evidence_count = sum.evidence.count;
    out->code_path = NS_PATH_keyword;
    out->log_bytes = reading->bytes;
    out->known_at_ms = -1;
}

static void keyword_free(void *state)
{
    keyword_self *self = state;
    if (self == NULL)
        return;
    ns_rules_free(self->rules);
    ns_free(self);
}

ns_status ns_keyword_predictor_new(ns_predictor *out, ns_error *err)
{
    keyword_self *self = NS_NEW(keyword_self);
    if (self == NULL || (self->rules = ns_rules_new()) == NULL) {
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
