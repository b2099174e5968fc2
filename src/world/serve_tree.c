#include "world/serve_tree.h"

#include "base/mem.h"

#include <string.h>

typedef struct parser {
    ns_text rest;
    ns_tree *block; /* all nodes stand in one block: at most one per name, and names are at least one byte */
    size_t used;
    ns_error *err;
} parser;

static ns_status malformed(const parser *p, const char *what)
{
    return ns_fail(p->err, NS_BAD_INPUT, "Malformed tree expression: %s, %zu bytes before the end", what, p->rest.len);
}

static bool at(const parser *p, char c)
{
    return p->rest.len > 0 && *p->rest.at == c;
}

static bool take(parser *p, char c)
{
    if (!at(p, c))
        return false;
    p->rest.at++;
    p->rest.len--;
    return true;
}

static bool is_delimiter(char c)
{
    return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

static ns_text take_name(parser *p)
{
    ns_text name = {p->rest.at, 0};
    while (name.len < p->rest.len && !is_delimiter(name.at[name.len]))
        name.len++;
    p->rest.at += name.len;
    p->rest.len -= name.len;
    return name;
}

/* Digits, or nothing: false, *out untouched. */
static bool take_number(parser *p, size_t *out, bool *overflow)
{
    size_t value = 0, digits = 0;
    while (p->rest.len > 0 && *p->rest.at >= '0' && *p->rest.at <= '9') {
        *overflow = *overflow || value > 100000000;
        value = value * 10 + (size_t)(*p->rest.at - '0');
        p->rest.at++;
        p->rest.len--;
        digits++;
    }
    if (digits > 0)
        *out = value;
    return digits > 0;
}

static ns_status parse_range(parser *p, ns_tree *node)
{
    size_t from = 0, to = SIZE_MAX;
    bool overflow = false;
    bool has_from = take_number(p, &from, &overflow);
    if (take(p, ',')) {
        bool has_to = take_number(p, &to, &overflow);
        if (!has_from && !has_to)
            return malformed(p, "a range without numbers");
    } else if (has_from) {
        to = from + 1;
    } else {
        return malformed(p, "a number is missing in a range");
    }
    if (overflow || !take(p, '}'))
        return malformed(p, "a range does not end");
    node->from = from;
    node->to = to;
    return NS_OK;
}

static ns_status parse_list(parser *p, ns_tree *parent, int depth)
{
    ns_tree **link = &parent->children;
    if (depth > NS_TREE_DEPTH_MAX)
        return malformed(p, "too deep");
    do {
        ns_tree *node = &p->block[p->used++];
        *node = (ns_tree){.name = take_name(p), .to = SIZE_MAX};
        if (node->name.len == 0)
            return malformed(p, "a name is missing");
        *link = node;
        link = &node->next;
        if (take(p, '[')) {
            ns_status status = parse_list(p, node, depth + 1);
            if (status != NS_OK)
                return status;
            if (!take(p, ']'))
                return malformed(p, "']' is missing");
        }
        if (take(p, '{')) {
            ns_status status = parse_range(p, node);
            if (status != NS_OK)
                return status;
        }
    } while (take(p, ','));
    return NS_OK;
}

ns_status ns_tree_parse(ns_text expression, ns_tree **out, ns_error *err)
{
    if (expression.len > NS_TREE_BYTES_MAX)
        return ns_fail(err, NS_TOO_LARGE, "tree expression of %zu bytes", expression.len);
    if (expression.len == 0)
        return ns_fail(err, NS_BAD_INPUT, "Malformed tree expression: it is empty");
    /* Between two names stands a delimiter; each of these begins at most one name. */
    size_t names = 1;
    for (size_t i = 0; i < expression.len; i++)
        names += is_delimiter(expression.at[i]);
    parser p = {.rest = expression, .block = NS_NEW_ARRAY(ns_tree, names + 2), .err = err};
    if (p.block == NULL)
        return ns_fail(err, NS_NO_MEMORY, "tree expression of %zu names", names);
    ns_tree *root = &p.block[p.used++];
    *root = (ns_tree){.to = SIZE_MAX};
    ns_status status = parse_list(&p, root, 0);
    if (status == NS_OK && p.rest.len > 0)
        status = malformed(&p, "something follows the end");
    if (status != NS_OK) {
        ns_free(p.block);
        return status;
    }
    *out = root;
    return NS_OK;
}

void ns_tree_free(ns_tree *root)
{
    ns_free(root); /* the root is the block's first node */
}

const ns_tree *ns_tree_child(const ns_tree *tree, const char *name)
{
    const ns_tree *any = NULL, *found = NULL;
    for (const ns_tree *child = tree->children; child != NULL; child = child->next) {
        if (ns_text_is(child->name, name))
            found = child; /* the last one of a name counts */
        else if (ns_text_is(child->name, "*"))
            any = child;
    }
    return found != NULL ? found : any;
}

static json_t *apply_object(const ns_tree *tree, json_t *whole)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;
    json_object_foreach(whole, key, value)
    {
        bool is_class = strcmp(key, "_class") == 0;
        const ns_tree *child = is_class ? NULL : ns_tree_child(tree, key);
        if (!is_class && child == NULL)
            continue;
        json_t *kept = is_class ? json_incref(value) : ns_tree_apply(child, value);
        if (kept == NULL || json_object_set_new(out, key, kept) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static json_t *apply_array(const ns_tree *tree, json_t *whole)
{
    json_t *out = json_array();
    size_t end = json_array_size(whole) < tree->to ? json_array_size(whole) : tree->to;
    for (size_t i = tree->from; i < end; i++) {
        json_t *element = json_array_get(whole, i);
        json_t *kept = json_is_object(element) ? apply_object(tree, element) : json_incref(element);
        if (kept == NULL || json_array_append_new(out, kept) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

json_t *ns_tree_apply(const ns_tree *tree, json_t *whole)
{
    if (json_is_object(whole))
        return apply_object(tree, whole);
    if (json_is_array(whole))
        return apply_array(tree, whole);
    return json_incref(whole);
}
