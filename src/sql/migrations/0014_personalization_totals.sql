-- What the variants brought over all learners (src/night/personalize.h), and what of it is each
-- learner's: of those who count in sums over many, as of each one's last night.
CREATE TABLE personalization_totals (
    context {text} NOT NULL,
    variant {text} NOT NULL,
    learners {int} NOT NULL DEFAULT 0,
    n {int} NOT NULL DEFAULT 0,            -- rewards
    weight_micro {int} NOT NULL DEFAULT 0, -- sum of 1 / propensity
    reward_micro {int} NOT NULL DEFAULT 0, -- and of the reward / propensity
    PRIMARY KEY (context, variant)
) {clustered};

CREATE TABLE personalization_counted (
    learner_id {int} NOT NULL,
    context {text} NOT NULL,
    variant {text} NOT NULL,
    n {int} NOT NULL,
    weight_micro {int} NOT NULL,
    reward_micro {int} NOT NULL,
    PRIMARY KEY (learner_id, context, variant)
) {clustered};
