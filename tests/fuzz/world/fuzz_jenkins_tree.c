/* The reader of tree expressions; what it accepts is applied to an object with every kind of value. */
#include "world/serve_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *whole;
    if (whole == NULL)
        whole =
            json_pack("{s:s,s:i,s:n,s:[i,i,i],s:[{s:s,s:s},{},{s:{s:b}}],s:{s:{s:[[i]]}}}", "_class", "Root", "a", 1,
                      "b", "c", 1, 2, 3, "jobs", "_class", "Job", "name", "x", "color", "last", 1, "d", "e", "f", 7);
    if (whole == NULL)
        return 0;
    ns_tree *tree = NULL;
    ns_error err;
    if (ns_tree_parse((ns_text){(const char *)data, size}, &tree, &err) != NS_OK)
        return 0;
    json_t *left = ns_tree_apply(tree, whole);
    /* Whatever is wanted, nothing is invented. */
    if (!json_is_object(left) || json_object_size(left) > json_object_size(whole))
        ns_check_failed("a tree leaves a part of the object", __FILE__, __LINE__);
    json_decref(left);
    ns_tree_free(tree);
    return 0;
}
