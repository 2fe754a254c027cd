-- Objectives one by one (src/api/objectives.c, src/api/study_performance.c).

-- name: objective_catalogue
-- args: text
SELECT objective, name, complexity, high_yield, course FROM objectives WHERE objective = $1;

-- name: objective_needs
-- args: text, int
SELECT p.prerequisite, o.name, p.strength
  FROM objective_prerequisites p JOIN objectives o ON o.objective = p.prerequisite
 WHERE p.objective = $1 ORDER BY p.strength DESC, p.prerequisite LIMIT $2;

-- name: objective_opens
-- args: text, int
SELECT p.objective, o.name, p.strength
  FROM objective_prerequisites p JOIN objectives o ON o.objective = p.objective
 WHERE p.prerequisite = $1 ORDER BY p.strength DESC, p.objective LIMIT $2;

-- name: objective_cards
-- args: text, text, int
SELECT c.stability_micro, c.memory_day,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.due_day END,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.retained END
  FROM items i JOIN cards c ON c.item = i.item
   AND c.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 WHERE i.objective = $2 AND c.stability_micro > 0 LIMIT $3;

-- name: objective_forecast
-- args: text, text
SELECT probability, low, high, made_at, until_at FROM struggle_predictions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND day = (SELECT max(day) FROM struggle_predictions
              WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
   AND resolved_at IS NULL AND objective = $2 LIMIT 1;

-- Those of all objectives that look bad.
-- name: objective_forecasts
-- args: text, real
SELECT objective, probability FROM struggle_predictions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND day = (SELECT max(day) FROM struggle_predictions
              WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1))
   AND resolved_at IS NULL AND probability >= $2
 ORDER BY objective LIMIT 500;

-- name: performance_allowed
-- args: text
SELECT performance_tracking_enabled FROM learners WHERE external_id = $1;

-- name: performance_days
-- args: text, int, int
SELECT day, study_ms, sessions, answers, correct, reviews, recalled, load_n, load_micro
  FROM days
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND day BETWEEN $2 AND $3
 ORDER BY day;
