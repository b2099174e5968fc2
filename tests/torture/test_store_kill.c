/*
 * Kills a process that writes to the store, at moments drawn from a printed seed, and demands that every row which was
 * reported committed is there afterwards, whole and once.
 *
 * usage: torture_store_kill [ROUNDS [SEED]]
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/sqlite_store.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS        20
#define ROUND_LIMIT_S 20

#define DEMAND(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "round %d, seed %llu: ", round_number, (unsigned long long)seed);                          \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static uint64_t seed;
static int round_number;
static char folder[256];
static char path[320];

/* ---- the victim ---- */

/* Sequence numbers start anew with every process, so the victim remembers which effect went out under which. */
#define RING 65536
static _Atomic int64_t effect_of[RING];
static _Atomic uint64_t reported;
static int report_fd;

static void on_committed(void *owner, uint64_t up_to)
{
    (void)owner;
    for (uint64_t n = atomic_load(&reported) + 1; n <= up_to; n++) {
        int64_t number = atomic_load(&effect_of[n % RING]);
        if (number > 0 && write(report_fd, &number, sizeof number) != sizeof number)
            _exit(3);
    }
    atomic_store(&reported, up_to);
}

static void key_of(int64_t number, char key[NS_KEY_MAX])
{
    (void)snprintf(key, NS_KEY_MAX, "%032llx", (unsigned long long)number);
}

static ns_status put_effect(ns_store *store, int64_t number, uint64_t expected)
{
    ns_effect_row row;
    memset(&row, 0, sizeof row);
    key_of(number, row.effect.key);
    row.effect.case_id = number;
    row.effect.attempt = 1;
    row.effect.action = NS_ACTION_retry_build;
    row.state = NS_CASE_intent;
    row.at_ms = number;
    (void)snprintf(row.effect.baseline, sizeof row.effect.baseline, "{\"number\":%lld}", (long long)number);
    atomic_store(&effect_of[expected % RING], number);
    uint64_t sequence = 0;
    ns_row any = {.kind = NS_ROW_effect, .of.effect = &row};
    ns_status status = store->put(store->self, &any, &sequence);
    if (status == NS_OK && sequence != expected)
        _exit(4);
    return status;
}

static ns_status put_telemetry(ns_store *store, ns_rng *rng, int64_t number)
{
    static char text[9000];
    ns_log_row log = {.jenkins_job = "shop/carts", .build = number / 500 + 1, .next_offset = number};
    memset(text, 'a' + (int)(number % 26), sizeof text);
    log.text = (ns_text){text, 1 + (size_t)ns_rng_below(rng, sizeof text)};
    ns_row any = {.kind = NS_ROW_log, .of.log = &log};
    uint64_t sequence;
    return store->put(store->self, &any, &sequence);
}

static void be_the_victim(int fd, int64_t from, uint64_t victim_seed)
{
    ns_store store;
    ns_error err;
    ns_rng rng;
    report_fd = fd;
    ns_rng_seed(&rng, victim_seed);
    /* A small limit and quick housekeeping, so that deaths also fall into checkpoints and clearing out. */
    ns_store_options options = {
        .path = path, .committed = on_committed, .max_bytes = 4 << 20, .batch_ms = 2, .tidy_ms = 3};
    if (ns_sqlite_store_open(&options, &store, &err) != NS_OK) {
        fprintf(stderr, "%s\n", err.text);
        _exit(5);
    }
    uint64_t sequence = 1;
    for (int64_t number = from;; number++) {
        for (ns_status status = NS_BUSY; status != NS_OK; (void)usleep(200)) {
            if (sequence - atomic_load(&reported) < RING / 2)
                status = put_effect(&store, number, sequence);
            if (status == NS_CORRUPT)
                _exit(6);
        }
        sequence++;
        for (uint64_t i = ns_rng_below(&rng, 4); i > 0; i--) {
            atomic_store(&effect_of[sequence % RING], 0);
            if (put_telemetry(&store, &rng, number) == NS_OK)
                sequence++;
        }
    }
}

/* ---- the judge ---- */

/* Everything the victim managed to say; the largest number, which stands for all below it. */
static int64_t hear(int fd, int64_t until_ns, pid_t victim)
{
    int64_t highest = 0, number;
    bool killed = false;
    for (;;) {
        if (!killed && ns_monotonic_ns() >= until_ns && highest > 0) {
            killed = true;
            DEMAND(kill(victim, SIGKILL) == 0, "kill: %s", strerror(errno));
        }
        ssize_t n = read(fd, &number, sizeof number);
        if (n == 0)
            return highest;
        DEMAND(n == sizeof number, "a report of %zd bytes", n);
        DEMAND(highest == 0 || number == highest + 1, "%lld was reported after %lld", (long long)number,
               (long long)highest);
        highest = number;
    }
}

typedef struct effect_tally {
    int64_t next; /* the number expected now */
} effect_tally;

static bool check_effect(void *owner, const ns_row *row, int64_t cursor)
{
    effect_tally *tally = owner;
    char key[NS_KEY_MAX];
    (void)cursor;
    key_of(tally->next, key);
    DEMAND(strcmp(row->of.effect->effect.key, key) == 0 && row->of.effect->at_ms == tally->next,
           "effect %lld is missing or stands twice: found key %s", (long long)tally->next, row->of.effect->effect.key);
    tally->next++;
    return true;
}

static int64_t check_store(int64_t acknowledged)
{
    ns_store store;
    ns_error err = {0};
    ns_store_options options = {.path = path};
    int64_t start_ns = ns_monotonic_ns();
    DEMAND(ns_sqlite_store_open(&options, &store, &err) == NS_OK, "reopening: %s", err.text);
    int64_t open_ms = (ns_monotonic_ns() - start_ns) / 1000000;
    effect_tally tally = {1};
    for (int64_t before = 0; before != tally.next;) {
        before = tally.next;
        ns_row_query query = {.kind = NS_ROW_effect, .oldest_first = true, .limit = 1000, .after = tally.next - 1};
        DEMAND(store.list(store.self, &query, check_effect, &tally, &err) == NS_OK, "reading: %s", err.text);
    }
    DEMAND(tally.next > acknowledged, "effect %lld was reported committed, the last one there is %lld",
           (long long)acknowledged, (long long)tally.next - 1);
    store.free(store.self);
    printf("round %2d: %lld reported, %lld there, opened in %lld ms\n", round_number, (long long)acknowledged,
           (long long)tally.next - 1, (long long)open_ms);
    return tally.next;
}

static int64_t play(int64_t from, ns_rng *rng)
{
    int pipe_fds[2];
    DEMAND(pipe(pipe_fds) == 0, "pipe: %s", strerror(errno));
    uint64_t victim_seed = ns_rng_u64(rng);
    int64_t live_ns = (int64_t)ns_rng_below(rng, 400) * 1000000;
    (void)fflush(NULL);
    pid_t victim = fork();
    DEMAND(victim >= 0, "fork: %s", strerror(errno));
    if (victim == 0) {
        (void)close(pipe_fds[0]);
        be_the_victim(pipe_fds[1], from, victim_seed);
    }
    (void)close(pipe_fds[1]);
    (void)alarm(ROUND_LIMIT_S);
    int64_t acknowledged = hear(pipe_fds[0], ns_monotonic_ns() + live_ns, victim);
    (void)close(pipe_fds[0]);
    int how = 0;
    DEMAND(waitpid(victim, &how, 0) == victim, "waitpid: %s", strerror(errno));
    DEMAND(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "the victim ended by itself: status %d", how);
    return check_store(acknowledged);
}

static void remove_files(void)
{
    const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < NS_COUNT_OF(endings); i++) {
        char name[400];
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
    seed = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 10) : (uint64_t)ns_monotonic_ns();
    printf("%d rounds, seed %llu\n", rounds, (unsigned long long)seed);
    (void)snprintf(folder, sizeof folder, "/tmp/ns-kill-XXXXXX");
    DEMAND(mkdtemp(folder) != NULL, "mkdtemp: %s", strerror(errno));
    (void)snprintf(path, sizeof path, "%s/neuroshield.db", folder);
    ns_rng rng;
    ns_rng_seed(&rng, seed);
    int64_t next = 1;
    for (round_number = 1; round_number <= rounds; round_number++)
        next = play(next, &rng);
    remove_files();
    return 0;
}
