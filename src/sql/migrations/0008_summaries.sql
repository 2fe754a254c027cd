-- What the learner's objectives come to, and what was picked of them for a day and a week.

-- Sums of the answers to each objective, whole numbers: for a straight line through time, and for
-- what the learner believed beforehand against what came out.
CREATE TABLE objective_sums (
    learner_id {int} NOT NULL,
    objective {text} NOT NULL,
    timed {int} NOT NULL DEFAULT 0,          -- answers and reviews with a clock
    succeeded {int} NOT NULL DEFAULT 0,      -- of these
    day_sum {int} NOT NULL DEFAULT 0,        -- of their local days, counted from 2000-01-01
    day_square_sum {int} NOT NULL DEFAULT 0,
    day_succeeded_sum {int} NOT NULL DEFAULT 0, -- of the days of those that succeeded
    told {int} NOT NULL DEFAULT 0,           -- outcomes that the learner had told a confidence of
    told_micro {int} NOT NULL DEFAULT 0,     -- sum of these confidences
    told_score_micro {int} NOT NULL DEFAULT 0,
    told_gap_square_micro {int} NOT NULL DEFAULT 0, -- of (confidence - score)^2
    PRIMARY KEY (learner_id, objective)
) {clustered};

-- The objective that mattered most on a day (kind 0, day), or the three of a week (kind 1, its
-- Monday), with the numbers as they were then.
CREATE TABLE summaries (
    learner_id {int} NOT NULL,
    kind {int} NOT NULL CHECK (kind IN (0, 1)),
    day {int} NOT NULL,
    place {int} NOT NULL CHECK (place BETWEEN 1 AND 3),
    made_at {int} NOT NULL,
    version {int} NOT NULL,          -- of totals
    objective {text} NOT NULL,
    category {int} NOT NULL CHECK (category BETWEEN 0 AND 3),
    score {real} NOT NULL,           -- 0..100
    score_low {real} NOT NULL,
    score_high {real} NOT NULL,
    graded {int} NOT NULL,
    gap {real},                      -- confidence - score, points
    gap_low {real},
    gap_high {real},
    told {int} NOT NULL,
    last_at {int} NOT NULL,
    minutes {real},                  -- of work that is asked for
    hours {real},                    -- to mastery; NULL: cannot be said
    hours_low {real},
    hours_high {real},
    PRIMARY KEY (learner_id, kind, day, place)
) {clustered};

-- Which articles the learner says to have read (src/api/learning_science.c).
CREATE TABLE article_reads (
    learner_id {int} NOT NULL,
    article {text} NOT NULL CHECK (length(article) BETWEEN 1 AND 64),
    first_at {int} NOT NULL,
    last_at {int} NOT NULL,
    completed {int} NOT NULL CHECK (completed IN (0, 1)),
    helpful {int} CHECK (helpful IN (0, 1)),
    rating {int} CHECK (rating BETWEEN 1 AND 5),
    PRIMARY KEY (learner_id, article)
) {clustered};
