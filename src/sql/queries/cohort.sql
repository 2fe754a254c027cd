-- Set work and its cohorts (src/api/cohort.c, src/night/cohorts.c).

-- name: work_put
-- args: int, text, text, int, int, int
-- bulk
INSERT INTO warning_work (learner_id, course, task, handed_day, score_centi, told_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (learner_id, course, task) DO UPDATE SET
        handed_day = excluded.handed_day, score_centi = excluded.score_centi,
        told_at = excluded.told_at;

-- name: work_drop_course
-- args: int, text
DELETE FROM warning_work WHERE learner_id = $1 AND course = $2;

-- name: work_courses
-- args: int, text
SELECT count(*) FROM warning_work WHERE learner_id = $1 AND task = '' AND course <> $2;

-- name: export_warning_work
-- args: text
SELECT course, task, handed_day, score_centi, told_at FROM warning_work
 WHERE learner_id = (SELECT learner_id FROM learners WHERE external_id = $1)
 ORDER BY course, task;

-- name: learner_drop_warning_work
-- args: int
DELETE FROM warning_work WHERE learner_id = $1;

-- Where what was told differs from what of it is counted.
-- name: cohort_uncounted
-- args: int
SELECT k.course, k.task, k.day, k.bin, sum(k.n) AS n, sum(k.n * k.score) AS score_sum,
       sum(k.n * k.score * k.score) AS square_sum
  FROM (SELECT w.course, w.task, w.handed_day AS day,
               CASE WHEN w.score_centi IS NULL THEN -1 ELSE w.score_centi / 500 END AS bin,
               1 AS n, coalesce(w.score_centi, 0) AS score
          FROM warning_work w JOIN learners l ON l.learner_id = w.learner_id
         WHERE w.learner_id = $1 AND l.include_in_analytics = 1
        UNION ALL
        SELECT c.course, c.task, c.day, c.bin, -1, c.score_centi
          FROM cohort_counted c WHERE c.learner_id = $1) k
 GROUP BY k.course, k.task, k.day, k.bin HAVING sum(k.n) <> 0 OR sum(k.n * k.score) <> 0;

-- name: cohort_work_count
-- args: int
INSERT INTO cohort_work (course, task, day, bin, n, score_sum, square_sum)
SELECT k.course, k.task, k.day, k.bin, sum(k.n) AS n, sum(k.n * k.score) AS score_sum,
       sum(k.n * k.score * k.score) AS square_sum
  FROM (SELECT w.course, w.task, w.handed_day AS day,
               CASE WHEN w.score_centi IS NULL THEN -1 ELSE w.score_centi / 500 END AS bin,
               1 AS n, coalesce(w.score_centi, 0) AS score
          FROM warning_work w JOIN learners l ON l.learner_id = w.learner_id
         WHERE w.learner_id = $1 AND l.include_in_analytics = 1
        UNION ALL
        SELECT c.course, c.task, c.day, c.bin, -1, c.score_centi
          FROM cohort_counted c WHERE c.learner_id = $1) k
 GROUP BY k.course, k.task, k.day, k.bin HAVING sum(k.n) <> 0 OR sum(k.n * k.score) <> 0
 ORDER BY k.course, k.task, k.day, k.bin
    ON CONFLICT (course, task, day, bin) DO UPDATE SET
        n = cohort_work.n + excluded.n, score_sum = cohort_work.score_sum + excluded.score_sum,
        square_sum = cohort_work.square_sum + excluded.square_sum;

-- name: learner_uncount_cohort
-- args: int
INSERT INTO cohort_work (course, task, day, bin, n, score_sum, square_sum)
SELECT c.course, c.task, c.day, c.bin, -1, -c.score_centi, -c.score_centi * c.score_centi
  FROM cohort_counted c WHERE c.learner_id = $1 ORDER BY c.course, c.task, c.day, c.bin
    ON CONFLICT (course, task, day, bin) DO UPDATE SET
        n = cohort_work.n + excluded.n, score_sum = cohort_work.score_sum + excluded.score_sum,
        square_sum = cohort_work.square_sum + excluded.square_sum;

-- What nobody counts in any more, of courses that the learner counted in.
-- name: learner_sweep_cohort
-- args: int
DELETE FROM cohort_work WHERE n = 0 AND course IN
       (SELECT course FROM cohort_counted WHERE learner_id = $1);

-- name: learner_drop_cohort_counted
-- args: int
DELETE FROM cohort_counted WHERE learner_id = $1;

-- name: cohort_counted_put
-- args: int
INSERT INTO cohort_counted (learner_id, course, task, day, bin, score_centi)
SELECT $1, k.course, k.task, k.day, k.bin, k.score
  FROM (SELECT w.course, w.task, w.handed_day AS day,
               CASE WHEN w.score_centi IS NULL THEN -1 ELSE w.score_centi / 500 END AS bin,
               1 AS n, coalesce(w.score_centi, 0) AS score
          FROM warning_work w JOIN learners l ON l.learner_id = w.learner_id
         WHERE w.learner_id = $1 AND l.include_in_analytics = 1) k;

-- How many take the course.
-- name: cohort_size
-- args: text
SELECT coalesce(sum(n), 0) FROM cohort_work WHERE course = $1 AND task = '';

-- One piece by the end of a day: who has handed it in, and how many of them did worse, as well,
-- sooner, on the same day.
-- name: cohort_places
-- args: text, text, int, int, int
-- bulk
WITH k (course, task, until_day, handed_day, own_bin) AS (VALUES ($1, $2, $3, $4, $5))
SELECT k.task, sum(w.n), sum(CASE WHEN w.bin >= 0 THEN w.n ELSE 0 END), sum(w.score_sum),
       sum(w.square_sum), sum(CASE WHEN w.bin >= 0 AND w.bin < k.own_bin THEN w.n ELSE 0 END),
       sum(CASE WHEN w.bin >= 0 AND w.bin = k.own_bin THEN w.n ELSE 0 END),
       sum(CASE WHEN w.day < k.handed_day THEN w.n ELSE 0 END),
       sum(CASE WHEN w.day = k.handed_day THEN w.n ELSE 0 END)
  FROM k JOIN cohort_work w ON w.course = k.course AND w.task = k.task AND w.day <= k.until_day
 GROUP BY k.task ORDER BY k.task;
