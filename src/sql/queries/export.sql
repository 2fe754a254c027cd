-- Everything of one learner, table by table. What the columns are called stands in api/export.c.

-- name: export_profile
-- args: text
SELECT external_id, email, name, zone, created_at, updated_at, auto_generate_missions,
       default_mission_minutes, mission_difficulty, preferred_study_time, last_mission_adaptation,
       include_in_analytics, performance_tracking_enabled, behavioral_analysis_enabled,
       learning_style_profiling_enabled, share_anonymized_patterns, share_peer_calibration_data,
       medical_school, graduation_year
  FROM learners WHERE external_id = $1;

-- name: export_keys
-- args: text
-- scan: keys are few, and an export is rare
SELECT key_id, name, scopes, created_at, expires_at, revoked_at FROM api_keys
 WHERE learner = $1 ORDER BY key_id;

-- name: export_consents
-- args: text
SELECT at, setting, old_value, new_value, actor
  FROM consents WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY at, setting;

-- name: export_events
-- args: text
SELECT id, at, kind, untimed, session, item, skills, correct, score, rating, duration_ms,
       latency_ms, confidence, modality, course, objective, data, received_at
  FROM events WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY at, id;

-- name: export_sessions
-- args: text
SELECT session, first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms,
       mission, pauses, pause_ms_sum, resumes, resume_ms_sum, active_ms, events, answers,
       correct, reviews, recalled, rating_sum, new_cards, latency_n, latency_ms_sum,
       latency_log_micro, score_n, score_micro, objectives_total, objectives_done,
       assessment_n, assessment_sum, notes, notes_at, untimed, topics
  FROM sessions WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY session;

-- name: export_session_objectives
-- args: text
SELECT session, objective, position, estimated_minutes, completed_at, time_spent_ms,
       self_assessment, confidence_rating, clinical_ms, notes
  FROM session_objectives WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY session, objective;

-- name: export_missions
-- args: text
SELECT mission, day, status, created_at, started_at, completed_at, skipped_at,
       estimated_minutes, actual_minutes, review_card_count, new_content_count,
       difficulty_rating
  FROM missions WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY mission;

-- name: export_mission_objectives
-- args: text
SELECT mission, objective, position, estimated_minutes, completed_at
  FROM mission_objectives WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY mission, objective;

-- name: export_cards
-- args: text
-- engine: sqlite
SELECT item, reviews, again, hard, good, easy, first_at, first_session, last_at, last_rating,
       stability_micro, difficulty_micro, memory_day, memory_reviews, lapses,
       retained_reviews, due_day, lower(hex(retained))
  FROM cards WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY item;
-- engine: postgres
SELECT item, reviews, again, hard, good, easy, first_at, first_session, last_at, last_rating,
       stability_micro, difficulty_micro, memory_day, memory_reviews, lapses,
       retained_reviews, due_day, encode(retained, 'hex')
  FROM cards WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY item;

-- name: export_audits
-- args: text
SELECT slot, n, yes, p_micro, square_micro, brier_micro, loss_micro
  FROM audits WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY slot;

-- name: export_memory_fits
-- args: text
SELECT fitted_at, reviews, judged, loss_before, loss, weights, initial, decay, cards, decay_low,
       decay_high
  FROM memory_fits WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: export_analyses
-- args: text
SELECT at, version, asked_at, review_n, review_expected, review_residual, review_information,
       review_steps, review_square, review_cross, review_weight
  FROM analyses WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY at;

-- name: export_patterns
-- args: text
SELECT pattern, kind, slot, slot_last, label, present, occurrences, appeared_at, seen_at,
       nullif(vanished_at, 0), first_at, value, low, high, effect, effect_low, effect_high, p,
       bayes_factor, n, confidence
  FROM patterns WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY pattern;

-- name: export_pattern_history
-- args: text
SELECT week, pattern, present, confidence
  FROM pattern_history WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY week, pattern;

-- name: export_insights
-- args: text
SELECT insight, pattern, created_at, acknowledged_at, applied
  FROM insights WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY insight;

-- name: export_recommendations
-- args: text
SELECT recommendation, pattern, created_at, applied_at, application, settings, tracking,
       baseline_graded, baseline_succeeded
  FROM recommendations WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY recommendation;

-- name: export_goals
-- args: text
SELECT goal, type, metric, title, description, rising, start_value, current_value, target_value,
       deadline, status, version, created_at, updated_at, completed_at
  FROM goals WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY goal;

-- name: export_goal_progress
-- args: text
SELECT goal, version, at, value, note
  FROM goal_progress WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY goal, version;
-- name: export_minds
-- args: text
-- engine: sqlite
SELECT at, taken, updated_at, lower(hex(state)) FROM minds
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
-- engine: postgres
SELECT at, taken, updated_at, encode(state, 'hex') FROM minds
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: export_struggle_predictions
-- args: text
SELECT prediction, objective, day, made_at, until_at, probability, low, high, right_chance,
       evidence, recall, due, load, gap, inputs, parts, status,
       CASE WHEN day < (SELECT max(day) FROM struggle_predictions WHERE learner_id =
                (SELECT learner_id FROM learners WHERE external_id = $1)) THEN 1 ELSE 0 END, treated, graded, wrong,
       struggled, resolved_at
  FROM struggle_predictions WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY prediction;

-- name: export_prediction_weeks
-- args: text
SELECT week, n, confirmed, false_positives, missed, judged, hit, probability_micro, width_micro
  FROM prediction_weeks WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY week;

-- name: export_prediction_feedback
-- args: text
SELECT prediction, given_at, actual_struggle, kind, helpfulness, comments
  FROM prediction_feedback WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY prediction;

-- name: export_interventions
-- args: text
SELECT intervention, prediction, objective, type, priority, measure, status, created_at, applied_at,
       mission, actions, until_at
  FROM interventions WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY intervention;

-- name: export_mission_feedback
-- args: text
SELECT mission, feedback, given_at, helpfulness, relevance, pace, suggestions
  FROM mission_feedback WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY mission, feedback;

-- name: export_mission_reflections
-- args: text
SELECT milestone, written_at, version, text, satisfaction, intention
  FROM mission_reflections WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY milestone;

-- name: export_strains
-- args: text
-- engine: sqlite
SELECT at, answers, updated_at, lower(hex(state)) FROM strains
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
-- engine: postgres
SELECT at, answers, updated_at, encode(state, 'hex') FROM strains
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: export_sittings
-- args: text
SELECT start_at, end_at, minutes, answers, graded, correct, expected, load_mean, load_max,
       before_load, after_excess, after_n, topic
  FROM sittings WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY start_at;

-- name: export_strain_episodes
-- args: text
SELECT start_at, end_at, peak, recovered
  FROM strain_episodes WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY start_at;

-- name: export_stress_profiles
-- args: text
SELECT analyzed_at, sittings, answers, load_mean, tolerance, tolerance_slope, tolerance_p,
       tolerance_n, recovery, recovery_low, recovery_high, episodes, recovered, onset, onset_low,
       onset_high, fatigue_p, fatigue_n
  FROM stress_profiles WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: export_stress_patterns
-- args: text
SELECT pattern, type, condition, topic, with_n, without_n, with_load, without_load, effect, low,
       high, p, p_adjusted, present, first_at, seen_at
  FROM stress_patterns WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY pattern;

-- name: export_loads
-- args: text
SELECT at, id, session, score, confidence, indicators
  FROM loads WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY at, id;

-- name: export_days
-- args: text
SELECT day, study_ms, night_ms, morning_ms, afternoon_ms, evening_ms, sessions, completed,
       answers, correct, reviews, recalled, latency_n, latency_log_micro, load_n, load_micro,
       load_max_micro, events
  FROM days WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY day;

-- name: export_hours
-- args: text
SELECT slot, study_ms, sessions, completed, answers, correct, reviews, recalled, assessment_n,
       assessment_sum
  FROM hours WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY slot;

-- name: export_lengths
-- args: text
SELECT bucket, sessions, completed, study_ms, answers, correct, reviews, recalled, planned,
       plan_done_micro
  FROM lengths WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY bucket;

-- name: export_topics
-- args: text
SELECT topic_kind, topic, study_ms, sessions, answers, correct, reviews, recalled, score_n,
       score_micro, first_at, last_at
  FROM topics WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY topic_kind, topic;

-- name: export_totals
-- args: text
SELECT version, events, untimed, first_at, last_at, study_ms, sessions, completed, answers,
       correct, reviews, recalled, latency_n, latency_log_micro, latency_log_sq_micro, loads,
       load_micro
  FROM totals WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY learner_id;

-- name: export_calendars
-- args: text
SELECT provider, name, push, connected_at, synced_at, tried_at, failure, covers_until, cut
  FROM calendars WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY provider;

-- name: export_calendar_feeds
-- args: text
SELECT created_at
  FROM calendar_feeds WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: export_busy_times
-- args: text
SELECT starts_at, ends_at, provider, event, title, all_day, tentative
  FROM busy_times WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY starts_at, provider, event;

-- name: export_planned_sessions
-- args: text
SELECT plan, starts_at, ends_at, title, state, changed_at, caldav_href, caldav_at
  FROM planned_sessions WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY starts_at, plan;

-- name: export_personal_preferences
-- args: text
SELECT level, mission_on, content_on, assessment_on, session_on, auto_adapt, disabled_features,
       version, updated_at
  FROM personalization_preferences
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: export_personal_configs
-- args: text
SELECT context, variant, held_out, day, activated_at, deactivated_at
  FROM personalization_configs
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY context;

-- name: export_personal_choices
-- args: text
SELECT day, context, variant, propensity, control, learnable, source, made_at, reward, outcome,
       settled_at
  FROM personalization_choices
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY day, context;

-- name: export_personal_outcomes
-- args: text
SELECT outcome, at, type, context, day, observed, retention, performance, completion, satisfaction,
       engagement, minutes, content_type, difficulty, reward, received_at
  FROM personalization_outcomes
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY outcome;

-- name: export_personal_events
-- args: text
SELECT at, event, type, context, variant, old_value, new_value, reason, score
  FROM personalization_events
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY at, event;

-- name: export_session_plans
-- args: text
SELECT plan, mission, starts_at, ends_at, asked_minutes, intensity, confidence, created_at, content
  FROM session_plans WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY starts_at, plan;

-- name: export_schedule_slots
-- args: text
SELECT slot, starts_at, ends_at, score, confidence, usual, made_at, applied_at
  FROM schedule_slots WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY starts_at, slot;

-- name: export_schedule_adaptations
-- args: text
SELECT adaptation, type, reason, old_value, new_value, measure, made_at
  FROM schedule_adaptations
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY made_at, adaptation;

-- name: export_exams
-- args: text
SELECT exam, course, name, day, created_at
  FROM exams WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY day, exam;

-- name: export_personal_trials
-- args: text
SELECT began_day, held_out, before_graded, before_right, before_ms, after_graded, after_right,
       after_ms
  FROM personalization_trials
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
