/*
 * How long the names that travel may be, bytes including the closing NUL. Longer ones from outside are refused by the
 * source that met them (told once), never cut: a cut name could be another thing's name.
 */
#ifndef NS_FLOW_NAMES_H
#define NS_FLOW_NAMES_H

#define NS_JOB_MAX        256 /* Jenkins full name: folder/sub/job, multibranch branches as Jenkins prints them */
#define NS_NAME_MAX       64  /* Kubernetes namespace, Deployment, agent, stage, user */
#define NS_KEY_MAX        40  /* idempotency key: 32 hex digits */
#define NS_MODEL_NAME_MAX 64

#endif
