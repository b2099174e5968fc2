/*
 * Preloaded into the real program (LD_PRELOAD): kills it with SIGKILL exactly before or after a chosen system call, so
 * that the program itself needs no hooks. NS_KILL_AT is WHAT:WHEN:COUNT:TEXT or WHAT:WHEN:COUNT:TEXT@LINE
 *
 *     WHAT   line   a line on stderr that holds TEXT
 *            send   bytes to a socket that hold TEXT (a request as it leaves)
 *            reply  the first bytes read from the socket to which such a request went
 *            write  bytes written into a file that hold TEXT
 *            sync   a sync of a file to disk after such bytes
 *     WHEN   before | after | a number of microseconds that it lives on from there
 *     COUNT  which of them, from 1
 *     TEXT   texts with & between them, all of which must be there; one that begins with ! must not be; of each,
 *            alternatives with | between them. {key} stands for a key that such a LINE told (key=...)
 *     LINE   the same for lines on stderr: only what comes after one counts
 *
 * Before it kills it writes the key into the file that NS_KILL_NOTE names (of the line that was met when there is no
 * LINE): by it a test knows that the point was reached, and whose it was.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { TEXT_MAX = 240, KEY_LEN = 32, KEYS_MAX = 256 };

typedef struct point {
    char what[8], when[8], text[TEXT_MAX];
    char line[TEXT_MAX]; /* "" none */
    long count;
} point;

static point wanted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards seen, keys, key */
static long seen;
static char keys[KEYS_MAX][KEY_LEN]; /* of the lines that were waited for */
static int key_count;
static char key[KEY_LEN]; /* the one that was met last */
static int request_fd = -1;
static int begun; /* the line that is waited for was written, or none is */
static int armed; /* what sync waits for was written */

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_send)(int, const void *, size_t, int);
static ssize_t (*real_recv)(int, void *, size_t, int);
static int (*real_close)(int);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

static int is(const char *what)
{
    return strcmp(wanted.what, what) == 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("NS_KILL_AT");
    *(void **)&real_write = find("write");
    *(void **)&real_pwrite = find("pwrite64");
    *(void **)&real_send = find("send");
    *(void **)&real_recv = find("recv");
    *(void **)&real_close = find("close");
    *(void **)&real_fdatasync = find("fdatasync");
    *(void **)&real_fsync = find("fsync");
    if (text == NULL)
        return;
    if (strlen(text) >= TEXT_MAX ||
        sscanf(text, "%7[^:]:%7[^:]:%ld:%239[^\n]", wanted.what, wanted.when, &wanted.count, wanted.text) != 4)
        abort(); /* a test that cannot kill must not pass */
    char *line = strchr(wanted.text, '@');
    if (line != NULL) {
        (void)snprintf(wanted.line, sizeof wanted.line, "%s", line + 1);
        *line = '\0';
    }
    begun = line == NULL;
}

static int holds_key(const void *bytes, size_t len)
{
    int there = 0;
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i < key_count && !there; i++) {
        there = memmem(bytes, len, keys[i], KEY_LEN) != NULL;
        if (there)
            memcpy(key, keys[i], KEY_LEN);
    }
    (void)pthread_mutex_unlock(&lock);
    return there;
}

static int holds(const void *bytes, size_t len, const char *pattern)
{
    for (const char *part = pattern;;) {
        size_t part_len = strcspn(part, "&");
        int absent = part[0] == '!', found = 0;
        for (size_t at = (size_t)absent; !found;) {
            size_t n = strcspn(part + at, "|&");
            found = n == 5 && memcmp(part + at, "{key}", n) == 0 ? holds_key(bytes, len)
                                                                 : memmem(bytes, len, part + at, n) != NULL;
            at += n + 1;
            if (at > part_len)
                break;
        }
        if (found == absent)
            return 0;
        if (part[part_len] == '\0')
            return 1;
        part += part_len + 1;
    }
}

static void leave_note(void)
{
    const char *path = getenv("NS_KILL_NOTE");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || real_write(fd, key, KEY_LEN) != KEY_LEN)
        abort();
    (void)real_close(fd);
}

static void die(void)
{
    leave_note();
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause(); /* not one step further on this thread */
}

static void *die_soon(void *unused)
{
    (void)usleep((useconds_t)atol(wanted.when));
    die();
    return unused;
}

/* What was waited for has happened. */
static void happened(void)
{
    pthread_t thread;
    if (strcmp(wanted.when, "after") == 0)
        die();
    if (pthread_create(&thread, NULL, die_soon, NULL) != 0)
        abort();
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

static int has_begun(void)
{
    return __atomic_load_n(&begun, __ATOMIC_SEQ_CST);
}

static void remember_key(const void *bytes, size_t len)
{
    const char *at = memmem(bytes, len, " key=", 5);
    (void)pthread_mutex_lock(&lock);
    if (at != NULL && (size_t)(at + 5 - (const char *)bytes) + KEY_LEN <= len && key_count < KEYS_MAX) {
        memcpy(key, at + 5, KEY_LEN);
        memcpy(keys[key_count++], key, KEY_LEN);
    }
    (void)pthread_mutex_unlock(&lock);
}

/* A line that is waited for: what comes after it counts. */
static void look_for_line(const void *bytes, size_t len)
{
    if (wanted.line[0] == '\0' || !holds(bytes, len, wanted.line))
        return;
    remember_key(bytes, len);
    __atomic_store_n(&begun, 1, __ATOMIC_SEQ_CST);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fd != STDERR_FILENO)
        return real_write(fd, bytes, len);
    int met = is("line") && has_begun() && holds(bytes, len, wanted.text);
    if (met && wanted.line[0] == '\0')
        remember_key(bytes, len);
    int the_one = met ? meet() : 0;
    ssize_t n = real_write(fd, bytes, len);
    if (the_one)
        happened();
    look_for_line(bytes, len);
    return n;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    int row = (is("write") || is("sync")) && has_begun() && holds(bytes, len, wanted.text);
    int the_one = row && is("write") ? meet() : 0;
    ssize_t n = real_pwrite(fd, bytes, len, at);
    if (the_one)
        happened();
    if (row)
        __atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
    return n;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    int request = (is("send") || is("reply")) && has_begun() && holds(bytes, len, wanted.text);
    int the_one = request && is("send") ? meet() : 0;
    ssize_t n = real_send(fd, bytes, len, flags);
    if (the_one)
        happened();
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
        happened();
    return n;
}

/* No reply comes on a connection that is given up; its number may be another's next. */
int close(int fd)
{
    int expected = fd;
    (void)__atomic_compare_exchange_n(&request_fd, &expected, -1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return real_close(fd);
}

static int sync_with(int (*real)(int), int fd)
{
    int the_one = is("sync") && __atomic_load_n(&armed, __ATOMIC_SEQ_CST) ? meet() : 0;
    int rc = real(fd);
    if (the_one)
        happened();
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
