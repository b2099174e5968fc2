-- What a cluster says about the Deployments, and what a rollback may go back to.
ALTER TABLE records ADD COLUMN kubernetes_replicas_wanted REAL;
ALTER TABLE records ADD COLUMN kubernetes_replicas REAL;
ALTER TABLE records ADD COLUMN kubernetes_replicas_updated REAL;
ALTER TABLE records ADD COLUMN kubernetes_replicas_ready REAL;
ALTER TABLE records ADD COLUMN kubernetes_replicas_available REAL;
ALTER TABLE records ADD COLUMN kubernetes_revision REAL;
ALTER TABLE records ADD COLUMN kubernetes_pods REAL;
ALTER TABLE records ADD COLUMN kubernetes_pods_crash_looping REAL;
ALTER TABLE records ADD COLUMN kubernetes_pods_image_failing REAL;
ALTER TABLE records ADD COLUMN kubernetes_pods_oom_killed REAL;
ALTER TABLE records ADD COLUMN kubernetes_pods_pending REAL;
ALTER TABLE records ADD COLUMN kubernetes_pods_unschedulable REAL;
ALTER TABLE records ADD COLUMN kubernetes_restarts REAL;
ALTER TABLE records ADD COLUMN kubernetes_warnings REAL;
ALTER TABLE records ADD COLUMN kubernetes_nodes_ready REAL;
ALTER TABLE records ADD COLUMN kubernetes_nodes_total REAL;
ALTER TABLE cases ADD COLUMN effect_target TEXT NOT NULL DEFAULT '';
ALTER TABLE cases ADD COLUMN effect_undo INTEGER NOT NULL DEFAULT 0;
ALTER TABLE effects ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE effects ADD COLUMN undo INTEGER NOT NULL DEFAULT 0;

CREATE TABLE revisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    deployment TEXT NOT NULL,
    uid TEXT NOT NULL,
    template_hash TEXT NOT NULL,
    revision INTEGER NOT NULL,
    image TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    UNIQUE (deployment, uid, template_hash)
) STRICT;
