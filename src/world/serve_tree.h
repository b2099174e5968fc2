/*
 * Jenkins' `tree=` expressions: which properties of an object are wanted, how deep, and which elements of lists.
 *
 *     jobs[name,builds[number,result]{0,20}],quietingDown
 *
 * {m,n}: from m to before n; {m,}; {,n}; {n}: only element n. `*` stands for every property not named.
 */
#ifndef NS_WORLD_SERVE_TREE_H
#define NS_WORLD_SERVE_TREE_H

#include "base/text.h"

#include <jansson.h>

#define NS_TREE_BYTES_MAX (16u << 10)
#define NS_TREE_DEPTH_MAX 32

typedef struct ns_tree {
    ns_text name; /* view of the expression, which must outlive the tree */
    size_t from;  /* range; whole list: 0 .. SIZE_MAX */
    size_t to;
    struct ns_tree *children; /* NULL: a name alone */
    struct ns_tree *next;
} ns_tree;

/* *out is the expression's root (no name, the expression's items as children). NS_BAD_INPUT: "Malformed tree
 * expression: ..."; NS_TOO_LARGE; NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_tree_parse(ns_text expression, ns_tree **out, ns_error *err);
void ns_tree_free(ns_tree *root);

/* The item for this property, by name or by `*`; NULL: not wanted. */
const ns_tree *ns_tree_child(const ns_tree *tree, const char *name);

/* A new value: what the tree leaves of `whole` (borrowed). `_class` always stays; a name alone of an object leaves
 * only that. NULL: no memory. */
NS_MUST_USE json_t *ns_tree_apply(const ns_tree *tree, json_t *whole);

#endif
