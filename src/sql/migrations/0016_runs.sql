-- Runs of courses: what is told of them beforehand, what learners did in them, and what ended ones
-- have taught (src/night/runs.h).

-- Told by the catalogue. What stands behind next_at is the night's.
CREATE TABLE course_runs (
    run {text} PRIMARY KEY CHECK (length(run) BETWEEN 1 AND 128),
    course {text} NOT NULL CHECK (length(course) BETWEEN 1 AND 128),
    begins {int} NOT NULL,           -- day since 1970, its day 0
    ends {int} NOT NULL CHECK (ends >= begins AND ends - begins <= 3650),
    next_at {int} NOT NULL DEFAULT 0, -- UTC; when the night looks at it again
    stage {int} NOT NULL DEFAULT 0,  -- of that look: 0 by work alone, 1 by all that is known
    evidence {int},                  -- what it looked at, as one number; NULL: nothing yet
    day {int},                       -- of the run, by whose end the risks hold
    members {int},                   -- who count, and are there
    began {int},                     -- who were there on the first landmark's day,
    gone {int}                       -- and of these who have left
) {clustered};
CREATE INDEX course_runs_due ON course_runs (stage, next_at);
CREATE INDEX course_runs_course ON course_runs (course, ends);

CREATE TABLE run_pieces (
    run {text} NOT NULL,
    piece {text} NOT NULL CHECK (length(piece) BETWEEN 1 AND 128),
    due_day {int} NOT NULL CHECK (due_day BETWEEN -3650 AND 3650), -- of the run
    weight {real} NOT NULL CHECK (weight BETWEEN 0 AND 100),       -- of the final mark, percent
    quiz {int} NOT NULL DEFAULT 0,   -- 1: marked by a machine
    PRIMARY KEY (run, piece)
) {clustered};

-- From the log: under the piece '' the learner's taking the run, else a piece of set work. Days are
-- local ones since 1970.
CREATE TABLE run_work (
    learner_id {int} NOT NULL,
    run {text} NOT NULL,
    piece {text} NOT NULL,
    events {int} NOT NULL,
    first_day {int},                 -- enrolled; handed in
    told_at {int},                   -- of the enrolment, or the score, that the next five are from
    score_micro {int},
    carried {int} NOT NULL DEFAULT 0,
    attempts {int},
    credits_milli {int},             -- of half a full-time year
    education {int},
    left_day {int},                  -- the latest
    joined_day {int},                -- the latest enrolment
    ended_day {int},                 -- the latest final grade
    passed {int},                    -- by that
    PRIMARY KEY (learner_id, run, piece)
) {clustered};
CREATE INDEX run_work_members ON run_work (run, learner_id) WHERE piece = '';

-- Kept by the night: a learner's risk as of the run's day; NULL where there is none.
CREATE TABLE run_risks (
    learner_id {int} NOT NULL,
    run {text} NOT NULL,
    day {int} NOT NULL,
    risk_micro {int},
    part_base {real}, part_missed {real}, part_late {real}, part_scores {real}, part_start {real},
    part_course {real},              -- log odds; their sum is the risk's
    pieces {int} NOT NULL,
    fitted_on {int} NOT NULL,        -- learners behind the nearest weights
    past_learners {int} NOT NULL,    -- of ended runs of the course, on the nearest landmark
    others {int} NOT NULL,           -- of the learner's other runs
    marks {text} NOT NULL,           -- [[landmark, risk, risk by work alone], ...]
    made_at {int} NOT NULL,
    PRIMARY KEY (learner_id, run)
) {clustered};
CREATE INDEX run_risks_by_risk ON run_risks (run, risk_micro, learner_id) WHERE risk_micro IS NOT NULL;

-- What a course's runs have taught that ended by a day (twin/warning_run.h).
CREATE TABLE course_pasts (
    course {text} NOT NULL,
    ends {int} NOT NULL,
    evidence {int} NOT NULL,
    runs {int} NOT NULL,
    learners {int} NOT NULL,         -- on the first landmark
    state {blob} NOT NULL,
    PRIMARY KEY (course, ends)
) {clustered};
