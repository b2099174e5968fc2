#include "lab/train_stage.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lab/train_progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CURVE_POINTS = 200, HELD_LOOKS = 12, HELD_STEPS = 16, STAGE_PATH = 4096 };
static const int64_t checkpoint_ns = 60 * (int64_t)1000000000;

/* What stands in a checkpoint's place. */
enum { PLACE_pass, PLACE_unit, PLACE_step, PLACE_tokens, PLACE_fingerprint };

typedef struct stage_run {
    const ns_train_stage *stage;
    ns_encoder_params *params;
    ns_train_curve *curve;
    ns_trainer *trainer;
    ns_sequence_loader *loader, *held;
    ns_train_progress progress;
    char checkpoint[STAGE_PATH], best_path[STAGE_PATH], drawing[STAGE_PATH];
    float *best; /* (params->count) NULL: not kept */
    double best_loss;
    int64_t best_step; /* 0: none yet */
    uint64_t fingerprint, tokens, first_tokens;
    int64_t saved_ns, point_ns;
    ns_train_losses since; /* the last point of the curve */
    uint64_t since_tokens;
    double loss, held_loss;
} stage_run;

static ns_status path_of(const char *folder, const char *name, const char *ending, char path[STAGE_PATH], ns_error *err)
{
    if ((size_t)snprintf(path, STAGE_PATH, "%s/%s%s", folder, name, ending) >= STAGE_PATH)
        return ns_fail(err, NS_IO, "%s: the path is too long", folder);
    return NS_OK;
}

void ns_train_stage_forget(const char *folder, const char *name)
{
    static const char *const endings[] = {".checkpoint", ".best"};
    char path[STAGE_PATH];
    for (size_t i = 0; i < NS_COUNT_OF(endings); i++)
        if (path_of(folder, name, endings[i], path, NULL) == NS_OK)
            (void)unlink(path);
}

/* Of everything that decides what a step does: a checkpoint is only taken up by a run of the same. */
static uint64_t fingerprint_of(const ns_train_stage *stage)
{
    const ns_trainer_options *o = &stage->options;
    const ns_sequences *d = stage->data;
    char text[512];
    const int len = snprintf(
        text, sizeof text, "%s %d %zu %zu %zu %zu %g %lld %lld %g %d %g %g %g %g %g %g %g %g %g", stage->name,
        (int)stage->keep_best, stage->batches, o->limits.rows, o->limits.sequences, o->limits.masked, o->schedule.peak,
        (long long)o->schedule.warm_up, (long long)o->schedule.total, o->schedule.floor, (int)o->schedule.decay,
        (double)o->beta1, (double)o->beta2, (double)o->decay, (double)o->clip, (double)o->dropout,
        (double)o->tasks.masked, (double)o->tasks.evidence, (double)o->tasks.cause, stage->masking.share);
    const uint64_t parts[] = {
        ns_hash((ns_text){text, (size_t)len}),
        ns_hash((ns_text){(const char *)d->ids, d->id_count * sizeof *d->ids}),
        ns_hash((ns_text){(const char *)d->starts, (d->count + 1) * sizeof *d->starts}),
    };
    return ns_hash((ns_text){(const char *)parts, sizeof parts});
}

static ns_status save(stage_run *r, ns_error *err)
{
    const ns_sequence_place at = ns_sequence_loader_place(r->loader);
    const ns_train_place place = {.at = {[PLACE_pass] = at.pass,
                                         [PLACE_unit] = at.unit,
                                         [PLACE_step] = at.step,
                                         [PLACE_tokens] = r->tokens,
                                         [PLACE_fingerprint] = r->fingerprint}};
    /* The curve first: points behind the checkpoint are cut when it is taken up. */
    const ns_status status = ns_train_curve_write(r->curve, r->drawing, err);
    r->saved_ns = ns_monotonic_ns();
    return status == NS_OK ? ns_trainer_save(r->trainer, r->checkpoint, &place, err) : status;
}

/* --- the best so far --- */

typedef struct best_head {
    uint64_t fingerprint, count;
    int64_t step;
    double loss;
} best_head;

static ns_status keep_if_best(stage_run *r, int64_t step, double held, ns_error *err)
{
    if (r->best == NULL || !isfinite(held) || (r->best_step > 0 && held >= r->best_loss))
        return NS_OK;
    const size_t bytes = r->params->count * sizeof *r->best;
    const best_head head = {r->fingerprint, r->params->count, step, held};
    ns_buf file;
    memcpy(r->best, r->params->block, bytes);
    r->best_loss = held;
    r->best_step = step;
    ns_buf_init(&file, sizeof head + bytes);
    ns_status status = ns_buf_put(&file, (const char *)&head, sizeof head);
    if (status == NS_OK)
        status = ns_buf_put(&file, (const char *)r->best, bytes);
    status = status == NS_OK ? ns_file_replace(r->best_path, ns_buf_view(&file), 0644, err)
                             : ns_fail(err, status, "%s: no memory to keep it", r->best_path);
    ns_buf_clear(&file);
    return status;
}

/* One that is not of this run, or was found behind the checkpoint, is found again. */
static void take_up_best(stage_run *r)
{
    best_head head;
    ns_buf file;
    const size_t bytes = r->params->count * sizeof *r->best;
    ns_buf_init(&file, sizeof head + bytes);
    if (ns_file_read(r->best_path, sizeof head + bytes, &file, NULL) == NS_OK && file.len == sizeof head + bytes) {
        memcpy(&head, file.at, sizeof head);
        if (head.fingerprint == r->fingerprint && head.count == r->params->count && isfinite(head.loss) &&
            head.step > 0 && head.step <= ns_trainer_steps(r->trainer)) {
            memcpy(r->best, file.at + sizeof head, bytes);
            r->best_loss = head.loss;
            r->best_step = head.step;
        }
    }
    ns_buf_clear(&file);
}

static ns_status take_up(stage_run *r, ns_error *err)
{
    ns_train_place place;
    const ns_status status = ns_trainer_load(r->trainer, r->checkpoint, &place, err);
    if (status == NS_NOT_FOUND)
        ns_train_curve_cut(r->curve, r->stage->name, 0);
    if (status != NS_OK)
        return status == NS_NOT_FOUND ? NS_OK : status;
    if (place.at[PLACE_fingerprint] != r->fingerprint)
        return ns_fail(err, NS_CORRUPT,
                       "%s: begun with other options or another corpus; remove it or choose another --out",
                       r->checkpoint);
    ns_sequence_loader_go(
        r->loader,
        (ns_sequence_place){.pass = place.at[PLACE_pass], .unit = place.at[PLACE_unit], .step = place.at[PLACE_step]});
    r->tokens = r->first_tokens = place.at[PLACE_tokens];
    ns_train_curve_cut(r->curve, r->stage->name, ns_trainer_steps(r->trainer));
    if (r->best != NULL)
        take_up_best(r);
    return NS_OK;
}

static double mean(const ns_loss *loss)
{
    return loss->weight > 0.0 ? loss->sum / loss->weight : (double)NAN;
}

/* What the curve shows: the loss of the windows' labels, or where there are none the masked-language loss. */
static const ns_loss *shown(const ns_train_losses *losses)
{
    return losses->evidence.rows > 0 ? &losses->evidence : &losses->masked;
}

static void add(ns_loss *to, const ns_loss *from)
{
    to->sum += from->sum;
    to->weight += from->weight;
    to->rows += from->rows;
    to->right += from->right;
}

/* Always the same batches of what is held out, hidden in the same places. */
static ns_status look_at_held(stage_run *r, double *loss, ns_error *err)
{
    ns_train_losses losses = {0};
    ns_status status = NS_OK;
    ns_sequence_loader_go(r->held, (ns_sequence_place){0});
    for (size_t i = 0; status == NS_OK && i < HELD_STEPS && ns_sequence_loader_place(r->held).pass == 0; i++) {
        size_t count;
        const ns_train_batch *batches = ns_sequence_loader_next(r->held, &count);
        status = ns_trainer_look(r->trainer, batches, count, NULL, &losses, err);
    }
    *loss = mean(shown(&losses));
    return status;
}

static bool due(int64_t step, int64_t total, int64_t times)
{
    const int64_t each = total / times < 1 ? 1 : total / times;
    return step % each == 0 || step == total;
}

static ns_status point(stage_run *r, const ns_train_step *step, ns_error *err)
{
    const int64_t done = ns_trainer_steps(r->trainer), total = r->stage->options.schedule.total;
    const int64_t now = ns_monotonic_ns();
    double held = (double)NAN;
    ns_status status = NS_OK;
    if (r->held != NULL && due(done, total, HELD_LOOKS))
        status = look_at_held(r, &held, err);
    if (status == NS_OK)
        status = keep_if_best(r, done, held, err);
    if (status != NS_OK)
        return status;
    const ns_loss *loss = shown(&r->since);
    ns_curve_point p = {
        .step = done,
        .tokens = (double)r->tokens,
        .loss = mean(loss),
        .held = held,
        .right = loss->rows > 0 ? (double)loss->right / (double)loss->rows : (double)NAN,
        .rate = step->rate,
        .gradient_norm = step->gradient_norm,
        .tokens_per_s = (double)r->since_tokens / ((double)(now - r->point_ns) * 1e-9 + 1e-9),
    };
    (void)snprintf(p.stage, sizeof p.stage, "%s", r->stage->name);
    r->loss = p.loss;
    r->held_loss = isfinite(held) ? held : r->held_loss;
    r->since = (ns_train_losses){0};
    r->since_tokens = 0;
    r->point_ns = ns_monotonic_ns();
    return ns_train_curve_add(r->curve, &p, err);
}

static ns_status one_step(stage_run *r, ns_error *err)
{
    size_t count;
    ns_train_step step;
    const ns_train_batch *batches = ns_sequence_loader_next(r->loader, &count);
    const ns_status status = ns_trainer_step(r->trainer, batches, count, &step, err);
    if (status != NS_OK)
        return status;
    for (size_t b = 0; b < count; b++)
        r->since_tokens += batches[b].starts[batches[b].sequences];
    for (size_t b = 0; b < count; b++)
        r->tokens += batches[b].starts[batches[b].sequences];
    add(&r->since.masked, &step.losses.masked);
    add(&r->since.evidence, &step.losses.evidence);
    add(&r->since.cause, &step.losses.cause);
    add(&r->since.log, &step.losses.log);
    const int64_t done = ns_trainer_steps(r->trainer), total = r->stage->options.schedule.total;
    return due(done, total, CURVE_POINTS) || due(done, total, HELD_LOOKS) ? point(r, &step, err) : NS_OK;
}

static void tell(stage_run *r, bool last)
{
    char note[96] = "";
    if (isfinite(r->loss) && isfinite(r->held_loss))
        (void)snprintf(note, sizeof note, "loss %.3f, held out %.3f", r->loss, r->held_loss);
    else if (isfinite(r->loss))
        (void)snprintf(note, sizeof note, "loss %.3f", r->loss);
    const uint64_t done = (uint64_t)ns_trainer_steps(r->trainer);
    const uint64_t total = (uint64_t)r->stage->options.schedule.total;
    if (last)
        ns_train_progress_end(&r->progress, done, total, note[0] == '\0' ? NULL : note);
    else
        ns_train_progress_tell(&r->progress, done, total, note[0] == '\0' ? NULL : note);
}

static ns_status steps(stage_run *r, ns_error *err)
{
    const int64_t total = r->stage->options.schedule.total;
    ns_status status = NS_OK;
    r->saved_ns = r->point_ns = ns_monotonic_ns();
    ns_train_progress_begin(&r->progress, r->stage->name, "steps", (uint64_t)ns_trainer_steps(r->trainer),
                            r->stage->quiet);
    bool fresh = true;
    while (status == NS_OK && ns_trainer_steps(r->trainer) < total) {
        if (r->stage->stop != NULL && *r->stage->stop != 0) {
            status = save(r, err);
            return status == NS_OK
                       ? ns_fail(err, NS_CANCELLED, "%s: stopped at step %lld; the same command goes on from there",
                                 r->stage->name, (long long)ns_trainer_steps(r->trainer))
                       : status;
        }
        status = one_step(r, err);
        fresh = false;
        tell(r, false);
        if (status == NS_OK && ns_monotonic_ns() - r->saved_ns > checkpoint_ns)
            status = save(r, err);
    }
    if (status == NS_OK && !fresh)
        status = save(r, err);
    if (status == NS_OK && !fresh)
        tell(r, true);
    return status;
}

static bool has_labels(const ns_sequences *sequences)
{
    for (size_t i = 0; i < sequences->count; i++)
        if (sequences->labels[i].evidence_weight > 0.0f)
            return true;
    return false;
}

static ns_status prepare(stage_run *r, ns_error *err)
{
    const ns_train_stage *s = r->stage;
    const ns_masking open = {.share = 0.0};
    ns_status status = path_of(s->folder, s->name, ".checkpoint", r->checkpoint, err);
    if (status == NS_OK)
        status = path_of(s->folder, s->name, ".best", r->best_path, err);
    if (status == NS_OK && s->keep_best && (r->best = NS_NEW_ARRAY(float, r->params->count)) == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "no memory to keep the best of %zu weights", r->params->count);
    if (status == NS_OK &&
        (size_t)snprintf(r->drawing, sizeof r->drawing, "%s/training", s->folder) >= sizeof r->drawing)
        status = ns_fail(err, NS_IO, "%s: the path is too long", s->folder);
    if (status == NS_OK)
        status = ns_trainer_new(r->params, &s->options, &r->trainer, err);
    if (status == NS_OK)
        status = ns_sequence_loader_new(s->data, &s->masking, &s->options.limits, s->batches, s->options.seed,
                                        &r->loader, err);
    /* Labelled windows are measured as they are, nothing hidden. */
    if (status == NS_OK && s->held_out != NULL && s->held_out->count > 0)
        status = ns_sequence_loader_new(s->held_out, has_labels(s->held_out) ? &open : &s->masking, &s->options.limits,
                                        s->batches, s->options.seed, &r->held, err);
    return status == NS_OK ? take_up(r, err) : status;
}

ns_status ns_train_stage_run(const ns_train_stage *stage, ns_encoder_params *params, ns_train_curve *curve,
                             ns_stage_result *result, ns_error *err)
{
    stage_run r = {.stage = stage,
                   .params = params,
                   .curve = curve,
                   .loss = (double)NAN,
                   .held_loss = (double)NAN,
                   .fingerprint = fingerprint_of(stage)};
    const int64_t begun = ns_monotonic_ns();
    ns_status status = prepare(&r, err);
    if (status == NS_OK)
        status = steps(&r, err);
    if (status == NS_OK && r.best_step > 0)
        memcpy(params->block, r.best, params->count * sizeof *r.best);
    if (status == NS_OK)
        *result = (ns_stage_result){
            .steps = ns_trainer_steps(r.trainer),
            .best_step = r.best_step > 0 ? r.best_step : ns_trainer_steps(r.trainer),
            .tokens = (double)r.tokens,
            .run_tokens = (double)(r.tokens - r.first_tokens),
            .loss = r.loss,
            .held = r.best_step > 0 ? r.best_loss : r.held_loss,
            .elapsed_s = (double)(ns_monotonic_ns() - begun) * 1e-9,
            .arithmetic = ns_trainer_arithmetic(r.trainer),
        };
    ns_sequence_loader_free(r.loader);
    ns_sequence_loader_free(r.held);
    ns_trainer_free(r.trainer);
    ns_free(r.best);
    return status;
}
