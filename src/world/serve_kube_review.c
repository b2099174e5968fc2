/* Access reviews, which kubectl sends as protobuf whatever the server speaks. */
#include "world/serve_kube.h"

#include <string.h>

/* Runtime envelope of Kubernetes' protobuf, and numbers of fields (k8s.io/api/authorization/v1/generated.proto). */
static const char magic[] = {'k', '8', 's', 0};
enum { UNKNOWN_RAW = 2, REVIEW_SPEC = 2, SPEC_RESOURCE = 1 };

static bool varint(ns_text *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)*in->at;
        in->at++;
        in->len--;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool skip(ns_text *in, size_t len)
{
    if (len > in->len)
        return false;
    in->at += len;
    in->len -= len;
    return true;
}

/* The bytes of the first field of this number; empty when there is none. False: this is no protobuf. */
static bool field(ns_text in, uint64_t number, ns_text *out)
{
    *out = (ns_text){"", 0};
    while (in.len > 0) {
        uint64_t tag, len;
        if (!varint(&in, &tag))
            return false;
        bool good = true;
        switch (tag & 7) {
        case 0:
            good = varint(&in, &len);
            break;
        case 1:
            good = skip(&in, 8);
            break;
        case 2:
            good = varint(&in, &len) && len <= in.len;
            if (good && tag >> 3 == number) {
                *out = (ns_text){in.at, (size_t)len};
                return true;
            }
            good = good && skip(&in, (size_t)len);
            break;
        case 5:
            good = skip(&in, 4);
            break;
        default:
            good = false;
            break;
        }
        if (!good)
            return false;
    }
    return true;
}

static json_t *from_protobuf(ns_text body)
{
    static const char *const names[] = {NULL,      "namespace", "verb",        "group",
                                        "version", "resource",  "subresource", "name"};
    ns_text raw, spec, resource;
    if (!field(body, UNKNOWN_RAW, &raw) || !field(raw, REVIEW_SPEC, &spec) || !field(spec, SPEC_RESOURCE, &resource))
        return NULL;
    json_t *asked = json_object();
    for (size_t i = 1; i < NS_COUNT_OF(names); i++) {
        ns_text text;
        char value[256];
        if (!field(resource, i, &text) || !ns_text_copy(value, sizeof value, text)) {
            json_decref(asked);
            return NULL;
        }
        (void)json_object_set_new(asked, names[i], ns_served_string(value));
    }
    return json_pack("{s:s,s:s,s:{},s:{s:o}}", "kind", "SelfSubjectAccessReview", "apiVersion",
                     "authorization.k8s.io/v1", "metadata", "spec", "resourceAttributes", asked);
}

json_t *ns_kube_review(ns_text body)
{
    json_t *review = NULL;
    if (body.len > sizeof magic && memcmp(body.at, magic, sizeof magic) == 0)
        return from_protobuf((ns_text){body.at + sizeof magic, body.len - sizeof magic});
    if (ns_json_read(body, &review, NULL) != NS_OK || !json_is_object(review)) {
        json_decref(review);
        return NULL;
    }
    return review;
}
