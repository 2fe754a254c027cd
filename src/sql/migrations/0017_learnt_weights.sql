-- The shared weights of the struggle model as what runs left of them, one after the other: the last
-- word on a slot counts. A run writes a row or a few instead of a thousand rows all over a table; when
-- there are many, all weights are written once more and what came before goes (src/night/weights.h).
CREATE TABLE learnt_weights (
    number {int} NOT NULL, -- outcomes known then, as in struggle_shared
    part {int} NOT NULL,
    whole {int} NOT NULL CHECK (whole IN (0, 1)), -- all weights of that number, not one run's
    slots {text} NOT NULL CHECK (length(slots) <= 65536), -- ascending, each less the one before
    states {blob} NOT NULL CHECK (length(states) <= 131072),
    PRIMARY KEY (number, part)
) {strict};

-- Those that are stored one by one come before all others.
INSERT INTO learnt_weights (number, part, whole, slots, states)
    SELECT slot - 1000000000, 0, 0, CAST(slot AS TEXT), state FROM struggle_weights;
DROP TABLE struggle_weights;
