#include "cli/encoder_stage.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static bool number(const ns_options *options, const char *name, int64_t lowest, int64_t highest, int64_t *out,
                   ns_error *err)
{
    const char *value = ns_option_value(options, name);
    if (value == NULL || (ns_text_int64(ns_text_of(value), out) && *out >= lowest && *out <= highest))
        return true;
    (void)ns_fail(err, NS_BAD_USAGE, "--%s '%.32s' is not a whole number of %lld to %lld", name, value,
                  (long long)lowest, (long long)highest);
    return false;
}

static ns_status read_shape(const ns_options *options, ns_train_encoder_options *e, ns_error *err)
{
    int64_t layers = (int64_t)e->layers, channels = (int64_t)e->channels, vocabulary = (int64_t)e->vocabulary;
    int64_t threads = (int64_t)e->threads, held_out = 10;
    if (!number(options, "layers", 1, 24, &layers, err) || !number(options, "channels", 64, 1024, &channels, err) ||
        !number(options, "vocabulary", 300, 100000, &vocabulary, err) ||
        !number(options, "masked-steps", 0, 100000000, &e->masked_steps, err) ||
        !number(options, "line-steps", 0, 100000000, &e->window_steps, err) ||
        !number(options, "held-out", 0, 50, &held_out, err) || !number(options, "threads", 1, 64, &threads, err))
        return NS_BAD_USAGE;
    if (channels % 64 != 0)
        return ns_fail(err, NS_BAD_USAGE, "--channels %lld is not a multiple of 64", (long long)channels);
    e->layers = (size_t)layers;
    e->channels = (size_t)channels;
    e->heads = (size_t)channels / 64;
    e->feed_forward = 4 * (size_t)channels;
    e->vocabulary = (size_t)vocabulary;
    e->threads = (size_t)threads;
    e->held_out = (double)held_out / 100.0;
    return NS_OK;
}

static ns_status read_precision(const char *name, ns_train_precision *out, ns_error *err)
{
    static const char *const names[] = {
        [NS_PRECISION_best] = "best", [NS_PRECISION_f32] = "f32", [NS_PRECISION_bf16] = "bf16"};
    for (size_t i = 0; name != NULL && i < NS_COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (ns_train_precision)i;
            return NS_OK;
        }
    }
    return name == NULL ? NS_OK : ns_fail(err, NS_BAD_USAGE, "--precision '%.32s' is not best, f32 or bf16", name);
}

ns_status ns_encoder_stage_read(const ns_options *options, const char *out, uint64_t seed, ns_encoder_stage *stage,
                                ns_error *err)
{
    const char *init = ns_option_value(options, "init");
    *stage = (ns_encoder_stage){.recipe = {.encoder = ns_train_encoder_defaults(),
                                           .vocabulary_family = ns_option_value(options, "vocabulary-family")},
                                .alone = ns_option_given(options, "encoder-only")};
    stage->wanted = stage->alone || ns_option_given(options, "encoder");
    if (!stage->wanted && init != NULL && strcmp(init, "scratch") != 0)
        return ns_fail(err, NS_BAD_USAGE, "--init '%.64s': a folder is where an encoder begins; say --encoder too",
                       init);
    ns_train_encoder_options *e = &stage->recipe.encoder;
    e->folder = out;
    e->init = init == NULL || strcmp(init, "scratch") == 0 ? NULL : init;
    e->seed = seed;
    e->keep_checkpoints = ns_option_given(options, "keep-checkpoints");
    e->quiet = options->quiet;
    e->stop = &stop;
    ns_status status = read_precision(ns_option_value(options, "precision"), &e->precision, err);
    if (status == NS_OK)
        status = read_shape(options, e, err);
    if (status == NS_OK && stage->wanted && !stage->alone && e->window_steps == 0)
        return ns_fail(err, NS_BAD_USAGE,
                       "--encoder with --line-steps 0: a judge can use no encoder that has not seen "
                       "labelled lines; --encoder-only makes one");
    return status;
}

static void watch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

ns_status ns_encoder_stage_halves(ns_encoder_stage *stage, const ns_line_table *table, ns_error *err)
{
    watch_signals();
    return ns_train_half_readers(table, NULL, &stage->recipe, &stage->halves, err);
}

ns_status ns_encoder_stage_run(ns_encoder_stage *stage, const ns_line_table *table, ns_error *err)
{
    watch_signals();
    const ns_status status = ns_train_reader(table, NULL, &stage->recipe, &stage->result, err);
    stage->done = status == NS_OK;
    return status;
}

void ns_encoder_stage_clear(ns_encoder_stage *stage)
{
    if (stage->done && !stage->alone && !stage->recipe.encoder.keep_checkpoints)
        ns_half_readers_forget(&stage->recipe);
    ns_half_readers_clear(&stage->halves);
}

double ns_encoder_stage_speed(const ns_encoder_stage *stage)
{
    const ns_train_encoder_result *r = &stage->result;
    const double seconds = r->masked.elapsed_s + r->lines.elapsed_s;
    return stage->done && seconds > 0.0 ? (r->masked.run_tokens + r->lines.run_tokens) / seconds : (double)NAN;
}

/* NULL: not measured. */
static void put_quality(ns_json_writer *w, const char *where, const ns_window_quality *measured)
{
    const ns_window_quality none = ns_window_quality_none(), *q = measured == NULL ? &none : measured;
    char key[64];
#define KEY(what) ((void)snprintf(key, sizeof key, "%s_%s", where, (what)), key)
    ns_json_field_int_or_null(w, KEY("windows"), measured == NULL ? -1 : (int64_t)q->windows);
    ns_json_field_real(w, KEY("auc"), q->auc);
    ns_json_field_real(w, KEY("auc_line_scorer"), q->suspicion_auc);
    ns_json_field_real(w, KEY("auc_together"), q->together_auc);
    ns_json_field_real(w, KEY("cause_right"), q->cause_right);
#undef KEY
}

void ns_encoder_stage_put(const ns_encoder_stage *stage, ns_json_writer *w)
{
    const ns_train_encoder_result *r = &stage->result;
    const bool done = stage->done, masked = done && r->masked.steps > 0, lines = done && r->lines.steps > 0;
    const double none = (double)NAN;
    ns_json_field_string_or_null(w, "encoder_sha256", done ? r->sha256 : NULL);
    ns_json_field_int_or_null(w, "encoder_parameters", done ? (int64_t)r->parameters : -1);
    ns_json_field_int_or_null(w, "encoder_vocabulary", done ? (int64_t)r->vocabulary : -1);
    ns_json_field_string_or_null(w, "encoder_arithmetic",
                                 masked  ? r->masked.arithmetic
                                 : lines ? r->lines.arithmetic
                                         : NULL);
    ns_json_field_int_or_null(w, "masked_steps", done ? r->masked.steps : -1);
    ns_json_field_int_or_null(w, "masked_tokens_in_corpus", done ? (int64_t)r->masked_tokens : -1);
    ns_json_field_real(w, "masked_tokens_seen", done ? r->masked.tokens : none);
    ns_json_field_real(w, "masked_loss", masked ? r->masked.loss : none);
    ns_json_field_real(w, "masked_held_out_loss", masked ? r->masked.held : none);
    ns_json_field_int_or_null(w, "line_steps", done ? r->lines.steps : -1);
    ns_json_field_int_or_null(w, "windows", done ? (int64_t)r->windows : -1);
    ns_json_field_int_or_null(w, "windows_for", done ? (int64_t)r->windows_for : -1);
    ns_json_field_real(w, "line_loss", lines ? r->lines.loss : none);
    ns_json_field_real(w, "line_held_out_loss", lines ? r->lines.held : none);
    ns_json_field_int_or_null(w, "line_best_step", lines ? r->lines.best_step : -1);
    put_quality(w, "held_out", done ? &r->quality : NULL);
    for (size_t half = 0; half < NS_TRAIN_READERS; half++) {
        char name[32];
        (void)snprintf(name, sizeof name, "other_half_%zu", half + 1);
        put_quality(w, name, done && !stage->alone ? &stage->halves.result[half].quality : NULL);
    }
}

void ns_encoder_stage_tell(const ns_encoder_stage *stage, ns_buf *out)
{
    const ns_train_encoder_result *r = &stage->result;
    if (!stage->done)
        return;
    (void)ns_buf_printf(out, "encoder: %zu parameters, %zu pieces, in %.0f s, sha256 %.12s...\n", r->parameters,
                        r->vocabulary, r->elapsed_s, r->sha256);
    if (r->masked.steps > 0)
        (void)ns_buf_printf(out, "masked language: %lld steps, loss %.3f, held out %.3f\n", (long long)r->masked.steps,
                            r->masked.loss, r->masked.held);
    if (r->lines.steps > 0)
        (void)ns_buf_printf(out,
                            "lines: %zu windows (%zu speak for failing), %lld steps, loss %.3f\n"
                            "on held-out projects: area under curve %.4f, the line scorer's %.4f, both added %.4f\n",
                            r->windows, r->windows_for, (long long)r->lines.steps, r->lines.loss, r->quality.auc,
                            r->quality.suspicion_auc, r->quality.together_auc);
}
