/*
 * One stage of training an encoder: a task, its data, its length; progress, loss curve and checkpoints on the way.
 *
 * A stage that was killed is taken up from its checkpoint and ends with the same weights as one that was not. A stage
 * whose checkpoint says that it is finished is passed over. With keep_best the weights that come out are those with the
 * lowest loss on what is held out, kept beside the checkpoint as they are found.
 */
#ifndef NS_LAB_TRAIN_STAGE_H
#define NS_LAB_TRAIN_STAGE_H

#include "lab/sequences.h"
#include "lab/train_curve.h"

#include <signal.h>

typedef struct ns_train_stage {
    const char *name; /* "masked-language"; in progress, curve and the checkpoint's name */
    const ns_sequences *data;
    const ns_sequences *held_out; /* measured now and then; NULL none */
    ns_masking masking;
    ns_trainer_options options; /* schedule.total: steps of the stage */
    size_t batches;             /* micro-batches a step */
    const char *folder;         /* of the checkpoint and the curve */
    bool keep_best;             /* needs held_out */
    bool quiet;
    const volatile sig_atomic_t *stop; /* non-zero: save and end with NS_CANCELLED; NULL never */
} ns_train_stage;

typedef struct ns_stage_result {
    int64_t steps;
    double tokens;     /* of this stage, those before an interruption included */
    double run_tokens; /* of this process */
    double loss, held; /* the last of the curve; NAN unknown */
    int64_t best_step; /* whose weights came out */
    double elapsed_s;  /* of this process */
    const char *arithmetic;
} ns_stage_result;

/*
 * Trains params in place. curve is continued and written with every checkpoint (about once a minute) and at the end.
 * NS_CANCELLED: stopped, the checkpoint is there. NS_CORRUPT: the checkpoint is damaged or of another run (told).
 */
NS_MUST_USE ns_status ns_train_stage_run(const ns_train_stage *stage, ns_encoder_params *params, ns_train_curve *curve,
                                         ns_stage_result *result, ns_error *err);

/* Removes what a stage keeps to be taken up: FOLDER/NAME.checkpoint, FOLDER/NAME.best. */
void ns_train_stage_forget(const char *folder, const char *name);

#endif
