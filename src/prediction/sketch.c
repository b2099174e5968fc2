#include "prediction/sketch.h"

#include "base/mem.h"
#include "prediction/hash_set.h"
#include "prediction/log_lines.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* All readable lines into the set; *lines counts them. */
static ns_status gather(ns_text log, ns_hash_set *set, int64_t *lines)
{
    ns_log_lines reader;
    ns_log_line line;
    char form[NS_TEMPLATE_MAX];
    ns_log_lines_init(&reader);
    for (bool more = true; more;) {
        more = ns_log_lines_next(&reader, &log, &line);
        if (!more && !ns_log_lines_open(&reader, &line, form))
            break;
        ++*lines;
        if (ns_hash_set_put(set, line.hash) == NS_NO_MEMORY)
            return NS_NO_MEMORY;
    }
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

ns_sketch *ns_sketch_of_log(ns_text log)
{
    ns_hash_set set;
    int64_t lines = 0;
    ns_hash_set_init(&set, NS_SKETCH_FORMS_MAX);
    ns_sketch *sketch = gather(log, &set, &lines) == NS_OK ? press(&set, lines) : NULL;
    ns_hash_set_clear(&set);
    return sketch;
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
