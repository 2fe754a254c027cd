-- What the weeks, the day and the learner's objectives come to (src/api/correlation.c,
-- src/api/summaries.c, src/night/summaries.c).

-- name: habit_days
-- args: text, int, int
SELECT day, study_ms, sessions, completed, answers, correct, reviews, recalled
  FROM days
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND day BETWEEN $2 AND $3
 ORDER BY day;

-- The objectives of the days' missions, and how many of them were done. What was skipped on a day
-- that has another mission was replaced, not left undone.
-- name: habit_missions
-- args: text, int, int
SELECT m.day, count(mo.position),
       coalesce(sum(CASE WHEN mo.position IS NOT NULL AND mo.completed_at IS NOT NULL THEN 1 ELSE 0 END), 0)
  FROM missions m
  JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND m.day BETWEEN $2 AND $3
   AND (m.status <> 'SKIPPED' OR NOT EXISTS
        (SELECT 1 FROM missions o
          WHERE o.learner_id = m.learner_id AND o.day = m.day AND o.status <> 'SKIPPED'))
 GROUP BY m.day ORDER BY m.day;

-- The latest sessions with a clock.
-- name: session_performances
-- args: text, int
SELECT session, first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms, pauses,
       pause_ms_sum, resumes, resume_ms_sum, active_ms, untimed, answers + reviews,
       correct + recalled
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY first_at DESC LIMIT $2;
