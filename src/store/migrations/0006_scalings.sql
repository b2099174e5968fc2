-- Pods that scale_up added: owed until they are taken back, also over a restart.
CREATE TABLE scalings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT NOT NULL,
    uid TEXT NOT NULL,
    jenkins_job TEXT NOT NULL,
    key TEXT NOT NULL,
    replicas_from INTEGER NOT NULL,
    replicas_to INTEGER NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    why TEXT NOT NULL,
    UNIQUE (jenkins_job, deployment)
) STRICT;
