-- Set work of courses that lie in other systems, as it was told (src/api/cohort.c). Under the task ''
-- stands that the learner takes the course. Days are those of the course.
CREATE TABLE warning_work (
    learner_id {int} NOT NULL,
    course {text} NOT NULL CHECK (length(course) BETWEEN 1 AND 128),
    task {text} NOT NULL CHECK (length(task) <= 128),
    handed_day {int} NOT NULL,
    score_centi {int} CHECK (score_centi BETWEEN 0 AND 10000), -- NULL: none (yet)
    told_at {int} NOT NULL,
    PRIMARY KEY (learner_id, course, task)
) {clustered};

-- The same over all learners who count in sums over many, as of each one's last night: how many
-- handed a piece in on a day with a score in a twentieth (bin -1: none); and what of it is whose.
CREATE TABLE cohort_work (
    course {text} NOT NULL,
    task {text} NOT NULL,
    day {int} NOT NULL,
    bin {int} NOT NULL,
    n {int} NOT NULL,
    score_sum {int} NOT NULL,        -- hundredths of a percent
    square_sum {int} NOT NULL,
    PRIMARY KEY (course, task, day, bin)
) {clustered};

CREATE TABLE cohort_counted (
    learner_id {int} NOT NULL,
    course {text} NOT NULL,
    task {text} NOT NULL,
    day {int} NOT NULL,
    bin {int} NOT NULL,
    score_centi {int} NOT NULL,      -- 0 where there is none
    PRIMARY KEY (learner_id, course, task)
) {clustered};
