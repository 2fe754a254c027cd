-- What the weeks, the day and the learner's objectives come to (src/api/correlation.c,
-- src/api/summaries.c, src/night/summaries.c).

-- name: habit_days
-- args: text, int, int
SELECT day, study_ms, sessions, completed, answers, correct, reviews, recalled, load_n, load_micro
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

-- name: ingest_objectives_add
-- args: int, text, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO objective_sums (learner_id, objective, timed, succeeded, day_sum, day_square_sum,
        day_succeeded_sum, told, told_micro, told_score_micro, told_gap_square_micro)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (learner_id, objective) DO UPDATE SET
        timed = objective_sums.timed + excluded.timed,
        succeeded = objective_sums.succeeded + excluded.succeeded,
        day_sum = objective_sums.day_sum + excluded.day_sum,
        day_square_sum = objective_sums.day_square_sum + excluded.day_square_sum,
        day_succeeded_sum = objective_sums.day_succeeded_sum + excluded.day_succeeded_sum,
        told = objective_sums.told + excluded.told,
        told_micro = objective_sums.told_micro + excluded.told_micro,
        told_score_micro = objective_sums.told_score_micro + excluded.told_score_micro,
        told_gap_square_micro =
            objective_sums.told_gap_square_micro + excluded.told_gap_square_micro;

-- name: rebuild_rows_objective_sums
-- args: int
SELECT objective, timed, succeeded, day_sum, day_square_sum, day_succeeded_sum, told, told_micro,
       told_score_micro, told_gap_square_micro
  FROM objective_sums WHERE learner_id = $1 ORDER BY objective;

-- name: learner_drop_objective_sums
-- args: int
DELETE FROM objective_sums WHERE learner_id = $1;

-- name: learner_drop_summaries
-- args: int
DELETE FROM summaries WHERE learner_id = $1;

-- name: export_objective_sums
-- args: text
SELECT objective, timed, succeeded, day_sum, day_square_sum, day_succeeded_sum, told, told_micro,
       told_score_micro, told_gap_square_micro
  FROM objective_sums WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY objective;

-- name: export_summaries
-- args: text
SELECT kind, day, place, made_at, objective, category, score, score_low, score_high, graded, gap,
       gap_low, gap_high, told, last_at, minutes, hours, hours_low, hours_high
  FROM summaries WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY kind, day, place;

-- The objectives that were worked on last, with all that is summed of them. The text is a look-up
-- for each row that is left.
-- name: standings
-- args: text, int
SELECT t.topic, (SELECT name FROM objectives WHERE objective = t.topic), t.answers + t.reviews,
       t.correct + t.recalled, t.score_n, t.score_micro, t.study_ms, t.sessions, t.first_at,
       t.last_at, o.timed, o.succeeded, o.day_sum, o.day_square_sum, o.day_succeeded_sum, o.told,
       o.told_micro, o.told_score_micro, o.told_gap_square_micro
  FROM (SELECT * FROM topics
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND topic_kind = 3 ORDER BY last_at DESC, topic LIMIT $2) AS t
  LEFT JOIN objective_sums o ON o.learner_id = t.learner_id AND o.objective = t.topic
 ORDER BY t.last_at DESC, t.topic;

-- name: summaries_of
-- args: text, int, int, int
SELECT s.day, s.place, s.made_at, s.objective, (SELECT name FROM objectives WHERE objective = s.objective),
       s.category, s.score, s.score_low, s.score_high, s.graded, s.gap, s.gap_low, s.gap_high,
       s.told, s.last_at, s.minutes, s.hours, s.hours_low, s.hours_high
  FROM summaries s
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND s.kind = $2 AND s.day BETWEEN $3 AND $4
 ORDER BY s.day, s.place;

-- Of which day, and of which data, the latest summaries are; and what there is now.
-- name: summaries_latest
-- args: text
SELECT t.version, t.last_at,
       (SELECT max(day) FROM summaries WHERE learner_id = t.learner_id AND kind = 0),
       (SELECT max(day) FROM summaries WHERE learner_id = t.learner_id AND kind = 1),
       (SELECT max(version) FROM summaries WHERE learner_id = t.learner_id AND kind = 0),
       (SELECT max(version) FROM summaries WHERE learner_id = t.learner_id AND kind = 1)
  FROM totals t
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- What was picked before for the day or week goes; then what is picked now comes.
-- name: summaries_drop
-- args: int, int, int
-- bulk
WITH k (learner_id, kind, day) AS (VALUES ($1, $2, $3))
DELETE FROM summaries WHERE (learner_id, kind, day) IN (SELECT learner_id, kind, day FROM k);

-- name: summaries_put
-- args: int, int, int, int, int, int, text, int, real, real, real, int, real, real, real, int, int, real, real, real, real
-- bulk
INSERT INTO summaries (learner_id, kind, day, place, made_at, version, objective, category, score,
        score_low, score_high, graded, gap, gap_low, gap_high, told, last_at, minutes, hours,
        hours_low, hours_high)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
        $20, $21)
    ON CONFLICT (learner_id, kind, day, place) DO UPDATE SET
        made_at = excluded.made_at, version = excluded.version, objective = excluded.objective,
        category = excluded.category, score = excluded.score, score_low = excluded.score_low,
        score_high = excluded.score_high, graded = excluded.graded, gap = excluded.gap,
        gap_low = excluded.gap_low, gap_high = excluded.gap_high, told = excluded.told,
        last_at = excluded.last_at, minutes = excluded.minutes, hours = excluded.hours,
        hours_low = excluded.hours_low, hours_high = excluded.hours_high;

-- name: objective_known
-- args: text
SELECT name FROM objectives WHERE objective = $1;

-- How the nights stand: learners who allow analysis, those who are due, those looked at since $2,
-- and those ever looked at.
-- name: cron_state
-- args: int, int
-- scan: an administrator's report
SELECT (SELECT count(*) FROM learners WHERE behavioral_analysis_enabled = 1),
       (SELECT count(*) FROM learners WHERE behavioral_analysis_enabled = 1 AND night_at <= $1),
       (SELECT count(*) FROM analyses WHERE at >= $2), (SELECT count(*) FROM analyses);

-- Sessions by objective, and what was told beforehand against what came out, all objectives together.
-- name: article_sums
-- args: text
SELECT (SELECT coalesce(sum(t.sessions), 0) FROM topics t
         WHERE t.learner_id = l.learner_id AND t.topic_kind = 3),
       coalesce(sum(o.told), 0), coalesce(sum(o.told_micro), 0), coalesce(sum(o.told_score_micro), 0),
       coalesce(sum(o.told_gap_square_micro), 0)
  FROM learners l LEFT JOIN objective_sums o ON o.learner_id = l.learner_id
 WHERE l.external_id = $1
 GROUP BY l.learner_id;

-- name: article_read_of
-- args: text, text
SELECT first_at, last_at, completed, helpful, rating FROM article_reads
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND article = $2;

-- name: article_read_put
-- args: text, text, int, int, int, int
INSERT INTO article_reads (learner_id, article, first_at, last_at, completed, helpful, rating)
SELECT learner_id, $2, $3, $3, $4, $5, $6
  FROM learners WHERE external_id = $1 AND behavioral_analysis_enabled = 1
    ON CONFLICT (learner_id, article) DO UPDATE SET
        last_at = excluded.last_at,
        completed = CASE WHEN excluded.completed = 1 THEN 1 ELSE article_reads.completed END,
        helpful = coalesce(excluded.helpful, article_reads.helpful),
        rating = coalesce(excluded.rating, article_reads.rating);

-- name: learner_drop_article_reads
-- args: int
DELETE FROM article_reads WHERE learner_id = $1;

-- name: export_article_reads
-- args: text
SELECT article, first_at, last_at, completed, helpful, rating
  FROM article_reads WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY article;

-- How forecasts of struggle turned out, over all learners.
-- name: model_outcomes
-- args: int, int
-- scan: an administrator's report
SELECT slot, sum(n), sum(yes), sum(p_micro), sum(square_micro), sum(brier_micro), sum(loss_micro)
  FROM audits WHERE slot BETWEEN $1 AND $2 GROUP BY slot ORDER BY slot;

-- name: model_forecasts
-- args: int
-- scan: an administrator's report
SELECT count(*), max(resolved_at) FROM struggle_predictions HAVING count(*) >= 0 LIMIT $1;
