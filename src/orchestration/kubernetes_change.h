/*
 * What the hands for Kubernetes read before they act, and the patches they send. Pure: JSON in, JSON out. Private to
 * this room.
 *
 * A baseline is what was read in `prepare`: by its uid and generation (which grows with every change of a Deployment's
 * specification, and only then) it is told later whether anything was done meanwhile.
 */
#ifndef NS_ORCHESTRATION_KUBERNETES_CHANGE_H
#define NS_ORCHESTRATION_KUBERNETES_CHANGE_H

#include "flow/case.h"

#include <jansson.h>

/* Under this name the API server notes what we changed (managedFields). */
#define NS_KUBE_FIELD_MANAGER "neuroshield"

typedef struct kube_baseline {
    char uid[NS_NAME_MAX];
    char resource_version[NS_NAME_MAX];
    int64_t generation;
    int64_t from, to;            /* replicas; -1 not used */
    char from_hash[NS_NAME_MAX]; /* pod-template-hash before and after a rollback; "" not used */
    char to_hash[NS_NAME_MAX];
} kube_baseline;

/* Answers of the API: parsed, and the bytes as they came. */
typedef struct kube_reading {
    const json_t *deployment;
    const json_t *replicasets; /* of rollback: the list */
    ns_text replicasets_text;
    const json_t *hpas; /* of scale_up: the list; NULL: it may not be read, or there is no such API */
} kube_reading;

/* May this effect be done to what was read? Fills the baseline. NS_REFUSED, NS_CONFLICT, NS_NOT_FOUND say why not. */
NS_MUST_USE ns_status kube_change_check(const ns_effect *effect, const kube_reading *reading, kube_baseline *out,
                                        ns_error *err);
/* Before sending: is it still the Deployment, and the specification, that was prepared? NS_CONFLICT. */
NS_MUST_USE ns_status kube_change_same(const kube_baseline *then, const kube_baseline *now, ns_error *err);

NS_MUST_USE ns_status kube_baseline_write(const kube_baseline *baseline, char *out, size_t size, ns_error *err);
NS_MUST_USE ns_status kube_baseline_read(const char *text, kube_baseline *out, ns_error *err);

/* Where our key stands after the action was done: on the Deployment, or in its pod template. */
bool kube_change_has_key(const ns_effect *effect, const json_t *deployment);

/* The patch of the effect, with the reading's resourceVersion as its condition. *type: its content type; *scale: it
 * goes to the sub-resource. NS_NO_MEMORY, NS_BAD_INPUT. */
NS_MUST_USE ns_status kube_change_patch(const ns_effect *effect, const kube_reading *reading, ns_buf *out,
                                        const char **type, bool *scale, ns_error *err);
/* The key on the Deployment, after a scaling. */
NS_MUST_USE ns_status kube_change_annotation(const ns_effect *effect, ns_buf *out);

/* "a=b,c in (d)" of the Deployment's selector, for labelSelector. NS_BAD_INPUT: it has none. */
NS_MUST_USE ns_status kube_change_selector(const json_t *deployment, ns_buf *out, ns_error *err);

#endif
