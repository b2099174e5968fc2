/* Small corpora on disk for tests: projects that build, test and fail in the words of real tools. */
#ifndef NS_TESTS_CORPUS_MAKER_H
#define NS_TESTS_CORPUS_MAKER_H

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct corpus_maker {
    char folder[64];
    FILE *index;
    int logs;
} corpus_maker;

static inline void maker_begin(corpus_maker *maker)
{
    char path[128];
    (void)snprintf(maker->folder, sizeof maker->folder, "/tmp/ns_corpus_XXXXXX");
    CHECK(mkdtemp(maker->folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/index.jsonl", maker->folder);
    CHECK((maker->index = fopen(path, "w")) != NULL);
    maker->logs = 0;
}

static inline void maker_log(corpus_maker *maker, const char *project, int pair, bool failing, const char *cause,
                             const char *ci, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%d.log", maker->folder, maker->logs);
    FILE *log = fopen(path, "w");
    CHECK(log != NULL && fputs(text, log) >= 0 && fclose(log) == 0);
    CHECK(fprintf(
              maker->index,
              "{\"path\":\"%d.log\",\"group\":\"%s\",\"family\":\"made\",\"pair\":\"%d\",\"outcome\":\"%s\",\"cause\":"
              "%s%s%s,\"ci\":\"%s\",\"tool\":\"make\",\"bytes\":%zu,\"lines\":1,\"split\":\"train\"}\n",
              maker->logs++, project, pair, failing ? "failure" : "success", failing ? "\"" : "",
              failing ? cause : "null", failing ? "\"" : "", ci, strlen(text)) > 0);
}

static inline void maker_end(corpus_maker *maker)
{
    CHECK(fclose(maker->index) == 0);
}

static inline void maker_remove(const corpus_maker *maker)
{
    char path[160];
    for (int i = 0; i < maker->logs; i++) {
        (void)snprintf(path, sizeof path, "%s/%d.log", maker->folder, i);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof path, "%s/index.jsonl", maker->folder);
    (void)unlink(path);
    CHECK(rmdir(maker->folder) == 0);
}

/* Twelve projects, four builds each, of which every second fails: tests in half of them, compiling in the others. extra
 * is put at the end of green and of failing logs. */
static inline void maker_projects(corpus_maker *maker, const char *green_extra, const char *failing_extra,
                                  const char *green_ci, const char *failing_ci)
{
    static const char *const nouns[] = {"cart",  "ledger", "parcel", "invoice", "meter",  "queue",
                                        "stock", "quota",  "ticket", "wallet",  "roster", "depot"};
    for (int p = 0; p < 12; p++) {
        for (int build = 1; build <= 4; build++) {
            char text[4096];
            bool failing = build % 2 == 0;
            size_t n = (size_t)snprintf(text, sizeof text,
                                        "+ make -j2\ncc -c %s.c -o %s.o\ncc -c main.c\n+ ctest\nStart 1: %s_opens\n1/2 "
                                        "Test #1: %s_opens ... Passed 0.01 sec\n",
                                        nouns[p], nouns[p], nouns[p], nouns[p]);
            /* As real logs do, they differ in length for reasons of their own. */
            for (int part = 0; part < (p * 7 + build * 5) % 11; part++)
                n += (size_t)snprintf(&text[n], sizeof text - n, "cc -c -O2 -Wall -Iinclude part_%c.c\n", 'a' + part);
            if (failing && p % 2 == 0)
                n +=
                    (size_t)snprintf(&text[n], sizeof text - n,
                                     "2/2 Test #2: %s_closes ...***Failed 0.02 sec\n%s.c:41: assertion failed: left == "
                                     "right\nThe following tests FAILED:\n",
                                     nouns[p], nouns[p]);
            else if (failing)
                n += (size_t)snprintf(&text[n], sizeof text - n,
                                      "%s.c:17:5: error: expected ';' before 'return'\n%s.c:18:1: note: here\n",
                                      nouns[p], nouns[p]);
            else
                n += (size_t)snprintf(&text[n], sizeof text - n, "2/2 Test #2: %s_closes ... Passed 0.02 sec\n",
                                      nouns[p]);
            n += (size_t)snprintf(&text[n], sizeof text - n, "archiving %s\n", nouns[p]);
            (void)snprintf(&text[n], sizeof text - n, "%s", failing ? failing_extra : green_extra);
            maker_log(maker, nouns[p], build, failing, p % 2 == 0 ? "test_failure" : "compile_error",
                      failing ? failing_ci : green_ci, text);
        }
    }
}

#endif
