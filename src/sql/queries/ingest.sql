-- Of the writers: learners, the log, and the rows that are derived from it. What a row means stands in
-- the migrations; how events change it, in docs/events.md.

-- Locked in one order, so that writers of several processes wait for each other instead of
-- deadlocking, and a learner's events are applied one group after the other.
-- name: ingest_learners
-- args: text
-- bulk
-- engine: sqlite
WITH k (external_id) AS (VALUES ($1))
SELECT l.external_id, l.learner_id, l.zone, l.behavioral_analysis_enabled FROM k
  JOIN learners l ON l.external_id = k.external_id;
-- engine: postgres
SELECT l.external_id, l.learner_id, l.zone, l.behavioral_analysis_enabled FROM learners l
 WHERE l.external_id = ANY ($1::text[]) ORDER BY l.learner_id FOR UPDATE;

-- name: ingest_learners_add
-- args: text, int
-- bulk
INSERT INTO learners (external_id, created_at, updated_at) VALUES ($1, $2, $2)
    ON CONFLICT DO NOTHING;

-- name: ingest_events_add
-- args: int, int, text, int, int, text, text, text, int, real, int, int, int, real, text, text, text, text, text, int
-- bulk
-- key: 1, 3
INSERT INTO events (learner_id, at, id, kind, untimed, session, item, skills, correct, score, rating,
        duration_ms, latency_ms, confidence, modality, course, objective, mission, data, received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
    ON CONFLICT (learner_id, id) DO NOTHING;

-- For a group that should be all new: a conflict fails it, and the group is run again with the
-- statement above. Looking for what is there before each row costs PostgreSQL half of the insert.
-- name: ingest_events_new
-- args: int, int, text, int, int, text, text, text, int, real, int, int, int, real, text, text, text, text, text, int
-- bulk
INSERT INTO events (learner_id, at, id, kind, untimed, session, item, skills, correct, score, rating,
        duration_ms, latency_ms, confidence, modality, course, objective, mission, data, received_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20);

-- Rows by their keys. PostgreSQL is told to look each key up: it does not know how few there are, and
-- would rather read a small table whole.
-- name: ingest_sessions_read
-- args: int, text
-- bulk
-- engine: sqlite
WITH k (learner_id, session) AS (VALUES ($1, $2))
SELECT t.learner_id, t.session, t.first_at, t.last_at, t.started_at, t.completed_at,
       t.declared_ms, t.declared_pause_ms, t.mission, t.pauses, t.pause_ms_sum, t.resumes,
       t.resume_ms_sum, t.active_ms, t.events, t.answers, t.correct, t.reviews, t.recalled,
       t.rating_sum, t.new_cards, t.latency_n, t.latency_ms_sum, t.latency_log_micro,
       t.score_n, t.score_micro, t.objectives_total, t.objectives_done, t.assessment_n,
       t.assessment_sum, t.notes, t.notes_at, t.untimed, t.topics
  FROM k JOIN sessions t ON t.learner_id = k.learner_id AND t.session = k.session;
-- engine: postgres
SELECT t.learner_id, t.session, t.first_at, t.last_at, t.started_at, t.completed_at,
       t.declared_ms, t.declared_pause_ms, t.mission, t.pauses, t.pause_ms_sum, t.resumes,
       t.resume_ms_sum, t.active_ms, t.events, t.answers, t.correct, t.reviews, t.recalled,
       t.rating_sum, t.new_cards, t.latency_n, t.latency_ms_sum, t.latency_log_micro,
       t.score_n, t.score_micro, t.objectives_total, t.objectives_done, t.assessment_n,
       t.assessment_sum, t.notes, t.notes_at, t.untimed, t.topics
  FROM unnest($1::bigint[], $2::text[]) AS k (learner_id, session)
 CROSS JOIN LATERAL (SELECT * FROM sessions r WHERE r.learner_id = k.learner_id AND r.session = k.session LIMIT 1) t;

-- name: ingest_sessions_put
-- args: int, text, int, int, int, int, int, int, text, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, text, int, int, text
-- bulk
INSERT INTO sessions (learner_id, session, first_at, last_at, started_at, completed_at,
        declared_ms, declared_pause_ms, mission, pauses, pause_ms_sum, resumes, resume_ms_sum,
        active_ms, events, answers, correct, reviews, recalled, rating_sum, new_cards,
        latency_n, latency_ms_sum, latency_log_micro, score_n, score_micro, objectives_total,
        objectives_done, assessment_n, assessment_sum, notes, notes_at, untimed, topics)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34)
    ON CONFLICT (learner_id, session) DO UPDATE SET
        first_at = excluded.first_at, last_at = excluded.last_at,
        started_at = excluded.started_at, completed_at = excluded.completed_at,
        declared_ms = excluded.declared_ms, declared_pause_ms = excluded.declared_pause_ms,
        mission = excluded.mission, pauses = excluded.pauses,
        pause_ms_sum = excluded.pause_ms_sum, resumes = excluded.resumes,
        resume_ms_sum = excluded.resume_ms_sum, active_ms = excluded.active_ms,
        events = excluded.events, answers = excluded.answers, correct = excluded.correct,
        reviews = excluded.reviews, recalled = excluded.recalled,
        rating_sum = excluded.rating_sum, new_cards = excluded.new_cards,
        latency_n = excluded.latency_n, latency_ms_sum = excluded.latency_ms_sum,
        latency_log_micro = excluded.latency_log_micro, score_n = excluded.score_n,
        score_micro = excluded.score_micro, objectives_total = excluded.objectives_total,
        objectives_done = excluded.objectives_done, assessment_n = excluded.assessment_n,
        assessment_sum = excluded.assessment_sum, notes = excluded.notes,
        notes_at = excluded.notes_at, untimed = excluded.untimed, topics = excluded.topics;

-- name: ingest_session_objectives_read
-- args: int, text, text
-- bulk
-- engine: sqlite
WITH k (learner_id, session, objective) AS (VALUES ($1, $2, $3))
SELECT t.learner_id, t.session, t.objective, t.position, t.estimated_minutes, t.completed_at,
       t.time_spent_ms, t.self_assessment, t.confidence_rating, t.clinical_ms, t.notes
  FROM k JOIN session_objectives t ON t.learner_id = k.learner_id AND t.session = k.session
   AND t.objective = k.objective;
-- engine: postgres
SELECT t.learner_id, t.session, t.objective, t.position, t.estimated_minutes, t.completed_at,
       t.time_spent_ms, t.self_assessment, t.confidence_rating, t.clinical_ms, t.notes
  FROM unnest($1::bigint[], $2::text[], $3::text[]) AS k (learner_id, session, objective)
 CROSS JOIN LATERAL (SELECT * FROM session_objectives r WHERE r.learner_id = k.learner_id
           AND r.session = k.session AND r.objective = k.objective LIMIT 1) t;

-- name: ingest_session_objectives_put
-- args: int, text, text, int, int, int, int, int, int, int, text
-- bulk
INSERT INTO session_objectives (learner_id, session, objective, position, estimated_minutes,
        completed_at, time_spent_ms, self_assessment, confidence_rating, clinical_ms, notes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (learner_id, session, objective) DO UPDATE SET
        position = excluded.position, estimated_minutes = excluded.estimated_minutes,
        completed_at = excluded.completed_at, time_spent_ms = excluded.time_spent_ms,
        self_assessment = excluded.self_assessment,
        confidence_rating = excluded.confidence_rating, clinical_ms = excluded.clinical_ms,
        notes = excluded.notes;

-- name: ingest_missions_read
-- args: int, text
-- bulk
-- engine: sqlite
WITH k (learner_id, mission) AS (VALUES ($1, $2))
SELECT t.learner_id, t.mission, t.day, t.status, t.created_at, t.told, t.started_at,
       t.completed_at, t.skipped_at, t.estimated_minutes, t.planned_minutes, t.eased_minutes,
       t.actual_minutes, t.review_card_count, t.new_content_count, t.difficulty_rating, t.version
  FROM k JOIN missions t ON t.learner_id = k.learner_id AND t.mission = k.mission;
-- engine: postgres
SELECT t.learner_id, t.mission, t.day, t.status, t.created_at, t.told, t.started_at,
       t.completed_at, t.skipped_at, t.estimated_minutes, t.planned_minutes, t.eased_minutes,
       t.actual_minutes, t.review_card_count, t.new_content_count, t.difficulty_rating, t.version
  FROM unnest($1::bigint[], $2::text[]) AS k (learner_id, mission)
 CROSS JOIN LATERAL (SELECT * FROM missions r WHERE r.learner_id = k.learner_id AND r.mission = k.mission LIMIT 1) t;

-- name: ingest_missions_put
-- args: int, text, int, text, int, int, int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO missions (learner_id, mission, day, status, created_at, told, started_at,
        completed_at, skipped_at, estimated_minutes, planned_minutes, eased_minutes,
        actual_minutes, review_card_count, new_content_count, difficulty_rating, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (learner_id, mission) DO UPDATE SET
        day = excluded.day, status = excluded.status, created_at = excluded.created_at,
        told = excluded.told, started_at = excluded.started_at,
        completed_at = excluded.completed_at, skipped_at = excluded.skipped_at,
        estimated_minutes = excluded.estimated_minutes,
        planned_minutes = excluded.planned_minutes, eased_minutes = excluded.eased_minutes,
        actual_minutes = excluded.actual_minutes,
        review_card_count = excluded.review_card_count,
        new_content_count = excluded.new_content_count,
        difficulty_rating = excluded.difficulty_rating, version = excluded.version;

-- name: ingest_mission_objectives_read
-- args: int, text, text
-- bulk
-- engine: sqlite
WITH k (learner_id, mission, objective) AS (VALUES ($1, $2, $3))
SELECT t.learner_id, t.mission, t.objective, t.position, t.estimated_minutes, t.completed_at,
       t.completions
  FROM k JOIN mission_objectives t ON t.learner_id = k.learner_id AND t.mission = k.mission
   AND t.objective = k.objective;
-- engine: postgres
SELECT t.learner_id, t.mission, t.objective, t.position, t.estimated_minutes, t.completed_at,
       t.completions
  FROM unnest($1::bigint[], $2::text[], $3::text[]) AS k (learner_id, mission, objective)
 CROSS JOIN LATERAL (SELECT * FROM mission_objectives r WHERE r.learner_id = k.learner_id
           AND r.mission = k.mission AND r.objective = k.objective LIMIT 1) t;

-- name: ingest_mission_objectives_put
-- args: int, text, text, int, int, int, int
-- bulk
INSERT INTO mission_objectives (learner_id, mission, objective, position, estimated_minutes,
        completed_at, completions)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (learner_id, mission, objective) DO UPDATE SET
        position = excluded.position, estimated_minutes = excluded.estimated_minutes,
        completed_at = excluded.completed_at,
        completions = excluded.completions;

-- name: ingest_cards_read
-- args: int, text
-- bulk
-- engine: sqlite
WITH k (learner_id, item) AS (VALUES ($1, $2))
SELECT t.learner_id, t.item, t.reviews, t.again, t.hard, t.good, t.easy, t.first_at,
       t.first_id, t.first_session, t.last_at, t.last_id, t.last_rating, t.stability_micro,
       t.difficulty_micro, t.memory_day, t.memory_reviews, t.lapses
  FROM k JOIN cards t ON t.learner_id = k.learner_id AND t.item = k.item;
-- engine: postgres
SELECT t.learner_id, t.item, t.reviews, t.again, t.hard, t.good, t.easy, t.first_at,
       t.first_id, t.first_session, t.last_at, t.last_id, t.last_rating, t.stability_micro,
       t.difficulty_micro, t.memory_day, t.memory_reviews, t.lapses
  FROM unnest($1::bigint[], $2::text[]) AS k (learner_id, item)
 CROSS JOIN LATERAL (SELECT * FROM cards r WHERE r.learner_id = k.learner_id AND r.item = k.item LIMIT 1) t;

-- name: ingest_cards_put
-- args: int, text, int, int, int, int, int, int, text, text, int, text, int, int, int, int, int, int
-- bulk
INSERT INTO cards (learner_id, item, reviews, again, hard, good, easy, first_at, first_id,
        first_session, last_at, last_id, last_rating, stability_micro, difficulty_micro,
        memory_day, memory_reviews, lapses)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    ON CONFLICT (learner_id, item) DO UPDATE SET
        reviews = excluded.reviews, again = excluded.again, hard = excluded.hard,
        good = excluded.good, easy = excluded.easy, first_at = excluded.first_at,
        first_id = excluded.first_id, first_session = excluded.first_session,
        last_at = excluded.last_at, last_id = excluded.last_id,
        last_rating = excluded.last_rating, stability_micro = excluded.stability_micro,
        difficulty_micro = excluded.difficulty_micro, memory_day = excluded.memory_day,
        memory_reviews = excluded.memory_reviews, lapses = excluded.lapses;

-- The first so many reviews of cards, in order of time.
-- name: ingest_card_reviews
-- args: int, text, int
-- bulk
-- engine: sqlite
SELECT learner_id, item, at, id, rating
  FROM events WHERE learner_id = $1 AND item = $2 AND kind = 2 AND untimed = 0
 ORDER BY at, id LIMIT $3;
-- engine: postgres
SELECT t.learner_id, t.item, t.at, t.id, t.rating
  FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS k (learner_id, item, most)
 CROSS JOIN LATERAL (SELECT * FROM events r
                      WHERE r.learner_id = k.learner_id AND r.item = k.item AND r.kind = 2
                        AND r.untimed = 0
                      ORDER BY r.at, r.id LIMIT k.most) t;

-- name: ingest_audits_add
-- args: int, int, int, int, int, int, int, int
-- bulk
INSERT INTO audits (learner_id, slot, n, yes, p_micro, square_micro, brier_micro, loss_micro)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (learner_id, slot) DO UPDATE SET
        n = audits.n + excluded.n, yes = audits.yes + excluded.yes,
        p_micro = audits.p_micro + excluded.p_micro,
        square_micro = audits.square_micro + excluded.square_micro,
        brier_micro = audits.brier_micro + excluded.brier_micro,
        loss_micro = audits.loss_micro + excluded.loss_micro;

-- name: ingest_loads_add
-- args: int, int, text, text, real, real, text
-- bulk
INSERT INTO loads (learner_id, at, id, session, score, confidence, indicators)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- name: ingest_days_add
-- args: int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO days (learner_id, day, study_ms, night_ms, morning_ms, afternoon_ms, evening_ms,
        sessions, completed, answers, correct, reviews, recalled, latency_n, latency_log_micro,
        load_n, load_micro, load_max_micro, events)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19)
    ON CONFLICT (learner_id, day) DO UPDATE SET
        study_ms = days.study_ms + excluded.study_ms,
        night_ms = days.night_ms + excluded.night_ms,
        morning_ms = days.morning_ms + excluded.morning_ms,
        afternoon_ms = days.afternoon_ms + excluded.afternoon_ms,
        evening_ms = days.evening_ms + excluded.evening_ms,
        sessions = days.sessions + excluded.sessions,
        completed = days.completed + excluded.completed,
        answers = days.answers + excluded.answers, correct = days.correct + excluded.correct,
        reviews = days.reviews + excluded.reviews,
        recalled = days.recalled + excluded.recalled,
        latency_n = days.latency_n + excluded.latency_n,
        latency_log_micro = days.latency_log_micro + excluded.latency_log_micro,
        load_n = days.load_n + excluded.load_n,
        load_micro = days.load_micro + excluded.load_micro,
        load_max_micro = CASE WHEN excluded.load_max_micro > days.load_max_micro THEN excluded.load_max_micro ELSE days.load_max_micro END,
        events = days.events + excluded.events;

-- name: ingest_hours_add
-- args: int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO hours (learner_id, slot, study_ms, sessions, completed, answers, correct, reviews,
        recalled, assessment_n, assessment_sum)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (learner_id, slot) DO UPDATE SET
        study_ms = hours.study_ms + excluded.study_ms,
        sessions = hours.sessions + excluded.sessions,
        completed = hours.completed + excluded.completed,
        answers = hours.answers + excluded.answers, correct = hours.correct + excluded.correct,
        reviews = hours.reviews + excluded.reviews,
        recalled = hours.recalled + excluded.recalled,
        assessment_n = hours.assessment_n + excluded.assessment_n,
        assessment_sum = hours.assessment_sum + excluded.assessment_sum;

-- name: ingest_lengths_add
-- args: int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO lengths (learner_id, bucket, sessions, completed, study_ms, answers, correct,
        reviews, recalled, planned, plan_done_micro)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (learner_id, bucket) DO UPDATE SET
        sessions = lengths.sessions + excluded.sessions,
        completed = lengths.completed + excluded.completed,
        study_ms = lengths.study_ms + excluded.study_ms,
        answers = lengths.answers + excluded.answers,
        correct = lengths.correct + excluded.correct,
        reviews = lengths.reviews + excluded.reviews,
        recalled = lengths.recalled + excluded.recalled,
        planned = lengths.planned + excluded.planned,
        plan_done_micro = lengths.plan_done_micro + excluded.plan_done_micro;

-- name: ingest_topics_add
-- args: int, int, text, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO topics (learner_id, topic_kind, topic, study_ms, sessions, answers, correct,
        reviews, recalled, score_n, score_micro, first_at, last_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    ON CONFLICT (learner_id, topic_kind, topic) DO UPDATE SET
        study_ms = topics.study_ms + excluded.study_ms,
        sessions = topics.sessions + excluded.sessions,
        answers = topics.answers + excluded.answers,
        correct = topics.correct + excluded.correct,
        reviews = topics.reviews + excluded.reviews,
        recalled = topics.recalled + excluded.recalled,
        score_n = topics.score_n + excluded.score_n,
        score_micro = topics.score_micro + excluded.score_micro,
        first_at = CASE WHEN excluded.first_at < topics.first_at THEN excluded.first_at ELSE topics.first_at END,
        last_at = CASE WHEN excluded.last_at > topics.last_at THEN excluded.last_at ELSE topics.last_at END;

-- name: ingest_totals_add
-- args: int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO totals (learner_id, version, events, untimed, study_ms, sessions, completed,
        answers, correct, reviews, recalled, latency_n, latency_log_micro,
        latency_log_sq_micro, loads, load_micro, first_at, last_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    ON CONFLICT (learner_id) DO UPDATE SET
        version = totals.version + excluded.version, events = totals.events + excluded.events,
        untimed = totals.untimed + excluded.untimed,
        study_ms = totals.study_ms + excluded.study_ms,
        sessions = totals.sessions + excluded.sessions,
        completed = totals.completed + excluded.completed,
        answers = totals.answers + excluded.answers,
        correct = totals.correct + excluded.correct,
        reviews = totals.reviews + excluded.reviews,
        recalled = totals.recalled + excluded.recalled,
        latency_n = totals.latency_n + excluded.latency_n,
        latency_log_micro = totals.latency_log_micro + excluded.latency_log_micro,
        latency_log_sq_micro = totals.latency_log_sq_micro + excluded.latency_log_sq_micro,
        loads = totals.loads + excluded.loads,
        load_micro = totals.load_micro + excluded.load_micro,
        first_at = CASE WHEN totals.first_at IS NULL OR excluded.first_at < totals.first_at THEN excluded.first_at ELSE totals.first_at END,
        last_at = CASE WHEN totals.last_at IS NULL OR excluded.last_at > totals.last_at THEN excluded.last_at ELSE totals.last_at END;

-- A session that turned out to lie elsewhere takes its part away again; a rebuild would not make the
-- row that is then empty. (PostgreSQL's text may meet other empty rows of the same learners: they
-- have no business there either.)
-- name: ingest_days_drop
-- args: int, int
-- bulk
-- engine: sqlite
DELETE FROM days WHERE learner_id = $1 AND day = $2
   AND events = 0 AND study_ms = 0 AND sessions = 0;
-- engine: postgres
DELETE FROM days WHERE learner_id = ANY ($1::bigint[]) AND day = ANY ($2::bigint[])
   AND events = 0 AND study_ms = 0 AND sessions = 0;

-- name: ingest_hours_drop
-- args: int, int
-- bulk
-- engine: sqlite
DELETE FROM hours WHERE learner_id = $1 AND slot = $2
   AND study_ms = 0 AND sessions = 0 AND answers = 0 AND reviews = 0 AND assessment_n = 0;
-- engine: postgres
DELETE FROM hours WHERE learner_id = ANY ($1::bigint[]) AND slot = ANY ($2::bigint[])
   AND study_ms = 0 AND sessions = 0 AND answers = 0 AND reviews = 0 AND assessment_n = 0;

-- name: ingest_lengths_drop
-- args: int, int
-- bulk
-- engine: sqlite
DELETE FROM lengths WHERE learner_id = $1 AND bucket = $2
   AND sessions = 0;
-- engine: postgres
DELETE FROM lengths WHERE learner_id = ANY ($1::bigint[]) AND bucket = ANY ($2::bigint[])
   AND sessions = 0;

-- name: ingest_audits_drop
-- args: int, int
-- bulk
-- engine: sqlite
DELETE FROM audits WHERE learner_id = $1 AND slot = $2
   AND n = 0;
-- engine: postgres
DELETE FROM audits WHERE learner_id = ANY ($1::bigint[]) AND slot = ANY ($2::bigint[])
   AND n = 0;

-- name: ingest_events_page
-- args: int, int, text, int
SELECT at, id, kind, untimed, session, item, skills, correct, score, rating, duration_ms,
       latency_ms, confidence, modality, course, objective, mission, data
  FROM events WHERE learner_id = $1 AND (at, id) > ($2, $3) ORDER BY at, id LIMIT $4;

-- name: rebuild_learners
-- args: int, int
SELECT learner_id, external_id FROM learners WHERE learner_id > $1 ORDER BY learner_id LIMIT $2;

-- All columns of a learner's derived rows, in the order of their keys; totals without its version.
-- name: rebuild_rows_sessions
-- args: int
SELECT session, first_at, last_at, started_at, completed_at, declared_ms, declared_pause_ms,
       mission, pauses, pause_ms_sum, resumes, resume_ms_sum, active_ms, events, answers,
       correct, reviews, recalled, rating_sum, new_cards, latency_n, latency_ms_sum,
       latency_log_micro, score_n, score_micro, objectives_total, objectives_done, assessment_n,
       assessment_sum, notes, notes_at, untimed, topics
  FROM sessions WHERE learner_id = $1 ORDER BY session;

-- name: rebuild_rows_session_objectives
-- args: int
SELECT session, objective, position, estimated_minutes, completed_at, time_spent_ms,
       self_assessment, confidence_rating, clinical_ms, notes
  FROM session_objectives WHERE learner_id = $1 ORDER BY session, objective;

-- name: rebuild_rows_missions
-- args: int
SELECT mission, day, status, created_at, told, started_at, completed_at, skipped_at,
       estimated_minutes, planned_minutes, eased_minutes, actual_minutes, review_card_count,
       new_content_count, difficulty_rating, version
  FROM missions WHERE learner_id = $1 ORDER BY mission;

-- name: rebuild_rows_mission_objectives
-- args: int
SELECT mission, objective, position, estimated_minutes, completed_at, completions
  FROM mission_objectives WHERE learner_id = $1 ORDER BY mission, objective;

-- name: rebuild_rows_cards
-- args: int
SELECT item, reviews, again, hard, good, easy, first_at, first_id, first_session, last_at,
       last_id, last_rating, stability_micro, difficulty_micro, memory_day, memory_reviews, lapses
  FROM cards WHERE learner_id = $1 ORDER BY item;

-- Those of recall: forecasts of other models were made with what was known then.
-- name: rebuild_rows_audits
-- args: int
SELECT slot, n, yes, p_micro, square_micro, brier_micro, loss_micro
  FROM audits WHERE learner_id = $1 AND slot < 128 ORDER BY slot;

-- name: rebuild_rows_loads
-- args: int
SELECT at, id, session, score, confidence, indicators
  FROM loads WHERE learner_id = $1 ORDER BY at, id;

-- name: rebuild_rows_days
-- args: int
SELECT day, study_ms, night_ms, morning_ms, afternoon_ms, evening_ms, sessions, completed,
       answers, correct, reviews, recalled, latency_n, latency_log_micro, load_n, load_micro,
       load_max_micro, events
  FROM days WHERE learner_id = $1 ORDER BY day;

-- name: rebuild_rows_hours
-- args: int
SELECT slot, study_ms, sessions, completed, answers, correct, reviews, recalled, assessment_n,
       assessment_sum
  FROM hours WHERE learner_id = $1 ORDER BY slot;

-- name: rebuild_rows_lengths
-- args: int
SELECT bucket, sessions, completed, study_ms, answers, correct, reviews, recalled, planned,
       plan_done_micro
  FROM lengths WHERE learner_id = $1 ORDER BY bucket;

-- name: rebuild_rows_topics
-- args: int
SELECT topic_kind, topic, study_ms, sessions, answers, correct, reviews, recalled, score_n,
       score_micro, first_at, last_at
  FROM topics WHERE learner_id = $1 ORDER BY topic_kind, topic;

-- name: rebuild_rows_totals
-- args: int
SELECT events, untimed, first_at, last_at, study_ms, sessions, completed, answers, correct,
       reviews, recalled, latency_n, latency_log_micro, latency_log_sq_micro, loads, load_micro
  FROM totals WHERE learner_id = $1;

-- Everything of a learner; the derived rows alone are what a rebuild takes away first.
-- name: learner_drop_sessions
-- args: int
DELETE FROM sessions WHERE learner_id = $1;

-- name: learner_drop_session_objectives
-- args: int
DELETE FROM session_objectives WHERE learner_id = $1;

-- name: learner_drop_missions
-- args: int
DELETE FROM missions WHERE learner_id = $1;

-- name: learner_drop_mission_objectives
-- args: int
DELETE FROM mission_objectives WHERE learner_id = $1;

-- name: learner_drop_cards
-- args: int
DELETE FROM cards WHERE learner_id = $1;

-- name: learner_drop_audits
-- args: int
DELETE FROM audits WHERE learner_id = $1 AND slot < 128;

-- name: learner_drop_forecasts
-- args: int
DELETE FROM audits WHERE learner_id = $1 AND slot >= 128;

-- name: learner_drop_minds
-- args: int
DELETE FROM minds WHERE learner_id = $1;

-- name: learner_drop_prediction_weeks
-- args: int
DELETE FROM prediction_weeks WHERE learner_id = $1;

-- name: learner_drop_struggle_predictions
-- args: int
DELETE FROM struggle_predictions WHERE learner_id = $1;

-- name: learner_drop_prediction_feedback
-- args: int
DELETE FROM prediction_feedback WHERE learner_id = $1;

-- name: learner_drop_interventions
-- args: int
DELETE FROM interventions WHERE learner_id = $1;

-- name: learner_drop_strains
-- args: int
DELETE FROM strains WHERE learner_id = $1;

-- name: learner_drop_sittings
-- args: int
DELETE FROM sittings WHERE learner_id = $1;

-- name: learner_drop_strain_episodes
-- args: int
DELETE FROM strain_episodes WHERE learner_id = $1;

-- name: learner_drop_stress_profiles
-- args: int
DELETE FROM stress_profiles WHERE learner_id = $1;

-- name: learner_drop_stress_patterns
-- args: int
DELETE FROM stress_patterns WHERE learner_id = $1;

-- name: learner_drop_loads
-- args: int
DELETE FROM loads WHERE learner_id = $1;

-- name: learner_drop_days
-- args: int
DELETE FROM days WHERE learner_id = $1;

-- name: learner_drop_hours
-- args: int
DELETE FROM hours WHERE learner_id = $1;

-- name: learner_drop_lengths
-- args: int
DELETE FROM lengths WHERE learner_id = $1;

-- name: learner_drop_topics
-- args: int
DELETE FROM topics WHERE learner_id = $1;

-- name: learner_drop_totals
-- args: int
DELETE FROM totals WHERE learner_id = $1;

-- name: learner_drop_memory_fits
-- args: int
DELETE FROM memory_fits WHERE learner_id = $1;

-- name: learner_drop_analyses
-- args: int
DELETE FROM analyses WHERE learner_id = $1;

-- name: learner_drop_patterns
-- args: int
DELETE FROM patterns WHERE learner_id = $1;

-- name: learner_drop_pattern_history
-- args: int
DELETE FROM pattern_history WHERE learner_id = $1;

-- name: learner_drop_insights
-- args: int
DELETE FROM insights WHERE learner_id = $1;

-- name: learner_drop_recommendations
-- args: int
DELETE FROM recommendations WHERE learner_id = $1;

-- name: learner_drop_goals
-- args: int
DELETE FROM goals WHERE learner_id = $1;

-- name: learner_drop_goal_progress
-- args: int
DELETE FROM goal_progress WHERE learner_id = $1;

-- name: learner_drop_mission_feedback
-- args: int
DELETE FROM mission_feedback WHERE learner_id = $1;

-- name: learner_drop_mission_reflections
-- args: int
DELETE FROM mission_reflections WHERE learner_id = $1;

-- name: learner_drop_idempotency
-- args: int
DELETE FROM idempotency WHERE learner_id = $1;

-- name: learner_drop_personal_configs
-- args: int
DELETE FROM personalization_configs WHERE learner_id = $1;

-- name: learner_drop_personal_choices
-- args: int
DELETE FROM personalization_choices WHERE learner_id = $1;

-- name: learner_drop_personal_outcomes
-- args: int
DELETE FROM personalization_outcomes WHERE learner_id = $1;

-- name: learner_drop_personal_trials
-- args: int
DELETE FROM personalization_trials WHERE learner_id = $1;

-- name: learner_drop_personal_events
-- args: int
DELETE FROM personalization_events WHERE learner_id = $1;

-- name: learner_drop_personal_preferences
-- args: int
DELETE FROM personalization_preferences WHERE learner_id = $1;

-- name: learner_drop_events
-- args: int
DELETE FROM events WHERE learner_id = $1;

-- name: learner_drop_busy_times
-- args: int
DELETE FROM busy_times WHERE learner_id = $1;

-- name: learner_drop_planned_sessions
-- args: int
DELETE FROM planned_sessions WHERE learner_id = $1;

-- name: learner_drop_session_plans
-- args: int
DELETE FROM session_plans WHERE learner_id = $1;

-- name: learner_drop_schedule_slots
-- args: int
DELETE FROM schedule_slots WHERE learner_id = $1;

-- name: learner_drop_schedule_adaptations
-- args: int
DELETE FROM schedule_adaptations WHERE learner_id = $1;

-- name: learner_drop_exams
-- args: int
DELETE FROM exams WHERE learner_id = $1;

-- name: learner_drop_calendars
-- args: int
DELETE FROM calendars WHERE learner_id = $1;

-- name: learner_drop_calendar_states
-- args: int
DELETE FROM calendar_states WHERE learner_id = $1;

-- name: learner_drop_calendar_feeds
-- args: int
DELETE FROM calendar_feeds WHERE learner_id = $1;

-- name: learner_drop_consents
-- args: int
DELETE FROM consents WHERE learner_id = $1;

-- name: learner_drop_learners
-- args: int
DELETE FROM learners WHERE learner_id = $1;

-- name: learner_drop_keys
-- args: text
-- scan: erasing a learner, an administrator's command; keys are few
DELETE FROM api_keys WHERE learner = $1;

-- name: learner_drop_quarantine
-- args: text
DELETE FROM quarantine WHERE learner = $1;

-- name: totals_version
-- args: int
SELECT version FROM totals WHERE learner_id = $1;

-- name: totals_version_set
-- args: int, int
UPDATE totals SET version = $2 WHERE learner_id = $1;

-- The row is locked on PostgreSQL: no writer applies events of this learner until the transaction ends.
-- name: learner_lock
-- args: text
-- engine: sqlite
SELECT learner_id, zone FROM learners WHERE external_id = $1;
-- engine: postgres
SELECT learner_id, zone FROM learners WHERE external_id = $1 FOR UPDATE;

-- name: learner_set_zone
-- args: int, text, int
UPDATE learners SET zone = $2, updated_at = $3 WHERE learner_id = $1;

-- name: quarantine_add
-- args: int, text, text, text, text, text, text
INSERT INTO quarantine (received_at, source, code, field, reason, learner, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7);

-- Ids only grow and rows go from the old end, but single ones go by hand too: what is kept is at most
-- so many ids back.
-- name: quarantine_trim
-- args: int
DELETE FROM quarantine WHERE quarantine_id <= (SELECT max(quarantine_id) FROM quarantine) - $1;
