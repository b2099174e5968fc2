#include "tensor/crew.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LOOKS = 1000 }; /* about 20 to 50 microseconds */

struct ns_crew {
    size_t size;
    ns_crew_work work; /* written by the owner before `rounds` grows */
    void *self;
    bool leave;
    atomic_uint rounds;  /* pieces of work handed out */
    atomic_uint arrived; /* at the present meeting */
    atomic_uint met;     /* meetings that are over */
    pthread_t helpers[NS_CREW_MAX];
    struct helper {
        ns_crew *crew;
        size_t rank;
    } helper[NS_CREW_MAX];
};

static void look_again(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Until *word is no longer `old`. */
static void await(atomic_uint *word, unsigned old)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old)
            return;
        look_again();
    }
    while (atomic_load_explicit(word, memory_order_acquire) == old)
        (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

static void wake_all(atomic_uint *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void ns_crew_meet(ns_crew *crew)
{
    if (crew->size == 1)
        return;
    const unsigned now = atomic_load_explicit(&crew->met, memory_order_acquire);
    if (atomic_fetch_add_explicit(&crew->arrived, 1, memory_order_acq_rel) + 1 < crew->size) {
        await(&crew->met, now);
        return;
    }
    atomic_store_explicit(&crew->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&crew->met, now + 1, memory_order_release);
    wake_all(&crew->met);
}

static void *help(void *of)
{
    struct helper *me = of;
    ns_crew *crew = me->crew;
    for (unsigned seen = 0;; seen++) {
        await(&crew->rounds, seen);
        if (crew->leave)
            return NULL;
        crew->work(crew->self, me->rank);
        ns_crew_meet(crew);
    }
}

void ns_crew_run(ns_crew *crew, ns_crew_work work, void *self)
{
    if (crew->size > 1) {
        crew->work = work;
        crew->self = self;
        atomic_fetch_add_explicit(&crew->rounds, 1, memory_order_release);
        wake_all(&crew->rounds);
    }
    work(self, 0);
    ns_crew_meet(crew);
}

/* Helpers take no signals: those are the loop's. */
static int start(ns_crew *crew, size_t rank)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    crew->helper[rank] = (struct helper){crew, rank};
    const int why = pthread_create(&crew->helpers[rank], NULL, help, &crew->helper[rank]);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (why == 0)
        (void)pthread_setname_np(crew->helpers[rank], "crew");
    return why;
}

static void dismiss(ns_crew *crew, size_t started)
{
    crew->leave = true;
    atomic_fetch_add_explicit(&crew->rounds, 1, memory_order_release);
    wake_all(&crew->rounds);
    for (size_t rank = 1; rank < started; rank++)
        (void)pthread_join(crew->helpers[rank], NULL);
    ns_free(crew);
}

ns_status ns_crew_new(size_t size, ns_crew **out, ns_error *err)
{
    NS_CHECK(size >= 1 && size <= NS_CREW_MAX);
    ns_crew *crew = NS_NEW(ns_crew);
    if (crew == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for %zu threads", size);
    crew->size = size;
    for (size_t rank = 1; rank < size; rank++) {
        const int why = start(crew, rank);
        if (why != 0) {
            dismiss(crew, rank);
            return ns_fail(err, NS_IO, "thread %zu of %zu cannot be started: %s", rank + 1, size, strerror(why));
        }
    }
    *out = crew;
    return NS_OK;
}

void ns_crew_free(ns_crew *crew)
{
    if (crew != NULL)
        dismiss(crew, crew->size);
}

size_t ns_crew_size(const ns_crew *crew)
{
    return crew->size;
}
