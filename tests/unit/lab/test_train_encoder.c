/* From a made corpus to a folder with an encoder; again with the same seed; killed in between; begun from a folder. */
#include "check.h"

#include "corpus_maker.h"
#include "lab/train_encoder.h"
#include "prediction/encoder.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static corpus_maker maker;
static ns_corpus *corpus;
static ns_line_table *table;

static int set_up(void **state)
{
    (void)state;
    ns_error err;
    maker_begin(&maker);
    maker_projects(&maker, "", "", "jenkins", "jenkins");
    maker_end(&maker);
    const char *folder = maker.folder;
    if (ns_corpus_open(&folder, 1, &(ns_corpus_filter){.family = NULL}, &corpus, &err) != NS_OK)
        return -1;
    return ns_line_table_new(corpus, NULL, NULL, &table, &err) == NS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ns_line_table_free(table);
    ns_corpus_free(corpus);
    maker_remove(&maker);
    return ns_mem_live() == 0 ? 0 : -1;
}

static const char *folder(const char *name)
{
    static char path[2][128];
    static size_t turn;
    turn = 1 - turn;
    (void)snprintf(path[turn], sizeof path[0], "/tmp/neuroshield-encoder-%ld-%s", (long)getpid(), name);
    return path[turn];
}

static void remove_folder(const char *name)
{
    static const char *const names[] = {
        "config.json",  "model.safetensors",     "vocab.txt",        "training.jsonl",
        "training.svg", "tokenizer_config.json", "lines.checkpoint", "masked-language.checkpoint",
        "lines.best"};
    char path[256];
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder(name), names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder(name));
}

static ns_train_encoder_options small(const char *where)
{
    ns_train_encoder_options o = ns_train_encoder_defaults();
    o.folder = where;
    o.vocabulary = 300;
    o.layers = 1;
    o.channels = 32;
    o.heads = 2;
    o.feed_forward = 64;
    o.masked_steps = 6;
    o.window_steps = 6;
    o.batches = 2;
    o.held_out = 0.3;
    o.quiet = true;
    return o;
}

static ns_status train(const ns_train_encoder_options *options, ns_train_encoder_result *result, ns_error *err)
{
    const ns_train_encoder_corpus one = {.table = table};
    return ns_train_encoder(&one, 1, options, result, err);
}

static void the_same_seed_the_same_file(void **state)
{
    (void)state;
    ns_error err;
    ns_train_encoder_result a, b;
    ns_train_encoder_options o = small(folder("a"));
    CHECK_OK(train(&o, &a, &err));
    CHECK_INT(6, a.masked.steps);
    CHECK_INT(6, a.lines.steps);
    CHECK(a.windows > 0 && a.windows_for > 0 && a.windows_for < a.windows);
    CHECK(a.quality.windows > 0 && isfinite(a.quality.auc));
    CHECK_INT(64, strlen(a.sha256));
    o = small(folder("b"));
    CHECK_OK(train(&o, &b, &err));
    CHECK_STRING(a.sha256, b.sha256);

    ns_encoder *encoder = NULL;
    CHECK_OK(ns_encoder_open(folder("a"), &(ns_encoder_options){.path = NS_PATH_portable_fp32, .threads = 1}, &encoder,
                             &err));
    CHECK_INT(1 + NS_CAUSE_COUNT, ns_encoder_shape(encoder)->labels);
    CHECK_STRING("evidence", ns_encoder_shape(encoder)->label[0]);
    CHECK_STRING(ns_cause_name(NS_CAUSE_flaky_test), ns_encoder_shape(encoder)->label[1 + NS_CAUSE_flaky_test]);
    ns_encoder_free(encoder);

    /* Going on from a folder: its vocabulary and weights, other stages. */
    o = small(folder("c"));
    o.init = folder("a");
    o.masked_steps = 0;
    o.held_out = 0; /* nothing to tell which step was the best: the last */
    CHECK_OK(train(&o, &b, &err));
    CHECK_INT(a.vocabulary, b.vocabulary);
    CHECK_INT(0, b.masked.steps);
    CHECK(strcmp(a.sha256, b.sha256) != 0);
    remove_folder("a");
    remove_folder("b");
    remove_folder("c");
}

/* Killed in the second stage; the same call ends with the same file. */
static void killed_in_between(void **state)
{
    (void)state;
    ns_error err;
    ns_train_encoder_result whole, again;
    ns_train_encoder_options o = small(folder("whole"));
    CHECK_OK(train(&o, &whole, &err));
    char killed[128];
    (void)snprintf(killed, sizeof killed, "%s", folder("killed"));
    const pid_t pid = fork();
    if (pid == 0) {
        static volatile sig_atomic_t stop;
        ns_train_encoder_options first = small(killed);
        first.window_steps = 0; /* the first stage whole */
        first.keep_checkpoints = true;
        if (train(&first, &again, &err) != NS_OK)
            _exit(1);
        ns_train_encoder_options second = small(killed);
        stop = 1; /* and of the second nothing but its checkpoint */
        second.stop = &stop;
        second.keep_checkpoints = true;
        if (train(&second, &again, &err) != NS_CANCELLED)
            _exit(2);
        (void)kill(getpid(), SIGKILL);
    }
    int how;
    CHECK_INT(pid, waitpid(pid, &how, 0));
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    o = small(killed);
    CHECK_OK(train(&o, &again, &err));
    CHECK_STRING(whole.sha256, again.sha256);
    CHECK_NEAR(0.0, again.masked.run_tokens, 0.0); /* not done twice */
    remove_folder("whole");
    remove_folder("killed");
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    ns_error err;
    ns_train_encoder_result result;
    const size_t live = ns_mem_live();
    bool done = false;
    for (long n = 0; n < 100000 && !done; n += n < 40 ? 1 : n / 3) {
        ns_train_encoder_options o = small(folder("torture"));
        o.masked_steps = o.window_steps = 1;
        o.threads = 1;
        ns_mem_fail_after(n);
        const ns_status status = train(&o, &result, &err);
        ns_mem_fail_after(-1);
        done = status == NS_OK;
        if (!done)
            CHECK_STATUS(NS_NO_MEMORY, status);
        CHECK_INT(live, ns_mem_live());
        remove_folder("torture");
    }
    CHECK(done);
}

static void what_cannot_be_begun_is_told(void **state)
{
    (void)state;
    ns_error err;
    ns_train_encoder_result result;
    ns_train_encoder_options o = small("/nonexistent/a/b");
    CHECK_STATUS(NS_IO, train(&o, &result, &err));
    o = small(folder("bad"));
    o.init = "/nonexistent";
    CHECK(train(&o, &result, &err) != NS_OK);
    CHECK(strstr(err.text, "/nonexistent") != NULL);
    remove_folder("bad");
    CHECK(access(folder("bad"), F_OK) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_seed_the_same_file),
                                       cmocka_unit_test(killed_in_between), cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(what_cannot_be_begun_is_told)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
