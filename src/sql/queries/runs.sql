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

-- ---- the night ----

-- name: run_due
-- args: int
SELECT run, course, begins, ends, next_at, stage, evidence, day FROM course_runs
 WHERE stage IN (0, 1) AND next_at <= $1 ORDER BY stage, begins, run LIMIT 1;

-- name: run_members
-- args: text
SELECT w.learner_id, l.include_in_analytics, w.events, w.first_day, w.attempts, w.credits_milli,
       w.education, w.left_day, w.joined_day, w.passed
  FROM run_work w JOIN learners l ON l.learner_id = w.learner_id
 WHERE w.run = $1 AND w.piece = '' AND l.behavioral_analysis_enabled = 1 ORDER BY w.learner_id;

-- name: run_pieces_of
-- args: text
SELECT piece, due_day, weight, quiz FROM run_pieces WHERE run = $1 ORDER BY piece;

-- name: run_handed
-- args: text
SELECT p.learner_id, p.piece, p.first_day, p.score_micro, p.carried
  FROM run_work w JOIN run_work p ON p.learner_id = w.learner_id AND p.run = w.run AND p.piece > ''
 WHERE w.run = $1 AND w.piece = '' ORDER BY p.learner_id, p.piece;

-- The other runs of those who take this one, as far as there are forecasts.
-- name: run_others
-- args: text
SELECT o.learner_id, r.begins, r.ends, o.left_day, o.joined_day, o.passed, k.marks
  FROM run_work w JOIN run_work o ON o.learner_id = w.learner_id AND o.piece = '' AND o.run <> w.run
  JOIN course_runs r ON r.run = o.run
  JOIN run_risks k ON k.learner_id = o.learner_id AND k.run = o.run
 WHERE w.run = $1 AND w.piece = '' ORDER BY o.learner_id, o.run;

-- name: course_pasts_of
-- args: text
SELECT ends, evidence, runs, learners, state FROM course_pasts WHERE course = $1
 ORDER BY ends DESC LIMIT 64;

-- The runs of a course that have ended by a day, the latest ones.
-- name: course_ended
-- args: text, int, int
SELECT run, begins, ends, evidence FROM course_runs WHERE course = $1 AND ends <= $2
 ORDER BY ends DESC, run LIMIT $3;

-- NULL: a look that failed; what the last one found stays.
-- name: run_claim
-- args: text, int, int, int, int, int, int, int, int, int
-- bulk
WITH k (run, due_at, due_stage, next_at, stage, evidence, day, members, began, gone) AS
    (VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10))
UPDATE course_runs SET next_at = k.next_at, stage = k.stage,
       evidence = coalesce(k.evidence, course_runs.evidence), day = coalesce(k.day, course_runs.day),
       members = coalesce(k.members, course_runs.members),
       began = coalesce(k.began, course_runs.began), gone = coalesce(k.gone, course_runs.gone)
  FROM k
 WHERE course_runs.run = k.run AND course_runs.next_at = k.due_at
   AND course_runs.stage = k.due_stage;

-- name: run_risks_put
-- args: int, text, int, int, real, real, real, real, real, real, int, int, int, int, text, int
-- bulk
INSERT INTO run_risks (learner_id, run, day, risk_micro, part_base, part_missed, part_late,
        part_scores, part_start, part_course, pieces, fitted_on, past_learners, others, marks,
        made_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT (learner_id, run) DO UPDATE SET day = excluded.day,
        risk_micro = excluded.risk_micro, part_base = excluded.part_base,
        part_missed = excluded.part_missed, part_late = excluded.part_late,
        part_scores = excluded.part_scores, part_start = excluded.part_start,
        part_course = excluded.part_course, pieces = excluded.pieces,
        fitted_on = excluded.fitted_on, past_learners = excluded.past_learners,
        others = excluded.others, marks = excluded.marks, made_at = excluded.made_at;

-- Behind it: of those who take the run no longer, or were erased while it was computed.
-- name: run_risks_sweep
-- args: text
DELETE FROM run_risks WHERE run = $1 AND NOT EXISTS
       (SELECT 1 FROM run_work w WHERE w.learner_id = run_risks.learner_id
           AND w.run = run_risks.run AND w.piece = '');

-- name: course_past_put
-- args: text, int, int, int, int, blob
-- bulk
INSERT INTO course_pasts (course, ends, evidence, runs, learners, state)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (course, ends) DO UPDATE SET evidence = excluded.evidence, runs = excluded.runs,
        learners = excluded.learners, state = excluded.state;

-- name: course_past_drop
-- args: text, int
DELETE FROM course_pasts WHERE course = $1 AND ends = $2;

-- ---- answers ----

-- What the last look said of a learner: of one run, or of the one that began last.
-- name: run_risk
-- args: text, text, int
SELECT r.run, r.course, r.begins, r.ends, r.next_at, r.day, r.members, w.left_day, w.joined_day,
       w.passed, k.risk_micro, k.part_base, k.part_missed, k.part_late, k.part_scores,
       k.part_start, k.part_course, k.pieces, k.fitted_on, k.past_learners, k.others, k.marks
  FROM run_work w JOIN course_runs r ON r.run = w.run
  LEFT JOIN run_risks k ON k.learner_id = w.learner_id AND k.run = w.run
 WHERE w.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND w.piece = ''
   AND (w.run = $2 OR (CAST($2 AS TEXT) IS NULL AND r.begins <= $3))
 ORDER BY r.begins DESC, r.run LIMIT 1;

-- name: run_head
-- args: text
SELECT run, course, begins, ends, day, members FROM course_runs WHERE run = $1;

-- Behind a place: a risk, and a learner of that risk.
-- name: run_risks_page
-- args: text, int, text, int
SELECT l.external_id, k.risk_micro, k.part_missed, k.part_late, k.part_scores, k.part_start,
       k.part_course, k.past_learners
  FROM run_risks k JOIN learners l ON l.learner_id = k.learner_id
 WHERE k.run = $1 AND k.risk_micro IS NOT NULL AND k.risk_micro <= $2
   AND (k.risk_micro < $2
        OR k.learner_id < coalesce((SELECT learner_id FROM learners WHERE external_id = $3), -1))
 ORDER BY k.risk_micro DESC, k.learner_id DESC LIMIT $4;

-- name: run_look_now
-- args: text
UPDATE course_runs SET next_at = 0 WHERE run = $1;

-- For a forecast of a day that is told along.
-- name: run_past
-- args: text, int
SELECT r.course, r.day, r.began, r.gone, p.state FROM course_runs r
  LEFT JOIN course_pasts p ON p.course = r.course AND p.ends = (SELECT max(q.ends)
            FROM course_pasts q WHERE q.course = r.course AND q.ends < r.begins + $2)
 WHERE r.run = $1;
