-- States of some kilobytes. In a table that is clustered by its key SQLite compares whole rows: to find
-- one learner's state it read ten others', from pages all over the file. By row number it reads the
-- one, and of that what is asked for.

ALTER TABLE minds RENAME TO minds_before;
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
) {strict};
INSERT INTO minds (learner_id, version, at, id, taken, known_at, known_id, updated_at, skills,
        state)
    SELECT learner_id, version, at, id, taken, known_at, known_id, updated_at, skills,
           state
      FROM minds_before ORDER BY learner_id;
DROP TABLE minds_before;

ALTER TABLE strains RENAME TO strains_before;
CREATE TABLE strains (
    learner_id {int} NOT NULL PRIMARY KEY,
    at {int} NOT NULL,
    id {text} NOT NULL,
    answers {int} NOT NULL,
    updated_at {int} NOT NULL,
    state {blob} NOT NULL CHECK (length(state) <= 8192)
) {strict};
INSERT INTO strains (learner_id, at, id, answers, updated_at, state)
    SELECT learner_id, at, id, answers, updated_at, state
      FROM strains_before ORDER BY learner_id;
DROP TABLE strains_before;
