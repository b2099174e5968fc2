/* The configuration: which source wins, what each value remembers, and what is refused with its line. */
#include "check.h"

#include "base/config.h"

#include <unistd.h>

static const ns_key keys[] = {
    {"jenkins.url", "JENKINS_URL", NS_KEY_string, NULL, 0, 0, NULL, false, ""},
    {"jenkins.token", "JENKINS_TOKEN", NS_KEY_string, NULL, 0, 0, NULL, true, ""},
    {"jenkins.jobs", "JENKINS_JOBS", NS_KEY_list, NULL, 0, 0, NULL, false, ""},
    {"poll_interval", "POLL_INTERVAL", NS_KEY_duration, "10", 0.05, 86400, NULL, false, ""},
    {"mode", NULL, NS_KEY_word, "observe", 0, 0, "observe|suggest|auto", false, ""},
    {"store.max_bytes", NULL, NS_KEY_bytes, "2GiB", 1024, 1e15, NULL, false, ""},
    {"store.share", NULL, NS_KEY_real, "0.5", 0, 1, NULL, false, ""},
    {"store.keep", NULL, NS_KEY_integer, "3", 1, 9, NULL, false, ""},
    {"store.on", "STORE_ON", NS_KEY_boolean, "false", 0, 0, NULL, false, ""},
    {"output", "OUTPUT", NS_KEY_path, "a.csv", 0, 0, NULL, false, ""},
};
enum { URL, TOKEN, JOBS, INTERVAL, MODE, MAX_BYTES, SHARE, KEEP, ON, OUTPUT };

static const ns_key fields[] = {
    {.name = "name", .type = NS_KEY_string},
    {.name = "jenkins_job", .type = NS_KEY_string},
};
static const ns_key_table tables[] = {{"pipelines", fields, 2, 3, "jenkins_job"}};

static ns_config *fresh(void)
{
    ns_config *config = NULL;
    CHECK_OK(ns_config_new(keys, NS_COUNT_OF(keys), tables, NS_COUNT_OF(tables), &config, NULL));
    return config;
}

static void give_yaml(ns_config *config, const char *text)
{
    ns_error err = {0};
    if (ns_config_read_yaml(config, "./n.yaml", ns_text_of(text), &err) != NS_OK)
        fail_msg("%s", err.text);
}

static void give_dotenv(ns_config *config, const char *text)
{
    ns_error err = {0};
    if (ns_config_read_dotenv(config, "./.env", ns_text_of(text), &err) != NS_OK)
        fail_msg("%s", err.text);
}

static void defaults_are_there_and_say_so(void **state)
{
    (void)state;
    ns_config *config = fresh();
    CHECK(ns_config_text(config, URL) == NULL);
    CHECK_NEAR(10, ns_config_number(config, INTERVAL), 0);
    CHECK_INT(0, ns_config_number(config, MODE));
    CHECK_INT((int64_t)2 << 30, ns_config_integer(config, MAX_BYTES, -1));
    CHECK_STRING("default", ns_config_origin(config, INTERVAL));
    CHECK_INT(NS_LAYER_default, ns_config_layer(config, INTERVAL));
    CHECK_INT(-7, ns_config_integer(config, TOKEN, -7));
    CHECK(isnan(ns_config_number(config, URL)));
    ns_config_free(config);
}

/* Bits: 1 YAML, 2 .env, 4 environment, 8 flag. Whatever is given in whatever order, the strongest wins. */
static void give(ns_config *config, unsigned source)
{
    char *const environment[] = {(char *)"OTHER=1", (char *)"JENKINS_URL=http://env", NULL};
    if (source == 1)
        give_yaml(config, "# first\njenkins:\n  url: http://yaml\n");
    else if (source == 2)
        give_dotenv(config, "A=1\n\nJENKINS_URL=http://dotenv\n");
    else if (source == 4)
        CHECK_OK(ns_config_read_environment(config, environment, NULL));
    else
        CHECK_OK(ns_config_set_flag(config, "jenkins.url", "jenkins-url", "http://flag", NULL));
}

static void the_strongest_source_wins_in_any_order(void **state)
{
    (void)state;
    static const struct {
        const char *value, *origin;
    } of[] = {{"http://yaml", "./n.yaml:3"},
              {"http://dotenv", "./.env:3"},
              {"http://env", "environment JENKINS_URL"},
              {"http://flag", "flag --jenkins-url"}};
    for (unsigned given = 1; given < 16; given++) {
        unsigned strongest = 3;
        while ((given >> strongest & 1) == 0)
            strongest--;
        for (int backwards = 0; backwards < 2; backwards++) {
            ns_config *config = fresh();
            for (unsigned i = 0; i < 4; i++) {
                const unsigned source = 1u << (backwards != 0 ? 3 - i : i);
                if ((given & source) != 0)
                    give(config, source);
            }
            CHECK_STRING(of[strongest].value, ns_config_text(config, URL));
            CHECK_STRING(of[strongest].origin, ns_config_origin(config, URL));
            ns_config_free(config);
        }
    }
}

static void every_kind_of_value_is_read(void **state)
{
    (void)state;
    ns_config *config = fresh();
    give_yaml(config, "poll_interval: 500ms\nmode: auto\n"
                      "store: {max_bytes: 64MiB, share: 0.25, keep: 9, on: yes}\n"
                      "jenkins:\n  jobs: [a/b, 'c d']\n  url: ''\n  token:\n"
                      "output: out/x.csv\n");
    CHECK_NEAR(0.5, ns_config_number(config, INTERVAL), 1e-12);
    CHECK_INT(2, ns_config_number(config, MODE));
    CHECK_INT((int64_t)64 << 20, ns_config_integer(config, MAX_BYTES, -1));
    CHECK_NEAR(0.25, ns_config_number(config, SHARE), 0);
    CHECK_INT(9, ns_config_integer(config, KEEP, -1));
    CHECK_INT(1, ns_config_number(config, ON));
    CHECK_STRING("a/b\nc d", ns_config_text(config, JOBS));
    CHECK_STRING("", ns_config_text(config, URL));
    CHECK(ns_config_text(config, TOKEN) == NULL); /* `token:` means not set */
    CHECK_STRING("out/x.csv", ns_config_text(config, OUTPUT));
    ns_config_free(config);
}

static void units_of_time_and_size(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } good[] = {{"2s", 2}, {"5m", 300}, {"2h", 7200}, {"1d", 86400}, {"1e1", 10}, {"0.05", 0.05}};
    for (size_t i = 0; i < NS_COUNT_OF(good); i++) {
        ns_config *config = fresh();
        CHECK_OK(ns_config_set_flag(config, "poll_interval", "interval", good[i].text, NULL));
        CHECK_NEAR(good[i].seconds, ns_config_number(config, INTERVAL), 1e-12);
        ns_config_free(config);
    }
    static const char *const bad[] = {"", "s", "ten", "10 s", "NaN", "inf", "-1", "0", "90000", "1x", "5mm"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        ns_config *config = fresh();
        CHECK_STATUS(NS_BAD_USAGE, ns_config_set_flag(config, "poll_interval", "interval", bad[i], NULL));
        ns_config_free(config);
    }
}

static void a_path_in_yaml_starts_at_its_folder(void **state)
{
    (void)state;
    ns_config *config = fresh();
    CHECK_OK(ns_config_read_yaml(config, "/etc/n/n.yaml", NS_TEXT("output: out.csv\n"), NULL));
    CHECK_STRING("/etc/n/out.csv", ns_config_text(config, OUTPUT));
    give_dotenv(config, "OUTPUT=here.csv\n");
    CHECK_STRING("here.csv", ns_config_text(config, OUTPUT));
    ns_config_free(config);
}

static void dotenv_lines_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } of[] = {
        {"JENKINS_URL=http://a", "http://a"},
        {"\xef\xbb\xbfJENKINS_URL=http://a\r\n", "http://a"},
        {"  export JENKINS_URL = http://a  # why\n", "http://a"},
        {"JENKINS_URL=http://a#frag\n", "http://a#frag"},
        {"JENKINS_URL=#a\n", "#a"},
        {"JENKINS_URL='a # b'\n", "a # b"},
        {"JENKINS_URL='a\\nb' # c\n", "a\\nb"},
        {"JENKINS_URL=\"a\\n\\\"b\\\" \\$c \\q\"\n", "a\n\"b\" $c \\q"},
        {"JENKINS_URL=a\nJENKINS_URL=b\n", "b"},
        {"KEY=\"two\nlines\"\nJENKINS_URL=a\n", "a"},
        {"JENKINS_URL=a b c\n", "a b c"},
        {"JENKINS_URL=a\n\n# JENKINS_URL=b\nJENKINS_URL=\n", "a"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(of); i++) {
        ns_config *config = fresh();
        give_dotenv(config, of[i].text);
        CHECK_STRING(of[i].value, ns_config_text(config, URL));
        ns_config_free(config);
    }
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        bool yaml;
        const char *text;
        const char *said; /* the message's beginning */
    } of[] = {
        {true, "mode: observe\njenkins:\n  urll: x\n", "n:3: unknown key 'jenkins.urll'; did you mean 'jenkins.url'?"},
        {true, "jenkin:\n  url: x\n", "n:1: unknown key 'jenkin'; did you mean 'jenkins'?"},
        {true, "zzzzzzzz: 1\n", "n:1: unknown key 'zzzzzzzz'"},
        {true, "jenkins:\n  url: a\n  url: b\n", "n:3: 'jenkins.url' stands there twice"},
        {true, "jenkins: {url: a}\nmode: auto\njenkins: {token: b}\n", "n:3: 'jenkins' stands there twice"},
        {true, "jenkins.url: a\njenkins: {url: b}\n", "n:2: 'jenkins.url' stands there twice"},
        {true, "mode: &m auto\n", "n:1: anchors"},
        {true, "mode: *m\n", "n:1: aliases"},
        {true, "mode: !!str auto\n", "n:1: tags"},
        {true, "mode: auto\n---\nmode: observe\n", "n:2: only one document"},
        {true, "mode: [auto]\n", "n:1: 'mode' takes one value"},
        {true, "jenkins: http://x\n", "n:1: 'jenkins' is a group of keys"},
        {true, "- a\n", "n:1: the file must hold keys and values"},
        {true, "mode: sometimes\n", "n:1: mode is 'sometimes', but must be one of observe|suggest|auto"},
        {true, "store:\n  share: 1.5\n", "n:2: store.share is 1.5, but must be between 0 and 1"},
        {true, "store:\n  keep: 2.5\n", "n:2: store.keep is '2.5', but must be a whole number"},
        {true, "store: {on: maybe}\n", "n:1: store.on is 'maybe', but must be true or false"},
        {true, "jenkins:\n  url: \"a\\x01\"\n", "n:2: jenkins.url holds a control character"},
        {true, "jenkins:\n  token: \"a\\nb\"\n", "n:2: jenkins.token holds a control character"},
        {true, "jenkins:\n  jobs: [[a]]\n", "n:2: a list of texts"},
        {true, "jenkins:\n  jobs: ['a,b']\n", "n:2: an entry of this list"},
        {true, "jenkins:\n\turl: x\n", "n:2: not YAML"},
        {true, "jenkins: {url: x\n", "n:2: not YAML"},
        {true, "? [a]\n: b\n", "n:1: a key is expected"},
        {true, "pipelines: 3\n", "n:1: 'pipelines' takes a list"},
        {true, "pipelines:\n  - a\n", "n:2: an entry of 'pipelines' is a mapping"},
        {true, "pipelines:\n  - name: a\n", "n:2: an entry of pipelines needs 'jenkins_job'"},
        {true, "pipelines:\n  - {jenkins_job: a, nam: b}\n", "n:2: unknown key 'pipelines.nam'; did you mean 'name'?"},
        {true, "pipelines:\n  - {jenkins_job: a, jenkins_job: b}\n", "n:2: 'jenkins_job' stands there twice"},
        {true, "pipelines: [{jenkins_job: a},{jenkins_job: b},{jenkins_job: c},{jenkins_job: d}]\n",
         "n:1: more than 3 pipelines"},
        {false, "A=1\nnonsense\n", "n:2: not of the form NAME=value"},
        {false, "A=1\n=b\n", "n:2: not of the form NAME=value"},
        {false, "A=1\nB='x\ny\n", "n:2: the quote is never closed"},
        {false, "A='x' y\n", "n:1: text after the closing quote"},
        {false, "#\n\nPOLL_INTERVAL=soon\n", "n:3: poll_interval is 'soon', but must be a duration"},
        {false, "JENKINS_TOKEN=a\nJENKINS_TOKEN_FILE=/x/y\n", "n:2: /x/y: cannot be opened"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(of); i++) {
        ns_config *config = fresh();
        ns_error err = {0};
        const ns_text text = ns_text_of(of[i].text);
        CHECK_STATUS(NS_BAD_USAGE, of[i].yaml ? ns_config_read_yaml(config, "n", text, &err)
                                              : ns_config_read_dotenv(config, "n", text, &err));
        if (strncmp(err.text, of[i].said, strlen(of[i].said)) != 0)
            fail_msg("%s\nwas: %s", of[i].said, err.text);
        ns_config_free(config);
    }
}

static void a_secret_is_never_repeated(void **state)
{
    (void)state;
    ns_config *config = fresh();
    ns_error err = {0};
    CHECK_STATUS(NS_BAD_USAGE, ns_config_set_flag(config, "jenkins.token", "t", "hunter2\x01", &err));
    CHECK(strstr(err.text, "hunter2") == NULL);
    ns_config_free(config);
}

static void secrets_may_stand_in_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns_config_XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    char path[64], yaml[64], origin[160];
    (void)snprintf(path, sizeof path, "%s/token", folder);
    (void)snprintf(yaml, sizeof yaml, "%s/n.yaml", folder);
    CHECK_OK(ns_file_replace(path, NS_TEXT("  s3cret \r\nmore\n"), 0600, NULL));
    ns_config *config = fresh();
    CHECK_OK(ns_config_read_yaml(config, yaml, NS_TEXT("jenkins: {token_file: token}\n"), NULL));
    CHECK_STRING("s3cret", ns_config_text(config, TOKEN));
    (void)snprintf(origin, sizeof origin, "%s:1 (%s)", yaml, path);
    CHECK_STRING(origin, ns_config_origin(config, TOKEN));
    CHECK_STRING(path, ns_config_secret_file(config, TOKEN)); /* it may change */
    ns_error err = {0};
    CHECK_OK(ns_config_set_flag(config, "jenkins.token_file", "token-file", path, &err));
    CHECK_STATUS(NS_BAD_USAGE, ns_config_set_flag(config, "jenkins.token", "token", "x", &err));
    CHECK(strstr(err.text, "twice") != NULL);
    ns_config_free(config);

    config = fresh();
    CHECK_OK(ns_config_set_flag(config, "jenkins.token", "token", "x", &err));
    CHECK(ns_config_secret_file(config, TOKEN) == NULL);
    ns_config_free(config);

    config = fresh();
    CHECK_OK(ns_file_replace(path, NS_TEXT("\nlater\n"), 0600, NULL));
    CHECK_STATUS(NS_BAD_USAGE, ns_config_set_flag(config, "jenkins.token_file", "token-file", path, &err));
    ns_config_free(config);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void rows_of_a_table(void **state)
{
    (void)state;
    ns_config *config = fresh();
    give_yaml(config, "pipelines:\n  - name: Shop\n    jenkins_job: a/b\n  - {jenkins_job: c, name: ~}\n");
    CHECK_INT(2, ns_config_rows(config, 0));
    CHECK_STRING("Shop", ns_config_cell(config, 0, 0, 0));
    CHECK_STRING("a/b", ns_config_cell(config, 0, 0, 1));
    CHECK(ns_config_cell(config, 0, 1, 0) == NULL);
    CHECK_STRING("./n.yaml:4", ns_config_row_origin(config, 0, 1));
    ns_config_free(config);
}

static void ceilings_hold(void **state)
{
    (void)state;
    ns_config *config = fresh();
    char *big = malloc(NS_CONFIG_MAX_BYTES + 1);
    CHECK(big != NULL);
    memset(big, '\n', NS_CONFIG_MAX_BYTES + 1);
    CHECK_STATUS(NS_BAD_USAGE, ns_config_read_yaml(config, "n", (ns_text){big, NS_CONFIG_MAX_BYTES + 1}, NULL));
    CHECK_STATUS(NS_BAD_USAGE, ns_config_read_dotenv(config, "n", (ns_text){big, NS_CONFIG_MAX_BYTES + 1}, NULL));
    memset(big, '[', 4096);
    CHECK_STATUS(NS_BAD_USAGE, ns_config_read_yaml(config, "n", (ns_text){big, 4096}, NULL));
    free(big);
    give_yaml(config, "");
    give_yaml(config, "# nothing\n---\n");
    give_dotenv(config, "");
    ns_config_free(config);
}

static const char *name_at(const void *names, size_t i)
{
    return ((const char *const *)names)[i];
}

static void the_nearest_name_is_found(void **state)
{
    (void)state;
    static const char *const names[] = {"interval", "output", "json", "jenkins-url"};
    static const struct {
        const char *wrong, *near;
    } of[] = {{"intervall", "interval"},      {"ouptut", "output"}, {"josn", "json"},
              {"jenkins_url", "jenkins-url"}, {"zebra", NULL},      {"", NULL}};
    for (size_t i = 0; i < NS_COUNT_OF(of); i++) {
        const char *near = ns_nearest_name(of[i].wrong, names, NS_COUNT_OF(names), name_at);
        CHECK_STRING(of[i].near == NULL ? "(none)" : of[i].near, near == NULL ? "(none)" : near);
    }
}

/* Every allocation gets its turn to fail; nothing may leak, and the failure is told as what it is. */
static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    const size_t before = ns_mem_live();
    char *const environment[] = {(char *)"JENKINS_URL=http://env", NULL};
    bool done = false;
    for (long n = 0; !done; n++) {
        CHECK(n < 500);
        ns_config *config = NULL;
        ns_mem_fail_after(n);
        ns_status status = ns_config_new(keys, NS_COUNT_OF(keys), tables, NS_COUNT_OF(tables), &config, NULL);
        if (status == NS_OK)
            status = ns_config_read_yaml(
                config, "/x/n.yaml",
                NS_TEXT("jenkins: {jobs: [a, b], url: u}\noutput: o\npipelines: [{jenkins_job: a, name: b}]\n"), NULL);
        if (status == NS_OK)
            status = ns_config_read_dotenv(config, ".env", NS_TEXT("JENKINS_TOKEN='a'\nOUTPUT=b\n"), NULL);
        if (status == NS_OK)
            status = ns_config_read_environment(config, environment, NULL);
        ns_mem_fail_after(-1);
        done = status == NS_OK;
        if (!done)
            CHECK_STATUS(NS_NO_MEMORY, status);
        ns_config_free(config);
        CHECK_INT(before, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_there_and_say_so),
        cmocka_unit_test(the_strongest_source_wins_in_any_order),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(units_of_time_and_size),
        cmocka_unit_test(a_path_in_yaml_starts_at_its_folder),
        cmocka_unit_test(dotenv_lines_as_people_write_them),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(a_secret_is_never_repeated),
        cmocka_unit_test(secrets_may_stand_in_files),
        cmocka_unit_test(rows_of_a_table),
        cmocka_unit_test(ceilings_hold),
        cmocka_unit_test(the_nearest_name_is_found),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
