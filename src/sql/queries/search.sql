-- What was searched (src/ingest/search.h, src/api/search.c).

-- name: ingest_searches_add
-- args: int, int, text, int, int, int, int, int, int, int, int
-- bulk
INSERT INTO search_sums (learner_id, slot, what, n, known, results, zero, clicks, timed, response_ms,
        last_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (learner_id, slot, what) DO UPDATE SET
        n = search_sums.n + excluded.n,
        known = search_sums.known + excluded.known,
        results = search_sums.results + excluded.results,
        zero = search_sums.zero + excluded.zero,
        clicks = search_sums.clicks + excluded.clicks,
        timed = search_sums.timed + excluded.timed,
        response_ms = search_sums.response_ms + excluded.response_ms,
        last_at = CASE WHEN search_sums.last_at > excluded.last_at THEN search_sums.last_at
                       ELSE excluded.last_at END;

-- name: rebuild_rows_search_sums
-- args: int
SELECT slot, what, n, known, results, zero, clicks, timed, response_ms, last_at
  FROM search_sums WHERE learner_id = $1 ORDER BY slot, what;

-- name: learner_drop_search_sums
-- args: int
DELETE FROM search_sums WHERE learner_id = $1;

-- name: export_search_sums
-- args: text
SELECT slot, what, n, known, results, zero, clicks, timed, response_ms, last_at
  FROM search_sums WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY slot, what;

-- name: search_totals
-- args: text, int, int
SELECT coalesce(sum(n), 0), coalesce(sum(known), 0), coalesce(sum(results), 0),
       coalesce(sum(zero), 0), coalesce(sum(clicks), 0), coalesce(sum(timed), 0),
       coalesce(sum(response_ms), 0)
  FROM search_sums
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND slot BETWEEN $2 AND $3;

-- name: search_popular
-- args: text, int, int, int
SELECT what, sum(n), sum(known), sum(results), sum(clicks), max(last_at)
  FROM search_sums
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND slot BETWEEN $2 AND $3
   AND n > 0
 GROUP BY what ORDER BY sum(n) DESC, max(last_at) DESC, what LIMIT $4;

-- name: search_zero
-- args: text, int, int, int
SELECT what, sum(zero), max(last_at)
  FROM search_sums
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND slot BETWEEN $2 AND $3
   AND zero > 0
 GROUP BY what ORDER BY sum(zero) DESC, max(last_at) DESC, what LIMIT $4;

-- Numbers and their counts.
-- name: search_counts
-- args: text, int, int
SELECT what, sum(n), sum(clicks)
  FROM search_sums
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND slot BETWEEN $2 AND $3
 GROUP BY what;

-- name: search_opened
-- args: text, int, int
SELECT count(DISTINCT what) FROM search_sums
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND slot BETWEEN $2 AND $3;

-- name: search_event
-- args: text, text
SELECT learner_id, data FROM events
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1) AND id = $2 AND kind = 40;
