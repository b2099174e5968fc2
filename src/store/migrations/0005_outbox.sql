-- What recognises a request of ours after a restart, and the cases in which it could not be told.
ALTER TABLE effects ADD COLUMN queue_id INTEGER;
ALTER TABLE cases ADD COLUMN effect_queue_id INTEGER;
ALTER TABLE cases ADD COLUMN unsure INTEGER NOT NULL DEFAULT 0;
