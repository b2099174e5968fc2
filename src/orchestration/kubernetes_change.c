#include "orchestration/kubernetes_change.h"

#include "flow/deployment.h"
#include "wire/json.h"
#include "wire/json_span.h"

#include <string.h>

static const char HASH_LABEL[] = "pod-template-hash";

/* Annotations of a Deployment that a rollback leaves as they are (reference: kubectl, rollback.go). */
static const char *const own_annotations[] = {
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
};

/* ---- reading ---- */

static const json_t *metadata_of(const json_t *object)
{
    return ns_json_at(object, "metadata");
}

static int64_t replicas_of(const json_t *deployment)
{
    int64_t n = ns_json_int(ns_json_at(deployment, "spec"), "replicas", 1); /* the API's default */
    return n < 0 ? 0 : n;
}

static bool is_paused(const json_t *deployment)
{
    return ns_json_bool(ns_json_at(deployment, "spec"), "paused", false);
}

static bool is_controlled_by(const json_t *object, const char *uid)
{
    const json_t *owners = ns_json_at(metadata_of(object), "ownerReferences");
    for (size_t i = 0; i < json_array_size(owners); i++)
        if (ns_json_bool(json_array_get(owners, i), "controller", false) &&
            strcmp(ns_json_string(json_array_get(owners, i), "uid", ""), uid) == 0)
            return true;
    return false;
}

static const char *hash_of(const json_t *replicaset)
{
    return ns_json_string(ns_json_at(metadata_of(replicaset), "labels"), HASH_LABEL, "");
}

static const char *revision_of(const json_t *object)
{
    return ns_json_string(ns_json_at(metadata_of(object), "annotations"), "deployment.kubernetes.io/revision", "");
}

/* The Deployment's own ReplicaSet with this template; place gets where it stands in the list. */
static const json_t *find_set(const kube_reading *reading, const char *hash, size_t *place)
{
    const json_t *items = ns_json_at(reading->replicasets, "items");
    const char *uid = ns_json_string(metadata_of(reading->deployment), "uid", "");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *set = json_array_get(items, i);
        if (strcmp(hash_of(set), hash) == 0 && is_controlled_by(set, uid)) {
            *place = i;
            return set;
        }
    }
    return NULL;
}

/* The hash of the template that is rolled out now; "" not known. */
static const char *present_hash(const kube_reading *reading)
{
    const json_t *items = ns_json_at(reading->replicasets, "items");
    const char *uid = ns_json_string(metadata_of(reading->deployment), "uid", "");
    const char *revision = revision_of(reading->deployment);
    for (size_t i = 0; i < json_array_size(items) && revision[0] != '\0'; i++) {
        const json_t *set = json_array_get(items, i);
        if (is_controlled_by(set, uid) && strcmp(revision_of(set), revision) == 0)
            return hash_of(set);
    }
    return "";
}

static const char *targeting_hpa(const kube_reading *reading)
{
    const json_t *items = ns_json_at(reading->hpas, "items");
    const char *name = ns_json_string(metadata_of(reading->deployment), "name", "");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *target = ns_json_at(ns_json_at(json_array_get(items, i), "spec"), "scaleTargetRef");
        if (strcmp(ns_json_string(target, "kind", ""), "Deployment") == 0 &&
            strcmp(ns_json_string(target, "name", ""), name) == 0)
            return ns_json_string(metadata_of(json_array_get(items, i)), "name", "?");
    }
    return NULL;
}

/* ---- checking ---- */

/* Who beside us set spec.replicas last; NULL: nobody, or the server does not tell. A server hands the field over to
 * whoever changes it, so this also shows a number that was changed and changed back. */
static const char *other_scaler(const json_t *deployment)
{
    const json_t *managers = ns_json_at(metadata_of(deployment), "managedFields");
    for (size_t i = 0; i < json_array_size(managers); i++) {
        const json_t *one = json_array_get(managers, i);
        const json_t *spec = ns_json_at(ns_json_at(one, "fieldsV1"), "f:spec");
        const char *name = ns_json_string(one, "manager", "");
        if (ns_json_at(spec, "f:replicas") != NULL && strcmp(name, NS_KUBE_FIELD_MANAGER) != 0)
            return name;
    }
    return NULL;
}

static ns_status check_undo(const ns_effect *effect, const json_t *deployment, int64_t now, ns_error *err)
{
    const char *other = other_scaler(deployment);
    if (other != NULL)
        return ns_fail(err, NS_CONFLICT, "%s: %.60s has set its replicas since", effect->deployment, other);
    return effect->replicas < now ? NS_OK
                                  : ns_fail(err, NS_REFUSED, "%s: it has no more than %d replicas", effect->deployment,
                                            (int)effect->replicas);
}

static ns_status check_scale(const ns_effect *effect, const kube_reading *reading, kube_baseline *out, ns_error *err)
{
    const char *hpa = targeting_hpa(reading), *name = effect->deployment;
    int64_t now = replicas_of(reading->deployment), still = -1;
    out->from = now;
    out->to = effect->replicas;
    if (hpa != NULL)
        return ns_fail(err, NS_REFUSED, "%s: the HorizontalPodAutoscaler %.60s sets its replicas", name, hpa);
    if (effect->replicas <= 0)
        return ns_fail(err, NS_REFUSED, "%s: no number of replicas was given", name);
    if (now == effect->replicas)
        return ns_fail(err, NS_REFUSED, "%s: it has %lld replicas already", name, (long long)now);
    if (now == 0)
        return ns_fail(err, NS_REFUSED, "%s: somebody has scaled it to 0", name);
    if (effect->target[0] != '\0' && !(ns_text_int64(ns_text_of(effect->target), &still) && still == now))
        return ns_fail(err, NS_CONFLICT, "%s: it has %lld replicas, no longer %s", name, (long long)now,
                       effect->target);
    if (effect->undo)
        return check_undo(effect, reading->deployment, now, err);
    if (now > effect->replicas || ns_scale_up_target(now, effect->replicas) != effect->replicas)
        return ns_fail(err, NS_CONFLICT, "%s: it has %lld replicas now, so %d is not a fifth more", name,
                       (long long)now, (int)effect->replicas);
    return NS_OK;
}

static ns_status check_rollback(const ns_effect *effect, const kube_reading *reading, kube_baseline *out, ns_error *err)
{
    size_t place;
    const char *name = effect->deployment, *present = present_hash(reading);
    if (effect->target[0] == '\0')
        return ns_fail(err, NS_REFUSED, "%s: no revision of it has been verified here", name);
    if (is_paused(reading->deployment))
        return ns_fail(err, NS_REFUSED, "%s: its rollout is paused", name);
    if (find_set(reading, effect->target, &place) == NULL)
        return ns_fail(err, NS_NOT_FOUND, "%s: the verified template %s is no longer in its history", name,
                       effect->target);
    if (strcmp(present, effect->target) == 0)
        return ns_fail(err, NS_REFUSED, "%s: the verified template %s is the present one", name, effect->target);
    if (!ns_text_copy(out->from_hash, sizeof out->from_hash, ns_text_of(present)))
        out->from_hash[0] = '\0';
    (void)ns_text_copy(out->to_hash, sizeof out->to_hash, ns_text_of(effect->target));
    return NS_OK;
}

static ns_status check_restart(const ns_effect *effect, const kube_reading *reading, ns_error *err)
{
    if (is_paused(reading->deployment))
        return ns_fail(err, NS_REFUSED, "%s: its rollout is paused", effect->deployment);
    if (replicas_of(reading->deployment) == 0)
        return ns_fail(err, NS_REFUSED, "%s: it has no pods to restart (0 replicas)", effect->deployment);
    return NS_OK;
}

ns_status kube_change_check(const ns_effect *effect, const kube_reading *reading, kube_baseline *out, ns_error *err)
{
    const json_t *metadata = metadata_of(reading->deployment);
    const char *uid = ns_json_string(metadata, "uid", "");
    const char *version = ns_json_string(metadata, "resourceVersion", "");
    *out = (kube_baseline){.generation = ns_json_int(metadata, "generation", -1), .from = -1, .to = -1};
    if (uid[0] == '\0' || version[0] == '\0' || out->generation < 0 ||
        !ns_text_copy(out->uid, sizeof out->uid, ns_text_of(uid)) ||
        !ns_text_copy(out->resource_version, sizeof out->resource_version, ns_text_of(version)))
        return ns_fail(err, NS_PROTOCOL, "%s: the answer is no Deployment", effect->deployment);
    if (json_is_string(ns_json_at(metadata, "deletionTimestamp")))
        return ns_fail(err, NS_REFUSED, "%s: it is being deleted", effect->deployment);
    switch (effect->action) {
    case NS_ACTION_scale_up:
        return check_scale(effect, reading, out, err);
    case NS_ACTION_rollback:
        return check_rollback(effect, reading, out, err);
    case NS_ACTION_restart_pods:
        return check_restart(effect, reading, err);
    default:
        return ns_fail(err, NS_REFUSED, "%s is nothing for a cluster", ns_action_name(effect->action));
    }
}

ns_status kube_change_same(const kube_baseline *then, const kube_baseline *now, ns_error *err)
{
    if (strcmp(then->uid, now->uid) != 0)
        return ns_fail(err, NS_CONFLICT, "it is another Deployment of the same name now");
    if (then->generation != now->generation)
        return ns_fail(err, NS_CONFLICT, "its specification was changed meanwhile (generation %lld, then %lld)",
                       (long long)now->generation, (long long)then->generation);
    return NS_OK;
}

/* ---- baselines ---- */

ns_status kube_baseline_write(const kube_baseline *b, char *out, size_t size, ns_error *err)
{
    ns_buf text;
    ns_json_writer w;
    ns_buf_init(&text, size - 1);
    ns_json_begin(&w, &text);
    ns_json_object(&w);
    ns_json_field_int(&w, "v", 1);
    ns_json_field_string(&w, "uid", b->uid);
    ns_json_field_string(&w, "rv", b->resource_version);
    ns_json_field_int(&w, "generation", b->generation);
    ns_json_field_int_or_null(&w, "from", b->from);
    ns_json_field_int_or_null(&w, "to", b->to);
    ns_json_field_string_or_null(&w, "from_hash", b->from_hash);
    ns_json_field_string_or_null(&w, "to_hash", b->to_hash);
    ns_json_end_object(&w);
    bool good = !text.failed && ns_text_copy(out, size, ns_buf_view(&text));
    ns_buf_clear(&text);
    return good ? NS_OK : ns_fail(err, NS_TOO_LARGE, "what was read of the Deployment does not fit");
}

ns_status kube_baseline_read(const char *text, kube_baseline *out, ns_error *err)
{
    json_t *root = NULL;
    kube_baseline b = {.generation = -1};
    bool good = ns_json_read(ns_text_of(text), &root, NULL) == NS_OK;
    good = good && ns_text_copy(b.uid, sizeof b.uid, ns_text_of(ns_json_string(root, "uid", ""))) &&
           ns_text_copy(b.resource_version, sizeof b.resource_version, ns_text_of(ns_json_string(root, "rv", ""))) &&
           ns_text_copy(b.from_hash, sizeof b.from_hash, ns_text_of(ns_json_string(root, "from_hash", ""))) &&
           ns_text_copy(b.to_hash, sizeof b.to_hash, ns_text_of(ns_json_string(root, "to_hash", "")));
    b.generation = ns_json_int(root, "generation", -1);
    b.from = ns_json_int(root, "from", -1);
    b.to = ns_json_int(root, "to", -1);
    json_decref(root);
    if (!good || b.uid[0] == '\0' || b.generation < 0)
        return ns_fail(err, NS_CORRUPT, "the stored baseline cannot be read");
    *out = b;
    return NS_OK;
}

bool kube_change_has_key(const ns_effect *effect, const json_t *deployment)
{
    const json_t *holder = deployment;
    if (effect->action == NS_ACTION_restart_pods)
        holder = ns_json_at(ns_json_at(deployment, "spec"), "template");
    const char *key = ns_json_string(ns_json_at(metadata_of(holder), "annotations"), NS_ANNOTATION_KEY, "");
    return effect->key[0] != '\0' && strcmp(key, effect->key) == 0;
}

/* ---- patches ---- */

static void put_condition(ns_json_writer *w, const kube_reading *reading)
{
    ns_json_field_string(w, "resourceVersion", ns_json_string(metadata_of(reading->deployment), "resourceVersion", ""));
}

static void put_key(ns_json_writer *w, const ns_effect *effect)
{
    ns_json_key(w, "annotations");
    ns_json_object(w);
    ns_json_field_string(w, NS_ANNOTATION_KEY, effect->key);
    ns_json_end_object(w);
}

static void put_scale(const ns_effect *effect, const kube_reading *reading, ns_json_writer *w)
{
    ns_json_object(w);
    ns_json_key(w, "metadata");
    ns_json_object(w);
    put_condition(w, reading);
    ns_json_end_object(w);
    ns_json_key(w, "spec");
    ns_json_object(w);
    ns_json_field_int(w, "replicas", effect->replicas);
    ns_json_end_object(w);
    ns_json_end_object(w);
}

static void put_restart(const ns_effect *effect, const kube_reading *reading, ns_json_writer *w)
{
    ns_json_object(w);
    ns_json_key(w, "metadata");
    ns_json_object(w);
    put_condition(w, reading);
    ns_json_end_object(w);
    ns_json_key(w, "spec");
    ns_json_object(w);
    ns_json_key(w, "template");
    ns_json_object(w);
    ns_json_key(w, "metadata");
    ns_json_object(w);
    put_key(w, effect);
    for (int i = 0; i < 4; i++)
        ns_json_end_object(w);
}

static void put_comma(ns_buf *out, bool *first)
{
    if (!*first)
        (void)ns_buf_char(out, ',');
    *first = false;
}

/* Copies an object's bytes member by member; `inside` writes the value of one of them anew, `without` is left out. */
static bool copy_object(ns_text object, const char *within, bool (*inside)(ns_text value, ns_buf *out),
                        const char *without, ns_buf *out)
{
    ns_text rest, key, value;
    bool first = true, good = ns_json_span_object(object, &rest);
    (void)ns_buf_char(out, '{');
    while (good && ns_json_span_next_member(&rest, &key, &value)) {
        if (without != NULL && ns_json_span_is_key(key, without))
            continue;
        put_comma(out, &first);
        (void)ns_buf_text(out, key);
        (void)ns_buf_char(out, ':');
        if (within != NULL && ns_json_span_is_key(key, within))
            good = inside(value, out);
        else
            (void)ns_buf_text(out, value);
    }
    (void)ns_buf_char(out, '}');
    return good && !out->failed;
}

static bool copy_labels(ns_text labels, ns_buf *out)
{
    return copy_object(labels, NULL, NULL, HASH_LABEL, out);
}

static bool copy_metadata(ns_text metadata, ns_buf *out)
{
    return copy_object(metadata, "labels", copy_labels, NULL, out);
}

/* The ReplicaSet's template as it came, but for the label that its controller added. */
static bool put_template(const kube_reading *reading, size_t place, ns_buf *out)
{
    ns_text items, rest, set = {NULL, 0}, spec, template;
    bool good = ns_json_span_member(reading->replicasets_text, "items", &items) && ns_json_span_array(items, &rest);
    for (size_t i = 0; good && i <= place; i++)
        good = ns_json_span_next(&rest, &set);
    return good && ns_json_span_member(set, "spec", &spec) && ns_json_span_member(spec, "template", &template) &&
           copy_object(template, "metadata", copy_metadata, NULL, out);
}

static bool is_own(const char *name)
{
    for (size_t i = 0; i < NS_COUNT_OF(own_annotations); i++)
        if (strcmp(name, own_annotations[i]) == 0)
            return true;
    return strncmp(name, "neuroshield.io/", 15) == 0; /* ours describe the Deployment, not a revision of it */
}

static void put_annotations(const json_t *annotations, bool own, ns_json_writer *w)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)annotations, name, value) /* it only reads */
    {
        if (is_own(name) == own && strcmp(name, NS_ANNOTATION_KEY) != 0 && json_is_string(value))
            ns_json_field_text(w, name, (ns_text){json_string_value(value), json_string_length(value)});
    }
}

static ns_status put_rollback(const ns_effect *effect, const kube_reading *reading, ns_buf *out, ns_error *err)
{
    size_t place = 0;
    const json_t *set = find_set(reading, effect->target, &place);
    ns_json_writer w;
    if (set == NULL)
        return ns_fail(err, NS_NOT_FOUND, "%s: the verified template is gone", effect->deployment);
    (void)ns_buf_string(out, "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":");
    ns_json_begin(&w, out);
    ns_json_put_string(&w, ns_json_string(metadata_of(reading->deployment), "resourceVersion", ""));
    (void)ns_buf_string(out, "},{\"op\":\"replace\",\"path\":\"/spec/template\",\"value\":");
    bool good = put_template(reading, place, out);
    (void)ns_buf_string(out, "},{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":");
    ns_json_begin(&w, out);
    ns_json_object(&w);
    put_annotations(ns_json_at(metadata_of(set), "annotations"), false, &w);
    put_annotations(ns_json_at(metadata_of(reading->deployment), "annotations"), true, &w);
    ns_json_field_string(&w, NS_ANNOTATION_KEY, effect->key);
    ns_json_end_object(&w);
    (void)ns_buf_string(out, "}]");
    if (out->failed)
        return ns_fail(err, NS_NO_MEMORY, "no memory for a patch");
    return good ? NS_OK : ns_fail(err, NS_PROTOCOL, "%s: its ReplicaSet has no template", effect->deployment);
}

ns_status kube_change_patch(const ns_effect *effect, const kube_reading *reading, ns_buf *out, const char **type,
                            bool *scale, ns_error *err)
{
    ns_json_writer w;
    *scale = effect->action == NS_ACTION_scale_up;
    *type = "application/merge-patch+json";
    if (effect->action == NS_ACTION_rollback) {
        *type = "application/json-patch+json";
        return put_rollback(effect, reading, out, err);
    }
    ns_json_begin(&w, out);
    if (*scale)
        put_scale(effect, reading, &w);
    else
        put_restart(effect, reading, &w);
    return out->failed ? ns_fail(err, NS_NO_MEMORY, "no memory for a patch") : NS_OK;
}

ns_status kube_change_annotation(const ns_effect *effect, ns_buf *out)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_key(&w, "metadata");
    ns_json_object(&w);
    put_key(&w, effect);
    ns_json_end_object(&w);
    ns_json_end_object(&w);
    return out->failed ? NS_NO_MEMORY : NS_OK;
}

/* ---- selectors ---- */

static void put_expression(const json_t *expression, ns_buf *out)
{
    const char *key = ns_json_string(expression, "key", ""), *how = ns_json_string(expression, "operator", "");
    const json_t *values = ns_json_at(expression, "values");
    if (strcmp(how, "Exists") == 0 || strcmp(how, "DoesNotExist") == 0) {
        (void)ns_buf_printf(out, "%s%s", how[0] == 'D' ? "!" : "", key);
        return;
    }
    (void)ns_buf_printf(out, "%s %s (", key, strcmp(how, "NotIn") == 0 ? "notin" : "in");
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        (void)ns_buf_printf(out, "%s%s", i == 0 ? "" : ",", value == NULL ? "" : value);
    }
    (void)ns_buf_char(out, ')');
}

ns_status kube_change_selector(const json_t *deployment, ns_buf *out, ns_error *err)
{
    const json_t *selector = ns_json_at(ns_json_at(deployment, "spec"), "selector");
    const json_t *labels = ns_json_at(selector, "matchLabels"), *more = ns_json_at(selector, "matchExpressions");
    const char *name;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)(uintptr_t)labels, name, value) /* it only reads */
    {
        put_comma(out, &first);
        (void)ns_buf_printf(out, "%s=%s", name, json_is_string(value) ? json_string_value(value) : "");
    }
    for (size_t i = 0; i < json_array_size(more); i++) {
        put_comma(out, &first);
        put_expression(json_array_get(more, i), out);
    }
    if (out->failed)
        return ns_fail(err, NS_NO_MEMORY, "no memory for a selector");
    return first ? ns_fail(err, NS_BAD_INPUT, "the Deployment has no selector") : NS_OK;
}
