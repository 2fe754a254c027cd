-- Memory fitted to the learner (src/night/memory.c).

-- name: memory_fit_due
-- args: int
SELECT t.reviews, f.reviews
  FROM totals t LEFT JOIN memory_fits f ON f.learner_id = t.learner_id
 WHERE t.learner_id = $1;

-- A learner's reviews with a clock, card by card in order.
-- name: memory_reviews
-- args: int, int
SELECT item, at, rating
  FROM events WHERE learner_id = $1 AND kind = 2 AND untimed = 0
 ORDER BY item, at, id LIMIT $2;

-- name: memory_fit_put
-- args: int, int, int, int, real, real, text, real, real, int, real, real
-- bulk
INSERT INTO memory_fits (learner_id, fitted_at, reviews, judged, loss_before, loss, weights,
        initial, decay, cards, decay_low, decay_high)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (learner_id) DO UPDATE SET
        fitted_at = excluded.fitted_at, reviews = excluded.reviews, judged = excluded.judged,
        loss_before = excluded.loss_before, loss = excluded.loss, weights = excluded.weights,
        initial = excluded.initial, decay = excluded.decay, cards = excluded.cards,
        decay_low = excluded.decay_low, decay_high = excluded.decay_high;

-- name: memory_fit_of_learner
-- args: text
SELECT f.fitted_at, f.judged, f.loss_before, f.loss, f.initial, f.decay, f.cards,
       f.decay_low, f.decay_high
  FROM memory_fits f
 WHERE f.learner_id = (SELECT learner_id FROM learners WHERE external_id = $1);
