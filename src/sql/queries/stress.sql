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

-- name: strain_state
-- args: int
SELECT at, id, state FROM strains WHERE learner_id = $1;

-- name: strain_put
-- args: int, int, text, int, int, blob
-- bulk
INSERT INTO strains (learner_id, at, id, answers, updated_at, state)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id) DO UPDATE SET
        at = excluded.at, id = excluded.id, answers = excluded.answers,
        updated_at = excluded.updated_at, state = excluded.state;

-- What tells how long a sitting has lasted, beside answers: kinds 3 to 6 and 40, 41 are work, 10 to 12
-- begin a session, pause it, and go on.
-- name: strain_traces
-- args: int, int, int, int
SELECT at, kind, duration_ms FROM events
 WHERE learner_id = $1 AND at > $2 AND at <= $3 AND kind IN (3, 4, 5, 6, 10, 11, 12, 40, 41)
   AND untimed = 0
 ORDER BY at, id LIMIT $4;

-- The latest sittings that say something.
-- name: strain_sittings
-- args: int, int
SELECT start_at, minutes, answers, graded, correct, expected, load_mean, before_load, after_excess,
       hour, day, topic
  FROM sittings WHERE learner_id = $1 ORDER BY start_at DESC LIMIT $2;

-- name: sittings_put
-- args: int, int, int, real, int, int, int, real, real, real, real, real, int, int, int, text
-- bulk
INSERT INTO sittings (learner_id, start_at, end_at, minutes, answers, graded, correct, expected,
        load_mean, load_max, before_load, after_excess, after_n, hour, day, topic)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT (learner_id, start_at) DO UPDATE SET
        end_at = excluded.end_at, minutes = excluded.minutes, answers = excluded.answers,
        graded = excluded.graded, correct = excluded.correct, expected = excluded.expected,
        load_mean = excluded.load_mean, load_max = excluded.load_max,
        before_load = excluded.before_load, after_excess = excluded.after_excess,
        after_n = excluded.after_n, hour = excluded.hour, day = excluded.day,
        topic = excluded.topic;

-- name: strain_episodes_of
-- args: int, int
SELECT start_at, end_at, peak, recovered FROM strain_episodes
 WHERE learner_id = $1 ORDER BY start_at DESC LIMIT $2;

-- name: strain_episodes_put
-- args: int, int, int, real, int
-- bulk
INSERT INTO strain_episodes (learner_id, start_at, end_at, peak, recovered)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (learner_id, start_at) DO UPDATE SET
        end_at = excluded.end_at, peak = excluded.peak, recovered = excluded.recovered;

-- Dates that loom: of goals that were not given up.
-- name: stress_deadlines
-- args: int, int
SELECT deadline FROM goals WHERE learner_id = $1 AND status <> 'ABANDONED'
 ORDER BY deadline DESC LIMIT $2;

-- What was taken on against too much load.
-- name: stress_reliefs
-- args: int, int
SELECT type, applied_at, until_at FROM interventions
 WHERE learner_id = $1 AND applied_at IS NOT NULL AND until_at IS NOT NULL
 ORDER BY intervention LIMIT $2;

-- name: stress_patterns_of
-- args: int
SELECT pattern, type, condition, topic, present, first_at FROM stress_patterns
 WHERE learner_id = $1 ORDER BY pattern;

-- name: stress_patterns_put
-- args: int, text, text, text, text, int, int, real, real, real, real, real, real, real, int, int, int
-- bulk
INSERT INTO stress_patterns (learner_id, pattern, type, condition, topic, with_n, without_n,
        with_load, without_load, effect, low, high, p, p_adjusted, present, first_at, seen_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (learner_id, pattern) DO UPDATE SET
        with_n = excluded.with_n, without_n = excluded.without_n, with_load = excluded.with_load,
        without_load = excluded.without_load, effect = excluded.effect, low = excluded.low,
        high = excluded.high, p = excluded.p, p_adjusted = excluded.p_adjusted,
        present = excluded.present, first_at = excluded.first_at, seen_at = excluded.seen_at;

-- name: stress_profile_put
-- args: int, int, int, int, real, real, real, real, int, real, real, real, int, int, real, real, real, real, int
-- bulk
INSERT INTO stress_profiles (learner_id, analyzed_at, sittings, answers, load_mean, tolerance,
        tolerance_slope, tolerance_p, tolerance_n, recovery, recovery_low, recovery_high, episodes,
        recovered, onset, onset_low, onset_high, fatigue_p, fatigue_n)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
    ON CONFLICT (learner_id) DO UPDATE SET
        analyzed_at = excluded.analyzed_at, sittings = excluded.sittings,
        answers = excluded.answers, load_mean = excluded.load_mean, tolerance = excluded.tolerance,
        tolerance_slope = excluded.tolerance_slope, tolerance_p = excluded.tolerance_p,
        tolerance_n = excluded.tolerance_n, recovery = excluded.recovery,
        recovery_low = excluded.recovery_low, recovery_high = excluded.recovery_high,
        episodes = excluded.episodes, recovered = excluded.recovered, onset = excluded.onset,
        onset_low = excluded.onset_low, onset_high = excluded.onset_high,
        fatigue_p = excluded.fatigue_p, fatigue_n = excluded.fatigue_n;

-- ---- reads of the API ----

-- name: strain_of
-- args: text
SELECT at, id, state FROM strains
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- What was answered since, the latest. Nothing was where the night took as many as the sums count: then
-- the log is not looked into.
-- name: strain_tail
-- args: text, int
SELECT e.at, e.kind, e.untimed, e.correct, e.score, e.rating, e.latency_ms, e.objective
  FROM events e
 WHERE e.learner_id = (SELECT t.learner_id
          FROM totals t LEFT JOIN minds m ON m.learner_id = t.learner_id
         WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
           AND (m.taken IS NULL OR m.taken <> t.answers + t.reviews))
   AND (e.at, e.id) > (
       coalesce((SELECT s.at FROM strains s WHERE s.learner_id = (SELECT learner_id FROM learners
                  WHERE external_id = $1)), -9223372036854775807),
       coalesce((SELECT s.id FROM strains s WHERE s.learner_id = (SELECT learner_id FROM learners
                  WHERE external_id = $1)), ''))
   AND e.kind IN (1, 2)
 ORDER BY e.at DESC, e.id DESC LIMIT $2;

-- name: sittings_between
-- args: text, int, int, int
SELECT start_at, end_at, minutes, answers, graded, correct, load_mean, load_max, topic
  FROM sittings
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND start_at BETWEEN $2 AND $3
 ORDER BY start_at DESC LIMIT $4;

-- name: strain_episodes_between
-- args: text, int, int, int
SELECT start_at, end_at, peak, recovered FROM strain_episodes
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND start_at BETWEEN $2 AND $3
 ORDER BY start_at DESC LIMIT $4;

-- name: stress_profile
-- args: text
SELECT analyzed_at, sittings, answers, load_mean, tolerance, tolerance_slope, tolerance_p,
       tolerance_n, recovery, recovery_low, recovery_high, episodes, recovered, onset, onset_low,
       onset_high, fatigue_p, fatigue_n
  FROM stress_profiles
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: stress_patterns_present
-- args: text
SELECT pattern, type, condition, topic, with_n, without_n, with_load, without_load, effect, low,
       high, p, p_adjusted, first_at, seen_at
  FROM stress_patterns
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND present = 1
 ORDER BY p, with_n DESC, pattern;

-- Days of the two weeks from $2, else from the learner's first day on.
-- name: warning_days
-- args: text, int, int
SELECT d.day, d.events FROM days d
 WHERE d.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND d.day >= coalesce(CAST($2 AS BIGINT), -1000000000)
 ORDER BY d.day LIMIT $3;

-- The end of the rest that the learner agreed to last.
-- name: relief_rest
-- args: text
SELECT max(until_at) FROM interventions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND intervention >= 'relief-rest-' AND intervention < 'relief-rest.' AND status = 'IN_PROGRESS';
