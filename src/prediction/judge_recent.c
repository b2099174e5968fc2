#include "prediction/judge_recent.h"

#include <math.h>
#include <string.h>

#define NEAR_FROM    1.0F     /* weaker lines are everywhere */
#define NEVER        (-16.0F) /* of `near`: no evidence at all */
#define NEVER_BEFORE (-8.0F)  /* of `near_commands` */

bool ns_recent_is_command(ns_text line)
{
    return line.len >= 3 && (line.at[0] == '$' || line.at[0] == '+') && line.at[1] == ' ' && line.at[2] != ' ';
}

void ns_recent_init(ns_recent *recent)
{
    memset(recent, 0, sizeof *recent);
    recent->strongest = NEAR_FROM;
    recent->strongest_at = -1;
    recent->since_command = NS_NO_LINE;
}

void ns_recent_evidence(ns_recent *recent, float both)
{
    recent->since_command = fmaxf(recent->since_command, both);
    if (both <= recent->strongest)
        return;
    recent->strongest = both;
    recent->strongest_at = recent->read;
    recent->commands = 0;
}

void ns_recent_add(ns_recent *recent, const ns_recent_line *line, bool command)
{
    recent->line[recent->read++ % NS_RECENT_LINES] = *line;
    if (command) {
        recent->commands++;
        recent->since_command = NS_NO_LINE;
    }
}

static float since(int64_t n)
{
    return -log2f(1.0F + (float)n);
}

/* The strongest of the last 10, 30, 100 and 300 lines. */
enum { SPANS = 4 };
static const int64_t span[SPANS] = {10, 30, 100, NS_RECENT_LINES};

static void strongest_within(const ns_recent *recent, ns_recent_line out[SPANS])
{
    ns_recent_line best = {NS_NO_LINE, NS_NO_LINE, NS_NO_LINE};
    int64_t back = 0;
    for (size_t s = 0; s < SPANS; s++) {
        for (; back < span[s] && back < recent->read; back++) {
            const ns_recent_line *line = &recent->line[(recent->read - 1 - back) % NS_RECENT_LINES];
            best.both = fmaxf(best.both, line->both);
            best.fresh = fmaxf(best.fresh, line->fresh);
            best.passing = fmaxf(best.passing, line->passing);
        }
        out[s] = best;
    }
}

void ns_recent_features(const ns_recent *recent, float *out, float *fresh)
{
    ns_recent_line best[SPANS];
    strongest_within(recent, best);
    *out++ = best[1].both;
    *out++ = best[2].both;
    *out++ = best[3].both;
    *out++ = recent->since_command;
    *out++ = recent->strongest_at < 0 ? NEVER : since(recent->read - recent->strongest_at);
    *out++ = recent->strongest_at < 0 ? NEVER_BEFORE : since(recent->commands);
    *out++ = -best[0].passing;
    *out++ = -best[1].passing;
    *out = -best[2].passing;
    fresh[0] = best[1].fresh;
    fresh[1] = best[2].fresh;
}
