/* sums_fold - what one event adds to the rows of its group. */
#include "base/assert.h"
#include "ingest/details.h"
#include "ingest/search.h"
#include "ingest/sums_rows.h"
#include "twin/histogram.h"

#include <math.h>

enum { DAY_2000 = 10957 }; /* squares of days from here on stay small */

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

static void fold_total(const struct folding *f)
{
    int64_t *v = sums_total(f->s, f->learner)->v;
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
    struct sum_row *day = sums_day(f->s, f->learner, f->day);
    const struct outcome *o = &f->o;

    day->v[DAY_EVENTS]++;
    if (o->answers + o->reviews) {
        struct sum_row *hour = sums_hour(f->s, f->learner, f->slot);
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
        struct sum_row *hour = sums_hour(f->s, f->learner, f->slot);
        hour->v[HOUR_ASSESSMENT_N]++;
        hour->v[HOUR_ASSESSMENT] += f->d.self_assessment;
    }
    if (!f->e->session.p && f->study_ms > 0)
        sums_credit(f->s, f->learner, f->at - f->study_ms * US_PER_MS, f->study_ms, 1);
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
    struct session_row *r = sums_session(f->s, f->learner, e->session);
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
    struct sum_row *r = sums_topic(f->s, f->learner, kind, topic);

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
        struct row_key key = {.learner = f->learner, .num = kind, .a = f->e->session, .b = topic};
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
    int64_t *v = sums_row(&f->s->objectives, f->learner, 0, e->objective)->v;
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

/* Half a full year's credits are one; where the scale is not told it is that of the ECTS. */
static int64_t credits_milli(const struct event_details *d)
{
    static const double ects_year = 60;

    if (isnan(d->credits))
        return NUMBER_NONE;
    return llround(
        fmin(2000 * d->credits / (isnan(d->credits_per_year) ? ects_year : d->credits_per_year),
             100000));
}

/* Taking a run of a course, and its set work. What the source had no clock for counts on its day:
 * often that is all that is known. */
static void fold_run(const struct folding *f)
{
    const struct event *e = f->e;
    bool piece = e->kind == EVENT_ASSESSMENT && e->item.p;
    int64_t day = e->untimed ? f->at / US_PER_DAY : f->day;
    struct row_key key = {.learner = f->learner, .a = e->course, .b = STR("")};
    struct run_work_row one = {0}, *r;
    bool made;

    if (!e->course.p || (e->kind == EVENT_ASSESSMENT && !piece))
        return;
    r = table_row(&f->s->run_work, &key, &made);
    if (made)
        run_work_none(r);
    run_work_none(&one);
    one.events = 1;
    switch (e->kind) {
    case EVENT_ENROLLED:
        one.first_day = one.joined_day = day;
        one.told_at = f->at;
        one.attempts = f->d.attempts;
        one.credits_milli = credits_milli(&f->d);
        one.education = f->d.education;
        break;
    case EVENT_WITHDRAWN:
        one.left_day = day;
        break;
    case EVENT_GRADE:
        one.ended_day = day;
        one.passed = e->correct >= 0 ? e->correct : e->score >= 0.5;
        break;
    default:
        break;
    }
    run_work_merge(r, &one);
    if (!piece)
        return;
    key.b = e->item;
    r = table_row(&f->s->run_work, &key, &made);
    if (made)
        run_work_none(r);
    one.first_day = day;
    one.told_at = f->at;
    one.score_micro = f->o.score;
    one.carried = f->d.carried;
    run_work_merge(r, &one);
}

static void fold_load(const struct folding *f)
{
    struct row_key key = {.learner = f->learner, .a = f->id};
    int64_t *total = sums_total(f->s, f->learner)->v;

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
    struct sum_row *day = sums_day(f->s, f->learner, f->day);
    day->v[DAY_LOAD_N]++;
    day->v[DAY_LOAD] += score;
    if (score > day->v[DAY_LOAD_MAX])
        day->v[DAY_LOAD_MAX] = score;
}

/* ---- searches ---- */

static int64_t *search_row(const struct folding *f, enum search_kind kind, struct str what)
{
    int64_t *v = sums_row(&f->s->searches, f->learner, kind * SEARCH_SLOTS + f->day, what)->v;

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
        return NO_TEXT;
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
            search_number(f, SEARCH_SHOWN,
                          shown < SEARCH_PLACES ? shown : SEARCH_PLACES)[SEARCH_N]++;
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
    case EVENT_ASSESSMENT:
    case EVENT_GRADE:
    case EVENT_ENROLLED:
    case EVENT_WITHDRAWN:
        fold_run(f);
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
        f.slot = sums_slot(&c);
        f.second = (c.hour * 60 + c.minute) * 60 + c.second;
        fold_calendar(&f);
    }
    if (e->session.p)
        fold_session(&f);
    fold_topics(&f);
    fold_kind(&f);
}
