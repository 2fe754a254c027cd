-- How missions went.

-- Missions from local day $2 on, newest first.
-- name: mission_window
-- args: text, int, int
SELECT m.mission, m.day, m.status, m.estimated_minutes, m.actual_minutes, count(mo.position),
       count(CASE WHEN mo.position IS NOT NULL THEN mo.completed_at END)
  FROM missions m
  LEFT JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND m.day >= $2
 GROUP BY m.learner_id, m.day, m.mission
 ORDER BY m.learner_id DESC, m.day DESC, m.mission DESC LIMIT $3;

-- Sessions with a clock from $2 on, newest first: for missions or not.
-- name: mission_window_work
-- args: text, int, int
SELECT mission, first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms, pauses,
       pause_ms_sum, resumes, resume_ms_sum, active_ms, untimed, answers + reviews,
       correct + recalled
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND first_at >= $2 AND untimed = 0
 ORDER BY first_at DESC LIMIT $3;

-- name: mission_window_opinions
-- args: text
SELECT mission, count(*), sum(helpfulness) FROM mission_feedback
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 GROUP BY mission ORDER BY mission DESC LIMIT 2000;
