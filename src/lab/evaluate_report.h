/* The figures of an evaluation as JSON: the object and the lines of CONTRACT.md's `evaluate predictor`. */
#ifndef NS_LAB_EVALUATE_REPORT_H
#define NS_LAB_EVALUATE_REPORT_H

#include "lab/leakcheck.h"
#include "lab/replay_log.h"

typedef struct ns_evaluate_report {
    const ns_corpus *corpus;
    const ns_replayed *model, *keyword; /* (count) the same logs in the same order */
    const ns_replayed *without_encoder; /* (count) likewise; NULL: the model has none */
    size_t count;
    size_t folds;
    size_t references;
    const char *name;
    const char *sha256;
    ns_code_path code_path;
    const ns_leakcheck *leak;
    double elapsed_s;
} ns_evaluate_report;

/* NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_evaluate_put(const ns_evaluate_report *report, ns_buf *out, ns_error *err);
/* One JSON object a log. NS_IO. */
NS_MUST_USE ns_status ns_evaluate_write_logs(const ns_evaluate_report *report, const char *path, ns_error *err);

#endif
