-- What was searched, day by day, and what became of it: whole numbers, for any number of days back.
-- slot = kind * 100000 + local day. Kinds: 0 all searches of the day (what: ''), 1 a query, 2 how many
-- results were shown (20: or more), 3 a response time (src/twin/histogram.h), 4 the place of a result
-- that was opened, 5 a search of which one was opened.
CREATE TABLE search_sums (
    learner_id {int} NOT NULL,
    slot {int} NOT NULL,
    what {text} NOT NULL CHECK (length(what) <= 256),
    n {int} NOT NULL DEFAULT 0,
    known {int} NOT NULL DEFAULT 0,          -- searches whose number of results is known
    results {int} NOT NULL DEFAULT 0,        -- sum of that
    zero {int} NOT NULL DEFAULT 0,           -- of these, without any
    clicks {int} NOT NULL DEFAULT 0,
    timed {int} NOT NULL DEFAULT 0,          -- searches whose response time is known
    response_ms {int} NOT NULL DEFAULT 0,    -- sum of that
    last_at {int} NOT NULL DEFAULT 0,
    PRIMARY KEY (learner_id, slot, what)
) {clustered};
