#include "check.h"

#include "telemetry/redact.h"

static ns_redactor *redactor_with(const char *const *secrets, size_t count, bool without_filter)
{
    ns_redactor *redactor = NULL;
    ns_error err;
    CHECK_OK(ns_redactor_new(
        &(ns_redactor_options){.secrets = secrets, .secret_count = count, .without_filter = without_filter}, &redactor,
        &err));
    return redactor;
}

/* Text made of repeated characters, so that no table below holds anything that looks like a living token. */
#define A10   "aB3dE5gH7j"
#define A20   A10 A10
#define A40   A20 A20
#define HEX32 "0123456789abcdef0123456789abcdef"

static const struct {
    const char *line, *wanted;
} secrets[] = {
    {"password=hunter2", "password=[redacted]"},
    {"export DB_PASSWORD=hunter2", "export DB_PASSWORD=[redacted]"},
    {"Password: hunter2", "Password: [redacted]"},
    {"  \"password\": \"hunter2\",", "  \"password\": \"[redacted]\","},
    {"{\\\"password\\\":\\\"hunter2\\\",\\\"a\\\":1}", "{\\\"password\\\":\\\"[redacted]\\\",\\\"a\\\":1}"},
    {"password => 'hunter2'", "password => '[redacted]'"},
    {"password = hunter2", "password = [redacted]"},
    {"passwd='a b c'", "passwd='[redacted]'"},
    {"User(name=x, password=abc)", "User(name=x, password=[redacted])"},
    {"login?user=x&password=abc&next=/home", "login?user=x&password=[redacted]&next=/home"},
    {"Server=db;User ID=sa;Pwd=s3cr3t;", "Server=db;User ID=sa;Pwd=[redacted];"},
    {"passphrase: correct-horse-9", "passphrase: [redacted]"},
    {"<password>hunter2</password>", "<password>[redacted]</password>"},
    {"<ns:apiKey type=\"x\"> abc123 </ns:apiKey>", "<ns:apiKey type=\"x\"> [redacted]</ns:apiKey>"},
    {"NPM_TOKEN=abc123def", "NPM_TOKEN=[redacted]"},
    {"//registry.npmjs.org/:_authToken=abc123def456", "//registry.npmjs.org/:_authToken=[redacted]"},
    {"token: 9f8e7d6c5b4a", "token: [redacted]"},
    {"at token=abc123def", "at token=[redacted]"},
    {"\"access_token\":\"abcd\"", "\"access_token\":\"[redacted]\""},
    {"GET /x?access_token=abcd1234&page=2 HTTP/1.1", "GET /x?access_token=[redacted]&page=2 HTTP/1.1"},
    {"client_secret=abcdefgh", "client_secret=[redacted]"},
    {"aws_secret_access_key = " A40, "aws_secret_access_key = [redacted]"},
    {"AWS_SECRET_ACCESS_KEY=" A40, "AWS_SECRET_ACCESS_KEY=[redacted]"},
    {"X-Api-Key: 12345678abcd", "X-Api-Key: [redacted]"},
    {"+ deploy --token abc123def --verbose", "+ deploy --token [redacted] --verbose"},
    {"+ deploy --password=hunter2", "+ deploy --password=[redacted]"},
    {"exec [\"--api-key\", \"abc123\"]", "exec [\"--api-key\", \"[redacted]\"]"},
    {"docker login -u me -p hunter2 registry", "docker login -u me -p [redacted] registry"},
    {"curl -fsS -u admin:hunter2 http://ci/", "curl -fsS -u [redacted] http://ci/"},
    {"mysql -uroot -phunter2 shop", "mysql -uroot -p[redacted] shop"},
    {"sshpass -p hunter2 ssh host", "sshpass -p [redacted] ssh host"},
    {"git clone https://me:hunter2@github.com/x/y", "git clone https://[redacted]@github.com/x/y"},
    {"amqp://guest:p@ss@rabbit:5672/", "amqp://[redacted]@rabbit:5672/"},
    {"https://" A20 "@github.com/x", "https://[redacted]@github.com/x"},
    {"Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"},
    {"Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [redacted]"},
    {"curl -H 'Authorization: token 0a1b2c3d4e'", "curl -H 'Authorization: token [redacted]'"},
    {"got Bearer " A20 " back", "got Bearer [redacted] back"},
    {"Set-Cookie: JSESSIONID=node01abcdef; Path=/", "Set-Cookie: [redacted]"},
    {"AKIAABCDEFGH23456789 used", "[redacted] used"},
    {"remote: ghp_" A40 ".", "remote: [redacted]."},
    {"github_pat_" A40, "[redacted]"},
    {"glpat-" A20 " revoked", "[redacted] revoked"},
    {"npm_" A20 A10 "aB3dE5 published", "[redacted] published"},
    {"xoxb-123456789012-abcdef", "[redacted]"},
    {"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." A20 " end", "jwt [redacted] end"},
    {"jenkins 11" HEX32 " made", "jenkins [redacted] made"},
    {"POST https://hooks.slack.com/services/T000/B000/" A20, "POST https://hooks.slack.com/services/[redacted]"},
    {"key -----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY----- end", "key [redacted] end"},
};

static const char *const harmless[] = {
    "token expected near ';'",
    "SyntaxError: Unexpected token < in JSON at position 0",
    "Unexpected token: punc (})",
    "parse error: unexpected token: identifier12",
    "unexpected token: 'identifier'",
    "[INFO] Tests run: 12, Failures: 0, Errors: 0, Skipped: 0 - in com.x.TokenTest",
    "PASS: test_password_reset",
    "--- PASS: TestSecretKey (0.00s)",
    "password must be at least 8 characters",
    "Password: must not be empty",
    "error: password is required",
    "  --token string   Bearer token for authentication to the API server",
    "  --password <password>   the password to use",
    "  --token TOKEN    the token",
    "docker login --password-stdin",
    "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
    "password=${DB_PASSWORD}",
    "password=****",
    "password: [redacted]",
    "TOKEN=$NPM_TOKEN",
    "token = getToken();",
    "String token = request.getParameter(\"name\");",
    "private String password = null;",
    "if (token == other) return;",
    "std::token::kind",
    "max_tokens=4096",
    "token=12",
    "secretName: carts-tls",
    "secret/carts-tls created",
    "imagePullSecrets: []",
    "PWD=/var/jenkins_home/workspace/carts",
    "OLDPWD=/root",
    "token_file=/run/secrets/token",
    "ssl.private_key=/etc/ssl/private/server.pem",
    "Downloading from central: https://repo.maven.apache.org/maven2/org/x/y-1.0.pom",
    "npm http fetch GET 200 https://registry.npmjs.org/@babel/core 120ms",
    "git clone ssh://git@github.com/x/y.git",
    "fetching git+ssh://git@github.com:22/x",
    "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "digest: sha256:" HEX32 HEX32 " size: 1573",
    "Bearer authentication failed",
    "Basic Configuration of the server",
    "cookie: accepted by the client",
    "primary key = id",
    "Number of tries to enter a password: 3",
    "update user set password=?, name=?",
    "AUTHOR=me author: somebody",
    "-----BEGIN CERTIFICATE-----",
    "see https://user.example.org/a@b",
    "Compiling token.c:12:5: warning: unused",
};

static void secrets_go_and_the_rest_stays(void **state)
{
    (void)state;
    ns_redactor *redactor = redactor_with(NULL, 0, false);
    ns_redactor *slow = redactor_with(NULL, 0, true);
    ns_buf out, again;
    ns_buf_init(&out, 1 << 16);
    ns_buf_init(&again, 1 << 16);
    int bad = 0;
    for (size_t i = 0; i < NS_COUNT_OF(secrets) + NS_COUNT_OF(harmless); i++) {
        bool hidden = i < NS_COUNT_OF(secrets);
        const char *line = hidden ? secrets[i].line : harmless[i - NS_COUNT_OF(secrets)];
        const char *wanted = hidden ? secrets[i].wanted : line;
        ns_buf_reset(&out);
        CHECK_OK(ns_redact_text(redactor, ns_text_of(line), &out));
        if (!ns_text_is(ns_buf_view(&out), wanted)) {
            print_error("%s\n  wanted %s\n  got    %s\n", line, wanted, out.at);
            bad++;
        }
        ns_buf_reset(&again);
        CHECK_OK(ns_redact_text(slow, ns_text_of(line), &again)); /* the filter hides no rule */
        CHECK_STRING(out.at, again.at);
        ns_buf_reset(&again);
        CHECK_OK(ns_redact_text(redactor, ns_buf_view(&out), &again)); /* twice is once */
        CHECK_STRING(out.at, again.at);
    }
    CHECK_INT(0, bad);
    ns_buf_clear(&out);
    ns_buf_clear(&again);
    ns_redactor_free(redactor);
    ns_redactor_free(slow);
    CHECK_INT(0, ns_mem_live());
}

static void registered_secrets_go_in_every_spelling(void **state)
{
    (void)state;
    static const char *const known[] = {"tr0ub4dor&3", "abcd", "cdef", "", NULL, "line one\nline two\nx"};
    ns_redactor *redactor = redactor_with(known, NS_COUNT_OF(known), false);
    static const struct {
        const char *line, *wanted;
    } cases[] = {
        {"echo tr0ub4dor&3!", "echo [redacted]!"},
        {"q=tr0ub4dor%263&x", "q=[redacted]&x"},
        {"data dHIwdWI0ZG9yJjM=", "data [redacted]="},
        {"xabcdefx", "x[redacted]x"}, /* they overlap */
        {"ABCD", "ABCD"},
        {"line one", "[redacted]"},
        {"x", "x"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        char out[256];
        CHECK_STRING(cases[i].wanted, ns_redact_copy(redactor, out, sizeof out, ns_text_of(cases[i].line)));
    }
    ns_error err;
    char out[64];
    CHECK_STATUS(NS_BAD_INPUT, ns_redactor_add(redactor, NS_TEXT("abc"), &err));
    CHECK(strstr(err.text, "abc") == NULL);
    CHECK_OK(ns_redactor_add(redactor, NS_TEXT("later-one"), &err));
    CHECK_STRING("a [redacted] b", ns_redact_copy(redactor, out, sizeof out, NS_TEXT("a later-one b")));
    ns_redactor_free(redactor);
    ns_redactor *never = NULL;
    static const char *const too_short[] = {"ab1"};
    CHECK_STATUS(NS_BAD_INPUT,
                 ns_redactor_new(&(ns_redactor_options){.secrets = too_short, .secret_count = 1}, &never, &err));
    CHECK(never == NULL);
    CHECK_INT(0, ns_mem_live());
}

#define KEY_LINE "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"

static void key_blocks_go_line_by_line(void **state)
{
    (void)state;
    static const char text[] = "before\n"
                               "-----BEGIN RSA PRIVATE KEY-----\n"
                               "Proc-Type: 4,ENCRYPTED\n"
                               "\n" KEY_LINE "10:00:01 " KEY_LINE "abcd==\n"
                               "-----END RSA PRIVATE KEY-----\n"
                               "after\n"
                               "grep '-----BEGIN PRIVATE KEY-----' x\n"
                               "nothing was found\n"
                               "done\n"
                               "-----BEGIN PRIVATE KEY-----\n" KEY_LINE "abcd==\n"
                               "done\n"
                               "end\n";
    static const char wanted[] = "before\n[redacted]\n[redacted]\n\n[redacted]\n[redacted]\n[redacted]\n[redacted]\n"
                                 "after\ngrep '[redacted]\nnothing was found\ndone\n"
                                 "[redacted]\n[redacted]\n[redacted]\ndone\nend\n";
    ns_redactor *redactor = redactor_with(NULL, 0, false);
    ns_buf out;
    ns_buf_init(&out, 1 << 16);
    CHECK_OK(ns_redact_text(redactor, ns_text_of(text), &out));
    CHECK_STRING(wanted, out.at);
    ns_buf_clear(&out);
    ns_redactor_free(redactor);
}

/* How a text is cut into pieces never shows. */
static void check_pieces(ns_redactor *redactor, ns_text text, const char *wanted)
{
    static const size_t steps[] = {1, 2, 3, 7, 4093, 65535, 65536, 65537, 1u << 20};
    for (size_t k = text.len > 4096 ? 4 : 0; k < NS_COUNT_OF(steps); k++) {
        ns_redact_stream stream = {0};
        ns_buf out;
        ns_buf_init(&out, 4u << 20);
        for (size_t i = 0; i < text.len; i += steps[k]) {
            size_t n = text.len - i < steps[k] ? text.len - i : steps[k];
            CHECK_OK(ns_redact_stream_put(redactor, &stream, (ns_text){text.at + i, n}, &out));
        }
        CHECK_OK(ns_redact_stream_end(redactor, &stream, &out));
        CHECK_STRING(wanted, out.at);
        ns_buf_clear(&out);
    }
}

static void pieces_give_the_same_as_the_whole(void **state)
{
    (void)state;
    ns_redactor *redactor = redactor_with(NULL, 0, false);
    check_pieces(redactor, NS_TEXT("one\r\npassword=hunter2\r\n\ntwo token=abc123def x\nlast pass"),
                 "one\r\npassword=[redacted]\r\n\ntwo token=[redacted] x\nlast pass");
    check_pieces(redactor, NS_TEXT("-----BEGIN PRIVATE KEY-----\n" KEY_LINE "-----END PRIVATE KEY-----\nx\n"),
                 "[redacted]\n[redacted]\n[redacted]\nx\n");
    ns_redactor_free(redactor);
    CHECK_INT(0, ns_mem_live());
}

/* A line of 200 KB with one secret whose place moves over the first cut. */
static void long_lines_hide_secrets_across_the_cut(void **state)
{
    (void)state;
    enum { LENGTH = 200000 };
    static const char *const known[] = {"the-registered-one"};
    ns_redactor *redactor = redactor_with(known, 1, false);
    char *line = ns_alloc(1, LENGTH + 2), *wanted = ns_alloc(1, LENGTH + 2);
    for (size_t at = 65536 - 16384 - 40; at<65536 + 40; at += at> 65536 - 16384 + 40 && at < 65536 - 80 ? 4096 : 9) {
        static const char secret[] = " password=hunter2the-registered-one ", clean[] = " password=[redacted] ";
        memset(line, 'z', LENGTH);
        memcpy(line + at, secret, sizeof secret - 1);
        line[LENGTH] = '\n';
        memset(wanted, 'z', LENGTH);
        memcpy(wanted + at, clean, sizeof clean - 1);
        wanted[LENGTH - (sizeof secret - sizeof clean)] = '\n';
        wanted[LENGTH - (sizeof secret - sizeof clean) + 1] = '\0';
        check_pieces(redactor, (ns_text){line, LENGTH + 1}, wanted);
    }
    /* A secret longer than any part: nothing of it comes out, the next line does. */
    memset(line, 'z', LENGTH);
    memcpy(line, "password=", 9);
    memcpy(line + LENGTH - 5, "\nnext", 6);
    check_pieces(redactor, ns_text_of(line), "password=[redacted]\nnext");
    ns_free(line);
    ns_free(wanted);
    ns_redactor_free(redactor);
    CHECK_INT(0, ns_mem_live());
}

static void a_limit_hides_the_whole_line(void **state)
{
    (void)state;
    ns_redactor *redactor = NULL;
    ns_error err;
    CHECK_OK(ns_redactor_new(&(ns_redactor_options){.match_limit = 1}, &redactor, &err));
    char out[128];
    CHECK_STRING("[redacted]", ns_redact_copy(redactor, out, sizeof out, NS_TEXT("curl a b c -u me:hunter2 x")));
    CHECK_STRING("plain", ns_redact_copy(redactor, out, sizeof out, NS_TEXT("plain")));
    /* More secrets than are counted in one line. */
    ns_buf many, clean;
    ns_buf_init(&many, 1 << 16);
    ns_buf_init(&clean, 1 << 16);
    for (int i = 0; i < 300; i++)
        (void)ns_buf_string(&many, "password=hunter2 ");
    ns_redactor_free(redactor);
    redactor = redactor_with(NULL, 0, false);
    CHECK_OK(ns_redact_text(redactor, ns_buf_view(&many), &clean));
    CHECK_STRING("[redacted]", clean.at);
    ns_buf_clear(&many);
    ns_buf_clear(&clean);
    ns_redactor_free(redactor);
    CHECK_INT(0, ns_mem_live());
}

static void no_memory_never_lets_a_secret_out(void **state)
{
    (void)state;
    static const char *const known[] = {"registered-value"};
    for (long n = 0; n < 120; n++) {
        ns_redactor *redactor = NULL;
        ns_error err;
        ns_buf out;
        ns_redact_stream stream = {0};
        ns_buf_init(&out, 4096);
        ns_mem_fail_after(n);
        ns_status status =
            ns_redactor_new(&(ns_redactor_options){.secrets = known, .secret_count = 1}, &redactor, &err);
        if (status == NS_OK) {
            (void)ns_redact_stream_put(redactor, &stream, NS_TEXT("a registered-val"), &out);
            (void)ns_redact_stream_put(redactor, &stream, NS_TEXT("ue b\n"), &out);
            status = ns_redactor_add(redactor, NS_TEXT("another one"), &err);
            (void)ns_redact_text(redactor, NS_TEXT("registered-value"), &out);
        }
        ns_mem_fail_after(-1);
        CHECK(out.at == NULL || strstr(out.at, "registered-value") == NULL);
        ns_redact_stream_clear(&stream);
        ns_buf_clear(&out);
        ns_redactor_free(redactor);
        CHECK_INT(0, ns_mem_live());
    }
    /* A full output is told. */
    ns_redactor *redactor = redactor_with(known, 1, false);
    ns_buf small;
    ns_buf_init(&small, 16);
    CHECK_STATUS(NS_TOO_LARGE, ns_redact_text(redactor, NS_TEXT("a line of text\nand another line\n"), &small));
    ns_buf_clear(&small);
    ns_redactor_free(redactor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_go_and_the_rest_stays),
        cmocka_unit_test(registered_secrets_go_in_every_spelling),
        cmocka_unit_test(key_blocks_go_line_by_line),
        cmocka_unit_test(pieces_give_the_same_as_the_whole),
        cmocka_unit_test(long_lines_hide_secrets_across_the_cut),
        cmocka_unit_test(a_limit_hides_the_whole_line),
        cmocka_unit_test(no_memory_never_lets_a_secret_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
