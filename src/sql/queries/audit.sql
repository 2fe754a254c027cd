-- How good the server's own forecasts were (src/twin/audit.h).

-- name: audit_of_learner
-- args: text
SELECT slot, n, yes, p_micro, square_micro, brier_micro, loss_micro
  FROM audits
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY slot;

-- name: audit_of_all
-- scan: an administrator's figures
SELECT slot, sum(n), sum(yes), sum(p_micro), sum(square_micro), sum(brier_micro), sum(loss_micro)
  FROM audits GROUP BY slot ORDER BY slot;

-- name: audit_totals
-- scan: some hundred rows, for an administrator
SELECT slot, n, yes, p_micro, square_micro, brier_micro, loss_micro FROM audit_totals ORDER BY slot;

-- Where a learner's figures differ from what of them is in the totals.
-- name: audit_uncounted
-- args: int
SELECT k.slot
  FROM (SELECT a.slot, a.n, a.yes, a.p_micro, a.square_micro, a.brier_micro, a.loss_micro
          FROM audits a JOIN learners l ON l.learner_id = a.learner_id
         WHERE a.learner_id = $1 AND l.include_in_analytics = 1
        UNION ALL
        SELECT c.slot, -c.n, -c.yes, -c.p_micro, -c.square_micro, -c.brier_micro, -c.loss_micro
          FROM audit_counted c WHERE c.learner_id = $1) k
 GROUP BY k.slot HAVING sum(k.n) <> 0 OR sum(k.yes) <> 0 OR sum(k.p_micro) <> 0
     OR sum(k.loss_micro) <> 0;

-- name: audit_totals_count
-- args: int
INSERT INTO audit_totals (slot, n, yes, p_micro, square_micro, brier_micro, loss_micro)
SELECT k.slot, sum(k.n), sum(k.yes), sum(k.p_micro), sum(k.square_micro),
       sum(k.brier_micro), sum(k.loss_micro)
  FROM (SELECT a.slot, a.n, a.yes, a.p_micro, a.square_micro, a.brier_micro, a.loss_micro
          FROM audits a JOIN learners l ON l.learner_id = a.learner_id
         WHERE a.learner_id = $1 AND l.include_in_analytics = 1
        UNION ALL
        SELECT c.slot, -c.n, -c.yes, -c.p_micro, -c.square_micro, -c.brier_micro, -c.loss_micro
          FROM audit_counted c WHERE c.learner_id = $1) k
 GROUP BY k.slot HAVING sum(k.n) <> 0 OR sum(k.yes) <> 0 OR sum(k.p_micro) <> 0
     OR sum(k.loss_micro) <> 0
 ORDER BY k.slot
    ON CONFLICT (slot) DO UPDATE SET
        n = audit_totals.n + excluded.n,
        yes = audit_totals.yes + excluded.yes,
        p_micro = audit_totals.p_micro + excluded.p_micro,
        square_micro = audit_totals.square_micro + excluded.square_micro,
        brier_micro = audit_totals.brier_micro + excluded.brier_micro,
        loss_micro = audit_totals.loss_micro + excluded.loss_micro;

-- name: audit_counted_put
-- args: int
INSERT INTO audit_counted (learner_id, slot, n, yes, p_micro, square_micro, brier_micro, loss_micro)
SELECT a.learner_id, a.slot, a.n, a.yes, a.p_micro, a.square_micro, a.brier_micro, a.loss_micro
  FROM audits a JOIN learners l ON l.learner_id = a.learner_id
 WHERE a.learner_id = $1 AND l.include_in_analytics = 1;

-- name: learner_uncount_audits
-- args: int
INSERT INTO audit_totals (slot, n, yes, p_micro, square_micro, brier_micro, loss_micro)
SELECT c.slot, -c.n, -c.yes, -c.p_micro, -c.square_micro, -c.brier_micro, -c.loss_micro
  FROM audit_counted c WHERE c.learner_id = $1 ORDER BY c.slot
    ON CONFLICT (slot) DO UPDATE SET
        n = audit_totals.n + excluded.n,
        yes = audit_totals.yes + excluded.yes,
        p_micro = audit_totals.p_micro + excluded.p_micro,
        square_micro = audit_totals.square_micro + excluded.square_micro,
        brier_micro = audit_totals.brier_micro + excluded.brier_micro,
        loss_micro = audit_totals.loss_micro + excluded.loss_micro;

-- name: learner_drop_audit_counted
-- args: int
DELETE FROM audit_counted WHERE learner_id = $1;
