-- So that a look finds the rows of those who were erased while it was at work.
CREATE INDEX run_risks_of_run ON run_risks (run, learner_id);
