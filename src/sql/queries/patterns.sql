-- Patterns, insights, recommendations (src/night/patterns.c, src/api/patterns.c).

-- name: analysis_state
-- args: int
SELECT t.version, t.answers + t.reviews, a.version, a.review_n, a.review_expected,
       a.review_residual, a.review_information, a.review_steps, a.review_square, a.review_cross,
       a.review_weight, CASE WHEN s.updated_at >= a.at THEN 1 ELSE 0 END
  FROM totals t LEFT JOIN analyses a ON a.learner_id = t.learner_id
  LEFT JOIN strains s ON s.learner_id = t.learner_id
 WHERE t.learner_id = $1;

-- name: analysis_tracks
-- args: int
SELECT pattern, kind, slot, slot_last, label, present, vanished_before, in_n, in_expected,
       in_residual, in_information, out_n, out_expected, out_residual, out_information, claim,
       sign, log_exists, log_change, appeared_at, seen_at, vanished_at, occurrences, value, low,
       high, effect, effect_low, effect_high, p, bayes_factor, n, confidence, first_at
  FROM patterns WHERE learner_id = $1 ORDER BY pattern;

-- Slots 64 to 111 are forecasts of recall (src/twin/audit.h).
-- name: analysis_reviews
-- args: int
SELECT coalesce(sum(n), 0), coalesce(sum(p_micro), 0), coalesce(sum(yes), 0),
       coalesce(sum(square_micro), 0)
  FROM audits WHERE learner_id = $1 AND slot BETWEEN 64 AND 127;

-- Sessions in order.
-- name: analysis_sessions
-- args: int, int
SELECT s.first_at, s.last_at, s.started_at, s.completed_at, s.declared_ms, s.declared_pause_ms,
       s.pauses, s.pause_ms_sum, s.resumes, s.resume_ms_sum, s.active_ms, s.untimed, s.answers,
       s.correct, s.reviews, s.recalled
  FROM sessions s WHERE s.learner_id = $1 AND s.answers + s.reviews > 0
 ORDER BY s.first_at, s.session LIMIT $2;

-- name: analysis_put
-- args: int, int, int, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO analyses (learner_id, at, version, review_n, review_expected, review_residual,
        review_information, review_steps, review_square, review_cross, review_weight)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (learner_id) DO UPDATE SET
        at = excluded.at, version = excluded.version, review_n = excluded.review_n,
        review_expected = excluded.review_expected, review_residual = excluded.review_residual,
        review_information = excluded.review_information, review_steps = excluded.review_steps,
        review_square = excluded.review_square, review_cross = excluded.review_cross,
        review_weight = excluded.review_weight;

-- Nothing is changed when another call has asked since $3.
-- name: analysis_asked
-- args: int, int, int
UPDATE analyses SET asked_at = $2
 WHERE learner_id = $1 AND (asked_at IS NULL OR asked_at <= $3);

-- name: pattern_put
-- args: int, text, int, int, int, text, int, int, int, int, int, int, int, int, int, int, real, real, real, real, int, int, int, int, real, real, real, real, real, real, real, real, int, real, int
-- bulk
INSERT INTO patterns (learner_id, pattern, kind, slot, slot_last, label, present, vanished_before, in_n, in_expected,
        in_residual, in_information, out_n, out_expected, out_residual, out_information, claim,
        sign, log_exists, log_change, appeared_at, seen_at, vanished_at, occurrences, value,
        low, high, effect, effect_low, effect_high, p, bayes_factor, n, confidence, first_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
        $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35)
    ON CONFLICT (learner_id, pattern) DO UPDATE SET
        kind = excluded.kind, slot = excluded.slot, slot_last = excluded.slot_last, label =
        excluded.label, present = excluded.present, vanished_before = excluded.vanished_before,
        in_n = excluded.in_n, in_expected = excluded.in_expected, in_residual =
        excluded.in_residual, in_information = excluded.in_information, out_n = excluded.out_n,
        out_expected = excluded.out_expected, out_residual = excluded.out_residual,
        out_information = excluded.out_information, claim = excluded.claim, sign =
        excluded.sign, log_exists = excluded.log_exists, log_change = excluded.log_change,
        appeared_at = excluded.appeared_at, seen_at = excluded.seen_at, vanished_at =
        excluded.vanished_at, occurrences = excluded.occurrences, value = excluded.value, low =
        excluded.low, high = excluded.high, effect = excluded.effect, effect_low =
        excluded.effect_low, effect_high = excluded.effect_high, p = excluded.p, bayes_factor =
        excluded.bayes_factor, n = excluded.n, confidence = excluded.confidence;

-- name: pattern_history_put
-- args: int, int, text, int, real
-- bulk
INSERT INTO pattern_history (learner_id, week, pattern, present, confidence)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (learner_id, week, pattern) DO UPDATE SET
        present = excluded.present, confidence = excluded.confidence;

-- name: insight_put
-- args: int, text, text, int
-- bulk
INSERT INTO insights (learner_id, insight, pattern, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (learner_id, insight) DO NOTHING;

-- name: recommendation_put
-- args: int, text, text, int
-- bulk
INSERT INTO recommendations (learner_id, recommendation, pattern, created_at)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (learner_id, recommendation) DO NOTHING;

-- name: analysis_of_learner
-- args: text
-- apart: totals
SELECT a.at, a.version, a.asked_at, t.version
  FROM totals t LEFT JOIN analyses a ON a.learner_id = t.learner_id
 WHERE t.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: patterns_of_learner
-- args: text
SELECT p.pattern, p.kind, p.slot, p.slot_last, p.label, p.present, p.appeared_at, p.seen_at,
       p.vanished_at, p.occurrences, p.value, p.low, p.high, p.effect, p.effect_low,
       p.effect_high, p.p, p.bayes_factor, p.n, p.confidence, p.first_at
  FROM patterns p WHERE p.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY p.confidence DESC, p.seen_at DESC, p.pattern;

-- name: pattern_weeks
-- args: text, int
SELECT week, pattern, present, confidence
  FROM pattern_history
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND week >= $2
 ORDER BY week, pattern;

-- name: insights_recent
-- args: text, int
SELECT count(*) FROM insights
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND created_at >= $2;

-- name: insights_of_learner
-- args: text
SELECT i.insight, i.created_at, i.acknowledged_at, i.applied, p.pattern, p.kind, p.slot, p.slot_last, p.label, p.present, p.appeared_at, p.seen_at,
       p.vanished_at, p.occurrences, p.value, p.low, p.high, p.effect, p.effect_low,
       p.effect_high, p.p, p.bayes_factor, p.n, p.confidence, p.first_at
  FROM insights i JOIN patterns p ON p.learner_id = i.learner_id AND p.pattern = i.pattern
 WHERE i.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY i.created_at DESC, i.insight LIMIT 500;

-- name: insight_acknowledge
-- args: text, text, int, int
UPDATE insights SET acknowledged_at = coalesce(acknowledged_at, $3), applied = coalesce($4, applied)
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND insight = $2;

-- name: recommendations_of_learner
-- args: text
SELECT r.recommendation, r.created_at, r.applied_at, r.application, r.tracking, r.baseline_graded,
       r.baseline_succeeded,
       p.pattern, p.kind, p.slot, p.slot_last, p.label, p.present, p.appeared_at, p.seen_at,
       p.vanished_at, p.occurrences, p.value, p.low, p.high, p.effect, p.effect_low,
       p.effect_high, p.p, p.bayes_factor, p.n, p.confidence, p.first_at
  FROM recommendations r JOIN patterns p ON p.learner_id = r.learner_id AND p.pattern = r.pattern
 WHERE r.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY r.created_at DESC, r.recommendation LIMIT 500;

-- name: recommendation_apply
-- args: text, text, int, text, text, text, int, int
UPDATE recommendations
   SET applied_at = $3, application = $4, settings = $5, tracking = $6, baseline_graded = $7,
       baseline_succeeded = $8
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND recommendation = $2 AND applied_at IS NULL;

-- name: patterns_drop_analyses
-- args: text
DELETE FROM analyses WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: patterns_drop_patterns
-- args: text
DELETE FROM patterns WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: patterns_drop_pattern_history
-- args: text
DELETE FROM pattern_history WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: patterns_drop_insights
-- args: text
DELETE FROM insights WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: patterns_drop_recommendations
-- args: text
DELETE FROM recommendations WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: patterns_drop_memory
-- args: text
DELETE FROM memory_fits WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
