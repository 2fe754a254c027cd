-- How far imports of files have come, and the catalogue that they bring.

-- name: imports_get
-- args: text
SELECT position, finished, summary FROM imports WHERE import_key = $1;

-- name: imports_put
-- args: text, int, int, text, int
INSERT INTO imports (import_key, position, finished, summary, updated_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (import_key) DO UPDATE SET position = excluded.position, finished = excluded.finished,
        summary = excluded.summary, updated_at = excluded.updated_at;

-- name: import_course
-- args: text, text, text, text, text, int
-- bulk
INSERT INTO courses (course, name, code, term, color, created_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (course) DO UPDATE SET name = excluded.name, code = coalesce(excluded.code, courses.code),
        term = coalesce(excluded.term, courses.term), color = coalesce(excluded.color, courses.color);

-- name: import_lecture
-- args: text, text, text, int
-- bulk
INSERT INTO lectures (lecture, course, title, created_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (lecture) DO UPDATE SET course = coalesce(excluded.course, lectures.course),
        title = excluded.title;

-- name: import_objective
-- args: text, text, text, text, text, int, int
-- bulk
INSERT INTO objectives (objective, course, lecture, name, complexity, high_yield, created_at)
    VALUES ($1, $2, $3, $4, coalesce($5, 'INTERMEDIATE'), coalesce($6, 0), $7)
    ON CONFLICT (objective) DO UPDATE SET course = coalesce(excluded.course, objectives.course),
        lecture = coalesce(excluded.lecture, objectives.lecture), name = excluded.name,
        complexity = excluded.complexity, high_yield = excluded.high_yield;

-- name: import_prerequisite
-- args: text, text, real
-- bulk
INSERT INTO objective_prerequisites (objective, prerequisite, strength) VALUES ($1, $2, coalesce($3, 1.0))
    ON CONFLICT (objective, prerequisite) DO UPDATE SET strength = excluded.strength;

-- name: import_skill
-- args: text, text, int
-- bulk
INSERT INTO skills (skill, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (skill) DO UPDATE SET name = excluded.name;

-- name: import_item
-- args: text, text, text, text, text, text, text, int
-- bulk
INSERT INTO items (item, course, lecture, objective, item_type, front, back, created_at)
    VALUES ($1, $2, $3, $4, coalesce($5, 'BASIC'), $6, $7, $8)
    ON CONFLICT (item) DO UPDATE SET course = coalesce(excluded.course, items.course),
        lecture = coalesce(excluded.lecture, items.lecture),
        objective = coalesce(excluded.objective, items.objective), item_type = excluded.item_type,
        front = coalesce(excluded.front, items.front), back = coalesce(excluded.back, items.back);

-- name: import_item_skill
-- args: text, text
-- bulk
INSERT INTO item_skills (item, skill) VALUES ($1, $2) ON CONFLICT (item, skill) DO NOTHING;
