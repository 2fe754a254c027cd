-- Answers about one learner from the sums. Each statement finds the learner by its external id, so
-- that all statements of an answer go out together.

-- name: learner_head
-- args: text
-- apart: totals
SELECT l.learner_id, l.zone, l.behavioral_analysis_enabled, l.learning_style_profiling_enabled,
       t.events, t.untimed, t.first_at, t.last_at, t.study_ms, t.sessions, t.completed, t.answers,
       t.correct, t.reviews, t.recalled, t.latency_n, t.latency_log_micro, t.loads, t.load_micro
  FROM learners l LEFT JOIN totals t ON t.learner_id = l.learner_id
 WHERE l.external_id = $1;

-- name: study_days
-- args: text, int
SELECT day, study_ms, night_ms, morning_ms, afternoon_ms, evening_ms, sessions,
       answers + reviews, correct + recalled, load_n, load_micro
  FROM days
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND day >= $2
 ORDER BY day;

-- The newest run of days with study, up to day $2: its last day and its length.
-- name: study_streak
-- args: text, int
WITH RECURSIVE run (day) AS (
    SELECT newest.day
      FROM (SELECT day FROM days
             WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
               AND day <= $2 AND (study_ms > 0 OR answers > 0 OR reviews > 0)
             ORDER BY day DESC LIMIT 1) AS newest
    UNION ALL
    SELECT d.day FROM run
      JOIN days d ON d.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                 AND d.day = run.day - 1
     WHERE d.study_ms > 0 OR d.answers > 0 OR d.reviews > 0)
SELECT max(day), count(*) FROM run;

-- name: study_hours
-- args: text
SELECT slot, study_ms, sessions, answers + reviews, correct + recalled
  FROM hours
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY slot;

-- name: study_lengths
-- args: text
SELECT bucket, sessions, completed, study_ms, answers + reviews, correct + recalled
  FROM lengths
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY bucket;

-- name: topic_sums
-- args: text
SELECT topic_kind, count(*), sum(study_ms)
  FROM topics
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 GROUP BY topic_kind ORDER BY topic_kind;

-- A look-up for each row that is left, and not a join: for a learner of many courses PostgreSQL
-- would rather read all courses there are.
-- name: topic_courses
-- args: text, int
SELECT t.topic, (SELECT name FROM courses WHERE course = t.topic), CAST(NULL AS TEXT), t.study_ms,
       t.sessions, t.answers + t.reviews, t.correct + t.recalled
  FROM topics t
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND t.topic_kind = 1
 ORDER BY t.study_ms DESC, t.topic LIMIT $2;

-- name: topic_lectures
-- args: text, int
SELECT t.topic, l.title, c.name, t.study_ms, t.sessions, t.answers + t.reviews,
       t.correct + t.recalled
  FROM topics t LEFT JOIN lectures l ON l.lecture = t.topic LEFT JOIN courses c ON c.course = l.course
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND t.topic_kind = 2
 ORDER BY t.study_ms DESC, t.topic LIMIT $2;

-- name: topic_objectives
-- args: text, int
SELECT t.topic, o.name, c.name, t.study_ms, t.sessions, t.answers + t.reviews,
       t.correct + t.recalled
  FROM topics t LEFT JOIN objectives o ON o.objective = t.topic
  LEFT JOIN courses c ON c.course = o.course
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND t.topic_kind = 3
 ORDER BY t.study_ms DESC, t.topic LIMIT $2;

-- name: topic_skills
-- args: text, int
SELECT t.topic, s.name, CAST(NULL AS TEXT), t.study_ms, t.sessions, t.answers + t.reviews,
       t.correct + t.recalled
  FROM topics t LEFT JOIN skills s ON s.skill = t.topic
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND t.topic_kind = 4
 ORDER BY t.study_ms DESC, t.topic LIMIT $2;

-- name: topic_modalities
-- args: text, int
SELECT t.topic, CAST(NULL AS TEXT), CAST(NULL AS TEXT), t.study_ms, t.sessions,
       t.answers + t.reviews, t.correct + t.recalled
  FROM topics t
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND t.topic_kind = 5
 ORDER BY t.study_ms DESC, t.topic LIMIT $2;
