-- How good the forecasts were over all learners (src/night/audits.h): the sums, and what of them is
-- each learner's. They hold those who count in sums over many, as of each one's last night.
CREATE TABLE audit_totals (
    slot {int} PRIMARY KEY, -- as in audits
    n {int} NOT NULL DEFAULT 0,
    yes {int} NOT NULL DEFAULT 0,
    p_micro {int} NOT NULL DEFAULT 0,
    square_micro {int} NOT NULL DEFAULT 0,
    brier_micro {int} NOT NULL DEFAULT 0,
    loss_micro {int} NOT NULL DEFAULT 0
) {clustered};

CREATE TABLE audit_counted (
    learner_id {int} NOT NULL,
    slot {int} NOT NULL,
    n {int} NOT NULL DEFAULT 0,
    yes {int} NOT NULL DEFAULT 0,
    p_micro {int} NOT NULL DEFAULT 0,
    square_micro {int} NOT NULL DEFAULT 0,
    brier_micro {int} NOT NULL DEFAULT 0,
    loss_micro {int} NOT NULL DEFAULT 0,
    PRIMARY KEY (learner_id, slot)
) {clustered};
