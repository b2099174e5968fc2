/*
 * A trainer's state in a file:
 *   1. the head below, as it lies in memory of a little-endian machine (no gaps: checked);
 *   2. weights, first moments, second moments: `count` floats each;
 *   3. FNV-1a of all before it, 8 bytes.
 */
#include "prediction/trainer_inner.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = {'N', 'S', 'T', 'R', 'A', 'I', 'N', '1'};

typedef struct checkpoint_head {
    char magic[8];
    uint64_t family, vocabulary, positions, segments, channels, heads, layers, feed_forward, labels;
    uint64_t count, threads, type, seed, steps;
    ns_train_place place;
} checkpoint_head;

_Static_assert(sizeof(checkpoint_head) == 8 * (1 + 9 + 5 + NS_TRAIN_PLACE), "a checkpoint's head has no gaps");

static checkpoint_head head_of(const ns_trainer *t, const ns_train_place *place)
{
    const ns_encoder_config *c = &t->params->config;
    checkpoint_head head = {
        .family = (uint64_t)c->family,
        .vocabulary = c->vocabulary,
        .positions = c->positions,
        .segments = c->segments,
        .channels = c->channels,
        .heads = c->heads,
        .layers = c->layers,
        .feed_forward = c->feed_forward,
        .labels = c->labels,
        .count = t->params->count,
        .threads = t->options.threads,
        .type = (uint64_t)t->type,
        .seed = t->options.seed,
        .steps = (uint64_t)t->steps,
        .place = *place,
    };
    memcpy(head.magic, magic, sizeof magic);
    return head;
}

static size_t file_bytes(const ns_trainer *t)
{
    return sizeof(checkpoint_head) + 3 * t->params->count * sizeof(float) + sizeof(uint64_t);
}

ns_status ns_trainer_save(const ns_trainer *t, const char *path, const ns_train_place *place, ns_error *err)
{
    const size_t bytes = file_bytes(t), block = t->params->count * sizeof(float);
    char *content = ns_alloc(bytes, 1);
    if (content == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for a checkpoint of %zu MB", path, bytes >> 20);
    const checkpoint_head head = head_of(t, place);
    char *at = content;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    memcpy(at, t->params->block, block);
    memcpy(at + block, t->first, block);
    memcpy(at + 2 * block, t->second, block);
    const uint64_t sum = ns_hash((ns_text){content, bytes - sizeof sum});
    memcpy(content + bytes - sizeof sum, &sum, sizeof sum);
    const ns_status status = ns_file_replace(path, (ns_text){content, bytes}, 0644, err);
    ns_free(content);
    return status;
}

/* Of what this trainer is, nothing may differ: an exact continuation was promised. */
static ns_status check_head(const ns_trainer *t, const checkpoint_head *head, const char *path, ns_error *err)
{
    const checkpoint_head own = head_of(t, &head->place);
    if (memcmp(&head->family, &own.family, 10 * sizeof(uint64_t)) != 0)
        return ns_fail(err, NS_CORRUPT,
                       "%s: a checkpoint of another encoder (%llu layers of %llu, %llu pieces); remove it or choose "
                       "another --out",
                       path, (unsigned long long)head->layers, (unsigned long long)head->channels,
                       (unsigned long long)head->vocabulary);
    if (head->threads != own.threads || head->type != own.type || head->seed != own.seed)
        return ns_fail(err, NS_CORRUPT,
                       "%s: begun with seed %llu, %llu threads, %s; go on with the same, or remove it to begin anew",
                       path, (unsigned long long)head->seed, (unsigned long long)head->threads,
                       head->type == NS_OPERAND_bf16 ? "bf16" : "f32");
    return NS_OK;
}

static ns_status take(ns_trainer *t, ns_text content, const char *path, ns_train_place *place, ns_error *err)
{
    checkpoint_head head;
    uint64_t sum;
    if (content.len < sizeof head + sizeof sum || memcmp(content.at, magic, sizeof magic) != 0)
        return ns_fail(err, NS_CORRUPT, "%s: not a checkpoint of a trainer, or cut off; remove it to begin anew", path);
    memcpy(&head, content.at, sizeof head);
    memcpy(&sum, content.at + content.len - sizeof sum, sizeof sum);
    if (sum != ns_hash((ns_text){content.at, content.len - sizeof sum}))
        return ns_fail(err, NS_CORRUPT, "%s: damaged (its check sum differs); remove it to begin anew", path);
    const ns_status status = check_head(t, &head, path, err);
    if (status != NS_OK)
        return status;
    if (content.len != file_bytes(t))
        return ns_fail(err, NS_CORRUPT, "%s: has %zu bytes where %zu belong; remove it to begin anew", path,
                       content.len, file_bytes(t));
    const size_t block = t->params->count * sizeof(float);
    const char *at = content.at + sizeof head;
    memcpy(t->params->block, at, block);
    memcpy(t->first, at + block, block);
    memcpy(t->second, at + 2 * block, block);
    t->steps = (int64_t)head.steps;
    *place = head.place;
    ns_trainer_refresh(t);
    return NS_OK;
}

ns_status ns_trainer_load(ns_trainer *t, const char *path, ns_train_place *place, ns_error *err)
{
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return ns_fail(err, NS_NOT_FOUND, "%s: there is no checkpoint", path);
    ns_buf content;
    ns_buf_init(&content, file_bytes(t) + 4096);
    ns_status status = ns_file_read(path, file_bytes(t) + 4096, &content, err);
    if (status == NS_TOO_LARGE)
        status =
            ns_fail(err, NS_CORRUPT, "%s: larger than a checkpoint of this encoder; remove it to begin anew", path);
    if (status == NS_OK)
        status = take(t, ns_buf_view(&content), path, place, err);
    ns_buf_clear(&content);
    return status;
}
