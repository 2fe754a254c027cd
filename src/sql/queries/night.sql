-- The nights: whose has come, and what is known of each before the first step.

-- name: night_due
-- args: int, int
SELECT external_id, night_at FROM learners WHERE night_at <= $1 ORDER BY night_at LIMIT $2;

-- name: night_learner
-- args: text
SELECT learner_id, zone, behavioral_analysis_enabled FROM learners WHERE external_id = $1;

-- Results ($4 = 1) are for those only who still allow them.
-- name: night_claim
-- args: int, int, int, int, int
-- bulk
WITH k (learner_id, due_at, next_at, results, usual_at) AS (VALUES ($1, $2, $3, $4, $5))
UPDATE learners SET night_at = k.next_at, usual_at = k.usual_at FROM k
 WHERE learners.learner_id = k.learner_id AND learners.night_at = k.due_at
   AND (k.results = 0 OR learners.behavioral_analysis_enabled = 1);

-- name: night_hours
-- args: int
SELECT slot, study_ms, answers + reviews FROM hours WHERE learner_id = $1;
