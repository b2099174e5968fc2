#include "telemetry/kubernetes_shelf.h"

#include "base/mem.h"

#include <string.h>

void kube_shelf_init(kube_shelf *shelf, size_t most)
{
    *shelf = (kube_shelf){.most = most};
}

void kube_shelf_clear(kube_shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        ns_free(shelf->at[i]);
    ns_free(shelf->at);
    ns_free(shelf->mark);
    ns_free(shelf->slot);
    *shelf = (kube_shelf){.most = shelf->most};
}

/* Where this uid stands, or the empty slot where it would. */
static size_t slot_of(const kube_shelf *shelf, const char *uid)
{
    size_t i = (size_t)ns_hash(ns_text_of(uid)) & (shelf->slots - 1);
    while (shelf->slot[i] != 0 && strcmp(shelf->at[shelf->slot[i] - 1]->uid, uid) != 0)
        i = (i + 1) & (shelf->slots - 1);
    return i;
}

kube_object *kube_shelf_find(const kube_shelf *shelf, const char *uid)
{
    if (shelf->slots == 0 || uid[0] == '\0')
        return NULL;
    size_t place = shelf->slot[slot_of(shelf, uid)];
    return place == 0 ? NULL : shelf->at[place - 1];
}

static bool grow(kube_shelf *shelf)
{
    size_t room = shelf->room == 0 ? 64 : shelf->room * 2;
    kube_object **at =
        ns_realloc(shelf->at, room, sizeof(kube_object *)); /* NOLINT(bugprone-sizeof-expression): of pointers */
    if (at == NULL)
        return false;
    shelf->at = at;
    uint64_t *mark = ns_realloc(shelf->mark, room, sizeof *mark);
    if (mark == NULL)
        return false;
    shelf->mark = mark;
    size_t *slot = NS_NEW_ARRAY(size_t, room * 2); /* never more than half full */
    if (slot == NULL)
        return false;
    ns_free(shelf->slot);
    shelf->slot = slot;
    shelf->slots = room * 2;
    shelf->room = room;
    for (size_t i = 0; i < shelf->count; i++)
        slot[slot_of(shelf, shelf->at[i]->uid)] = i + 1;
    return true;
}

ns_status kube_shelf_put(kube_shelf *shelf, const kube_object *object)
{
    kube_object *known = kube_shelf_find(shelf, object->uid);
    if (known != NULL) {
        size_t place = known->place;
        *known = *object;
        known->place = place;
        shelf->mark[place] = shelf->sweep;
        return NS_OK;
    }
    if (shelf->count >= shelf->most || (shelf->count == shelf->room && !grow(shelf)))
        return NS_NO_MEMORY;
    kube_object *copy = NS_NEW(kube_object);
    if (copy == NULL)
        return NS_NO_MEMORY;
    *copy = *object;
    copy->place = shelf->count;
    shelf->slot[slot_of(shelf, object->uid)] = shelf->count + 1;
    shelf->mark[shelf->count] = shelf->sweep;
    shelf->at[shelf->count++] = copy;
    return NS_OK;
}

/* Empties a slot and moves up those behind it that would no longer be found. */
static void empty_slot(kube_shelf *shelf, size_t hole)
{
    size_t mask = shelf->slots - 1;
    shelf->slot[hole] = 0;
    for (size_t i = (hole + 1) & mask; shelf->slot[i] != 0; i = (i + 1) & mask) {
        size_t home = (size_t)ns_hash(ns_text_of(shelf->at[shelf->slot[i] - 1]->uid)) & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        shelf->slot[hole] = shelf->slot[i];
        shelf->slot[i] = 0;
        hole = i;
    }
}

static void remove_object(kube_shelf *shelf, kube_object *gone)
{
    size_t i = gone->place, last = shelf->count - 1;
    empty_slot(shelf, slot_of(shelf, gone->uid));
    if (i != last) { /* the last one takes the place */
        shelf->slot[slot_of(shelf, shelf->at[last]->uid)] = i + 1;
        shelf->at[i] = shelf->at[last];
        shelf->at[i]->place = i;
        shelf->mark[i] = shelf->mark[last];
    }
    shelf->count--;
    ns_free(gone);
}

void kube_shelf_remove(kube_shelf *shelf, const char *uid)
{
    kube_object *known = kube_shelf_find(shelf, uid);
    if (known != NULL)
        remove_object(shelf, known);
}

void kube_shelf_sweep_begin(kube_shelf *shelf)
{
    shelf->sweep++;
}

void kube_shelf_sweep_end(kube_shelf *shelf)
{
    for (size_t i = shelf->count; i-- > 0;)
        if (shelf->mark[i] != shelf->sweep)
            remove_object(shelf, shelf->at[i]);
}
