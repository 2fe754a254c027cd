-- Calendars: where they are, when their owners are busy, and what is planned for them.

-- name: calendars_of
-- args: text
SELECT c.provider, c.name, c.sealed, c.push, c.marker, c.connected_at, c.synced_at, c.tried_at,
       c.failure, c.covers_until, c.cut
  FROM learners l JOIN calendars c ON c.learner_id = l.learner_id
 WHERE l.external_id = $1 ORDER BY c.provider;

-- name: calendar_learner
-- args: text
SELECT learner_id, zone FROM learners WHERE external_id = $1;

-- name: calendar_put
-- args: int, text, text, blob, int, int
INSERT INTO calendars (learner_id, provider, name, sealed, push, connected_at)
VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id, provider) DO UPDATE SET name = excluded.name, sealed = excluded.sealed,
       push = excluded.push, connected_at = excluded.connected_at, marker = NULL, synced_at = NULL,
       tried_at = NULL, failure = NULL, covers_until = NULL, cut = 0;

-- Only where the connection is the one that was read: it may have been replaced meanwhile.
-- name: calendar_synced
-- args: int, text, int, text, int, int, int
UPDATE calendars SET marker = $4, synced_at = $5, tried_at = $5, failure = NULL, covers_until = $6,
       cut = $7
 WHERE learner_id = $1 AND provider = $2 AND connected_at = $3;

-- name: calendar_failed
-- args: int, text, int, int, text
UPDATE calendars SET tried_at = $4, failure = $5
 WHERE learner_id = $1 AND provider = $2 AND connected_at = $3;

-- name: calendar_reseal
-- args: int, text, int, blob
UPDATE calendars SET sealed = $4
 WHERE learner_id = $1 AND provider = $2 AND connected_at = $3;

-- name: calendar_drop
-- args: int, text
DELETE FROM calendars WHERE learner_id = $1 AND provider = $2;

-- name: busy_drop
-- args: int, text
DELETE FROM busy_times WHERE learner_id = $1 AND provider = $2;

-- name: busy_drop_event
-- args: int, text, text
DELETE FROM busy_times WHERE learner_id = $1 AND provider = $2 AND event = $3;

-- name: busy_drop_past
-- args: int, text, int
DELETE FROM busy_times WHERE learner_id = $1 AND provider = $2 AND ends_at <= $3;

-- name: busy_put
-- args: int, int, text, text, int, text, int, int
-- bulk
INSERT INTO busy_times (learner_id, starts_at, provider, event, ends_at, title, all_day, tentative)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (learner_id, starts_at, provider, event) DO UPDATE SET ends_at = excluded.ends_at,
       title = excluded.title, all_day = excluded.all_day, tentative = excluded.tentative;

-- name: busy_between
-- args: text, int, int
SELECT starts_at, ends_at, provider, event, title, all_day, tentative
  FROM busy_times WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                    AND starts_at < $3 AND ends_at > $2
 ORDER BY starts_at, provider, event;

-- name: busy_counts
-- args: text
SELECT provider, count(*)
  FROM busy_times WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 GROUP BY provider;

-- name: planned_between
-- args: text, int, int
SELECT plan, starts_at, ends_at, title, state, changed_at, caldav_href, caldav_etag, caldav_at
  FROM planned_sessions WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
                          AND starts_at BETWEEN $2 AND $3
 ORDER BY starts_at, plan;

-- name: planned_pushed
-- args: int, text, text, text, int
UPDATE planned_sessions SET caldav_href = $3, caldav_etag = $4, caldav_at = $5
 WHERE learner_id = $1 AND plan = $2;

-- name: planned_unlink
-- args: int
UPDATE planned_sessions SET caldav_href = NULL, caldav_etag = NULL, caldav_at = NULL
 WHERE learner_id = $1 AND caldav_href IS NOT NULL;

-- name: calendar_state_put
-- args: int, blob, blob, int
INSERT INTO calendar_states (learner_id, state_hash, sealed, expires_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (learner_id) DO UPDATE SET state_hash = excluded.state_hash,
       sealed = excluded.sealed, expires_at = excluded.expires_at;

-- name: calendar_state_get
-- args: blob
SELECT s.learner_id, s.sealed, s.expires_at, l.external_id, l.zone
  FROM calendar_states s JOIN learners l ON l.learner_id = s.learner_id WHERE s.state_hash = $1;

-- name: calendar_state_drop
-- args: blob
DELETE FROM calendar_states WHERE state_hash = $1;

-- name: calendar_feed_put
-- args: int, blob, int
INSERT INTO calendar_feeds (learner_id, token_hash, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (learner_id) DO UPDATE SET token_hash = excluded.token_hash,
       created_at = excluded.created_at;

-- name: calendar_feed_drop
-- args: int
DELETE FROM calendar_feeds WHERE learner_id = $1;

-- name: calendar_feed_of
-- args: text
SELECT created_at FROM calendar_feeds
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: calendar_feed_learner
-- args: blob
SELECT l.external_id FROM calendar_feeds f JOIN learners l ON l.learner_id = f.learner_id
 WHERE f.token_hash = $1;

-- name: calendar_feed_sessions
-- args: blob, int, int
SELECT plan, starts_at, ends_at, title, state, changed_at
  FROM planned_sessions
 WHERE learner_id = (SELECT learner_id FROM calendar_feeds WHERE token_hash = $1)
   AND starts_at BETWEEN $2 AND $3
 ORDER BY starts_at, plan;
