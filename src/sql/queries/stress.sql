-- Strain, stress, and what relieves it (src/api/relief.c, src/api/stress.c, src/night/strain.c).

-- The mission that is named, else the next open one from day $3 on.
-- name: relief_mission
-- args: text, text, int
SELECT mission, day, status, planned_minutes, estimated_minutes FROM missions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND (CAST($2 AS TEXT) IS NULL OR mission = $2)
   AND (CAST($2 AS TEXT) IS NOT NULL OR (day >= $3 AND status IN ('PENDING', 'IN_PROGRESS')))
 ORDER BY day, mission LIMIT 1;

-- What was taken on; asked for again, the last wish counts.
-- name: relief_put
-- args: int, text, text, int, real, int, text, text, int
-- bulk
INSERT INTO interventions (learner_id, intervention, type, priority, measure, status, created_at,
        applied_at, mission, actions, until_at)
    VALUES ($1, $2, $3, $4, $5, 'IN_PROGRESS', $6, $6, $7, $8, $9)
    ON CONFLICT (learner_id, intervention) DO UPDATE SET
        measure = excluded.measure, applied_at = excluded.applied_at, actions = excluded.actions,
        until_at = excluded.until_at, status = excluded.status;

-- What relieves the learner now.
-- name: relief_now
-- args: text, int
SELECT type, applied_at, until_at FROM interventions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND status = 'IN_PROGRESS' AND until_at > $2
 ORDER BY until_at DESC, intervention LIMIT 10;
