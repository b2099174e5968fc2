#include "prediction/sketch_cache.h"

#include "base/mem.h"
#include "base/unpack.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BUCKETS = 4096, IDENTITIES_MAX = 65536, RACY_S = 2, DIGEST = 16 };

typedef struct entry {
    struct entry *next;  /* of its bucket */
    struct entry *newer; /* in the order they were made */
    uint8_t digest[DIGEST];
    ns_sketch *sketch;
    int users;
} entry;

typedef struct identity {
    struct identity *next;
    struct stat file; /* dev, ino, size, mtim, ctim count */
    uint8_t digest[DIGEST];
} identity;

struct ns_sketch_cache {
    pthread_mutex_t lock; /* guards everything below */
    size_t ceiling, bytes;
    entry *bucket[BUCKETS];
    entry *oldest, *newest;
    identity *files[BUCKETS];
    size_t file_count;
};

ns_sketch_cache *ns_sketch_cache_new(size_t ceiling)
{
    ns_sketch_cache *cache = NS_NEW(ns_sketch_cache);
    if (cache == NULL)
        return NULL;
    cache->ceiling = ceiling;
    NS_CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    return cache;
}

static size_t bytes_of(const entry *one)
{
    return sizeof *one + sizeof *one->sketch + one->sketch->count * sizeof(uint64_t);
}

static void forget_files(ns_sketch_cache *cache)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (cache->files[i] != NULL) {
            identity *gone = cache->files[i];
            cache->files[i] = gone->next;
            ns_free(gone);
        }
    }
    cache->file_count = 0;
}

static void drop(ns_sketch_cache *cache, entry *older, entry *one)
{
    entry **at = &cache->bucket[one->digest[0] | (one->digest[1] & 15) << 8];
    while (*at != one)
        at = &(*at)->next;
    *at = one->next;
    if (older == NULL)
        cache->oldest = one->newer;
    else
        older->newer = one->newer;
    if (cache->newest == one)
        cache->newest = older;
    cache->bytes -= bytes_of(one);
    ns_sketch_free(one->sketch);
    ns_free(one);
}

void ns_sketch_cache_free(ns_sketch_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->oldest != NULL) {
        NS_CHECK(cache->oldest->users == 0);
        drop(cache, NULL, cache->oldest);
    }
    forget_files(cache);
    (void)pthread_mutex_destroy(&cache->lock);
    ns_free(cache);
}

/* ---- with the lock held ---- */

static entry *find(const ns_sketch_cache *cache, const uint8_t digest[DIGEST])
{
    entry *one = cache->bucket[digest[0] | (digest[1] & 15) << 8];
    while (one != NULL && memcmp(one->digest, digest, DIGEST) != 0)
        one = one->next;
    return one;
}

static size_t file_bucket(const struct stat *file)
{
    return (size_t)((uint64_t)file->st_ino * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static const identity *find_file(const ns_sketch_cache *cache, const struct stat *file)
{
    const identity *one = cache->files[file_bucket(file)];
    while (one != NULL && !(one->file.st_ino == file->st_ino && one->file.st_dev == file->st_dev &&
                            one->file.st_size == file->st_size && same_time(&one->file.st_mtim, &file->st_mtim) &&
                            same_time(&one->file.st_ctim, &file->st_ctim)))
        one = one->next;
    return one;
}

/* Without memory the file is simply read again. */
static void note_file(ns_sketch_cache *cache, const struct stat *file, const uint8_t digest[DIGEST])
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (!S_ISREG(file->st_mode) || now.tv_sec - file->st_ctim.tv_sec <= RACY_S ||
        now.tv_sec - file->st_mtim.tv_sec <= RACY_S || find_file(cache, file) != NULL)
        return;
    if (cache->file_count == IDENTITIES_MAX)
        forget_files(cache);
    identity *one = NS_NEW(identity);
    if (one == NULL)
        return;
    one->file = *file;
    memcpy(one->digest, digest, DIGEST);
    one->next = cache->files[file_bucket(file)];
    cache->files[file_bucket(file)] = one;
    cache->file_count++;
}

static void make_room(ns_sketch_cache *cache)
{
    entry *older = NULL;
    for (entry *one = cache->oldest; one != NULL && cache->bytes > cache->ceiling;) {
        entry *newer = one->newer;
        if (one->users == 0)
            drop(cache, older, one);
        else
            older = one;
        one = newer;
    }
}

static entry *insert(ns_sketch_cache *cache, const uint8_t digest[DIGEST], ns_sketch *sketch)
{
    entry *one = NS_NEW(entry);
    if (one == NULL)
        return NULL;
    memcpy(one->digest, digest, DIGEST);
    one->sketch = sketch;
    one->next = cache->bucket[digest[0] | (digest[1] & 15) << 8];
    cache->bucket[digest[0] | (digest[1] & 15) << 8] = one;
    if (cache->newest == NULL)
        cache->oldest = one;
    else
        cache->newest->newer = one;
    cache->newest = one;
    cache->bytes += bytes_of(one);
    return one;
}

/* ---- without it ---- */

static const ns_sketch *known_file(ns_sketch_cache *cache, const struct stat *file)
{
    (void)pthread_mutex_lock(&cache->lock);
    const identity *which = find_file(cache, file);
    entry *one = which == NULL ? NULL : find(cache, which->digest);
    if (one != NULL)
        one->users++;
    (void)pthread_mutex_unlock(&cache->lock);
    return one == NULL ? NULL : one->sketch;
}

static const ns_sketch *known_text(ns_sketch_cache *cache, const struct stat *file, const uint8_t digest[DIGEST])
{
    (void)pthread_mutex_lock(&cache->lock);
    entry *one = find(cache, digest);
    if (one != NULL) {
        one->users++;
        note_file(cache, file, digest);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return one == NULL ? NULL : one->sketch;
}

static const ns_sketch *put(ns_sketch_cache *cache, const struct stat *file, const uint8_t digest[DIGEST],
                            ns_sketch *made)
{
    (void)pthread_mutex_lock(&cache->lock);
    entry *one = find(cache, digest); /* somebody else may have been quicker */
    if (one != NULL || (one = insert(cache, digest, made)) == NULL)
        ns_sketch_free(made);
    if (one != NULL) {
        one->users++;
        note_file(cache, file, digest);
        make_room(cache);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return one == NULL ? NULL : one->sketch;
}

ns_status ns_sketch_cache_get(ns_sketch_cache *cache, const char *path, const ns_sketch **out, ns_error *err)
{
    struct stat file = {0};
    if (stat(path, &file) == 0 && (*out = known_file(cache, &file)) != NULL)
        return NS_OK;
    uint8_t digest[DIGEST];
    ns_buf text;
    ns_buf_init(&text, 0);
    ns_status status = ns_log_file_read(path, NS_LOG_FILE_MAX, &text, err);
    if (status != NS_OK)
        return status;
    (void)crypto_generichash(digest, sizeof digest, (const uint8_t *)text.at, text.len, NULL, 0);
    const ns_sketch *found = known_text(cache, &file, digest);
    if (found == NULL) {
        ns_sketch *made = ns_sketch_of_log(ns_buf_view(&text));
        found = made == NULL ? NULL : put(cache, &file, digest, made);
    }
    ns_buf_clear(&text);
    if (found == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for its templates", path);
    *out = found;
    return NS_OK;
}

void ns_sketch_cache_return(ns_sketch_cache *cache, const ns_sketch *sketch)
{
    (void)pthread_mutex_lock(&cache->lock);
    entry *one = cache->oldest;
    while (one != NULL && one->sketch != sketch)
        one = one->newer;
    NS_CHECK(one != NULL && one->users > 0);
    one->users--;
    make_room(cache);
    (void)pthread_mutex_unlock(&cache->lock);
}
