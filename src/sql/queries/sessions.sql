-- Study sessions.

-- One session with its mission.
-- name: session_one
-- args: text, text
SELECT s.session, s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms,
       s.declared_pause_ms, s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms,
       s.untimed, s.mission, s.events, s.answers, s.correct, s.reviews, s.recalled, s.rating_sum,
       s.new_cards, s.latency_n, s.latency_ms_sum, s.latency_log_micro, s.objectives_total,
       s.objectives_done, s.assessment_n, s.assessment_sum, s.notes, m.day, m.status, m.estimated_minutes,
       m.actual_minutes, m.completed_at
  FROM sessions s
  LEFT JOIN missions m ON m.learner_id = s.learner_id AND m.mission = s.mission
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND s.session = $2;

-- Newest first, behind the place ($5, $6) if there is one. $4: of one mission only.
-- name: session_list
-- args: text, int, int, text, int, text, int, int
SELECT s.session, s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms,
       s.declared_pause_ms, s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms,
       s.untimed, s.mission, s.events, s.answers, s.correct, s.reviews, s.recalled, s.rating_sum,
       s.new_cards, s.latency_n, s.latency_ms_sum, s.latency_log_micro, s.objectives_total,
       s.objectives_done, s.assessment_n, s.assessment_sum, s.notes, m.day, m.status, m.estimated_minutes,
       m.actual_minutes, m.completed_at
  FROM sessions s
  LEFT JOIN missions m ON m.learner_id = s.learner_id AND m.mission = s.mission
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND s.first_at BETWEEN $2 AND $3
   AND (CAST($4 AS TEXT) IS NULL OR s.mission = $4)
   AND (CAST($5 AS BIGINT) IS NULL OR s.first_at < $5 OR (s.first_at = $5 AND s.session < $6))
 ORDER BY s.first_at DESC, s.session DESC LIMIT $7 OFFSET $8;

-- name: session_sums
-- args: text, int, int, text
SELECT count(*), count(completed_at), coalesce(sum(reviews), 0), coalesce(sum(answers), 0),
       coalesce(sum(CASE WHEN objectives_total > 0 THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN objectives_total > 0 THEN
           CASE WHEN objectives_done > objectives_total THEN 1000000
                ELSE 1000000 * objectives_done / objectives_total END ELSE 0 END), 0)
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND first_at BETWEEN $2 AND $3 AND (CAST($4 AS TEXT) IS NULL OR mission = $4);

-- The same of all the learner's sessions, by the sums of their lengths, and their study time.
-- name: session_length_sums
-- args: text
SELECT coalesce(sum(sessions), 0), coalesce(sum(completed), 0), coalesce(sum(reviews), 0),
       coalesce(sum(answers), 0), coalesce(sum(planned), 0), coalesce(sum(plan_done_micro), 0),
       coalesce(sum(study_ms), 0)
  FROM lengths
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- What the length of each session needs, newest first.
-- name: session_spans
-- args: text, int, int, text, int
SELECT first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms, pauses,
       pause_ms_sum, resumes, resume_ms_sum, active_ms, untimed
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND first_at BETWEEN $2 AND $3 AND (CAST($4 AS TEXT) IS NULL OR mission = $4)
 ORDER BY first_at DESC LIMIT $5;

-- name: session_objective_list
-- args: text, text
SELECT so.objective, o.name, o.complexity, so.position, so.estimated_minutes, so.completed_at,
       so.time_spent_ms, so.self_assessment, so.confidence_rating, so.notes
  FROM session_objectives so LEFT JOIN objectives o ON o.objective = so.objective
 WHERE so.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND so.session = $2
 ORDER BY coalesce(so.position, 1000000), so.completed_at, so.objective;

-- The objectives of the session's mission.
-- name: session_mission_objectives
-- args: text, text
SELECT mo.objective, o.name, o.complexity, mo.position, mo.estimated_minutes, mo.completed_at
  FROM sessions s
  JOIN mission_objectives mo ON mo.learner_id = s.learner_id AND mo.mission = s.mission
  LEFT JOIN objectives o ON o.objective = mo.objective
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND s.session = $2
 ORDER BY mo.position, mo.objective;

-- Answers (1) and reviews (2) of a session, found by its span of time.
-- name: session_graded
-- args: text, text, int
SELECT e.at, e.id, e.kind, e.item, e.correct, e.score, e.rating, e.latency_ms, e.duration_ms,
       e.confidence, e.objective, o.name, i.front, i.back, l.lecture, l.title, c.course, c.name
  FROM sessions s
  JOIN events e ON e.learner_id = s.learner_id AND e.at BETWEEN s.first_at AND s.last_at
               AND e.session = s.session AND e.kind IN (1, 2)
  LEFT JOIN items i ON i.item = e.item
  LEFT JOIN lectures l ON l.lecture = i.lecture
  LEFT JOIN courses c ON c.course = l.course
  LEFT JOIN objectives o ON o.objective = e.objective
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND s.session = $2
 ORDER BY e.at, e.id LIMIT $3;

-- The reviews between two moments, newest first, as session_graded gives them, behind the session.
-- name: session_reviews_between
-- args: text, int, int, int
SELECT e.session, e.at, e.id, e.kind, e.item, e.correct, e.score, e.rating, e.latency_ms,
       e.duration_ms, e.confidence, e.objective, NULL, i.front, i.back, l.lecture, l.title,
       c.course, c.name
  FROM events e
  LEFT JOIN items i ON i.item = e.item
  LEFT JOIN lectures l ON l.lecture = i.lecture
  LEFT JOIN courses c ON c.course = l.course
 WHERE e.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND e.at BETWEEN $2 AND $3 AND e.kind = 2 AND e.session IS NOT NULL
 ORDER BY e.at DESC, e.id DESC LIMIT $4;

-- name: mission_one
-- args: text, text
SELECT m.mission, m.day, m.status, m.estimated_minutes, m.actual_minutes, m.completed_at
  FROM missions m
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND m.mission = $2;

-- name: mission_objective_list
-- args: text, text
SELECT mo.objective, o.name, o.complexity, mo.position, mo.estimated_minutes, mo.completed_at
  FROM mission_objectives mo LEFT JOIN objectives o ON o.objective = mo.objective
 WHERE mo.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND mo.mission = $2
 ORDER BY mo.position, mo.objective;

-- What the objectives of the newest sessions took.
-- name: session_list_efforts
-- args: text, int
SELECT so.session, count(so.time_spent_ms), coalesce(sum(so.time_spent_ms), 0),
       count(so.confidence_rating), coalesce(sum(so.confidence_rating), 0)
  FROM (SELECT learner_id, session FROM sessions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
         ORDER BY first_at DESC, session DESC LIMIT $2) AS s
  JOIN session_objectives so ON so.learner_id = s.learner_id AND so.session = s.session
 GROUP BY so.session;

-- The same of the latest sessions of one mission.
-- name: session_mission_efforts
-- args: text, int, text
SELECT so.session, count(so.time_spent_ms), coalesce(sum(so.time_spent_ms), 0),
       count(so.confidence_rating), coalesce(sum(so.confidence_rating), 0)
  FROM (SELECT learner_id, session FROM sessions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND mission = $3
         ORDER BY first_at DESC, session DESC LIMIT $2) AS s
  JOIN session_objectives so ON so.learner_id = s.learner_id AND so.session = s.session
 GROUP BY so.session;

-- Up to five sessions by name, in order of time.
-- name: session_set
-- args: text, text, text, text, text, text
SELECT s.session, s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms,
       s.declared_pause_ms, s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms,
       s.untimed, s.mission, s.events, s.answers, s.correct, s.reviews, s.recalled, s.rating_sum,
       s.new_cards, s.latency_n, s.latency_ms_sum, s.latency_log_micro, s.objectives_total,
       s.objectives_done, s.assessment_n, s.assessment_sum, s.notes, m.day, m.status, m.estimated_minutes,
       m.actual_minutes, m.completed_at
  FROM sessions s
  LEFT JOIN missions m ON m.learner_id = s.learner_id AND m.mission = s.mission
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND s.session IN ($2, $3, $4, $5, $6)
 ORDER BY s.first_at, s.session;

-- As session_list_efforts.
-- name: session_set_efforts
-- args: text, text, text, text, text, text
SELECT so.session, count(so.time_spent_ms), coalesce(sum(so.time_spent_ms), 0),
       count(so.confidence_rating), coalesce(sum(so.confidence_rating), 0)
  FROM session_objectives so
 WHERE so.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND so.session IN ($2, $3, $4, $5, $6)
 GROUP BY so.session;

-- name: session_set_ratings
-- args: text, text, text, text, text, text
SELECT s.session, e.rating, count(*)
  FROM sessions s
  JOIN events e ON e.learner_id = s.learner_id AND e.at BETWEEN s.first_at AND s.last_at
               AND e.session = s.session AND e.kind = 2
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND s.session IN ($2, $3, $4, $5, $6)
 GROUP BY s.session, e.rating;
