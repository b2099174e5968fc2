#include "lab/train_encoder.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lab/window_quality.h"
#include "prediction/encoder_write.h"
#include "prediction/wordpiece_learn.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TOKENS_MAX = 1 << 29, /* in memory */
    PATH_ROOM = 4096,
    ALL = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked,
    BATCH_ROWS = 1024,
};

ns_train_encoder_options ns_train_encoder_defaults(void)
{
    return (ns_train_encoder_options){
        .vocabulary = 4096,
        .layers = 2,
        .channels = 64,
        .heads = 1,
        .feed_forward = 256,
        .threads = 2,
        .seed = 1,
        .masked_steps = 0,
        .window_steps = 1000,
        .masked_rate = 1e-3,
        .window_rate = 2e-3,
        .batches = 4,
        .masking = 0.15,
        .mix = {.per_failing = 120, .top_share = 0.5, .against = 4.0, .hard_share = 0.2},
        .held_out = 0.1,
    };
}

typedef struct encoder_training {
    const ns_train_encoder_corpus *corpora;
    size_t corpus_count;
    const ns_train_encoder_options *options;
    ns_train_encoder_result *result;
    ns_wordpiece *wordpiece;
    ns_encoder_params params;
    ns_train_curve curve;
    bool **learn, **held; /* (corpora)(logs) */
} encoder_training;

/* --- which logs --- */

bool ns_train_encoder_holds_out(const ns_train_encoder_options *options, const char *project)
{
    ns_rng rng;
    ns_rng_seed_named(&rng, options->seed, project);
    return ns_rng_uniform(&rng) < options->held_out;
}

static ns_status deal(encoder_training *t, ns_error *err)
{
    t->learn = NS_NEW_ARRAY(bool *, t->corpus_count);
    t->held = NS_NEW_ARRAY(bool *, t->corpus_count);
    bool ok = t->learn != NULL && t->held != NULL;
    for (size_t c = 0; ok && c < t->corpus_count; c++) {
        const ns_corpus *corpus = t->corpora[c].table->corpus;
        const size_t logs = ns_corpus_count(corpus);
        t->learn[c] = NS_NEW_ARRAY(bool, logs);
        t->held[c] = NS_NEW_ARRAY(bool, logs);
        ok = t->learn[c] != NULL && t->held[c] != NULL;
        for (size_t i = 0; ok && i < logs; i++) {
            const bool used = t->corpora[c].use == NULL || t->corpora[c].use[i];
            const bool held = ns_train_encoder_holds_out(t->options, ns_corpus_at(corpus, i)->project);
            t->learn[c][i] = used && !held;
            t->held[c][i] = used && held;
        }
    }
    return ok ? NS_OK : ns_fail(err, NS_NO_MEMORY, "no memory to choose logs");
}

/* --- vocabulary --- */

static ns_status learn_vocabulary(const encoder_training *t, ns_buf *vocabulary, ns_error *err)
{
    const ns_line_table *table = t->corpora[0].table;
    const ns_bert_rules rules = ns_bert_rules_of(false);
    ns_wordpiece_learner *learner = ns_wordpiece_learner_new(&rules);
    ns_status status = learner == NULL ? NS_NO_MEMORY : NS_OK;
    uint8_t *told = NS_NEW_ARRAY(uint8_t, table->form_count); /* each template once */
    if (told == NULL)
        status = NS_NO_MEMORY;
    for (size_t i = 0; status == NS_OK && i < ns_corpus_count(table->corpus); i++) {
        if (t->corpora[0].vocabulary != NULL && !t->corpora[0].vocabulary[i])
            continue;
        for (size_t k = 0; status == NS_OK && k < table->logs[i].count; k++) {
            const uint32_t form = table->logs[i].entries[k].form;
            if (told[form]++ == 0)
                status = ns_wordpiece_learner_add(learner, table->forms[form].form, 1);
            told[form] = 1;
        }
    }
    ns_free(told);
    if (status != NS_OK)
        status = ns_fail(err, status, "no memory to learn a vocabulary from %zu templates", table->form_count);
    const ns_learn_options learn = {.size = t->options->vocabulary};
    if (status == NS_OK)
        status = ns_wordpiece_learn(learner, &learn, vocabulary, err);
    ns_wordpiece_learner_free(learner);
    return status;
}

static ns_status new_vocabulary(encoder_training *t, ns_error *err)
{
    const ns_bert_rules rules = ns_bert_rules_of(false);
    ns_buf text;
    ns_buf_init(&text, 64 << 20);
    ns_status status = learn_vocabulary(t, &text, err);
    if (status == NS_OK)
        status = ns_wordpiece_write(t->options->folder, ns_buf_view(&text), &rules, err);
    ns_buf_clear(&text);
    return status == NS_OK ? ns_wordpiece_load(t->options->folder, &t->wordpiece, err) : status;
}

static ns_status copy_file(const char *from, const char *to, const char *name, bool must, ns_error *err)
{
    char source[PATH_ROOM], target[PATH_ROOM];
    if ((size_t)snprintf(source, sizeof source, "%s/%s", from, name) >= sizeof source ||
        (size_t)snprintf(target, sizeof target, "%s/%s", to, name) >= sizeof target)
        return ns_fail(err, NS_IO, "%s: the path is too long", from);
    if (access(source, F_OK) != 0 && !must)
        return NS_OK;
    ns_buf content;
    ns_buf_init(&content, 64 << 20);
    ns_status status = ns_file_read(source, 64 << 20, &content, err);
    if (status == NS_OK)
        status = ns_file_replace(target, ns_buf_view(&content), 0644, err);
    ns_buf_clear(&content);
    return status;
}

/* --- where to begin --- */

static void name_labels(ns_encoder_config *config)
{
    config->labels = 1 + NS_CAUSE_COUNT;
    (void)snprintf(config->label[0], sizeof config->label[0], "evidence");
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        (void)snprintf(config->label[1 + c], sizeof config->label[0], "%s", ns_cause_name((ns_cause)c));
}

static ns_status from_scratch(encoder_training *t, ns_error *err)
{
    const ns_train_encoder_options *o = t->options;
    ns_status status = new_vocabulary(t, err);
    if (status != NS_OK)
        return status;
    ns_encoder_config config = {
        .family = NS_ENCODER_distilbert,
        .vocabulary = ns_wordpiece_size(t->wordpiece),
        .positions = NS_WINDOW_TOKENS,
        .channels = o->channels,
        .heads = o->heads,
        .layers = o->layers,
        .feed_forward = o->feed_forward,
        .epsilon = 1e-12f,
    };
    name_labels(&config);
    status = ns_encoder_params_init(&t->params, &config, ALL, err);
    if (status != NS_OK)
        return status;
    ns_rng rng;
    ns_rng_seed_named(&rng, o->seed, "weights");
    ns_encoder_params_start(&t->params, ALL, &rng);
    return NS_OK;
}

/* The body, and of the heads what fits: a folder may have been made for other labels, or have no head at all. */
static ns_status from_folder(encoder_training *t, ns_error *err)
{
    const ns_train_encoder_options *o = t->options;
    ns_encoder_params given;
    ns_status status = ns_encoder_params_read(o->init, &given, err);
    if (status != NS_OK)
        return status;
    ns_encoder_config config = given.config;
    name_labels(&config);
    const bool same_labels = (given.parts & NS_PART_head) != 0 && given.config.labels == config.labels;
    status = copy_file(o->init, o->folder, "vocab.txt", true, err);
    if (status == NS_OK)
        status = copy_file(o->init, o->folder, "tokenizer_config.json", false, err);
    if (status == NS_OK)
        status = ns_wordpiece_load(o->folder, &t->wordpiece, err);
    if (status == NS_OK && ns_wordpiece_size(t->wordpiece) != config.vocabulary)
        status = ns_fail(err, NS_BAD_INPUT, "%s: vocab.txt has %zu pieces, config.json says %zu", o->init,
                         ns_wordpiece_size(t->wordpiece), config.vocabulary);
    if (status == NS_OK && config.positions < NS_WINDOW_TOKENS)
        status = ns_fail(err, NS_BAD_INPUT, "%s: windows have %d tokens, this encoder reads %zu", o->init,
                         NS_WINDOW_TOKENS, config.positions);
    if (status == NS_OK)
        status = ns_encoder_params_init(&t->params, &config, ALL, err);
    if (status == NS_OK) {
        ns_rng rng;
        ns_rng_seed_named(&rng, o->seed, "weights");
        ns_encoder_params_start(&t->params, ALL, &rng);
        ns_encoder_tensor tensor;
        for (size_t n = 0; ns_encoder_tensor_at(&config, ALL, n, &tensor); n++) {
            const bool have = (given.parts & (unsigned)tensor.part) != 0;
            if (have && (tensor.part != NS_PART_head || same_labels))
                memcpy(t->params.block + tensor.offset, ns_encoder_weight(&given, tensor.role, tensor.layer),
                       tensor.count * sizeof(float));
        }
    }
    ns_encoder_params_clear(&given);
    return status;
}

/* --- stages --- */

static ns_trainer_options trainer_options(const encoder_training *t, int64_t steps, double rate)
{
    ns_trainer_options o = ns_trainer_defaults();
    o.threads = t->options->threads;
    o.seed = t->options->seed;
    o.precision = t->options->precision;
    o.limits = (ns_train_limits){
        .rows = BATCH_ROWS, .sequences = BATCH_ROWS / 4, .masked = BATCH_ROWS / 4, .longest = NS_WINDOW_TOKENS};
    o.schedule = (ns_schedule){.peak = rate, .warm_up = steps / 20 + 1, .total = steps, .floor = 0.02};
    return o;
}

static ns_train_stage stage_of(const encoder_training *t, const char *name, const ns_sequences *data,
                               const ns_sequences *held)
{
    return (ns_train_stage){.name = name,
                            .data = data,
                            .held_out = held,
                            .batches = t->options->batches,
                            .folder = t->options->folder,
                            .quiet = t->options->quiet,
                            .stop = t->options->stop};
}

static ns_status masked_stage(encoder_training *t, ns_error *err)
{
    const ns_train_encoder_options *o = t->options;
    ns_sequences data, held;
    ns_sequences_init(&data, TOKENS_MAX);
    ns_sequences_init(&held, TOKENS_MAX);
    ns_window_marks marks;
    ns_status status = ns_window_marks_of(t->wordpiece, &marks, err);
    for (size_t c = 0; status == NS_OK && c < t->corpus_count; c++) {
        status = ns_masked_text(t->corpora[c].table, t->learn[c], t->wordpiece, NS_WINDOW_TOKENS, &data, err);
        if (status == NS_OK)
            status = ns_masked_text(t->corpora[c].table, t->held[c], t->wordpiece, NS_WINDOW_TOKENS, &held, err);
    }
    t->result->masked_sequences = data.count;
    t->result->masked_tokens = data.id_count;
    ns_train_stage stage = stage_of(t, "masked-language", &data, &held);
    stage.options = trainer_options(t, o->masked_steps, o->masked_rate);
    stage.options.tasks = (ns_train_scales){.masked = 1.0f};
    stage.masking = (ns_masking){
        .share = 0.15, .special = marks.mask + 1, .mask = marks.mask, .vocabulary = t->params.config.vocabulary};
    if (status == NS_OK)
        status = ns_train_stage_run(&stage, &t->params, &t->curve, &t->result->masked, err);
    ns_sequences_clear(&data);
    ns_sequences_clear(&held);
    return status;
}

/* Windows of projects not learnt from are not chosen by suspicion: they are to tell who finds them better. There may be
 * none. */
static ns_status unseen_windows(const encoder_training *t, size_t c, const bool *logs, ns_window_list *out,
                                ns_error *err)
{
    const ns_window_mix mix = {.per_failing = 40, .against = 2.0, .seed = t->options->seed};
    const ns_status status =
        ns_labelled_windows(t->corpora[c].table, logs, t->corpora[c].scores, t->wordpiece, &mix, out, err);
    return status == NS_BAD_INPUT ? NS_OK : status;
}

static ns_status measure(const encoder_training *t, const ns_window_list *held, ns_error *err)
{
    ns_window_list windows;
    bool apart = false;
    ns_status status = NS_OK;
    ns_window_list_init(&windows, TOKENS_MAX);
    for (size_t c = 0; status == NS_OK && c < t->corpus_count; c++) {
        if (t->corpora[c].measure == NULL)
            continue;
        apart = true;
        status = unseen_windows(t, c, t->corpora[c].measure, &windows, err);
    }
    if (status == NS_OK)
        status =
            ns_window_quality_of(&t->params, apart ? &windows : held, t->options->threads, &t->result->quality, err);
    ns_window_list_clear(&windows);
    return status;
}

/* Trained as it will be used but for some pieces hidden and asked for: it must know more of a line than one word. */
static ns_status lines_stage(const encoder_training *t, const ns_window_list *data, const ns_window_list *held,
                             ns_train_stage *stage, ns_error *err)
{
    const ns_train_encoder_options *o = t->options;
    ns_window_marks marks;
    *stage = stage_of(t, "lines", &data->windows, &held->windows);
    stage->keep_best = held->windows.count > 0;
    stage->options = trainer_options(t, o->window_steps, o->window_rate);
    stage->options.tasks = (ns_train_scales){.evidence = 1.0f, .cause = 0.3f, .log = 0.5f, .masked = 0.1f};
    stage->options.dropout = 0.1f;
    stage->options.decay = 0.1f;
    const ns_status status = ns_window_marks_of(t->wordpiece, &marks, err);
    stage->masking = (ns_masking){
        .share = o->masking, .special = marks.mask + 1, .mask = marks.mask, .vocabulary = t->params.config.vocabulary};
    return status;
}

static ns_status windows_stage(encoder_training *t, ns_error *err)
{
    const ns_train_encoder_options *o = t->options;
    ns_window_list data, held;
    ns_window_list_init(&data, TOKENS_MAX);
    ns_window_list_init(&held, TOKENS_MAX);
    ns_window_mix mix = o->mix;
    mix.seed = o->seed;
    ns_status status = NS_OK;
    for (size_t c = 0; status == NS_OK && c < t->corpus_count; c++)
        status =
            ns_labelled_windows(t->corpora[c].table, t->learn[c], t->corpora[c].scores, t->wordpiece, &mix, &data, err);
    if (status == NS_OK)
        for (size_t c = 0; status == NS_OK && c < t->corpus_count; c++)
            status = unseen_windows(t, c, t->held[c], &held, err);
    t->result->windows = data.windows.count;
    t->result->windows_for = data.speak_for;
    ns_train_stage stage;
    if (status == NS_OK)
        status = lines_stage(t, &data, &held, &stage, err);
    if (status == NS_OK)
        status = ns_train_stage_run(&stage, &t->params, &t->curve, &t->result->lines, err);
    if (status == NS_OK)
        status = measure(t, &held, err);
    ns_window_list_clear(&data);
    ns_window_list_clear(&held);
    return status;
}

/* --- the end --- */

static ns_status hash_file(const char *folder, char hex[65], ns_error *err)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
    ns_buf content;
    ns_buf_init(&content, (size_t)4 << 30);
    const ns_status status = ns_file_read(path, (size_t)4 << 30, &content, err);
    if (status == NS_OK) {
        unsigned char sum[crypto_hash_sha256_BYTES];
        (void)crypto_hash_sha256(sum, (const unsigned char *)content.at, content.len);
        (void)sodium_bin2hex(hex, 65, sum, sizeof sum);
    }
    ns_buf_clear(&content);
    return status;
}

void ns_train_encoder_forget(const char *folder)
{
    static const char *const files[] = {"vocab.txt",         "tokenizer_config.json", "config.json",
                                        "model.safetensors", "training.jsonl",        "training.svg"};
    static const char *const stages[] = {"masked-language", "lines"};
    char path[PATH_ROOM];
    for (size_t i = 0; i < NS_COUNT_OF(stages); i++)
        ns_train_stage_forget(folder, stages[i]);
    for (size_t i = 0; i < NS_COUNT_OF(files); i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, files[i]) < sizeof path)
            (void)unlink(path);
    (void)rmdir(folder);
}

static void remove_checkpoints(const encoder_training *t)
{
    static const char *const names[] = {"masked-language", "lines"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++)
        ns_train_stage_forget(t->options->folder, names[i]);
}

static ns_status train(encoder_training *t, ns_error *err)
{
    const ns_train_encoder_options *o = t->options;
    char curve[PATH_ROOM];
    if (mkdir(o->folder, 0755) != 0 && errno != EEXIST)
        return ns_fail(err, NS_IO, "%s: cannot be made: %s", o->folder, strerror(errno));
    if ((size_t)snprintf(curve, sizeof curve, "%s/training", o->folder) >= sizeof curve)
        return ns_fail(err, NS_IO, "%s: the path is too long", o->folder);
    ns_status status = deal(t, err);
    if (status == NS_OK)
        status = ns_train_curve_read(&t->curve, curve, err);
    if (status == NS_OK)
        status = o->init == NULL ? from_scratch(t, err) : from_folder(t, err);
    if (status != NS_OK)
        return status;
    t->result->parameters = t->params.count;
    t->result->vocabulary = t->params.config.vocabulary;
    if (o->masked_steps > 0)
        status = masked_stage(t, err);
    if (status == NS_OK && o->window_steps > 0)
        status = windows_stage(t, err);
    const unsigned head = o->window_steps > 0 ? NS_PART_head : NS_PART_masked;
    if (status == NS_OK)
        status = ns_encoder_write(o->folder, &t->params, head, NS_DTYPE_BF16, err);
    if (status == NS_OK)
        status = hash_file(o->folder, t->result->sha256, err);
    if (status == NS_OK && !o->keep_checkpoints)
        remove_checkpoints(t);
    return status;
}

ns_status ns_train_encoder(const ns_train_encoder_corpus *corpora, size_t count,
                           const ns_train_encoder_options *options, ns_train_encoder_result *result, ns_error *err)
{
    NS_CHECK(count > 0);
    ns_train_encoder_result made = {.quality = ns_window_quality_none()};
    encoder_training t = {.corpora = corpora, .corpus_count = count, .options = options, .result = &made};
    const int64_t begun = ns_monotonic_ns();
    const ns_status status = train(&t, err);
    made.elapsed_s = (double)(ns_monotonic_ns() - begun) * 1e-9;
    if (status == NS_OK)
        *result = made;
    for (size_t c = 0; c < count; c++) {
        if (t.learn != NULL)
            ns_free(t.learn[c]);
        if (t.held != NULL)
            ns_free(t.held[c]);
    }
    ns_free(t.learn);
    ns_free(t.held);
    ns_wordpiece_free(t.wordpiece);
    ns_encoder_params_clear(&t.params);
    ns_train_curve_clear(&t.curve);
    return status;
}
