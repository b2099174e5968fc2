#include "cli/progress.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 30 };

void ns_progress_init(ns_progress *progress, bool quiet)
{
    *progress = (ns_progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1, .shown = -1};
}

void ns_progress_told(void *owner, const char *step, size_t done, size_t of)
{
    ns_progress *progress = owner;
    int percent = of == 0 ? 100 : (int)(100 * done / of);
    bool another = strncmp(progress->step, step, sizeof progress->step - 1) != 0;
    if (progress->quiet || (!another && percent == progress->shown))
        return;
    if (another) {
        ns_progress_end(progress);
        (void)ns_text_copy(progress->step, sizeof progress->step, ns_text_of(step));
        if (!progress->terminal)
            (void)fprintf(stderr, "%s\n", progress->step);
    }
    progress->shown = percent;
    if (!progress->terminal)
        return;
    char bar[BAR + 1];
    int full = percent * BAR / 100;
    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : ' ';
    bar[BAR] = '\0';
    (void)fprintf(stderr, "\r%-40s [%s] %3d %%", progress->step, bar, percent);
    (void)fflush(stderr);
}

void ns_progress_end(ns_progress *progress)
{
    if (!progress->quiet && progress->terminal && progress->shown >= 0)
        (void)fputc('\n', stderr);
    progress->shown = -1;
    progress->step[0] = '\0';
}
