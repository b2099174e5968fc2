/* Windows of log lines through WordPiece and the encoder: what is asked, in any company, gives the same answer; parts
 * that do not belong together are refused. */
#include "golden_encoder.h"

#include "prediction/window_encoder.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[128];

static void path_of(char out[256], const char *name)
{
    (void)snprintf(out, 256, "%s/%s", folder, name);
}

static void put_file(const char *name, ns_text content)
{
    char path[256];
    ns_error err;
    path_of(path, name);
    CHECK_OK(ns_file_replace(path, content, 0600, &err));
}

static float scale = 1; /* of its weights */

/* A folder with a random encoder of so many labels, vocabulary and positions. */
static void put_model(size_t labels, size_t vocabulary, size_t positions)
{
    static ns_encoder_tensor tensors[64];
    static ns_tensor_out out[64];
    ns_encoder_config config = {NS_ENCODER_distilbert, vocabulary, positions, 0, 24, 2, 1, 40, labels, 1e-12f, {{0}}};
    for (size_t i = 0; i < labels; i++)
        (void)snprintf(config.label[i], sizeof config.label[i], "label%zu", i);
    ns_encoder_params params;
    ns_error err;
    char path[256];
    CHECK_OK(ns_encoder_params_init(&params, &config, NS_PART_head, &err));
    uint64_t x = 1;
    for (size_t i = 0; i < params.count; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        params.block[i] = scale * ((float)(int32_t)(x >> 32) / 4294967296.0f);
    }
    size_t count = 0;
    for (; ns_encoder_tensor_at(&config, params.parts, count, &tensors[count]); count++) {
        const ns_encoder_tensor *t = &tensors[count];
        out[count] =
            (ns_tensor_out){t->name, NS_DTYPE_F32, t->rank, {t->shape[0], t->shape[1]}, params.block + t->offset};
    }
    path_of(path, "model.safetensors");
    CHECK_OK(ns_safetensors_write(path, out, count, "pt", &err));
    ns_buf text;
    ns_buf_init(&text, 1 << 20);
    CHECK_OK(ns_encoder_config_write(&config, true, &text));
    put_file("config.json", ns_buf_view(&text));
    ns_buf_clear(&text);
    ns_encoder_params_clear(&params);
}

#define VOCABULARY "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nerror\ntest\nfailed\nok\n##s\ndownloading\n1\n"

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ns-window-%ld", (long)getpid());
    if (mkdir(folder, 0700) != 0)
        return -1;
    put_file("vocab.txt", NS_TEXT(VOCABULARY));
    put_model(1 + NS_CAUSE_COUNT, 12, 128);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        char path[256];
        path_of(path, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

static const ns_text lines[] = {
    BYTES("downloading 1"),
    BYTES("tests ok"),
    BYTES("error"),
    BYTES("1 test failed"),
    BYTES("something unheard of"),
    BYTES("error error error error error error error error error error error error error error error error error"),
};

enum { MANY = 40 }; /* more than are read at once */

static void alone_or_together_to_the_last_bit(void **state)
{
    (void)state;
    static ns_window_answer together[MANY], alone;
    static ns_window_ids windows[MANY];
    const ns_window_ids *all[MANY];
    ns_window_reader reader;
    ns_error err;
    CHECK(ns_window_encoder_is_in(folder) && !ns_window_encoder_is_in("/nowhere"));
    CHECK_OK(ns_window_encoder_open(folder, ns_code_path_best(), 2, &reader, &err));
    ns_mem_fail_after(0);
    for (size_t i = 0; i < MANY; i++) {
        reader.prepare(reader.self, &(ns_window){lines + i % 3, 1 + i % 4}, &windows[i]);
        all[i] = &windows[i];
    }
    reader.read(reader.self, all, MANY, together);
    for (size_t i = 0; i < MANY; i++) {
        double sum = 0;
        reader.read(reader.self, &all[i], 1, &alone);
        CHECK(memcmp(&alone, &together[i], sizeof alone) == 0);
        for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
            sum += (double)alone.cause[c];
        CHECK_NEAR(1, sum, 1e-5);
    }
    ns_mem_fail_after(-1);
    CHECK(together[0].logit != together[1].logit);
    reader.read(reader.self, all, 0, NULL);
    reader.free(reader.self);
}

/* Weights may be finite and what comes of them not: a window then says nothing, and no number is no number. */
static void what_overflows_says_nothing(void **state)
{
    (void)state;
    ns_window_answer answer;
    ns_window_ids window;
    const ns_window_ids *one = &window;
    ns_window_reader reader;
    ns_error err;
    scale = 1e38f;
    put_model(1 + NS_CAUSE_COUNT, 12, 128);
    scale = 1;
    CHECK_OK(ns_window_encoder_open(folder, NS_PATH_portable_fp32, 1, &reader, &err));
    reader.prepare(reader.self, &(ns_window){lines, 3}, &window);
    reader.read(reader.self, &one, 1, &answer);
    CHECK(isfinite(answer.logit) && fabsf(answer.logit) <= 30);
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        CHECK(answer.cause[c] >= 0 && answer.cause[c] <= 1);
    reader.free(reader.self);
    put_model(1 + NS_CAUSE_COUNT, 12, 128);
}

static void refused(const char *says)
{
    ns_window_reader reader;
    ns_error err;
    const size_t live = ns_mem_live();
    const ns_status status = ns_window_encoder_open(folder, NS_PATH_portable_fp32, 1, &reader, &err);
    if (status == NS_OK || strstr(err.text, says) == NULL)
        fail_msg("wanted \"%s\", got %s: %s", says, ns_status_name(status), err.text);
    CHECK_INT(live, ns_mem_live());
}

static void parts_that_do_not_belong_together_are_refused(void **state)
{
    (void)state;
    put_model(2, 12, 128);
    refused("has 2 labels, a reader of log lines has 14");
    put_model(1 + NS_CAUSE_COUNT, 11, 128);
    refused("the vocabulary has 12 pieces, the encoder knows 11");
    put_model(1 + NS_CAUSE_COUNT, 13, 128);
    refused("the vocabulary has 12 pieces, the encoder knows 13");
    put_model(1 + NS_CAUSE_COUNT, 12, 7);
    refused("7 positions");
    put_model(1 + NS_CAUSE_COUNT, 12, 128);
    put_file("vocab.txt", NS_TEXT("[PAD]\n[UNK]\n[CLS]\n[SEP]\n"));
    refused("[MASK]");
    put_file("vocab.txt", NS_TEXT("[PAD]\n"));
    refused("vocab.txt");
    put_file("vocab.txt", NS_TEXT(VOCABULARY));
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const size_t live = ns_mem_live();
    bool done = false;
    for (long n = 0; n < 2000 && !done; n++) {
        ns_window_reader reader = {0};
        ns_error err;
        ns_mem_fail_after(n);
        done = ns_window_encoder_open(folder, NS_PATH_portable_fp32, 2, &reader, &err) == NS_OK;
        ns_mem_fail_after(-1);
        if (done)
            reader.free(reader.self);
        CHECK_INT(live, ns_mem_live());
    }
    CHECK(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(alone_or_together_to_the_last_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_overflows_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_that_do_not_belong_together_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
