-- What was planned for a learner, and what the plans have to heed.

-- A plan in full. Its state and place in calendars are those of its row in planned_sessions.
CREATE TABLE session_plans (
    learner_id {int} NOT NULL,
    plan {text} NOT NULL CHECK (length(plan) BETWEEN 1 AND 64),
    mission {text},
    starts_at {int} NOT NULL,
    ends_at {int} NOT NULL,
    asked_minutes {int} NOT NULL,
    intensity {text} NOT NULL CHECK (intensity IN ('LOW', 'MEDIUM', 'HIGH')),
    confidence {real} CHECK (confidence BETWEEN 0 AND 1),
    created_at {int} NOT NULL,
    content {text} NOT NULL,         -- a JSON object, as it was answered
    CHECK (ends_at > starts_at),
    PRIMARY KEY (learner_id, plan)
) {clustered};
CREATE INDEX session_plans_by_time ON session_plans (learner_id, starts_at);

-- Times that were recommended; applied_at: when a plan was made for one.
CREATE TABLE schedule_slots (
    learner_id {int} NOT NULL,
    slot {text} NOT NULL CHECK (length(slot) BETWEEN 1 AND 64),
    starts_at {int} NOT NULL,
    ends_at {int} NOT NULL,
    score {real} NOT NULL,
    confidence {real} NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    usual {int} NOT NULL CHECK (usual IN (0, 1)), -- no history behind it
    made_at {int} NOT NULL,
    applied_at {int},
    CHECK (ends_at > starts_at),
    PRIMARY KEY (learner_id, slot)
) {clustered};

-- What the learner asked to be changed; the latest of each type counts.
CREATE TABLE schedule_adaptations (
    learner_id {int} NOT NULL,
    adaptation {text} NOT NULL CHECK (length(adaptation) BETWEEN 1 AND 64),
    type {text} NOT NULL CHECK (type IN
        ('TIME_SHIFT', 'DURATION_CHANGE', 'INTENSITY_ADJUSTMENT', 'FREQUENCY_CHANGE')),
    reason {text} NOT NULL,
    old_value {text},                -- JSON
    new_value {text},                -- JSON
    measure {int},                   -- what it was understood to be: hour, minutes, 0..2, a week
    made_at {int} NOT NULL,
    PRIMARY KEY (learner_id, adaptation)
) {clustered};

CREATE TABLE exams (
    learner_id {int} NOT NULL,
    exam {text} NOT NULL CHECK (length(exam) BETWEEN 1 AND 64),
    course {text},                   -- NULL: on everything
    name {text} NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    day {int} NOT NULL,              -- local days since 1970-01-01
    created_at {int} NOT NULL,
    PRIMARY KEY (learner_id, exam)
) {clustered};
