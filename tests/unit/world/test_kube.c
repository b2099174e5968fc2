/* Patches and selectors of the served cluster, against the examples of their standards. */
#include "check.h"

#include "world/serve_kube.h"

static json_t *read(const char *text)
{
    json_t *out = NULL;
    if (ns_json_read(ns_text_of(text), &out, NULL) != NS_OK)
        fail_msg("not JSON: %s", text);
    return out;
}

typedef ns_status patch_function(json_t **target, const json_t *patch, ns_error *err);

typedef struct example {
    const char *target, *patch, *result; /* NULL: refused */
} example;

static void check_all(patch_function *apply, const example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_t *target = read(examples[i].target), *patch = read(examples[i].patch);
        json_t *wanted = examples[i].result == NULL ? NULL : read(examples[i].result);
        ns_error err;
        ns_status status = apply(&target, patch, &err);
        if ((status == NS_OK) != (wanted != NULL) || (wanted != NULL && !json_equal(target, wanted))) {
            char *text = json_dumps(target, JSON_COMPACT | JSON_ENCODE_ANY);
            fail_msg("example %zu: %s, %s", i, ns_status_name(status), text);
        }
        json_decref(target);
        json_decref(patch);
        json_decref(wanted);
    }
    CHECK_INT(0, ns_mem_live());
}

/* RFC 6902, appendix A, in its order; then what it says in words. */
static void json_patch_follows_its_standard(void **state)
{
    (void)state;
    static const example examples[] = {
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
         "{\"baz\":\"qux\",\"foo\":\"bar\"}"},
        {"{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
         "{\"foo\":[\"bar\",\"qux\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}"},
        {"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
         "{\"foo\":[\"bar\",\"baz\"]}"},
        {"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
         "{\"baz\":\"boo\",\"foo\":\"bar\"}"},
        {"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
         "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
         "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}"},
        {"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
         "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
         "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}"},
        {"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
         "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
         "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}"},
        {"{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
         "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
         "{\"foo\":\"bar\",\"baz\":\"qux\"}"},
        {"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", NULL},
        {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]", "{\"/\":9,\"~1\":10}"},
        {"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", NULL},
        {"{\"foo\":[\"bar\"]}", "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
         "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/2\"}]", NULL},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":1}]", NULL},
        {"{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/01\",\"value\":1}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]", NULL},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"}]",
         "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
        {"{\"a\":1}", "[{\"op\":\"fly\",\"path\":\"/a\"}]", NULL},
        {"{\"a\":1}", "{\"op\":\"remove\"}", NULL},
    };
    check_all(ns_kube_json_patch, examples, NS_COUNT_OF(examples));
}

/* RFC 7396, appendix A, the rows whose patch is an object (an API server takes no other). */
static void merge_patch_follows_its_standard(void **state)
{
    (void)state;
    static const example examples[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{}", "[]", NULL},
    };
    check_all(ns_kube_merge_patch, examples, NS_COUNT_OF(examples));
}

static void strategic_patch_merges_what_has_names(void **state)
{
    (void)state;
    static const example examples[] = {
        {"{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"2\"}]}",
         "{\"$setElementOrder/containers\":[{\"name\":\"b\"}],\"containers\":[{\"name\":\"b\",\"image\":\"3\"}]}",
         "{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\",\"image\":\"3\"}]}"},
        {"{\"containers\":[{\"name\":\"a\"}]}", "{\"containers\":[{\"name\":\"c\",\"image\":\"4\"}]}",
         "{\"containers\":[{\"name\":\"a\"},{\"name\":\"c\",\"image\":\"4\"}]}"},
        {"{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
         "{\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}", "{\"containers\":[{\"name\":\"b\"}]}"},
        {"{\"ports\":[{\"containerPort\":80}]}", "{\"ports\":[{\"containerPort\":80,\"name\":\"http\"}]}",
         "{\"ports\":[{\"containerPort\":80,\"name\":\"http\"}]}"},
        {"{\"args\":[\"a\",\"b\"]}", "{\"args\":[\"c\"]}", "{\"args\":[\"c\"]}"},
        {"{\"m\":{\"a\":1,\"b\":2}}", "{\"m\":{\"a\":null}}", "{\"m\":{\"b\":2}}"},
        {"{\"m\":{\"a\":1}}", "{\"m\":{\"$patch\":\"replace\",\"b\":2}}", "{\"m\":{\"b\":2}}"},
        {"{\"containers\":[]}", "{\"containers\":[{\"image\":\"nameless\"}]}", NULL},
        {"{}", "{\"m\":{\"$patch\":\"fly\"}}", NULL},
    };
    check_all(ns_kube_strategic_patch, examples, NS_COUNT_OF(examples));
}

static void a_patch_cannot_grow_without_bounds(void **state)
{
    (void)state;
    ns_buf text;
    ns_error err;
    ns_buf_init(&text, 1u << 20);
    (void)ns_buf_string(&text, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":[1,2,3,4,5,6,7,8]}");
    for (int i = 0; i < 60; i++) /* each doubles what there is */
        (void)ns_buf_printf(&text, ",{\"op\":\"copy\",\"from\":\"\",\"path\":\"/c%d\"}", i);
    (void)ns_buf_string(&text, "]");
    json_t *target = read("{}"), *patch = NULL;
    CHECK_OK(ns_json_read(ns_buf_view(&text), &patch, NULL));
    CHECK_STATUS(NS_TOO_LARGE, ns_kube_json_patch(&target, patch, &err));
    json_decref(target);
    json_decref(patch);
    ns_buf_clear(&text);
}

static void selectors_select(void **state)
{
    (void)state;
    static const struct {
        const char *selector;
        int match; /* -1: cannot be read */
    } labels[] = {
        {"", 1},
        {"name=carts", 1},
        {"name==carts", 1},
        {"name=orders", 0},
        {"name!=orders", 1},
        {"name", 1},
        {"!name", 0},
        {"!gone", 1},
        {"gone", 0},
        {"name=carts,tier=x", 0},
        {"name in (a,carts)", 1},
        {"name in (a, b)", 0},
        {"name notin (a)", 1},
        {"gone notin (a)", 1},
        {"gone!=x", 1},
        {"name=", 0},
        {"name in (", -1},
        {"=x", -1},
        {"a=b=c", -1},
        {"name in carts", -1},
    };
    json_t *of = read("{\"name\":\"carts\"}");
    for (size_t i = 0; i < NS_COUNT_OF(labels); i++) {
        bool match = false;
        bool readable = ns_kube_labels_match(labels[i].selector, of, &match);
        if (readable != (labels[i].match >= 0) || (readable && match != (labels[i].match == 1)))
            fail_msg("%s: readable %d, match %d", labels[i].selector, readable, match);
    }
    json_decref(of);
    json_t *object = read("{\"metadata\":{\"name\":\"carts\"},\"status\":{\"phase\":\"Running\"}}");
    bool match = false;
    CHECK(ns_kube_fields_match("metadata.name=carts,status.phase!=Pending", object, &match) && match);
    CHECK(ns_kube_fields_match("metadata.name=x", object, &match) && !match);
    CHECK(!ns_kube_fields_match("metadata.name", object, &match));
    json_decref(object);
}

/* As kubectl auth can-i sends it. */
static void a_review_comes_as_protobuf(void **state)
{
    (void)state;
    static const char review[] = "k8s\0\n2\n\x17"
                                 "authorization.k8s.io/v1\x12\x17SelfSubjectAccessReview\x12P\n\x10\n\0\x12\0"
                                 "\x1a\0\"\0*\0"
                                 "2\0"
                                 "8\0B\0\x12"
                                 "2\n0\n\tsock-shop\x12\x05patch\x1a\x04"
                                 "apps\"\0*\x0b"
                                 "deployments2\x05scale:\0\x1a\x08\x08\0\x12\0\x1a\0 \0\x1a\0\"\0";
    json_t *read_back = ns_kube_review((ns_text){review, sizeof review - 1});
    const json_t *asked = json_object_get(json_object_get(read_back, "spec"), "resourceAttributes");
    CHECK_STRING("sock-shop", ns_json_string(asked, "namespace", ""));
    CHECK_STRING("patch", ns_json_string(asked, "verb", ""));
    CHECK_STRING("scale", ns_json_string(asked, "subresource", ""));
    json_decref(read_back);
    CHECK(ns_kube_review((ns_text){review, 60}) == NULL);
    CHECK(ns_kube_review(NS_TEXT("[]")) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_patch_follows_its_standard),
        cmocka_unit_test(merge_patch_follows_its_standard),
        cmocka_unit_test(strategic_patch_merges_what_has_names),
        cmocka_unit_test(a_patch_cannot_grow_without_bounds),
        cmocka_unit_test(selectors_select),
        cmocka_unit_test(a_review_comes_as_protobuf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
