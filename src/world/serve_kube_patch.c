/* The three ways to patch an object: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396), and Kubernetes' strategic
 * merge patch, in which lists of things that have names are merged by name. */
#include "world/serve_kube.h"

#include <stdlib.h>
#include <string.h>

/* Readers allow 64 levels; a copy or move may nest deeper than both it came from. */
#define DEPTH_MAX  100
#define OPS_MAX    10000
/* What one patch may make of an object, in values: copies of copies grow without bounds else. */
#define VALUES_MAX 100000

static size_t count_values(const json_t *value, int depth)
{
    size_t n = 1;
    const char *key;
    json_t *child;
    size_t i;
    if (depth > DEPTH_MAX)
        return VALUES_MAX + 1;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, child)
        {
            n += count_values(child, depth + 1);
            if (n > VALUES_MAX)
                return n;
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, child)
        {
            n += count_values(child, depth + 1);
            if (n > VALUES_MAX)
                return n;
        }
    }
    return n;
}

static ns_status bounded(const json_t *target, ns_error *err)
{
    return count_values(target, 0) <= VALUES_MAX ? NS_OK
                                                 : ns_fail(err, NS_TOO_LARGE, "the patched object is too large");
}

/* ---- JSON Patch ---------------------------------------------------------------------------------------------------
 */

/* One token of a pointer, decoded into out; NULL at the end, and *bad when it has not its form. */
static const char *next_token(const char *at, char *out, size_t size, bool *bad)
{
    if (*at == '\0')
        return NULL;
    *bad = *at != '/';
    size_t n = 0;
    for (at++; !*bad && *at != '\0' && *at != '/'; at++) {
        char c = *at;
        if (c == '~') {
            at++;
            *bad = *at != '0' && *at != '1';
            c = *at == '0' ? '~' : '/';
        }
        if (*bad || n + 1 >= size) {
            *bad = true;
            break;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return *bad ? NULL : at;
}

/* Index of an array: digits without a leading zero, or "-" for behind the end. */
static bool index_of(const char *token, size_t size, bool may_append, size_t *out)
{
    if (may_append && strcmp(token, "-") == 0) {
        *out = size;
        return true;
    }
    size_t len = strlen(token);
    if (len == 0 || len > 9 || strspn(token, "0123456789") != len || (len > 1 && token[0] == '0'))
        return false;
    *out = (size_t)strtoul(token, NULL, 10);
    return *out < size + (may_append ? 1u : 0u);
}

static json_t *child_of(json_t *value, const char *token)
{
    size_t i;
    if (json_is_object(value))
        return json_object_get(value, token);
    if (json_is_array(value) && index_of(token, json_array_size(value), false, &i))
        return json_array_get(value, i);
    return NULL;
}

/* The container of what the pointer names, and its last token. NULL: not there. */
static json_t *walk(json_t *root, const char *pointer, char *last, size_t size)
{
    bool bad = false;
    const char *at = next_token(pointer, last, size, &bad);
    json_t *here = root;
    while (at != NULL && *at != '\0' && here != NULL) {
        here = child_of(here, last);
        at = next_token(at, last, size, &bad);
    }
    return bad || at == NULL ? NULL : here;
}

static json_t *value_at(json_t *root, const char *pointer)
{
    char last[512];
    if (pointer[0] == '\0')
        return root;
    json_t *parent = walk(root, pointer, last, sizeof last);
    return parent == NULL ? NULL : child_of(parent, last);
}

/* Takes the value. */
static bool put_at(json_t **root, const char *pointer, json_t *value, bool replace)
{
    char last[512];
    size_t i;
    if (pointer[0] == '\0') {
        json_decref(*root);
        *root = value;
        return value != NULL;
    }
    json_t *parent = walk(*root, pointer, last, sizeof last);
    if (json_is_object(parent) && (!replace || json_object_get(parent, last) != NULL))
        return json_object_set_new(parent, last, value) == 0;
    if (json_is_array(parent) && index_of(last, json_array_size(parent), !replace, &i))
        return (replace ? json_array_set_new(parent, i, value) : json_array_insert_new(parent, i, value)) == 0;
    json_decref(value);
    return false;
}

static bool remove_at(json_t *root, const char *pointer)
{
    char last[512];
    size_t i;
    json_t *parent = pointer[0] == '\0' ? NULL : walk(root, pointer, last, sizeof last);
    if (json_is_object(parent))
        return json_object_del(parent, last) == 0;
    return json_is_array(parent) && index_of(last, json_array_size(parent), false, &i) &&
           json_array_remove(parent, i) == 0;
}

static bool within(const char *outer, const char *inner)
{
    size_t len = strlen(outer);
    return strncmp(outer, inner, len) == 0 && inner[len] == '/';
}

static bool transfer(json_t **root, const char *from, const char *to, bool move)
{
    json_t *found = value_at(*root, from);
    if (found == NULL || (move && within(from, to)))
        return false;
    json_t *value = move ? json_incref(found) : json_deep_copy(found);
    if (move && !remove_at(*root, from)) {
        json_decref(value);
        return false;
    }
    return put_at(root, to, value, false);
}

static bool one_operation(json_t **root, const char *op, const char *path, const json_t *operation)
{
    const json_t *value = json_object_get(operation, "value");
    const char *from = json_string_value(json_object_get(operation, "from"));
    if (strcmp(op, "test") == 0) {
        const json_t *found = value_at(*root, path);
        return value != NULL && (json_equal(found, value) || (found == NULL && json_is_null(value)));
    }
    if (strcmp(op, "remove") == 0)
        return remove_at(*root, path);
    if (strcmp(op, "add") == 0 || strcmp(op, "replace") == 0)
        return value != NULL && put_at(root, path, json_deep_copy(value), op[0] == 'r');
    bool move = strcmp(op, "move") == 0;
    return (move || strcmp(op, "copy") == 0) && from != NULL && transfer(root, from, path, move);
}

ns_status ns_kube_json_patch(json_t **target, const json_t *patch, ns_error *err)
{
    if (!json_is_array(patch) || json_array_size(patch) > OPS_MAX)
        return ns_fail(err, NS_BAD_INPUT, "a JSON patch is a list of at most %d operations", OPS_MAX);
    size_t i;
    const json_t *operation;
    json_array_foreach(patch, i, operation)
    {
        const char *op = json_string_value(json_object_get(operation, "op"));
        const char *path = json_string_value(json_object_get(operation, "path"));
        if (op == NULL || path == NULL)
            return ns_fail(err, NS_BAD_INPUT, "operation %zu has no op or no path", i);
        if (!one_operation(target, op, path, operation))
            return ns_fail(err, NS_CONFLICT, "operation %zu (%.16s) does not fit the object", i, op);
        if (strcmp(op, "copy") == 0 || strcmp(op, "move") == 0) {
            ns_status status = bounded(*target, err);
            if (status != NS_OK)
                return status;
        }
    }
    return bounded(*target, err);
}

/* ---- merge patch --------------------------------------------------------------------------------------------------
 */

static json_t *merged(json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;
    if (!json_is_object(patch)) {
        json_decref(target);
        return json_deep_copy(patch);
    }
    if (!json_is_object(target)) {
        json_decref(target);
        target = json_object();
    }
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        if (json_is_null(value))
            (void)json_object_del(target, key);
        else
            (void)json_object_set_new(target, key, merged(json_incref(json_object_get(target, key)), value));
    }
    return target;
}

ns_status ns_kube_merge_patch(json_t **target, const json_t *patch, ns_error *err)
{
    if (!json_is_object(patch))
        return ns_fail(err, NS_BAD_INPUT, "a merge patch is an object");
    *target = merged(*target, patch);
    return bounded(*target, err);
}

/* ---- strategic merge patch ----------------------------------------------------------------------------------------
 */

/* Lists whose elements are told apart by one of their fields. */
static const char *merge_key(const char *list)
{
    static const struct {
        const char *list, *key;
    } keys[] = {
        {"containers", "name"},
        {"initContainers", "name"},
        {"ephemeralContainers", "name"},
        {"env", "name"},
        {"volumes", "name"},
        {"volumeMounts", "mountPath"},
        {"ports", "containerPort"},
        {"imagePullSecrets", "name"},
        {"hostAliases", "ip"},
        {"volumeDevices", "devicePath"},
        {"conditions", "type"},
        {"ownerReferences", "uid"},
        {"topologySpreadConstraints", "topologyKey"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(keys); i++)
        if (strcmp(keys[i].list, list) == 0)
            return keys[i].key;
    return NULL;
}

static bool strategic(json_t *target, const json_t *patch);

static ptrdiff_t with_key(const json_t *list, const char *key, const json_t *value)
{
    size_t i;
    const json_t *element;
    json_array_foreach(list, i, element)
    {
        if (value != NULL && json_equal(json_object_get(element, key), value))
            return (ptrdiff_t)i;
    }
    return -1;
}

static bool merge_element(json_t *list, const char *key, const json_t *element)
{
    const json_t *id = json_object_get(element, key);
    const char *directive = json_string_value(json_object_get(element, "$patch"));
    if (directive != NULL && strcmp(directive, "replace") == 0)
        return json_array_clear(list) == 0;
    if (!json_is_object(element) || id == NULL)
        return false;
    ptrdiff_t at = with_key(list, key, id);
    if (directive != NULL && strcmp(directive, "delete") == 0)
        return at < 0 || json_array_remove(list, (size_t)at) == 0;
    if (at >= 0)
        return strategic(json_array_get(list, (size_t)at), element);
    json_t *fresh = json_object();
    bool good = strategic(fresh, element);
    return json_array_append_new(list, fresh) == 0 && good;
}

static bool merge_list(json_t *target, const char *name, const json_t *patch)
{
    const char *key = merge_key(name);
    json_t *list = json_object_get(target, name);
    size_t i;
    const json_t *element;
    if (key == NULL)
        return json_object_set_new(target, name, json_deep_copy(patch)) == 0;
    if (!json_is_array(list)) {
        list = json_array();
        if (json_object_set_new(target, name, list) != 0)
            return false;
    }
    json_array_foreach(patch, i, element)
    {
        if (!merge_element(list, key, element))
            return false;
    }
    return true;
}

static bool merge_field(json_t *target, const char *name, const json_t *value)
{
    if (json_is_null(value)) {
        (void)json_object_del(target, name);
        return true;
    }
    if (json_is_array(value))
        return merge_list(target, name, value);
    if (!json_is_object(value))
        return json_object_set_new(target, name, json_deep_copy(value)) == 0;
    json_t *child = json_object_get(target, name);
    if (!json_is_object(child)) {
        child = json_object();
        if (json_object_set_new(target, name, child) != 0)
            return false;
    }
    return strategic(child, value);
}

/* Directives begin with '$': `$patch: replace` empties first; orders of elements and retained keys do not matter here.
 */
static bool strategic(json_t *target, const json_t *patch)
{
    const char *name;
    json_t *value;
    const char *directive = json_string_value(json_object_get(patch, "$patch"));
    if (directive != NULL && strcmp(directive, "replace") == 0)
        (void)json_object_clear(target);
    else if (directive != NULL && strcmp(directive, "delete") == 0)
        return json_object_clear(target) == 0;
    else if (directive != NULL && strcmp(directive, "merge") != 0)
        return false;
    json_object_foreach((json_t *)(uintptr_t)patch, name, value)
    {
        if (name[0] != '$' && !merge_field(target, name, value))
            return false;
    }
    return true;
}

ns_status ns_kube_strategic_patch(json_t **target, const json_t *patch, ns_error *err)
{
    if (!json_is_object(patch))
        return ns_fail(err, NS_BAD_INPUT, "a strategic merge patch is an object");
    if (!json_is_object(*target) || !strategic(*target, patch))
        return ns_fail(err, NS_BAD_INPUT, "an element of a merged list has no name, or a directive is not known");
    return bounded(*target, err);
}
