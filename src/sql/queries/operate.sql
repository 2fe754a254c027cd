-- What the server asks about itself, and what no family owns.

-- The learner that --dev's X-User-Email names.
-- name: learner_by_email
-- args: text
SELECT external_id FROM learners WHERE lower(email) = lower($1);

-- Refused events, newest first, below a cursor.
-- name: quarantine_page
-- args: int, int
SELECT quarantine_id, received_at, source, code, field, reason, body FROM quarantine
 WHERE quarantine_id < $1 ORDER BY quarantine_id DESC LIMIT $2;

-- The oldest of them, for a replay of all.
-- name: quarantine_oldest
-- args: int, int
SELECT quarantine_id, received_at, source, code, field, reason, body FROM quarantine
 WHERE quarantine_id > $1 ORDER BY quarantine_id LIMIT $2;

-- name: quarantine_by_id
-- args: int
-- bulk
WITH k (quarantine_id) AS (VALUES ($1))
SELECT q.quarantine_id, q.received_at, q.source, q.code, q.field, q.reason, q.body FROM k
  JOIN quarantine q ON q.quarantine_id = k.quarantine_id;

-- name: quarantine_drop
-- args: int
-- bulk
WITH k (quarantine_id) AS (VALUES ($1))
DELETE FROM quarantine WHERE quarantine_id IN (SELECT quarantine_id FROM k);

-- Up to a bound, so that what comes meanwhile stays.
-- name: quarantine_drop_until
-- args: int
DELETE FROM quarantine WHERE quarantine_id <= $1;
