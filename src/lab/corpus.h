/*
 * A corpus of build logs: one folder or several, each the data folder of a daemon (store_corpus.h), or with index.jsonl
 * (or exactly one *.index.jsonl), one JSON object a line, and the logs it names, plain, .gz or .zst.
 *
 * Fields read of each line: path (relative to the folder), outcome ("failure", "success"; others are left out), group
 * (the project), family, pair (a number that grows with time within the project), cause, fault, ci, tool, bytes,
 * fault_line, split, times. Opened once, read-only after; one thread.
 */
#ifndef NS_LAB_CORPUS_H
#define NS_LAB_CORPUS_H

#include "base/text.h"

typedef struct ns_corpus ns_corpus;

/* What a person said of one line of a log: it shows what is wrong, or it does not. */
typedef struct ns_corpus_judged {
    int64_t line; /* 1-based in the log */
    bool telling;
} ns_corpus_judged;

typedef struct ns_corpus_log {
    const char *folder;  /* the one it came from */
    const char *path;    /* relative to it */
    const char *project; /* "group" */
    const char *family;  /* "" when not given, as below */
    const char *ci;
    const char *tool;
    const char *cause;
    const char *fault; /* what was injected, finer than the cause */
    const char *split;
    size_t project_number; /* 0..projects-1 */
    int64_t order;         /* "pair" as a number; -1: not known */
    int64_t bytes;         /* as the index says; -1 */
    int64_t fault_line;    /* 1-based in the log; -1: none or not known */
    const double *times;   /* (time_count, 2) rising: line, seconds since the start; NULL not known */
    size_t time_count;
    const ns_corpus_judged *judged; /* (judged_count) of lines; NULL none */
    size_t judged_count;
    bool failing;
    const struct ns_store_corpus *stored; /* its text lies in a store; NULL: in a file */
} ns_corpus_log;

typedef struct ns_corpus_filter {
    const char *family;    /* only families that start with this; NULL all */
    const char *split;     /* only logs of this split; NULL all */
    const char *not_split; /* none of this split; NULL no such limit */
    int64_t max_bytes;     /* larger logs (by the index) are left out; 0 no limit */
} ns_corpus_filter;

/* NS_IO, NS_NOT_FOUND (no index), NS_BAD_INPUT (file and line), NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_corpus_open(const char *const *folders, size_t folder_count, const ns_corpus_filter *filter,
                                     ns_corpus **out, ns_error *err);
void ns_corpus_free(ns_corpus *corpus);

size_t ns_corpus_count(const ns_corpus *corpus);
size_t ns_corpus_projects(const ns_corpus *corpus);
const ns_corpus_log *ns_corpus_at(const ns_corpus *corpus, size_t i);
const char *ns_corpus_folder(const ns_corpus *corpus); /* the first */
const char *ns_corpus_sha256(const ns_corpus *corpus); /* of the index files, one behind the other */

/* Seconds since the start when this line of the log (1-based) was printed; NAN when it is not known. */
double ns_corpus_time(const ns_corpus_log *log, int64_t line);

/* The log's text, unpacked. */
NS_MUST_USE ns_status ns_corpus_read(const ns_corpus *corpus, size_t i, ns_buf *out, ns_error *err);

/* Earlier green logs of the same project that a live system would have had, newest first, at most max. */
size_t ns_corpus_references(const ns_corpus *corpus, size_t i, size_t *out, size_t max);

#endif
