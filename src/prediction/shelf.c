#include "prediction/shelf.h"

#include "base/mem.h"

#include <pthread.h>
#include <string.h>

typedef struct shelf_job {
    char job[NS_JOB_MAX];
    ns_shelf_set *set;
} shelf_job;

struct ns_shelf {
    pthread_mutex_t lock; /* guards everything below and the counts in the sets */
    shelf_job *jobs;      /* oldest first */
    size_t count;
    size_t bytes;
};

ns_shelf *ns_shelf_new(void)
{
    ns_shelf *shelf = NS_NEW(ns_shelf);
    if (shelf == NULL)
        return NULL;
    shelf->jobs = NS_NEW_ARRAY(shelf_job, NS_SHELF_JOBS);
    if (shelf->jobs == NULL) {
        ns_free(shelf);
        return NULL;
    }
    NS_CHECK(pthread_mutex_init(&shelf->lock, NULL) == 0);
    return shelf;
}

static void set_free(ns_shelf_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        ns_sketch_free((ns_sketch *)(uintptr_t)set->logs[i]);
    ns_free(set);
}

/* With the lock held. */
static void let_go(ns_shelf_set *set)
{
    NS_CHECK(set->users > 0);
    if (--set->users == 0)
        set_free(set);
}

static void remove_at(ns_shelf *shelf, size_t i)
{
    shelf->bytes -= shelf->jobs[i].set->bytes;
    let_go(shelf->jobs[i].set);
    shelf->count--;
    memmove(&shelf->jobs[i], &shelf->jobs[i + 1], (shelf->count - i) * sizeof shelf->jobs[0]);
}

void ns_shelf_free(ns_shelf *shelf)
{
    if (shelf == NULL)
        return;
    while (shelf->count > 0)
        remove_at(shelf, shelf->count - 1);
    (void)pthread_mutex_destroy(&shelf->lock);
    ns_free(shelf->jobs);
    ns_free(shelf);
}

/* Index of the job, or count. */
static size_t index_of(const ns_shelf *shelf, const char *jenkins_job)
{
    size_t i = 0;
    while (i < shelf->count && strcmp(shelf->jobs[i].job, jenkins_job) != 0)
        i++;
    return i;
}

static ns_shelf_set *set_of(ns_sketch *const *sketches, size_t n, bool wanted)
{
    ns_shelf_set *set = wanted && n > 0 ? NS_NEW(ns_shelf_set) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (set == NULL || i >= NS_SHELF_LOGS) {
            ns_sketch_free(sketches[i]);
            continue;
        }
        set->logs[set->count++] = sketches[i];
        set->bytes += sizeof(ns_sketch) + sketches[i]->count * sizeof(uint64_t);
    }
    if (set != NULL)
        set->users = 1;
    return set;
}

void ns_shelf_put(ns_shelf *shelf, const char *jenkins_job, ns_sketch *const *sketches, size_t n)
{
    ns_shelf_set *set = set_of(sketches, n, strlen(jenkins_job) < NS_JOB_MAX);
    (void)pthread_mutex_lock(&shelf->lock);
    size_t at = index_of(shelf, jenkins_job);
    if (at < shelf->count)
        remove_at(shelf, at);
    if (set != NULL) {
        while (shelf->count == NS_SHELF_JOBS || (shelf->count > 0 && shelf->bytes + set->bytes > NS_SHELF_BYTES))
            remove_at(shelf, 0);
        shelf_job *job = &shelf->jobs[shelf->count++];
        (void)ns_text_copy(job->job, sizeof job->job, ns_text_of(jenkins_job));
        job->set = set;
        shelf->bytes += set->bytes;
    }
    (void)pthread_mutex_unlock(&shelf->lock);
}

/* Copies of the newest ones behind the first; returns how many there are then. */
static size_t copy_behind(ns_shelf *shelf, const char *jenkins_job, ns_sketch *out[NS_SHELF_GREENS])
{
    size_t n = 1;
    ns_shelf_set *old = ns_shelf_borrow(shelf, jenkins_job);
    for (size_t i = 0; old != NULL && i < old->count && n < NS_SHELF_GREENS; i++) {
        out[n] = ns_sketch_copy(old->logs[i]);
        if (out[n] == NULL)
            break;
        n++;
    }
    ns_shelf_return(shelf, old);
    return n;
}

void ns_shelf_add(ns_shelf *shelf, const char *jenkins_job, ns_sketch *sketch)
{
    ns_sketch *newest_first[NS_SHELF_GREENS] = {sketch};
    size_t n = copy_behind(shelf, jenkins_job, newest_first);
    ns_shelf_put(shelf, jenkins_job, newest_first, n);
}

ns_shelf_set *ns_shelf_borrow(ns_shelf *shelf, const char *jenkins_job)
{
    ns_shelf_set *set = NULL;
    (void)pthread_mutex_lock(&shelf->lock);
    size_t at = index_of(shelf, jenkins_job);
    if (at < shelf->count) {
        set = shelf->jobs[at].set;
        set->users++;
    }
    (void)pthread_mutex_unlock(&shelf->lock);
    return set;
}

void ns_shelf_return(ns_shelf *shelf, ns_shelf_set *set)
{
    if (set == NULL)
        return;
    (void)pthread_mutex_lock(&shelf->lock);
    let_go(set);
    (void)pthread_mutex_unlock(&shelf->lock);
}
