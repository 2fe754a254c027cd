-- The ground: who learns, what there is to learn, what happened, and the sums of what happened.
--
-- Sums (days, hours, lengths, topics, totals) are integers, so that they do not depend on the order
-- in which events arrive: a rebuild from the log gives the same rows, bit for bit. Logarithms are
-- kept in millionths ("micro"), scores in millionths of 1.

CREATE TABLE learners (
    learner_id {identity},
    external_id {text} NOT NULL UNIQUE CHECK (length(external_id) BETWEEN 1 AND 128),
    email {text} CHECK (length(email) <= 254),
    name {text} CHECK (length(name) <= 200),
    zone {text} NOT NULL DEFAULT 'UTC',
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    auto_generate_missions {int} NOT NULL DEFAULT 1 CHECK (auto_generate_missions IN (0, 1)),
    default_mission_minutes {int} NOT NULL DEFAULT 50 CHECK (default_mission_minutes BETWEEN 5 AND 240),
    mission_difficulty {text} NOT NULL DEFAULT 'AUTO'
        CHECK (mission_difficulty IN ('AUTO', 'EASY', 'MODERATE', 'CHALLENGING')),
    preferred_study_time {text},
    last_mission_adaptation {int},
    include_in_analytics {int} NOT NULL DEFAULT 1 CHECK (include_in_analytics IN (0, 1)),
    performance_tracking_enabled {int} NOT NULL DEFAULT 1 CHECK (performance_tracking_enabled IN (0, 1)),
    behavioral_analysis_enabled {int} NOT NULL DEFAULT 1 CHECK (behavioral_analysis_enabled IN (0, 1)),
    learning_style_profiling_enabled {int} NOT NULL DEFAULT 1 CHECK (learning_style_profiling_enabled IN (0, 1)),
    share_anonymized_patterns {int} NOT NULL DEFAULT 0 CHECK (share_anonymized_patterns IN (0, 1)),
    share_peer_calibration_data {int} NOT NULL DEFAULT 0 CHECK (share_peer_calibration_data IN (0, 1)),
    medical_school {text},
    graduation_year {int} CHECK (graduation_year BETWEEN 2000 AND 2100),
    night_at {int} NOT NULL DEFAULT 0, -- when the nightly analysis is next due
    usual_at {int} -- when the hour begins in which the learner usually studies, as of the last night
) {strict};
CREATE INDEX learners_by_night ON learners (night_at);
CREATE INDEX learners_by_usual ON learners (usual_at);

-- An address is one learner's, however it is capitalised.
CREATE UNIQUE INDEX learners_by_email ON learners (lower(email));

-- Who changed which consent, when, from what to what.
CREATE TABLE consents (
    learner_id {int} NOT NULL REFERENCES learners (learner_id) ON DELETE CASCADE,
    at {int} NOT NULL,
    setting {text} NOT NULL,
    old_value {int} NOT NULL CHECK (old_value IN (0, 1)),
    new_value {int} NOT NULL CHECK (new_value IN (0, 1)),
    actor {text} NOT NULL,
    PRIMARY KEY (learner_id, at, setting)
) {clustered};

-- The catalogue, shared by all learners. Events may name things that it does not hold.
CREATE TABLE courses (
    course {text} NOT NULL PRIMARY KEY CHECK (length(course) BETWEEN 1 AND 128),
    name {text} NOT NULL,
    code {text},
    term {text},
    color {text},
    created_at {int} NOT NULL
) {clustered};

CREATE TABLE lectures (
    lecture {text} NOT NULL PRIMARY KEY CHECK (length(lecture) BETWEEN 1 AND 128),
    course {text} REFERENCES courses (course) ON DELETE CASCADE,
    title {text} NOT NULL,
    created_at {int} NOT NULL
) {clustered};
CREATE INDEX lectures_by_course ON lectures (course);

CREATE TABLE objectives (
    objective {text} NOT NULL PRIMARY KEY CHECK (length(objective) BETWEEN 1 AND 128),
    course {text} REFERENCES courses (course) ON DELETE CASCADE,
    lecture {text} REFERENCES lectures (lecture) ON DELETE SET NULL,
    name {text} NOT NULL,
    complexity {text} NOT NULL DEFAULT 'INTERMEDIATE'
        CHECK (complexity IN ('BASIC', 'INTERMEDIATE', 'ADVANCED')),
    high_yield {int} NOT NULL DEFAULT 0 CHECK (high_yield IN (0, 1)),
    created_at {int} NOT NULL
) {clustered};
CREATE INDEX objectives_by_course ON objectives (course);
CREATE INDEX objectives_by_lecture ON objectives (lecture);

CREATE TABLE objective_prerequisites (
    objective {text} NOT NULL REFERENCES objectives (objective) ON DELETE CASCADE,
    prerequisite {text} NOT NULL REFERENCES objectives (objective) ON DELETE CASCADE,
    strength {real} NOT NULL DEFAULT 1 CHECK (strength BETWEEN 0 AND 1),
    PRIMARY KEY (objective, prerequisite),
    CHECK (objective <> prerequisite)
) {clustered};
CREATE INDEX objective_prerequisites_by_prerequisite ON objective_prerequisites (prerequisite);

CREATE TABLE skills (
    skill {text} NOT NULL PRIMARY KEY CHECK (length(skill) BETWEEN 1 AND 128),
    name {text} NOT NULL,
    created_at {int} NOT NULL
) {clustered};

CREATE TABLE items (
    item {text} NOT NULL PRIMARY KEY CHECK (length(item) BETWEEN 1 AND 128),
    course {text} REFERENCES courses (course) ON DELETE CASCADE,
    lecture {text} REFERENCES lectures (lecture) ON DELETE SET NULL,
    objective {text} REFERENCES objectives (objective) ON DELETE SET NULL,
    item_type {text} NOT NULL DEFAULT 'BASIC' CHECK (item_type IN ('BASIC', 'CLOZE', 'CLINICAL_REASONING')),
    front {text},
    back {text},
    created_at {int} NOT NULL
) {clustered};
CREATE INDEX items_by_course ON items (course);
CREATE INDEX items_by_lecture ON items (lecture);
CREATE INDEX items_by_objective ON items (objective);

CREATE TABLE item_skills (
    item {text} NOT NULL REFERENCES items (item) ON DELETE CASCADE,
    skill {text} NOT NULL REFERENCES skills (skill) ON DELETE CASCADE,
    PRIMARY KEY (item, skill)
) {clustered};
CREATE INDEX item_skills_by_skill ON item_skills (skill);

-- What happened: the only source of everything below. Never updated. Rows come by one way only, behind
-- event_check(), which knows the bounds: told again here, they would cost a tenth of each insert.
CREATE TABLE events (
    learner_id {int} NOT NULL,
    at {int} NOT NULL,
    id {text} NOT NULL,
    kind {int} NOT NULL,
    untimed {int} NOT NULL DEFAULT 0, -- 1: `at` tells the order only
    session {text},
    item {text},
    skills {text},        -- a JSON array of texts
    correct {int},        -- 0 or 1
    score {real},         -- 0 .. 1
    rating {int},         -- 1 .. 4
    duration_ms {int},
    latency_ms {int},
    confidence {real},    -- 0 .. 1
    modality {text},
    course {text},
    objective {text},
    mission {text},
    data {text},          -- a JSON object
    received_at {int} NOT NULL,
    PRIMARY KEY (learner_id, at, id)
) {by_learner};
-- The same id again is the same event, whatever else it says.
CREATE UNIQUE INDEX events_by_id ON events (learner_id, id);

CREATE TABLE sessions (
    learner_id {int} NOT NULL,
    session {text} NOT NULL CHECK (length(session) BETWEEN 1 AND 128),
    first_at {int} NOT NULL,         -- earliest instant of any of its events (their durations included)
    last_at {int} NOT NULL,
    started_at {int},                -- earliest explicit start; NULL when it was never told
    completed_at {int},              -- earliest explicit completion
    declared_ms {int},               -- the longest duration that a completion declared
    declared_pause_ms {int} NOT NULL DEFAULT 0,
    mission {text},
    pauses {int} NOT NULL DEFAULT 0,
    pause_ms_sum {int} NOT NULL DEFAULT 0,   -- sum of the pauses' times, ms since 1970
    resumes {int} NOT NULL DEFAULT 0,
    resume_ms_sum {int} NOT NULL DEFAULT 0,
    active_ms {int} NOT NULL DEFAULT 0,      -- sum of its events' durations
    events {int} NOT NULL DEFAULT 0,
    answers {int} NOT NULL DEFAULT 0,
    correct {int} NOT NULL DEFAULT 0,
    reviews {int} NOT NULL DEFAULT 0,
    recalled {int} NOT NULL DEFAULT 0,
    rating_sum {int} NOT NULL DEFAULT 0,     -- AGAIN 1 .. EASY 4
    new_cards {int} NOT NULL DEFAULT 0,      -- cards whose first review ever lies here
    latency_n {int} NOT NULL DEFAULT 0,
    latency_ms_sum {int} NOT NULL DEFAULT 0,
    latency_log_micro {int} NOT NULL DEFAULT 0,
    score_n {int} NOT NULL DEFAULT 0,
    score_micro {int} NOT NULL DEFAULT 0,
    objectives_total {int} NOT NULL DEFAULT 0,
    objectives_done {int} NOT NULL DEFAULT 0,
    assessment_n {int} NOT NULL DEFAULT 0,   -- self-assessments 1..5
    assessment_sum {int} NOT NULL DEFAULT 0,
    notes {text},
    notes_at {int},
    untimed {int} NOT NULL DEFAULT 0 CHECK (untimed IN (0, 1)),
    topics {text},                   -- what it touched (src/ingest/topics.h)
    PRIMARY KEY (learner_id, session)
) {clustered};
CREATE INDEX sessions_by_time ON sessions (learner_id, first_at);
CREATE INDEX sessions_by_mission ON sessions (learner_id, mission) WHERE mission IS NOT NULL;

CREATE TABLE session_objectives (
    learner_id {int} NOT NULL,
    session {text} NOT NULL,
    objective {text} NOT NULL,
    position {int},                  -- place in the session's plan; NULL: done without being planned
    estimated_minutes {int},
    completed_at {int},
    time_spent_ms {int},
    self_assessment {int} CHECK (self_assessment BETWEEN 1 AND 5),
    confidence_rating {int} CHECK (confidence_rating BETWEEN 1 AND 5),
    clinical_ms {int},
    notes {text},
    PRIMARY KEY (learner_id, session, objective)
) {clustered};

CREATE TABLE missions (
    learner_id {int} NOT NULL,
    mission {text} NOT NULL CHECK (length(mission) BETWEEN 1 AND 128),
    day {int} NOT NULL,              -- local day it is for
    status {text} NOT NULL CHECK (status IN ('PENDING', 'IN_PROGRESS', 'COMPLETED', 'SKIPPED')),
    created_at {int} NOT NULL,       -- of the mission_created; earliest of its events until that is told
    told {int} NOT NULL DEFAULT 0 CHECK (told IN (0, 1)), -- was there a mission_created?
    started_at {int},
    completed_at {int},
    skipped_at {int},
    estimated_minutes {int} NOT NULL DEFAULT 0, -- as planned, or as eased where that is less
    planned_minutes {int} NOT NULL DEFAULT 0,
    eased_minutes {int},
    actual_minutes {int},
    review_card_count {int} NOT NULL DEFAULT 0,
    new_content_count {int} NOT NULL DEFAULT 0,
    difficulty_rating {int} CHECK (difficulty_rating BETWEEN 1 AND 5),
    PRIMARY KEY (learner_id, mission)
) {clustered};
-- With what most reads want of each: they never look at the missions themselves.
CREATE INDEX missions_by_day ON missions (learner_id, day, mission, status, difficulty_rating);

CREATE TABLE mission_objectives (
    learner_id {int} NOT NULL,
    mission {text} NOT NULL,
    objective {text} NOT NULL,
    position {int},                  -- place in the mission; NULL: done without being planned
    estimated_minutes {int} NOT NULL DEFAULT 0,
    completed_at {int},
    PRIMARY KEY (learner_id, mission, objective)
) {clustered};

CREATE TABLE cards (
    learner_id {int} NOT NULL,
    item {text} NOT NULL,
    reviews {int} NOT NULL DEFAULT 0,
    again {int} NOT NULL DEFAULT 0,
    hard {int} NOT NULL DEFAULT 0,
    good {int} NOT NULL DEFAULT 0,
    easy {int} NOT NULL DEFAULT 0,
    first_at {int} NOT NULL,
    first_id {text} NOT NULL,        -- of the first review's event, to break ties
    first_session {text},
    last_at {int} NOT NULL,
    last_id {text} NOT NULL,
    last_rating {int} NOT NULL CHECK (last_rating BETWEEN 1 AND 4),
    PRIMARY KEY (learner_id, item)
) {clustered};

-- Cognitive load that was measured or reported, sample by sample.
CREATE TABLE loads (
    learner_id {int} NOT NULL,
    at {int} NOT NULL,
    id {text} NOT NULL,
    session {text},
    score {real} NOT NULL CHECK (score BETWEEN 0 AND 100),
    confidence {real} CHECK (confidence BETWEEN 0 AND 1),
    indicators {text} NOT NULL,      -- a JSON array
    PRIMARY KEY (learner_id, at, id)
) {clustered};

-- The sums. A local day, hour and weekday are those of the learner's zone.
CREATE TABLE days (
    learner_id {int} NOT NULL,
    day {int} NOT NULL,              -- local days since 1970-01-01
    study_ms {int} NOT NULL DEFAULT 0,
    night_ms {int} NOT NULL DEFAULT 0,       -- 00-06
    morning_ms {int} NOT NULL DEFAULT 0,     -- 06-12
    afternoon_ms {int} NOT NULL DEFAULT 0,   -- 12-18
    evening_ms {int} NOT NULL DEFAULT 0,     -- 18-24
    sessions {int} NOT NULL DEFAULT 0,       -- that began on this day
    completed {int} NOT NULL DEFAULT 0,      -- of these, completed
    answers {int} NOT NULL DEFAULT 0,
    correct {int} NOT NULL DEFAULT 0,
    reviews {int} NOT NULL DEFAULT 0,
    recalled {int} NOT NULL DEFAULT 0,
    latency_n {int} NOT NULL DEFAULT 0,
    latency_log_micro {int} NOT NULL DEFAULT 0,
    load_n {int} NOT NULL DEFAULT 0,
    load_micro {int} NOT NULL DEFAULT 0,     -- sum of load scores (0..100), in millionths
    load_max_micro {int} NOT NULL DEFAULT 0,
    events {int} NOT NULL DEFAULT 0,
    PRIMARY KEY (learner_id, day)
) {clustered};

CREATE TABLE hours (
    learner_id {int} NOT NULL,
    slot {int} NOT NULL CHECK (slot BETWEEN 0 AND 167), -- weekday (0 = Sunday) * 24 + hour
    study_ms {int} NOT NULL DEFAULT 0,
    sessions {int} NOT NULL DEFAULT 0,
    completed {int} NOT NULL DEFAULT 0,
    answers {int} NOT NULL DEFAULT 0,
    correct {int} NOT NULL DEFAULT 0,
    reviews {int} NOT NULL DEFAULT 0,
    recalled {int} NOT NULL DEFAULT 0,
    assessment_n {int} NOT NULL DEFAULT 0,
    assessment_sum {int} NOT NULL DEFAULT 0,
    PRIMARY KEY (learner_id, slot)
) {clustered};

-- Sessions by their length: minutes [0,10) [10,20) [20,30) [30,40) [40,50) [50,60) [60,90) [90,..).
CREATE TABLE lengths (
    learner_id {int} NOT NULL,
    bucket {int} NOT NULL CHECK (bucket BETWEEN 0 AND 7),
    sessions {int} NOT NULL DEFAULT 0,
    completed {int} NOT NULL DEFAULT 0,
    study_ms {int} NOT NULL DEFAULT 0,
    answers {int} NOT NULL DEFAULT 0,
    correct {int} NOT NULL DEFAULT 0,
    reviews {int} NOT NULL DEFAULT 0,
    recalled {int} NOT NULL DEFAULT 0,
    planned {int} NOT NULL DEFAULT 0,        -- sessions with a plan of objectives
    plan_done_micro {int} NOT NULL DEFAULT 0, -- sum of the shares of their plans that were done
    PRIMARY KEY (learner_id, bucket)
) {clustered};

CREATE TABLE topics (
    learner_id {int} NOT NULL,
    topic_kind {int} NOT NULL CHECK (topic_kind BETWEEN 1 AND 5), -- course lecture objective skill modality
    topic {text} NOT NULL,
    study_ms {int} NOT NULL DEFAULT 0,
    sessions {int} NOT NULL DEFAULT 0,
    answers {int} NOT NULL DEFAULT 0,
    correct {int} NOT NULL DEFAULT 0,
    reviews {int} NOT NULL DEFAULT 0,
    recalled {int} NOT NULL DEFAULT 0,
    score_n {int} NOT NULL DEFAULT 0,
    score_micro {int} NOT NULL DEFAULT 0,
    first_at {int} NOT NULL,
    last_at {int} NOT NULL,
    PRIMARY KEY (learner_id, topic_kind, topic)
) {clustered};

CREATE TABLE totals (
    learner_id {int} NOT NULL,
    version {int} NOT NULL DEFAULT 0,        -- raised by each commit that changes the learner's data
    events {int} NOT NULL DEFAULT 0,
    untimed {int} NOT NULL DEFAULT 0,        -- of these, without a time
    first_at {int},                          -- of timed events
    last_at {int},
    study_ms {int} NOT NULL DEFAULT 0,
    sessions {int} NOT NULL DEFAULT 0,
    completed {int} NOT NULL DEFAULT 0,
    answers {int} NOT NULL DEFAULT 0,
    correct {int} NOT NULL DEFAULT 0,
    reviews {int} NOT NULL DEFAULT 0,
    recalled {int} NOT NULL DEFAULT 0,
    latency_n {int} NOT NULL DEFAULT 0,
    latency_log_micro {int} NOT NULL DEFAULT 0,
    latency_log_sq_micro {int} NOT NULL DEFAULT 0,
    loads {int} NOT NULL DEFAULT 0,
    load_micro {int} NOT NULL DEFAULT 0,
    PRIMARY KEY (learner_id)
) {clustered};

-- Events that were refused, with the reason, until replayed or dropped. Bounded by a setting.
CREATE TABLE quarantine (
    quarantine_id {identity},
    received_at {int} NOT NULL,
    source {text} NOT NULL,          -- the key's name, or the importer
    code {text} NOT NULL,
    field {text} NOT NULL,
    reason {text} NOT NULL,
    learner {text},                  -- whom the body names, if it could be read: erased with the learner
    body {text} NOT NULL
) {strict};
CREATE INDEX quarantine_by_learner ON quarantine (learner);

CREATE TABLE api_keys (
    key_id {text} NOT NULL PRIMARY KEY,      -- public part
    secret_hash {blob} NOT NULL,             -- SHA-256 of the secret part (256 random bits)
    scopes {int} NOT NULL,                   -- bit set
    learner {text},                          -- external id: the key speaks for this learner only
    name {text} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int},
    revoked_at {int}
) {clustered};

-- Moved by every transaction of a program other than the server, so that a server that keeps answers
-- in memory finds out that they may be old.
CREATE TABLE cache_epochs (
    name {text} NOT NULL PRIMARY KEY,        -- 'store'
    epoch {int} NOT NULL
) {clustered};
INSERT INTO cache_epochs (name, epoch) VALUES ('store', 0);

-- How far an import of a file has come: position after the last committed batch.
CREATE TABLE imports (
    import_key {text} NOT NULL PRIMARY KEY,  -- importer, options and content hash
    position {int} NOT NULL,
    finished {int} NOT NULL DEFAULT 0 CHECK (finished IN (0, 1)),
    summary {text} NOT NULL,
    updated_at {int} NOT NULL
) {clustered};

-- A learner's calendars elsewhere, one of a provider. What opens them is sealed (calendar/seal.h).
CREATE TABLE calendars (
    learner_id {int} NOT NULL REFERENCES learners (learner_id) ON DELETE CASCADE,
    provider {text} NOT NULL CHECK (provider IN ('GOOGLE', 'CALDAV', 'ICAL', 'UPLOAD')),
    name {text} NOT NULL CHECK (length(name) <= 512), -- to be shown; holds no secret
    sealed {blob},                   -- a JSON object: addresses, tokens, passwords
    push {int} NOT NULL DEFAULT 0 CHECK (push IN (0, 1)), -- are planned sessions written there?
    marker {text},                   -- ETag, CTag or sync token of what was read last
    connected_at {int} NOT NULL,
    synced_at {int},                 -- last success
    tried_at {int},                  -- last attempt
    failure {text},                  -- machine code of the last attempt, if it failed
    covers_until {int},              -- busy times are known up to here
    cut {int} NOT NULL DEFAULT 0 CHECK (cut IN (0, 1)), -- there was more than is kept
    PRIMARY KEY (learner_id, provider)
) {clustered};

CREATE TABLE busy_times (
    learner_id {int} NOT NULL,
    starts_at {int} NOT NULL,
    provider {text} NOT NULL,
    event {text} NOT NULL,           -- the event's id there
    ends_at {int} NOT NULL,
    title {text} NOT NULL,
    all_day {int} NOT NULL CHECK (all_day IN (0, 1)),
    tentative {int} NOT NULL CHECK (tentative IN (0, 1)),
    CHECK (ends_at > starts_at),
    PRIMARY KEY (learner_id, starts_at, provider, event)
) {clustered};
CREATE INDEX busy_times_by_event ON busy_times (learner_id, provider, event);

-- A connection that waits for the learner's consent at the provider; the newest attempt counts.
CREATE TABLE calendar_states (
    learner_id {int} NOT NULL PRIMARY KEY REFERENCES learners (learner_id) ON DELETE CASCADE,
    state_hash {blob} NOT NULL UNIQUE, -- SHA-256
    sealed {blob} NOT NULL,          -- the PKCE verifier
    expires_at {int} NOT NULL
) {clustered};

-- The address under which a learner's planned sessions may be read; only a hash of its secret.
CREATE TABLE calendar_feeds (
    learner_id {int} NOT NULL PRIMARY KEY REFERENCES learners (learner_id) ON DELETE CASCADE,
    token_hash {blob} NOT NULL UNIQUE, -- SHA-256 of 256 random bits
    created_at {int} NOT NULL
) {clustered};

-- Study that was planned. A plan that is dropped becomes CANCELLED: calendars must be told.
CREATE TABLE planned_sessions (
    learner_id {int} NOT NULL,
    plan {text} NOT NULL CHECK (length(plan) BETWEEN 1 AND 128),
    starts_at {int} NOT NULL,
    ends_at {int} NOT NULL,
    title {text} NOT NULL CHECK (length(title) <= 200),
    state {text} NOT NULL CHECK (state IN ('PLANNED', 'DONE', 'MISSED', 'CANCELLED')),
    changed_at {int} NOT NULL,
    caldav_href {text},              -- where it was written; NULL: nowhere
    caldav_etag {text},              -- NULL with an href: changed there by the learner, left alone
    caldav_at {int},                 -- changed_at of what was written
    CHECK (ends_at > starts_at),
    PRIMARY KEY (learner_id, plan)
) {clustered};
CREATE INDEX planned_sessions_by_time ON planned_sessions (learner_id, starts_at);
