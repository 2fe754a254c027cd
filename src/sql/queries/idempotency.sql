-- Replies kept for repeats (src/api/idempotency.c).

-- name: idempotency_find
-- args: text, text, text, int
SELECT request, status, body FROM idempotency
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
   AND caller = $2 AND idempotency_key = $3 AND kept_at > $4;

-- name: idempotency_count
-- args: text, int
SELECT count(*) FROM idempotency
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND kept_at > $2;

-- An expired row is as good as none; one that is not belongs to somebody who was faster.
-- name: idempotency_keep
-- args: text, text, text, blob, int, blob, int, int
INSERT INTO idempotency (learner_id, caller, idempotency_key, request, status, body, kept_at)
SELECT learner_id, $2, $3, $4, $5, $6, $7 FROM learners WHERE external_id = $1
    ON CONFLICT (learner_id, caller, idempotency_key) DO UPDATE
       SET request = excluded.request, status = excluded.status, body = excluded.body,
           kept_at = excluded.kept_at
     WHERE idempotency.kept_at <= $8;

-- Each that comes takes some that are over with it.
-- name: idempotency_expire
-- args: int
-- engine: sqlite
DELETE FROM idempotency WHERE (learner_id, caller, idempotency_key) IN
       (SELECT learner_id, caller, idempotency_key FROM idempotency
         WHERE kept_at <= $1 ORDER BY kept_at LIMIT 50);
-- engine: postgres
DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
       SELECT ctid FROM idempotency
        WHERE kept_at <= $1 ORDER BY kept_at LIMIT 50 FOR UPDATE SKIP LOCKED));
