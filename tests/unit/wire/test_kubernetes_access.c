/* kubeconfigs and service accounts: what is read, what wins, what is refused. */
#include "check.h"

#include "wire/kubernetes_access.h"
#include "wire/kubernetes_exec.h"
#include "wire/yaml.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int open_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ns-kubeconfig-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static const char *file_in(const char *name)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    (void)snprintf(path[turn], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

static int close_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "token", "ca.crt", "namespace"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++)
        (void)unlink(file_in(names[i]));
    return rmdir(folder);
}

static void put_file(const char *name, const char *text)
{
    CHECK_OK(ns_file_replace(file_in(name), ns_text_of(text), 0600, NULL));
}

#define CLUSTER     "clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443/'}}]\n"
#define CONTEXT     "contexts: [{name: x, context: {cluster: c, user: u, namespace: sock-shop}}]\ncurrent-context: x\n"
#define WHOLE(user) CLUSTER CONTEXT "users: [{name: u, user: {" user "}}]\n"

static void every_kind_of_user_is_read(void **state)
{
    (void)state;
    ns_kubernetes_access a;
    ns_error err;
    CHECK_OK(ns_kubernetes_access_read(NS_TEXT(WHOLE("token: 12345")), NULL, &a, &err));
    CHECK_STRING("https://10.0.0.1:6443/", a.server);
    CHECK_STRING("sock-shop", a.name_space);
    CHECK_STRING("x", a.context);
    CHECK_STRING("12345", a.token); /* a text, whatever it looks like */
    ns_kubernetes_access_clear(&a);
    CHECK_OK(ns_kubernetes_access_read(
        NS_TEXT(WHOLE("client-certificate-data: UEVN, client-certificate: /a, client-key: k.pem, as: bob, "
                      "as-groups: [g, h], as-uid: \"7\"")),
        "x", &a, &err));
    CHECK_TEXT("PEM", ns_buf_view(&a.client_cert_pem));
    CHECK(a.client_cert_file == NULL); /* the data wins */
    CHECK_STRING("k.pem", a.client_key_file);
    CHECK_STRING("bob", a.as_user);
    CHECK_STRING("7", a.as_uid);
    CHECK_INT(2, a.as_group_count);
    CHECK_STRING("h", a.as_group[1]);
    ns_kubernetes_access_clear(&a);
    CHECK_OK(ns_kubernetes_access_read(
        NS_TEXT(WHOLE("exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, args: [a]}")), NULL, &a,
        &err));
    CHECK_STRING("get-token", json_string_value(json_object_get(a.exec, "command")));
    ns_kubernetes_access_clear(&a);
    CHECK_OK(
        ns_kubernetes_access_read(NS_TEXT("{\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"http://[::1]:1\","
                                          "\"insecure-skip-tls-verify\":true,\"tls-server-name\":\"api\"}}],"
                                          "\"contexts\":[{\"name\":\"x\",\"context\":{\"cluster\":\"c\"}}],"
                                          "\"current-context\":\"x\"}"),
                                  NULL, &a, &err));
    CHECK(a.insecure);
    CHECK_STRING("api", a.tls_server_name);
    CHECK(a.name_space == NULL);
    ns_kubernetes_access_clear(&a);
    CHECK_INT(0, ns_mem_live());
}

static void what_cannot_be_used_is_told_without_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *context, *says;
    } cases[] = {
        {"", NULL, "nothing there"},
        {"- a", NULL, "no kubeconfig"},
        {"a: &x b", NULL, "line 1"},
        {"a: b\na: c", NULL, "line 2"},
        {"a: [", NULL, "line"},
        {CLUSTER, NULL, "current-context"},
        {CLUSTER CONTEXT, "y", "no context \"y\""},
        {CLUSTER CONTEXT, NULL, "the user \"u\""},
        {CONTEXT "users: [{name: u, user: {}}]", NULL, "the cluster \"c\""},
        {"clusters: [{name: c, cluster: {}}]\nusers: [{name: u, user: {}}]\n" CONTEXT, NULL, "no server"},
        {"clusters: [{name: c, cluster: {server: ftp://x}}]\nusers: [{name: u, user: {}}]\n" CONTEXT, NULL, "address"},
        {"clusters: [{name: c, cluster: {server: 'https://u:geheim@x'}}]\nusers: [{name: u, user: {}}]\n" CONTEXT, NULL,
         "credentials"},
        {WHOLE("client-key-data: '%%geheim'"), NULL, "base64"},
        {WHOLE("token: geheim, auth-provider: {name: gcp}"), NULL, "auth-provider"},
        {WHOLE("exec: {args: [geheim]}"), NULL, "no command"},
        {WHOLE("as-groups: [[geheim]]"), NULL, "as-groups"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_kubernetes_access a;
        ns_error err = {0};
        CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_access_read(ns_text_of(cases[i].text), cases[i].context, &a, &err));
        if (strstr(err.text, cases[i].says) == NULL || strstr(err.text, "geheim") != NULL)
            fail_msg("case %zu: %s", i, err.text);
    }
    CHECK_INT(0, ns_mem_live());
}

static void of_a_list_the_first_value_wins(void **state)
{
    (void)state;
    char paths[512];
    ns_kubernetes_access a;
    ns_error err;
    put_file("a", "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                  "users: [{name: u, user: {tokenFile: token, client-certificate: /etc/c.pem}}]\n");
    put_file("b", CLUSTER "users: [{name: u, user: {token: other}}]\ncurrent-context: x\n");
    (void)snprintf(paths, sizeof paths, "%s:%s:%s", file_in("a"), file_in("none"), file_in("b"));
    CHECK_OK(ns_kubernetes_access_load(paths, NULL, &a, &err));
    CHECK(a.token == NULL);
    CHECK_STRING(file_in("token"), a.token_file); /* relative to its file */
    CHECK_STRING("/etc/c.pem", a.client_cert_file);
    ns_kubernetes_access_clear(&a);
    CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_access_load(file_in("none"), NULL, &a, &err));
    CHECK(strstr(err.text, "kubernetes.kubeconfig") != NULL);
    CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_access_load("/no/a:/no/b", NULL, &a, &err));
    CHECK_INT(0, ns_mem_live());
}

static void a_service_account_is_found_in_its_folder(void **state)
{
    (void)state;
    ns_kubernetes_access a;
    ns_error err;
    put_file("token", "eyJ");
    put_file("ca.crt", "PEM");
    put_file("namespace", "sock-shop\n");
    CHECK_OK(ns_kubernetes_access_in_cluster(folder, "fd00::1", "443", &a, &err));
    CHECK_STRING("https://[fd00::1]:443", a.server);
    CHECK_STRING("sock-shop", a.name_space);
    CHECK_STRING(file_in("token"), a.token_file);
    CHECK_STRING(file_in("ca.crt"), a.ca_file);
    ns_kubernetes_access_clear(&a);
    CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_access_in_cluster(folder, NULL, "443", &a, &err));
    CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_access_in_cluster(folder, "10.0.0.1", "x", &a, &err));
    CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_access_in_cluster("/no/such", "10.0.0.1", "443", &a, &err));
    CHECK_INT(0, ns_mem_live());
}

static void a_plug_in_prints_a_credential_or_nothing_of_use(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ns_status wanted;
    } cases[] = {
        {"{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\",\"expirationTimestamp\":\"2026-11-23T10:00:00Z\"}}",
         NS_OK},
        {"{\"kind\":\"ExecCredential\",\"status\":{\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"}}", NS_OK},
        {"{\"kind\":\"ExecCredential\",\"status\":{\"clientCertificateData\":\"C\"}}", NS_BAD_INPUT},
        {"{\"kind\":\"ExecCredential\",\"status\":{}}", NS_BAD_INPUT},
        {"{\"kind\":\"ExecCredential\"}", NS_BAD_INPUT},
        {"{\"kind\":\"Secret\",\"status\":{\"token\":\"t\"}}", NS_BAD_INPUT},
        {"{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t\",\"expirationTimestamp\":\"soon\"}}", NS_BAD_INPUT},
        {"token", NS_BAD_INPUT},
        {"", NS_BAD_INPUT},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_kubernetes_credential c = {.expires_ms = -1};
        ns_error err;
        CHECK_STATUS(cases[i].wanted, ns_kubernetes_credential_read(ns_text_of(cases[i].text), &c, &err));
        if (i == 0)
            CHECK_INT(1795428000000, c.expires_ms);
        if (cases[i].wanted == NS_OK)
            ns_kubernetes_credential_clear(&c);
    }
    CHECK_INT(0, ns_mem_live());
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        ns_kubernetes_access a;
        ns_error err;
        ns_mem_fail_after(n);
        ns_status status = ns_kubernetes_access_read(
            NS_TEXT(WHOLE("token: t, client-key-data: UEVN, as-groups: [a], exec: {command: x}")), NULL, &a, &err);
        ns_mem_fail_after(-1);
        if (status == NS_OK) {
            ns_kubernetes_access_clear(&a);
            CHECK_INT(0, ns_mem_live());
            CHECK(n > 20);
            return;
        }
        CHECK_INT(0, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_user_is_read),
        cmocka_unit_test(what_cannot_be_used_is_told_without_secrets),
        cmocka_unit_test(of_a_list_the_first_value_wins),
        cmocka_unit_test(a_service_account_is_found_in_its_folder),
        cmocka_unit_test(a_plug_in_prints_a_credential_or_nothing_of_use),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
