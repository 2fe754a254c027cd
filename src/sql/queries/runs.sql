-- Runs of courses (src/night/runs.c); what ingest keeps of them.

-- name: ingest_run_work_read
-- args: int, text, text
-- bulk
-- engine: sqlite
WITH k (learner_id, run, piece) AS (VALUES ($1, $2, $3))
SELECT t.learner_id, t.run, t.piece, t.events, t.first_day, t.told_at, t.score_micro, t.carried,
       t.attempts, t.credits_milli, t.education, t.left_day, t.joined_day, t.ended_day, t.passed
  FROM k JOIN run_work t ON t.learner_id = k.learner_id AND t.run = k.run AND t.piece = k.piece;
-- engine: postgres
SELECT t.learner_id, t.run, t.piece, t.events, t.first_day, t.told_at, t.score_micro, t.carried,
       t.attempts, t.credits_milli, t.education, t.left_day, t.joined_day, t.ended_day, t.passed
  FROM unnest($1::bigint[], $2::text[], $3::text[]) AS k (learner_id, run, piece)
 CROSS JOIN LATERAL (SELECT * FROM run_work r WHERE r.learner_id = k.learner_id
           AND r.run = k.run AND r.piece = k.piece LIMIT 1) t;

-- name: ingest_run_work_put
-- args: int, text, text, int, int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO run_work (learner_id, run, piece, events, first_day, told_at, score_micro, carried, attempts, credits_milli,
        education, left_day, joined_day, ended_day, passed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (learner_id, run, piece) DO UPDATE SET
        events = excluded.events, first_day = excluded.first_day, told_at = excluded.told_at,
        score_micro = excluded.score_micro, carried = excluded.carried, attempts = excluded.attempts,
        credits_milli = excluded.credits_milli, education = excluded.education, left_day = excluded.left_day,
        joined_day = excluded.joined_day, ended_day = excluded.ended_day, passed = excluded.passed;

-- name: rebuild_rows_run_work
-- args: int
SELECT run, piece, events, first_day, told_at, score_micro, carried, attempts, credits_milli,
       education, left_day, joined_day, ended_day, passed
  FROM run_work WHERE learner_id = $1 ORDER BY run, piece;

-- name: learner_drop_run_work
-- args: int
DELETE FROM run_work WHERE learner_id = $1;

-- name: learner_drop_run_risks
-- args: int
DELETE FROM run_risks WHERE learner_id = $1;

-- name: export_run_work
-- args: text
SELECT run, piece, events, first_day, told_at, score_micro, carried, attempts, credits_milli,
       education, left_day, joined_day, ended_day, passed
  FROM run_work WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY run, piece;

-- name: export_run_risks
-- args: text
SELECT run, day, risk_micro, part_base, part_missed, part_late, part_scores, part_start,
       part_course, pieces, fitted_on, past_learners, others, marks, made_at
  FROM run_risks WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY run;

-- What is told of a run, or of a piece of its set work, is looked at soon.
-- name: import_run
-- args: text, text, int, int
-- bulk
INSERT INTO course_runs (run, course, begins, ends) VALUES ($1, $2, $3, $4)
    ON CONFLICT (run) DO UPDATE SET course = excluded.course, begins = excluded.begins,
        ends = excluded.ends, next_at = 0, stage = 0, evidence = NULL;

-- name: import_piece
-- args: text, text, int, real, int
-- bulk
INSERT INTO run_pieces (run, piece, due_day, weight, quiz)
    VALUES ($1, $2, $3, coalesce($4, 0), coalesce($5, 0))
    ON CONFLICT (run, piece) DO UPDATE SET due_day = excluded.due_day, weight = excluded.weight,
        quiz = excluded.quiz;
