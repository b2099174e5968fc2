#include "telemetry/csv_rows.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS_MOST = 64 * 1024 * 1024, KEEP_MOST = 1000 };

#define COLUMN(column, field, from, unit) "," #column
static const char header[] = "timestamp,jenkins_last_build_status" NS_RECORD_SEED_MAP(
    COLUMN) ",jenkins_job,jenkins_build_number,jenkins_age_ms,prometheus_age_ms,kubernetes_age_"
            "ms" NS_RECORD_MORE_MAP(COLUMN) "\n";
#undef COLUMN

ns_text ns_csv_header(void)
{
    return (ns_text){header, sizeof header - 1};
}

static void put_count(ns_buf *out, int64_t value, bool known)
{
    if (known)
        ns_csv_int(out, false, value);
    else
        ns_csv_text(out, false, NS_TEXT(""));
}

void ns_csv_row(ns_buf *out, const ns_record *record)
{
    char at[NS_TIME_TEXT_MAX];
    bool known = record->last_result != NS_BUILD_unknown;
    ns_csv_text(out, true, ns_text_of(ns_time_text(record->at_ms, at)));
    ns_csv_text(out, false, known ? ns_text_of(ns_build_result_name(record->last_result)) : NS_TEXT(""));
#define CELL(column, field, from, unit) ns_csv_real(out, false, record->value[NS_RECORD_##field]);
    NS_RECORD_SEED_MAP(CELL)
    ns_csv_text(out, false, ns_text_of(record->jenkins_job));
    put_count(out, record->last_number, record->last_number > 0);
    for (size_t i = 0; i < NS_SOURCE_KINDS; i++)
        put_count(out, record->age_ms[i], record->age_ms[i] >= 0);
    NS_RECORD_MORE_MAP(CELL)
#undef CELL
    ns_csv_end(out);
}

const char *ns_csv_seed_missing(const ns_record *record)
{
    if (record->at_ms < 0)
        return "timestamp";
    if (record->last_result == NS_BUILD_unknown)
        return "jenkins_last_build_status";
#define MISSING(column, field, from, unit)                                                                             \
    if (isnan(record->value[NS_RECORD_##field]))                                                                       \
        return #column;
    NS_RECORD_SEED_MAP(MISSING)
#undef MISSING
    return NULL;
}

struct ns_csv_file {
    char *path;
    int fd; /* -1: to be opened by the next put */
    bool is_stdout;
    bool regular;
    bool sync;
    bool torn; /* a write stopped inside a line and could not be taken back: begin with a LF */
    int64_t rotate_bytes;
    int keep;
    dev_t device;
    ino_t inode;
    ns_buf rows;
};

/* Writes all or says how much went out. */
static size_t write_all(int fd, ns_text text)
{
    size_t done = 0;
    while (done < text.len) {
        ssize_t n = write(fd, text.at + done, text.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

/* All of text, or none of it where the file can be cut back to what it was. */
static ns_status append(ns_csv_file *file, ns_text text, ns_error *err)
{
    struct stat before;
    bool known = file->regular && fstat(file->fd, &before) == 0;
    errno = 0;
    size_t done = write_all(file->fd, text);
    int why = errno;
    bool good = done == text.len;
    if (good && file->sync && file->regular && fdatasync(file->fd) != 0) {
        why = errno;
        good = false; /* whether the bytes last is not known: they are taken back and written again */
    }
    if (good)
        return NS_OK;
    if (done > 0) {
        struct stat after;
        bool ours = known && fstat(file->fd, &after) == 0 && after.st_size == before.st_size + (off_t)done;
        file->torn = !ours || ftruncate(file->fd, before.st_size) != 0;
    }
    return ns_fail(err, NS_IO, "%s: rows could not be written: %s", file->path, strerror(why));
}

/* The header of the file open at fd, if it has one. */
static ns_status check_header(const ns_csv_file *file, int fd, off_t size, bool *torn, ns_error *err)
{
    char start[sizeof header + 8];
    ssize_t n = pread(fd, start, sizeof start, 0);
    if (n < 0)
        return ns_fail(err, NS_IO, "%s: cannot be read: %s", file->path, strerror(errno));
    ns_text rest = {start, (size_t)n}, line = {start, 0}, ours = ns_csv_header();
    if (ns_text_starts(rest, "\xef\xbb\xbf")) /* a spreadsheet's mark for UTF-8 */
        rest = (ns_text){rest.at + 3, rest.len - 3};
    (void)ns_text_line(&rest, &line);
    ours.len--;
    if (!ns_text_same(line, ours))
        return ns_fail(err, NS_BAD_INPUT,
                       "%s: its first line is not the header of this version's columns (\"%.60s...\"): give another "
                       "--output, or move the file away",
                       file->path, header);
    char last;
    if (pread(fd, &last, 1, size - 1) != 1)
        return ns_fail(err, NS_IO, "%s: cannot be read: %s", file->path, strerror(errno));
    *torn = last != '\n';
    return NS_OK;
}

/* What an opened file needs first: nothing, the header, or the LF of a torn line. */
static ns_status begin(ns_csv_file *file, bool *mended, ns_error *err)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return ns_fail(err, NS_IO, "%s: %s", file->path, strerror(errno));
    file->regular = S_ISREG(st.st_mode) && !file->is_stdout;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    file->torn = false;
    if (!file->regular || st.st_size == 0)
        return append(file, ns_csv_header(), err);
    bool torn = false;
    ns_status status = check_header(file, file->fd, st.st_size, &torn, err);
    if (status == NS_OK && torn)
        status = append(file, NS_TEXT("\n"), err);
    if (status == NS_OK && mended != NULL)
        *mended = torn;
    return status;
}

static ns_status open_file(ns_csv_file *file, bool *mended, ns_error *err)
{
    file->fd = file->is_stdout ? STDOUT_FILENO : open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (file->fd < 0 && errno != EISDIR && errno != ENOENT) /* a pipe or terminal that only takes */
        file->fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (file->fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be opened for writing: %s", file->path, strerror(errno));
    ns_status status = begin(file, mended, err);
    if (status != NS_OK) {
        if (!file->is_stdout)
            (void)close(file->fd);
        file->fd = -1;
    }
    return status;
}

ns_status ns_csv_file_open(const ns_csv_file_options *options, ns_csv_file **out, bool *mended, ns_error *err)
{
    if (options->rotate_bytes < 0 || (options->rotate_bytes > 0 && (options->keep < 1 || options->keep > KEEP_MOST)))
        return ns_fail(err, NS_BAD_USAGE, "%s: 1 to %d rotated files can be kept", options->path, KEEP_MOST);
    ns_csv_file *file = NS_NEW(ns_csv_file);
    if (file != NULL) {
        *file = (ns_csv_file){.fd = -1,
                              .is_stdout = strcmp(options->path, "-") == 0,
                              .sync = options->sync,
                              .rotate_bytes = options->rotate_bytes,
                              .keep = options->keep,
                              .path = ns_strdup(options->path)};
        ns_buf_init(&file->rows, ROWS_MOST);
    }
    if (file == NULL || file->path == NULL) {
        ns_csv_file_close(file);
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for the file", options->path);
    }
    bool torn = false;
    ns_status status = open_file(file, &torn, err);
    if (status != NS_OK) {
        ns_csv_file_close(file);
        return status;
    }
    if (mended != NULL)
        *mended = torn;
    *out = file;
    return NS_OK;
}

static void leave(ns_csv_file *file)
{
    if (file->fd >= 0 && !file->is_stdout)
        (void)close(file->fd);
    file->fd = -1;
}

/* path.keep falls away, path.1 becomes path.2, path becomes path.1. */
static ns_status rotate(ns_csv_file *file, ns_error *err)
{
    char from[4096], to[4096];
    for (int i = file->keep; i >= 1; i--) {
        int a = i == 1 ? snprintf(from, sizeof from, "%s", file->path)
                       : snprintf(from, sizeof from, "%s.%d", file->path, i - 1);
        int b = snprintf(to, sizeof to, "%s.%d", file->path, i);
        if (a < 0 || (size_t)a >= sizeof from || b < 0 || (size_t)b >= sizeof to)
            return ns_fail(err, NS_IO, "%s: the path is too long to rotate", file->path);
        if (rename(from, to) != 0 && errno != ENOENT)
            return ns_fail(err, NS_IO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
    }
    leave(file);
    return NS_OK;
}

/* Makes sure that fd is the file of that name and has room for `more` bytes. */
static ns_status make_ready(ns_csv_file *file, size_t more, ns_error *err)
{
    struct stat st;
    if (file->fd >= 0 && file->regular &&
        (stat(file->path, &st) != 0 || st.st_dev != file->device || st.st_ino != file->inode))
        leave(file);
    if (file->fd >= 0 && file->regular && file->rotate_bytes > 0 && fstat(file->fd, &st) == 0 &&
        st.st_size > (off_t)(sizeof header - 1) && st.st_size + (off_t)more > (off_t)file->rotate_bytes) {
        ns_status status = rotate(file, err);
        if (status != NS_OK)
            return status;
    }
    return file->fd >= 0 ? NS_OK : open_file(file, NULL, err);
}

ns_status ns_csv_file_put(ns_csv_file *file, const ns_record *records, size_t count, ns_error *err)
{
    if (count == 0)
        return NS_OK;
    ns_buf_reset(&file->rows);
    (void)ns_buf_char(&file->rows, '\n'); /* used only behind a torn line */
    for (size_t i = 0; i < count; i++)
        ns_csv_row(&file->rows, &records[i]);
    if (file->rows.failed)
        return ns_fail(err, NS_NO_MEMORY, "%s: rows of %zu records", file->path, count);
    ns_status status = make_ready(file, file->rows.len, err);
    if (status != NS_OK)
        return status;
    ns_text text = ns_buf_view(&file->rows);
    if (!file->torn)
        text = (ns_text){text.at + 1, text.len - 1};
    status = append(file, text, err);
    if (status == NS_OK)
        file->torn = false;
    return status;
}

void ns_csv_file_close(ns_csv_file *file)
{
    if (file == NULL)
        return;
    leave(file);
    ns_buf_clear(&file->rows);
    ns_free(file->path);
    ns_free(file);
}
