/* Any JSON as any kind of a cluster's object, then on a shelf: counts are never negative, texts end. */
#include "telemetry/kubernetes_shelf.h"
#include "wire/json.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const kube_object *object)
{
    const kube_deployment *d = &object->of.deployment;
    NS_CHECK(object->uid[0] != '\0' && object->name[0] != '\0');
    NS_CHECK(memchr(object->owner, '\0', sizeof object->owner) != NULL);
    if (object->kind == KUBE_deployment)
        NS_CHECK(d->wanted >= 0 && d->replicas >= 0 && d->ready >= 0 && d->revision != 0);
    if (object->kind == KUBE_pod)
        NS_CHECK(object->of.pod.oom_ms >= -1);
    if (object->kind == KUBE_event)
        NS_CHECK(object->of.event.count >= 0 && object->of.event.at_ms >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = NULL;
    kube_object object;
    kube_shelf shelf;
    if (size < 1 || ns_json_read((ns_text){(const char *)data + 1, size - 1}, &root, NULL) != NS_OK)
        return 0;
    kube_shelf_init(&shelf, 4);
    if (kube_object_read((kube_kind)(data[0] % KUBE_KINDS), root, &object, NULL) == NS_OK) {
        check(&object);
        NS_CHECK(kube_shelf_put(&shelf, &object) == NS_OK && kube_shelf_find(&shelf, object.uid) != NULL);
        kube_shelf_remove(&shelf, object.uid);
        NS_CHECK(shelf.count == 0);
    }
    kube_shelf_clear(&shelf);
    json_decref(root);
    return 0;
}
