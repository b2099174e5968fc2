/*
 * The store of a daemon as a corpus: learning from use.
 *
 * Each build that ended with success or failure and whose log is stored to its end is a log: its job is the project,
 * its number the order. Its outcome is Jenkins'; its cause is what a person said last about it, else not known (never
 * what a predictor believed); the lines that a person judged go with it. Logs have no split but train, and family
 * "store". The store is only read; a daemon may be writing it. One thread.
 */
#ifndef NS_LAB_STORE_CORPUS_H
#define NS_LAB_STORE_CORPUS_H

#include "base/arena.h"
#include "lab/corpus.h"

typedef struct ns_store_corpus ns_store_corpus;

/* The database of a data folder, or the path itself when it ends in .db; false: neither. */
bool ns_store_corpus_is(const char *path, char database[4096]);

/* Calls take for each log (fields are borrowed from names, which has to outlive the corpus), oldest first, until it
 * fails. Errors as ns_sqlite_store_open, and what take returns. */
typedef ns_status ns_store_corpus_take(void *owner, const ns_corpus_log *log, ns_error *err);
NS_MUST_USE ns_status ns_store_corpus_open(const char *database, ns_arena *names, ns_store_corpus_take *take,
                                           void *owner, ns_store_corpus **out, ns_error *err);
void ns_store_corpus_free(ns_store_corpus *corpus);

/* The text of a log that take was given. */
NS_MUST_USE ns_status ns_store_corpus_read(const ns_store_corpus *corpus, const ns_corpus_log *log, ns_buf *out,
                                           ns_error *err);

#endif
