/*
 * How rows look in JSON: one function per kind, used by the API's lists and by the feed alike.
 *
 * Each appends one object to out. A value not known is null, never 0 or "".
 */
#ifndef NS_DAEMON_SHOW_H
#define NS_DAEMON_SHOW_H

#include "flow/store.h"

void ns_show_record(ns_buf *out, const ns_record *record);
void ns_show_build(ns_buf *out, const char *jenkins_job, const ns_build *build, const ns_prediction *prediction);
void ns_show_prediction(ns_buf *out, const char *jenkins_job, int64_t build, const ns_prediction *prediction);
void ns_show_decision(ns_buf *out, const ns_decision_row *row);
void ns_show_case(ns_buf *out, const ns_case *c);
void ns_show_effect(ns_buf *out, const ns_effect_row *row);
void ns_show_audit(ns_buf *out, const ns_audit_row *row);
void ns_show_label(ns_buf *out, const ns_label_row *row);

/* "sock-shop/carts#12", the id of a build in the API (percent-encoded in paths). */
void ns_show_build_id(char out[NS_JOB_MAX + 24], const char *jenkins_job, int64_t number);

#endif
