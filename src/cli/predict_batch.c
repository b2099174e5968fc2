#include "cli/predict_batch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/predict_log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20, WAITING_MAX = 256, REFERENCES_MAX = 64 };
#define CACHE_BYTES ((size_t)256 << 20)

typedef struct batch {
    const ns_predictor_choice *choice;
    ns_sketch_cache *cache;
    bool progress;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t moved;
    char *waiting[WAITING_MAX]; /* ring of request lines */
    size_t first, count;
    bool ended;  /* no more requests come */
    bool broken; /* stdout is closed: nobody listens */
    size_t answered, failed;
    int64_t told_ns;
} batch;

typedef struct worker {
    batch *all;
    ns_log_teller teller;
    pthread_t thread;
} worker;

/* ---- one request ---- */

typedef struct request {
    json_t *root; /* owns the texts */
    const json_t *id;
    const char *log;
    const char *references[REFERENCES_MAX];
    size_t reference_count;
} request;

static ns_status read_references(request *out, ns_error *err)
{
    const json_t *list = ns_json_at(out->root, "references");
    if (list == NULL || json_is_null(list))
        return NS_OK;
    if (!json_is_array(list) || json_array_size(list) > REFERENCES_MAX)
        return ns_fail(err, NS_BAD_INPUT, "\"references\" is not a list of at most %d file names", REFERENCES_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *path = json_string_value(json_array_get(list, i));
        if (path == NULL)
            return ns_fail(err, NS_BAD_INPUT, "reference %zu is not a file name", i + 1);
        out->references[out->reference_count++] = path;
    }
    return NS_OK;
}

static ns_status read_request(const char *line, request *out, ns_error *err)
{
    ns_status status = ns_json_read(ns_text_of(line), &out->root, err);
    if (status != NS_OK)
        return status;
    if (!json_is_object(out->root))
        return ns_fail(err, NS_BAD_INPUT, "a request is an object with \"id\" and \"log\"");
    out->id = ns_json_at(out->root, "id");
    out->log = ns_json_string(out->root, "log", NULL);
    if (out->log == NULL || strcmp(out->log, "-") == 0)
        return ns_fail(err, NS_BAD_INPUT, "\"log\" is not a file name");
    return read_references(out, err);
}

static void put_error(ns_json_writer *w, const json_t *id, const char *text)
{
    char *dumped = id == NULL ? NULL : json_dumps(id, JSON_COMPACT | JSON_ENCODE_ANY);
    ns_json_object(w);
    ns_json_field_int(w, "schema", 1);
    ns_json_key(w, "id");
    if (dumped == NULL)
        ns_json_put_null(w);
    else
        ns_json_put_raw(w, ns_text_of(dumped));
    ns_json_field_string(w, "error", text);
    ns_json_end_object(w);
    free(dumped);
}

/* The answer's line into out; false: it is an error's. */
static bool answer(const ns_log_teller *teller, const char *line, ns_buf *out)
{
    request one = {0};
    ns_prediction prediction;
    ns_error err;
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_status status = read_request(line, &one, &err);
    if (status == NS_OK)
        status = ns_tell_log(teller, one.log, one.references, one.reference_count, &prediction, &err);
    if (status == NS_OK)
        ns_put_prediction_answer(&w, teller, one.id, &prediction);
    else
        put_error(&w, one.id, err.text);
    (void)ns_buf_char(out, '\n');
    json_decref(one.root);
    return status == NS_OK;
}

/* ---- the threads ---- */

/* The next line, or NULL at the end. */
static char *take(batch *all)
{
    char *line = NULL;
    (void)pthread_mutex_lock(&all->lock);
    while (all->count == 0 && !all->ended && !all->broken)
        (void)pthread_cond_wait(&all->moved, &all->lock);
    if (all->count > 0) {
        line = all->waiting[all->first];
        all->first = (all->first + 1) % WAITING_MAX;
        if (all->count-- == WAITING_MAX)
            (void)pthread_cond_broadcast(&all->moved);
    }
    (void)pthread_mutex_unlock(&all->lock);
    return line;
}

/* With the lock held. */
static void tell_progress(batch *all)
{
    int64_t now_ns = ns_monotonic_ns();
    if (!all->progress || now_ns - all->told_ns < 200000000)
        return;
    all->told_ns = now_ns;
    (void)fprintf(stderr, "\r%zu answered, %zu not", all->answered, all->failed);
}

static void give(batch *all, const ns_buf *line, bool good)
{
    (void)pthread_mutex_lock(&all->lock);
    if (line->failed || !ns_stdout_write(ns_buf_view(line))) {
        all->broken = true;
        (void)pthread_cond_broadcast(&all->moved);
    }
    all->answered += good;
    all->failed += !good;
    tell_progress(all);
    (void)pthread_mutex_unlock(&all->lock);
}

static void *work(void *state)
{
    worker *self = state;
    ns_buf line;
    ns_buf_init(&line, 1 << 20);
    for (char *text; (text = take(self->all)) != NULL; ns_free(text)) {
        ns_buf_reset(&line);
        bool good = answer(&self->teller, text, &line);
        give(self->all, &line, good);
    }
    ns_buf_clear(&line);
    return NULL;
}

/* False: nobody listens any more. Takes the line. */
static bool put(batch *all, char *line)
{
    (void)pthread_mutex_lock(&all->lock);
    while (all->count == WAITING_MAX && !all->broken)
        (void)pthread_cond_wait(&all->moved, &all->lock);
    bool broken = all->broken;
    if (!broken) {
        all->waiting[(all->first + all->count++) % WAITING_MAX] = line;
        (void)pthread_cond_broadcast(&all->moved);
    }
    (void)pthread_mutex_unlock(&all->lock);
    if (broken)
        ns_free(line);
    return !broken;
}

static bool put_line(batch *all, ns_text line)
{
    if (ns_text_trim(line).len == 0)
        return true;
    char *copy = ns_strndup(line.at, line.len);
    return copy != NULL && put(all, copy);
}

/* All of standard input, line by line. False: reading failed, or nobody listens. */
static bool read_requests(batch *all)
{
    ns_buf text;
    char piece[65536];
    bool good = true;
    ns_buf_init(&text, REQUEST_MAX + sizeof piece);
    while (good) {
        ssize_t n = read(STDIN_FILENO, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            good = n == 0 && put_line(all, ns_buf_view(&text));
            break;
        }
        (void)ns_buf_put(&text, piece, (size_t)n);
        size_t used = 0;
        for (const char *end; good && (end = memchr(text.at + used, '\n', text.len - used)) != NULL;) {
            good = put_line(all, (ns_text){text.at + used, (size_t)(end - text.at) - used});
            used = (size_t)(end - text.at) + 1;
        }
        ns_buf_drop(&text, used);
        good = good && !text.failed && text.len <= REQUEST_MAX;
    }
    ns_buf_clear(&text);
    return good;
}

static void end(batch *all)
{
    (void)pthread_mutex_lock(&all->lock);
    all->ended = true;
    (void)pthread_cond_broadcast(&all->moved);
    (void)pthread_mutex_unlock(&all->lock);
}

/* Starts up to `wanted` threads; the first has its predictor. Returns how many run. */
static int start(batch *all, worker *workers, int wanted, const ns_predictor *first)
{
    int running = 0;
    for (int i = 0; i < wanted; i++) {
        worker *one = &workers[running];
        ns_error err;
        *one = (worker){.all = all, .teller.cache = all->cache};
        if (i == 0)
            one->teller.predictor = *first;
        else if (ns_predictor_open(all->choice, &one->teller.predictor, &err) != NS_OK)
            break;
        if (ns_redactor_new(NULL, &one->teller.redactor, &err) != NS_OK ||
            pthread_create(&one->thread, NULL, work, one) != 0) {
            ns_redactor_free(one->teller.redactor);
            if (i > 0)
                one->teller.predictor.free(one->teller.predictor.self);
            break;
        }
        running++;
    }
    return running;
}

int ns_predict_batch(const ns_options *options, const ns_predictor_choice *choice, const ns_predictor *first,
                     int threads)
{
    batch all = {.choice = choice, .cache = ns_sketch_cache_new(CACHE_BYTES)};
    worker *workers = NS_NEW_ARRAY(worker, NS_BATCH_THREADS_MAX);
    ns_error err;
    (void)pthread_mutex_init(&all.lock, NULL);
    (void)pthread_cond_init(&all.moved, NULL);
    all.progress = !options->quiet && isatty(STDERR_FILENO) == 1;
    int running = all.cache == NULL || workers == NULL ? 0 : start(&all, workers, threads, first);
    bool read = running > 0 && read_requests(&all);
    end(&all);
    for (int i = 0; i < running; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        ns_redactor_free(workers[i].teller.redactor);
        if (i > 0)
            workers[i].teller.predictor.free(workers[i].teller.predictor.self);
    }
    for (; all.count > 0; all.count--, all.first = (all.first + 1) % WAITING_MAX)
        ns_free(all.waiting[all.first]);
    first->free(first->self);
    ns_free(workers);
    ns_sketch_cache_free(all.cache);
    (void)pthread_cond_destroy(&all.moved);
    (void)pthread_mutex_destroy(&all.lock);
    if (all.progress)
        (void)fprintf(stderr, "\r%zu answered, %zu not\n", all.answered, all.failed);
    if (running == 0)
        (void)ns_fail(&err, NS_NO_MEMORY, "no memory or threads for a batch");
    else if (all.broken || !read)
        (void)ns_fail(&err, NS_IO,
                      all.broken ? "standard output is closed: requests were left unanswered"
                                 : "a request cannot be read: is it longer than 1 MiB?");
    else
        return all.failed > 0 ? 1 : 0;
    (void)fprintf(stderr, "neuroshield predict: %s\n", err.text);
    return 1;
}
