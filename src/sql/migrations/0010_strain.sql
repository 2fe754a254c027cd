-- How hard the work was, sitting by sitting, and what it goes with.

-- A learner's strain (src/twin/sitting.h), as of the answer at (at, id) in the log.
CREATE TABLE strains (
    learner_id {int} NOT NULL PRIMARY KEY,
    at {int} NOT NULL,
    id {text} NOT NULL,
    answers {int} NOT NULL,
    updated_at {int} NOT NULL,
    state {blob} NOT NULL CHECK (length(state) <= 8192)
) {by_learner};

CREATE TABLE sittings (
    learner_id {int} NOT NULL,
    start_at {int} NOT NULL,
    end_at {int} NOT NULL,
    minutes {real} NOT NULL,         -- without breaks
    answers {int} NOT NULL,
    graded {int} NOT NULL,
    correct {int} NOT NULL,
    expected {real} NOT NULL,        -- sum of what was forecast for the graded
    load_mean {real} NOT NULL CHECK (load_mean BETWEEN 0 AND 100),
    load_max {real} NOT NULL CHECK (load_max BETWEEN 0 AND 100),
    before_load {real},              -- before outcomes that it does not know, and these outcomes'
    after_excess {real},             -- share right less the share forecast; NULL: too short
    after_n {int} NOT NULL,
    hour {int} NOT NULL CHECK (hour BETWEEN 0 AND 23), -- local, of the start; so is the day
    day {int} NOT NULL,
    topic {text},                    -- objective of most of it
    PRIMARY KEY (learner_id, start_at)
) {by_learner};

CREATE TABLE strain_episodes (
    learner_id {int} NOT NULL,
    start_at {int} NOT NULL,
    end_at {int} NOT NULL,
    peak {real} NOT NULL CHECK (peak BETWEEN 0 AND 100),
    recovered {int} NOT NULL CHECK (recovered IN (0, 1)), -- 0: broken off by a pause
    PRIMARY KEY (learner_id, start_at)
) {by_learner};

-- What the sittings say together; NULL where they say nothing.
CREATE TABLE stress_profiles (
    learner_id {int} NOT NULL PRIMARY KEY,
    analyzed_at {int} NOT NULL,
    sittings {int} NOT NULL,
    answers {int} NOT NULL,
    load_mean {real},
    tolerance {real},                -- load from which success falls
    tolerance_slope {real},
    tolerance_p {real},
    tolerance_n {int} NOT NULL,
    recovery {real},                 -- minutes, median
    recovery_low {real},
    recovery_high {real},            -- NULL: not reached
    episodes {int} NOT NULL,
    recovered {int} NOT NULL,
    onset {real},                    -- minutes of a sitting until results fall
    onset_low {real},
    onset_high {real},
    fatigue_p {real},
    fatigue_n {int} NOT NULL
) {by_learner};

-- Circumstances that go with a higher load, and measures that go with a lower one.
CREATE TABLE stress_patterns (
    learner_id {int} NOT NULL,
    pattern {text} NOT NULL CHECK (length(pattern) BETWEEN 1 AND 64),
    type {text} NOT NULL CHECK (type IN ('DIFFICULTY_INDUCED', 'TIME_PRESSURE', 'FATIGUE_BASED',
        'EXAM_PROXIMITY', 'TOPIC_SPECIFIC', 'COPING')),
    condition {text} NOT NULL,
    topic {text},
    with_n {int} NOT NULL,           -- sittings
    without_n {int} NOT NULL,
    with_load {real},
    without_load {real},
    effect {real},                   -- difference of the two, and its 95 % interval
    low {real},
    high {real},
    p {real},                        -- one-sided
    p_adjusted {real},               -- Benjamini-Hochberg over all that were looked at
    present {int} NOT NULL CHECK (present IN (0, 1)),
    first_at {int} NOT NULL,
    seen_at {int} NOT NULL,          -- the last sitting with the circumstance
    PRIMARY KEY (learner_id, pattern)
) {by_learner};
