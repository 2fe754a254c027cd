-- What is known of each learner for telling whether a card is remembered (src/twin/retention.h), as of
-- the review at (at, id) in the log. Learnt at night (src/night/retention.c). By row number, as in 0018.
CREATE TABLE retentions (
    learner_id {int} NOT NULL PRIMARY KEY,
    version {int} NOT NULL,          -- runs so far; who read another one writes nothing
    at {int} NOT NULL,
    id {text} NOT NULL,
    taken {int} NOT NULL,            -- reviews up to there, of those in totals; -1: the cards were
                                     -- made anew since, and all is to be learnt anew
    known_at {int} NOT NULL,         -- up to here outcomes were judged before: a replay does not
    known_id {text} NOT NULL,        -- judge them again
    judged {int} NOT NULL,           -- reviews a day or more after the card's last one
    updated_at {int} NOT NULL,
    state {blob} NOT NULL CHECK (length(state) <= 4096)
) {strict};
-- Of whom others can learn.
CREATE INDEX retentions_learnt ON retentions (learner_id) WHERE judged >= 100;

-- A card's state then, the reviews behind it, and the day on which it is due by it. Of use only as
-- long as retained_reviews = memory_reviews: a review that came later has moved the card on. (No
-- CHECKs: they would be looked after in every row that there is.)
ALTER TABLE cards ADD COLUMN retained {blob};
ALTER TABLE cards ADD COLUMN retained_reviews {int};
ALTER TABLE cards ADD COLUMN due_day {int};

-- What learners who count in sums over many came to: the prior of a new one. One row, 'all'.
CREATE TABLE retention_population (
    name {text} NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 32),
    made_at {int} NOT NULL,
    learners {int} NOT NULL,         -- that it is of; fewer than RETENTION_PEOPLE_MIN: no state
    state {blob} CHECK (length(state) <= 1024)
) {clustered};
