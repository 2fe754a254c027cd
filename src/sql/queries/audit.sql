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
