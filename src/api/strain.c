#include "api/strain.h"

#include "base/assert.h"
#include "twin/load.h"

#include <math.h>

enum { SITTINGS_MAX = 1000, EPISODES_MAX = 200, FADE_STEP = 5, FADE_MAX = 240 };

void strain_queries(struct api_call *c, struct strain_args *a, struct query q[STRAIN_QUERIES])
{
    a->v[0] = V_S(c->learner);
    a->v[1] = V_I(STRAIN_TAIL_MAX);
    q[0] = (struct query){.stmt = STMT_STRAIN_OF, .args = a->v, .arg_count = 1, .rows_max = 1};
    q[1] = (struct query){.stmt = STMT_STRAIN_TAIL, .args = a->v, .arg_count = 2};
}

/* False: its time is not known. */
static bool read_answer(const struct value *v, struct sitting_answer *a)
{
    bool review = value_i64(&v[1], 0) == EVENT_REVIEW;
    int64_t latency = value_i64(&v[6], -1);
    bool right =
        review ? value_i64(&v[5], 0) != 1 : value_i64(&v[3], value_f64(&v[4], 0) >= 0.5) != 0;

    *a = (struct sitting_answer){
        .answer = {value_i64(&v[0], 0), latency > 0 ? (double)latency / 1000 : (double)NAN,
                   (int8_t)right, (double)NAN, review ? STRAIN_CARD : STRAIN_QUESTION},
        .topic = value_str(&v[7])};
    return value_i64(&v[2], 0) == 0;
}

enum err strain_now(struct api_call *c, const struct query q[STRAIN_QUERIES],
                    struct strain_now *now)
{
    const struct rows *tail = &q[1].rows;
    size_t room = (size_t)tail->count + 2;

    *now = (struct strain_now){.closed = arena_new(c->arena, struct sitting, room),
                               .ended = arena_new(c->arena, struct strain_episode, room),
                               .recovered = arena_new(c->arena, bool, room)};
    if (!now->closed || !now->ended || !now->recovered)
        return ERR_NOMEM;
    sittings_init(&now->state);
    if (q[0].rows.count > 0) {
        const struct value *v = row_at(&q[0].rows, 0) + 2;
        if (sittings_decode(&now->state, (const uint8_t *)v->s.p, v->s.n) != ERR_OK)
            sittings_init(&now->state); /* of another version: until the next night */
    }
    for (int32_t i = tail->count - 1; i >= 0; i--) { /* they come newest first */
        struct sitting_answer a;
        struct sitting_event e;

        if (!read_answer(row_at(tail, i), &a))
            continue;
        sittings_answer(&now->state, &a, &e);
        if (e.closed && e.sitting.loaded > 0)
            now->closed[now->closed_count++] = e.sitting;
        if (e.change == STRAIN_RECOVERED || e.change == STRAIN_BROKEN_OFF) {
            now->recovered[now->ended_count] = e.change == STRAIN_RECOVERED;
            now->ended[now->ended_count++] = e.episode;
        }
    }
    struct sitting rest;
    if (sittings_rest(&now->state, c->now_us, &rest) && rest.loaded > 0)
        now->closed[now->closed_count++] = rest;
    return ERR_OK;
}

/* ---- the moment ---- */

static const char *const direction_names[] = {"down", "stable", "up", NULL};

const struct field strain_shown_fields[] = {
    FIELD(F_F64, struct strain_shown, load, "load", .flags = FIELD_NULLABLE, .min = 0, .max = 100,
          .doc = "now; 30 is the learner's normal; null when the last answer is too long ago"),
    FIELD(F_OBJECT, struct strain_shown, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_ENUM, struct strain_shown, level, "level", .flags = FIELD_NULLABLE,
          .names = load_level_names, .doc = "below 40, 60, 80, or more"),
    FIELD(F_F64, struct strain_shown, trend, "trendPerTenMinutes", .flags = FIELD_NULLABLE,
          .doc = "points of load"),
    FIELD(F_ENUM, struct strain_shown, direction, "direction", .flags = FIELD_NULLABLE,
          .names = direction_names, .doc = "up or down where the slope is clearly not 0"),
    FIELD(F_BOOL, struct strain_shown, overload, "overload", .doc = "an overload goes on"),
    FIELD(F_TIME, struct strain_shown, overload_since, "overloadSince", .flags = FIELD_NULLABLE,
          .doc = "since then"),
    FIELD(F_F64, struct strain_shown, slower, "slower", .flags = FIELD_NULLABLE,
          .doc = "recent response times against the usual: 0.2 is a fifth longer"),
    FIELD(F_F64, struct strain_shown, misses, "misses", .flags = FIELD_NULLABLE,
          .doc = "recent misses beyond the expected, in standard deviations"),
    FIELD(F_BOOL, struct strain_shown, sufficient, "sufficient",
          .doc = "twenty answers and more: the normal is known"),
    FIELD(F_I64, struct strain_shown, answers, "n", .doc = "answers and reviews behind it"),
    FIELD(F_TIME, struct strain_shown, at, "lastAnswerAt", .flags = FIELD_NULLABLE,
          .doc = "of these; the load fades from then on"),
    FIELD(F_STR, struct strain_shown, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct strain_shown, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD(F_OBJECT, struct strain_shown, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

enum err strain_show(struct api_call *c, const struct strain_now *now, bool analysis,
                     struct strain_shown **ret)
{
    struct strain_shown *r = *ret = arena_new(c->arena, struct strain_shown, 1);
    const struct strain *s = &now->state.strain;
    struct strain_view v;

    if (!r)
        return ERR_NOMEM;
    *r = (struct strain_shown){.load = NAN,
                               .trend = NAN,
                               .slower = NAN,
                               .misses = NAN,
                               .level = -1,
                               .direction = -1,
                               .at = TIME_NONE,
                               .overload_since = TIME_NONE,
                               .method = STR(STRAIN_METHOD)};
    if (!analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    strain_view(s, c->now_us, &v);
    r->answers = s->n;
    r->at = s->last_at;
    r->sufficient = v.sufficient;
    if (!v.sufficient) {
        struct needed needed = NEEDED_NONE;
        needed.graded = STRAIN_NEEDED - s->n;
        r->needed = needed_new(c->arena, needed);
        r->reason = STR("Twenty answers or reviews are needed to know what is usual.");
        return ERR_OK;
    }
    r->slower = round_to(v.slower, 4);
    r->misses = round_to(v.misses, 4);
    if (!v.current) {
        r->reason = STR("The last answer is too long ago to tell how it is now.");
        return ERR_OK;
    }
    r->load = round_to(v.load, 2);
    r->interval = interval_new(
        c->arena, (struct interval){round_to(v.interval.low, 2), round_to(v.interval.high, 2)});
    r->level = (int32_t)load_level_of(v.load);
    r->trend = round_to(v.trend, 2);
    r->direction = 1 + v.direction;
    r->overload = v.overload;
    if (v.overload)
        r->overload_since = s->episode_at;
    return ERR_OK;
}

double strain_fade_minutes(const struct strain *s, int64_t now_us)
{
    struct strain_view v;

    for (int32_t m = 0; m <= FADE_MAX; m += FADE_STEP) {
        strain_view(s, now_us + m * US_PER_MINUTE, &v);
        if (!v.sufficient)
            return (double)NAN;
        if (v.load < STRAIN_LEAVE)
            return m;
    }
    return FADE_MAX;
}

/* ---- the past ---- */

struct point {
    int64_t start, end;
    double minutes, load, max, right;
    int64_t answers;
    struct str topic;
    bool open;
};
static const struct field point_fields[] = {
    FIELD(F_TIME, struct point, start, "start", .doc = "of the sitting"),
    FIELD(F_TIME, struct point, end, "end", .doc = "its last answer"),
    FIELD(F_F64, struct point, minutes, "minutes", .doc = "without breaks"),
    FIELD(F_F64, struct point, load, "load", .doc = "mean over its answers"),
    FIELD(F_F64, struct point, max, "maxLoad", .doc = "highest"),
    FIELD(F_F64, struct point, right, "success", .flags = FIELD_NULLABLE, .doc = "share right"),
    FIELD(F_I64, struct point, answers, "n", .doc = "answers and reviews"),
    FIELD(F_STR, struct point, topic, "objectiveId", .flags = FIELD_NULLABLE,
          .doc = "that most of it was about"),
    FIELD(F_BOOL, struct point, open, "open", .doc = "it may go on"),
    FIELD_END,
};

struct episode {
    int64_t start, end;
    double minutes, peak;
    bool recovered;
};
static const struct field episode_fields[] = {
    FIELD(F_TIME, struct episode, start, "start", .doc = "of the overload"),
    FIELD(F_TIME, struct episode, end, "end", .doc = "back to normal, or the last answer"),
    FIELD(F_F64, struct episode, minutes, "durationMinutes", .doc = "from start to end"),
    FIELD(F_F64, struct episode, peak, "peakLoad", .doc = "highest load in it"),
    FIELD(F_BOOL, struct episode, recovered, "recovered",
          .doc = "false: broken off by a pause, so that recovery was not seen"),
    FIELD_END,
};

const struct field strain_past_fields[] = {
    FIELD(F_LIST, struct strain_past, points, "points", .sub = point_fields,
          .size = sizeof(struct point), .doc = "sittings, the oldest first; the latest 1,000"),
    FIELD(F_LIST, struct strain_past, episodes, "episodes", .sub = episode_fields,
          .size = sizeof(struct episode), .doc = "overloads that have ended, the oldest first"),
    FIELD(F_F64, struct strain_past, mean, "avgLoad", .flags = FIELD_NULLABLE,
          .doc = "mean over the answers"),
    FIELD(F_F64, struct strain_past, max, "maxLoad", .flags = FIELD_NULLABLE, .doc = "highest"),
    FIELD(F_STR, struct strain_past, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct strain_past, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are no points"),
    FIELD_END,
};

void strain_past_queries(struct api_call *c, int64_t from, int64_t to, struct strain_past_args *a,
                         struct query q[STRAIN_PAST_QUERIES])
{
    const struct value v[] = {V_S(c->learner), V_I(from), V_I(to)};

    for (int i = 0; i < 3; i++)
        a->sittings[i] = a->episodes[i] = v[i];
    a->sittings[3] = V_I(SITTINGS_MAX);
    a->episodes[3] = V_I(EPISODES_MAX);
    q[0] = (struct query){.stmt = STMT_SITTINGS_BETWEEN, .args = a->sittings, .arg_count = 4};
    q[1] =
        (struct query){.stmt = STMT_STRAIN_EPISODES_BETWEEN, .args = a->episodes, .arg_count = 4};
}

static struct point point_of(const struct sitting *s, bool open)
{
    return (struct point){
        .start = s->start,
        .end = s->end,
        .minutes = round_to((double)s->active_us / (double)US_PER_MINUTE, 1),
        .load = round_to(sitting_load(s), 2),
        .max = round_to(s->load_max, 2),
        .right = s->graded ? round_to((double)s->right / s->graded, 4) : (double)NAN,
        .answers = s->answers,
        .topic = s->vote > 0 ? (struct str){s->topic, (size_t)s->topic_n} : (struct str){NULL, 0},
        .open = open};
}

static struct point point_read(const struct value *v)
{
    double graded = (double)value_i64(&v[4], 0);

    return (struct point){.start = value_i64(&v[0], 0),
                          .end = value_i64(&v[1], 0),
                          .minutes = round_to(value_f64(&v[2], 0), 1),
                          .load = round_to(value_f64(&v[6], 0), 2),
                          .max = round_to(value_f64(&v[7], 0), 2),
                          .right = graded > 0 ? round_to((double)value_i64(&v[5], 0) / graded, 4)
                                              : (double)NAN,
                          .answers = value_i64(&v[3], 0),
                          .topic = value_str(&v[8])};
}

static struct episode episode_of(int64_t start, int64_t end, double peak, bool recovered)
{
    return (struct episode){start, end, round_to((double)(end - start) / (double)US_PER_MINUTE, 1),
                            round_to(peak, 2), recovered};
}

static enum err past_episodes(struct api_call *c, const struct strain_now *now,
                              const struct rows *rows, int64_t from, int64_t to,
                              struct strain_past *r)
{
    struct episode *e =
        arena_new(c->arena, struct episode, (size_t)rows->count + (size_t)now->ended_count + 1);
    int32_t n = 0;

    if (!e)
        return ERR_NOMEM;
    for (int32_t i = rows->count - 1; i >= 0; i--) {
        const struct value *v = row_at(rows, i);
        e[n++] = episode_of(value_i64(&v[0], 0), value_i64(&v[1], 0), value_f64(&v[2], 0),
                            value_i64(&v[3], 0) != 0);
    }
    for (int32_t i = 0; i < now->ended_count; i++)
        if (now->ended[i].start >= from && now->ended[i].start <= to)
            e[n++] = episode_of(now->ended[i].start, now->ended[i].end, now->ended[i].peak,
                                now->recovered[i]);
    r->episodes = (struct list){e, n};
    return ERR_OK;
}

enum err strain_past(struct api_call *c, const struct strain_now *now,
                     const struct query q[STRAIN_PAST_QUERIES], int64_t from, int64_t to,
                     struct strain_past *r)
{
    const struct rows *rows = &q[0].rows;
    struct point *p =
        arena_new(c->arena, struct point, (size_t)rows->count + (size_t)now->closed_count + 1);
    const struct sitting *open = &now->state.open;
    double sum = 0, answers = 0;
    int32_t n = 0;

    if (!p)
        return ERR_NOMEM;
    for (int32_t i = rows->count - 1; i >= 0; i--)
        p[n++] = point_read(row_at(rows, i));
    for (int32_t i = 0; i < now->closed_count; i++)
        if (now->closed[i].start >= from && now->closed[i].start <= to)
            p[n++] = point_of(&now->closed[i], false);
    if (open->loaded > 0 && open->start >= from && open->start <= to)
        p[n++] = point_of(open, true);
    *r = (struct strain_past){
        .points = {p, n}, .mean = NAN, .max = NAN, .method = STR(STRAIN_METHOD)};
    for (int32_t i = 0; i < n; i++) {
        sum += p[i].load * (double)p[i].answers;
        answers += (double)p[i].answers;
        r->max = fmax(r->max, p[i].max); /* NaN gives way */
    }
    if (n > 0)
        r->mean = round_to(sum / answers, 2);
    else
        r->reason = STR("Nothing was answered in this range.");
    return past_episodes(c, now, &q[1].rows, from, to, r);
}
