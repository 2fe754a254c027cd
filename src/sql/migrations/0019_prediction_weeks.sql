-- How a learner's forecasts of struggle turned out, by the week in which their time was over: kept as
-- they are judged, so that nobody adds them up from all there were.
CREATE TABLE prediction_weeks (
    learner_id {int} NOT NULL,
    week {int} NOT NULL,             -- of until_at, since 1970-01-01
    n {int} NOT NULL,                -- whose time was over
    confirmed {int} NOT NULL,
    false_positives {int} NOT NULL,
    missed {int} NOT NULL,
    judged {int} NOT NULL,           -- of which an outcome is known
    hit {int} NOT NULL,              -- of these, told right at one half
    probability_micro {int} NOT NULL,
    width_micro {int} NOT NULL,      -- of the intervals
    PRIMARY KEY (learner_id, week)
) {clustered};

INSERT INTO prediction_weeks (learner_id, week, n, confirmed, false_positives, missed, judged, hit,
        probability_micro, width_micro)
    SELECT learner_id, until_at / 604800000000, count(*),
           sum(CASE WHEN status = 'CONFIRMED' THEN 1 ELSE 0 END),
           sum(CASE WHEN status = 'FALSE_POSITIVE' THEN 1 ELSE 0 END),
           sum(CASE WHEN status = 'MISSED' THEN 1 ELSE 0 END), count(struggled),
           sum(CASE WHEN (probability >= 0.5) = (struggled = 1) THEN 1 ELSE 0 END),
           CAST(round(sum(probability) * 1000000) AS {int}),
           CAST(round(sum(high - low) * 1000000) AS {int})
      FROM struggle_predictions WHERE resolved_at IS NOT NULL
     GROUP BY learner_id, until_at / 604800000000;

-- The present forecasts are those of the last day on which any were made: nothing needs to be
-- written into the others.
DROP INDEX struggle_predictions_present;
ALTER TABLE struggle_predictions DROP COLUMN superseded;
-- Those that lists show besides, and those that tell how help turned out.
CREATE INDEX struggle_predictions_over ON struggle_predictions (learner_id, day)
    WHERE resolved_at IS NOT NULL;
CREATE INDEX struggle_predictions_judged ON struggle_predictions (learner_id, until_at)
    WHERE struggled IS NOT NULL;
