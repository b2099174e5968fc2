#include "prediction/trainer_inner.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

ns_trainer_options ns_trainer_defaults(void)
{
    return (ns_trainer_options){
        .threads = 2,
        .seed = 1,
        .limits = {.rows = 1024, .sequences = 256, .masked = 256, .longest = 128},
        .schedule = {.peak = 5e-4, .warm_up = 100, .total = 1000},
        .beta1 = 0.9f,
        .beta2 = 0.999f,
        .eps = 1e-8f,
        .decay = 0.01f,
        .clip = 1.0f,
        .dropout = 0.1f,
        .tasks = {.masked = 1.0f, .evidence = 1.0f, .cause = 1.0f, .log = 1.0f},
    };
}

static ns_status allocate(ns_trainer *t, ns_error *err)
{
    const size_t threads = t->options.threads;
    t->ranks = NS_NEW_ARRAY(ns_train_rank, threads);
    t->first = NS_NEW_ARRAY(float, t->params->count);
    t->second = NS_NEW_ARRAY(float, t->params->count);
    if (t->type == NS_OPERAND_bf16)
        t->half = NS_NEW_ARRAY(uint16_t, t->params->count);
    if (t->ranks == NULL || t->first == NULL || t->second == NULL || (t->type == NS_OPERAND_bf16 && t->half == NULL))
        return ns_fail(err, NS_NO_MEMORY, "no memory to train %zu parameters", t->params->count);
    ns_status status = ns_crew_new(threads, &t->crew, err);
    for (size_t i = 0; status == NS_OK && i < threads; i++) {
        t->ranks[i].gradients = NS_NEW_ARRAY(float, t->params->count);
        if (t->ranks[i].gradients == NULL)
            return ns_fail(err, NS_NO_MEMORY, "no memory for the gradients of %zu parameters", t->params->count);
        status = ns_train_model_new(t->params, &t->options.limits, t->type, &t->ranks[i].model, err);
    }
    return status;
}

ns_status ns_trainer_new(ns_encoder_params *params, const ns_trainer_options *options, ns_trainer **out, ns_error *err)
{
    const bool has_half = ns_train_gemm_has_bf16();
    if (options->precision == NS_PRECISION_bf16 && !has_half)
        return ns_fail(err, NS_BAD_USAGE, "this processor has no bfloat16 products (AVX512_BF16); train in float32");
    ns_trainer *t = NS_NEW(ns_trainer);
    if (t == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for a trainer");
    t->params = params;
    t->options = *options;
    t->type = has_half && options->precision != NS_PRECISION_f32 ? NS_OPERAND_bf16 : NS_OPERAND_f32;
    t->kernels = ns_train_kernels_pick();
    const ns_status status = allocate(t, err);
    if (status != NS_OK) {
        ns_trainer_free(t);
        return status;
    }
    ns_trainer_refresh(t);
    *out = t;
    return NS_OK;
}

void ns_trainer_free(ns_trainer *t)
{
    if (t == NULL)
        return;
    ns_crew_free(t->crew);
    for (size_t i = 0; t->ranks != NULL && i < t->options.threads; i++) {
        ns_train_model_free(t->ranks[i].model);
        ns_free(t->ranks[i].gradients);
    }
    ns_free(t->ranks);
    ns_free(t->first);
    ns_free(t->second);
    ns_free(t->half);
    ns_free(t);
}

const char *ns_trainer_arithmetic(const ns_trainer *t)
{
    static const char *const names[3][2] = {
        {"portable f32", "portable bf16"}, {"avx2 f32", "avx2 bf16"}, {"avx512 f32", "avx512 bf16"}};
    const size_t set = strcmp(t->kernels->name, "avx512") == 0 ? 2 : strcmp(t->kernels->name, "avx2") == 0 ? 1 : 0;
    return names[set][t->type == NS_OPERAND_bf16];
}

int64_t ns_trainer_steps(const ns_trainer *t)
{
    return t->steps;
}

void ns_trainer_refresh(ns_trainer *t)
{
    if (t->half != NULL)
        t->kernels->to_operand(t->half, NS_OPERAND_bf16, t->params->block, t->params->count);
}

/* Each task's weight over the number (or weight) of its examples in the whole step. */
static ns_train_scales scales_of(const ns_trainer *t, const ns_train_batch *batches, size_t count)
{
    double masked = 0.0, evidence = 0.0, cause = 0.0, log = 0.0;
    for (size_t b = 0; b < count; b++) {
        masked += (double)batches[b].masked;
        const ns_train_label *labels = batches[b].labels;
        for (size_t s = 0; labels != NULL && s < batches[b].sequences; s++) {
            evidence += (double)labels[s].evidence_weight;
            cause += labels[s].cause == NS_IGNORE ? 0.0 : (double)labels[s].cause_weight;
            bool seen = labels[s].log < 0;
            for (size_t i = 0; i < s && !seen; i++)
                seen = labels[i].log == labels[s].log;
            log += seen ? 0.0 : (double)labels[s].log_weight;
        }
    }
    const ns_train_scales *w = &t->options.tasks;
    return (ns_train_scales){
        .masked = masked > 0.0 ? (float)((double)w->masked / masked) : 0.0f,
        .evidence = evidence > 0.0 ? (float)((double)w->evidence / evidence) : 0.0f,
        .cause = cause > 0.0 ? (float)((double)w->cause / cause) : 0.0f,
        .log = log > 0.0 ? (float)((double)w->log / log) : 0.0f,
    };
}

/* Which floats of the block are this rank's in the sum and the update. */
static void share(const ns_trainer *t, size_t rank, size_t *from, size_t *to)
{
    const size_t each = (t->params->count / t->options.threads + 15) / 16 * 16;
    *from = rank * each < t->params->count ? rank * each : t->params->count;
    *to = rank + 1 == t->options.threads || *from + each > t->params->count ? t->params->count : *from + each;
}

/* Batch b is always rank b % threads', so the order of every sum is fixed. */
static void take_batches(ns_trainer *t, size_t rank)
{
    ns_train_rank *r = &t->ranks[rank];
    r->status = NS_OK;
    r->losses = (ns_train_losses){0};
    if (t->learn)
        memset(r->gradients, 0, t->params->count * sizeof *r->gradients);
    for (size_t b = rank; r->status == NS_OK && b < t->count; b += t->options.threads)
        r->status = ns_train_model_run(r->model, t->half != NULL ? (const void *)t->half : t->params->block,
                                       &t->batches[b], &t->scales, t->options.dropout, t->learn ? r->gradients : NULL,
                                       t->logits == NULL ? NULL : t->logits[b], &r->losses, &r->error);
}

static void sum_share(ns_trainer *t, size_t rank)
{
    size_t from, to;
    share(t, rank, &from, &to);
    float *sum = t->ranks[0].gradients;
    for (size_t r = 1; r < t->options.threads; r++)
        t->kernels->add(sum + from, t->ranks[r].gradients + from, to - from);
    t->ranks[rank].squares = t->kernels->sum_squares(sum + from, to - from);
}

static double norm_of(const ns_trainer *t)
{
    double squares = 0.0;
    for (size_t r = 0; r < t->options.threads; r++)
        squares += t->ranks[r].squares;
    return sqrt(squares);
}

static ns_status worst(const ns_trainer *t)
{
    for (size_t r = 0; r < t->options.threads; r++)
        if (t->ranks[r].status != NS_OK)
            return t->ranks[r].status;
    return NS_OK;
}

static void update_share(ns_trainer *t, size_t rank, double rate, double norm)
{
    size_t from, to;
    share(t, rank, &from, &to);
    const ns_trainer_options *o = &t->options;
    ns_adamw_step step = {.rate = (float)rate,
                          .beta1 = o->beta1,
                          .beta2 = o->beta2,
                          .eps = o->eps,
                          .gradient_factor = ns_clip_factor(norm, (double)o->clip)};
    ns_adamw_correct(&step, t->steps + 1);
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(&t->params->config, t->params->parts, n, &tensor); n++) {
        const size_t begin = tensor.offset > from ? tensor.offset : from;
        const size_t end = tensor.offset + tensor.count < to ? tensor.offset + tensor.count : to;
        if (begin >= end)
            continue;
        step.decay = tensor.rank > 1 ? o->decay : 0.0f;
        t->kernels->adamw(t->params->block + begin, t->first + begin, t->second + begin, t->ranks[0].gradients + begin,
                          end - begin, &step);
    }
    if (t->half != NULL)
        t->kernels->to_operand(t->half + from, NS_OPERAND_bf16, t->params->block + from, to - from);
}

static void work(void *self, size_t rank)
{
    ns_trainer *t = self;
    take_batches(t, rank);
    if (!t->learn)
        return;
    ns_crew_meet(t->crew);
    sum_share(t, rank);
    ns_crew_meet(t->crew);
    const double norm = norm_of(t), rate = ns_schedule_rate(&t->options.schedule, t->steps);
    if (rank == 0) {
        t->norm = norm;
        t->rate = rate;
    }
    if (worst(t) == NS_OK && isfinite(norm))
        update_share(t, rank, rate, norm);
}

static void add_loss(ns_loss *to, const ns_loss *from)
{
    to->sum += from->sum;
    to->weight += from->weight;
    to->rows += from->rows;
    to->right += from->right;
}

static ns_status together(ns_trainer *t, ns_train_losses *losses, ns_error *err)
{
    ns_crew_run(t->crew, work, t);
    for (size_t r = 0; r < t->options.threads; r++) {
        if (t->ranks[r].status != NS_OK) {
            if (err != NULL)
                *err = t->ranks[r].error;
            return t->ranks[r].status;
        }
    }
    for (size_t r = 0; r < t->options.threads; r++) {
        add_loss(&losses->masked, &t->ranks[r].losses.masked);
        add_loss(&losses->evidence, &t->ranks[r].losses.evidence);
        add_loss(&losses->cause, &t->ranks[r].losses.cause);
        add_loss(&losses->log, &t->ranks[r].losses.log);
    }
    return NS_OK;
}

ns_status ns_trainer_step(ns_trainer *t, const ns_train_batch *batches, size_t count, ns_train_step *out, ns_error *err)
{
    NS_CHECK(count > 0);
    ns_train_step step = {0};
    t->batches = batches;
    t->count = count;
    t->logits = NULL;
    t->scales = scales_of(t, batches, count);
    t->learn = true;
    const ns_status status = together(t, &step.losses, err);
    step.gradient_norm = t->norm;
    step.rate = t->rate;
    if (status != NS_OK)
        return status;
    if (!isfinite(step.gradient_norm))
        return ns_fail(err, NS_CORRUPT,
                       "step %lld: the gradient is not finite; take a smaller learning rate (now %g) or more warm-up",
                       (long long)t->steps, step.rate);
    t->steps++;
    *out = step;
    return NS_OK;
}

ns_status ns_trainer_look(ns_trainer *t, const ns_train_batch *batches, size_t count, float *const *logits,
                          ns_train_losses *losses, ns_error *err)
{
    t->batches = batches;
    t->count = count;
    t->logits = logits;
    t->scales = (ns_train_scales){0};
    t->learn = false;
    return together(t, losses, err);
}
