-- Everything that is stored about one learner, table by table.

-- name: export_learner
-- args: text
SELECT learner_id, email, name, zone, created_at, updated_at, auto_generate_missions, default_mission_minutes,
       mission_difficulty, preferred_study_time, include_in_analytics, performance_tracking_enabled,
       behavioral_analysis_enabled, learning_style_profiling_enabled, share_anonymized_patterns,
       share_peer_calibration_data, medical_school, graduation_year
  FROM learners WHERE external_id = $1;

-- name: export_consents
-- args: int
SELECT at, setting, old_value, new_value, actor
  FROM consents WHERE learner_id = $1 ORDER BY at, setting;

-- name: export_events
-- args: int
SELECT id, at, kind, session, item, skills, correct, score, rating, duration_ms, latency_ms, confidence,
       modality, course, objective, data, untimed, received_at
  FROM events WHERE learner_id = $1 ORDER BY at, id;

-- name: export_sessions
-- args: int
SELECT session, first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms, mission, pauses,
       active_ms, events, answers, correct, reviews, recalled, new_cards, objectives_total, objectives_done,
       notes, notes_at, untimed
  FROM sessions WHERE learner_id = $1 ORDER BY session;

-- name: export_session_objectives
-- args: int
SELECT session, objective, position, estimated_minutes, completed_at, time_spent_ms, self_assessment,
       confidence_rating, clinical_ms, notes
  FROM session_objectives WHERE learner_id = $1 ORDER BY session, objective;

-- name: export_session_topics
-- args: int
SELECT session, topic_kind, topic
  FROM session_topics WHERE learner_id = $1 ORDER BY session, topic_kind, topic;

-- name: export_missions
-- args: int
SELECT mission, day, status, created_at, started_at, completed_at, skipped_at, estimated_minutes, actual_minutes,
       review_card_count, new_content_count, difficulty_rating
  FROM missions WHERE learner_id = $1 ORDER BY mission;

-- name: export_mission_objectives
-- args: int
SELECT mission, objective, position, estimated_minutes, completed_at
  FROM mission_objectives WHERE learner_id = $1 ORDER BY mission, objective;

-- name: export_cards
-- args: int
SELECT item, reviews, again, hard, good, easy, first_at, last_at, last_rating
  FROM cards WHERE learner_id = $1 ORDER BY item;

-- name: export_loads
-- args: int
SELECT id, at, session, score, confidence, indicators
  FROM loads WHERE learner_id = $1 ORDER BY at, id;

-- name: export_days
-- args: int
SELECT day, study_ms, night_ms, morning_ms, afternoon_ms, evening_ms, sessions, completed, answers, correct,
       reviews, recalled, load_n, events
  FROM days WHERE learner_id = $1 ORDER BY day;

-- name: export_hours
-- args: int
SELECT slot, study_ms, sessions, completed, answers, correct, reviews, recalled
  FROM hours WHERE learner_id = $1 ORDER BY slot;

-- name: export_lengths
-- args: int
SELECT bucket, sessions, completed, study_ms, answers, correct, reviews, recalled
  FROM lengths WHERE learner_id = $1 ORDER BY bucket;

-- name: export_topics
-- args: int
SELECT topic_kind, topic, study_ms, sessions, answers, correct, reviews, recalled, first_at, last_at
  FROM topics WHERE learner_id = $1 ORDER BY topic_kind, topic;

-- name: export_keys
-- args: text
-- scan: a list for one person, from a table as short as the list of clients
SELECT key_id, name, created_at, expires_at, revoked_at FROM api_keys WHERE learner = $1 ORDER BY created_at, key_id;
