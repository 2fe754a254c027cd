#include "ingest/rows.h"

#include "base/assert.h"

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Of two times that may be TIME_NONE. */
static int64_t earliest(int64_t a, int64_t b)
{
    return a == TIME_NONE ? b : b == TIME_NONE ? a : min_i64(a, b);
}

/* Of two numbers that may be NUMBER_NONE. */
static int64_t smallest(int64_t a, int64_t b)
{
    return a == NUMBER_NONE ? b : b == NUMBER_NONE ? a : min_i64(a, b);
}

/* By value, "none" last. */
static int by_number(int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b; /* -1 is the largest */
    return (x > y) - (x < y);
}

static int by_text(struct str a, struct str b)
{
    if (!a.p || !b.p)
        return (a.p == NULL) - (b.p == NULL);
    return str_cmp(a, b);
}

/* ---- sessions ---- */

void session_none(struct session_row *r)
{
    *r = (struct session_row){
        .head = r->head,
        .facts = {.first_at = INT64_MAX,
                  .last_at = INT64_MIN,
                  .started_at = TIME_NONE,
                  .completed_at = TIME_NONE,
                  .declared_ms = SESSION_MS_NONE},
        .notes_at = TIME_NONE,
    };
}

static void facts_merge(struct session_facts *into, const struct session_facts *from)
{
    into->first_at = min_i64(into->first_at, from->first_at);
    into->last_at = max_i64(into->last_at, from->last_at);
    into->started_at = earliest(into->started_at, from->started_at);
    into->completed_at = earliest(into->completed_at, from->completed_at);
    into->declared_ms = max_i64(into->declared_ms, from->declared_ms);
    into->declared_pause_ms = max_i64(into->declared_pause_ms, from->declared_pause_ms);
    into->pauses += from->pauses;
    into->pause_ms_sum += from->pause_ms_sum;
    into->resumes += from->resumes;
    into->resume_ms_sum += from->resume_ms_sum;
    into->active_ms += from->active_ms;
    into->untimed |= from->untimed;
}

void session_merge(struct session_row *into, const struct session_row *from)
{
    facts_merge(&into->facts, &from->facts);
    if (by_text(from->mission, into->mission) < 0)
        into->mission = from->mission;
    into->events += from->events;
    into->answers += from->answers;
    into->correct += from->correct;
    into->reviews += from->reviews;
    into->recalled += from->recalled;
    into->rating_sum += from->rating_sum;
    into->new_cards += from->new_cards;
    into->latency_n += from->latency_n;
    into->latency_ms_sum += from->latency_ms_sum;
    into->latency_log_micro += from->latency_log_micro;
    into->score_n += from->score_n;
    into->score_micro += from->score_micro;
    into->objectives_total += from->objectives_total;
    into->objectives_done += from->objectives_done;
    into->assessment_n += from->assessment_n;
    into->assessment_sum += from->assessment_sum;
    if (from->notes_at > into->notes_at ||
        (from->notes_at == into->notes_at && str_cmp(from->notes, into->notes) > 0)) {
        into->notes_at = from->notes_at;
        into->notes = from->notes;
    }
    if (!into->topics.p)
        into->topics = from->topics;
}

/* ---- objectives of sessions ---- */

void session_objective_none(struct session_objective_row *r)
{
    *r = (struct session_objective_row){.head = r->head,
                                        .position = NUMBER_NONE,
                                        .estimated_minutes = NUMBER_NONE,
                                        .completed_at = TIME_NONE,
                                        .time_spent_ms = NUMBER_NONE,
                                        .self_assessment = NUMBER_NONE,
                                        .confidence_rating = NUMBER_NONE,
                                        .clinical_ms = NUMBER_NONE};
}

/* The first completion counts; of two at one instant, the one with the smaller values. */
static bool completes_first(const struct session_objective_row *a,
                            const struct session_objective_row *b)
{
    if (a->completed_at == TIME_NONE || b->completed_at == TIME_NONE)
        return b->completed_at == TIME_NONE && a->completed_at != TIME_NONE;
    int d = (a->completed_at > b->completed_at) - (a->completed_at < b->completed_at);
    d = d ? d : by_number(a->time_spent_ms, b->time_spent_ms);
    d = d ? d : by_number(a->self_assessment, b->self_assessment);
    d = d ? d : by_number(a->confidence_rating, b->confidence_rating);
    d = d ? d : by_number(a->clinical_ms, b->clinical_ms);
    return (d ? d : by_text(a->notes, b->notes)) < 0;
}

void session_objective_merge(struct session_objective_row *into,
                             const struct session_objective_row *from)
{
    into->position = smallest(into->position, from->position);
    into->estimated_minutes = max_i64(into->estimated_minutes, from->estimated_minutes);
    if (!completes_first(from, into))
        return;
    into->completed_at = from->completed_at;
    into->time_spent_ms = from->time_spent_ms;
    into->self_assessment = from->self_assessment;
    into->confidence_rating = from->confidence_rating;
    into->clinical_ms = from->clinical_ms;
    into->notes = from->notes;
}

/* ---- missions ---- */

void mission_none(struct mission_row *r)
{
    *r = (struct mission_row){.head = r->head,
                              .day = INT64_MIN,
                              .created_at = TIME_NONE,
                              .started_at = TIME_NONE,
                              .completed_at = TIME_NONE,
                              .skipped_at = TIME_NONE,
                              .eased_minutes = NUMBER_NONE,
                              .actual_minutes = NUMBER_NONE,
                              .difficulty = NUMBER_NONE};
}

/* What a mission_created says goes over what was guessed; of several, the earliest. */
static bool makes_first(const struct mission_row *a, const struct mission_row *b)
{
    if (a->created_at == TIME_NONE || b->created_at == TIME_NONE)
        return b->created_at == TIME_NONE && a->created_at != TIME_NONE;
    if (a->told != b->told)
        return a->told > b->told;
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at;
    if (a->day != b->day)
        return a->day < b->day;
    int d = by_number(a->planned_minutes, b->planned_minutes);
    d = d ? d : by_number(a->review_cards, b->review_cards);
    return (d ? d : by_number(a->new_content, b->new_content)) < 0;
}

static bool ends_first(const struct mission_row *a, const struct mission_row *b)
{
    if (a->completed_at == TIME_NONE || b->completed_at == TIME_NONE)
        return b->completed_at == TIME_NONE && a->completed_at != TIME_NONE;
    int d = (a->completed_at > b->completed_at) - (a->completed_at < b->completed_at);
    d = d ? d : by_number(a->actual_minutes, b->actual_minutes);
    return (d ? d : by_number(a->difficulty, b->difficulty)) < 0;
}

void mission_merge(struct mission_row *into, const struct mission_row *from)
{
    if (makes_first(from, into)) {
        into->day = from->day;
        into->created_at = from->created_at;
        into->told = from->told;
        into->planned_minutes = from->planned_minutes;
        into->review_cards = from->review_cards;
        into->new_content = from->new_content;
    }
    if (ends_first(from, into)) {
        into->completed_at = from->completed_at;
        into->actual_minutes = from->actual_minutes;
        into->difficulty = from->difficulty;
    }
    into->started_at = earliest(into->started_at, from->started_at);
    into->skipped_at = earliest(into->skipped_at, from->skipped_at);
    into->eased_minutes = smallest(into->eased_minutes, from->eased_minutes);
    into->version += from->version;
}

void mission_objective_none(struct mission_objective_row *r)
{
    *r = (struct mission_objective_row){
        .head = r->head, .position = NUMBER_NONE, .completed_at = TIME_NONE};
}

void mission_objective_merge(struct mission_objective_row *into,
                             const struct mission_objective_row *from)
{
    into->position = smallest(into->position, from->position);
    into->estimated_minutes = max_i64(into->estimated_minutes, from->estimated_minutes);
    into->completed_at = earliest(into->completed_at, from->completed_at);
    into->completions += from->completions;
}

/* ---- cards ---- */

void card_none(struct card_row *r)
{
    *r = (struct card_row){.head = r->head, .first_at = TIME_NONE, .last_at = TIME_NONE};
}

void card_merge(struct card_row *into, const struct card_row *from)
{
    if (from->first_at == TIME_NONE)
        return;
    into->reviews += from->reviews;
    for (int i = 0; i < 4; i++)
        into->ratings[i] += from->ratings[i];
    if (into->first_at == TIME_NONE || from->first_at < into->first_at ||
        (from->first_at == into->first_at && str_cmp(from->first_id, into->first_id) < 0)) {
        into->first_at = from->first_at;
        into->first_id = from->first_id;
        into->first_session = from->first_session;
    }
    if (into->last_at == TIME_NONE || from->last_at > into->last_at ||
        (from->last_at == into->last_at && str_cmp(from->last_id, into->last_id) > 0)) {
        into->last_at = from->last_at;
        into->last_id = from->last_id;
        into->last_rating = from->last_rating;
    }
}

/* ---- set work ---- */

void run_work_none(struct run_work_row *r)
{
    *r = (struct run_work_row){.head = r->head,
                               .first_day = NUMBER_NONE,
                               .told_at = TIME_NONE,
                               .score_micro = NUMBER_NONE,
                               .attempts = NUMBER_NONE,
                               .credits_milli = NUMBER_NONE,
                               .education = NUMBER_NONE,
                               .left_day = NUMBER_NONE,
                               .joined_day = NUMBER_NONE,
                               .ended_day = NUMBER_NONE,
                               .passed = NUMBER_NONE};
}

/* The last word counts; of two at one instant, the one with the smaller values. */
static bool tells_last(const struct run_work_row *a, const struct run_work_row *b)
{
    if (a->told_at == TIME_NONE || b->told_at == TIME_NONE)
        return b->told_at == TIME_NONE && a->told_at != TIME_NONE;
    if (a->told_at != b->told_at)
        return a->told_at > b->told_at;
    int d = by_number(a->score_micro, b->score_micro);
    d = d ? d : by_number(a->carried, b->carried);
    d = d ? d : by_number(a->attempts, b->attempts);
    d = d ? d : by_number(a->credits_milli, b->credits_milli);
    return (d ? d : by_number(a->education, b->education)) < 0;
}

void run_work_merge(struct run_work_row *into, const struct run_work_row *from)
{
    into->events += from->events;
    into->first_day = smallest(into->first_day, from->first_day);
    into->left_day = max_i64(into->left_day, from->left_day);
    into->joined_day = max_i64(into->joined_day, from->joined_day);
    if (from->ended_day > into->ended_day ||
        (from->ended_day == into->ended_day && from->passed > into->passed)) {
        into->ended_day = from->ended_day;
        into->passed = from->passed;
    }
    if (!tells_last(from, into))
        return;
    into->told_at = from->told_at;
    into->score_micro = from->score_micro;
    into->carried = from->carried;
    into->attempts = from->attempts;
    into->credits_milli = from->credits_milli;
    into->education = from->education;
}

/* ---- rows and columns ---- */

enum column_type { INTEGER, FLAG, TIME, NUMBER, TEXT, STATUS, MINUTES };

struct column {
    enum column_type type;
    uint32_t offset;
};

/* In the order of the statements' columns, behind the key. */
#define S(type, member)                                      \
    {                                                        \
        type, (uint32_t)offsetof(struct session_row, member) \
    }
static const struct column session_columns[] = {
    S(INTEGER, facts.first_at),
    S(INTEGER, facts.last_at),
    S(TIME, facts.started_at),
    S(TIME, facts.completed_at),
    S(NUMBER, facts.declared_ms),
    S(INTEGER, facts.declared_pause_ms),
    S(TEXT, mission),
    S(INTEGER, facts.pauses),
    S(INTEGER, facts.pause_ms_sum),
    S(INTEGER, facts.resumes),
    S(INTEGER, facts.resume_ms_sum),
    S(INTEGER, facts.active_ms),
    S(INTEGER, events),
    S(INTEGER, answers),
    S(INTEGER, correct),
    S(INTEGER, reviews),
    S(INTEGER, recalled),
    S(INTEGER, rating_sum),
    S(INTEGER, new_cards),
    S(INTEGER, latency_n),
    S(INTEGER, latency_ms_sum),
    S(INTEGER, latency_log_micro),
    S(INTEGER, score_n),
    S(INTEGER, score_micro),
    S(INTEGER, objectives_total),
    S(INTEGER, objectives_done),
    S(INTEGER, assessment_n),
    S(INTEGER, assessment_sum),
    S(TEXT, notes),
    S(TIME, notes_at),
    S(FLAG, facts.untimed),
    S(TEXT, topics),
};
#undef S
#define S(type, member)                                                \
    {                                                                  \
        type, (uint32_t)offsetof(struct session_objective_row, member) \
    }
static const struct column session_objective_columns[] = {
    S(NUMBER, position),        S(NUMBER, estimated_minutes),
    S(TIME, completed_at),      S(NUMBER, time_spent_ms),
    S(NUMBER, self_assessment), S(NUMBER, confidence_rating),
    S(NUMBER, clinical_ms),     S(TEXT, notes),
};
#undef S
#define S(type, member)                                      \
    {                                                        \
        type, (uint32_t)offsetof(struct mission_row, member) \
    }
static const struct column mission_columns[] = {
    S(INTEGER, day),          S(STATUS, head),           S(INTEGER, created_at),
    S(INTEGER, told),         S(TIME, started_at),       S(TIME, completed_at),
    S(TIME, skipped_at),      S(MINUTES, head),          S(INTEGER, planned_minutes),
    S(NUMBER, eased_minutes), S(NUMBER, actual_minutes), S(INTEGER, review_cards),
    S(INTEGER, new_content),  S(NUMBER, difficulty),     S(INTEGER, version),
};
#undef S
#define S(type, member)                                                \
    {                                                                  \
        type, (uint32_t)offsetof(struct mission_objective_row, member) \
    }
static const struct column mission_objective_columns[] = {
    S(NUMBER, position),
    S(INTEGER, estimated_minutes),
    S(TIME, completed_at),
    S(INTEGER, completions),
};
#undef S
#define S(type, member)                                   \
    {                                                     \
        type, (uint32_t)offsetof(struct card_row, member) \
    }
static const struct column card_columns[] = {
    S(INTEGER, reviews),    S(INTEGER, ratings[0]),  S(INTEGER, ratings[1]),
    S(INTEGER, ratings[2]), S(INTEGER, ratings[3]),  S(INTEGER, first_at),
    S(TEXT, first_id),      S(TEXT, first_session),  S(INTEGER, last_at),
    S(TEXT, last_id),       S(INTEGER, last_rating), S(NUMBER, stability),
    S(INTEGER, difficulty), S(INTEGER, memory_day),  S(INTEGER, memory_reviews),
    S(INTEGER, lapses),
};
#undef S
#define S(type, member)                                       \
    {                                                         \
        type, (uint32_t)offsetof(struct run_work_row, member) \
    }
static const struct column run_work_columns[] = {
    S(INTEGER, events),  S(NUMBER, first_day),  S(TIME, told_at),         S(NUMBER, score_micro),
    S(INTEGER, carried), S(NUMBER, attempts),   S(NUMBER, credits_milli), S(NUMBER, education),
    S(NUMBER, left_day), S(NUMBER, joined_day), S(NUMBER, ended_day),     S(NUMBER, passed),
};
#undef S

#define FORM(name, READ, PUT, key_texts)                                        \
    static void name##_none_(void *row)                                         \
    {                                                                           \
        name##_none(row);                                                       \
    }                                                                           \
    static void name##_merge_(void *into, const void *from)                     \
    {                                                                           \
        name##_merge(into, from);                                               \
    }                                                                           \
    const struct row_form name##_form = {.read = (READ),                        \
                                         .put = (PUT),                          \
                                         .keys = (key_texts),                   \
                                         .columns = name##_columns,             \
                                         .column_count = COUNT(name##_columns), \
                                         .size = sizeof(struct name##_row),     \
                                         .none = name##_none_,                  \
                                         .merge = name##_merge_}
FORM(session, STMT_INGEST_SESSIONS_READ, STMT_INGEST_SESSIONS_PUT, 1);
FORM(session_objective, STMT_INGEST_SESSION_OBJECTIVES_READ, STMT_INGEST_SESSION_OBJECTIVES_PUT, 2);
FORM(mission, STMT_INGEST_MISSIONS_READ, STMT_INGEST_MISSIONS_PUT, 1);
FORM(mission_objective, STMT_INGEST_MISSION_OBJECTIVES_READ, STMT_INGEST_MISSION_OBJECTIVES_PUT, 2);
FORM(card, STMT_INGEST_CARDS_READ, STMT_INGEST_CARDS_PUT, 1);
FORM(run_work, STMT_INGEST_RUN_WORK_READ, STMT_INGEST_RUN_WORK_PUT, 2);

/* Told by the instants alone, so that it cannot contradict them. */
static struct str status_of(const struct mission_row *m)
{
    if (m->completed_at != TIME_NONE)
        return STR("COMPLETED");
    if (m->skipped_at != TIME_NONE)
        return STR("SKIPPED");
    return m->started_at != TIME_NONE ? STR("IN_PROGRESS") : STR("PENDING");
}

static int64_t minutes_of(const struct mission_row *m)
{
    return m->eased_minutes == NUMBER_NONE ? m->planned_minutes
                                           : min_i64(m->planned_minutes, m->eased_minutes);
}

static struct value column_value(const struct column *c, const void *row)
{
    const void *p = (const char *)row + c->offset;

    switch (c->type) {
    case INTEGER:
        return V_I(*(const int64_t *)p);
    case TIME:
        return v_time(*(const int64_t *)p);
    case NUMBER:
        return *(const int64_t *)p == NUMBER_NONE ? V_N : V_I(*(const int64_t *)p);
    case TEXT:
        return v_text(*(const struct str *)p);
    case STATUS:
        return V_S(status_of(row));
    case MINUTES:
        return V_I(minutes_of(row));
    case FLAG:
        return V_I(*(const bool *)p);
    }
    UNREACHABLE();
}

static void column_load(const struct column *c, const struct value *v, void *row)
{
    void *p = (char *)row + c->offset;

    switch (c->type) {
    case INTEGER:
        *(int64_t *)p = value_i64(v, 0);
        break;
    case TIME:
        *(int64_t *)p = value_i64(v, TIME_NONE);
        break;
    case NUMBER:
        *(int64_t *)p = value_i64(v, NUMBER_NONE);
        break;
    case TEXT:
        *(struct str *)p = value_str(v);
        break;
    case FLAG:
        *(bool *)p = value_i64(v, 0) != 0;
        break;
    case STATUS:
    case MINUTES:
        break;
    }
}

void row_key_values(const struct row_form *form, const struct row_key *key, int64_t learner_id,
                    struct value *out)
{
    *out++ = V_I(learner_id);
    *out++ = V_S(key->a);
    if (form->keys == 2)
        *out = V_S(key->b);
}

void row_values(const struct row_form *form, const void *row, int64_t learner_id, struct value *out)
{
    row_key_values(form, row, learner_id, out);
    out += 1 + form->keys;
    for (int32_t i = 0; i < form->column_count; i++)
        *out++ = column_value(&form->columns[i], row);
}

void row_load(const struct row_form *form, const struct value *v, void *row)
{
    struct row_head *head = row;

    *head = (struct row_head){.key = {.a = value_str(&v[1])}};
    if (form->keys == 2)
        head->key.b = value_str(&v[2]);
    form->none(row);
    v += 1 + form->keys;
    for (int32_t i = 0; i < form->column_count; i++)
        column_load(&form->columns[i], &v[i], row);
}
