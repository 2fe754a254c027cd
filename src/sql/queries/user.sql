-- The learner's own settings, and everything there is about one learner.

-- name: profile_read
-- args: text
SELECT learner_id, external_id, email, name, zone, created_at, updated_at, auto_generate_missions,
       default_mission_minutes, mission_difficulty, preferred_study_time, last_mission_adaptation,
       include_in_analytics, performance_tracking_enabled, behavioral_analysis_enabled,
       learning_style_profiling_enabled, share_anonymized_patterns, share_peer_calibration_data,
       medical_school, graduation_year
  FROM learners WHERE external_id = $1;

-- name: profile_counts
-- args: text
SELECT count(CASE WHEN topic_kind = 1 THEN 1 END), count(CASE WHEN topic_kind = 2 THEN 1 END)
  FROM topics WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                AND topic_kind IN (1, 2);

-- name: profile_write
-- args: int, text, text, int, int, int, text, text, int, int, int, int, int, int, int, text, int
UPDATE learners SET email = $2, name = $3, updated_at = $4, auto_generate_missions = $5,
       default_mission_minutes = $6, mission_difficulty = $7, preferred_study_time = $8,
       last_mission_adaptation = $9, include_in_analytics = $10, performance_tracking_enabled = $11,
       behavioral_analysis_enabled = $12, learning_style_profiling_enabled = $13,
       share_anonymized_patterns = $14, share_peer_calibration_data = $15, medical_school = $16,
       graduation_year = $17
 WHERE learner_id = $1;

-- name: consent_add
-- args: int, int, text, int, int, text
INSERT INTO consents (learner_id, at, setting, old_value, new_value, actor)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id, at, setting) DO UPDATE SET new_value = excluded.new_value,
       actor = excluded.actor;
