-- What learners retain (src/night/retention.c, src/api/retained.c).

-- name: retention_head
-- args: int
SELECT r.version, r.at, r.id, r.taken, r.known_at, r.known_id, r.state,
       coalesce(t.reviews, 0), p.made_at, p.learners, p.state
  FROM learners l
  LEFT JOIN retentions r ON r.learner_id = l.learner_id
  LEFT JOIN totals t ON t.learner_id = l.learner_id
  LEFT JOIN retention_population p ON p.name = 'all'
 WHERE l.learner_id = $1;

-- Reviews behind a place in the log.
-- name: retention_reviews
-- args: int, int, text, int
SELECT at, id, item, rating, untimed
  FROM events WHERE learner_id = $1 AND (at, id) > ($2, $3) AND kind = 2
 ORDER BY at, id LIMIT $4;

-- Those up to there that tell a time.
-- name: retention_past
-- args: int, int, text, int
SELECT at, item, rating
  FROM events WHERE learner_id = $1 AND (at, id) <= ($2, $3) AND kind = 2 AND untimed = 0
 ORDER BY at, id LIMIT $4;

-- name: retention_cards
-- args: int, text
-- bulk
WITH k (learner_id, item) AS (VALUES ($1, $2))
SELECT c.item, c.retained FROM k CROSS JOIN cards c
 WHERE c.learner_id = k.learner_id AND c.item = k.item AND c.retained IS NOT NULL;

-- The version that was read, so that of two runs at once only one is kept.
-- name: retention_put
-- args: int, int, int, text, int, int, text, int, int, blob
-- bulk
INSERT INTO retentions (learner_id, version, at, id, taken, known_at, known_id, judged,
        updated_at, state)
    VALUES ($1, $2 + 1, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (learner_id) DO UPDATE SET
        version = excluded.version, at = excluded.at, id = excluded.id, taken = excluded.taken,
        known_at = excluded.known_at, known_id = excluded.known_id, judged = excluded.judged,
        updated_at = excluded.updated_at, state = excluded.state
    WHERE retentions.version = excluded.version - 1;

-- Who learns all anew has no use for states of cards that are further on.
-- name: retention_cards_clear
-- args: int
UPDATE cards SET retained = NULL, retained_reviews = NULL, due_day = NULL
 WHERE learner_id = $1 AND retained IS NOT NULL;

-- The cards were made anew.
-- name: retention_anew
-- args: int
UPDATE retentions SET taken = -1, version = version + 1 WHERE learner_id = $1;

-- name: retention_cards_put
-- args: int, text, int, int, blob
-- bulk
WITH k (learner_id, item, reviews, due_day, state) AS (VALUES ($1, $2, $3, $4, $5))
UPDATE cards SET retained_reviews = k.reviews, due_day = k.due_day, retained = k.state
  FROM k
 WHERE cards.learner_id = k.learner_id AND cards.item = k.item;

-- Some of those whom others can learn of, behind a learner and up to it.
-- name: retention_people_behind
-- args: int, int
SELECT r.state FROM retentions r JOIN learners l ON l.learner_id = r.learner_id
 WHERE r.learner_id > $1 AND r.judged >= 100 AND l.include_in_analytics = 1
 ORDER BY r.learner_id LIMIT $2;

-- name: retention_people_up_to
-- args: int, int
SELECT r.state FROM retentions r JOIN learners l ON l.learner_id = r.learner_id
 WHERE r.learner_id <= $1 AND r.judged >= 100 AND l.include_in_analytics = 1
 ORDER BY r.learner_id DESC LIMIT $2;

-- name: retention_population_put
-- args: int, int, blob
INSERT INTO retention_population (name, made_at, learners, state) VALUES ('all', $1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET
        made_at = excluded.made_at, learners = excluded.learners, state = excluded.state;

-- Who is erased goes out of it with the next night of anybody.
-- name: learner_sweep_population
-- args: int
UPDATE retention_population SET made_at = 0
 WHERE name = 'all' AND EXISTS (SELECT 1 FROM retentions WHERE learner_id = $1 AND judged >= 100);

-- name: learner_drop_retentions
-- args: int
DELETE FROM retentions WHERE learner_id = $1;

-- name: export_retentions
-- args: text
-- engine: sqlite
SELECT at, taken, judged, updated_at, lower(hex(state)) FROM retentions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
-- engine: postgres
SELECT at, taken, judged, updated_at, encode(state, 'hex') FROM retentions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);

-- name: retention_of_learner
-- args: text
SELECT state FROM retentions
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
