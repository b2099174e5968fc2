/*
 * What Jenkins' remote API writes, read without judging: job addresses, queue items, parameters, causes.
 *
 * Pure functions over bytes and JSON that came from outside. Shared by the source (telemetry) and the hands
 * (orchestration), which may not include each other.
 */
#ifndef NS_WIRE_JENKINS_FACTS_H
#define NS_WIRE_JENKINS_FACTS_H

#include "flow/names.h"
#include "wire/json.h"

/* The parameter that marks a build as asked for by us; sent only where the job defines it. */
#define NS_JENKINS_KEY_PARAMETER "NEUROSHIELD_KEY"

/* Appends "/job/folder/job/name", each segment percent-encoded on its own. A multibranch branch keeps the %2F of its
 * name and so gets it encoded twice. NS_BAD_INPUT: an empty name or segment. */
NS_MUST_USE ns_status ns_jenkins_job_path(ns_buf *out, ns_text full_name);

/* The job and build that a `url` field speaks of, whatever host and context path stand before "/job/". number gets 0
 * when the address ends with the job. False: no such address, or a name too long. */
NS_MUST_USE bool ns_jenkins_job_of_url(ns_text url, char job[NS_JOB_MAX], int64_t *number);

/* The id at the end of ".../queue/item/5531/"; -1: this is no queue item. */
int64_t ns_jenkins_queue_item_of(ns_text location);

/* A name that may stand for a job or folder: not empty, shorter than NS_JOB_MAX, no '/' and no control bytes. */
bool ns_jenkins_name_ok(ns_text name);

/* The value of an element of `parameters` as Jenkins would take it back in a form. False: secret, file or of a kind
 * that cannot be read back. */
NS_MUST_USE bool ns_jenkins_parameter_value(const json_t *parameter, ns_buf *out);

/* The newest `parameters` array among a build's `actions`; NULL: none. Borrowed. */
const json_t *ns_jenkins_parameters(const json_t *actions);

/* The value of NEUROSHIELD_KEY, "" none. A value longer than a key is none of ours. */
void ns_jenkins_key_of(const json_t *parameters, char key[NS_KEY_MAX]);

/* True: a UserIdCause with this user id stands among the causes in `actions`. */
bool ns_jenkins_started_by(const json_t *actions, const char *user);

/* Whether a person stopped it, by InterruptedBuildAction: 1 yes, 0 something else stopped it, -1 nothing says. */
int ns_jenkins_interrupted_by_person(const json_t *actions);

#endif
