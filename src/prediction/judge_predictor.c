#include "prediction/judge_predictor.h"

#include "base/mem.h"
#include "prediction/line_memory.h"
#include "prediction/log_lines.h"
#include "prediction/sketch.h"
#include "prediction/window_encoder.h"
#include "tensor/code_path.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Between these and the alarm the model cannot tell. */
#define ABSTAIN_FROM 0.4

typedef struct judge_self {
    ns_rules *rules;
    const ns_line_scorer *lines;
    const ns_judge *judge;
    const ns_window_reader *reader; /* NULL: none */
    ns_suspects trial;              /* those of a log with its open line */
    ns_line_scorer own_lines;       /* when opened from a folder */
    ns_judge *own_judge;
    ns_window_reader own_reader;
    ns_line_features features; /* of the line at hand */
} judge_self;

struct ns_reading {
    ns_log_lines lines;
    ns_line_memory seen;
    const ns_sketch *const *greens; /* (references) borrowed */
    int32_t references;
    int64_t bytes;
    bool jenkins; /* the console of a Jenkins build */
    ns_judge_tally tally;
    ns_suspects *suspects; /* NULL without a reader; answers are put in while scoring */
};

static void judge_end(void *self, ns_reading *reading)
{
    (void)self;
    if (reading == NULL)
        return;
    ns_line_memory_clear(&reading->seen);
    ns_free(reading->suspects);
    ns_free(reading);
}

static ns_reading *judge_begin(void *state, const ns_sketch *const *references, size_t reference_count)
{
    const judge_self *self = state;
    ns_reading *reading = ns_alloc(1, sizeof *reading + reference_count * sizeof(ns_sketch *));
    if (reading == NULL)
        return NULL;
    if (self->reader != NULL && (reading->suspects = NS_NEW(ns_suspects)) == NULL) {
        ns_free(reading);
        return NULL;
    }
    const ns_sketch **greens = (const ns_sketch **)(reading + 1);
    for (size_t i = 0; i < reference_count; i++)
        greens[i] = references[i];
    reading->greens = greens;
    reading->references = (int32_t)reference_count;
    ns_line_memory_init(&reading->seen, NS_JUDGE_TEMPLATES_MAX);
    ns_log_lines_init(&reading->lines);
    ns_judge_tally_init(&reading->tally);
    return reading;
}

/* A line that was not met before in this log; one that a reference has is no evidence. suspects: NULL without a
 * reader. Returns what the line says. */
static ns_recent_line judge_line(judge_self *self, const ns_reading *reading, const ns_log_line *line,
                                 ns_judge_tally *tally, ns_suspects *suspects)
{
    ns_rule_verdict said;
    float score[NS_LINE_HEADS];
    ns_judge_line one = {.text = line->text, .number = line->number, .fresh = reading->references > 0};
    bool met_before = ns_sketches_have(reading->greens, (size_t)reading->references, line->hash);
    ns_rules_look(self->rules, line->text, &said);
    ns_line_features_of(line->form, said.hit, said.hits, &self->features);
    ns_line_score(self->lines, &self->features, score);
    memcpy(one.score, &score[reading->jenkins ? NS_LINE_jenkins_all : NS_LINE_all], sizeof one.score);
    float strength = met_before ? NAN : ns_judge_tally_add(tally, &one, &said);
    if (suspects != NULL)
        ns_suspects_add(suspects, self->reader, line->form, strength);
    return ns_judge_line_says(&one, &said, met_before);
}

/* Any readable line. *new_line: it is to be remembered. False: it is one of too many distinct ones. */
static bool read_line(judge_self *self, const ns_reading *reading, const ns_log_line *line, ns_judge_tally *tally,
                      ns_suspects *suspects, ns_recent_line *says, bool *new_line)
{
    const ns_recent_line *remembered = ns_line_memory_find(&reading->seen, line->hash);
    *new_line = remembered == NULL;
    if (*new_line && reading->seen.count >= reading->seen.ceiling)
        return false;
    *says = *new_line ? judge_line(self, reading, line, tally, suspects) : *remembered;
    ns_judge_tally_pass(tally, line->text, says);
    return true;
}

static ns_status judge_feed(void *state, ns_reading *reading, ns_text text)
{
    judge_self *self = state;
    ns_log_line line;
    reading->bytes += (int64_t)text.len;
    while (ns_log_lines_next(&reading->lines, &text, &line)) {
        reading->jenkins = reading->jenkins || ns_judge_jenkins_line(line.text, line.number);
        ns_recent_line says;
        bool new_line;
        if (read_line(self, reading, &line, &reading->tally, reading->suspects, &says, &new_line) && new_line &&
            ns_line_memory_put(&reading->seen, line.hash, &says) != NS_OK)
            return NS_NO_MEMORY;
    }
    return NS_OK;
}

/* The line not ended yet counts as if it ended here: an answer rests on all bytes fed. */
static void try_open_line(judge_self *self, const ns_reading *reading, ns_judge_tally *tally, ns_suspects *suspects,
                          ns_prediction *out)
{
    ns_log_line line;
    char form[NS_TEMPLATE_MAX];
    out->lines = reading->lines.cleaner.lines + (ns_cleaner_open_line(&reading->lines.cleaner).len > 0);
    ns_recent_line says;
    bool new_line;
    if (ns_log_lines_open(&reading->lines, &line, form))
        (void)read_line(self, reading, &line, tally, suspects, &says, &new_line);
}

/* Suspects are asked about once, as they are kept; then the open line is tried on a copy. NULL without a reader. */
static ns_suspects *ask(judge_self *self, const ns_reading *reading)
{
    if (reading->suspects == NULL)
        return NULL;
    ns_suspects_ask(reading->suspects, self->reader);
    self->trial = *reading->suspects;
    return &self->trial;
}

/* Twelve shares of the causes and four figures of strength, squeezed to -1..1. An encoder speaks through the causes and
 * the first strength: what stands where is the same for every model, so that a policy outlives one. */
static void embed(const ns_judge_tally *tally, const ns_suspects *suspects, ns_prediction *out)
{
    _Static_assert(NS_EMBEDDING == NS_CAUSE_COUNT - 1 + 4, "judge: the embedding has another size");
    double failing = fmax(1e-9, 1.0 - out->cause_probability[NS_CAUSE_none]);
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++)
        out->embedding[c - 1] = (float)(out->cause_probability[c] / failing);
    float *strength = &out->embedding[NS_CAUSE_COUNT - 1];
    strength[0] = tanhf(tally->line[0] / 4.0F);
    if (suspects != NULL) {
        float feature[NS_SUSPECT_FEATURES];
        ns_suspects_features(suspects, feature);
        strength[0] = tanhf((tally->line[0] + feature[NS_SUSPECT_encoder_1]) / 8.0F);
    }
    strength[1] = tanhf(tally->phrase[0] / 4.0F);
    strength[2] = tanhf((float)tally->line_over[1] / 8.0F);
    strength[3] = tanhf((float)tally->phrase_over[0] / 8.0F);
    out->has_embedding = true;
}

static ns_predicted decide(const ns_prediction *answer)
{
    if (answer->fail_probability >= answer->threshold)
        return NS_PREDICTED_failure;
    bool cannot_tell = answer->lines == 0 || answer->fail_probability >= ABSTAIN_FROM;
    return cannot_tell ? NS_PREDICTED_abstain : NS_PREDICTED_success;
}

static const ns_judge_head *head_for(const ns_judge *judge, const ns_reading *reading)
{
    const ns_judge_head *heads = reading->suspects != NULL ? judge->encoder_head : judge->head;
    if (reading->jenkins)
        return &heads[reading->references > 0 ? NS_JUDGE_jenkins_compared : NS_JUDGE_jenkins_alone];
    return &heads[reading->references > 0 ? NS_JUDGE_compared : NS_JUDGE_alone];
}

/* Without an encoder whole numbers are added up: the same on every path. */
static ns_code_path path_of(const ns_window_reader *reader)
{
    return reader == NULL ? NS_PATH_portable_fp32 : reader->code_path;
}

static void judge_score(void *state, const ns_reading *reading, ns_prediction *out)
{
    judge_self *self = state;
    ns_judge_tally tally = reading->tally;
    float feature[NS_JUDGE_FEATURES];
    double extra[NS_CAUSE_COUNT];
    const ns_judge_head *head = head_for(self->judge, reading);
    memset(out, 0, sizeof *out);
    ns_suspects *suspects = ask(self, reading);
    try_open_line(self, reading, &tally, suspects, out);
    if (suspects != NULL)
        ns_suspects_ask(suspects, self->reader);
    ns_judge_features(&tally, suspects, feature);
    out->fail_probability = ns_judge_probability(head, ns_judge_evidence(head, feature));
    out->threshold = head->alarm;
    out->decision = decide(out);
    ns_judge_causes(self->judge, &tally, suspects, extra);
    ns_causes_share(&tally.causes, extra, out);
    embed(&tally, suspects, out);
    out->windows = tally.scored;
    out->references = reading->references;
    memcpy(out->evidence, tally.evidence.at, sizeof out->evidence);
    out->evidence_count = tally.evidence.count;
    out->code_path = path_of(self->reader);
    out->log_bytes = reading->bytes;
    out->known_at_ms = -1;
}

static void judge_free(void *state)
{
    judge_self *self = state;
    if (self == NULL)
        return;
    ns_rules_free(self->rules);
    ns_line_scorer_clear(&self->own_lines);
    if (self->own_reader.free != NULL)
        self->own_reader.free(self->own_reader.self);
    ns_free(self->own_judge);
    ns_free(self);
}

ns_status ns_judge_predictor_new(const ns_line_scorer *lines, const ns_judge *judge, const ns_window_reader *reader,
                                 ns_predictor *out, ns_error *err)
{
    NS_CHECK(reader == NULL || judge->with_encoder);
    judge_self *self = NS_NEW(judge_self);
    if (self == NULL || (self->rules = ns_rules_new()) == NULL) {
        judge_free(self);
        return ns_fail(err, NS_NO_MEMORY, "judge: no memory");
    }
    self->lines = lines;
    self->judge = judge;
    self->reader = reader;
    *out = (ns_predictor){.self = self,
                          .name = reader == NULL ? "judge" : NS_JUDGE_WITH_ENCODER,
                          .code_path = path_of(reader),
                          .begin = judge_begin,
                          .feed = judge_feed,
                          .score = judge_score,
                          .end = judge_end,
                          .free = judge_free};
    return NS_OK;
}

/* Over both files, one behind the other; predictor_open.c has that of the whole folder. */
static ns_status digest(const char *folder, char out[65], ns_error *err)
{
    static const char *const names[] = {NS_LINE_FILE, NS_JUDGE_FILE};
    crypto_hash_sha256_state state;
    unsigned char sum[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        ns_buf file, path;
        ns_buf_init(&file, (size_t)4 << 20);
        ns_buf_init(&path, 4096);
        (void)ns_buf_printf(&path, "%s/%s", folder, names[i]);
        ns_status status = path.failed ? ns_fail(err, NS_TOO_LARGE, "model folder: its name is too long")
                                       : ns_file_read(path.at, (size_t)4 << 20, &file, err);
        if (status == NS_OK)
            (void)crypto_hash_sha256_update(&state, (const unsigned char *)file.at, file.len);
        ns_buf_clear(&file);
        ns_buf_clear(&path);
        if (status != NS_OK)
            return status;
    }
    (void)crypto_hash_sha256_final(&state, sum);
    (void)sodium_bin2hex(out, 65, sum, sizeof sum);
    return NS_OK;
}

/* The encoder that the judge was fitted with; without one *out stays empty. */
static ns_status open_reader(const char *folder, const char *code_path, const ns_judge *judge, ns_window_reader *out,
                             ns_error *err)
{
    ns_code_path path;
    if (!judge->with_encoder)
        return NS_OK;
    if (!ns_window_encoder_is_in(folder))
        return ns_fail(err, NS_BAD_INPUT, "%s: %s was fitted with an encoder, and config.json is missing", folder,
                       NS_JUDGE_FILE);
    ns_status status = ns_code_path_choose(code_path, &path, err);
    return status == NS_OK ? ns_window_encoder_open(folder, path, 1, out, err) : status;
}

/* Everything that belongs to it becomes self's, whatever comes of it. */
static ns_status read_parts(judge_self *self, const char *folder, const ns_judge_predictor_options *options,
                            ns_error *err)
{
    self->own_judge = NS_NEW(ns_judge);
    if (self->own_judge == NULL)
        return ns_fail(err, NS_NO_MEMORY, "judge: no memory");
    ns_status status = ns_line_scorer_read(folder, &self->own_lines, err);
    if (status == NS_OK)
        status = ns_judge_read(folder, self->own_judge, err);
    if (status == NS_OK && options->without_encoder)
        self->own_judge->with_encoder = false;
    if (status == NS_OK)
        status = open_reader(folder, options->code_path, self->own_judge, &self->own_reader, err);
    if (status != NS_OK)
        return status;
    self->lines = &self->own_lines;
    self->judge = self->own_judge;
    self->reader = self->own_judge->with_encoder ? &self->own_reader : NULL;
    return NS_OK;
}

ns_status ns_judge_predictor_open(const char *folder, const ns_judge_predictor_options *options, ns_predictor *out,
                                  ns_error *err)
{
    ns_predictor made;
    ns_status status = ns_judge_predictor_new(NULL, NULL, NULL, &made, err);
    if (status != NS_OK)
        return status;
    judge_self *self = made.self;
    status = read_parts(self, folder, options, err);
    if (status == NS_OK)
        status = digest(folder, made.sha256, err);
    if (status != NS_OK) {
        judge_free(self);
        return status;
    }
    made.code_path = path_of(self->reader);
    made.name = self->reader == NULL ? "judge" : NS_JUDGE_WITH_ENCODER;
    *out = made;
    return NS_OK;
}
