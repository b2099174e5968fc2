-- For the lists of the API and for reading open cases back at start. Every index ends with the id by itself, so that a
-- page in id order needs no sorting.
CREATE INDEX records_by_job ON records (jenkins_job);
CREATE INDEX predictions_by_build ON predictions (jenkins_job, build);
CREATE INDEX decisions_by_job ON decisions (jenkins_job);
CREATE INDEX decisions_by_case ON decisions (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX cases_by_job ON cases (jenkins_job);
CREATE INDEX cases_open ON cases (id) WHERE state <> 'closed';
CREATE INDEX effects_by_case ON effects (case_id);
CREATE INDEX logs_growing ON logs (id) WHERE ended = 0;
