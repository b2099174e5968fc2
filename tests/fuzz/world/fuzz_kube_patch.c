/* Readers of what a client of the served cluster sends: the three kinds of patch, selectors, access reviews. The first
 * byte chooses; a patch is applied to a Deployment. */
#include "base/mem.h"
#include "world/serve_kube.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char object_text[] =
    "{\"metadata\":{\"name\":\"carts\",\"labels\":{\"name\":\"carts\"},\"annotations\":{\"a/b\":\"1\",\"c~d\":\"2\"}},"
    "\"spec\":{\"replicas\":1,\"template\":{\"spec\":{\"containers\":[{\"name\":\"carts\",\"image\":\"x\",\"env\":"
    "[{\"name\":\"A\",\"value\":\"1\"}]}],\"volumes\":[{\"name\":\"v\"}]}}},\"list\":[1,2,[3]]}";

static void patch(uint8_t kind, ns_text body)
{
    json_t *target = NULL, *read = NULL;
    ns_error err;
    if (ns_json_read(body, &read, NULL) != NS_OK)
        return;
    if (ns_json_read(ns_text_of(object_text), &target, NULL) != NS_OK)
        abort();
    ns_status status = kind == 0   ? ns_kube_json_patch(&target, read, &err)
                       : kind == 1 ? ns_kube_merge_patch(&target, read, &err)
                                   : ns_kube_strategic_patch(&target, read, &err);
    if (status == NS_OK) { /* what a patch made can be written and read again */
        char *text = json_dumps(target, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text == NULL)
            ns_check_failed("a patched object can be written", __FILE__, __LINE__);
        ns_free(text);
    }
    json_decref(target);
    json_decref(read);
}

static void select_by(ns_text body)
{
    char text[512];
    bool match;
    json_t *labels = json_pack("{s:s,s:s}", "name", "carts", "tier", "");
    json_t *object = json_pack("{s:{s:s}}", "metadata", "name", "carts");
    if (ns_text_copy(text, sizeof text, body)) {
        (void)!ns_kube_labels_match(text, labels, &match);
        (void)!ns_kube_fields_match(text, object, &match);
    }
    json_decref(labels);
    json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    ns_text body = {(const char *)data + 1, size - 1};
    switch (data[0] % 5) {
    case 3:
        select_by(body);
        break;
    case 4:
        json_decref(ns_kube_review(body));
        break;
    default:
        patch(data[0] % 5, body);
        break;
    }
    return 0;
}
