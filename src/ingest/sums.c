#include "ingest/sums.h"

#include "base/assert.h"
#include "ingest/audits.h"
#include "ingest/cards.h"
#include "ingest/details.h"
#include "ingest/rows.h"
#include "ingest/search.h"
#include "twin/histogram.h"

#include <math.h>
#include <stdlib.h>

enum { SCRATCH_MAX = 1 << 30, LOCAL_HOURS = 24 };

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
enum { DAY_2000 = 10957 }; /* squares of days from here on stay small */
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

enum { TOPIC_COURSE = 1, TOPIC_LECTURE, TOPIC_OBJECTIVE, TOPIC_SKILL, TOPIC_MODALITY };

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

struct sums {
    struct arena arena;
    bool failed; /* out of memory */
    struct sums_learner *learners;
    int32_t learner_count, learner_room;
    struct table by_id;
    struct table days, hours, lengths, topics, totals, audits, objectives, searches;
    struct table sessions, session_objectives, missions, mission_objectives, cards;
    struct table session_topics, loads;
};

enum err sums_new(struct sums **ret)
{
    struct sums *s = calloc(1, sizeof *s);

    if (!s)
        return ERR_NOMEM;
    arena_init(&s->arena, SCRATCH_MAX);
    *ret = s;
    return ERR_OK;
}

void sums_free(struct sums *s)
{
    if (!s)
        return;
    arena_fini(&s->arena);
    free(s->learners);
    free(s);
}

void sums_begin(struct sums *s)
{
    const struct {
        struct table *t;
        size_t size;
    } tables[] = {
        {&s->by_id, sizeof(struct learner_ref)},
        {&s->days, sizeof(struct sum_row)},
        {&s->hours, sizeof(struct sum_row)},
        {&s->lengths, sizeof(struct sum_row)},
        {&s->topics, sizeof(struct sum_row)},
        {&s->totals, sizeof(struct sum_row)},
        {&s->audits, sizeof(struct sum_row)},
        {&s->objectives, sizeof(struct sum_row)},
        {&s->searches, sizeof(struct sum_row)},
        {&s->sessions, sizeof(struct session_row)},
        {&s->session_objectives, sizeof(struct session_objective_row)},
        {&s->missions, sizeof(struct mission_row)},
        {&s->mission_objectives, sizeof(struct mission_objective_row)},
        {&s->cards, sizeof(struct card_row)},
        {&s->session_topics, sizeof(struct topic_row)},
        {&s->loads, sizeof(struct load_row)},
    };

    arena_clear(&s->arena);
    s->failed = false;
    s->learner_count = 0;
    for (size_t i = 0; i < COUNT(tables); i++)
        table_init(tables[i].t, &s->arena, tables[i].size, &s->failed);
}

static struct row_key id_key(int64_t learner_id)
{
    return (struct row_key){.learner = (int32_t)(learner_id & INT32_MAX),
                            .num = (int32_t)(learner_id >> 31)};
}

int32_t sums_learner(struct sums *s, int64_t learner_id, const struct zone *zone)
{
    struct row_key key = id_key(learner_id);
    bool made;
    struct learner_ref *ref = table_row(&s->by_id, &key, &made);

    if (!made || s->failed)
        return ref->index;
    if (s->learner_count == s->learner_room) {
        int32_t room = s->learner_room ? s->learner_room * 2 : 16;
        struct sums_learner *more = realloc(s->learners, (size_t)room * sizeof *more);
        if (!more) {
            s->failed = true;
            return 0;
        }
        s->learners = more;
        s->learner_room = room;
    }
    ref->index = s->learner_count++;
    s->learners[ref->index] = (struct sums_learner){.id = learner_id, .zone = zone};
    return ref->index;
}

/* ---- one event ---- */

/* What an answer or review says, in the units of the rows. */
struct outcome {
    int64_t answers, correct, reviews, recalled, rating;
    int64_t latency_n, latency_ms, latency_log, latency_log_sq;
    int64_t score_n, score;
};

static int64_t micro(double v)
{
    return llround(v * 1e6);
}

static bool is_graded(enum event_kind k)
{
    return k == EVENT_ASSESSMENT || k == EVENT_GRADE;
}

static struct outcome outcome_of(const struct event *e)
{
    bool answer = e->kind == EVENT_ANSWER, review = e->kind == EVENT_REVIEW;
    struct outcome o = {.answers = answer, .reviews = review};

    if (answer)
        o.correct = e->correct >= 0 ? e->correct : e->score >= 0.5;
    if (review) {
        o.recalled = e->rating != 1;
        o.rating = e->rating;
    }
    if ((answer || review) && e->latency_ms >= 0) {
        double log_ms = log((double)(e->latency_ms > 0 ? e->latency_ms : 1));
        o.latency_n = 1;
        o.latency_ms = e->latency_ms;
        o.latency_log = micro(log_ms);
        o.latency_log_sq = micro(log_ms * log_ms);
    }
    if ((answer || is_graded(e->kind)) && !isnan(e->score)) {
        o.score_n = 1;
        o.score = micro(e->score);
    } else if (is_graded(e->kind)) { /* passed or not */
        o.score_n = 1;
        o.score = e->correct > 0 ? micro(1) : 0;
    }
    return o;
}

/* These sum up what other events told already: their duration is not study time of its own. */
static bool is_summary(enum event_kind k)
{
    switch (k) {
    case EVENT_SESSION_STARTED:
    case EVENT_SESSION_PAUSED:
    case EVENT_SESSION_RESUMED:
    case EVENT_SESSION_COMPLETED:
    case EVENT_SESSION_NOTED:
    case EVENT_OBJECTIVE_COMPLETED:
    case EVENT_MISSION_CREATED:
    case EVENT_MISSION_STARTED:
    case EVENT_MISSION_COMPLETED:
    case EVENT_MISSION_SKIPPED:
    case EVENT_MISSION_EASED:
        return true;
    default:
        return false;
    }
}

struct folding {
    struct sums *s;
    int32_t learner;
    const struct event *e;
    struct str id;
    int64_t at, study_ms; /* study_ms: of this event itself, 0 for summaries */
    struct outcome o;
    struct event_details d;
    int32_t day, slot, second; /* local; of timed events. second: of the day */
};

static struct sum_row *sum_row(struct table *t, int32_t learner, int32_t num, struct str text)
{
    struct row_key key = {.learner = learner, .num = num, .a = text};
    return table_row(t, &key, NULL);
}

static const struct str no_text = {NULL, 0};

static struct sum_row *day_row(struct sums *s, int32_t learner, int32_t day)
{
    return sum_row(&s->days, learner, day, no_text);
}

static struct sum_row *hour_row(struct sums *s, int32_t learner, int32_t slot)
{
    return sum_row(&s->hours, learner, slot, no_text);
}

static int32_t slot_of(const struct civil *c)
{
    return c->weekday * LOCAL_HOURS + c->hour;
}

/* Study time from an instant on, split at local hours. (Where the offset changes inside of an hour,
 * as in St. John's before 2011, the rest of that hour goes to the hour in which the piece began.)
 */
static void credit_span(struct sums *s, int32_t learner, int64_t start, int64_t ms, int64_t sign)
{
    const struct zone *zone = s->learners[learner].zone;

    for (int64_t done = 0; done < ms;) {
        struct civil c = civil_at(zone, start + done * US_PER_MS);
        int64_t left_us = US_PER_HOUR - c.minute * US_PER_MINUTE - c.second * US_PER_S - c.us;
        int64_t piece = (left_us + US_PER_MS - 1) / US_PER_MS; /* 1 at least */
        if (piece > ms - done)
            piece = ms - done;
        struct sum_row *day = day_row(s, learner, c.epoch_day);
        day->v[DAY_STUDY] += sign * piece;
        day->v[DAY_NIGHT + c.hour / 6] += sign * piece;
        hour_row(s, learner, slot_of(&c))->v[HOUR_STUDY] += sign * piece;
        done += piece;
    }
}

static struct sum_row *total_row(struct sums *s, int32_t learner)
{
    struct sums_learner *l = &s->learners[learner];

    if (!l->total) {
        l->total = sum_row(&s->totals, learner, 0, no_text);
        l->total->v[TOTAL_VERSION] = 1;
        l->total->v[TOTAL_FIRST] = INT64_MAX;
        l->total->v[TOTAL_LAST] = INT64_MIN;
    }
    return l->total;
}

static void fold_total(const struct folding *f)
{
    int64_t *v = total_row(f->s, f->learner)->v;
    const struct outcome *o = &f->o;

    v[TOTAL_EVENTS]++;
    v[TOTAL_UNTIMED] += f->e->untimed;
    v[TOTAL_ANSWERS] += o->answers;
    v[TOTAL_CORRECT] += o->correct;
    v[TOTAL_REVIEWS] += o->reviews;
    v[TOTAL_RECALLED] += o->recalled;
    v[TOTAL_LATENCY_N] += o->latency_n;
    v[TOTAL_LATENCY_LOG] += o->latency_log;
    v[TOTAL_LATENCY_LOG_SQ] += o->latency_log_sq;
    if (!f->e->session.p)
        v[TOTAL_STUDY] += f->study_ms;
    if (f->e->untimed)
        return;
    if (f->at < v[TOTAL_FIRST])
        v[TOTAL_FIRST] = f->at;
    if (f->at > v[TOTAL_LAST])
        v[TOTAL_LAST] = f->at;
}

/* The event's own day and hour; its study time when no session covers it. */
static void fold_calendar(const struct folding *f)
{
    struct sum_row *day = day_row(f->s, f->learner, f->day);
    const struct outcome *o = &f->o;

    day->v[DAY_EVENTS]++;
    if (o->answers + o->reviews) {
        struct sum_row *hour = hour_row(f->s, f->learner, f->slot);
        day->v[DAY_ANSWERS] += o->answers;
        day->v[DAY_CORRECT] += o->correct;
        day->v[DAY_REVIEWS] += o->reviews;
        day->v[DAY_RECALLED] += o->recalled;
        day->v[DAY_LATENCY_N] += o->latency_n;
        day->v[DAY_LATENCY_LOG] += o->latency_log;
        hour->v[HOUR_ANSWERS] += o->answers;
        hour->v[HOUR_CORRECT] += o->correct;
        hour->v[HOUR_REVIEWS] += o->reviews;
        hour->v[HOUR_RECALLED] += o->recalled;
    }
    if (f->e->kind == EVENT_OBJECTIVE_COMPLETED && f->d.self_assessment > 0) {
        struct sum_row *hour = hour_row(f->s, f->learner, f->slot);
        hour->v[HOUR_ASSESSMENT_N]++;
        hour->v[HOUR_ASSESSMENT] += f->d.self_assessment;
    }
    if (!f->e->session.p && f->study_ms > 0)
        credit_span(f->s, f->learner, f->at - f->study_ms * US_PER_MS, f->study_ms, 1);
}

static struct session_row *session_of(struct sums *s, int32_t learner, struct str session)
{
    struct row_key key = {.learner = learner, .a = session};
    bool made;
    struct session_row *r = table_row(&s->sessions, &key, &made);

    if (made)
        session_none(r);
    return r;
}

static void earlier(int64_t *into, int64_t at)
{
    if (*into == TIME_NONE || at < *into)
        *into = at;
}

static void fold_session_kind(const struct folding *f, struct session_row *r)
{
    switch (f->e->kind) {
    case EVENT_SESSION_STARTED:
        earlier(&r->facts.started_at, f->at);
        break;
    case EVENT_SESSION_PAUSED:
        r->facts.pauses++;
        r->facts.pause_ms_sum += f->at / US_PER_MS;
        break;
    case EVENT_SESSION_RESUMED:
        r->facts.resumes++;
        r->facts.resume_ms_sum += f->at / US_PER_MS;
        break;
    case EVENT_SESSION_COMPLETED:
        earlier(&r->facts.completed_at, f->at);
        if (f->e->duration_ms > r->facts.declared_ms)
            r->facts.declared_ms = f->e->duration_ms;
        if (f->d.paused_ms > r->facts.declared_pause_ms)
            r->facts.declared_pause_ms = f->d.paused_ms;
        break;
    case EVENT_SESSION_NOTED:
        if (f->d.notes.p &&
            (f->at > r->notes_at || (f->at == r->notes_at && str_cmp(f->d.notes, r->notes) > 0))) {
            r->notes_at = f->at;
            r->notes = f->d.notes;
        }
        break;
    case EVENT_OBJECTIVE_COMPLETED:
        if (f->d.self_assessment > 0) {
            r->assessment_n++;
            r->assessment_sum += f->d.self_assessment;
        }
        break;
    default:
        break;
    }
}

static void fold_session(const struct folding *f)
{
    const struct event *e = f->e;
    struct session_row *r = session_of(f->s, f->learner, e->session);
    int64_t begin = f->at - (e->duration_ms > 0 ? e->duration_ms * US_PER_MS : 0);
    const struct outcome *o = &f->o;

    if (begin < r->facts.first_at)
        r->facts.first_at = begin;
    if (f->at > r->facts.last_at)
        r->facts.last_at = f->at;
    if (e->mission.p && (!r->mission.p || str_cmp(e->mission, r->mission) < 0))
        r->mission = e->mission;
    r->facts.active_ms += f->study_ms;
    r->events++;
    r->answers += o->answers;
    r->correct += o->correct;
    r->reviews += o->reviews;
    r->recalled += o->recalled;
    r->rating_sum += o->rating;
    r->latency_n += o->latency_n;
    r->latency_ms_sum += o->latency_ms;
    r->latency_log_micro += o->latency_log;
    r->score_n += o->score_n;
    r->score_micro += o->score;
    r->facts.untimed |= e->untimed;
    fold_session_kind(f, r);
}

static void fold_topic(const struct folding *f, int32_t kind, struct str topic, int64_t study_ms)
{
    const struct outcome *o = &f->o;
    struct row_key key = {.learner = f->learner, .num = kind, .a = topic};
    bool made;
    struct sum_row *r = table_row(&f->s->topics, &key, &made);

    if (made) {
        r->v[TOPIC_FIRST] = INT64_MAX;
        r->v[TOPIC_LAST] = INT64_MIN;
    }
    r->v[TOPIC_STUDY] += study_ms;
    r->v[TOPIC_ANSWERS] += o->answers;
    r->v[TOPIC_CORRECT] += o->correct;
    r->v[TOPIC_REVIEWS] += o->reviews;
    r->v[TOPIC_RECALLED] += o->recalled;
    r->v[TOPIC_SCORE_N] += o->score_n;
    r->v[TOPIC_SCORE] += o->score;
    if (f->at < r->v[TOPIC_FIRST])
        r->v[TOPIC_FIRST] = f->at;
    if (f->at > r->v[TOPIC_LAST])
        r->v[TOPIC_LAST] = f->at;
    if (f->e->session.p) {
        key.a = f->e->session;
        key.b = topic;
        table_row(&f->s->session_topics, &key, NULL);
    }
}

/* Only graded work is looked at: most events add nothing here. */
static void fold_objective(const struct folding *f)
{
    const struct event *e = f->e;
    const struct outcome *o = &f->o;
    bool timed = !e->untimed && o->answers + o->reviews > 0;
    bool told = !isnan(e->confidence) && (e->kind == EVENT_ANSWER || is_graded(e->kind));

    if (!timed && !told)
        return;
    int64_t *v = sum_row(&f->s->objectives, f->learner, 0, e->objective)->v;
    if (timed) {
        int64_t day = f->day - DAY_2000;
        v[OBJECTIVE_TIMED]++;
        v[OBJECTIVE_DAY] += day;
        v[OBJECTIVE_DAY_SQUARE] += day * day;
        v[OBJECTIVE_SUCCEEDED] += o->correct + o->recalled;
        v[OBJECTIVE_DAY_SUCCEEDED] += (o->correct + o->recalled) * day;
    }
    if (told) {
        double score = !isnan(e->score) ? e->score : e->correct > 0 ? 1 : 0;
        v[OBJECTIVE_TOLD]++;
        v[OBJECTIVE_TOLD_SUM] += micro(e->confidence);
        v[OBJECTIVE_TOLD_SCORE] += micro(score);
        v[OBJECTIVE_TOLD_GAP_SQUARE] += micro((e->confidence - score) * (e->confidence - score));
    }
}

static bool skill_before(const struct event *e, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (str_eq(e->skills[i], e->skills[n]))
            return true;
    return false;
}

static void fold_topics(const struct folding *f)
{
    const struct event *e = f->e;
    int64_t ms = f->study_ms;

    if (e->kind == EVENT_OBJECTIVE_COMPLETED)
        ms = f->d.time_spent_ms >= 0 ? f->d.time_spent_ms
                                     : (e->duration_ms > 0 ? e->duration_ms : 0);
    if (e->course.p)
        fold_topic(f, TOPIC_COURSE, e->course, ms);
    if (f->d.lecture.p)
        fold_topic(f, TOPIC_LECTURE, f->d.lecture, ms);
    if (e->objective.p) {
        fold_topic(f, TOPIC_OBJECTIVE, e->objective, ms);
        fold_objective(f);
    }
    for (int32_t i = 0; i < e->skill_count; i++)
        if (!skill_before(e, i))
            fold_topic(f, TOPIC_SKILL, e->skills[i], ms);
    if (e->modality.p)
        fold_topic(f, TOPIC_MODALITY, e->modality, ms);
}

static void fold_card(const struct folding *f)
{
    struct row_key key = {.learner = f->learner, .a = f->e->item};
    struct card_row one, *r;
    bool made;

    r = table_row(&f->s->cards, &key, &made);
    if (made)
        card_none(r);
    one = (struct card_row){
        .reviews = 1,
        .first_at = f->at,
        .first_id = f->id,
        .first_session = f->e->session,
        .last_at = f->at,
        .last_id = f->id,
        .last_rating = f->e->rating,
    };
    one.ratings[f->e->rating - 1] = 1;
    card_merge(r, &one);
    if (!f->e->untimed)
        card_add(r, &f->s->arena,
                 &(struct card_event){.at = f->at,
                                      .id = f->id,
                                      .day = card_day(f->day, f->second),
                                      .grade = (enum memory_grade)f->e->rating},
                 &f->s->failed);
}

static void session_objective_add(const struct folding *f, const struct session_objective_row *one,
                                  struct str objective)
{
    struct row_key key = {.learner = f->learner, .a = f->e->session, .b = objective};
    bool made;
    struct session_objective_row *r = table_row(&f->s->session_objectives, &key, &made);

    if (made)
        session_objective_none(r);
    session_objective_merge(r, one);
}

static void mission_objective_add(const struct folding *f, const struct mission_objective_row *one,
                                  struct str objective)
{
    struct row_key key = {.learner = f->learner, .a = f->e->mission, .b = objective};
    bool made;
    struct mission_objective_row *r = table_row(&f->s->mission_objectives, &key, &made);

    if (made)
        mission_objective_none(r);
    mission_objective_merge(r, one);
}

static void fold_objectives(const struct folding *f)
{
    const struct event_details *d = &f->d;
    struct session_objective_row in_session = {0};
    struct mission_objective_row in_mission = {0};

    session_objective_none(&in_session);
    mission_objective_none(&in_mission);
    if (f->e->kind == EVENT_OBJECTIVE_COMPLETED) {
        in_session.completed_at = in_mission.completed_at = f->at;
        in_mission.completions = 1;
        in_session.time_spent_ms = d->time_spent_ms >= 0 ? d->time_spent_ms : f->e->duration_ms;
        in_session.self_assessment = d->self_assessment;
        in_session.confidence_rating = d->confidence_rating;
        in_session.clinical_ms = d->clinical_ms;
        in_session.notes = d->notes;
        if (f->e->session.p)
            session_objective_add(f, &in_session, f->e->objective);
        if (f->e->mission.p)
            mission_objective_add(f, &in_mission, f->e->objective);
        return;
    }
    for (int32_t i = 0; i < d->plan_count; i++) {
        in_session.position = in_mission.position = i;
        in_session.estimated_minutes = d->plan[i].minutes;
        in_mission.estimated_minutes = d->plan[i].minutes > 0 ? d->plan[i].minutes : 0;
        if (f->e->kind == EVENT_SESSION_STARTED)
            session_objective_add(f, &in_session, d->plan[i].objective);
        else
            mission_objective_add(f, &in_mission, d->plan[i].objective);
    }
}

static int64_t or_zero(int64_t v)
{
    return v > 0 ? v : 0;
}

static void fold_mission(const struct folding *f)
{
    struct row_key key = {.learner = f->learner, .a = f->e->mission};
    const struct event_details *d = &f->d;
    struct mission_row one = {0}, *r;
    bool made;

    r = table_row(&f->s->missions, &key, &made);
    if (made)
        mission_none(r);
    mission_none(&one);
    one.version = 1;
    one.created_at = f->at;
    one.day = civil_at(f->s->learners[f->learner].zone, f->at).epoch_day;
    switch (f->e->kind) {
    case EVENT_MISSION_CREATED:
        one.told = 1;
        one.day = d->date != INT32_MIN ? d->date : one.day;
        one.planned_minutes = or_zero(d->estimated_minutes);
        one.review_cards = or_zero(d->review_cards);
        one.new_content = or_zero(d->new_content);
        break;
    case EVENT_MISSION_STARTED:
        one.started_at = f->at;
        break;
    case EVENT_MISSION_COMPLETED:
        one.completed_at = f->at;
        one.actual_minutes = d->actual_minutes;
        one.difficulty = d->difficulty;
        break;
    case EVENT_MISSION_EASED:
        one.eased_minutes = d->estimated_minutes;
        break;
    default:
        one.skipped_at = f->at;
        break;
    }
    mission_merge(r, &one);
}

static void fold_load(const struct folding *f)
{
    struct row_key key = {.learner = f->learner, .a = f->id};
    int64_t *total = total_row(f->s, f->learner)->v;

    if (isnan(f->d.load_score)) /* event_check() refuses that */
        return;
    struct load_row *r = table_row(&f->s->loads, &key, NULL);
    int64_t score = micro(f->d.load_score);
    r->at = f->at;
    r->session = f->e->session;
    r->score = f->d.load_score;
    r->confidence = isnan(f->d.load_confidence) ? f->e->confidence : f->d.load_confidence;
    r->indicators = f->d.indicators.p ? f->d.indicators : STR("[]");
    total[TOTAL_LOADS]++;
    total[TOTAL_LOAD] += score;
    if (f->e->untimed)
        return;
    struct sum_row *day = day_row(f->s, f->learner, f->day);
    day->v[DAY_LOAD_N]++;
    day->v[DAY_LOAD] += score;
    if (score > day->v[DAY_LOAD_MAX])
        day->v[DAY_LOAD_MAX] = score;
}

/* ---- searches ---- */

static int64_t *search_row(const struct folding *f, enum search_kind kind, struct str what)
{
    int64_t *v = sum_row(&f->s->searches, f->learner, kind * SEARCH_SLOTS + f->day, what)->v;

    if (f->at > v[SEARCH_LAST])
        v[SEARCH_LAST] = f->at;
    return v;
}

static int64_t *search_number(const struct folding *f, enum search_kind kind, int64_t number)
{
    struct str text = arena_printf(&f->s->arena, "%lld", (long long)number);

    f->s->failed |= !text.p;
    return search_row(f, kind, text);
}

static void count_search(int64_t *v, const struct event_details *d)
{
    v[SEARCH_N]++;
    if (d->results >= 0) {
        v[SEARCH_KNOWN]++;
        v[SEARCH_RESULTS] += d->results;
        v[SEARCH_ZERO] += d->results == 0;
    }
    if (d->response_ms >= 0) {
        v[SEARCH_TIMED]++;
        v[SEARCH_RESPONSE] += d->response_ms;
    }
}

/* Two searches are alike when they differ in blanks and in the case of a..z only. */
static struct str query_key(struct sums *s, struct str query)
{
    char *out = arena_alloc(&s->arena, SEARCH_TEXT_MAX + 1, 1);
    size_t n = 0;

    if (!out) {
        s->failed = true;
        return no_text;
    }
    query = utf8_prefix(str_trim(query), SEARCH_TEXT_MAX);
    for (size_t i = 0; i < query.n; i++) {
        char ch = query.p[i];
        bool blank = (unsigned char)ch <= ' ';
        if (blank && n > 0 && out[n - 1] == ' ')
            continue;
        out[n++] = blank ? ' ' : ch >= 'A' && ch <= 'Z' ? (char)(ch - 'A' + 'a') : ch;
    }
    return str_trim((struct str){out, n});
}

static void fold_search(const struct folding *f)
{
    const struct event_details *d = &f->d;
    bool told = d->query.p && str_trim(d->query).n > 0;

    if (f->e->untimed)
        return;
    if (f->e->kind == EVENT_SEARCH) {
        int64_t shown = d->shown >= 0 ? d->shown : d->results;
        count_search(search_row(f, SEARCH_ALL, STR("")), d);
        if (told)
            count_search(search_row(f, SEARCH_QUERY, query_key(f->s, d->query)), d);
        if (shown > 0)
            search_number(f, SEARCH_SHOWN, shown < SEARCH_PLACES ? shown : SEARCH_PLACES)[SEARCH_N]++;
        if (d->response_ms >= 0)
            search_number(f, SEARCH_TIME, histogram_bucket(d->response_ms))[SEARCH_N]++;
        return;
    }
    search_row(f, SEARCH_ALL, STR(""))[SEARCH_CLICKS]++;
    if (told)
        search_row(f, SEARCH_QUERY, query_key(f->s, d->query))[SEARCH_CLICKS]++;
    if (d->place > 0 && d->place <= SEARCH_PLACES)
        search_number(f, SEARCH_PLACE, d->place)[SEARCH_CLICKS]++;
    /* Without a name, clicks on the results of one query count as one search a day. */
    if (d->search.p)
        search_row(f, SEARCH_OPENED, d->search)[SEARCH_CLICKS]++;
    else if (told)
        search_row(f, SEARCH_OPENED, query_key(f->s, d->query))[SEARCH_CLICKS]++;
}

static void fold_kind(const struct folding *f)
{
    switch (f->e->kind) {
    case EVENT_REVIEW:
        fold_card(f);
        break;
    case EVENT_SESSION_STARTED:
    case EVENT_OBJECTIVE_COMPLETED:
        fold_objectives(f);
        break;
    case EVENT_MISSION_CREATED:
        fold_objectives(f);
        fold_mission(f);
        break;
    case EVENT_MISSION_STARTED:
    case EVENT_MISSION_COMPLETED:
    case EVENT_MISSION_SKIPPED:
    case EVENT_MISSION_EASED:
        fold_mission(f);
        break;
    case EVENT_LOAD:
        fold_load(f);
        break;
    case EVENT_SEARCH:
    case EVENT_SEARCH_CLICK:
        fold_search(f);
        break;
    default:
        break;
    }
}

static void details_none(struct event_details *d)
{
    static const struct event nothing = {.data = {NULL, 0}};
    enum err e = event_details(&nothing, NULL, d, NULL);
    ASSERT(e == ERR_OK);
}

void sums_event(struct sums *s, int32_t learner, const struct event *e, struct str id, int64_t at)
{
    struct folding f = {.s = s, .learner = learner, .e = e, .id = id, .at = at, .o = outcome_of(e)};

    if (s->failed)
        return;
    if (!event_has_details(e) || event_details(e, &s->arena, &f.d, NULL) != ERR_OK)
        details_none(&f.d);
    if (!is_summary(e->kind) && e->duration_ms > 0)
        f.study_ms = e->duration_ms;
    fold_total(&f);
    if (!e->untimed) {
        struct civil c = civil_at(s->learners[learner].zone, at);
        f.day = c.epoch_day;
        f.slot = slot_of(&c);
        f.second = (c.hour * 60 + c.minute) * 60 + c.second;
        fold_calendar(&f);
    }
    if (e->session.p)
        fold_session(&f);
    fold_topics(&f);
    fold_kind(&f);
}

/* ---- what goes to the store ---- */

enum { BULKS_MAX = 24 };

struct writing {
    struct sums *s;
    struct bulk bulks[BULKS_MAX];
    int32_t count;
};

/* NULL: out of memory, or nothing to write. */
static struct value *bulk_add(struct writing *w, enum stmt stmt, int32_t rows, int32_t cols)
{
    if (rows == 0 || w->s->failed)
        return NULL;
    struct value *v = arena_new(&w->s->arena, struct value, (size_t)rows * (size_t)cols);
    if (!v) {
        w->s->failed = true;
        return NULL;
    }
    ASSERT(w->count < BULKS_MAX);
    w->bulks[w->count++] = (struct bulk){.stmt = stmt, .rows = rows, .cols = cols, .v = v};
    return v;
}

/* The next row of the bulk that was added last is that learner's. */
static struct value learner_value(struct writing *w, int32_t learner)
{
    struct sums_learner *l = &w->s->learners[learner];

    l->wrote |= stmt_writes(w->bulks[w->count - 1].stmt);
    return V_I(l->id);
}

uint32_t sums_wrote(const struct sums *s, int32_t learner)
{
    return s->learners[learner].wrote;
}

/* ---- the rows before, and after ---- */

/* Asks for the rows that the group touches; the table's rows from number `first` on. */
static void ask_rows(struct writing *w, const struct table *t, int32_t first,
                     const struct row_form *form)
{
    struct value *v = bulk_add(w, form->read, t->count - first, 1 + form->keys);

    if (!v)
        return;
    w->bulks[w->count - 1].arena = &w->s->arena;
    for (int32_t i = first; i < t->count; i++, v += 1 + form->keys)
        row_key_values(form, t->rows[i], w->s->learners[t->rows[i]->learner].id, v);
}

/* Takes what there was and what is new together; head.before is what there was. */
static enum err merge_rows(struct sums *s, const struct writing *w, const struct table *t,
                           const struct row_form *form)
{
    const struct rows *rows = NULL;

    for (int32_t i = 0; i < w->count; i++)
        rows = w->bulks[i].stmt == form->read ? &w->bulks[i].given : rows;
    for (int32_t i = 0; rows && i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        struct row_head *before = arena_alloc(&s->arena, form->size, _Alignof(max_align_t));
        if (!before)
            return ERR_NOMEM;
        row_load(form, v, before);
        struct row_key id = id_key(value_i64(&v[0], 0));
        const struct learner_ref *ref = table_find(&s->by_id, &id);
        ASSERT(ref);
        before->key.learner = ref->index;
        struct row_head *now = table_find(t, &before->key);
        ASSERT(now);
        now->before = before;
        form->merge(now, before);
    }
    return ERR_OK;
}

/* A card is new to the session of its first review; a late, earlier one moves it. */
static void move_new_cards(struct sums *s)
{
    for (int32_t i = 0; i < s->cards.count; i++) {
        const struct card_row *now = (const struct card_row *)s->cards.rows[i];
        const struct card_row *before = now->head.before;
        int32_t learner = now->head.key.learner;

        if (before && before->first_at == now->first_at && str_eq(before->first_id, now->first_id))
            continue;
        if (before && before->first_session.p)
            session_of(s, learner, before->first_session)->new_cards--;
        if (now->first_session.p)
            session_of(s, learner, now->first_session)->new_cards++;
    }
}

static void count_objectives(struct sums *s)
{
    for (int32_t i = 0; i < s->session_objectives.count; i++) {
        const struct session_objective_row *now =
            (const struct session_objective_row *)s->session_objectives.rows[i];
        const struct session_objective_row *before = now->head.before;
        struct session_row *r = session_of(s, now->head.key.learner, now->head.key.a);

        r->objectives_total += !before;
        r->objectives_done +=
            now->completed_at != TIME_NONE && (!before || before->completed_at == TIME_NONE);
    }
}

/* Minutes [0,10) [10,20) [20,30) [30,40) [40,50) [50,60) [60,90) [90,..). */
static int32_t bucket_of(int64_t ms)
{
    int64_t minutes = ms / 60000;
    return minutes < 60 ? (int32_t)(minutes / 10) : minutes < 90 ? 6 : 7;
}

/* A session's part in the sums, added (sign 1) or taken away (-1). */
static void contribute(struct sums *s, const struct session_row *r, int64_t sign, bool placed_anew)
{
    int32_t learner = r->head.key.learner;
    int64_t ms = session_study_ms(&r->facts), start = session_start(&r->facts);
    bool completed = r->facts.completed_at != TIME_NONE;

    if (placed_anew) {
        int64_t *total = total_row(s, learner)->v;
        total[TOTAL_SESSIONS] += sign;
        total[TOTAL_COMPLETED] += sign * completed;
        total[TOTAL_STUDY] += sign * ms;
    }
    if (r->facts.untimed)
        return;
    struct sum_row *length = sum_row(&s->lengths, learner, bucket_of(ms), no_text);
    length->v[LENGTH_SESSIONS] += sign;
    length->v[LENGTH_COMPLETED] += sign * completed;
    length->v[LENGTH_STUDY] += sign * ms;
    length->v[LENGTH_ANSWERS] += sign * r->answers;
    length->v[LENGTH_CORRECT] += sign * r->correct;
    length->v[LENGTH_REVIEWS] += sign * r->reviews;
    length->v[LENGTH_RECALLED] += sign * r->recalled;
    if (r->objectives_total > 0) {
        int64_t done =
            r->objectives_done < r->objectives_total ? r->objectives_done : r->objectives_total;
        length->v[LENGTH_PLANNED] += sign;
        length->v[LENGTH_PLAN_DONE] += sign * (INT64_C(1000000) * done / r->objectives_total);
    }
    if (!placed_anew)
        return;
    struct civil c = civil_at(s->learners[learner].zone, start);
    struct sum_row *day = day_row(s, learner, c.epoch_day);
    struct sum_row *hour = hour_row(s, learner, slot_of(&c));
    day->v[DAY_SESSIONS] += sign;
    day->v[DAY_COMPLETED] += sign * completed;
    hour->v[HOUR_SESSIONS] += sign;
    hour->v[HOUR_COMPLETED] += sign * completed;
    credit_span(s, learner, start, ms, sign);
}

static bool same_place(const struct session_row *a, const struct session_row *b)
{
    return a->facts.untimed == b->facts.untimed &&
           session_start(&a->facts) == session_start(&b->facts) &&
           session_study_ms(&a->facts) == session_study_ms(&b->facts) &&
           (a->facts.completed_at == TIME_NONE) == (b->facts.completed_at == TIME_NONE);
}

static void contribute_all(struct sums *s)
{
    for (int32_t i = 0; i < s->sessions.count && !s->failed; i++) {
        const struct session_row *now = (const struct session_row *)s->sessions.rows[i];
        const struct session_row *before = now->head.before;
        bool anew = !before || !same_place(before, now);
        if (before)
            contribute(s, before, -1, anew);
        contribute(s, now, 1, anew);
    }
}

/* ---- writing ---- */

static void write_rows(struct writing *w, const struct table *t, const struct row_form *form)
{
    int32_t cols = 1 + form->keys + form->column_count;
    struct value *v = bulk_add(w, form->put, t->count, cols);

    for (int32_t i = 0; v && i < t->count; i++, v += cols)
        row_values(form, t->rows[i], learner_value(w, t->rows[i]->learner).i, v);
}

struct sum_form {
    enum stmt add, drop; /* drop: STMT_COUNT, such rows never become empty */
    int32_t columns;
    bool num, text; /* in the key */
};

static const struct sum_form day_form = {STMT_INGEST_DAYS_ADD, STMT_INGEST_DAYS_DROP, DAY_COLUMNS,
                                         true, false};
static const struct sum_form hour_form = {STMT_INGEST_HOURS_ADD, STMT_INGEST_HOURS_DROP,
                                          HOUR_COLUMNS, true, false};
static const struct sum_form length_form = {STMT_INGEST_LENGTHS_ADD, STMT_INGEST_LENGTHS_DROP,
                                            LENGTH_COLUMNS, true, false};
static const struct sum_form topic_form = {STMT_INGEST_TOPICS_ADD, STMT_COUNT, TOPIC_COLUMNS, true,
                                           true};
static const struct sum_form total_form = {STMT_INGEST_TOTALS_ADD, STMT_COUNT, TOTAL_COLUMNS, false,
                                           false};

static const struct sum_form audit_form = {STMT_INGEST_AUDITS_ADD, STMT_INGEST_AUDITS_DROP,
                                           AUDIT_COLUMNS, true, false};

static const struct sum_form objective_form = {STMT_INGEST_OBJECTIVES_ADD, STMT_COUNT,
                                               OBJECTIVE_COLUMNS, false, true};

static const struct sum_form search_form = {STMT_INGEST_SEARCHES_ADD, STMT_COUNT, SEARCH_COLUMNS,
                                            true, true};

static bool any(const struct sum_row *r, int32_t columns, bool below_zero)
{
    for (int32_t i = 0; i < columns; i++)
        if (below_zero ? r->v[i] < 0 : r->v[i] != 0)
            return true;
    return false;
}

/* Minima and maxima that nothing was told of are NULL; sums never come near these. */
static struct value sum_value(int64_t v)
{
    return v == INT64_MAX || v == INT64_MIN ? V_N : V_I(v);
}

static struct value *put_key(struct value *v, struct writing *w, const struct sum_form *form,
                             const struct row_key *key)
{
    *v++ = learner_value(w, key->learner);
    if (form->num)
        *v++ = V_I(key->num);
    if (form->text)
        *v++ = V_S(key->a);
    return v;
}

/* A part that was taken away and put back leaves rows without a change: those are not written. */
static void write_sums(struct writing *w, const struct table *t, const struct sum_form *form)
{
    int32_t changed = 0, lessened = 0, keys = 1 + form->num + form->text;

    for (int32_t i = 0; i < t->count; i++) {
        const struct sum_row *r = (const struct sum_row *)t->rows[i];
        changed += any(r, form->columns, false);
        lessened += form->drop != STMT_COUNT && any(r, form->columns, true);
    }
    struct value *v = bulk_add(w, form->add, changed, keys + form->columns);
    for (int32_t i = 0; v && i < t->count; i++) {
        const struct sum_row *r = (const struct sum_row *)t->rows[i];
        if (!any(r, form->columns, false))
            continue;
        v = put_key(v, w, form, &r->key);
        for (int32_t k = 0; k < form->columns; k++)
            *v++ = sum_value(r->v[k]);
    }
    v = bulk_add(w, form->drop, lessened, keys);
    for (int32_t i = 0; v && i < t->count; i++)
        if (any((const struct sum_row *)t->rows[i], form->columns, true))
            v = put_key(v, w, form, t->rows[i]);
}

static void write_loads(struct writing *w)
{
    const struct table *t = &w->s->loads;
    struct value *v = bulk_add(w, STMT_INGEST_LOADS_ADD, t->count, 7);

    for (int32_t i = 0; v && i < t->count; i++) {
        const struct load_row *r = (const struct load_row *)t->rows[i];
        *v++ = learner_value(w, r->key.learner);
        *v++ = V_I(r->at);
        *v++ = V_S(r->key.a);
        *v++ = v_text(r->session);
        *v++ = V_D(r->score);
        *v++ = v_real(r->confidence);
        *v++ = V_S(r->indicators);
    }
}

/* A session that was not there had no topics; of one that was, only writing tells which are new. */
static bool is_new_session(const struct sums *s, const struct row_key *topic)
{
    struct row_key key = {.learner = topic->learner, .a = topic->a};
    const struct row_head *session = table_find(&s->sessions, &key);

    ASSERT(session);
    return !session->before;
}

static void count_session_topic(struct sums *s, const struct row_key *topic)
{
    sum_row(&s->topics, topic->learner, topic->num, topic->b)->v[TOPIC_SESSIONS]++;
}

/* Those of new sessions, or of the others. NULL: there are none, or out of memory. */
static struct bulk *write_session_topics(struct writing *w, bool fresh)
{
    const struct table *t = &w->s->session_topics;
    int32_t n = 0;

    for (int32_t i = 0; i < t->count; i++)
        n += is_new_session(w->s, t->rows[i]) == fresh;
    struct value *v =
        bulk_add(w, fresh ? STMT_INGEST_SESSION_TOPICS_NEW : STMT_INGEST_SESSION_TOPICS_ADD, n, 4);
    for (int32_t i = 0; v && i < t->count; i++) {
        const struct row_key *k = t->rows[i];
        if (is_new_session(w->s, k) != fresh)
            continue;
        *v++ = learner_value(w, k->learner);
        *v++ = V_S(k->a);
        *v++ = V_I(k->num);
        *v++ = V_S(k->b);
    }
    return v ? &w->bulks[w->count - 1] : NULL;
}

static void write_old_session_topics(struct writing *w)
{
    struct bulk *b = write_session_topics(w, false);

    if (!b)
        return;
    b->applied = arena_new(&w->s->arena, bool, (size_t)b->rows);
    w->s->failed |= !b->applied;
}

static void count_session_topics(struct sums *s, const bool *applied)
{
    const struct table *t = &s->session_topics;

    for (int32_t i = 0; i < t->count; i++)
        if (is_new_session(s, t->rows[i]) || *applied++)
            count_session_topic(s, t->rows[i]);
}

/* ---- what is remembered ---- */

static void add_audit(void *user, int32_t learner, double p, bool remembered, int sign)
{
    struct audit_bin one = audit_outcome(p, remembered);
    int64_t *v = sum_row(&((struct sums *)user)->audits, learner,
                         AUDIT_RECALL * AUDIT_SLOTS + audit_bin_of(p), no_text)
                     ->v;

    v[AUDIT_N] += sign * one.n;
    v[AUDIT_YES] += sign * one.yes;
    v[AUDIT_P] += sign * one.p_micro;
    v[AUDIT_SQUARE] += sign * one.square_micro;
    v[AUDIT_BRIER] += sign * one.brier_micro;
    v[AUDIT_LOSS] += sign * one.loss_micro;
}

static struct card_owner card_owner(void *user, int32_t learner)
{
    const struct sums_learner *l = &((const struct sums *)user)->learners[learner];

    return (struct card_owner){l->id, l->zone};
}

static enum err remember_cards(struct sums *s, struct store_conn *conn)
{
    const struct card_work work = {.conn = conn,
                                   .arena = &s->arena,
                                   .cards = &s->cards,
                                   .user = s,
                                   .owner = card_owner,
                                   .forecast = add_audit};
    return s->cards.count ? cards_remember(&work) : ERR_OK;
}

/* Everything that the group is known to touch, in one round trip; then the topics of sessions that
 * were there, and the sessions that late reviews took new cards from, which hardly ever are others.
 */
static enum err read_and_merge(struct sums *s, struct store_conn *conn, const struct bulk *first)
{
    static const struct {
        uint32_t table; /* offset */
        const struct row_form *form;
    } reads[] = {
        {offsetof(struct sums, cards), &card_form},
        {offsetof(struct sums, sessions), &session_form},
        {offsetof(struct sums, session_objectives), &session_objective_form},
        {offsetof(struct sums, missions), &mission_form},
        {offsetof(struct sums, mission_objectives), &mission_objective_form},
    };
    struct writing w = {.s = s}, late = {.s = s};

    if (first)
        w.bulks[w.count++] = *first;
    for (size_t i = 0; i < COUNT(reads); i++)
        ask_rows(&w, (struct table *)(void *)((char *)s + reads[i].table), 0, reads[i].form);
    enum err e = s->failed ? ERR_NOMEM : store_write(conn, w.bulks, w.count);
    for (size_t i = 0; e == ERR_OK && i < COUNT(reads); i++)
        e = merge_rows(s, &w, (struct table *)(void *)((char *)s + reads[i].table), reads[i].form);
    if (e != ERR_OK)
        return e;
    int32_t sessions = s->sessions.count;
    write_old_session_topics(&late);
    const bool *applied = late.count ? late.bulks[0].applied : NULL;
    move_new_cards(s);
    count_objectives(s);
    ask_rows(&late, &s->sessions, sessions, &session_form);
    e = s->failed ? ERR_NOMEM : store_write(conn, late.bulks, late.count);
    if (e != ERR_OK)
        return e;
    count_session_topics(s, applied);
    return merge_rows(s, &late, &s->sessions, &session_form);
}

enum err sums_write(struct sums *s, struct store_conn *conn, const struct bulk *first)
{
    struct writing w = {.s = s};

    enum err e = read_and_merge(s, conn, first);
    if (e == ERR_OK)
        e = remember_cards(s, conn);
    if (e != ERR_OK)
        return e;
    contribute_all(s);
    write_rows(&w, &s->sessions, &session_form);
    write_rows(&w, &s->session_objectives, &session_objective_form);
    write_rows(&w, &s->missions, &mission_form);
    write_rows(&w, &s->mission_objectives, &mission_objective_form);
    write_rows(&w, &s->cards, &card_form);
    write_session_topics(&w, true);
    write_loads(&w);
    write_sums(&w, &s->days, &day_form);
    write_sums(&w, &s->hours, &hour_form);
    write_sums(&w, &s->lengths, &length_form);
    write_sums(&w, &s->topics, &topic_form);
    write_sums(&w, &s->totals, &total_form);
    write_sums(&w, &s->audits, &audit_form);
    write_sums(&w, &s->objectives, &objective_form);
    write_sums(&w, &s->searches, &search_form);
    return s->failed ? ERR_NOMEM : store_write(conn, w.bulks, w.count);
}
