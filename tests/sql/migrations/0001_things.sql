-- What the tests of the store keep. All types, all kinds of table.
CREATE TABLE things (
    learner_id {int} NOT NULL,
    id {text} NOT NULL CHECK (length(id) BETWEEN 1 AND 8),
    n {int},
    x {real},
    t {text}, -- a semicolon; and {braces} in a comment are no trouble
    b {blob},
    PRIMARY KEY (learner_id, id)
) {by_learner};

CREATE TABLE counters (
    learner_id {int} NOT NULL,
    day {int} NOT NULL,
    total {int} NOT NULL CHECK (total >= 0),
    PRIMARY KEY (learner_id, day)
) {by_learner};
