#include "night/strain.h"

#include "base/assert.h"
#include "base/hash.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPISODES_MAX = 400,
    DEADLINES_MAX = 100,
    RELIEFS_MAX = 200,
    TRACES_MAX = 20000, /* in a run; where there are more, the others are silences */
    CANDIDATES_MAX = 48,
    SIDE_MIN = 3,  /* sittings with the circumstance */
    OTHER_MIN = 5, /* and without */
    LONG_MINUTES = 60,
    LATE_HOUR = 22,
    EARLY_HOUR = 5,
    DEADLINE_DAYS = 7,
    ROOM = 64, /* first size of a growing array */
};

/* One sitting, as far as it is looked at here. */
struct row {
    int64_t start;
    double minutes, load, before, after; /* before, after: NaN when too short */
    int32_t answers, graded, right, hour, day;
    double expected;
    struct str topic;
    uint32_t marks; /* bits of enum mark */
};

enum mark { LONG, NIGHT, MORNING, AFTERNOON, EVENING, AGAIN, HARD, BUSY, DEADLINE, MARKS };
static const struct {
    const char *type, *condition;
} mark_names[MARKS] = {
    [LONG] = {"FATIGUE_BASED", "long"},          [NIGHT] = {"FATIGUE_BASED", "night"},
    [MORNING] = {"FATIGUE_BASED", "morning"},    [AFTERNOON] = {"FATIGUE_BASED", "afternoon"},
    [EVENING] = {"FATIGUE_BASED", "evening"},    [AGAIN] = {"FATIGUE_BASED", "again"},
    [HARD] = {"DIFFICULTY_INDUCED", "hard"},     [BUSY] = {"TIME_PRESSURE", "busy"},
    [DEADLINE] = {"EXAM_PROXIMITY", "deadline"},
};

/* A circumstance that may go with load. */
struct candidate {
    const char *type;
    struct str condition, topic;
    struct str pattern;
    int64_t seen_at;
};

struct strain_look {
    struct night_work *w;
    bool anew;
    struct sittings state;
    int64_t at;
    struct str id;
    struct rows kept, episodes, deadlines, reliefs, patterns, traces;
    int32_t next_trace;
    struct sitting *closed; /* in this run */
    int32_t closed_count, closed_room;
    struct strain_episode *ended;
    bool *recovered;
    int32_t ended_count, ended_room;
    /* over all sittings, in order of time */
    struct row *rows;
    int32_t count;
    struct strain_trigger triggers[CANDIDATES_MAX];
    struct candidate candidates[CANDIDATES_MAX];
    int32_t candidate_count;
};

/* ---- taking answers ---- */

enum err strain_begin(struct night_work *w, bool anew, int64_t after, int64_t until,
                      struct strain_look **ret)
{
    struct strain_look *k = arena_new(w->arena, struct strain_look, 1);
    const struct value id[] = {V_I(w->learner_id), V_I(STRESS_SITTINGS_MAX)},
                       episodes[] = {V_I(w->learner_id), V_I(EPISODES_MAX)},
                       deadlines[] = {V_I(w->learner_id), V_I(DEADLINES_MAX)},
                       reliefs[] = {V_I(w->learner_id), V_I(RELIEFS_MAX)},
                       traces[] = {V_I(w->learner_id), V_I(after), V_I(until), V_I(TRACES_MAX)};
    struct query q[] = {
        {.stmt = STMT_STRAIN_STATE, .args = id, .arg_count = 1, .rows_max = 1},
        {.stmt = STMT_STRAIN_SITTINGS, .args = id, .arg_count = 2},
        {.stmt = STMT_STRAIN_EPISODES_OF, .args = episodes, .arg_count = 2},
        {.stmt = STMT_STRESS_DEADLINES, .args = deadlines, .arg_count = 2},
        {.stmt = STMT_STRESS_RELIEFS, .args = reliefs, .arg_count = 2},
        {.stmt = STMT_STRESS_PATTERNS_OF, .args = id, .arg_count = 1},
        {.stmt = STMT_STRAIN_TRACES, .args = traces, .arg_count = 4},
    };

    if (!k)
        return ERR_NOMEM;
    enum err e = store_read(w->conn, w->arena, q, COUNT(q), w->deadline_us);
    if (e != ERR_OK)
        return e;
    *k = (struct strain_look){.w = w,
                              .anew = anew,
                              .at = INT64_MIN,
                              .kept = q[1].rows,
                              .episodes = q[2].rows,
                              .deadlines = q[3].rows,
                              .reliefs = q[4].rows,
                              .patterns = q[5].rows,
                              .traces = q[6].rows};
    sittings_init(&k->state);
    *ret = k;
    if (anew) {
        k->kept.count = k->episodes.count = 0;
        return ERR_OK;
    }
    if (q[0].rows.count == 0)
        return ERR_OK;
    const struct value *v = row_at(&q[0].rows, 0);
    k->at = value_i64(&v[0], 0);
    k->id = value_str(&v[1]);
    /* what cannot be read, of another version, begins anew from here */
    if (sittings_decode(&k->state, (const uint8_t *)v[2].s.p, v[2].s.n) != ERR_OK)
        sittings_init(&k->state);
    return ERR_OK;
}

/* Room for one more of n things of `size`; NULL: no memory. */
static void *grown(struct arena *arena, void *p, int32_t n, int32_t *room, size_t size)
{
    if (n < *room)
        return p;
    int32_t more = *room ? 2 * *room : ROOM;
    void *q = arena_alloc(arena, (size_t)more * size, 16);
    if (q && n > 0)
        memcpy(q, p, (size_t)n * size);
    *room = more;
    return q;
}

static enum err add_closed(struct strain_look *k, const struct sitting *s)
{
    if (s->loaded == 0)
        return ERR_OK; /* what is usual was not known yet */
    k->closed = grown(k->w->arena, k->closed, k->closed_count, &k->closed_room, sizeof *k->closed);
    if (!k->closed)
        return ERR_NOMEM;
    k->closed[k->closed_count++] = *s;
    return ERR_OK;
}

static enum err add_ended(struct strain_look *k, const struct strain_episode *e, bool recovered)
{
    int32_t room = k->ended_room;

    k->ended = grown(k->w->arena, k->ended, k->ended_count, &k->ended_room, sizeof *k->ended);
    k->recovered = grown(k->w->arena, k->recovered, k->ended_count, &room, sizeof *k->recovered);
    if (!k->ended || !k->recovered)
        return ERR_NOMEM;
    k->ended[k->ended_count] = *e;
    k->recovered[k->ended_count++] = recovered;
    return ERR_OK;
}

/* What the learner did beside answering, up to `at`. */
static enum err take_traces(struct strain_look *k, int64_t at)
{
    enum err e = ERR_OK;

    for (; e == ERR_OK && k->next_trace < k->traces.count; k->next_trace++) {
        const struct value *v = row_at(&k->traces, k->next_trace);
        int64_t kind = value_i64(&v[1], 0), ms = value_i64(&v[2], 0);
        struct sitting closed;

        if (value_i64(&v[0], 0) > at)
            break;
        /* what pauses and sessions say of their length is of what lies beside this */
        bool work = kind < EVENT_SESSION_STARTED || kind > EVENT_SESSION_RESUMED;
        bool tells = work && ms > 0 && ms < SITTING_SPENT_US / US_PER_MS;
        if (sittings_trace(&k->state,
                           kind == EVENT_SESSION_PAUSED    ? SITTING_PAUSE
                           : kind == EVENT_SESSION_RESUMED ? SITTING_RESUME
                                                           : SITTING_WORK,
                           value_i64(&v[0], 0), tells ? ms * US_PER_MS : 0, &closed))
            e = add_closed(k, &closed);
    }
    return e;
}

enum err strain_take(struct strain_look *k, const struct sitting_answer *a, struct str id)
{
    struct sitting_event event;
    enum err e = take_traces(k, a->answer.at);

    if (e != ERR_OK)
        return e;
    sittings_answer(&k->state, a, &event);
    k->at = a->answer.at;
    k->id = id;
    if (event.closed)
        e = add_closed(k, &event.sitting);
    if (e == ERR_OK && (event.change == STRAIN_RECOVERED || event.change == STRAIN_BROKEN_OFF))
        e = add_ended(k, &event.episode, event.change == STRAIN_RECOVERED);
    return e;
}

/* ---- all sittings, in order ---- */

static struct row row_of(const struct night_work *w, const struct sitting *s)
{
    struct civil c = civil_at(w->zone, s->start);

    return (struct row){.start = s->start,
                        .minutes = (double)s->active_us / (double)US_PER_MINUTE,
                        .load = sitting_load(s),
                        .before = sitting_before(s),
                        .after = sitting_after(s),
                        .answers = s->answers,
                        .graded = s->graded,
                        .right = s->right,
                        .hour = c.hour,
                        .day = c.epoch_day,
                        .expected = s->expected,
                        .topic = s->vote > 0 ? (struct str){s->topic, (size_t)s->topic_n}
                                             : (struct str){NULL, 0}};
}

static struct row row_read(const struct value *v)
{
    return (struct row){.start = value_i64(&v[0], 0),
                        .minutes = value_f64(&v[1], 0),
                        .load = value_f64(&v[6], 0),
                        .before = value_f64(&v[7], NAN),
                        .after = value_f64(&v[8], NAN),
                        .answers = (int32_t)value_i64(&v[2], 0),
                        .graded = (int32_t)value_i64(&v[3], 0),
                        .right = (int32_t)value_i64(&v[4], 0),
                        .hour = (int32_t)value_i64(&v[9], 0),
                        .day = (int32_t)value_i64(&v[10], 0),
                        .expected = value_f64(&v[5], 0),
                        .topic = value_str(&v[11])};
}

/* Those of five answers and more; the latest STRESS_SITTINGS_MAX. */
static enum err gather(struct strain_look *k)
{
    int32_t all = k->kept.count + k->closed_count, n = 0;

    k->rows = arena_new(k->w->arena, struct row, (size_t)all + 1);
    if (!k->rows)
        return ERR_NOMEM;
    for (int32_t i = k->kept.count - 1; i >= 0; i--) /* they come newest first */
        k->rows[n++] = row_read(row_at(&k->kept, i));
    for (int32_t i = 0; i < k->closed_count; i++)
        k->rows[n++] = row_of(k->w, &k->closed[i]);
    for (int32_t i = 0; i < n; i++)
        if (k->rows[i].answers >= STRESS_ANSWERS_MIN)
            k->rows[k->count++] = k->rows[i];
    if (k->count > STRESS_SITTINGS_MAX) {
        k->rows += k->count - STRESS_SITTINGS_MAX;
        k->count = STRESS_SITTINGS_MAX;
    }
    return ERR_OK;
}

/* ---- circumstances ---- */

static uint32_t bit(enum mark m)
{
    return UINT32_C(1) << m;
}

static bool looms(const struct strain_look *k, int64_t start)
{
    for (int32_t i = 0; i < k->deadlines.count; i++) {
        int64_t at = value_i64(row_at(&k->deadlines, i), 0);
        if (at >= start && at - start <= DEADLINE_DAYS * US_PER_DAY)
            return true;
    }
    return false;
}

static int by_value(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

/* Answers of the sitting's whole local day. */
static int32_t day_answers(const struct strain_look *k, int32_t day)
{
    int32_t n = 0;

    for (int32_t i = 0; i < k->count; i++)
        n += k->rows[i].day == day ? k->rows[i].answers : 0;
    return n;
}

static enum mark hours(int32_t hour)
{
    if (hour >= LATE_HOUR || hour < EARLY_HOUR)
        return NIGHT;
    return hour < 12 ? MORNING : hour < 17 ? AFTERNOON : EVENING;
}

static enum err mark_all(struct strain_look *k)
{
    double *share = arena_new(k->w->arena, double, (size_t)k->count + 1);
    double *sorted = arena_new(k->w->arena, double, (size_t)k->count + 1);
    double *days = arena_new(k->w->arena, double, (size_t)k->count + 1);
    int32_t on_day = 0;

    if (!share || !sorted || !days)
        return ERR_NOMEM;
    for (int32_t i = 0; i < k->count; i++) {
        const struct row *r = &k->rows[i];
        share[i] = r->graded > 0 ? r->expected / r->graded : 1;
        days[i] = day_answers(k, r->day);
    }
    memcpy(sorted, share, (size_t)k->count * sizeof *share);
    qsort(sorted, (size_t)k->count, sizeof *sorted, by_value);
    double hard = sorted[k->count / 4];
    memcpy(sorted, days, (size_t)k->count * sizeof *days);
    qsort(sorted, (size_t)k->count, sizeof *sorted, by_value);
    double busy = sorted[3 * k->count / 4];
    for (int32_t i = 0; i < k->count; i++) {
        struct row *r = &k->rows[i];

        on_day = i > 0 && k->rows[i - 1].day == r->day ? on_day + 1 : 1;
        r->marks = bit(hours(r->hour));
        r->marks |= r->minutes >= LONG_MINUTES ? bit(LONG) : 0;
        r->marks |= on_day >= 3 ? bit(AGAIN) : 0;
        r->marks |= share[i] < hard ? bit(HARD) : 0;
        r->marks |= days[i] > busy ? bit(BUSY) : 0;
        r->marks |= looms(k, r->start) ? bit(DEADLINE) : 0;
    }
    return ERR_OK;
}

/* Adds the comparison if both sides have enough. */
static void compare(struct strain_look *k, const bool *with, struct candidate c)
{
    double a[STRESS_SITTINGS_MAX], b[STRESS_SITTINGS_MAX];
    int32_t n_a = 0, n_b = 0;

    if (k->candidate_count == CANDIDATES_MAX)
        return;
    for (int32_t i = 0; i < k->count; i++) {
        if (with[i]) {
            a[n_a++] = k->rows[i].load;
            c.seen_at = k->rows[i].start;
        } else {
            b[n_b++] = k->rows[i].load;
        }
    }
    if (n_a < SIDE_MIN || n_b < OTHER_MIN)
        return;
    /* against a measure it is the sittings without it that should have the higher load */
    bool coping = strcmp(c.type, "COPING") == 0;
    struct strain_trigger *t = &k->triggers[k->candidate_count];
    t->with = coping ? compare_sample(b, n_b) : compare_sample(a, n_a);
    t->without = coping ? compare_sample(a, n_a) : compare_sample(b, n_b);
    k->candidates[k->candidate_count++] = c;
}

static void by_marks(struct strain_look *k, bool *with)
{
    for (int m = 0; m < MARKS; m++) {
        for (int32_t i = 0; i < k->count; i++)
            with[i] = (k->rows[i].marks & bit((enum mark)m)) != 0;
        compare(k, with,
                (struct candidate){.type = mark_names[m].type,
                                   .condition = str_from(mark_names[m].condition)});
    }
}

/* The topics of most sittings, the first met first. */
static void by_topics(struct strain_look *k, bool *with)
{
    struct {
        struct str topic;
        int32_t n;
    } best[STRESS_TOPICS_MAX];
    int32_t count = 0;

    for (int32_t i = 0; i < k->count; i++) {
        struct str topic = k->rows[i].topic;
        int32_t n = 0, at = 0;
        bool met = !topic.p;

        for (int32_t j = 0; j < k->count && topic.p; j++) {
            bool same = k->rows[j].topic.p && str_eq(k->rows[j].topic, topic);
            met = met || (same && j < i);
            n += same;
        }
        if (met || n < SIDE_MIN)
            continue;
        if (count < STRESS_TOPICS_MAX)
            at = count++;
        else
            for (int32_t j = 1; j < count; j++)
                at = best[j].n < best[at].n ? j : at;
        if (at == count - 1 || best[at].n < n) {
            best[at].topic = topic;
            best[at].n = n;
        }
    }
    for (int32_t c = 0; c < count; c++) {
        for (int32_t i = 0; i < k->count; i++)
            with[i] = k->rows[i].topic.p && str_eq(k->rows[i].topic, best[c].topic);
        compare(k, with,
                (struct candidate){
                    .type = "TOPIC_SPECIFIC", .condition = STR("topic"), .topic = best[c].topic});
    }
}

/* Sittings between the taking on of a measure and its end. */
static void by_reliefs(struct strain_look *k, bool *with)
{
    for (int32_t i = 0; i < k->reliefs.count; i++) {
        struct str type = value_str(row_at(&k->reliefs, i));
        bool met = false;

        for (int32_t j = 0; j < i; j++)
            met = met || str_eq(value_str(row_at(&k->reliefs, j)), type);
        if (met)
            continue;
        memset(with, 0, (size_t)k->count * sizeof *with);
        for (int32_t j = i; j < k->reliefs.count; j++) {
            const struct value *v = row_at(&k->reliefs, j);
            if (!str_eq(value_str(&v[0]), type))
                continue;
            for (int32_t r = 0; r < k->count; r++)
                with[r] = with[r] || (k->rows[r].start >= value_i64(&v[1], 0) &&
                                      k->rows[r].start < value_i64(&v[2], 0));
        }
        compare(k, with, (struct candidate){.type = "COPING", .condition = type});
    }
}

/* ---- patterns ---- */

static struct str pattern_name(struct arena *arena, const struct candidate *c)
{
    if (!c->topic.p)
        return arena_printf(arena, "%s-" STR_FMT, c->type, STR_ARG(c->condition));
    return arena_printf(arena, "%s-%016llx", c->type,
                        (unsigned long long)hash_stable(c->topic.p, c->topic.n));
}

enum { PATTERN_COLS = 17 };

static void pattern_values(const struct strain_look *k, int32_t i, bool present, int64_t first_at,
                           struct value *out)
{
    const struct strain_trigger *t = &k->triggers[i];
    const struct candidate *c = &k->candidates[i];
    bool turned = strcmp(c->type, "COPING") == 0;
    const struct sample *with = turned ? &t->without : &t->with,
                        *without = turned ? &t->with : &t->without;
    double sign = turned ? -1 : 1, low = t->difference.interval.low,
           high = t->difference.interval.high;
    const struct value v[PATTERN_COLS] = {V_I(k->w->learner_id),
                                          V_S(c->pattern),
                                          V_S(str_from(c->type)),
                                          V_S(c->condition),
                                          v_text(c->topic),
                                          V_I(with->n),
                                          V_I(without->n),
                                          v_real(with->mean),
                                          v_real(without->mean),
                                          v_real(sign * t->difference.estimate),
                                          v_real(turned ? -high : low),
                                          v_real(turned ? -low : high),
                                          v_real(t->p),
                                          v_real(t->p_adjusted),
                                          V_I(present),
                                          V_I(first_at),
                                          V_I(c->seen_at)};
    memcpy(out, v, sizeof v);
}

static enum err put_patterns(struct strain_look *k)
{
    struct night_work *w = k->w;
    struct value *v = arena_new(w->arena, struct value, CANDIDATES_MAX * PATTERN_COLS);
    int32_t rows = 0;

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < k->candidate_count; i++) {
        struct candidate *c = &k->candidates[i];
        int64_t first_at = w->now_us;
        bool known = false, was = false;

        c->pattern = pattern_name(w->arena, c);
        if (!c->pattern.p)
            return ERR_NOMEM;
        for (int32_t j = 0; j < k->patterns.count; j++) {
            const struct value *old = row_at(&k->patterns, j);
            if (!str_eq(value_str(&old[0]), c->pattern))
                continue;
            known = true;
            was = value_i64(&old[4], 0) != 0;
            if (was)
                first_at = value_i64(&old[5], 0);
        }
        bool present =
            k->triggers[i].found || (was && k->triggers[i].p_adjusted <= 2 * STRESS_FALSE);
        if (present || known)
            pattern_values(k, i, present, first_at, v + (size_t)PATTERN_COLS * (size_t)rows++);
    }
    return night_put(w, STMT_STRESS_PATTERNS_PUT, v, rows, PATTERN_COLS);
}

static enum err find_patterns(struct strain_look *k)
{
    bool *with = arena_new(k->w->arena, bool, (size_t)k->count + 1);
    double p[CANDIDATES_MAX];
    int32_t order[CANDIDATES_MAX];
    enum err e = with ? mark_all(k) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    by_marks(k, with);
    by_reliefs(k, with);
    by_topics(k, with);
    strain_triggers(k->triggers, k->candidate_count, STRESS_FALSE, p, order);
    return put_patterns(k);
}

/* ---- the profile ---- */

static enum err find_tolerance(struct strain_look *k, struct strain_tolerance *ret)
{
    double *load = arena_new(k->w->arena, double, (size_t)k->count + 1);
    double *after = arena_new(k->w->arena, double, (size_t)k->count + 1);
    double *scratch = arena_new(k->w->arena, double, (size_t)k->count + 1);
    struct rng rng;
    int32_t n = 0;

    if (!load || !after || !scratch)
        return ERR_NOMEM;
    for (int32_t i = 0; i < k->count; i++) {
        if (isnan(k->rows[i].before) || isnan(k->rows[i].after))
            continue;
        load[n] = k->rows[i].before;
        after[n++] = k->rows[i].after;
    }
    rng_seed(&rng, k->w->seed);
    return strain_tolerance(load, after, n, &rng, scratch, ret);
}

static enum err find_recovery(struct strain_look *k, int64_t *ret_recovered, int32_t *ret_n,
                              struct survival_median *ret)
{
    size_t n = (size_t)k->episodes.count + (size_t)k->ended_count + 1;
    struct strain_episode *e = arena_new(k->w->arena, struct strain_episode, n);
    bool *recovered = arena_new(k->w->arena, bool, n), *happened = arena_new(k->w->arena, bool, n);
    double *times = arena_new(k->w->arena, double, n);
    struct survival_row *rows = arena_new(k->w->arena, struct survival_row, n);
    int32_t count = 0;

    if (!e || !recovered || !happened || !times || !rows)
        return ERR_NOMEM;
    for (int32_t i = 0; i < k->episodes.count; i++) {
        const struct value *v = row_at(&k->episodes, i);
        recovered[count] = value_i64(&v[3], 0) != 0;
        e[count++] =
            (struct strain_episode){value_i64(&v[0], 0), value_i64(&v[1], 0), value_f64(&v[2], 0)};
    }
    for (int32_t i = 0; i < k->ended_count; i++) {
        recovered[count] = k->recovered[i];
        e[count++] = k->ended[i];
    }
    *ret_recovered = 0;
    for (int32_t i = 0; i < count; i++)
        *ret_recovered += recovered[i];
    *ret_n = count;
    *ret = strain_recovery(e, recovered, count, times, happened, rows);
    return ERR_OK;
}

static struct value bounded(double v)
{
    return isfinite(v) ? V_D(v) : V_N;
}

static enum err put_profile(struct strain_look *k)
{
    enum { COLS = 19 };
    struct value *out = arena_new(k->w->arena, struct value, COLS);
    struct strain_tolerance t;
    struct survival_median r;
    struct rhythm_fatigue f;
    int64_t answers = 0, recovered;
    int32_t episodes;
    double load = 0;
    enum err e = out ? find_tolerance(k, &t) : ERR_NOMEM;

    if (e == ERR_OK)
        e = find_recovery(k, &recovered, &episodes, &r);
    if (e != ERR_OK)
        return e;
    sittings_fatigue(&k->state, k->w->seed, &f);
    for (int32_t i = 0; i < k->count; i++) {
        answers += k->rows[i].answers;
        load += k->rows[i].load * k->rows[i].answers;
    }
    bool onset = f.found && f.reason == RHYTHM_OK;
    const struct value v[COLS] = {V_I(k->w->learner_id),
                                  V_I(k->w->now_us),
                                  V_I(k->count),
                                  V_I(answers),
                                  answers > 0 ? V_D(load / (double)answers) : V_N,
                                  bounded(t.load),
                                  bounded(t.slope),
                                  bounded(t.p),
                                  V_I(t.n),
                                  bounded(r.time),
                                  bounded(r.interval.low),
                                  bounded(r.interval.high),
                                  V_I(episodes),
                                  V_I(recovered),
                                  onset ? bounded(f.onset) : V_N,
                                  onset ? bounded(f.onset_interval.low) : V_N,
                                  onset ? bounded(f.onset_interval.high) : V_N,
                                  bounded(f.p),
                                  V_I(f.n)};
    memcpy(out, v, sizeof v);
    return night_put(k->w, STMT_STRESS_PROFILE_PUT, out, 1, COLS);
}

/* ---- what is written ---- */

static enum err put_sittings(struct strain_look *k)
{
    enum { COLS = 16 };
    struct value *out = arena_new(k->w->arena, struct value, (size_t)k->closed_count * COLS + 1);

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < k->closed_count; i++) {
        const struct sitting *s = &k->closed[i];
        struct row r = row_of(k->w, s);
        const struct value v[COLS] = {
            V_I(k->w->learner_id), V_I(s->start),    V_I(s->end),       V_D(r.minutes),
            V_I(s->answers),       V_I(s->graded),   V_I(s->right),     V_D(s->expected),
            V_D(r.load),           V_D(s->load_max), bounded(r.before), bounded(r.after),
            V_I(s->after_n),       V_I(r.hour),      V_I(r.day),        v_text(r.topic)};
        memcpy(out + (size_t)i * COLS, v, sizeof v);
    }
    return night_put(k->w, STMT_SITTINGS_PUT, out, k->closed_count, COLS);
}

static enum err put_episodes(struct strain_look *k)
{
    enum { COLS = 5 };
    struct value *out = arena_new(k->w->arena, struct value, (size_t)k->ended_count * COLS + 1);

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < k->ended_count; i++) {
        const struct strain_episode *e = &k->ended[i];
        const struct value v[COLS] = {V_I(k->w->learner_id), V_I(e->start), V_I(e->end),
                                      V_D(e->peak), V_I(k->recovered[i])};
        memcpy(out + (size_t)i * COLS, v, sizeof v);
    }
    return night_put(k->w, STMT_STRAIN_EPISODES_PUT, out, k->ended_count, COLS);
}

static enum err put_state(struct strain_look *k)
{
    enum { COLS = 6 };
    struct value *out = arena_new(k->w->arena, struct value, COLS);
    uint8_t *bytes = arena_new(k->w->arena, uint8_t, SITTING_BYTES_MAX);

    if (!out || !bytes)
        return ERR_NOMEM;
    size_t n = sittings_encode(&k->state, bytes);
    const struct value v[COLS] = {
        V_I(k->w->learner_id),  V_I(k->at),        V_S(k->id),
        V_I(k->state.strain.n), V_I(k->w->now_us), V_B(((struct str){(char *)bytes, n}))};
    memcpy(out, v, sizeof v);
    return night_put(k->w, STMT_STRAIN_PUT, out, 1, COLS);
}

static enum err drop_kept(struct strain_look *k)
{
    struct value *id = arena_new(k->w->arena, struct value, 1);

    if (!id)
        return ERR_NOMEM;
    *id = V_I(k->w->learner_id);
    enum err e = night_put(k->w, STMT_LEARNER_DROP_STRAINS, id, 1, 1);
    if (e == ERR_OK)
        e = night_put(k->w, STMT_LEARNER_DROP_SITTINGS, id, 1, 1);
    return e == ERR_OK ? night_put(k->w, STMT_LEARNER_DROP_STRAIN_EPISODES, id, 1, 1) : e;
}

enum err strain_finish(struct strain_look *k, bool last)
{
    struct sitting rest;
    enum err e = ERR_OK;

    if (last && sittings_rest(&k->state, k->w->now_us, &rest))
        e = add_closed(k, &rest);
    if (e == ERR_OK && k->anew)
        e = drop_kept(k);
    if (e == ERR_OK && k->at != INT64_MIN)
        e = put_state(k);
    if (e == ERR_OK)
        e = put_sittings(k);
    if (e == ERR_OK)
        e = put_episodes(k);
    if (e == ERR_OK && last)
        e = gather(k);
    if (e == ERR_OK && last && k->count > 0)
        e = find_patterns(k);
    return e == ERR_OK && last && k->count > 0 ? put_profile(k) : e;
}
