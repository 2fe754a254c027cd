-- What is lasting in how a learner studies, what was made of it, and the learner's own goals.

-- What the last analysis had seen. A night that finds the same version has nothing to do.
CREATE TABLE analyses (
    learner_id {int} NOT NULL PRIMARY KEY,
    at {int} NOT NULL,
    version {int} NOT NULL,          -- of totals
    asked_at {int},                  -- when the learner last asked for an analysis with news in it
    -- Reviews against FSRS's published curve (src/twin/rhythm.h): all up to now, and the sums over
    -- what came from one analysis to the next.
    review_n {int} NOT NULL DEFAULT 0,
    review_expected {int} NOT NULL DEFAULT 0,
    review_residual {int} NOT NULL DEFAULT 0,
    review_information {int} NOT NULL DEFAULT 0,
    review_steps {int} NOT NULL DEFAULT 0,
    review_square {int} NOT NULL DEFAULT 0,
    review_cross {int} NOT NULL DEFAULT 0,
    review_weight {int} NOT NULL DEFAULT 0
) {clustered};

-- A pattern's life (src/twin/patterns.h) and what was found of it last.
CREATE TABLE patterns (
    learner_id {int} NOT NULL,
    pattern {text} NOT NULL CHECK (length(pattern) BETWEEN 1 AND 64),
    kind {int} NOT NULL CHECK (kind BETWEEN 0 AND 5),
    slot {int} NOT NULL,
    slot_last {int} NOT NULL,        -- of a window of hours; otherwise the slot
    label {text},                    -- the modality
    present {int} NOT NULL CHECK (present IN (0, 1)),
    vanished_before {int} NOT NULL CHECK (vanished_before IN (0, 1)),
    in_n {int} NOT NULL,
    in_expected {int} NOT NULL,
    in_residual {int} NOT NULL,
    in_information {int} NOT NULL,
    out_n {int} NOT NULL,
    out_expected {int} NOT NULL,
    out_residual {int} NOT NULL,
    out_information {int} NOT NULL,
    claim {real} NOT NULL,
    sign {real} NOT NULL,
    log_exists {real} NOT NULL,
    log_change {real} NOT NULL,
    appeared_at {int} NOT NULL,
    seen_at {int} NOT NULL,
    vanished_at {int} NOT NULL,      -- 0: never
    occurrences {int} NOT NULL,
    value {real},
    low {real},
    high {real},
    effect {real},
    effect_low {real},
    effect_high {real},
    p {real},
    bayes_factor {real},
    n {int} NOT NULL,                -- answers and reviews behind the finding
    confidence {real} CHECK (confidence BETWEEN 0 AND 1),
    first_at {int} NOT NULL,
    PRIMARY KEY (learner_id, pattern)
) {clustered};

-- A row for each week in which a pattern was looked at.
CREATE TABLE pattern_history (
    learner_id {int} NOT NULL,
    week {int} NOT NULL,             -- its Monday, local days since 1970-01-01
    pattern {text} NOT NULL,
    present {int} NOT NULL CHECK (present IN (0, 1)),
    confidence {real} CHECK (confidence BETWEEN 0 AND 1),
    PRIMARY KEY (learner_id, week, pattern)
) {clustered};

-- An insight is a pattern that appeared; its words are made of the pattern's row.
CREATE TABLE insights (
    learner_id {int} NOT NULL,
    insight {text} NOT NULL CHECK (length(insight) BETWEEN 1 AND 128),
    pattern {text} NOT NULL,
    created_at {int} NOT NULL,
    acknowledged_at {int},
    applied {int} NOT NULL DEFAULT 0 CHECK (applied IN (0, 1)),
    PRIMARY KEY (learner_id, insight)
) {clustered};

CREATE TABLE recommendations (
    learner_id {int} NOT NULL,
    recommendation {text} NOT NULL CHECK (length(recommendation) BETWEEN 1 AND 128),
    pattern {text} NOT NULL,
    created_at {int} NOT NULL,
    applied_at {int},
    application {text} CHECK (application IN ('AUTO', 'MANUAL', 'REMINDER', 'GOAL')),
    settings {text},                 -- a JSON object
    tracking {text},
    baseline_graded {int},           -- the learner's totals when it was applied
    baseline_succeeded {int},
    PRIMARY KEY (learner_id, recommendation)
) {clustered};

CREATE TABLE goals (
    learner_id {int} NOT NULL,
    goal {text} NOT NULL CHECK (length(goal) BETWEEN 1 AND 64),
    type {text} NOT NULL,
    metric {text} NOT NULL,
    title {text} NOT NULL,
    description {text},
    rising {int} NOT NULL CHECK (rising IN (0, 1)), -- is more better?
    start_value {real} NOT NULL,
    current_value {real} NOT NULL,
    target_value {real} NOT NULL,
    deadline {int} NOT NULL,
    status {text} NOT NULL CHECK (status IN ('ACTIVE', 'COMPLETED', 'ABANDONED', 'PAUSED')),
    version {int} NOT NULL,          -- raised by each change
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    completed_at {int},
    PRIMARY KEY (learner_id, goal)
) {clustered};

CREATE TABLE goal_progress (
    learner_id {int} NOT NULL,
    goal {text} NOT NULL,
    version {int} NOT NULL,          -- of the goal that it made
    at {int} NOT NULL,
    value {real} NOT NULL,
    note {text},
    PRIMARY KEY (learner_id, goal, version)
) {clustered};
