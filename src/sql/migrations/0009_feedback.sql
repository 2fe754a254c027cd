-- What a learner thinks of missions.

CREATE TABLE mission_feedback (
    learner_id {int} NOT NULL,
    mission {text} NOT NULL,
    feedback {text} NOT NULL CHECK (length(feedback) BETWEEN 1 AND 64),
    given_at {int} NOT NULL,
    helpfulness {int} NOT NULL CHECK (helpfulness BETWEEN 1 AND 5),
    relevance {int} NOT NULL CHECK (relevance BETWEEN 1 AND 5),
    pace {text} NOT NULL CHECK (pace IN ('TOO_SLOW', 'JUST_RIGHT', 'TOO_FAST')),
    suggestions {text} CHECK (length(suggestions) <= 2000),
    PRIMARY KEY (learner_id, mission, feedback)
) {clustered};

-- Looking back after each ten completed missions; the last word on each counts.
CREATE TABLE mission_reflections (
    learner_id {int} NOT NULL,
    milestone {int} NOT NULL CHECK (milestone > 0), -- completed missions
    written_at {int} NOT NULL,
    version {int} NOT NULL,          -- raised by each change
    text {text} NOT NULL CHECK (length(text) <= 4000),
    satisfaction {int} CHECK (satisfaction BETWEEN 1 AND 5),
    intention {text} CHECK (length(intention) <= 2000),
    PRIMARY KEY (learner_id, milestone)
) {clustered};
