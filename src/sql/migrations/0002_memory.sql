-- What is left of a card in memory, and how good the forecasts of it were.

-- Whole numbers (src/twin/card.h). stability_micro NULL: not computed yet, as with cards older than
-- this column; the card's next review, or a rebuild, does it. 0: no review with a clock.
ALTER TABLE cards ADD COLUMN stability_micro {int} CHECK (stability_micro >= 0);
ALTER TABLE cards ADD COLUMN difficulty_micro {int} NOT NULL DEFAULT 0;
ALTER TABLE cards ADD COLUMN memory_day {int} NOT NULL DEFAULT 0;
ALTER TABLE cards ADD COLUMN memory_reviews {int} NOT NULL DEFAULT 0;
ALTER TABLE cards ADD COLUMN lapses {int} NOT NULL DEFAULT 0;

-- A card's own reviews in order, for those that come late. Other events cost it nothing.
CREATE INDEX events_by_card ON events (learner_id, item, at, id) WHERE kind = 2;

-- Forecasts and their outcomes (src/twin/audit.h): sums, of the forecasts that would be made now.
CREATE TABLE audits (
    learner_id {int} NOT NULL,
    slot {int} NOT NULL CHECK (slot BETWEEN 0 AND 1023), -- model * 64 + bin
    n {int} NOT NULL DEFAULT 0,
    yes {int} NOT NULL DEFAULT 0,
    p_micro {int} NOT NULL DEFAULT 0,
    square_micro {int} NOT NULL DEFAULT 0,
    brier_micro {int} NOT NULL DEFAULT 0,
    loss_micro {int} NOT NULL DEFAULT 0,
    PRIMARY KEY (learner_id, slot)
) {clustered};

-- FSRS's weights as they suit a learner best (src/twin/memory_fit.h), and the curve that they give.
-- Made at night, from all reviews at that time.
CREATE TABLE memory_fits (
    learner_id {int} NOT NULL PRIMARY KEY,
    fitted_at {int} NOT NULL,
    reviews {int} NOT NULL,          -- of the learner then, as in totals
    judged {int} NOT NULL,           -- a day or more after the card's last one
    loss_before {real} NOT NULL,     -- mean log loss of these by the published weights
    loss {real} NOT NULL,            -- and by the fitted ones
    weights {text} NOT NULL,         -- a JSON array of 21 numbers
    initial {real} NOT NULL,         -- recall = initial * e^(-decay * days), in the place of FSRS's curve
    decay {real} NOT NULL,
    cards {int} NOT NULL,            -- that the curve is the mean of
    decay_low {real} NOT NULL,       -- 95 %
    decay_high {real} NOT NULL
) {clustered};
