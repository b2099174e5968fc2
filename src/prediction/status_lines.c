#include "prediction/status_lines.h"

#include <pthread.h>
#include <string.h>

/*
 * The table. A pattern stands anywhere in a line, or "^" at its start, or "$" at its end (both: the whole line). "#" is
 * one or more digits. Letters as written: these are fixed words of tools.
 */
typedef struct status_row {
    ns_line_kind kind;
    const char *pattern;
} status_row;

#define OUTCOME(pattern)                                                                                               \
    {                                                                                                                  \
        NS_LINE_outcome, pattern                                                                                       \
    }
#define FRAME(pattern)                                                                                                 \
    {                                                                                                                  \
        NS_LINE_frame, pattern                                                                                         \
    }
#define AFTERWARDS(pattern)                                                                                            \
    {                                                                                                                  \
        NS_LINE_afterwards, pattern                                                                                    \
    }

/* clang-format off */
static const status_row rows[] = {
    /* The build's end: what comes after it is printed because of the outcome. */
    AFTERWARDS("^Finished: SUCCESS"), AFTERWARDS("^Finished: FAILURE"), AFTERWARDS("^Finished: UNSTABLE"),
    AFTERWARDS("^Finished: ABORTED"), AFTERWARDS("^Finished: NOT_BUILT"),
    AFTERWARDS("^Post job cleanup"), AFTERWARDS("^Cleaning up orphan processes"),
    AFTERWARDS("(Declarative: Post Actions)"), AFTERWARDS("[Pipeline] End of Pipeline"),
    AFTERWARDS("^travis_fold:start:after_success"), AFTERWARDS("^travis_fold:start:after_failure"),
    AFTERWARDS("^travis_fold:start:after_script"), AFTERWARDS("^travis_fold:start:cache.2"),
    AFTERWARDS("^Done. Your build exited with"),
    AFTERWARDS("^section_start:#:after_script"), AFTERWARDS("^section_start:#:upload_artifacts"),
    AFTERWARDS("^section_start:#:cleanup_file_variables"),

    /* Exit statuses, whoever prints them. */
    OUTCOME("exit code"), OUTCOME("exit status"), OUTCOME("exit value"), OUTCOME("exit with"), OUTCOME("exited code"),
    OUTCOME("exited status"), OUTCOME("exited with"), OUTCOME("Exit code"), OUTCOME("Exit Code"), OUTCOME("Exit status"),
    OUTCOME("Exit Status"), OUTCOME("Exit value"), OUTCOME("Exited with"), OUTCOME("exitcode"), OUTCOME("exitCode"),
    OUTCOME("failed and exited"), OUTCOME("(exit #)"), OUTCOME("return code"), OUTCOME("Return code"),
    OUTCOME("returned non-zero"), OUTCOME("returned nonzero"), OUTCOME("returned a non-zero"),
    OUTCOME("returned a nonzero"), OUTCOME("non-zero exit"), OUTCOME("nonzero exit"), OUTCOME("non-zero code"),
    OUTCOME("program finished with"), OUTCOME("task run with exit"), OUTCOME("did not complete successfully"),
    OUTCOME("executor failed running"),

    /* Jenkins */
    OUTCOME("^Finished: "), OUTCOME("marked build as"), OUTCOME("changed build result to"),
    OUTCOME("script returned exit"), OUTCOME("skipped due to earlier failure"), OUTCOME("^Build was aborted"),
    OUTCOME("^Aborted by "), OUTCOME("^Sending e-mails to:"), OUTCOME("^Setting status of "),
    OUTCOME("^Notifying upstream projects of job completion"), OUTCOME("^Failed in branch "),
    FRAME("^[Pipeline] "),

    /* Travis, GitHub, GitLab, CircleCI, Azure, AppVeyor, Taskcluster, Buildbot */
    OUTCOME("^The command \""), OUTCOME("Your build exited"), OUTCOME("Your build has been stopped"),
    OUTCOME("^Done."), FRAME("^travis_fold:"), FRAME("^travis_time:"), FRAME("^section_start:"), FRAME("^section_end:"),
    FRAME("travis_time:end"), FRAME("travis_fold:end"),
    OUTCOME("##[error]"), OUTCOME("##[section]Finishing"), OUTCOME("Evaluate and set job outputs"),
    OUTCOME("^Process completed"), FRAME("##[endgroup]"),
    OUTCOME("Job succeeded"), OUTCOME("ERROR: Job failed"), OUTCOME("^Cleaning up project directory"),
    OUTCOME("^Cleaning up file based variables"), OUTCOME("CircleCI received"), OUTCOME("^Build success"),
    OUTCOME("^Build failed"), OUTCOME("^Build Success"), OUTCOME("^Build Failed"),
    OUTCOME("^Success$"), OUTCOME("] Success$"), OUTCOME(" Success$"), OUTCOME("^Failed:"),
    OUTCOME("Failed: Build exit"), OUTCOME("Failed: Command"), OUTCOME("Failed: Exceeded"), OUTCOME("^Exceeded timeout"),
    OUTCOME("taskcluster:error"), OUTCOME("^results:"), OUTCOME("(results:"), OUTCOME("Result: success"),
    OUTCOME("Result: failure"), OUTCOME("Result: SUCCESS"), OUTCOME("Result: FAILURE"), OUTCOME("result: SUCCESS"),
    OUTCOME("result: FAILURE"), OUTCOME("# TBPL "), OUTCOME("Recorded container"),

    /* make, ninja, Maven, Gradle, Ant, sbt, tox, Bazel, docker: how they say that they are through. */
    OUTCOME("make: ***"), OUTCOME("make[#]: ***"), OUTCOME("Error #$"), OUTCOME("not remade because of errors"),
    OUTCOME("ninja: build stopped"), OUTCOME("BUILD SUCCESS"), OUTCOME("BUILD FAIL"), OUTCOME("BUILD ERROR"),
    OUTCOME("Build FAILED"), OUTCOME("Build SUCCEEDED"), OUTCOME("Build succeeded"),
    OUTCOME("Failed to execute goal"), OUTCOME("To see the full stack trace"), OUTCOME("Re-run Maven"),
    OUTCOME("[Help #]"), OUTCOME("After correcting the problems"), OUTCOME("mvn <goals>"),
    OUTCOME("For more information about the errors"), OUTCOME("Reactor Summary"), OUTCOME("... SUCCESS"),
    OUTCOME("... FAILURE"), OUTCOME("... SKIPPED"), OUTCOME("Total time:"), OUTCOME("Finished at:"),
    OUTCOME("Final Memory"), FRAME("^[INFO]$"), FRAME("^[ERROR]$"), FRAME("^[INFO] ------"), FRAME("^[ERROR] ------"),
    OUTCOME("FAILURE: Build "), OUTCOME("^* What went wrong"), OUTCOME("^* Try"), OUTCOME("^* Exception is"),
    OUTCOME("Run with --stacktrace"), OUTCOME("Run with --info"), OUTCOME("Run with --debug"),
    OUTCOME("Run with --scan"), OUTCOME("Get more help at"), OUTCOME(" actionable task"),
    OUTCOME("ERROR: InvocationError"), OUTCOME("congratulations :)"), OUTCOME(": commands succeeded"),
    OUTCOME(": commands failed"), OUTCOME("evaluation failed :("), OUTCOME("Build completed successfully"),
    OUTCOME("Build did NOT complete"), OUTCOME("Successfully built"), OUTCOME("Successfully tagged"),
    OUTCOME("Removing intermediate container"),
};
/* clang-format on */

/*
 * All patterns are looked for in one pass: an automaton (Aho and Corasick 1975) over each pattern's longest piece
 * without "#". It is made once, in memory of its own, so that reading lines needs no allocation.
 */
enum { STATES_MAX = 2048, CLASSES_MAX = 80, ROWS_MAX = 192 };
_Static_assert(NS_COUNT_OF(rows) <= ROWS_MAX, "status_lines: more rows than the sets hold");

typedef struct row_set {
    uint64_t bits[ROWS_MAX / 64];
} row_set;

static struct {
    uint8_t class_of[256];
    uint16_t next[STATES_MAX][CLASSES_MAX];
    row_set out[STATES_MAX];
    bool any[STATES_MAX];
    uint16_t states, classes;
} machine;
static pthread_once_t machine_made = PTHREAD_ONCE_INIT;

static ns_text bare(const char *pattern)
{
    ns_text text = ns_text_of(pattern);
    if (text.at[0] == '^')
        text = (ns_text){text.at + 1, text.len - 1};
    if (text.at[text.len - 1] == '$')
        text.len--;
    return text;
}

static ns_text key_of(const char *pattern)
{
    ns_text rest = bare(pattern), best = {rest.at, 0};
    for (size_t start = 0, i = 0; i <= rest.len; i++) {
        if (i < rest.len && rest.at[i] != '#')
            continue;
        /* "##[error]" is no number: two in a row stand for themselves. */
        if (i + 1 < rest.len && rest.at[i + 1] == '#') {
            i++;
            continue;
        }
        if (i - start > best.len)
            best = (ns_text){rest.at + start, i - start};
        start = i + 1;
    }
    return best;
}

static void plant(size_t row)
{
    ns_text key = key_of(rows[row].pattern);
    uint16_t state = 0;
    NS_CHECK(key.len > 0);
    for (size_t i = 0; i < key.len; i++) {
        uint8_t *class = &machine.class_of[(unsigned char)key.at[i]];
        if (*class == 0)
            *class = (uint8_t)machine.classes++;
        NS_CHECK(machine.classes <= CLASSES_MAX && machine.states < STATES_MAX);
        uint16_t *next = &machine.next[state][*class];
        if (*next == 0)
            *next = machine.states++;
        state = *next;
    }
    machine.out[state].bits[row / 64] |= UINT64_C(1) << (row % 64);
    machine.any[state] = true;
}

static void inherit(uint16_t state, uint16_t fail)
{
    for (size_t i = 0; i < ROWS_MAX / 64; i++)
        machine.out[state].bits[i] |= machine.out[fail].bits[i];
    machine.any[state] = machine.any[state] || machine.any[fail];
}

static void make_machine(void)
{
    static uint16_t queue[STATES_MAX], fail[STATES_MAX];
    size_t head = 0, tail = 0;
    machine.states = machine.classes = 1;
    for (size_t row = 0; row < NS_COUNT_OF(rows); row++)
        plant(row);
    for (size_t c = 1; c < machine.classes; c++)
        if (machine.next[0][c] != 0)
            queue[tail++] = machine.next[0][c];
    while (head < tail) {
        uint16_t state = queue[head++];
        for (size_t c = 1; c < machine.classes; c++) {
            uint16_t *next = &machine.next[state][c], elsewhere = machine.next[fail[state]][c];
            if (*next == 0) {
                *next = elsewhere;
                continue;
            }
            fail[*next] = elsewhere;
            inherit(*next, elsewhere);
            queue[tail++] = *next;
        }
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Does the bare pattern stand at line[start]? *end: where it ends. */
static bool stands_at(ns_text line, size_t start, ns_text pattern, size_t *end)
{
    size_t i = start;
    for (size_t p = 0; p < pattern.len; p++) {
        bool number = pattern.at[p] == '#' && (p + 1 == pattern.len || pattern.at[p + 1] != '#') &&
                      (p == 0 || pattern.at[p - 1] != '#');
        if (i >= line.len || (number ? !is_digit(line.at[i]) : line.at[i] != pattern.at[p]))
            return false;
        i++;
        while (number && i < line.len && is_digit(line.at[i]))
            i++;
    }
    *end = i;
    return true;
}

static bool matches(ns_text line, const char *pattern)
{
    ns_text inner = bare(pattern);
    bool at_start = pattern[0] == '^', at_end = inner.at[inner.len] == '$';
    size_t end = 0;
    for (size_t start = 0; start < line.len; start++) {
        if (stands_at(line, start, inner, &end) && (!at_end || end == line.len))
            return true;
        if (at_start)
            return false;
    }
    return false;
}

/* A rule, a bracket, a row of dots: without a letter or digit there is nothing to read. */
static bool says_something(ns_text line)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.at[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80)
            return true;
    }
    return false;
}

static ns_line_kind strongest(ns_text line, const row_set *found)
{
    ns_line_kind kind = NS_LINE_readable;
    for (size_t word = 0; word < ROWS_MAX / 64; word++) {
        for (uint64_t left = found->bits[word]; left != 0; left &= left - 1) {
            const status_row *row = &rows[64 * word + (size_t)__builtin_ctzll(left)];
            if (row->kind > kind && matches(line, row->pattern))
                kind = row->kind;
        }
    }
    return kind;
}

ns_line_kind ns_line_kind_of(ns_text line)
{
    (void)pthread_once(&machine_made, make_machine);
    line = ns_text_trim(line);
    if (!says_something(line))
        return NS_LINE_frame;
    row_set found = {{0}};
    bool any = false;
    size_t state = 0;
    for (size_t i = 0; i < line.len; i++) {
        state = machine.next[state][machine.class_of[(unsigned char)line.at[i]]];
        if (!machine.any[state])
            continue;
        any = true;
        for (size_t w = 0; w < ROWS_MAX / 64; w++)
            found.bits[w] |= machine.out[state].bits[w];
    }
    return any ? strongest(line, &found) : NS_LINE_readable;
}
