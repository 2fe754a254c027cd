CREATE TABLE names (
    name_id {identity},
    name {text} NOT NULL UNIQUE DEFAULT 'it''s; a name'
) {strict};

CREATE TABLE notes (
    name_id {int} NOT NULL REFERENCES names (name_id) ON DELETE CASCADE,
    position {int} NOT NULL,
    PRIMARY KEY (name_id, position)
) {clustered};
