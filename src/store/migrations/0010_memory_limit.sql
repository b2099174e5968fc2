-- What the pods of a Deployment may take of memory.
ALTER TABLE records ADD COLUMN kubernetes_memory_limit REAL;
