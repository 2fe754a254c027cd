-- Statements for the tests of the store, in all the forms that src/sql/README.md allows.

-- name: things_put
-- args: int, text, int, real, text, blob
-- bulk
-- key: 1, 2
INSERT INTO things (learner_id, id, n, x, t, b) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id, id) DO NOTHING;

-- name: things_of
-- args: int
SELECT id, n, x, t, b FROM things WHERE learner_id = $1 ORDER BY id;

-- name: things_of_keys
-- args: int, text
-- bulk
WITH k (learner_id, id) AS (VALUES ($1, $2))
SELECT s.learner_id, s.id, s.n FROM k JOIN things s ON s.learner_id = k.learner_id AND s.id = k.id;

-- name: things_drop
-- args: int, text
-- bulk
WITH k (learner_id, id) AS (VALUES ($1, $2))
DELETE FROM things WHERE (learner_id, id) IN (SELECT learner_id, id FROM k);

-- name: counters_add
-- args: int, int, int
-- bulk
-- key: 2, 1
INSERT INTO counters (learner_id, day, total) VALUES ($1, $2, coalesce($3, 0) + 0)
    ON CONFLICT (learner_id, day) DO UPDATE SET total = counters.total + excluded.total;

-- name: counters_set
-- args: int, int, int
-- bulk
-- key: 1, 2
WITH k (learner_id, day, total) AS (VALUES ($1, $2, $3))
UPDATE counters SET total = k.total FROM k
 WHERE counters.learner_id = k.learner_id AND counters.day = k.day AND counters.total <> k.total;

-- name: counters_sum
-- args: int
SELECT count(*), sum(total), avg(total), max(total) FROM counters WHERE learner_id = $1;

-- name: counter_one_set
-- args: int, int, int
UPDATE counters SET total = $3 WHERE learner_id = $1 AND day = $2;

-- name: names_put
-- args: text
-- bulk
INSERT INTO names (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING name_id, name;

-- name: names_all
-- scan: the tests look at all of it
SELECT name FROM names ORDER BY name;

-- name: notes_put
-- args: int, int
-- bulk
INSERT INTO notes (name_id, position) VALUES ($1, $2);

-- name: series
-- args: int
WITH RECURSIVE c (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM c WHERE i < $1)
SELECT i, 'row' FROM c;

-- name: series_count
-- args: int
WITH RECURSIVE c (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM c WHERE i < $1)
SELECT count(*) FROM c;

-- name: mirror
-- args: int, real, text, blob
SELECT $1, $2, $3, $4, NULL;

-- name: big_sum
-- args: int, int
SELECT sum(v) FROM (SELECT $1 AS v UNION ALL SELECT $2) AS both_values;

-- name: backend
-- engine: sqlite
SELECT 0;
-- engine: postgres
SELECT pg_backend_pid();

-- name: backend_is_there
-- args: int
-- engine: sqlite
SELECT $1;
-- engine: postgres
SELECT count(*) FROM pg_stat_activity WHERE pid = $1;

-- name: forget_prepared
-- engine: sqlite
SELECT 1;
-- engine: postgres
DEALLOCATE ALL;
