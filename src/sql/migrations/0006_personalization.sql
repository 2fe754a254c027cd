-- How a learner's study is personalised: what the learner wants, which variant was drawn for which
-- day, and what came of it. The bandit keeps no state of its own: it is made of the choices.

CREATE TABLE personalization_preferences (
    learner_id {int} NOT NULL PRIMARY KEY,
    level {text} NOT NULL CHECK (level IN ('NONE', 'LOW', 'MEDIUM', 'HIGH')),
    mission_on {int} NOT NULL CHECK (mission_on IN (0, 1)),
    content_on {int} NOT NULL CHECK (content_on IN (0, 1)),
    assessment_on {int} NOT NULL CHECK (assessment_on IN (0, 1)),
    session_on {int} NOT NULL CHECK (session_on IN (0, 1)),
    auto_adapt {int} NOT NULL CHECK (auto_adapt IN (0, 1)),
    disabled_features {text} NOT NULL, -- a JSON array of texts
    version {int} NOT NULL,            -- raised by each change
    updated_at {int} NOT NULL
) {clustered};

-- What is in force, one row of a context.
CREATE TABLE personalization_configs (
    learner_id {int} NOT NULL,
    context {text} NOT NULL CHECK (context IN ('MISSION', 'CONTENT', 'ASSESSMENT', 'SESSION')),
    variant {text} NOT NULL,
    held_out {int} NOT NULL CHECK (held_out IN (0, 1)), -- always the control
    day {int} NOT NULL,              -- of the choice in force
    activated_at {int} NOT NULL,     -- since when without a break
    deactivated_at {int},            -- NULL: in force
    PRIMARY KEY (learner_id, context)
) {clustered};

-- Which variant was drawn for a context on a local day, and with what chance.
CREATE TABLE personalization_choices (
    learner_id {int} NOT NULL,
    day {int} NOT NULL,
    context {text} NOT NULL,
    variant {text} NOT NULL,
    propensity {real} NOT NULL CHECK (propensity > 0 AND propensity <= 1),
    control {real} NOT NULL CHECK (control BETWEEN 0 AND 1), -- the chance that the control had
    learnable {int} NOT NULL CHECK (learnable IN (0, 1)),
    source {text} NOT NULL CHECK (source IN ('ASKED', 'NIGHT')),
    made_at {int} NOT NULL,
    reward {real} CHECK (reward BETWEEN 0 AND 1), -- NULL when settled: no outcome ever came
    outcome {text},                  -- that told the reward
    settled_at {int},
    PRIMARY KEY (learner_id, day, context)
) {clustered};

CREATE TABLE personalization_outcomes (
    learner_id {int} NOT NULL,
    outcome {text} NOT NULL CHECK (length(outcome) BETWEEN 1 AND 128),
    at {int} NOT NULL,
    type {text} NOT NULL,
    context {text} NOT NULL,
    day {int},                       -- of the choice that it is the outcome of; NULL: of none
    observed {int} NOT NULL CHECK (observed IN (0, 1)), -- made at night of the day's own work
    retention {real} CHECK (retention BETWEEN -1 AND 1), -- changes against the weeks before
    performance {real} CHECK (performance BETWEEN -1 AND 1),
    completion {real} CHECK (completion BETWEEN 0 AND 1),
    satisfaction {real} CHECK (satisfaction BETWEEN 1 AND 5),
    engagement {real} CHECK (engagement BETWEEN 0 AND 1),
    minutes {real},
    content_type {text},
    difficulty {text},
    reward {real} NOT NULL CHECK (reward BETWEEN 0 AND 1),
    received_at {int} NOT NULL,
    PRIMARY KEY (learner_id, outcome)
) {clustered};

-- What changed, when, from what to what. Only added to.
CREATE TABLE personalization_events (
    learner_id {int} NOT NULL,
    at {int} NOT NULL,
    event {text} NOT NULL,
    type {text} NOT NULL CHECK (type IN ('APPLIED', 'REMOVED', 'EFFECTIVENESS_CHANGED')),
    context {text} NOT NULL,
    variant {text} NOT NULL,
    old_value {text},                -- JSON
    new_value {text},                -- JSON
    reason {text} NOT NULL,
    score {real} CHECK (score BETWEEN 0 AND 100),
    PRIMARY KEY (learner_id, at, event)
) {clustered};

-- The learner's success and study before personalisation began and in the eight weeks since, for
-- comparing those who are held out with the others.
CREATE TABLE personalization_trials (
    learner_id {int} NOT NULL PRIMARY KEY,
    began_day {int} NOT NULL,
    held_out {int} NOT NULL CHECK (held_out IN (0, 1)),
    before_graded {int} NOT NULL,    -- in the four weeks before
    before_right {int} NOT NULL,
    before_ms {int} NOT NULL,
    after_graded {int} NOT NULL,
    after_right {int} NOT NULL,
    after_ms {int} NOT NULL
) {clustered};
CREATE INDEX personalization_trials_by_day ON personalization_trials (began_day);
