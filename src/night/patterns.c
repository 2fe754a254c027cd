#include "night/patterns.h"

#include "base/assert.h"
#include "twin/audit.h"
#include "twin/patterns.h"
#include "twin/session.h"
#include "twin/sitting.h"
#include "twin/study.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum {
    MICRO = 1000000,
    LEVEL_FIRST = 20, /* outcomes before the first forecast */
    MODALITIES_MAX = SITTING_MODALITIES,
    TRACK_COLUMNS = 34,
    NAME_MAX = 64,
};
#define LEVEL_MEMORY 400.0

/* The share right until now, of outcomes of one sort. */
struct level {
    double n, right;
    int64_t seen;
};

struct modality {
    struct str name; /* in the arena */
    struct rhythm_sum sum;
};

struct look {
    struct night_work *work;
    struct level answers, reviews;
    struct rhythm_sum hours[RHYTHM_HOURS], lengths[STUDY_LENGTHS];
    struct modality modalities[MODALITIES_MAX];
    int32_t modality_count;
    struct rhythm_minutes minutes[SITTING_CELLS_MAX];
    int32_t minute_count;
    struct rhythm_fatigue fatigue;
    struct rhythm_sum memory; /* by steps; its part is all up to now */
    int64_t version;          /* of the data */
    struct rhythm by_hour, by_length, by_modality;
};

/* A row of the table. */
struct life {
    char name[NAME_MAX];
    size_t name_n;
    struct pattern_track track;
    int32_t slot_last;
    struct str label;
    struct pattern_finding finding; /* as it was last found */
    double confidence;
    int64_t first_at;
    bool changed;
};

/* ---- sessions ---- */

static void level_add(struct level *l, int64_t n, int64_t right)
{
    double keep = pow(1 - 1 / LEVEL_MEMORY, (double)n);

    l->n = l->n * keep + (double)n;
    l->right = l->right * keep + (double)right;
    l->seen += n;
}

static void part_add(struct rhythm_part *part, const struct level *l, int64_t n, int64_t right)
{
    if (n <= 0 || l->seen < LEVEL_FIRST)
        return;
    double p = fmin(1 - RHYTHM_FORECAST_MIN, fmax(RHYTHM_FORECAST_MIN, l->right / l->n));
    int64_t micro = llround(p * MICRO);
    part->n += n;
    part->expected += n * micro;
    part->residual += right * MICRO - n * micro;
    part->information += llround((double)n * p * (1 - p) * MICRO);
}

static int32_t length_bucket(int64_t ms)
{
    int32_t i = STUDY_LENGTHS - 1;

    while (i > 0 && ms < (int64_t)study_length_from[i] * 60000)
        i--;
    return i;
}

static enum err take_session(void *user, const struct value *v, int32_t cols)
{
    struct look *k = user;
    const struct session_facts facts = {
        .first_at = value_i64(&v[0], 0),
        .last_at = value_i64(&v[1], 0),
        .started_at = value_i64(&v[2], TIME_NONE),
        .completed_at = value_i64(&v[3], TIME_NONE),
        .declared_ms = value_i64(&v[4], SESSION_MS_NONE),
        .declared_pause_ms = value_i64(&v[5], 0),
        .pauses = value_i64(&v[6], 0),
        .pause_ms_sum = value_i64(&v[7], 0),
        .resumes = value_i64(&v[8], 0),
        .resume_ms_sum = value_i64(&v[9], 0),
        .active_ms = value_i64(&v[10], 0),
        .untimed = value_i64(&v[11], 0) != 0,
    };
    int64_t answers = value_i64(&v[12], 0), correct = value_i64(&v[13], 0);
    int64_t reviews = value_i64(&v[14], 0), recalled = value_i64(&v[15], 0);
    struct rhythm_part part = {0};

    (void)cols;
    part_add(&part, &k->answers, answers, correct);
    part_add(&part, &k->reviews, reviews, recalled);
    level_add(&k->answers, answers, correct);
    level_add(&k->reviews, reviews, recalled);
    if (part.n == 0)
        return ERR_OK;
    rhythm_add(&k->lengths[length_bucket(session_study_ms(&facts))], &part, 1);
    if (!facts.untimed)
        rhythm_add(&k->hours[civil_at(k->work->zone, session_start(&facts)).hour], &part, 1);
    return ERR_OK;
}

/* ---- reviews against the published curve ---- */

/* What came since the last look is one more step; fewer than then (an erasure): all anew. */
static void memory_step(struct look *k, const struct value *old, const struct value *now)
{
    struct rhythm_part all = {.n = value_i64(&now[0], 0), .expected = value_i64(&now[1], 0)};
    struct rhythm_part step;

    all.residual = value_i64(&now[2], 0) * MICRO - all.expected;
    all.information = all.expected - value_i64(&now[3], 0);
    k->memory = (struct rhythm_sum){
        .part = {value_i64(&old[0], 0), value_i64(&old[1], 0), value_i64(&old[2], 0),
                 value_i64(&old[3], 0)},
        .sessions = value_i64(&old[4], 0),
        .square = value_i64(&old[5], 0),
        .cross = value_i64(&old[6], 0),
        .weight = value_i64(&old[7], 0),
    };
    if (all.n < k->memory.part.n)
        k->memory = (struct rhythm_sum){0};
    step = (struct rhythm_part){all.n - k->memory.part.n, all.expected - k->memory.part.expected,
                                all.residual - k->memory.part.residual,
                                all.information - k->memory.part.information};
    if (step.n > 0)
        rhythm_add(&k->memory, &step, 1);
    k->memory.part = all; /* forecasts of old reviews may have been made anew */
}

static double memory_dispersion(const struct rhythm_sum *s)
{
    double v = (double)s->part.information / MICRO, vv = (double)s->weight / MICRO;

    if (!(v > 0) || !(v > vv / v))
        return 1;
    double rise = (double)s->part.residual / MICRO / v;
    double spread =
        (double)s->square / MICRO - 2 * rise * (double)s->cross / MICRO + rise * rise * vv;
    return fmax(1, spread / (v - vv / v));
}

/* ---- lives ---- */

static void life_load(struct life *l, const struct value *v)
{
    struct str name = value_str(&v[0]);
    struct pattern_track *t = &l->track;
    struct pattern_finding *f = &l->finding;

    *l = (struct life){.name_n = name.n < NAME_MAX ? name.n : NAME_MAX};
    memcpy(l->name, name.p, l->name_n);
    patterns_track_init(t, (enum pattern_kind)value_i64(&v[1], 0), (int32_t)value_i64(&v[2], 0));
    l->slot_last = (int32_t)value_i64(&v[3], 0);
    l->label = value_str(&v[4]);
    t->present = value_i64(&v[5], 0) != 0;
    t->vanished_before = value_i64(&v[6], 0) != 0;
    t->inside = (struct rhythm_part){value_i64(&v[7], 0), value_i64(&v[8], 0), value_i64(&v[9], 0),
                                     value_i64(&v[10], 0)};
    t->outside = (struct rhythm_part){value_i64(&v[11], 0), value_i64(&v[12], 0),
                                      value_i64(&v[13], 0), value_i64(&v[14], 0)};
    t->claim = value_f64(&v[15], 0);
    t->sign = value_f64(&v[16], 1);
    t->log_exists = value_f64(&v[17], 0);
    t->log_change = value_f64(&v[18], 0);
    t->appeared_at = value_i64(&v[19], 0);
    t->seen_at = value_i64(&v[20], 0);
    t->vanished_at = value_i64(&v[21], 0);
    t->occurrences = (int32_t)value_i64(&v[22], 0);
    f->kind = (enum pattern_kind)t->kind;
    f->slot = t->slot;
    f->value = value_f64(&v[23], NAN);
    f->interval = (struct interval){value_f64(&v[24], NAN), value_f64(&v[25], NAN)};
    f->effect = value_f64(&v[26], NAN);
    f->effect_interval = (struct interval){value_f64(&v[27], NAN), value_f64(&v[28], NAN)};
    f->p = value_f64(&v[29], NAN);
    f->bayes_factor = value_f64(&v[30], NAN);
    f->n = value_i64(&v[31], 0);
    l->confidence = value_f64(&v[32], NAN);
    l->first_at = value_i64(&v[33], 0);
}

static void life_values(const struct life *l, int64_t learner_id, struct value *out)
{
    const struct pattern_track *t = &l->track;
    const struct pattern_finding *f = &l->finding;
    const struct value v[] = {
        V_I(learner_id),
        V_S(((struct str){l->name, l->name_n})),
        V_I(t->kind),
        V_I(t->slot),
        V_I(l->slot_last),
        v_text(l->label),
        V_I(t->present),
        V_I(t->vanished_before),
        V_I(t->inside.n),
        V_I(t->inside.expected),
        V_I(t->inside.residual),
        V_I(t->inside.information),
        V_I(t->outside.n),
        V_I(t->outside.expected),
        V_I(t->outside.residual),
        V_I(t->outside.information),
        V_D(t->claim),
        V_D(t->sign),
        V_D(t->log_exists),
        V_D(t->log_change),
        V_I(t->appeared_at),
        V_I(t->seen_at),
        V_I(t->vanished_at),
        V_I(t->occurrences),
        v_real(f->value),
        v_real(f->interval.low),
        v_real(f->interval.high),
        v_real(f->effect),
        v_real(f->effect_interval.low),
        v_real(f->effect_interval.high),
        v_real(f->p),
        v_real(isinf(f->bayes_factor) ? 1e300 : f->bayes_factor),
        V_I(f->n),
        v_real(l->confidence),
        V_I(l->first_at),
    };
    _Static_assert(COUNT(v) == TRACK_COLUMNS + 1, "one value a column, and the learner");
    memcpy(out, v, sizeof v);
}

/* Named by what it is about, so that a pattern that comes back is the same one. */
static void life_name(struct life *l)
{
    static const char *const stems[PATTERN_KINDS] = {"study-time", "duration",  "content",
                                                     "peak",       "attention", "forgetting"};
    unsigned long long key = (unsigned long long)l->track.slot;

    if (l->label.p)
        key = XXH3_64bits(l->label.p, l->label.n);
    l->name_n = (size_t)snprintf(l->name, sizeof l->name, l->label.p ? "%s-%016llx" : "%s-%llu",
                                 stems[l->track.kind], key);
}

/* The sums that a pattern is judged by. */
static struct pattern_data data_of(const struct look *k, const struct life *l)
{
    int32_t slot = l->track.slot;
    struct rhythm_sum sums[MODALITIES_MAX];

    switch ((enum pattern_kind)l->track.kind) {
    case PATTERN_STUDY_TIME:
    case PATTERN_PEAK:
        return patterns_data_slots(k->hours, RHYTHM_HOURS, slot, l->slot_last,
                                   k->by_hour.dispersion);
    case PATTERN_DURATION:
        return patterns_data_slots(k->lengths, STUDY_LENGTHS, slot, slot, k->by_length.dispersion);
    case PATTERN_CONTENT:
        for (int32_t i = 0; i < k->modality_count; i++)
            sums[i] = k->modalities[i].sum;
        return patterns_data_slots(sums, k->modality_count, slot, slot, k->by_modality.dispersion);
    case PATTERN_FORGETTING:
        return (struct pattern_data){
            .inside = k->memory.part, .alone = true, .dispersion = memory_dispersion(&k->memory)};
    case PATTERN_ATTENTION:
        return patterns_data_minutes(k->minutes, k->minute_count, l->slot_last,
                                     k->fatigue.dispersion);
    case PATTERN_KINDS:
        break;
    }
    return (struct pattern_data){.dispersion = 1};
}

/* Where the modality stands this time; -1: nowhere, so that it has no data. */
static void content_slot(const struct look *k, struct life *l)
{
    l->track.slot = -1;
    for (int32_t i = 0; i < k->modality_count; i++)
        if (str_eq(k->modalities[i].name, l->label))
            l->track.slot = i;
}

static void life_step(const struct look *k, struct life *l, const struct pattern_finding *f)
{
    struct pattern_data data = data_of(k, l);
    const struct pattern_track before = l->track;

    if (!(data.dispersion >= 1))
        data.dispersion = 1;
    patterns_step(&l->track, f, &data, k->work->now_us);
    double confidence = patterns_confidence(&l->track);
    l->changed = memcmp(&before, &l->track, sizeof before) != 0;
    l->confidence = confidence;
    if (f && f->found && l->track.present) {
        l->finding = *f;
        l->changed = true;
    }
}

/* A new life where the finding is nobody's; false: it does not appear. */
static bool life_begin(const struct look *k, struct life *l, const struct pattern_finding *f)
{
    *l = (struct life){.slot_last = f->slot, .finding = *f, .first_at = k->work->now_us};
    patterns_track_init(&l->track, f->kind, f->slot);
    if (f->kind == PATTERN_PEAK)
        l->slot_last = ((int32_t)f->interval.high + RHYTHM_HOURS - 1) % RHYTHM_HOURS;
    if (f->kind == PATTERN_ATTENTION)
        l->slot_last = (int32_t)lround(f->value); /* minutes; later data is split there, too */
    if (f->kind == PATTERN_CONTENT)
        l->label = k->modalities[f->slot].name;
    life_name(l);
    life_step(k, l, f);
    return l->track.present;
}

static int32_t lives_step(struct look *k, struct life *lives, int32_t count,
                          const struct pattern_finding *findings, int32_t finding_count)
{
    int32_t known = count;

    for (int32_t i = 0; i < known; i++) {
        const struct pattern_finding *mine = NULL;

        if (lives[i].track.kind == PATTERN_CONTENT)
            content_slot(k, &lives[i]);
        for (int32_t j = 0; j < finding_count; j++)
            if (findings[j].found && patterns_same(&lives[i].track, &findings[j]))
                mine = &findings[j];
        life_step(k, &lives[i], mine);
    }
    for (int32_t j = 0; j < finding_count && count < NIGHT_PATTERNS_MAX; j++) {
        bool taken = !findings[j].found || findings[j].slot == PATTERN_BY_FATIGUE;

        for (int32_t i = 0; i < known && !taken; i++)
            taken = patterns_same(&lives[i].track, &findings[j]);
        if (!taken && life_begin(k, &lives[count], &findings[j]))
            count++;
    }
    return count;
}

/* ---- what is written ---- */

/* Changed lives, the week's picture of all, and what newly appeared. */
static enum err lives_put(struct look *k, const struct life *lives, int32_t count)
{
    enum { HISTORY = 5, NOTE = 4 };
    struct night_work *w = k->work;
    size_t room = (size_t)count + 1;
    struct value *rows = arena_new(w->arena, struct value, room * (TRACK_COLUMNS + 1));
    struct value *weeks = arena_new(w->arena, struct value, room * HISTORY);
    struct value *notes = arena_new(w->arena, struct value, room * NOTE);
    int32_t monday = w->today - (w->today + 3) % 7, changed = 0, shown = 0;

    if (!rows || !weeks || !notes)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++) {
        const struct life *l = &lives[i];
        const struct value week[HISTORY] = {V_I(w->learner_id), V_I(monday),
                                            V_S(((struct str){l->name, l->name_n})),
                                            V_I(l->track.present), v_real(l->confidence)};
        memcpy(weeks + (size_t)i * HISTORY, week, sizeof week);
        if (l->changed)
            life_values(l, w->learner_id, rows + (size_t)changed++ * (TRACK_COLUMNS + 1));
        if (!l->track.present)
            continue;
        struct str note = arena_printf(w->arena, "%.*s.%lld", (int)l->name_n, l->name,
                                       (long long)(l->track.appeared_at / US_PER_S));
        if (!note.p)
            return ERR_NOMEM;
        const struct value v[NOTE] = {V_I(w->learner_id), V_S(note), week[2], V_I(w->now_us)};
        memcpy(notes + (size_t)shown++ * NOTE, v, sizeof v);
    }
    enum err e = night_put(w, STMT_PATTERN_PUT, rows, changed, TRACK_COLUMNS + 1);
    if (e == ERR_OK)
        e = night_put(w, STMT_PATTERN_HISTORY_PUT, weeks, count, HISTORY);
    if (e == ERR_OK)
        e = night_put(w, STMT_INSIGHT_PUT, notes, shown, NOTE);
    if (e == ERR_OK)
        e = night_put(w, STMT_RECOMMENDATION_PUT, notes, shown, NOTE);
    return e;
}

static enum err look_put(struct look *k)
{
    enum { COLS = 11 };
    struct night_work *w = k->work;
    const struct rhythm_sum *m = &k->memory;
    struct value *v = arena_new(w->arena, struct value, COLS);

    if (!v)
        return ERR_NOMEM;
    const struct value values[COLS] = {V_I(w->learner_id),
                                       V_I(w->now_us),
                                       V_I(k->version),
                                       V_I(m->part.n),
                                       V_I(m->part.expected),
                                       V_I(m->part.residual),
                                       V_I(m->part.information),
                                       V_I(m->sessions),
                                       V_I(m->square),
                                       V_I(m->cross),
                                       V_I(m->weight)};
    memcpy(v, values, sizeof values);
    return night_put(w, STMT_ANALYSIS_PUT, v, 1, COLS);
}

static void find_all(struct look *k, struct pattern_finding findings[PATTERN_KINDS],
                     int32_t *ret_count)
{
    struct rhythm_sum sums[MODALITIES_MAX];
    uint64_t seed = k->work->seed;
    int32_t n = 0;

    rhythm_slots(k->hours, RHYTHM_HOURS, RHYTHM_CIRCLE, seed, &k->by_hour);
    rhythm_slots(k->lengths, STUDY_LENGTHS, RHYTHM_GROUPS, seed + 1, &k->by_length);
    rhythm_fatigue(k->minutes, k->minute_count, seed + 2, &k->fatigue);
    patterns_find_hours(&k->by_hour, &findings[0], &findings[1]);
    patterns_find_duration(&k->fatigue, &k->by_length, study_length_from, &findings[2]);
    patterns_find_forgetting(&k->memory, &findings[3]);
    patterns_find_attention(&k->fatigue, &findings[4]);
    n = 5;
    if (k->modality_count >= 2) {
        for (int32_t i = 0; i < k->modality_count; i++)
            sums[i] = k->modalities[i].sum;
        rhythm_slots(sums, k->modality_count, RHYTHM_GROUPS, seed + 3, &k->by_modality);
        patterns_find_content(&k->by_modality, &findings[n++]);
    }
    *ret_count = n;
}

static enum err look_and_put(struct look *k, const struct rows *tracks)
{
    struct life *lives = arena_new(k->work->arena, struct life, NIGHT_PATTERNS_MAX);
    struct pattern_finding findings[PATTERN_KINDS];
    int32_t count = tracks->count < NIGHT_PATTERNS_MAX ? tracks->count : NIGHT_PATTERNS_MAX;
    int32_t found;

    if (!lives)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++)
        life_load(&lives[i], row_at(tracks, i));
    find_all(k, findings, &found);
    count = lives_step(k, lives, count, findings, found);
    enum err e = lives_put(k, lives, count);
    return e == ERR_OK ? look_put(k) : e;
}

/* What was counted by minutes and by modalities; names stay in the arena. */
static enum err read_sittings(struct look *k, const struct rows *rows)
{
    struct sittings *s = arena_new(k->work->arena, struct sittings, 1);

    if (!s)
        return ERR_NOMEM;
    if (rows->count == 0)
        return ERR_OK;
    const struct value *v = row_at(rows, 0) + 2;
    if (sittings_decode(s, (const uint8_t *)v->s.p, v->s.n) != ERR_OK)
        return ERR_OK; /* of another version: there will be some after the next run */
    k->minute_count = sittings_minutes(s, k->minutes);
    k->modality_count = s->modality_count;
    for (int32_t i = 0; i < s->modality_count; i++) {
        const struct sitting_modality *m = &s->modalities[i];
        k->modalities[i] = (struct modality){{m->name, (size_t)m->name_n}, m->sum};
    }
    return ERR_OK;
}

enum err night_patterns(struct night_work *w)
{
    const struct value id[] = {V_I(w->learner_id), V_I(NIGHT_SESSIONS_MAX)};
    struct query q[4] = {
        {.stmt = STMT_ANALYSIS_STATE, .args = id, .arg_count = 1, .rows_max = 1},
        {.stmt = STMT_ANALYSIS_TRACKS, .args = id, .arg_count = 1},
        {.stmt = STMT_ANALYSIS_REVIEWS, .args = id, .arg_count = 1, .rows_max = 1},
        {.stmt = STMT_STRAIN_STATE, .args = id, .arg_count = 1, .rows_max = 1},
    };
    enum err e = store_read(w->conn, w->arena, q, 4, w->deadline_us);

    if (e != ERR_OK || q[0].rows.count == 0)
        return e;
    const struct value *state = row_at(&q[0].rows, 0);
    struct look *k = arena_new(w->arena, struct look, 1);
    if (!k)
        return ERR_NOMEM;
    k->work = w;
    k->version = value_i64(&state[0], 0);
    /* the sittings of a night are put together after its patterns */
    if (value_i64(&state[2], -1) == k->version && value_i64(&state[11], 0) == 0)
        return ERR_OK;
    memory_step(k, state + 3, row_at(&q[2].rows, 0));
    e = read_sittings(k, &q[3].rows);
    if (e != ERR_OK)
        return e;
    e = store_each(w->conn, STMT_ANALYSIS_SESSIONS, id, 2, take_session, k);
    return e == ERR_OK ? look_and_put(k, &q[1].rows) : e;
}
