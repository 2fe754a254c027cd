-- Personalisation (src/night/personalize.c, src/api/personalization.c).

-- name: personal_settings
-- args: text
SELECT l.learner_id, l.default_mission_minutes, l.learning_style_profiling_enabled, p.level, p.mission_on,
       p.content_on, p.assessment_on, p.session_on, p.auto_adapt, p.disabled_features, p.version,
       p.updated_at
  FROM learners l LEFT JOIN personalization_preferences p ON p.learner_id = l.learner_id
 WHERE l.external_id = $1;

-- Only over the version that was read.
-- name: personal_preferences_put
-- args: int, text, int, int, int, int, int, text, int, int
INSERT INTO personalization_preferences (learner_id, level, mission_on, content_on, assessment_on,
        session_on, auto_adapt, disabled_features, version, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9 + 1, $10)
    ON CONFLICT (learner_id) DO UPDATE SET
        level = excluded.level, mission_on = excluded.mission_on, content_on = excluded.content_on,
        assessment_on = excluded.assessment_on, session_on = excluded.session_on,
        auto_adapt = excluded.auto_adapt, disabled_features = excluded.disabled_features,
        version = excluded.version, updated_at = excluded.updated_at
    WHERE personalization_preferences.version = excluded.version - 1;

-- name: personal_configs
-- args: text
SELECT context, variant, held_out, day, activated_at, deactivated_at
  FROM personalization_configs
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: personal_config_put
-- args: int, text, text, int, int, int
-- bulk
INSERT INTO personalization_configs (learner_id, context, variant, held_out, day, activated_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id, context) DO UPDATE SET
        variant = excluded.variant, held_out = excluded.held_out, day = excluded.day,
        activated_at = CASE WHEN personalization_configs.deactivated_at IS NULL
                            THEN personalization_configs.activated_at
                            ELSE excluded.activated_at END,
        deactivated_at = NULL;

-- name: personal_config_off
-- args: int, text, int
-- bulk
WITH k (learner_id, context, at) AS (VALUES ($1, $2, $3))
UPDATE personalization_configs SET deactivated_at = k.at FROM k
 WHERE personalization_configs.learner_id = k.learner_id
   AND personalization_configs.context = k.context
   AND personalization_configs.deactivated_at IS NULL;

-- name: personal_choices
-- args: text, int, int
SELECT day, context, variant, propensity, control, learnable, source, made_at, reward, settled_at
  FROM personalization_choices
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND day BETWEEN $2 AND $3
 ORDER BY day, context;

-- name: personal_choice_add
-- args: int, int, text, text, real, real, int, text, int
-- bulk
INSERT INTO personalization_choices (learner_id, day, context, variant, propensity, control,
        learnable, source, made_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (learner_id, day, context) DO NOTHING;

-- The first word counts.
-- name: personal_settle
-- args: int, int, text, real, text, int
-- bulk
WITH k (learner_id, day, context, reward, outcome, at) AS (VALUES ($1, $2, $3, $4, $5, $6))
UPDATE personalization_choices SET reward = k.reward, outcome = k.outcome, settled_at = k.at FROM k
 WHERE personalization_choices.learner_id = k.learner_id
   AND personalization_choices.day = k.day AND personalization_choices.context = k.context
   AND personalization_choices.settled_at IS NULL;

-- name: personal_outcome_add
-- args: int, text, int, text, text, int, int, real, real, real, real, real, real, text, text, real, int
-- bulk
INSERT INTO personalization_outcomes (learner_id, outcome, at, type, context, day, observed,
        retention, performance, completion, satisfaction, engagement, minutes, content_type,
        difficulty, reward, received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (learner_id, outcome) DO NOTHING;

-- name: personal_outcome_one
-- args: text, text
SELECT o.outcome, o.at, o.type, o.context, o.day, o.retention, o.performance, o.completion,
       o.satisfaction, o.reward, c.variant, c.propensity,
       CASE WHEN c.outcome = o.outcome AND c.learnable = 1 THEN 1 ELSE 0 END
  FROM personalization_outcomes o
  LEFT JOIN personalization_choices c
    ON c.learner_id = o.learner_id AND c.day = o.day AND c.context = o.context
 WHERE o.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND o.outcome = $2;

-- name: personal_event_add
-- args: int, int, text, text, text, text, text, text, text, real
-- bulk
INSERT INTO personalization_events (learner_id, at, event, type, context, variant, old_value,
        new_value, reason, score)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (learner_id, at, event) DO NOTHING;

-- Newest first, behind the place ($4, $5) if there is one.
-- name: personal_events
-- args: text, int, int, int, text, int, int
SELECT at, event, type, context, variant, old_value, new_value, reason, score
  FROM personalization_events
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND at BETWEEN $2 AND $3
   AND (CAST($4 AS BIGINT) IS NULL OR at < $4 OR (at = $4 AND event < $5))
 ORDER BY at DESC, event DESC LIMIT $6 OFFSET $7;

-- name: personal_event_count
-- args: text, int, int
SELECT count(*) FROM personalization_events
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND at BETWEEN $2 AND $3;

-- A day's sums, for outcomes.
-- name: personal_days
-- args: text, int, int
SELECT day, reviews, recalled, answers, correct, sessions, completed, study_ms
  FROM days
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND day BETWEEN $2 AND $3
 ORDER BY day;

-- Objectives at which a struggle is likely, the likeliest first.
-- name: personal_topics
-- args: text, real, int
SELECT p.objective, o.name, p.probability
  FROM struggle_predictions p LEFT JOIN objectives o ON o.objective = p.objective
 WHERE p.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND p.day = (SELECT max(day) FROM struggle_predictions
                WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
   AND p.resolved_at IS NULL AND p.status = 'PENDING'
   AND p.probability >= $2
 ORDER BY p.probability DESC, p.objective LIMIT $3;

-- Planned sessions from $2 to $3.
-- name: personal_plans
-- args: text, int, int
SELECT starts_at, ends_at, state FROM planned_sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND starts_at BETWEEN $2 AND $3 AND state <> 'CANCELLED'
 ORDER BY starts_at LIMIT 500;

-- How sure a pattern of kind $2 is.
-- name: personal_pattern
-- args: text, int
SELECT max(confidence) FROM patterns
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND kind = $2 AND present = 1;

-- name: personal_trial
-- args: int
SELECT began_day, after_graded, after_ms FROM personalization_trials WHERE learner_id = $1;

-- name: personal_trial_put
-- args: int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO personalization_trials (learner_id, began_day, held_out, before_graded, before_right,
        before_ms, after_graded, after_right, after_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (learner_id) DO UPDATE SET
        before_graded = excluded.before_graded, before_right = excluded.before_right,
        before_ms = excluded.before_ms, after_graded = excluded.after_graded,
        after_right = excluded.after_right, after_ms = excluded.after_ms;

-- Of learners who may count in sums over many, the newest first.
-- name: personal_trials_since
-- args: int, int
SELECT t.held_out, t.began_day, t.before_graded, t.before_right, t.before_ms, t.after_graded,
       t.after_right, t.after_ms
  FROM personalization_trials t JOIN learners l ON l.learner_id = t.learner_id
 WHERE t.began_day >= $1 AND l.include_in_analytics = 1
 ORDER BY t.began_day DESC LIMIT $2;

-- What the variants brought over all learners.
-- name: personal_totals
-- scan: sixteen rows
SELECT context, variant, learners, n, weight_micro, reward_micro FROM personalization_totals
 ORDER BY context, variant;

-- Where a learner's rewards from day $2 on differ from what of them is in the totals.
-- name: personal_uncounted
-- args: int, int
SELECT k.context, k.variant, sum(k.learners) AS learners, sum(k.n) AS n,
       sum(k.weight_micro) AS weight_micro, sum(k.reward_micro) AS reward_micro
  FROM (SELECT p.context, p.variant, 1 AS learners, count(*) AS n,
               CAST(sum(round(1000000 / p.propensity)) AS BIGINT) AS weight_micro,
               CAST(sum(round(1000000 * p.reward / p.propensity)) AS BIGINT) AS reward_micro
          FROM personalization_choices p JOIN learners l ON l.learner_id = p.learner_id
         WHERE p.learner_id = $1 AND p.day >= $2 AND p.learnable = 1 AND p.reward IS NOT NULL
           AND l.include_in_analytics = 1
         GROUP BY p.context, p.variant
        UNION ALL
        SELECT c.context, c.variant, -1, -c.n, -c.weight_micro, -c.reward_micro
          FROM personalization_counted c WHERE c.learner_id = $1) k
 GROUP BY k.context, k.variant
HAVING sum(k.n) <> 0 OR sum(k.weight_micro) <> 0 OR sum(k.reward_micro) <> 0;

-- name: personal_totals_count
-- args: int, int
INSERT INTO personalization_totals (context, variant, learners, n, weight_micro, reward_micro)
SELECT k.context, k.variant, sum(k.learners) AS learners, sum(k.n) AS n,
       sum(k.weight_micro) AS weight_micro, sum(k.reward_micro) AS reward_micro
  FROM (SELECT p.context, p.variant, 1 AS learners, count(*) AS n,
               CAST(sum(round(1000000 / p.propensity)) AS BIGINT) AS weight_micro,
               CAST(sum(round(1000000 * p.reward / p.propensity)) AS BIGINT) AS reward_micro
          FROM personalization_choices p JOIN learners l ON l.learner_id = p.learner_id
         WHERE p.learner_id = $1 AND p.day >= $2 AND p.learnable = 1 AND p.reward IS NOT NULL
           AND l.include_in_analytics = 1
         GROUP BY p.context, p.variant
        UNION ALL
        SELECT c.context, c.variant, -1, -c.n, -c.weight_micro, -c.reward_micro
          FROM personalization_counted c WHERE c.learner_id = $1) k
 GROUP BY k.context, k.variant
HAVING sum(k.n) <> 0 OR sum(k.weight_micro) <> 0 OR sum(k.reward_micro) <> 0
 ORDER BY k.context, k.variant
    ON CONFLICT (context, variant) DO UPDATE SET
        learners = personalization_totals.learners + excluded.learners,
        n = personalization_totals.n + excluded.n,
        weight_micro = personalization_totals.weight_micro + excluded.weight_micro,
        reward_micro = personalization_totals.reward_micro + excluded.reward_micro;

-- name: personal_counted_put
-- args: int, int
INSERT INTO personalization_counted (learner_id, context, variant, n, weight_micro, reward_micro)
SELECT $1, k.context, k.variant, k.n, k.weight_micro, k.reward_micro
  FROM (SELECT p.context, p.variant, 1 AS learners, count(*) AS n,
               CAST(sum(round(1000000 / p.propensity)) AS BIGINT) AS weight_micro,
               CAST(sum(round(1000000 * p.reward / p.propensity)) AS BIGINT) AS reward_micro
          FROM personalization_choices p JOIN learners l ON l.learner_id = p.learner_id
         WHERE p.learner_id = $1 AND p.day >= $2 AND p.learnable = 1 AND p.reward IS NOT NULL
           AND l.include_in_analytics = 1
         GROUP BY p.context, p.variant) k;

-- name: learner_uncount_personal
-- args: int
INSERT INTO personalization_totals (context, variant, learners, n, weight_micro, reward_micro)
SELECT c.context, c.variant, -1, -c.n, -c.weight_micro, -c.reward_micro
  FROM personalization_counted c WHERE c.learner_id = $1 ORDER BY c.context, c.variant
    ON CONFLICT (context, variant) DO UPDATE SET
        learners = personalization_totals.learners + excluded.learners,
        n = personalization_totals.n + excluded.n,
        weight_micro = personalization_totals.weight_micro + excluded.weight_micro,
        reward_micro = personalization_totals.reward_micro + excluded.reward_micro;

-- name: learner_drop_personal_counted
-- args: int
DELETE FROM personalization_counted WHERE learner_id = $1;
