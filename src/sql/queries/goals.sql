-- A learner's goals (src/api/goals.c).

-- name: goals_of_learner
-- args: text
SELECT goal, type, metric, title, description, rising, start_value, current_value, target_value,
       deadline, status, version, created_at, updated_at, completed_at
  FROM goals WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY created_at DESC, goal LIMIT 200;

-- name: goal_one
-- args: text, text
SELECT goal, type, metric, title, description, rising, start_value, current_value, target_value,
       deadline, status, version, created_at, updated_at, completed_at
  FROM goals
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND goal = $2;

-- The newest, oldest first.
-- name: goal_steps
-- args: text, text, int
SELECT n.at, n.value, n.note
  FROM (SELECT version, at, value, note FROM goal_progress
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND goal = $2
         ORDER BY version DESC LIMIT $3) AS n
 ORDER BY n.version;

-- name: goal_sessions
-- args: text, int
SELECT session, coalesce(started_at, first_at), completed_at
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND first_at >= $2
 ORDER BY first_at DESC LIMIT 10;

-- name: goal_count
-- args: int
SELECT count(*) FROM goals WHERE learner_id = $1;

-- name: goal_add
-- args: int, text, text, text, text, text, int, real, real, int, int
-- bulk
INSERT INTO goals (learner_id, goal, type, metric, title, description, rising, start_value,
        current_value, target_value, deadline, status, version, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, 'ACTIVE', 1, $11, $11)
    ON CONFLICT (learner_id, goal) DO NOTHING;

-- name: goal_step
-- args: text, text, real, int, int
UPDATE goals
   SET current_value = $3, version = version + 1, updated_at = $4,
       status = CASE WHEN rising = 1 AND $3 >= target_value THEN 'COMPLETED'
                     WHEN rising = 0 AND $3 <= target_value THEN 'COMPLETED' ELSE status END,
       completed_at = CASE WHEN rising = 1 AND $3 >= target_value THEN $4
                           WHEN rising = 0 AND $3 <= target_value THEN $4 END
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND goal = $2
   AND status = 'ACTIVE' AND version < 1000 AND ($5 IS NULL OR version = $5);

-- name: goal_step_note
-- args: text, text, text
INSERT INTO goal_progress (learner_id, goal, version, at, value, note)
SELECT learner_id, goal, version, updated_at, current_value, $3
  FROM goals WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND goal = $2
    ON CONFLICT (learner_id, goal, version) DO NOTHING;

-- Those that are still to be reached, with what was last reported of them.
-- name: goals_active
-- args: int
SELECT goal, metric, current_value, version, deadline FROM goals
 WHERE learner_id = $1 AND status = 'ACTIVE' ORDER BY goal LIMIT 200;

-- name: goals_expire
-- args: int, int
UPDATE goals SET status = 'ABANDONED', version = version + 1, updated_at = $2
 WHERE learner_id = $1 AND status = 'ACTIVE' AND deadline < $2;
