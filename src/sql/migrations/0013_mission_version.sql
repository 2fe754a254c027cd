-- How often something was told of a mission (its version counts that), and of its objectives.

ALTER TABLE missions ADD COLUMN version {int} NOT NULL DEFAULT 1;
ALTER TABLE mission_objectives ADD COLUMN completions {int} NOT NULL DEFAULT 0;
