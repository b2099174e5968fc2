#include "telemetry/deployment_index.h"

#include "base/mem.h"

#include <string.h>

/* Open addressing over the names; a slot holds the place + 1 of the first pipeline, `next` the place + 1 of another
 * one with the same Deployment. At most half of the slots are taken. */
struct ns_deployment_index {
    const ns_snapshot *snapshot; /* its list may move, places stay */
    size_t count;
    size_t *next;
    size_t next_room;
    size_t *slot;
    size_t size; /* power of two; 0 none */
};

ns_deployment_index *ns_deployment_index_new(void)
{
    return NS_NEW(ns_deployment_index);
}

void ns_deployment_index_free(ns_deployment_index *index)
{
    if (index == NULL)
        return;
    ns_free(index->next);
    ns_free(index->slot);
    ns_free(index);
}

static bool make_room(ns_deployment_index *index, size_t count)
{
    size_t size = index->size == 0 ? 64 : index->size;
    while (size < count * 2)
        size *= 2;
    if (size != index->size) {
        size_t *slot = NS_NEW_ARRAY(size_t, size);
        if (slot == NULL)
            return false;
        ns_free(index->slot);
        index->slot = slot;
        index->size = size;
    }
    if (count > index->next_room) {
        size_t *next = NS_NEW_ARRAY(size_t, size);
        if (next == NULL)
            return false;
        ns_free(index->next);
        index->next = next;
        index->next_room = size;
    }
    return true;
}

static ns_pipeline_view *view_of(const ns_deployment_index *index, size_t place)
{
    return index->snapshot->pipelines[place];
}

/* Where this name stands, or the empty slot where it would. */
static size_t *slot_of(const ns_deployment_index *index, ns_text name)
{
    size_t i = (size_t)ns_hash(name) & (index->size - 1);
    while (index->slot[i] != 0 && !ns_text_is(name, view_of(index, index->slot[i] - 1)->deployment))
        i = (i + 1) & (index->size - 1);
    return &index->slot[i];
}

ns_status ns_deployment_index_build(ns_deployment_index *index, const ns_snapshot *snapshot)
{
    index->count = 0;
    if (!make_room(index, snapshot->pipeline_count))
        return NS_NO_MEMORY;
    memset(index->slot, 0, index->size * sizeof *index->slot);
    index->snapshot = snapshot;
    index->count = snapshot->pipeline_count;
    for (size_t i = 0; i < index->count; i++) {
        if (view_of(index, i)->deployment[0] == '\0')
            continue;
        size_t *slot = slot_of(index, ns_text_of(view_of(index, i)->deployment));
        index->next[i] = *slot;
        *slot = i + 1;
    }
    return NS_OK;
}

bool ns_deployment_index_put(ns_deployment_index *index, ns_text deployment, ns_signal signal, ns_value value)
{
    if (index->count == 0 || deployment.len == 0)
        return true;
    for (size_t at = *slot_of(index, deployment); at != 0; at = index->next[at - 1]) {
        ns_value *place = &view_of(index, at - 1)->signal[signal];
        if (ns_value_known(*place))
            return false;
        *place = value;
    }
    return true;
}
