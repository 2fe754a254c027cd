-- Minds, forecasts of struggle, and what is done about them (src/night/mind.c, src/night/outlook.c).

-- name: mind_head
-- args: int
SELECT m.version, m.at, m.id, m.taken, m.known_at, m.known_id, m.state,
       coalesce(t.answers + t.reviews, 0), l.include_in_analytics
  FROM learners l
  LEFT JOIN minds m ON m.learner_id = l.learner_id
  LEFT JOIN totals t ON t.learner_id = l.learner_id
 WHERE l.learner_id = $1;

-- Answers and reviews behind a place in the log.
-- name: mind_events
-- args: int, int, text, int
SELECT e.at, e.id, e.kind, e.untimed, e.item, e.skills, e.correct, e.score, e.rating, e.latency_ms,
       coalesce(e.objective, i.objective), e.modality
  FROM events e LEFT JOIN items i ON i.item = e.item
 WHERE e.learner_id = $1 AND (e.at, e.id) > ($2, $3) AND e.kind IN (1, 2)
 ORDER BY e.at, e.id LIMIT $4;

-- What the catalogue says of items: the first sixteen skills of each.
-- name: item_skills_of
-- args: text
-- bulk
WITH k (item) AS (VALUES ($1))
SELECT s.item, s.skill FROM k JOIN item_skills s ON s.item = k.item
 WHERE (SELECT count(*) FROM item_skills o WHERE o.item = s.item AND o.skill < s.skill) < 16;

-- The version that was read, so that of two runs at once only one is kept.
-- name: mind_put
-- args: int, int, int, text, int, int, text, int, blob, blob
-- bulk
INSERT INTO minds (learner_id, version, at, id, taken, known_at, known_id, updated_at, skills,
        state)
    VALUES ($1, $2 + 1, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (learner_id) DO UPDATE SET
        version = excluded.version, at = excluded.at, id = excluded.id, taken = excluded.taken,
        known_at = excluded.known_at, known_id = excluded.known_id,
        updated_at = excluded.updated_at, skills = excluded.skills, state = excluded.state
    WHERE minds.version = excluded.version - 1;

-- name: mind_touch
-- args: int, int
UPDATE minds SET version = version + 1 WHERE learner_id = $1 AND version = $2;

-- name: struggle_shared_read
-- args: int
SELECT name, outcomes, state FROM struggle_shared
 WHERE name IN ('stack', 'outlook') LIMIT $1;

-- name: struggle_shared_put
-- args: text, int, blob
-- bulk
INSERT INTO struggle_shared (name, outcomes, state) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET
        outcomes = struggle_shared.outcomes + excluded.outcomes, state = excluded.state;

-- name: learnt_weights_behind
-- args: int
SELECT number, whole, slots, states FROM learnt_weights WHERE number > $1 ORDER BY number, part;

-- Behind struggle_shared_put, in its transaction: what a run moved, under the number that it made.
-- name: learnt_weights_add
-- args: int, text, blob
-- bulk
INSERT INTO learnt_weights (number, part, whole, slots, states)
    VALUES ((SELECT outcomes FROM struggle_shared WHERE name = 'stack'), $1, 0, $2, $3);

-- name: learnt_weights_drop
-- args: int
DELETE FROM learnt_weights WHERE number <= $1;

-- name: learnt_weights_put_whole
-- args: int, int, text, blob
-- bulk
INSERT INTO learnt_weights (number, part, whole, slots, states) VALUES ($1, $2, 1, $3, $4)
    ON CONFLICT (number, part) DO NOTHING;

-- Forecasts that are not judged yet, by what the index alone has.
-- name: predictions_open
-- args: int, int, int
SELECT prediction, until_at FROM struggle_predictions
 WHERE learner_id = $1 AND resolved_at IS NULL AND until_at <= $2 ORDER BY until_at LIMIT $3;

-- name: predictions_of_day
-- args: int, int
SELECT prediction FROM struggle_predictions WHERE learner_id = $1 AND day = $2;

-- name: predictions_of_keys
-- args: int, text
-- bulk
WITH k (learner_id, prediction) AS (VALUES ($1, $2))
SELECT p.prediction, p.objective, p.made_at, p.until_at, p.probability, p.inputs, p.status,
       p.treated, p.graded, p.wrong, p.high - p.low
  FROM k CROSS JOIN struggle_predictions p
 WHERE p.learner_id = k.learner_id AND p.prediction = k.prediction;

-- What was asked in their time so far; no index has it.
-- name: predictions_count
-- args: int, text, int, int
-- bulk
WITH k (learner_id, prediction, graded, wrong) AS (VALUES ($1, $2, $3, $4))
UPDATE struggle_predictions SET graded = k.graded, wrong = k.wrong
  FROM k
 WHERE struggle_predictions.learner_id = k.learner_id
   AND struggle_predictions.prediction = k.prediction;

-- name: predictions_tell
-- args: int, text, int, int, text, int, int
-- bulk
WITH k (learner_id, prediction, graded, wrong, status, struggled, resolved_at) AS
    (VALUES ($1, $2, $3, $4, $5, $6, $7))
UPDATE struggle_predictions SET graded = k.graded, wrong = k.wrong, status = k.status,
       struggled = k.struggled, resolved_at = k.resolved_at
  FROM k
 WHERE struggle_predictions.learner_id = k.learner_id
   AND struggle_predictions.prediction = k.prediction;

-- name: prediction_weeks_add
-- args: int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO prediction_weeks (learner_id, week, n, confirmed, false_positives, missed, judged, hit,
        probability_micro, width_micro)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (learner_id, week) DO UPDATE SET
        n = prediction_weeks.n + excluded.n,
        confirmed = prediction_weeks.confirmed + excluded.confirmed,
        false_positives = prediction_weeks.false_positives + excluded.false_positives,
        missed = prediction_weeks.missed + excluded.missed,
        judged = prediction_weeks.judged + excluded.judged,
        hit = prediction_weeks.hit + excluded.hit,
        probability_micro = prediction_weeks.probability_micro + excluded.probability_micro,
        width_micro = prediction_weeks.width_micro + excluded.width_micro;

-- Objectives that the learner will meet or has met, those of missions first. $3: the last day.
-- name: outlook_objectives
-- args: int, int, int, int
SELECT objective, max(planned), max(last_at) FROM (
    SELECT mo.objective AS objective, 1 AS planned, 0 AS last_at
      FROM missions m JOIN mission_objectives mo
        ON mo.learner_id = m.learner_id AND mo.mission = m.mission
     WHERE m.learner_id = $1 AND m.day BETWEEN $2 AND $3
       AND m.status IN ('PENDING', 'IN_PROGRESS') AND mo.completed_at IS NULL
    UNION ALL
    SELECT topic, 0, last_at FROM topics WHERE learner_id = $1 AND topic_kind = 3
    ) AS o
 GROUP BY objective ORDER BY max(planned) DESC, max(last_at) DESC, objective LIMIT $4;

-- name: outlook_prerequisites
-- args: text
-- bulk
WITH k (objective) AS (VALUES ($1))
SELECT p.objective, p.prerequisite, p.strength
  FROM k JOIN objective_prerequisites p ON p.objective = k.objective;

-- name: outlook_cards
-- args: int, int
SELECT i.objective, c.stability_micro, c.memory_day,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.due_day END,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.retained END
  FROM cards c JOIN items i ON i.item = c.item
 WHERE c.learner_id = $1 AND i.objective IS NOT NULL AND c.stability_micro > 0 LIMIT $2;

-- Load samples of late.
-- name: outlook_load
-- args: int, int
SELECT count(*), avg(score) FROM loads WHERE learner_id = $1 AND at >= $2;

-- name: predictions_put
-- args: int, text, text, int, int, int, real, real, real, real, int, real, real, real, real, text, text
-- bulk
INSERT INTO struggle_predictions (learner_id, prediction, objective, day, made_at, until_at,
        probability, low, high, right_chance, evidence, recall, due, load, gap, inputs, parts)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (learner_id, prediction) DO NOTHING;

-- name: interventions_put
-- args: int, text, text, text, text, int, real, int
-- bulk
INSERT INTO interventions (learner_id, intervention, prediction, objective, type, priority, measure,
        created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (learner_id, intervention) DO NOTHING;

-- Forecasts, and the learner's last word on each: the present ones, which are those of the last day
-- on which any were made, and those whose time is over.
-- name: predictions_list
-- args: text, text, real, int, int
SELECT p.prediction, p.objective, o.name, o.complexity, c.name, l.title, p.day, p.made_at,
       p.until_at, p.probability, p.low, p.high, p.right_chance, p.evidence, p.recall, p.due,
       p.load, p.gap, p.parts, p.status, p.graded, p.wrong, p.struggled, p.resolved_at,
       f.given_at, f.actual_struggle, f.kind, f.helpfulness, f.comments
  FROM (
    SELECT * FROM struggle_predictions
     WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
       AND day = (SELECT max(day) FROM struggle_predictions
                   WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
       AND ($2 IS NULL OR status = $2) AND probability >= $3
    UNION ALL
    SELECT * FROM (
        SELECT * FROM struggle_predictions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND day < (SELECT max(day) FROM struggle_predictions
                       WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
           AND resolved_at IS NOT NULL AND ($2 IS NULL OR status = $2) AND probability >= $3
         ORDER BY day DESC, probability DESC, prediction LIMIT $4 + $5) AS past
    ) AS p
  LEFT JOIN objectives o ON o.objective = p.objective
  LEFT JOIN courses c ON c.course = o.course
  LEFT JOIN lectures l ON l.lecture = o.lecture
  LEFT JOIN prediction_feedback f ON f.learner_id = p.learner_id AND f.prediction = p.prediction
 ORDER BY p.day DESC, p.probability DESC, p.prediction LIMIT $4 OFFSET $5;

-- name: predictions_present
-- args: text, int
SELECT p.prediction, p.objective, o.name, o.complexity, c.name, l.title, p.day, p.made_at,
       p.until_at, p.probability, p.low, p.high, p.right_chance, p.evidence, p.recall, p.due,
       p.load, p.gap, p.parts, p.status, p.graded, p.wrong, p.struggled, p.resolved_at,
       f.given_at, f.actual_struggle, f.kind, f.helpfulness, f.comments
  FROM struggle_predictions p
  LEFT JOIN objectives o ON o.objective = p.objective
  LEFT JOIN courses c ON c.course = o.course
  LEFT JOIN lectures l ON l.lecture = o.lecture
  LEFT JOIN prediction_feedback f ON f.learner_id = p.learner_id AND f.prediction = p.prediction
 WHERE p.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND p.day = (SELECT max(day) FROM struggle_predictions
        WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
 ORDER BY p.probability DESC, p.prediction LIMIT $2;

-- What was proposed for forecasts.
-- name: predictions_help
-- args: text, text
-- bulk
-- engine: sqlite
WITH k (external_id, prediction) AS (VALUES ($1, $2))
SELECT i.prediction, i.intervention, i.type, i.priority, i.status, i.created_at, i.applied_at
  FROM k CROSS JOIN interventions i INDEXED BY interventions_by_prediction
 WHERE i.learner_id = (SELECT learner_id FROM learners WHERE external_id = k.external_id)
   AND i.prediction = k.prediction;
-- engine: postgres
SELECT i.prediction, i.intervention, i.type, i.priority, i.status, i.created_at, i.applied_at
  FROM unnest($1::text[], $2::text[]) AS k (external_id, prediction)
  JOIN learners n ON n.external_id = k.external_id
  JOIN interventions i ON i.learner_id = n.learner_id AND i.prediction = k.prediction;

-- What was proposed for the present ones, whose names begin with their day.
-- name: predictions_present_help
-- args: text
SELECT i.prediction, i.intervention, i.type, i.priority, i.status, i.created_at, i.applied_at
  FROM (SELECT CAST(max(day) AS TEXT) AS day FROM struggle_predictions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)) AS p
  JOIN interventions i ON i.prediction >= p.day || '-' AND i.prediction < p.day || '.'
 WHERE i.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- The present ones, and those whose time is over.
-- name: predictions_stats
-- args: text
SELECT p.n + w.n, p.pending, w.confirmed, w.false_positives, w.missed,
       CASE WHEN p.n + w.n > 0
            THEN (p.probability + w.probability_micro / 1000000.0) / (p.n + w.n) END,
       CASE WHEN p.n + w.n > 0 THEN (p.width + w.width_micro / 1000000.0) / (p.n + w.n) END
  FROM (SELECT count(*) AS n,
               coalesce(sum(CASE WHEN status = 'PENDING' THEN 1 ELSE 0 END), 0) AS pending,
               coalesce(sum(probability), 0) AS probability, coalesce(sum(high - low), 0) AS width
          FROM struggle_predictions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND day = (SELECT max(day) FROM struggle_predictions
                       WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
           AND resolved_at IS NULL) AS p
 CROSS JOIN
       (SELECT coalesce(sum(n), 0) AS n, coalesce(sum(confirmed), 0) AS confirmed,
               coalesce(sum(false_positives), 0) AS false_positives,
               coalesce(sum(missed), 0) AS missed,
               coalesce(sum(probability_micro), 0) AS probability_micro,
               coalesce(sum(width_micro), 0) AS width_micro
          FROM prediction_weeks
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)) AS w;

-- name: prediction_read
-- args: text, text
SELECT learner_id, probability, status, struggled FROM struggle_predictions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND prediction = $2;

-- name: prediction_dismiss
-- args: int, text
-- bulk
WITH k (learner_id, prediction) AS (VALUES ($1, $2))
UPDATE struggle_predictions SET status = 'DISMISSED' FROM k
 WHERE struggle_predictions.learner_id = k.learner_id
   AND struggle_predictions.prediction = k.prediction AND status = 'PENDING';

-- name: feedback_put
-- args: int, text, int, int, text, int, text
-- bulk
INSERT INTO prediction_feedback (learner_id, prediction, given_at, actual_struggle, kind,
        helpfulness, comments)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (learner_id, prediction) DO UPDATE SET
        given_at = excluded.given_at, actual_struggle = excluded.actual_struggle,
        kind = excluded.kind, helpfulness = excluded.helpfulness, comments = excluded.comments;

-- name: interventions_list
-- args: text, int
SELECT i.intervention, i.prediction, i.objective, o.name, i.type, i.priority, i.measure, i.status,
       i.created_at, i.applied_at, i.mission, i.actions, p.struggled
  FROM interventions i
  LEFT JOIN struggle_predictions p
    ON p.learner_id = i.learner_id AND p.prediction = i.prediction
  LEFT JOIN objectives o ON o.objective = i.objective
 WHERE i.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND (i.status IN ('IN_PROGRESS', 'COMPLETED') OR
        (i.status = 'PENDING' AND (i.prediction IS NULL OR
             (p.day = (SELECT max(day) FROM struggle_predictions
                         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
              AND p.resolved_at IS NULL AND p.status = 'PENDING'))))
 ORDER BY i.priority DESC, i.created_at DESC, i.intervention LIMIT $2;

-- name: interventions_open
-- args: text
-- engine: sqlite
SELECT coalesce(sum((SELECT count(*) FROM interventions i INDEXED BY interventions_by_prediction
                      WHERE i.learner_id = p.learner_id AND i.prediction = p.prediction
                        AND i.status = 'PENDING')), 0)
  FROM struggle_predictions p
 WHERE p.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND p.day = (SELECT max(day) FROM struggle_predictions
        WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
   AND p.resolved_at IS NULL AND p.status = 'PENDING';
-- engine: postgres
SELECT count(*) FROM struggle_predictions p
  JOIN interventions i ON i.learner_id = p.learner_id AND i.prediction = p.prediction
 WHERE p.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND p.day = (SELECT max(day) FROM struggle_predictions
        WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
   AND p.resolved_at IS NULL AND p.status = 'PENDING' AND i.status = 'PENDING';

-- Judged forecasts, and how many were right at a threshold of one half.
-- name: predictions_right
-- args: text
SELECT coalesce(sum(judged), 0), coalesce(sum(hit), 0) FROM prediction_weeks
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: predictions_weeks
-- args: text
SELECT week, judged, hit FROM prediction_weeks
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND judged > 0
 ORDER BY week DESC LIMIT 26;

-- name: predictions_parts
-- args: text
SELECT parts FROM struggle_predictions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY day DESC LIMIT 200;

-- name: interventions_effect
-- args: text
SELECT i.type, count(*), count(p.struggled), sum(CASE WHEN p.struggled = 0 THEN 1 ELSE 0 END)
  FROM interventions i
  LEFT JOIN struggle_predictions p
    ON p.learner_id = i.learner_id AND p.prediction = i.prediction
 WHERE i.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND i.applied_at IS NOT NULL
 GROUP BY i.type ORDER BY i.type;

-- name: predictions_counts
-- args: text
SELECT (SELECT count(*) FROM struggle_predictions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND day = (SELECT max(day) FROM struggle_predictions
                       WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
           AND resolved_at IS NULL) +
       (SELECT coalesce(sum(n), 0) FROM prediction_weeks
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)),
       (SELECT count(*) FROM prediction_feedback
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1));

-- name: interventions_since
-- args: text
SELECT min(applied_at) FROM interventions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: predictions_outcomes
-- args: text, int
SELECT made_at, until_at, struggled, graded FROM struggle_predictions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND struggled IS NOT NULL
 ORDER BY until_at DESC LIMIT $2;

-- name: intervention_read
-- args: text, text
SELECT type, status, objective, prediction FROM interventions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND intervention = $2;

-- The mission that is wanted, else the next one; and the minutes it gives the objective.
-- name: intervention_mission
-- args: text, text, text, int
SELECT m.mission, mo.estimated_minutes FROM missions m
  LEFT JOIN mission_objectives mo
    ON mo.learner_id = m.learner_id AND mo.mission = m.mission
   AND mo.objective = (SELECT i.objective FROM interventions i
                        WHERE i.learner_id = m.learner_id AND i.intervention = $2)
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND m.status IN ('PENDING', 'IN_PROGRESS') AND m.day >= $4
   AND ($3 IS NULL OR m.mission = $3)
 ORDER BY m.day, m.mission LIMIT 1;

-- name: intervention_prerequisites
-- args: text, text
SELECT p.prerequisite FROM objective_prerequisites p
 WHERE p.objective = (SELECT i.objective FROM interventions i
         WHERE i.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND i.intervention = $2)
 ORDER BY p.strength DESC, p.prerequisite LIMIT 3;

-- name: intervention_apply
-- args: int, text, int, text, text
UPDATE interventions SET status = 'IN_PROGRESS', applied_at = $3, mission = $4, actions = $5
 WHERE learner_id = $1 AND intervention = $2 AND status = 'PENDING';

-- name: prediction_treat
-- args: int, text
UPDATE struggle_predictions SET treated = 1 WHERE learner_id = $1 AND prediction = $2;
