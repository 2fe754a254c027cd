/* rows - the derived rows that are more than a sum: read, merged, written whole.
 *
 * Each kind of row is a monoid: x_none() is its "nothing known", x_merge() takes two of them
 * together, in any order and grouping, with the same result. That is what makes events apply in any
 * order. "The first wins" is decided by time, then by id or by the values themselves, never by
 * arrival. */
#pragma once
#include "ingest/table.h"
#include "store/store.h"
#include "twin/session.h"

#define NUMBER_NONE INT64_C(-1) /* NULL in the database, of counts and lengths */

/* How each of them begins. */
struct row_head {
    struct row_key key;
    const void *before; /* the row as it was in the database; NULL: there was none */
};

struct session_row {
    struct row_head head; /* a: session */
    struct session_facts facts;
    struct str mission; /* the smallest text that was told */
    int64_t events, answers, correct, reviews, recalled, rating_sum, new_cards;
    int64_t latency_n, latency_ms_sum, latency_log_micro, score_n, score_micro;
    int64_t objectives_total, objectives_done, assessment_n, assessment_sum;
    struct str notes; /* the latest; of those at one time the largest text */
    int64_t notes_at;
    /* topics.h; {NULL, 0}: none. session_merge() keeps the store's, sums_write() adds the group's.
     */
    struct str topics;
};

struct session_objective_row {
    struct row_head head; /* a: session, b: objective */
    int64_t position, estimated_minutes;
    int64_t completed_at, time_spent_ms, self_assessment, confidence_rating, clinical_ms;
    struct str notes;
};

struct mission_row {
    struct row_head head; /* a: mission */
    int64_t day;          /* INT64_MIN: unknown until written */
    int64_t created_at, told, started_at, completed_at, skipped_at;
    int64_t planned_minutes, eased_minutes; /* told; eased: NUMBER_NONE, or the least */
    int64_t actual_minutes, review_cards, new_content, difficulty;
    int64_t version; /* events that told of it; those of its objectives count there */
};

struct mission_objective_row {
    struct row_head head; /* a: mission, b: objective */
    int64_t position, estimated_minutes, completed_at, completions;
};

struct card_row {
    struct row_head head; /* a: item */
    int64_t reviews, ratings[4];
    int64_t first_at; /* TIME_NONE: no review */
    struct str first_id, first_session;
    int64_t last_at;
    struct str last_id;
    int64_t last_rating;
    /* What is left in memory is no sum: card_merge() keeps it, cards_remember() sets it. */
    int64_t stability, difficulty; /* millionths; NUMBER_NONE: not computed */
    int64_t memory_day, memory_reviews, lapses;
    struct card_event *fresh; /* the group's reviews with a clock, as they came (cards.h) */
};

struct run_work_row {
    struct row_head head; /* a: run of a course, b: piece of set work; empty: taking the run */
    int64_t events, first_day, told_at;
    int64_t score_micro, carried, attempts, credits_milli, education;
    int64_t left_day, joined_day, ended_day, passed; /* NUMBER_NONE */
};

/* Fill all but the head, which is kept. */
void session_none(struct session_row *r);
void session_objective_none(struct session_objective_row *r);
void mission_none(struct mission_row *r);
void mission_objective_none(struct mission_objective_row *r);
void card_none(struct card_row *r);
void run_work_none(struct run_work_row *r);

/* *into becomes both taken together; the keys are equal. */
void session_merge(struct session_row *into, const struct session_row *from);
void session_objective_merge(struct session_objective_row *into,
                             const struct session_objective_row *from);
void mission_merge(struct mission_row *into, const struct mission_row *from);
void mission_objective_merge(struct mission_objective_row *into,
                             const struct mission_objective_row *from);
void card_merge(struct card_row *into, const struct card_row *from);
void run_work_merge(struct run_work_row *into, const struct run_work_row *from);

/* How a row lies in its table. */
struct row_form {
    enum stmt read, put;
    int32_t keys; /* texts in the key: 1 or 2, behind learner_id */
    const struct column *columns;
    int32_t column_count;
    size_t size;
    void (*none)(void *row);
    void (*merge)(void *into, const void *from);
};
extern const struct row_form session_form, session_objective_form, mission_form,
    mission_objective_form, card_form, run_work_form;

/* Arguments of form->read: 1 + keys values; of form->put: as many more as there are columns. */
void row_key_values(const struct row_form *form, const struct row_key *key, int64_t learner_id,
                    struct value *out);
void row_values(const struct row_form *form, const void *row, int64_t learner_id,
                struct value *out);
/* From a row that form->read gave. The key's learner is the caller's to set. */
void row_load(const struct row_form *form, const struct value *v, void *row);
