#include "prediction/scorer.h"

#include "base/mem.h"
#include "prediction/ended_logs.h"
#include "prediction/shelf.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define ANSWERS_MAX 64   /* answers not taken; the thread waits when they are full */
#define WAITING_MAX 4096 /* builds waiting */
/* So many seconds of waiting outweigh the whole span of risk. */
#define PATIENCE_S  10.0
#define REST_MAX_NS INT64_C(10000000000)

/* Buckets 4 % wide from 1 us up to about 20 minutes. */
#define HISTOGRAM_BUCKETS 528
#define REFERENCE_MAX     ((size_t)8 << 20) /* bytes read of a green log */
#define HISTOGRAM_RATIO   1.04
#define HISTOGRAM_FROM_MS 0.001

typedef struct build_name {
    char job[NS_JOB_MAX];
    int64_t build;
    uint64_t hash;
} build_name;

/* Growth of one build that waits. */
typedef struct waiting {
    build_name name;
    ns_buf text;
    bool restarted;
    bool ended;
    bool grown;  /* there is something to score */
    bool green;  /* the build has succeeded: its sketch goes onto the shelf */
    bool forget; /* only let the reading go */
    double risk;
    int64_t since_ns;
    struct waiting *next;
} waiting;

/* Scorer thread only. */
typedef struct open_reading {
    build_name name;
    ns_reading *reading;
    ns_sketch_builder sketch;
    ns_shelf_set *greens; /* borrowed from the shelf while the reading lives; may be NULL */
    uint64_t used;        /* grows with each use */
} open_reading;

typedef struct answer {
    build_name name;
    bool ended;
    ns_prediction prediction;
} answer;

struct ns_scorer {
    /* Fixed after birth. */
    const ns_predictor *predictor;
    ns_scorer_options options;
    ns_shelf *shelf;
    pthread_t thread;

    /* Scorer thread only. */
    open_reading *readings;
    size_t reading_count;
    uint64_t uses;
    ns_ended_logs *ended;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t moved; /* something to do, room for answers, or stop */
    bool stop;
    waiting *first;
    size_t waiting_count;
    size_t pending_bytes;
    answer *answers; /* ring */
    size_t answer_first;
    size_t answer_count;
    uint64_t scored;
    uint64_t dropped;
    size_t readings_open; /* reading_count, for ns_scorer_counts */
    uint64_t histogram[HISTOGRAM_BUCKETS];
};

static bool name_of(build_name *out, const char *jenkins_job, int64_t build)
{
    memset(out, 0, sizeof *out);
    if (!ns_text_copy(out->job, sizeof out->job, ns_text_of(jenkins_job)))
        return false;
    out->build = build;
    out->hash = ns_hash(ns_text_of(jenkins_job)) ^ ((uint64_t)build * UINT64_C(0x9e3779b97f4a7c15));
    return true;
}

static bool same_name(const build_name *a, const build_name *b)
{
    return a->hash == b->hash && a->build == b->build && strcmp(a->job, b->job) == 0;
}

static void waiting_free(waiting *one)
{
    ns_buf_clear(&one->text);
    ns_free(one);
}

/* ---- the scorer thread ---- */

static double urgency(const waiting *one, int64_t now_ns)
{
    double waited_s = (double)(now_ns - one->since_ns) / 1e9;
    bool quick = one->forget || (one->green && !one->grown);
    return quick ? INFINITY : (one->ended ? 1.0 : one->risk) + waited_s / PATIENCE_S;
}

/* With the lock held: the most urgent one, taken off the list; NULL none. */
static waiting *take_most_urgent(ns_scorer *scorer)
{
    int64_t now_ns = ns_monotonic_ns();
    waiting **best = NULL;
    double most = -INFINITY;
    /* New ones stand in front: >= lets the older of two equals win. */
    for (waiting **at = &scorer->first; *at != NULL; at = &(*at)->next) {
        double urgent = urgency(*at, now_ns);
        if (urgent >= most) {
            most = urgent;
            best = at;
        }
    }
    if (best == NULL)
        return NULL;
    waiting *one = *best;
    *best = one->next;
    scorer->waiting_count--;
    scorer->pending_bytes -= one->text.len;
    return one;
}

static waiting *wait_for_work(ns_scorer *scorer)
{
    waiting *one = NULL;
    (void)pthread_mutex_lock(&scorer->lock);
    while (!scorer->stop) {
        if (scorer->answer_count < ANSWERS_MAX && (one = take_most_urgent(scorer)) != NULL)
            break;
        (void)pthread_cond_wait(&scorer->moved, &scorer->lock);
    }
    (void)pthread_mutex_unlock(&scorer->lock);
    return one;
}

static size_t find_reading(const ns_scorer *scorer, const build_name *name)
{
    size_t i = 0;
    while (i < scorer->reading_count && !same_name(&scorer->readings[i].name, name))
        i++;
    return i;
}

static void close_reading(ns_scorer *scorer, size_t i)
{
    scorer->predictor->end(scorer->predictor->self, scorer->readings[i].reading);
    ns_shelf_return(scorer->shelf, scorer->readings[i].greens);
    ns_sketch_builder_clear(&scorer->readings[i].sketch);
    scorer->readings[i] = scorer->readings[--scorer->reading_count];
}

static void push_out_oldest(ns_scorer *scorer)
{
    size_t oldest = 0;
    for (size_t i = 1; i < scorer->reading_count; i++)
        if (scorer->readings[i].used < scorer->readings[oldest].used)
            oldest = i;
    close_reading(scorer, oldest);
    (void)pthread_mutex_lock(&scorer->lock);
    scorer->dropped++;
    (void)pthread_mutex_unlock(&scorer->lock);
}

/* NULL: no memory. */
static open_reading *begin_reading(ns_scorer *scorer, const build_name *name)
{
    if (scorer->reading_count == scorer->options.max_readings)
        push_out_oldest(scorer);
    ns_shelf_set *greens = ns_shelf_borrow(scorer->shelf, name->job);
    ns_reading *reading = scorer->predictor->begin(scorer->predictor->self, greens == NULL ? NULL : greens->logs,
                                                   greens == NULL ? 0 : greens->count);
    if (reading == NULL) {
        ns_shelf_return(scorer->shelf, greens);
        return NULL;
    }
    open_reading *one = &scorer->readings[scorer->reading_count++];
    *one = (open_reading){.name = *name, .reading = reading, .greens = greens};
    ns_sketch_builder_init(&one->sketch);
    return one;
}

/* What is said when nothing can be told for want of memory. */
static void abstain(ns_prediction *out)
{
    memset(out, 0, sizeof *out);
    out->fail_probability = 0.5;
    out->decision = NS_PREDICTED_abstain;
    out->cause = NS_CAUSE_none;
    out->cause_probability[NS_CAUSE_none] = 1.0;
    out->threshold = 1.0;
}

static void read_and_score(ns_scorer *scorer, const waiting *work, ns_prediction *out)
{
    size_t i = find_reading(scorer, &work->name);
    if (work->restarted && i < scorer->reading_count) {
        close_reading(scorer, i);
        i = scorer->reading_count;
    }
    open_reading *one = i < scorer->reading_count ? &scorer->readings[i] : begin_reading(scorer, &work->name);
    bool good = one != NULL &&
                scorer->predictor->feed(scorer->predictor->self, one->reading, ns_buf_view(&work->text)) == NS_OK &&
                ns_sketch_builder_feed(&one->sketch, ns_buf_view(&work->text)) == NS_OK;
    if (good) {
        scorer->predictor->score(scorer->predictor->self, one->reading, out);
        out->fallback = scorer->predictor->fallback;
        one->used = ++scorer->uses;
    } else {
        abstain(out);
    }
    if (good && work->ended)
        ns_ended_logs_put(scorer->ended, work->name.job, work->name.build, ns_sketch_builder_finish(&one->sketch));
    if (one != NULL && (work->ended || !good))
        close_reading(scorer, (size_t)(one - scorer->readings));
}

static void count_elapsed(ns_scorer *scorer, double elapsed_ms)
{
    double bucket = elapsed_ms <= HISTOGRAM_FROM_MS ? 0.0 : log(elapsed_ms / HISTOGRAM_FROM_MS) / log(HISTOGRAM_RATIO);
    size_t i = bucket >= HISTOGRAM_BUCKETS - 1 ? HISTOGRAM_BUCKETS - 1 : (size_t)bucket;
    scorer->histogram[i]++;
}

static void put_answer(ns_scorer *scorer, const waiting *work, ns_prediction *prediction, double elapsed_ms)
{
    prediction->elapsed_ms = elapsed_ms;
    /* A manual clock belongs to the loop: it is read when the answer is taken, later and never earlier. */
    prediction->known_at_ms = scorer->options.clock.manual_ms == NULL ? ns_clock_now_ms(&scorer->options.clock) : -1;
    (void)pthread_mutex_lock(&scorer->lock);
    answer *slot = &scorer->answers[(scorer->answer_first + scorer->answer_count++) % ANSWERS_MAX];
    slot->name = work->name;
    slot->ended = work->ended;
    slot->prediction = *prediction;
    scorer->scored++;
    scorer->readings_open = scorer->reading_count;
    count_elapsed(scorer, elapsed_ms);
    (void)pthread_mutex_unlock(&scorer->lock);
    if (scorer->options.answered != NULL)
        scorer->options.answered(scorer->options.owner);
}

/* Keeps within the CPU share: after t of work, t * (1 / share - 1) of rest. */
static void rest(ns_scorer *scorer, int64_t worked_ns)
{
    double wanted = (double)worked_ns * (1.0 / scorer->options.cpu_share - 1.0);
    int64_t rest_ns = wanted >= (double)REST_MAX_NS ? REST_MAX_NS : (int64_t)wanted;
    if (rest_ns <= 0)
        return;
    int64_t until_ns = ns_monotonic_ns() + rest_ns;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = (long)(until_ns % 1000000000)};
    (void)pthread_mutex_lock(&scorer->lock);
    while (!scorer->stop && ns_monotonic_ns() < until_ns)
        (void)pthread_cond_timedwait(&scorer->moved, &scorer->lock, &until);
    (void)pthread_mutex_unlock(&scorer->lock);
}

static void drop_reading(ns_scorer *scorer, const build_name *name)
{
    size_t i = find_reading(scorer, name);
    if (i < scorer->reading_count)
        close_reading(scorer, i);
    (void)pthread_mutex_lock(&scorer->lock);
    scorer->readings_open = scorer->reading_count;
    (void)pthread_mutex_unlock(&scorer->lock);
}

static void score_and_answer(ns_scorer *scorer, const waiting *work)
{
    ns_prediction prediction;
    int64_t began_ns = ns_monotonic_ns();
    read_and_score(scorer, work, &prediction);
    int64_t worked_ns = ns_monotonic_ns() - began_ns;
    put_answer(scorer, work, &prediction, (double)worked_ns / 1e6);
    rest(scorer, worked_ns);
}

static void shelve(ns_scorer *scorer, const build_name *name)
{
    ns_sketch *sketch = ns_ended_logs_take(scorer->ended, name->job, name->build);
    if (sketch != NULL)
        ns_shelf_add(scorer->shelf, name->job, sketch);
}

static void *scorer_main(void *state)
{
    ns_scorer *scorer = state;
    waiting *work;
    (void)pthread_setname_np(pthread_self(), "scorer");
    while ((work = wait_for_work(scorer)) != NULL) {
        if (work->grown)
            score_and_answer(scorer, work);
        if (work->green)
            shelve(scorer, &work->name);
        if (work->forget)
            drop_reading(scorer, &work->name);
        waiting_free(work);
    }
    while (scorer->reading_count > 0)
        close_reading(scorer, scorer->reading_count - 1);
    return NULL;
}

/* ---- the loop thread ---- */

static void scorer_clear(ns_scorer *scorer)
{
    while (scorer->first != NULL) {
        waiting *one = scorer->first;
        scorer->first = one->next;
        waiting_free(one);
    }
    ns_shelf_free(scorer->shelf);
    if (scorer->ended != NULL)
        ns_ended_logs_clear(scorer->ended);
    ns_free(scorer->ended);
    ns_free(scorer->readings);
    ns_free(scorer->answers);
    ns_free(scorer);
}

static void set_defaults(ns_scorer_options *options)
{
    if (options->max_pending_bytes == 0)
        options->max_pending_bytes = (size_t)32 << 20;
    if (options->max_build_bytes == 0)
        options->max_build_bytes = (size_t)4 << 20;
    if (options->max_readings == 0)
        options->max_readings = 512;
    if (!(options->cpu_share > 0.0 && options->cpu_share <= 1.0))
        options->cpu_share = 1.0;
}

/* Signals are the loop's business. */
static int start_thread(ns_scorer *scorer)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&scorer->thread, NULL, scorer_main, scorer);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

ns_status ns_scorer_new(const ns_predictor *predictor, const ns_scorer_options *options, ns_scorer **out, ns_error *err)
{
    ns_scorer *scorer = NS_NEW(ns_scorer);
    if (scorer == NULL)
        return ns_fail(err, NS_NO_MEMORY, "scorer: no memory");
    scorer->predictor = predictor;
    scorer->options = *options;
    set_defaults(&scorer->options);
    scorer->shelf = ns_shelf_new();
    scorer->readings = NS_NEW_ARRAY(open_reading, scorer->options.max_readings);
    scorer->answers = NS_NEW_ARRAY(answer, ANSWERS_MAX);
    scorer->ended = NS_NEW(ns_ended_logs);
    if (scorer->shelf == NULL || scorer->ended == NULL || scorer->readings == NULL || scorer->answers == NULL) {
        scorer_clear(scorer);
        return ns_fail(err, NS_NO_MEMORY, "scorer: no memory for %zu readings", options->max_readings);
    }
    pthread_condattr_t monotonic;
    NS_CHECK(pthread_condattr_init(&monotonic) == 0);
    NS_CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    NS_CHECK(pthread_mutex_init(&scorer->lock, NULL) == 0);
    NS_CHECK(pthread_cond_init(&scorer->moved, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    int failed = start_thread(scorer);
    if (failed != 0) {
        (void)pthread_cond_destroy(&scorer->moved);
        (void)pthread_mutex_destroy(&scorer->lock);
        scorer_clear(scorer);
        return ns_fail(err, NS_IO, "scorer: the system gives no thread (error %d)", failed);
    }
    *out = scorer;
    return NS_OK;
}

void ns_scorer_free(ns_scorer *scorer)
{
    if (scorer == NULL)
        return;
    (void)pthread_mutex_lock(&scorer->lock);
    scorer->stop = true;
    (void)pthread_cond_broadcast(&scorer->moved);
    (void)pthread_mutex_unlock(&scorer->lock);
    (void)pthread_join(scorer->thread, NULL);
    (void)pthread_cond_destroy(&scorer->moved);
    (void)pthread_mutex_destroy(&scorer->lock);
    scorer_clear(scorer);
}

/* With the lock held: the entry that waits for this build, or NULL. */
static waiting *find_waiting(const ns_scorer *scorer, const build_name *name)
{
    waiting *one = scorer->first;
    while (one != NULL && !same_name(&one->name, name))
        one = one->next;
    return one;
}

/* With the lock held: a new, empty entry; NULL: no memory. */
static waiting *add_waiting(ns_scorer *scorer, const build_name *name)
{
    waiting *one = NS_NEW(waiting);
    if (one == NULL)
        return NULL;
    one->name = *name;
    one->since_ns = ns_monotonic_ns();
    ns_buf_init(&one->text, scorer->options.max_build_bytes);
    one->next = scorer->first;
    scorer->first = one;
    scorer->waiting_count++;
    return one;
}

/* With the lock held. The old text stays when there is no memory for the new. */
static ns_status put_text(ns_scorer *scorer, waiting *one, ns_text text, bool anew)
{
    ns_buf fresh;
    ns_buf *to = anew ? &fresh : &one->text;
    if (anew)
        ns_buf_init(&fresh, scorer->options.max_build_bytes);
    if (text.len > 0 && ns_buf_text(to, text) != NS_OK) {
        to->failed = false;
        return NS_NO_MEMORY;
    }
    if (anew) {
        scorer->pending_bytes -= one->text.len;
        ns_buf_clear(&one->text);
        one->text = fresh;
    }
    scorer->pending_bytes += text.len;
    return NS_OK;
}

static void drop_empty(ns_scorer *scorer, waiting *one)
{
    NS_CHECK(scorer->first == one);
    scorer->first = one->next;
    scorer->waiting_count--;
    waiting_free(one);
}

/* With the lock held. */
static ns_status grow(ns_scorer *scorer, const build_name *name, ns_text text, bool restarted, bool ended, double risk)
{
    waiting *one = find_waiting(scorer, name);
    bool anew = one != NULL && (restarted || one->forget);
    size_t kept = one == NULL || anew ? 0 : one->text.len;
    size_t freed = anew ? one->text.len : 0;
    if (text.len > scorer->options.max_build_bytes || text.len > scorer->options.max_pending_bytes)
        return NS_TOO_LARGE;
    if (kept + text.len > scorer->options.max_build_bytes ||
        scorer->pending_bytes - freed + text.len > scorer->options.max_pending_bytes ||
        (one == NULL && scorer->waiting_count == WAITING_MAX)) {
        scorer->dropped++;
        return NS_BUSY;
    }
    bool added = one == NULL;
    if (added && (one = add_waiting(scorer, name)) == NULL)
        return NS_NO_MEMORY;
    ns_status status = put_text(scorer, one, text, anew);
    if (status != NS_OK) {
        if (added)
            drop_empty(scorer, one);
        return status;
    }
    one->restarted = one->restarted || restarted || one->forget;
    one->forget = false;
    one->grown = true;
    one->ended = ended || (one->ended && !anew);
    one->risk = isnan(risk) ? 0.5 : fmin(fmax(risk, 0.0), 1.0);
    (void)pthread_cond_signal(&scorer->moved);
    return NS_OK;
}

ns_status ns_scorer_grow(ns_scorer *scorer, const char *jenkins_job, int64_t build, ns_text text, bool restarted,
                         bool ended, double risk)
{
    build_name name;
    if (!name_of(&name, jenkins_job, build))
        return NS_TOO_LARGE;
    (void)pthread_mutex_lock(&scorer->lock);
    ns_status status = grow(scorer, &name, text, restarted, ended, risk);
    (void)pthread_mutex_unlock(&scorer->lock);
    return status;
}

bool ns_scorer_take(ns_scorer *scorer, char jenkins_job[NS_JOB_MAX], int64_t *build, bool *ended, ns_prediction *out)
{
    (void)pthread_mutex_lock(&scorer->lock);
    bool any = scorer->answer_count > 0;
    if (any) {
        const answer *slot = &scorer->answers[scorer->answer_first];
        memcpy(jenkins_job, slot->name.job, NS_JOB_MAX);
        *build = slot->name.build;
        *ended = slot->ended;
        *out = slot->prediction;
        scorer->answer_first = (scorer->answer_first + 1) % ANSWERS_MAX;
        if (scorer->answer_count-- == ANSWERS_MAX)
            (void)pthread_cond_signal(&scorer->moved);
    }
    (void)pthread_mutex_unlock(&scorer->lock);
    if (any && scorer->options.clock.manual_ms != NULL)
        out->known_at_ms = ns_clock_now_ms(&scorer->options.clock);
    return any;
}

void ns_scorer_references(ns_scorer *scorer, const char *jenkins_job, const ns_text *logs, size_t n)
{
    ns_sketch *sketches[NS_SHELF_LOGS];
    size_t made = 0;
    for (size_t i = 0; i < n && i < NS_SHELF_LOGS; i++) {
        ns_text log = {logs[i].at, logs[i].len < REFERENCE_MAX ? logs[i].len : REFERENCE_MAX};
        ns_sketch *sketch = ns_sketch_of_log(log);
        if (sketch != NULL)
            sketches[made++] = sketch;
    }
    ns_shelf_put(scorer->shelf, jenkins_job, sketches, made);
}

void ns_scorer_green(ns_scorer *scorer, const char *jenkins_job, int64_t build)
{
    build_name name;
    if (!name_of(&name, jenkins_job, build))
        return;
    (void)pthread_mutex_lock(&scorer->lock);
    waiting *one = find_waiting(scorer, &name);
    /* Without memory for the note it is no reference, which only makes later answers a little worse. */
    if (one == NULL && scorer->waiting_count < WAITING_MAX)
        one = add_waiting(scorer, &name);
    if (one != NULL) {
        one->green = true;
        (void)pthread_cond_signal(&scorer->moved);
    }
    (void)pthread_mutex_unlock(&scorer->lock);
}

void ns_scorer_forget(ns_scorer *scorer, const char *jenkins_job, int64_t build)
{
    build_name name;
    if (!name_of(&name, jenkins_job, build))
        return;
    (void)pthread_mutex_lock(&scorer->lock);
    waiting *one = find_waiting(scorer, &name);
    /* Without memory for the note the reading stays until it is the one untouched longest. */
    if (one == NULL && scorer->waiting_count < WAITING_MAX)
        one = add_waiting(scorer, &name);
    if (one != NULL) {
        scorer->pending_bytes -= one->text.len;
        ns_buf_clear(&one->text);
        one->forget = true;
        one->ended = one->restarted = one->grown = false;
        (void)pthread_cond_signal(&scorer->moved);
    }
    (void)pthread_mutex_unlock(&scorer->lock);
}

/* With the lock held: upper edge of the bucket in which the share lies. */
static double quantile(const ns_scorer *scorer, double share)
{
    double wanted = share * (double)scorer->scored, seen = 0.0;
    if (scorer->scored == 0)
        return NAN;
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS - 1 && (seen += (double)scorer->histogram[i]) < wanted)
        i++;
    return HISTOGRAM_FROM_MS * pow(HISTOGRAM_RATIO, (double)(i + 1));
}

void ns_scorer_counts(ns_scorer *scorer, ns_scorer_figures *out)
{
    (void)pthread_mutex_lock(&scorer->lock);
    *out = (ns_scorer_figures){.scored = scorer->scored,
                               .dropped = scorer->dropped,
                               .pending_bytes = scorer->pending_bytes,
                               .waiting = scorer->waiting_count,
                               .readings = scorer->readings_open,
                               .p50_ms = quantile(scorer, 0.50),
                               .p99_ms = quantile(scorer, 0.99)};
    (void)pthread_mutex_unlock(&scorer->lock);
}
