-- What people say about builds: labels to learn from. Index as in 0003.
CREATE TABLE labels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    jenkins_job TEXT NOT NULL,
    build INTEGER NOT NULL,
    actor TEXT NOT NULL,
    cause TEXT NOT NULL,
    line INTEGER,
    telling INTEGER
) STRICT;
CREATE INDEX labels_by_build ON labels (jenkins_job, build);
