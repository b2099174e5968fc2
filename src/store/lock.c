#include "store/lock.h"

#include "base/mem.h"
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct ns_lock {
    int fd;
};

static ns_status say_who(int fd, const char *data_dir, ns_error *err)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return ns_fail(err, NS_REFUSED, "another NeuroShield (process %s) uses the data folder %.300s; stop it first",
                   pid[0] == '\0' ? "unknown" : pid, data_dir);
}

static ns_status lock_file(int fd, const char *path, const char *data_dir, ns_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return say_who(fd, data_dir, err);
        return ns_fail(err, NS_IO, "%.300s: cannot be locked: %s", path, strerror(errno));
    }
    char pid[24];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)len, 0) != len)
        return ns_fail(err, NS_IO, "%.300s: cannot be written: %s", path, strerror(errno));
    return NS_OK;
}

ns_status ns_lock_take(const char *data_dir, ns_lock **out, ns_error *err)
{
    char path[PATH_MAX + 16];
    ns_status status = ns_db_folder(data_dir, err);
    if (status != NS_OK)
        return status;
    ns_lock *lock = NS_NEW(ns_lock);
    if (lock == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the daemon's lock");
    (void)snprintf(path, sizeof path, "%s/daemon.lock", data_dir);
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    status = lock->fd < 0 ? ns_fail(err, NS_IO, "%.300s: cannot be opened: %s", path, strerror(errno))
                          : lock_file(lock->fd, path, data_dir, err);
    if (status != NS_OK) {
        if (lock->fd >= 0)
            (void)close(lock->fd);
        ns_free(lock);
        return status;
    }
    *out = lock;
    return NS_OK;
}

void ns_lock_free(ns_lock *lock)
{
    if (lock == NULL)
        return;
    (void)ftruncate(lock->fd, 0); /* nobody should read a number that is not ours any more */
    (void)close(lock->fd);
    ns_free(lock);
}
