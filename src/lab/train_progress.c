#include "lab/train_progress.h"

#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

void ns_train_progress_begin(ns_train_progress *progress, const char *what, const char *unit, uint64_t done, bool quiet)
{
    *progress = (ns_train_progress){.what = what,
                                    .unit = unit,
                                    .quiet = quiet,
                                    .terminal = isatty(STDERR_FILENO) == 1,
                                    .begun_ns = ns_monotonic_ns(),
                                    .told_ns = -1,
                                    .first = done};
}

int64_t ns_train_progress_left_s(const ns_train_progress *progress, uint64_t done, uint64_t total, int64_t now_ns)
{
    if (total == 0 || done <= progress->first || done > total)
        return -1;
    const double each = (double)(now_ns - progress->begun_ns) / (double)(done - progress->first);
    return (int64_t)(each * (double)(total - done) * 1e-9 + 0.5);
}

static void draw(const ns_train_progress *progress, uint64_t done, uint64_t total, const char *note, int64_t now)
{
    char left[48] = "", share[64] = "";
    const int64_t left_s = ns_train_progress_left_s(progress, done, total, now);
    if (left_s >= 3600)
        (void)snprintf(left, sizeof left, ", %lld h %02lld min left", (long long)(left_s / 3600),
                       (long long)(left_s / 60 % 60));
    else if (left_s >= 0)
        (void)snprintf(left, sizeof left, ", %lld:%02lld left", (long long)(left_s / 60), (long long)(left_s % 60));
    if (total > 0)
        (void)snprintf(share, sizeof share, " of %llu (%.0f %%)", (unsigned long long)total,
                       100.0 * (double)done / (double)total);
    (void)fprintf(stderr, "%s%s: %llu%s %s%s%s%s%s", progress->terminal ? "\r\033[K" : "", progress->what,
                  (unsigned long long)done, share, progress->unit, left, note == NULL ? "" : ", ",
                  note == NULL ? "" : note, progress->terminal ? "" : "\n");
}

void ns_train_progress_tell(ns_train_progress *progress, uint64_t done, uint64_t total, const char *note)
{
    if (progress->quiet)
        return;
    const int64_t now = ns_monotonic_ns();
    const int64_t wait = progress->terminal ? 250000000 : 15000000000;
    if (progress->told_ns >= 0 && now - progress->told_ns < wait)
        return;
    progress->told_ns = now;
    draw(progress, done, total, note, now);
}

void ns_train_progress_end(ns_train_progress *progress, uint64_t done, uint64_t total, const char *note)
{
    if (progress->quiet)
        return;
    draw(progress, done, total, note, ns_monotonic_ns());
    if (progress->terminal)
        (void)fputc('\n', stderr);
}
