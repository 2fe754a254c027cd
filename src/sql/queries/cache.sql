-- What the cache keeps an eye on.

-- name: cache_epoch
SELECT epoch FROM cache_epochs WHERE name = 'store';

-- name: cache_epoch_move
UPDATE cache_epochs SET epoch = epoch + 1 WHERE name = 'store';

-- All learners there are, page by page, for the filter.
-- name: cache_learners
-- args: text, int
SELECT external_id FROM learners WHERE external_id > $1 ORDER BY external_id LIMIT $2;

-- Those who studied last, for warming.
-- name: cache_learners_lately
-- args: int
-- scan: an administrator asks for it, and hardly ever
SELECT l.external_id FROM totals t JOIN learners l ON l.learner_id = t.learner_id
 WHERE t.last_at IS NOT NULL ORDER BY t.last_at DESC, t.learner_id LIMIT $1;

-- Those whose usual hour begins behind $1 and until $2.
-- name: cache_learners_usual
-- args: int, int, int
SELECT external_id FROM learners WHERE usual_at > $1 AND usual_at <= $2 ORDER BY usual_at LIMIT $3;
