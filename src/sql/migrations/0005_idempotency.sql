-- Replies that a repeat of the same request is given again (src/api/idempotency.h): a caller, a
-- learner and the caller's Idempotency-Key.
CREATE TABLE idempotency (
    learner_id {int} NOT NULL,
    caller {text} NOT NULL,
    idempotency_key {text} NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    request {blob} NOT NULL,         -- SHA-256 of what was asked
    status {int} NOT NULL,
    body {blob},                     -- NULL: too long to be kept
    kept_at {int} NOT NULL,
    PRIMARY KEY (learner_id, caller, idempotency_key)
) {clustered};
CREATE INDEX idempotency_by_age ON idempotency (kept_at);
