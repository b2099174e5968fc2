/* Whole files, read and replaced (declared in text.h). */
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ns_status ns_file_read(const char *path, size_t ceiling, ns_buf *out, ns_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    ns_buf content;
    ns_buf_init(&content, ceiling);
    ns_status status = NS_OK;
    char piece[16384];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            status = ns_fail(err, NS_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (n <= 0)
            break;
        status = ns_buf_put(&content, piece, (size_t)n);
        if (status == NS_TOO_LARGE)
            (void)ns_fail(err, status, "%s: larger than %zu bytes", path, ceiling);
        else if (status != NS_OK)
            (void)ns_fail(err, status, "%s: no memory for its content", path);
        if (status != NS_OK)
            break;
    }
    (void)close(fd);
    if (status != NS_OK) {
        ns_buf_clear(&content);
        return status;
    }
    ns_buf_clear(out);
    *out = content;
    return NS_OK;
}

static ns_status write_all(int fd, ns_text content)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.at, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return NS_IO;
        content.at += n;
        content.len -= (size_t)n;
    }
    return NS_OK;
}

static void sync_folder_of(const char *path)
{
    char copy[4096];
    if (!ns_text_copy(copy, sizeof copy, ns_text_of(path)))
        return;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

ns_status ns_file_replace(const char *path, ns_text content, unsigned mode, ns_error *err)
{
    char beside[4096];
    int len = snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof beside)
        return ns_fail(err, NS_IO, "%s: the path is too long", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be written: %s", beside, strerror(errno));
    bool good = write_all(fd, content) == NS_OK && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && good) {
        good = false;
        why = errno;
    }
    if (good && rename(beside, path) != 0) {
        good = false;
        why = errno;
    }
    if (!good) {
        (void)unlink(beside);
        return ns_fail(err, NS_IO, "%s: cannot be replaced: %s", path, strerror(why));
    }
    sync_folder_of(path);
    return NS_OK;
}
