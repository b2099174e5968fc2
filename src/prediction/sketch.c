#include "prediction/sketch.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

void ns_sketch_builder_init(ns_sketch_builder *builder)
{
    ns_log_lines_init(&builder->lines);
    ns_hash_set_init(&builder->set, NS_SKETCH_FORMS_MAX);
    builder->count = 0;
}

void ns_sketch_builder_clear(ns_sketch_builder *builder)
{
    ns_hash_set_clear(&builder->set);
}

static ns_status put(ns_sketch_builder *builder, const ns_log_line *line)
{
    builder->count++;
    return ns_hash_set_put(&builder->set, line->hash) == NS_NO_MEMORY ? NS_NO_MEMORY : NS_OK;
}

ns_status ns_sketch_builder_feed(ns_sketch_builder *builder, ns_text text)
{
    ns_log_line line;
    while (ns_log_lines_next(&builder->lines, &text, &line))
        if (put(builder, &line) != NS_OK)
            return NS_NO_MEMORY;
    return NS_OK;
}

/* One block: the struct, then its hashes. */
static ns_sketch *press(const ns_hash_set *set, int64_t lines)
{
    ns_sketch *sketch = ns_alloc(1, sizeof *sketch + set->count * sizeof(uint64_t));
    if (sketch == NULL)
        return NULL;
    uint64_t *forms = (uint64_t *)(sketch + 1);
    size_t n = 0;
    for (size_t i = 0; i < set->size; i++)
        if (set->slot[i] != 0)
            forms[n++] = set->slot[i];
    qsort(forms, n, sizeof forms[0], by_value);
    *sketch = (ns_sketch){.version = NS_TEMPLATE_VERSION, .lines = lines, .count = n, .forms = forms};
    sketch->content = ns_hash((ns_text){(const char *)forms, n * sizeof forms[0]}) ^ (uint64_t)lines;
    return sketch;
}

ns_sketch *ns_sketch_builder_finish(ns_sketch_builder *builder)
{
    ns_log_line line;
    char form[NS_TEMPLATE_MAX];
    bool open = ns_log_lines_open(&builder->lines, &line, form);
    ns_sketch *sketch = open && put(builder, &line) != NS_OK ? NULL : press(&builder->set, builder->count);
    ns_sketch_builder_clear(builder);
    return sketch;
}

ns_sketch *ns_sketch_of_log(ns_text log)
{
    ns_sketch_builder builder;
    ns_sketch_builder_init(&builder);
    if (ns_sketch_builder_feed(&builder, log) == NS_OK)
        return ns_sketch_builder_finish(&builder);
    ns_sketch_builder_clear(&builder);
    return NULL;
}

ns_sketch *ns_sketch_copy(const ns_sketch *sketch)
{
    size_t bytes = sketch->count * sizeof(uint64_t);
    ns_sketch *copy = ns_alloc(1, sizeof *copy + bytes);
    if (copy == NULL)
        return NULL;
    *copy = *sketch;
    copy->forms = (const uint64_t *)(copy + 1);
    if (bytes > 0)
        memcpy(copy + 1, sketch->forms, bytes);
    return copy;
}

void ns_sketch_free(ns_sketch *sketch)
{
    ns_free(sketch);
}

bool ns_sketch_has(const ns_sketch *sketch, uint64_t hash)
{
    size_t low = 0, high = sketch->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sketch->forms[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sketch->count && sketch->forms[low] == hash;
}

bool ns_sketches_have(const ns_sketch *const *sketches, size_t count, uint64_t hash)
{
    for (size_t i = 0; i < count; i++)
        if (ns_sketch_has(sketches[i], hash))
            return true;
    return false;
}
