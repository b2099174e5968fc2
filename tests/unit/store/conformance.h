/*
 * What every store behind flow/store.h must do, checked through the door alone.
 *
 * A store passes when conformance_run returns 0. The factory opens the same data again each time until wipe is called.
 */
#ifndef NS_TESTS_CONFORMANCE_H
#define NS_TESTS_CONFORMANCE_H

#include "flow/store.h"

typedef struct conformance_factory {
    const char *name;
    void *self;
    ns_status (*open)(void *self, ns_store_committed *committed, void *owner, ns_store *out, ns_error *err);
    void (*wipe)(void *self);
} conformance_factory;

int conformance_run(const conformance_factory *factory);

/* Rows with every field filled from seed, padding zeroed, so that they may be compared with memcmp. */
void fill_record(ns_record *out, int seed);
void fill_build(ns_build_row *out, int seed);
void fill_prediction(ns_prediction_row *out, int seed);
void fill_decision(ns_decision_row *out, int64_t id);
void fill_case(ns_case *out, int64_t id);
void fill_effect(ns_effect_row *out, int seed);
void fill_audit(ns_audit_row *out, int seed);
void fill_revision(ns_revision_row *out, int seed);
void fill_scaling(ns_scaling_row *out, int seed);
void fill_label(ns_label_row *out, int seed);

/* Puts one row; the status of put. */
ns_status put_record(ns_store *store, const ns_record *row, uint64_t *sequence);
ns_status put_build(ns_store *store, const ns_build_row *row, uint64_t *sequence);
ns_status put_log(ns_store *store, const char *job, int64_t build, ns_text text, int64_t next, int flags);
ns_status put_prediction(ns_store *store, const ns_prediction_row *row, uint64_t *sequence);
ns_status put_decision(ns_store *store, const ns_decision_row *row, uint64_t *sequence);
ns_status put_case(ns_store *store, const ns_case *row, uint64_t *sequence);
ns_status put_effect(ns_store *store, const ns_effect_row *row, uint64_t *sequence);
ns_status put_audit(ns_store *store, const ns_audit_row *row, uint64_t *sequence);
ns_status put_revision(ns_store *store, const ns_revision_row *row, uint64_t *sequence);
ns_status put_scaling(ns_store *store, const ns_scaling_row *row, uint64_t *sequence);
ns_status put_label(ns_store *store, const ns_label_row *row, uint64_t *sequence);

#define LOG_RESTARTED 1
#define LOG_ENDED     2

/* Rows that a query finds (all pages), -1 when it fails. */
int count_rows(ns_store *store, const ns_row_query *query);

#endif
