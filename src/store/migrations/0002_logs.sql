-- Console text of builds, already redacted. One row per log, its text in chunks (see log_chunk.h): `at` is the place of
-- the chunk's first byte in the text, `length` how many bytes of text it holds; codec 0 as it is, 1 one zstd frame.
CREATE TABLE logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    jenkins_job TEXT NOT NULL,
    build INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    restarted INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    packed_bytes INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    UNIQUE (jenkins_job, build)
) STRICT;

CREATE TABLE log_chunks (
    id INTEGER PRIMARY KEY,
    log_id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    length INTEGER NOT NULL,
    codec INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (log_id, at)
) STRICT;
