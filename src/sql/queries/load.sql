-- Cognitive load and burnout.

-- The newest samples, and whether their session is still open ($3: it was active since).
-- name: load_latest
-- args: text, int, int
SELECT n.at, n.id, n.session, n.score, n.confidence, n.indicators,
       CASE WHEN s.session IS NOT NULL AND s.completed_at IS NULL AND s.last_at >= $3 THEN 1 ELSE 0 END
  FROM (SELECT learner_id, at, id, session, score, confidence, indicators FROM loads
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
         ORDER BY at DESC, id DESC LIMIT $2) AS n
  LEFT JOIN sessions s
    ON s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND s.session = n.session
 ORDER BY n.at DESC, n.id DESC;

-- name: load_between
-- args: text, int, int, int
SELECT at, session, score, confidence, indicators FROM loads
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND at BETWEEN $2 AND $3
 ORDER BY at DESC, id DESC LIMIT $4;

-- Response times by local day, the newest first.
-- name: load_days
-- args: text, int, int, int
SELECT day, answers, reviews, latency_n, latency_log_micro FROM days
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND day BETWEEN $2 AND $3
 ORDER BY day DESC LIMIT $4;

-- name: mission_days
-- args: text, int, int
SELECT day, status, difficulty_rating FROM missions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND day >= $2
 ORDER BY day LIMIT $3;
