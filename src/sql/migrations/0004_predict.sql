-- What is known of each learner for telling the next answers, forecasts of struggle, and what was
-- done about them.

-- A learner's struggle state (src/twin/mind.h), as of the answer at (at, id) in the log.
CREATE TABLE minds (
    learner_id {int} NOT NULL PRIMARY KEY,
    version {int} NOT NULL,          -- runs so far; who read another one writes nothing
    at {int} NOT NULL,
    id {text} NOT NULL,
    taken {int} NOT NULL,            -- answers and reviews up to there, of those in totals
    known_at {int} NOT NULL,         -- up to here outcomes were learnt from before: a replay does
    known_id {text} NOT NULL,        -- not learn from them again
    updated_at {int} NOT NULL,
    skills {blob} NOT NULL CHECK (length(skills) <= 32768), -- of the state, all that most reads want
    state {blob} NOT NULL CHECK (length(state) <= 81920)
) {by_learner};

-- Weights of the struggle model, which all learners share: those that were ever moved.
CREATE TABLE struggle_weights (
    slot {int} PRIMARY KEY,
    state {blob} NOT NULL CHECK (length(state) <= 64)
) {strict};

-- What else the models share, by name: 'stack' and 'outlook', with how many outcomes they know.
CREATE TABLE struggle_shared (
    name {text} NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 32),
    outcomes {int} NOT NULL,
    state {blob} NOT NULL CHECK (length(state) <= 1024)
) {clustered};

-- Will the learner struggle with the objective until until_at? One forecast a day and objective.
CREATE TABLE struggle_predictions (
    learner_id {int} NOT NULL,
    prediction {text} NOT NULL CHECK (length(prediction) BETWEEN 1 AND 64),
    objective {text} NOT NULL,
    day {int} NOT NULL,              -- local day it was made on
    made_at {int} NOT NULL,
    until_at {int} NOT NULL,
    probability {real} NOT NULL CHECK (probability BETWEEN 0 AND 1),
    low {real} NOT NULL CHECK (low BETWEEN 0 AND 1),
    high {real} NOT NULL CHECK (high BETWEEN 0 AND 1),
    right_chance {real} NOT NULL CHECK (right_chance BETWEEN 0 AND 1), -- of the next new question
    evidence {int} NOT NULL,         -- the learner's answers on it that stood behind the forecast
    recall {real},                   -- mean of its cards then; NULL: none
    due {real},                      -- share of them that was due
    load {real},
    gap {real},                      -- 1 - the weakest prerequisite's mastery; NULL: none
    inputs {text} NOT NULL,          -- JSON arrays of the forecast's inputs and parts
    parts {text} NOT NULL,           -- (src/twin/outlook.h)
    status {text} NOT NULL DEFAULT 'PENDING' CHECK (status IN
        ('PENDING', 'CONFIRMED', 'FALSE_POSITIVE', 'MISSED', 'DISMISSED', 'RESOLVED')),
    superseded {int} NOT NULL DEFAULT 0 CHECK (superseded IN (0, 1)), -- there is a later one
    treated {int} NOT NULL DEFAULT 0 CHECK (treated IN (0, 1)), -- an intervention was applied
    graded {int} NOT NULL DEFAULT 0, -- what happened in its time: answers and reviews
    wrong {int} NOT NULL DEFAULT 0,
    struggled {int} CHECK (struggled IN (0, 1)), -- NULL: not told, or not enough was asked
    resolved_at {int},
    PRIMARY KEY (learner_id, prediction)
) {by_learner};
CREATE INDEX struggle_predictions_by_day ON struggle_predictions (learner_id, day);
CREATE INDEX struggle_predictions_present ON struggle_predictions (learner_id, day)
    WHERE superseded = 0;
CREATE INDEX struggle_predictions_open ON struggle_predictions (learner_id, until_at)
    WHERE resolved_at IS NULL;

-- The learner's own opinion on a forecast: the last one counts. Never taken for an outcome.
CREATE TABLE prediction_feedback (
    learner_id {int} NOT NULL,
    prediction {text} NOT NULL,
    given_at {int} NOT NULL,
    actual_struggle {int} NOT NULL CHECK (actual_struggle IN (0, 1)),
    kind {text} NOT NULL,
    helpfulness {int} CHECK (helpfulness BETWEEN 1 AND 5),
    comments {text} CHECK (length(comments) <= 1000),
    PRIMARY KEY (learner_id, prediction)
) {by_learner};

-- What is proposed to a learner, and what became of it.
CREATE TABLE interventions (
    learner_id {int} NOT NULL,
    intervention {text} NOT NULL CHECK (length(intervention) BETWEEN 1 AND 80),
    prediction {text},               -- NULL: not made for a forecast
    objective {text},
    type {text} NOT NULL,
    priority {int} NOT NULL CHECK (priority BETWEEN 1 AND 10),
    measure {real},                  -- what made it fit: of the forecast's inputs
    status {text} NOT NULL DEFAULT 'PENDING' CHECK (status IN
        ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'SKIPPED', 'FAILED')),
    created_at {int} NOT NULL,
    applied_at {int},
    mission {text},                  -- that it was applied to
    actions {text},                  -- a JSON array of what was done
    until_at {int},                  -- rest, breaks, lighter work: until then; NULL: no end
    PRIMARY KEY (learner_id, intervention)
) {by_learner};
CREATE INDEX interventions_by_prediction ON interventions (learner_id, prediction);
