/*
 * The encoder's part of `train predictor`: its options, its run over the table of lines, its figures.
 */
#ifndef NS_CLI_ENCODER_STAGE_H
#define NS_CLI_ENCODER_STAGE_H

#include "cli/options.h"
#include "lab/train_readers.h"
#include "wire/json.h"

/* Rows for a command's table of options: how an encoder is trained, and what `train` does with it. */
#define NS_ENCODER_RECIPE_OPTIONS                                                                                      \
    {"vocabulary-family", "NAME", NULL, "encoder: word pieces only from logs whose family starts with this"},          \
        {"layers", "N", NULL, "encoder from scratch: layers (default 2)"},                                             \
        {"channels", "N", NULL, "encoder from scratch: width, a multiple of 64 (default 64)"},                         \
        {"vocabulary", "N", NULL, "encoder from scratch: word pieces (default 4096)"},                                 \
        {"masked-steps", "N", NULL, "encoder: steps of masked-language pre-training (default 0: none)"},               \
        {"line-steps", "N", NULL, "encoder: steps on labelled lines (default 1000; 0: none)"},                         \
        {"threads", "N", NULL, "encoder: threads; with the seed they decide every bit of it (default 2)"},             \
        {"held-out", "PERCENT", NULL, "encoder: projects not learnt from, to tell when to stop (default 10)"},         \
    {                                                                                                                  \
        "precision", "NAME", NULL, "encoder: best, f32 or bf16 for its products (default best)"                        \
    }
#define NS_ENCODER_STAGE_OPTIONS                                                                                       \
    {"encoder", NULL, NULL, "train the encoder too: it takes long, and is taken up again where it was stopped"},       \
        {"encoder-only", NULL, NULL, "train the encoder and nothing else"},                                            \
        {"keep-checkpoints", NULL, NULL, "encoder: keep its checkpoints at the end"}, NS_ENCODER_RECIPE_OPTIONS

typedef struct ns_encoder_stage {
    bool wanted, alone; /* is it to be trained; and nothing else */
    ns_reader_recipe recipe;
    ns_half_readers halves; /* once trained, until ns_encoder_stage_clear */
    ns_train_encoder_result result;
    bool done;
} ns_encoder_stage;

/* out: the model folder. NS_BAD_USAGE names the option. */
NS_MUST_USE ns_status ns_encoder_stage_read(const ns_options *options, const char *out, uint64_t seed,
                                            ns_encoder_stage *stage, ns_error *err);

/* The encoders of the judge's examples, in stage->halves; then the one that ships. SIGINT and SIGTERM end either with a
 * checkpoint: NS_CANCELLED. */
NS_MUST_USE ns_status ns_encoder_stage_halves(ns_encoder_stage *stage, const ns_line_table *table, ns_error *err);
NS_MUST_USE ns_status ns_encoder_stage_run(ns_encoder_stage *stage, const ns_line_table *table, ns_error *err);
/* Gives memory back; done: the halves' files too. */
void ns_encoder_stage_clear(ns_encoder_stage *stage);

/* Its fields into the object that is open; null where it was not trained. */
void ns_encoder_stage_put(const ns_encoder_stage *stage, ns_json_writer *w);
/* The same for people; nothing where it was not trained. */
void ns_encoder_stage_tell(const ns_encoder_stage *stage, ns_buf *out);

/* Tokens a second in this run; NAN where nothing was trained. */
double ns_encoder_stage_speed(const ns_encoder_stage *stage);

#endif
