#include "lab/sequences.h"

#include "base/mem.h"

#include <string.h>

void ns_sequences_init(ns_sequences *s, size_t ceiling)
{
    NS_CHECK(ceiling < (size_t)INT32_MAX);
    *s = (ns_sequences){.ceiling = ceiling};
}

void ns_sequences_clear(ns_sequences *s)
{
    ns_free(s->ids);
    ns_free(s->starts);
    ns_free(s->labels);
    ns_free(s->units);
    *s = (ns_sequences){.ceiling = s->ceiling};
}

/* More room for `wanted` elements of an array; the array stays where it is when there is no memory. */
static bool grow(void **array, size_t *room, size_t wanted, size_t bytes)
{
    if (wanted <= *room)
        return true;
    size_t more = *room < 1024 ? 1024 : *room * 2;
    more = more < wanted ? wanted : more;
    void *moved = ns_realloc(*array, more, bytes);
    if (moved == NULL)
        return false;
    *array = moved;
    *room = more;
    return true;
}

/* starts and labels grow together. */
static bool grow_sequences(ns_sequences *s, size_t wanted)
{
    if (wanted + 1 <= s->room)
        return true;
    const size_t more = s->room < 1024 ? 1024 : s->room * 2;
    uint32_t *starts = ns_realloc(s->starts, more, sizeof *starts);
    if (starts == NULL)
        return false;
    s->starts = starts;
    ns_train_label *labels = ns_realloc(s->labels, more, sizeof *labels);
    if (labels == NULL)
        return false;
    s->labels = labels;
    s->room = more;
    return true;
}

ns_status ns_sequences_add(ns_sequences *s, const int32_t *ids, size_t count, const ns_train_label *label,
                           bool new_unit, ns_error *err)
{
    NS_CHECK(count > 0 && (new_unit || s->count > 0));
    if (s->id_count + count > s->ceiling)
        return ns_fail(err, NS_TOO_LARGE, "more than %zu tokens to train on", s->ceiling);
    void *id_array = s->ids, *unit_array = s->units;
    const bool ids_ok = grow(&id_array, &s->id_room, s->id_count + count, sizeof *s->ids);
    s->ids = id_array;
    const bool units_ok = grow(&unit_array, &s->unit_room, s->unit_count + 1, sizeof *s->units);
    s->units = unit_array;
    if (!ids_ok || !units_ok || !grow_sequences(s, s->count + 1))
        return ns_fail(err, NS_NO_MEMORY, "no memory for %zu tokens to train on", s->id_count + count);
    if (new_unit)
        s->units[s->unit_count++] = (uint32_t)s->count;
    memcpy(s->ids + s->id_count, ids, count * sizeof *ids);
    s->starts[s->count] = (uint32_t)s->id_count;
    s->labels[s->count] = label != NULL ? *label : (ns_train_label){.cause = NS_IGNORE, .log = -1};
    s->id_count += count;
    s->starts[++s->count] = (uint32_t)s->id_count;
    return NS_OK;
}

/* --- the loader --- */

/* Room for one micro-batch. */
typedef struct pack {
    int32_t *ids, *masked_rows, *masked_ids;
    uint32_t *starts;
    ns_train_label *labels;
} pack;

struct ns_sequence_loader {
    const ns_sequences *data;
    ns_masking masking;
    ns_train_limits limits;
    size_t batches;
    uint64_t seed;
    ns_sequence_place place;
    uint32_t *order; /* of units in this pass */
    uint64_t ordered_pass;
    bool ordered;
    pack *packs;
    ns_train_batch *out;
};

static size_t unit_end(const ns_sequences *s, size_t unit)
{
    return unit + 1 < s->unit_count ? s->units[unit + 1] : s->count;
}

static ns_status check_units(const ns_sequences *s, const ns_train_limits *limits, ns_error *err)
{
    if (s->unit_count == 0)
        return ns_fail(err, NS_BAD_INPUT, "there is nothing to train on");
    for (size_t u = 0; u < s->unit_count; u++) {
        const size_t from = s->units[u], to = unit_end(s, u);
        if (to - from > limits->sequences || s->starts[to] - s->starts[from] > limits->rows)
            return ns_fail(err, NS_BAD_INPUT, "%zu sequences of %u tokens do not fit a micro-batch", to - from,
                           s->starts[to] - s->starts[from]);
        for (size_t i = from; i < to; i++)
            if (s->starts[i + 1] - s->starts[i] > limits->longest)
                return ns_fail(err, NS_BAD_INPUT, "a sequence of %u tokens is longer than %zu",
                               s->starts[i + 1] - s->starts[i], limits->longest);
    }
    return NS_OK;
}

static bool make_packs(ns_sequence_loader *l)
{
    for (size_t i = 0; i < l->batches; i++) {
        pack *p = &l->packs[i];
        p->ids = NS_NEW_ARRAY(int32_t, l->limits.rows);
        p->masked_rows = NS_NEW_ARRAY(int32_t, l->limits.masked);
        p->masked_ids = NS_NEW_ARRAY(int32_t, l->limits.masked);
        p->starts = NS_NEW_ARRAY(uint32_t, l->limits.sequences + 1);
        p->labels = NS_NEW_ARRAY(ns_train_label, l->limits.sequences);
        if (p->ids == NULL || p->masked_rows == NULL || p->masked_ids == NULL || p->starts == NULL || p->labels == NULL)
            return false;
    }
    return true;
}

ns_status ns_sequence_loader_new(const ns_sequences *sequences, const ns_masking *masking,
                                 const ns_train_limits *limits, size_t batches, uint64_t seed, ns_sequence_loader **out,
                                 ns_error *err)
{
    const ns_status status = check_units(sequences, limits, err);
    if (status != NS_OK)
        return status;
    ns_sequence_loader *l = NS_NEW(ns_sequence_loader);
    if (l == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for a loader");
    *l = (ns_sequence_loader){
        .data = sequences, .masking = *masking, .limits = *limits, .batches = batches, .seed = seed};
    l->order = NS_NEW_ARRAY(uint32_t, sequences->unit_count);
    l->packs = NS_NEW_ARRAY(pack, batches);
    l->out = NS_NEW_ARRAY(ns_train_batch, batches);
    if (l->order == NULL || l->packs == NULL || l->out == NULL || !make_packs(l)) {
        ns_sequence_loader_free(l);
        return ns_fail(err, NS_NO_MEMORY, "no memory for a loader of %zu units", sequences->unit_count);
    }
    *out = l;
    return NS_OK;
}

void ns_sequence_loader_free(ns_sequence_loader *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; l->packs != NULL && i < l->batches; i++) {
        ns_free(l->packs[i].ids);
        ns_free(l->packs[i].masked_rows);
        ns_free(l->packs[i].masked_ids);
        ns_free(l->packs[i].starts);
        ns_free(l->packs[i].labels);
    }
    ns_free(l->packs);
    ns_free(l->order);
    ns_free(l->out);
    ns_free(l);
}

/* Fisher and Yates, from (seed, pass). */
static void put_in_order(ns_sequence_loader *l)
{
    if (l->ordered && l->ordered_pass == l->place.pass)
        return;
    const size_t n = l->data->unit_count;
    ns_rng rng;
    ns_rng_seed(&rng, l->seed * 0x9e3779b97f4a7c15u + l->place.pass);
    for (size_t i = 0; i < n; i++)
        l->order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)ns_rng_below(&rng, i);
        const uint32_t kept = l->order[i - 1];
        l->order[i - 1] = l->order[j];
        l->order[j] = kept;
    }
    l->ordered = true;
    l->ordered_pass = l->place.pass;
}

static void hide(const ns_sequence_loader *l, pack *p, ns_train_batch *batch, ns_rng *rng)
{
    const ns_masking *m = &l->masking;
    const size_t rows = batch->starts[batch->sequences];
    for (size_t r = 0; m->share > 0.0 && r < rows && batch->masked < l->limits.masked; r++) {
        if (p->ids[r] < m->special || ns_rng_uniform(rng) >= m->share)
            continue;
        p->masked_rows[batch->masked] = (int32_t)r;
        p->masked_ids[batch->masked++] = p->ids[r];
        const double how = ns_rng_uniform(rng);
        if (how < 0.8)
            p->ids[r] = m->mask;
        else if (how < 0.9)
            p->ids[r] = m->special + (int32_t)ns_rng_below(rng, m->vocabulary - (size_t)m->special);
    }
}

/* Fills one micro-batch with whole units until the next does not fit. */
static void fill(ns_sequence_loader *l, size_t number)
{
    const ns_sequences *s = l->data;
    pack *p = &l->packs[number];
    size_t rows = 0, count = 0;
    for (; l->place.unit < s->unit_count; l->place.unit++) {
        const size_t unit = l->order[l->place.unit], from = s->units[unit], to = unit_end(s, unit);
        if (count + (to - from) > l->limits.sequences || rows + (s->starts[to] - s->starts[from]) > l->limits.rows)
            break;
        for (size_t i = from; i < to; i++) {
            const size_t len = s->starts[i + 1] - s->starts[i];
            p->starts[count] = (uint32_t)rows;
            p->labels[count++] = s->labels[i];
            memcpy(p->ids + rows, s->ids + s->starts[i], len * sizeof *p->ids);
            rows += len;
        }
    }
    p->starts[count] = (uint32_t)rows;
    ns_train_batch *batch = &l->out[number];
    *batch = (ns_train_batch){.ids = p->ids,
                              .starts = p->starts,
                              .sequences = count,
                              .masked_rows = p->masked_rows,
                              .masked_ids = p->masked_ids,
                              .labels = p->labels};
    ns_rng rng;
    ns_rng_seed(&rng, (l->seed ^ 0x6d61736bu) + l->place.step * 1000003u + number);
    batch->key = ns_rng_u64(&rng);
    hide(l, p, batch, &rng);
}

const ns_train_batch *ns_sequence_loader_next(ns_sequence_loader *l, size_t *count)
{
    if (l->place.unit >= l->data->unit_count) {
        l->place.pass++;
        l->place.unit = 0;
    }
    put_in_order(l);
    size_t made = 0;
    while (made < l->batches && l->place.unit < l->data->unit_count)
        fill(l, made++);
    l->place.step++;
    *count = made;
    return l->out;
}

ns_sequence_place ns_sequence_loader_place(const ns_sequence_loader *l)
{
    return l->place;
}

void ns_sequence_loader_go(ns_sequence_loader *l, ns_sequence_place place)
{
    l->place = place;
}
