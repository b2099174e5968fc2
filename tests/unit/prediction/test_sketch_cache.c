#include "check.h"

#include "prediction/sketch_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text, bool long_ago)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    const struct timespec then[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    CHECK(!long_ago || futimens(fd, then) == 0);
    CHECK(close(fd) == 0);
}

static void the_same_text_has_one_sketch(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-sketches-XXXXXX", a[64], b[64];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(a, sizeof a, "%s/a", folder);
    (void)snprintf(b, sizeof b, "%s/b", folder);
    write_file(a, "build 17\n", true);
    write_file(b, "build 17\n", false);
    ns_sketch_cache *cache = ns_sketch_cache_new(1 << 20);
    const ns_sketch *first, *second, *third;
    ns_error err;
    CHECK_OK(ns_sketch_cache_get(cache, a, &first, &err));
    CHECK_OK(ns_sketch_cache_get(cache, b, &second, &err));
    CHECK(first == second);
    /* The same name, other bytes, same length: seen, whatever the file's times say. */
    write_file(a, "other 17\n", true);
    CHECK_OK(ns_sketch_cache_get(cache, a, &third, &err));
    CHECK(third != first && third->content != first->content);
    ns_sketch_cache_return(cache, first);
    ns_sketch_cache_return(cache, second);
    ns_sketch_cache_return(cache, third);
    CHECK(unlink(a) == 0 && unlink(b) == 0 && rmdir(folder) == 0);
    CHECK_STATUS(NS_IO, ns_sketch_cache_get(cache, a, &first, &err));
    ns_sketch_cache_free(cache);
    CHECK_INT(0, ns_mem_live());
}

static void sketches_in_use_stay_above_the_ceiling(void **state)
{
    (void)state;
    char path[] = "/tmp/ns-sketch-XXXXXX", text[32];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && close(fd) == 0);
    ns_sketch_cache *cache = ns_sketch_cache_new(1);
    const ns_sketch *kept[20];
    ns_error err;
    for (int i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "line %c\n", 'a' + i);
        write_file(path, text, false);
        CHECK_OK(ns_sketch_cache_get(cache, path, &kept[i], &err));
    }
    for (int i = 0; i < 20; i++) {
        CHECK_INT(1, kept[i]->count);
        ns_sketch_cache_return(cache, kept[i]);
    }
    CHECK(unlink(path) == 0);
    ns_sketch_cache_free(cache);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_text_has_one_sketch),
        cmocka_unit_test(sketches_in_use_stay_above_the_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
