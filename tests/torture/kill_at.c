/*
 * Preloaded into the real program (LD_PRELOAD): kills it with SIGKILL exactly before or after a chosen system call, so
 * that the program itself needs no hooks. NS_KILL_AT is WHAT:WHEN:COUNT:TEXT
 *
 *     WHAT   line   a line on stderr that holds TEXT
 *            send   bytes to a socket that hold TEXT (a request as it leaves)
 *            reply  the first bytes read from the socket to which such a request went
 *            sync   a sync of a file to disk, after a line that holds TEXT was written
 *     WHEN   before | after
 *     COUNT  which of them, from 1
 *     TEXT   may be two texts with & between them: both must be there; of the second, alternatives with | between them
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct point {
    char what[8], when[8], text[200], also[200];
    long count;
} point;

static point wanted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards seen */
static long seen;
static int request_fd = -1;
static int armed; /* the line that sync waits for was written */

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_recv)(int, void *, size_t, int);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("NS_KILL_AT");
    *(void **)&real_write = find("write");
    *(void **)&real_send = find("send");
    *(void **)&real_recv = find("recv");
    *(void **)&real_fdatasync = find("fdatasync");
    *(void **)&real_fsync = find("fsync");
    if (text != NULL &&
        sscanf(text, "%7[^:]:%7[^:]:%ld:%199[^\n]", wanted.what, wanted.when, &wanted.count, wanted.text) != 4)
        abort(); /* a test that cannot kill must not pass */
    char *more = strchr(wanted.text, '&');
    if (more != NULL) {
        (void)snprintf(wanted.also, sizeof wanted.also, "%s", more + 1);
        *more = '\0';
    }
}

static int is(const char *what)
{
    return strcmp(wanted.what, what) == 0;
}

static int holds(const void *bytes, size_t len)
{
    if (memmem(bytes, len, wanted.text, strlen(wanted.text)) == NULL)
        return 0;
    for (const char *also = wanted.also;;) {
        size_t n = strcspn(also, "|");
        if (memmem(bytes, len, also, n) != NULL)
            return 1;
        if (also[n] == '\0')
            return 0;
        also += n + 1;
    }
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause(); /* not one step further on this thread */
}

/* One more of what is waited for. When it is the one: dies if the moment is before, else returns true. */
static int meet(void)
{
    (void)pthread_mutex_lock(&lock);
    int the_one = ++seen == wanted.count;
    (void)pthread_mutex_unlock(&lock);
    if (the_one && strcmp(wanted.when, "before") == 0)
        die();
    return the_one;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    int line = fd == STDERR_FILENO && (is("line") || is("sync")) && holds(bytes, len);
    int the_one = line && is("line") ? meet() : 0;
    ssize_t n = real_write(fd, bytes, len);
    if (the_one)
        die();
    if (line && is("sync"))
        __atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
    return n;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    int request = (is("send") || is("reply")) && holds(bytes, len);
    int the_one = request && is("send") ? meet() : 0;
    ssize_t n = real_send(fd, bytes, len, flags);
    if (the_one)
        die();
    if (request && is("reply"))
        __atomic_store_n(&request_fd, fd, __ATOMIC_SEQ_CST);
    return n;
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    if (!is("reply") || fd != __atomic_load_n(&request_fd, __ATOMIC_SEQ_CST))
        return real_recv(fd, bytes, len, flags);
    char peeked;
    if (real_recv(fd, &peeked, 1, MSG_PEEK | MSG_DONTWAIT) < 1)
        return real_recv(fd, bytes, len, flags); /* nothing has come yet */
    __atomic_store_n(&request_fd, -1, __ATOMIC_SEQ_CST);
    int the_one = meet();
    ssize_t n = real_recv(fd, bytes, len, flags);
    if (the_one)
        die();
    return n;
}

static int sync_with(int (*real)(int), int fd)
{
    int the_one = is("sync") && __atomic_load_n(&armed, __ATOMIC_SEQ_CST) ? meet() : 0;
    int rc = real(fd);
    if (the_one)
        die();
    return rc;
}

int fdatasync(int fd)
{
    return sync_with(real_fdatasync, fd);
}

int fsync(int fd)
{
    return sync_with(real_fsync, fd);
}
