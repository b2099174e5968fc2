#include "check.h"
#include "store/lock.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];

static void second_daemon_is_refused_by_name(void **state)
{
    (void)state;
    ns_lock *first = NULL, *second = NULL;
    ns_error err = {0};
    CHECK_OK(ns_lock_take(folder, &first, &err));
    CHECK_STATUS(NS_REFUSED, ns_lock_take(folder, &second, &err));
    char wanted[40];
    (void)snprintf(wanted, sizeof wanted, "process %ld)", (long)getpid());
    CHECK(strstr(err.text, wanted) != NULL && strstr(err.text, folder) != NULL);
    CHECK(second == NULL);
    ns_lock_free(first);
    CHECK_OK(ns_lock_take(folder, &second, &err));
    ns_lock_free(second);
    ns_lock_free(NULL);
    CHECK_INT(0, ns_mem_live());
}

static void killed_daemon_leaves_no_lock(void **state)
{
    (void)state;
    int ready[2];
    CHECK_INT(0, pipe(ready));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        ns_lock *lock = NULL;
        char ok = ns_lock_take(folder, &lock, NULL) == NS_OK ? 'y' : 'n';
        if (write(ready[1], &ok, 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    char ok = 'n';
    CHECK_INT(1, read(ready[0], &ok, 1));
    CHECK_INT('y', ok);
    ns_lock *lock = NULL;
    ns_error err = {0};
    ns_status meanwhile = ns_lock_take(folder, &lock, &err);
    CHECK_INT(0, kill(child, SIGKILL));
    CHECK_INT(child, waitpid(child, NULL, 0));
    CHECK_STATUS(NS_REFUSED, meanwhile);
    char wanted[40];
    (void)snprintf(wanted, sizeof wanted, "process %ld)", (long)child);
    CHECK(strstr(err.text, wanted) != NULL);
    CHECK_OK(ns_lock_take(folder, &lock, &err));
    ns_lock_free(lock);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void folder_is_made_for_us_alone(void **state)
{
    (void)state;
    char deep[400];
    (void)snprintf(deep, sizeof deep, "%s/x/y", folder);
    ns_lock *lock = NULL;
    CHECK_OK(ns_lock_take(deep, &lock, NULL));
    struct stat st;
    CHECK_INT(0, stat(deep, &st));
    CHECK_INT(0700, st.st_mode & 0777);
    ns_lock_free(lock);
    ns_error err = {0};
    CHECK_STATUS(NS_IO, ns_lock_take("/dev/null/x", &lock, &err));
    CHECK(strstr(err.text, "/dev/null") != NULL);
    char file[500];
    (void)snprintf(file, sizeof file, "%s/daemon.lock", deep);
    CHECK_INT(0, unlink(file));
    CHECK_INT(0, rmdir(deep));
    (void)snprintf(deep, sizeof deep, "%s/x", folder);
    CHECK_INT(0, rmdir(deep));
}

static void missing_memory_is_survived(void **state)
{
    (void)state;
    ns_lock *lock = NULL;
    ns_error err;
    ns_mem_fail_after(0);
    CHECK_STATUS(NS_NO_MEMORY, ns_lock_take(folder, &lock, &err));
    ns_mem_fail_after(-1);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/ns-lock-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_daemon_is_refused_by_name),
        cmocka_unit_test(killed_daemon_leaves_no_lock),
        cmocka_unit_test(folder_is_made_for_us_alone),
        cmocka_unit_test(missing_memory_is_survived),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char file[400];
    (void)snprintf(file, sizeof file, "%s/daemon.lock", folder);
    (void)unlink(file);
    (void)rmdir(folder);
    return failed;
}
