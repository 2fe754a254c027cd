/* sums_rows - the rows in which a group of events is summed up. Inside of sums*.c only: sums.c
 * keeps them, sums_fold.c adds events, sums_write.c merges them with what the store has. */
#pragma once
#include "ingest/cards.h"
#include "ingest/rows.h"
#include "ingest/sums.h"
#include "ingest/table.h"
#include "ingest/topics.h"

#define NO_TEXT ((struct str){NULL, 0})

/* Columns of the sums, in the order of the statements. */
enum {
    DAY_STUDY,
    DAY_NIGHT, /* and morning, afternoon, evening: six hours each */
    DAY_SESSIONS = DAY_NIGHT + 4,
    DAY_COMPLETED,
    DAY_ANSWERS,
    DAY_CORRECT,
    DAY_REVIEWS,
    DAY_RECALLED,
    DAY_LATENCY_N,
    DAY_LATENCY_LOG,
    DAY_LOAD_N,
    DAY_LOAD,
    DAY_LOAD_MAX,
    DAY_EVENTS,
    DAY_COLUMNS
};
enum {
    HOUR_STUDY,
    HOUR_SESSIONS,
    HOUR_COMPLETED,
    HOUR_ANSWERS,
    HOUR_CORRECT,
    HOUR_REVIEWS,
    HOUR_RECALLED,
    HOUR_ASSESSMENT_N,
    HOUR_ASSESSMENT,
    HOUR_COLUMNS
};
enum {
    LENGTH_SESSIONS,
    LENGTH_COMPLETED,
    LENGTH_STUDY,
    LENGTH_ANSWERS,
    LENGTH_CORRECT,
    LENGTH_REVIEWS,
    LENGTH_RECALLED,
    LENGTH_PLANNED,
    LENGTH_PLAN_DONE,
    LENGTH_COLUMNS
};
enum {
    TOPIC_STUDY,
    TOPIC_SESSIONS,
    TOPIC_ANSWERS,
    TOPIC_CORRECT,
    TOPIC_REVIEWS,
    TOPIC_RECALLED,
    TOPIC_SCORE_N,
    TOPIC_SCORE,
    TOPIC_FIRST,
    TOPIC_LAST,
    TOPIC_COLUMNS
};
enum {
    OBJECTIVE_TIMED,
    OBJECTIVE_SUCCEEDED,
    OBJECTIVE_DAY,
    OBJECTIVE_DAY_SQUARE,
    OBJECTIVE_DAY_SUCCEEDED,
    OBJECTIVE_TOLD,
    OBJECTIVE_TOLD_SUM,
    OBJECTIVE_TOLD_SCORE,
    OBJECTIVE_TOLD_GAP_SQUARE,
    OBJECTIVE_COLUMNS
};
enum {
    SEARCH_N,
    SEARCH_KNOWN,
    SEARCH_RESULTS,
    SEARCH_ZERO,
    SEARCH_CLICKS,
    SEARCH_TIMED,
    SEARCH_RESPONSE,
    SEARCH_LAST,
    SEARCH_COLUMNS
};
enum {
    TOTAL_VERSION,
    TOTAL_EVENTS,
    TOTAL_UNTIMED,
    TOTAL_STUDY,
    TOTAL_SESSIONS,
    TOTAL_COMPLETED,
    TOTAL_ANSWERS,
    TOTAL_CORRECT,
    TOTAL_REVIEWS,
    TOTAL_RECALLED,
    TOTAL_LATENCY_N,
    TOTAL_LATENCY_LOG,
    TOTAL_LATENCY_LOG_SQ,
    TOTAL_LOADS,
    TOTAL_LOAD,
    TOTAL_FIRST,
    TOTAL_LAST,
    TOTAL_COLUMNS
};
enum { AUDIT_N, AUDIT_YES, AUDIT_P, AUDIT_SQUARE, AUDIT_BRIER, AUDIT_LOSS, AUDIT_COLUMNS };
enum { SUM_COLUMNS_MAX = 17 };
_Static_assert((int)DAY_COLUMNS <= (int)SUM_COLUMNS_MAX, "days");
_Static_assert((int)TOTAL_COLUMNS <= (int)SUM_COLUMNS_MAX, "totals");

struct sum_row {
    struct row_key key;
    int64_t v[SUM_COLUMNS_MAX];
};

struct topic_row { /* a: session, b: topic, num: its kind */
    struct row_key key;
};

struct load_row { /* a: event id */
    struct row_key key;
    int64_t at;
    struct str session, indicators;
    double score, confidence;
};

struct sums_learner {
    int64_t id;
    const struct zone *zone;
    struct sum_row *total; /* NULL until its first event */
    uint32_t wrote;        /* STMT_GROUP_* */
};

struct learner_ref { /* learner_id in the key's two numbers */
    struct row_key key;
    int32_t index;
};

/* What is asked or written in one round trip. */
struct writing {
    struct sums *s;
    struct bulk bulks[24];
    int32_t count;
};

struct sums {
    struct arena arena;
    bool failed; /* out of memory */
    struct sums_learner *learners;
    int32_t learner_count, learner_room;
    struct table by_id;
    struct table days, hours, lengths, topics, totals, audits, objectives, searches;
    struct table sessions, session_objectives, missions, mission_objectives, cards, run_work;
    struct table session_topics, loads;
    struct writing asked, written; /* until they are answered */
};

/* The row of that key, made where it was not there. */
struct sum_row *sums_row(struct table *t, int32_t learner, int32_t num, struct str text);
struct sum_row *sums_day(struct sums *s, int32_t learner, int32_t day);
/* slot: of the week, as sums_slot() tells it. */
struct sum_row *sums_hour(struct sums *s, int32_t learner, int32_t slot);
int32_t sums_slot(const struct civil *c);
struct sum_row *sums_topic(struct sums *s, int32_t learner, int32_t kind, struct str name);
struct sum_row *sums_total(struct sums *s, int32_t learner);
struct session_row *sums_session(struct sums *s, int32_t learner, struct str session);
/* The key of a learner in `by_id`. */
struct row_key sums_id_key(int64_t learner_id);
/* Study time from an instant on, added to its days and hours (sign 1) or taken away (-1). */
void sums_credit(struct sums *s, int32_t learner, int64_t start, int64_t ms, int64_t sign);
