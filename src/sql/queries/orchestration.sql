-- When to study, for how long, and what (src/api/orchestra.c, schedule.c, session_plan.c).

-- name: orchestra_hours
-- args: text
SELECT slot, sessions, answers + reviews, correct + recalled
  FROM hours WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- The columns of session_spans, and what came of each session; oldest first.
-- name: orchestra_sessions
-- args: text, int, int, int
SELECT first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms, pauses,
       pause_ms_sum, resumes, resume_ms_sum, active_ms, untimed, session, answers + reviews,
       correct + recalled
  FROM sessions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND first_at BETWEEN $2 AND $3
 ORDER BY first_at, session LIMIT $4;

-- name: orchestra_preference
-- args: text
SELECT preferred_study_time FROM learners WHERE external_id = $1;

-- name: orchestra_lengths
-- args: text
SELECT bucket, sessions, completed
  FROM lengths WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: orchestra_adaptations
-- args: text
SELECT type, measure, made_at, adaptation
  FROM schedule_adaptations
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND measure IS NOT NULL
 ORDER BY made_at DESC, adaptation LIMIT 200;

-- name: exams_of_learner
-- args: text
SELECT exam, course, name, day, created_at
  FROM exams WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY day, exam LIMIT 200;

-- As mission_due, with what a review needs, and cards of no objective too.
-- name: plan_due
-- args: text, int, int
SELECT i.objective, c.stability_micro, c.memory_day,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.due_day END,
       CASE WHEN c.retained_reviews = c.memory_reviews THEN c.retained END,
       c.item, c.difficulty_micro
  FROM cards c LEFT JOIN items i ON i.item = c.item
 WHERE c.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND c.stability_micro > 0
   AND CASE WHEN c.retained_reviews = c.memory_reviews THEN c.due_day <= $2
            ELSE c.memory_day * 1000000 + c.stability_micro <= $2 * 1000000 END
 ORDER BY c.item LIMIT $3;

-- The mission that is named, or else the latest one that is open.
-- name: plan_mission
-- args: text, text
SELECT mission, day, status, estimated_minutes
  FROM missions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND (mission = $2 OR (CAST($2 AS TEXT) IS NULL AND status IN ('PENDING', 'IN_PROGRESS')))
 ORDER BY day DESC, mission DESC LIMIT 1;

-- name: plan_mission_objectives
-- args: text, text
SELECT mo.objective, o.name, o.complexity, o.high_yield, o.course, mo.completed_at
  FROM (SELECT learner_id, mission FROM missions
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND (mission = $2 OR (CAST($2 AS TEXT) IS NULL AND status IN ('PENDING', 'IN_PROGRESS')))
         ORDER BY day DESC, mission DESC LIMIT 1) AS m
  JOIN mission_objectives mo ON mo.learner_id = m.learner_id AND mo.mission = m.mission
  LEFT JOIN objectives o ON o.objective = mo.objective
 ORDER BY mo.position, mo.objective LIMIT 200;

-- name: session_plan_add
-- args: int, text, text, int, int, int, text, real, int, text
-- bulk
INSERT INTO session_plans (learner_id, plan, mission, starts_at, ends_at, asked_minutes, intensity,
        confidence, created_at, content)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (learner_id, plan) DO NOTHING;

-- name: planned_session_add
-- args: int, text, int, int, text, int
-- bulk
INSERT INTO planned_sessions (learner_id, plan, starts_at, ends_at, title, state, changed_at)
    VALUES ($1, $2, $3, $4, $5, 'PLANNED', $6)
    ON CONFLICT (learner_id, plan) DO NOTHING;

-- What stands where another plan comes: it begins within four hours before $3's start at most.
-- name: planned_session_displace
-- args: int, text, int, int, int
UPDATE planned_sessions SET state = 'CANCELLED', changed_at = $5
 WHERE learner_id = $1 AND plan <> $2 AND state = 'PLANNED'
   AND starts_at BETWEEN $3 - 14400000000 AND $4 AND starts_at < $4 AND ends_at > $3;

-- name: planned_session_cancel
-- args: int, text, int
UPDATE planned_sessions SET state = 'CANCELLED', changed_at = $3
 WHERE learner_id = $1 AND plan = $2 AND state = 'PLANNED';

-- name: session_plan_trim
-- args: int, int
DELETE FROM session_plans
 WHERE learner_id = $1 AND plan IN
       (SELECT plan FROM session_plans WHERE learner_id = $1
         ORDER BY starts_at DESC, plan DESC LIMIT 1000 OFFSET $2);

-- What calendars need not be told of any more.
-- name: planned_session_trim
-- args: int, int
DELETE FROM planned_sessions
 WHERE learner_id = $1 AND state = 'CANCELLED' AND caldav_href IS NULL AND changed_at < $2;

-- name: session_plan_one
-- args: text, text
SELECT s.plan, s.mission, s.starts_at, s.ends_at, s.asked_minutes, s.intensity, s.confidence,
       s.created_at, coalesce(p.state, 'CANCELLED'), p.title, p.changed_at, s.content
  FROM session_plans s LEFT JOIN planned_sessions p ON p.learner_id = s.learner_id AND p.plan = s.plan
 WHERE s.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND s.plan = $2;

-- Latest start first, behind the place ($4, $5) if there is one.
-- name: session_plan_list
-- args: text, int, int, int, text, int
SELECT s.plan, s.mission, s.starts_at, s.ends_at, s.asked_minutes, s.intensity, s.confidence,
       s.created_at, coalesce(p.state, 'CANCELLED'), p.title, p.changed_at
  FROM (SELECT * FROM session_plans
         WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND starts_at BETWEEN $2 AND $3
           AND (CAST($4 AS BIGINT) IS NULL OR starts_at < $4 OR (starts_at = $4 AND plan < $5))
         ORDER BY starts_at DESC, plan DESC LIMIT $6) AS s
  LEFT JOIN planned_sessions p ON p.learner_id = s.learner_id AND p.plan = s.plan
 ORDER BY s.starts_at DESC, s.plan DESC;

-- name: schedule_slot_put
-- args: int, text, int, int, real, real, int, int
-- bulk
INSERT INTO schedule_slots (learner_id, slot, starts_at, ends_at, score, confidence, usual, made_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (learner_id, slot) DO UPDATE SET score = excluded.score,
       confidence = excluded.confidence, usual = excluded.usual, made_at = excluded.made_at;

-- name: schedule_slot_apply
-- args: int, int, int
UPDATE schedule_slots SET applied_at = $3
 WHERE learner_id = $1 AND starts_at = $2 AND applied_at IS NULL;

-- name: schedule_slot_trim
-- args: int, int
DELETE FROM schedule_slots WHERE learner_id = $1 AND ends_at < $2;

-- name: schedule_adaptation_put
-- args: int, text, text, text, text, text, int, int
INSERT INTO schedule_adaptations (learner_id, adaptation, type, reason, old_value, new_value,
        measure, made_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (learner_id, adaptation) DO NOTHING;

-- name: schedule_adaptation_trim
-- args: int, int
DELETE FROM schedule_adaptations
 WHERE learner_id = $1 AND adaptation IN
       (SELECT adaptation FROM schedule_adaptations WHERE learner_id = $1
         ORDER BY made_at DESC, adaptation LIMIT 1000 OFFSET $2);

-- name: exam_count
-- args: int
SELECT count(*) FROM exams WHERE learner_id = $1;

-- name: exam_put
-- args: int, text, text, text, int, int
INSERT INTO exams (learner_id, exam, course, name, day, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id, exam) DO NOTHING;

-- name: exam_drop
-- args: int, text
DELETE FROM exams WHERE learner_id = $1 AND exam = $2;
