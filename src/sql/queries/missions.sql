-- Missions, and what a new one is made of.

-- name: mission_settings
-- args: text
SELECT default_mission_minutes FROM learners WHERE external_id = $1;

-- The day's missions, the one that counts first.
-- name: missions_of_day
-- args: text, int
SELECT m.mission, m.day, m.status, m.created_at, m.started_at, m.completed_at, m.skipped_at,
       m.estimated_minutes, m.actual_minutes, m.review_card_count, m.new_content_count,
       m.difficulty_rating, count(mo.position),
       coalesce(sum(CASE WHEN mo.position IS NOT NULL AND mo.completed_at IS NOT NULL THEN 1 ELSE 0 END), 0),
       m.version + coalesce(sum(mo.completions), 0)
  FROM missions m
  LEFT JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND m.mission IN (SELECT d.mission FROM missions d
                      WHERE d.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                        AND d.day = $2)
 GROUP BY m.learner_id, m.day, m.mission
 ORDER BY CASE WHEN m.status = 'SKIPPED' THEN 1 ELSE 0 END, m.created_at DESC, m.mission DESC
 LIMIT 100;

-- name: mission_full
-- args: text, text
SELECT m.mission, m.day, m.status, m.created_at, m.started_at, m.completed_at, m.skipped_at,
       m.estimated_minutes, m.actual_minutes, m.review_card_count, m.new_content_count,
       m.difficulty_rating, count(mo.position),
       coalesce(sum(CASE WHEN mo.position IS NOT NULL AND mo.completed_at IS NOT NULL THEN 1 ELSE 0 END), 0),
       m.version + coalesce(sum(mo.completions), 0)
  FROM missions m
  LEFT JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND m.mission = $2
 GROUP BY m.learner_id, m.day, m.mission;

-- Newest first, behind the place ($3, $4) if there is one.
-- name: mission_history
-- args: text, text, int, text, int, int
SELECT m.mission, m.day, m.status, m.created_at, m.started_at, m.completed_at, m.skipped_at,
       m.estimated_minutes, m.actual_minutes, m.review_card_count, m.new_content_count,
       m.difficulty_rating, count(mo.position),
       coalesce(sum(CASE WHEN mo.position IS NOT NULL AND mo.completed_at IS NOT NULL THEN 1 ELSE 0 END), 0),
       m.version + coalesce(sum(mo.completions), 0)
  FROM missions m
  LEFT JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND (CAST($2 AS TEXT) IS NULL OR m.status = $2) AND m.day <= coalesce(CAST($3 AS BIGINT), 1000000000)
   AND (CAST($3 AS BIGINT) IS NULL OR m.day < $3 OR m.mission < $4)
 GROUP BY m.learner_id, m.day, m.mission
 ORDER BY m.learner_id DESC, m.day DESC, m.mission DESC LIMIT $5 OFFSET $6;

-- Of the missions of mission_history: the plans,
-- name: mission_history_objectives
-- args: text, text, int, text, int, int
SELECT mo.mission, mo.objective, o.name, o.complexity, mo.position, mo.estimated_minutes, mo.completed_at
  FROM (SELECT learner_id, mission, day FROM missions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND (CAST($2 AS TEXT) IS NULL OR status = $2)
           AND (CAST($3 AS BIGINT) IS NULL OR day < $3 OR (day = $3 AND mission < $4))
         ORDER BY day DESC, mission DESC LIMIT $5 OFFSET $6) AS m
  JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
  LEFT JOIN objectives o ON o.objective = mo.objective
 ORDER BY m.day DESC, m.mission DESC, mo.position, mo.objective LIMIT 5000;

-- what the learner thought of them,
-- name: mission_history_opinions
-- args: text, text, int, text, int, int
SELECT f.mission, count(*), sum(f.helpfulness)
  FROM (SELECT learner_id, mission, day FROM missions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND (CAST($2 AS TEXT) IS NULL OR status = $2)
           AND (CAST($3 AS BIGINT) IS NULL OR day < $3 OR (day = $3 AND mission < $4))
         ORDER BY day DESC, mission DESC LIMIT $5 OFFSET $6) AS m
  JOIN mission_feedback f ON f.learner_id = m.learner_id AND f.mission = m.mission
 GROUP BY f.mission;

-- and the days with a completed mission among them, and ten before.
-- name: mission_history_streak
-- args: text, text, int, text, int, int
SELECT DISTINCT d.day
  FROM (SELECT min(m.learner_id) AS learner_id, min(m.day) AS first_day, max(m.day) AS last_day
          FROM (SELECT learner_id, mission, day FROM missions
                 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                   AND (CAST($2 AS TEXT) IS NULL OR status = $2)
                   AND (CAST($3 AS BIGINT) IS NULL OR day < $3 OR (day = $3 AND mission < $4))
                 ORDER BY day DESC, mission DESC LIMIT $5 OFFSET $6) AS m) AS r
  JOIN missions d ON d.learner_id = r.learner_id AND d.day BETWEEN r.first_day - 10 AND r.last_day
 WHERE d.status = 'COMPLETED' ORDER BY d.day;

-- name: mission_count
-- args: text, text
SELECT count(*) FROM missions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND (CAST($2 AS TEXT) IS NULL OR status = $2);

-- The sessions of the missions of mission_history, in any order. Here and below SQLite, which knows
-- nothing of how many there are, would look through all of the learner's. (CROSS: missions first, which
-- SQLite 3.46 would otherwise look up for each session.)
-- name: mission_history_sessions
-- args: text, text, int, text, int, int
-- engine: sqlite
SELECT s.mission, s.session, s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms,
       s.declared_pause_ms, s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms,
       s.untimed, s.reviews, s.notes, s.answers + s.reviews, s.correct + s.recalled
  FROM (SELECT learner_id, mission, day FROM missions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND (CAST($2 AS TEXT) IS NULL OR status = $2)
           AND (CAST($3 AS BIGINT) IS NULL OR day < $3 OR (day = $3 AND mission < $4))
         ORDER BY day DESC, mission DESC LIMIT $5 OFFSET $6) AS m
  CROSS JOIN sessions s INDEXED BY sessions_by_mission ON s.learner_id = m.learner_id AND s.mission = m.mission;
-- engine: postgres
SELECT s.mission, s.session, s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms,
       s.declared_pause_ms, s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms,
       s.untimed, s.reviews, s.notes, s.answers + s.reviews, s.correct + s.recalled
  FROM (SELECT learner_id, mission, day FROM missions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND (CAST($2 AS TEXT) IS NULL OR status = $2)
           AND (CAST($3 AS BIGINT) IS NULL OR day < $3 OR (day = $3 AND mission < $4))
         ORDER BY day DESC, mission DESC LIMIT $5 OFFSET $6) AS m
  JOIN sessions s ON s.learner_id = m.learner_id AND s.mission = m.mission;

-- name: mission_sessions
-- args: text, text, int
-- engine: sqlite
SELECT mission, session, first_at, last_at, started_at, completed_at, declared_ms,
       declared_pause_ms, pauses, pause_ms_sum, resumes, resume_ms_sum, active_ms,
       untimed, reviews, notes, answers + reviews, correct + recalled
  FROM sessions INDEXED BY sessions_by_mission
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND mission = $2
 ORDER BY first_at, session LIMIT $3;
-- engine: postgres
SELECT mission, session, first_at, last_at, started_at, completed_at, declared_ms,
       declared_pause_ms, pauses, pause_ms_sum, resumes, resume_ms_sum, active_ms,
       untimed, reviews, notes, answers + reviews, correct + recalled
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND mission = $2
 ORDER BY first_at, session LIMIT $3;

-- name: mission_opinions
-- args: text, text
SELECT mission, count(*), sum(helpfulness) FROM mission_feedback
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND mission = $2
 GROUP BY mission;

-- Days with a completed mission, up to the mission's own.
-- name: mission_streak
-- args: text, text
SELECT DISTINCT d.day
  FROM missions m JOIN missions d ON d.learner_id = m.learner_id AND d.day BETWEEN m.day - 10 AND m.day
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND m.mission = $2
   AND d.status = 'COMPLETED'
 ORDER BY d.day;

-- Of the session's mission.
-- name: session_mission_sessions
-- args: text, text
-- engine: sqlite
SELECT b.mission, b.session, b.first_at, b.last_at, b.started_at, b.completed_at, b.declared_ms,
       b.declared_pause_ms, b.pauses, b.pause_ms_sum, b.resumes, b.resume_ms_sum, b.active_ms,
       b.untimed, b.reviews, b.notes, b.answers + b.reviews, b.correct + b.recalled
  FROM sessions a JOIN sessions b INDEXED BY sessions_by_mission ON b.learner_id = a.learner_id AND b.mission = a.mission
 WHERE a.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND a.session = $2
 ORDER BY b.first_at, b.session LIMIT 200;
-- engine: postgres
SELECT b.mission, b.session, b.first_at, b.last_at, b.started_at, b.completed_at, b.declared_ms,
       b.declared_pause_ms, b.pauses, b.pause_ms_sum, b.resumes, b.resume_ms_sum, b.active_ms,
       b.untimed, b.reviews, b.notes, b.answers + b.reviews, b.correct + b.recalled
  FROM sessions a JOIN sessions b ON b.learner_id = a.learner_id AND b.mission = a.mission
 WHERE a.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND a.session = $2
 ORDER BY b.first_at, b.session LIMIT 200;

-- What the learner has worked on, with what came of it; the longest ago first.
-- name: mission_known
-- args: text, int
SELECT t.topic, o.name, o.complexity, o.high_yield, o.course, t.study_ms, t.sessions,
       t.answers + t.reviews, t.correct + t.recalled, t.last_at
  FROM topics t LEFT JOIN objectives o ON o.objective = t.topic
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND t.topic_kind = 3
 ORDER BY t.last_at, t.topic LIMIT $2;

-- What is new to the learner in the twelve courses that he or she last worked on.
-- name: mission_new
-- args: text, int
SELECT o.objective, o.name, o.complexity, o.high_yield, o.course, 0, 0, 0, 0, NULL
  FROM (SELECT learner_id, topic FROM topics
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND topic_kind = 1 ORDER BY last_at DESC LIMIT 12) c
  JOIN objectives o ON o.course = c.topic
  LEFT JOIN topics t ON t.learner_id = c.learner_id AND t.topic_kind = 3 AND t.topic = o.objective
 WHERE t.topic IS NULL
 ORDER BY o.objective LIMIT $2;

-- Cards that are due on local day $2: recall has fallen to nine tenths, by what the nights learnt, or else
-- by the published weights. Behind the objective the columns of src/night/retained.h.
-- name: mission_due
-- args: text, int, int
SELECT i.objective, c.stability_micro, c.memory_day,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.due_day END,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.retained END
  FROM cards c JOIN items i ON i.item = c.item
 WHERE c.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND c.stability_micro > 0
   AND CASE WHEN c.retained_reviews = c.memory_reviews THEN c.due_day <= $2
            ELSE c.memory_day * 1000000 + c.stability_micro <= $2 * 1000000 END
   AND i.objective IS NOT NULL
 ORDER BY i.objective LIMIT $3;

-- name: map_mind
-- args: text
SELECT skills FROM minds WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: mission_prerequisites
-- args: text, int
SELECT p.objective, p.prerequisite, p.strength
  FROM (SELECT topic FROM topics
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND topic_kind = 1 ORDER BY last_at DESC LIMIT 12) c
  JOIN objectives o ON o.course = c.topic
  JOIN objective_prerequisites p ON p.objective = o.objective
 ORDER BY p.objective, p.prerequisite LIMIT $2;
