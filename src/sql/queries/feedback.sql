-- What a learner thinks of missions (src/api/mission_feedback.c).

-- name: learner_id
-- args: text
SELECT learner_id FROM learners WHERE external_id = $1;

-- Its version counts what was told of it: its events, its objectives', and opinions.
-- name: mission_version
-- args: text, text
SELECT m.learner_id,
       m.version
       + (SELECT coalesce(sum(o.completions), 0) FROM mission_objectives o
           WHERE o.learner_id = m.learner_id AND o.mission = m.mission)
       + (SELECT count(*) FROM mission_feedback f
           WHERE f.learner_id = m.learner_id AND f.mission = m.mission)
  FROM missions m
 WHERE m.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND m.mission = $2;

-- name: mission_feedback_list
-- args: text, text, int
SELECT feedback, mission, given_at, helpfulness, relevance, pace, suggestions
  FROM mission_feedback
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND mission = $2
 ORDER BY given_at DESC, feedback LIMIT $3;

-- name: mission_feedback_sums
-- args: text, text
SELECT count(*), coalesce(sum(helpfulness), 0), coalesce(sum(relevance), 0),
       coalesce(sum(CASE WHEN pace = 'TOO_SLOW' THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN pace = 'JUST_RIGHT' THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN pace = 'TOO_FAST' THEN 1 ELSE 0 END), 0)
  FROM mission_feedback
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND mission = $2;

-- name: mission_feedback_all_sums
-- args: text
SELECT count(*), coalesce(sum(helpfulness), 0), coalesce(sum(relevance), 0),
       coalesce(sum(CASE WHEN pace = 'TOO_SLOW' THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN pace = 'JUST_RIGHT' THEN 1 ELSE 0 END), 0),
       coalesce(sum(CASE WHEN pace = 'TOO_FAST' THEN 1 ELSE 0 END), 0)
  FROM mission_feedback
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: mission_feedback_add
-- args: int, text, text, int, int, int, text, text
-- bulk
INSERT INTO mission_feedback (learner_id, mission, feedback, given_at, helpfulness, relevance, pace,
        suggestions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (learner_id, mission, feedback) DO NOTHING;

-- name: missions_completed
-- args: text
SELECT count(*) FROM missions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND status = 'COMPLETED';

-- name: mission_reflections
-- args: text, int
SELECT milestone, written_at, version, text, satisfaction, intention FROM mission_reflections
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY milestone DESC LIMIT $2;

-- Without a version, or with the one that is there.
-- name: mission_reflection_put
-- args: int, int, int, text, int, text, int
INSERT INTO mission_reflections (learner_id, milestone, written_at, version, text, satisfaction, intention)
SELECT l.learner_id, $2, $3, 1, $4, $5, $6 FROM learners l
 WHERE l.learner_id = $1
   AND (CAST($7 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM mission_reflections r
         WHERE r.learner_id = $1 AND r.milestone = $2 AND r.version = $7))
    ON CONFLICT (learner_id, milestone) DO UPDATE
       SET written_at = excluded.written_at, version = mission_reflections.version + 1,
           text = excluded.text, satisfaction = excluded.satisfaction, intention = excluded.intention
     WHERE CAST($7 AS BIGINT) IS NULL OR mission_reflections.version = $7;
