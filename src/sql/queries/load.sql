-- Cognitive load and burnout.

-- The newest samples, and whether the session of the newest is still open ($3: it was active since). It is
-- looked for only where the learner did anything since; the totals do not know the times of what came
-- without any.
-- name: load_latest
-- args: text, int, int
SELECT at, id, session, score, confidence, indicators,
       coalesce((SELECT CASE WHEN s.completed_at IS NULL AND s.last_at >= $3 THEN 1 ELSE 0 END
          FROM sessions s
         WHERE s.learner_id = (SELECT t.learner_id FROM totals t
                 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                   AND (t.last_at >= $3 OR t.untimed > 0))
           AND s.session = (SELECT n.session FROM loads n
                 WHERE n.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                 ORDER BY n.at DESC, n.id DESC LIMIT 1)), 0)
  FROM loads
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY at DESC, id DESC LIMIT $2;

-- The latest sessions, from whose sums a load is estimated where none was measured in that time.
-- name: load_sessions
-- args: text, int, int, int
SELECT s.session, s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms,
       s.declared_pause_ms, s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms,
       s.untimed, s.mission, s.events, s.answers, s.correct, s.reviews, s.recalled, s.rating_sum,
       s.new_cards, s.latency_n, s.latency_ms_sum, s.latency_log_micro, s.objectives_total,
       s.objectives_done, s.assessment_n, s.assessment_sum, s.notes, m.day, m.status, m.estimated_minutes,
       m.actual_minutes, m.completed_at
  FROM sessions s
  LEFT JOIN missions m ON m.learner_id = s.learner_id AND m.mission = s.mission
 WHERE s.learner_id = (SELECT l.learner_id FROM learners l
         WHERE l.external_id = $1
           AND NOT EXISTS (SELECT 1 FROM loads n
                 WHERE n.learner_id = l.learner_id AND n.at BETWEEN $2 AND $3))
   AND s.first_at BETWEEN $2 AND $3
 ORDER BY s.first_at DESC, s.session DESC LIMIT $4;

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
