#include "twin/sitting.h"

#include "base/assert.h"
#include "twin/study.h"

#include <math.h>
#include <string.h>

_Static_assert((int)RHYTHM_STRATA == (int)STUDY_LENGTHS, "a stratum is a bucket of lengths");

double sitting_load(const struct sitting *s)
{
    return s->loaded > 0 ? s->load_sum / s->loaded : (double)NAN;
}

double sitting_before(const struct sitting *s)
{
    return s->after_n > 0 ? s->before_load / s->after_n : (double)NAN;
}

double sitting_after(const struct sitting *s)
{
    return s->after_n > 0 ? (s->after_right - s->after_expected) / s->after_n : (double)NAN;
}

void sittings_init(struct sittings *s)
{
    *s = (struct sittings){0};
    strain_init(&s->strain);
}

/* ---- one sitting ---- */

static int32_t stratum_of(int64_t active_us)
{
    int32_t i = STUDY_LENGTHS - 1;

    while (i > 0 && active_us < study_length_from[i] * US_PER_MINUTE)
        i--;
    return i;
}

static void part_add(struct rhythm_part *to, const struct rhythm_part *part)
{
    to->n += part->n;
    to->expected += part->expected;
    to->residual += part->residual;
    to->information += part->information;
}

static bool close_sitting(struct sittings *s, struct sitting *ret)
{
    struct rhythm_part *cells = s->cells[stratum_of(s->open.active_us)];

    for (int i = 0; i < RHYTHM_BUCKETS; i++)
        part_add(&cells[i], &s->minutes[i]);
    memset(s->minutes, 0, sizeof s->minutes);
    for (int32_t i = 0; i < s->modality_count; i++) {
        rhythm_add(&s->modalities[i].sum, &s->modalities[i].open, 1);
        s->modalities[i].open = (struct rhythm_part){0};
    }
    *ret = s->open;
    s->open = (struct sitting){0};
    return ret->answers > 0;
}

/* The clock goes on to `at`; the last spent_us were spent on what is heard of now. */
static void advance(struct sitting *o, int64_t at, int64_t spent_us)
{
    if (!o->begun) {
        o->begun = true;
        o->start = o->end = at - spent_us;
    }
    int64_t passed = at > o->end ? at - o->end : 0;
    int64_t worked = spent_us < passed ? spent_us : passed;
    if (!o->paused)
        o->active_us += passed - worked <= SITTING_BREAK_US ? passed : worked;
    o->paused = false;
    o->end += passed;
}

static void vote(struct sitting *o, struct str topic)
{
    size_t n = topic.n < SITTING_TOPIC_MAX ? topic.n : SITTING_TOPIC_MAX;

    if (!topic.p || n == 0)
        return;
    if (o->vote == 0) {
        memcpy(o->topic, topic.p, n);
        o->topic_n = (int32_t)n;
        o->vote = 1;
        return;
    }
    bool same = (size_t)o->topic_n == n && memcmp(o->topic, topic.p, n) == 0;
    o->vote += same ? 1 : -1;
}

/* load: after this answer, -1 where the normal is not known; p: what was expected of it. */
static void take_outcome(struct sitting *o, bool right, double p, double load)
{
    int32_t place = o->graded++ % (2 * SITTING_BLOCK);

    o->right += right;
    o->expected += p;
    if (place == SITTING_BLOCK - 1)
        o->block_load = load;
    if (place < SITTING_BLOCK || o->block_load < 0)
        return;
    o->after_n++;
    o->after_right += right;
    o->after_expected += p;
    o->before_load += o->block_load;
}

enum { OPEN_MODALITY_MAX = 100000 }; /* answers of a sitting, so that squares stay small */

/* NULL: none, or more than are told apart. */
static struct rhythm_part *modality_part(struct sittings *s, struct str name)
{
    if (!name.p || name.n == 0 || name.n > SITTING_MODALITY_MAX)
        return NULL;
    for (int32_t i = 0; i < s->modality_count; i++) {
        struct sitting_modality *m = &s->modalities[i];
        if (str_eq(name, (struct str){m->name, (size_t)m->name_n}))
            return &m->open;
    }
    if (s->modality_count == SITTING_MODALITIES)
        return NULL;
    struct sitting_modality *m = &s->modalities[s->modality_count++];
    memcpy(m->name, name.p, name.n);
    m->name_n = (int32_t)name.n;
    return &m->open;
}

void sittings_answer(struct sittings *s, const struct sitting_answer *a, struct sitting_event *ret)
{
    const struct strain_answer *one = &a->answer;
    double p = isnan(one->expected) ? s->strain.right : one->expected;
    struct sitting *o = &s->open;
    struct strain_view view;

    ret->closed = sittings_rest(s, one->at, &ret->sitting);
    ret->change = strain_update(&s->strain, one, &ret->episode);
    strain_view(&s->strain, one->at, &view);
    advance(o, one->at, 0);
    o->answers++;
    if (view.sufficient) {
        o->loaded++;
        o->load_sum += view.load;
        o->load_max = fmax(o->load_max, view.load);
    }
    vote(o, a->topic);
    if (one->right < 0)
        return;
    take_outcome(o, one->right > 0, p, view.sufficient ? view.load : -1);
    int64_t bucket = o->active_us / (RHYTHM_BUCKET_MINUTES * US_PER_MINUTE);
    rhythm_count(&s->minutes[bucket < RHYTHM_BUCKETS ? bucket : RHYTHM_BUCKETS - 1], one->expected,
                 one->right > 0, 1);
    struct rhythm_part *modality = modality_part(s, a->modality);
    if (modality && modality->n < OPEN_MODALITY_MAX)
        rhythm_count(modality, one->expected, one->right > 0, 1);
}

bool sittings_trace(struct sittings *s, enum sitting_trace what, int64_t at, int64_t spent_us,
                    struct sitting *ret)
{
    int64_t spent = spent_us < 0 ? 0 : spent_us > SITTING_SPENT_US ? SITTING_SPENT_US : spent_us;
    bool closed = sittings_rest(s, at - spent, ret);

    if (what == SITTING_WORK || s->open.begun)
        advance(&s->open, at, spent);
    s->open.paused = s->open.begun && what == SITTING_PAUSE;
    return closed;
}

bool sittings_rest(struct sittings *s, int64_t now_us, struct sitting *ret)
{
    if (!s->open.begun || now_us <= s->open.end || now_us - s->open.end <= SITTING_GAP_US)
        return false;
    return close_sitting(s, ret);
}

int32_t sittings_minutes(const struct sittings *s, struct rhythm_minutes ret[SITTING_CELLS_MAX])
{
    int32_t n = 0;

    for (int32_t i = 0; i < RHYTHM_STRATA; i++)
        for (int32_t k = 0; k < RHYTHM_BUCKETS; k++)
            if (s->cells[i][k].n > 0)
                ret[n++] = (struct rhythm_minutes){i, k, s->cells[i][k]};
    return n;
}

void sittings_fatigue(const struct sittings *s, uint64_t seed, struct rhythm_fatigue *ret)
{
    struct rhythm_minutes cells[SITTING_CELLS_MAX];

    rhythm_fatigue(cells, sittings_minutes(s, cells), seed, ret);
}

/* ---- as bytes ---- */

static uint8_t *put(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *p++ = (uint8_t)(v >> 8 * i);
    return p;
}

static uint8_t *put_real(uint8_t *p, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return put(p, bits, 8);
}

struct source {
    const uint8_t *p, *end;
    bool cut;
};

static uint64_t get(struct source *s, int bytes)
{
    uint64_t v = 0;

    if (s->end - s->p < bytes) {
        s->cut = true;
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)*s->p++ << 8 * i;
    return v;
}

static double get_real(struct source *s)
{
    uint64_t bits = get(s, 8);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The numbers of the state, once for both ways. */
enum { STRAIN_REALS = 14, STRAIN_INTEGERS = 5, OPEN_REALS = 6, OPEN_INTEGERS = 12 };

static void strain_parts(struct strain *s, double *reals[STRAIN_REALS],
                         int64_t *integers[STRAIN_INTEGERS])
{
    double *const r[STRAIN_REALS] = {&s->times[0].mean, &s->times[0].log_scale,
                                     &s->times[1].mean, &s->times[1].log_scale,
                                     &s->right,         &s->level,
                                     &s->slope,         &s->p_level,
                                     &s->p_cross,       &s->p_slope,
                                     &s->alarm,         &s->slow,
                                     &s->wrong,         &s->episode_peak};
    int64_t *const i[STRAIN_INTEGERS] = {&s->n, &s->times[0].n, &s->times[1].n, &s->last_at,
                                         &s->episode_at};

    memcpy(reals, r, sizeof r);
    memcpy(integers, i, sizeof i);
}

static uint8_t *put_parts(uint8_t *p, const struct rhythm_part *parts, int32_t count)
{
    int32_t n = 0;
    uint8_t *length = p++;

    for (int32_t i = 0; i < count; i++) {
        if (parts[i].n == 0)
            continue;
        n++;
        p = put(p, (uint64_t)i, 1);
        p = put(p, (uint64_t)parts[i].n, 8);
        p = put(p, (uint64_t)parts[i].expected, 8);
        p = put(p, (uint64_t)parts[i].residual, 8);
        p = put(p, (uint64_t)parts[i].information, 8);
    }
    *length = (uint8_t)n;
    return p;
}

/* Bounds that nobody reaches, so that what was changed by another hand cannot overflow a sum. */
enum { COUNT_MAX = 1000000000 };
static const int64_t instant_max = INT64_C(1) << 60, micro_max = INT64_C(1000000) * COUNT_MAX;

static const int64_t open_micro_max = INT64_C(1000000) * OPEN_MODALITY_MAX;

static bool part_valid(const struct rhythm_part *p)
{
    return p->n > 0 && p->n <= COUNT_MAX && p->expected >= 0 && p->expected <= micro_max &&
           p->residual >= -micro_max && p->residual <= micro_max && p->information >= 0 &&
           p->information <= micro_max;
}

static bool get_parts(struct source *s, struct rhythm_part *parts, int32_t count)
{
    int32_t n = (int32_t)get(s, 1);

    for (int32_t i = 0; i < n; i++) {
        int32_t at = (int32_t)get(s, 1);
        struct rhythm_part part = {.n = (int64_t)get(s, 8)};

        part.expected = (int64_t)get(s, 8);
        part.residual = (int64_t)get(s, 8);
        part.information = (int64_t)get(s, 8);
        if (s->cut || at >= count || !part_valid(&part))
            return false;
        parts[at] = part;
    }
    return !s->cut;
}

_Static_assert(RHYTHM_STRATA *RHYTHM_BUCKETS < 256, "a cell's place is a byte");
enum { SUM_INTEGERS = 12 };
_Static_assert(1024 + 33 * (RHYTHM_STRATA + 1) * RHYTHM_BUCKETS +
                       SITTING_MODALITIES * (1 + SITTING_MODALITY_MAX + 8 * SUM_INTEGERS) <=
                   SITTING_BYTES_MAX,
               "all that there may be");

static void modality_parts(struct sitting_modality *m, int64_t *ret[SUM_INTEGERS])
{
    int64_t *const parts[SUM_INTEGERS] = {
        &m->open.n,       &m->open.expected,     &m->open.residual,     &m->open.information,
        &m->sum.part.n,   &m->sum.part.expected, &m->sum.part.residual, &m->sum.part.information,
        &m->sum.sessions, &m->sum.square,        &m->sum.cross,         &m->sum.weight};

    memcpy(ret, parts, sizeof parts);
}

static uint8_t *put_modalities(uint8_t *p, struct sittings *s)
{
    int64_t *parts[SUM_INTEGERS];

    p = put(p, (uint64_t)s->modality_count, 1);
    for (int32_t i = 0; i < s->modality_count; i++) {
        struct sitting_modality *m = &s->modalities[i];

        p = put(p, (uint64_t)m->name_n, 1);
        memcpy(p, m->name, (size_t)m->name_n);
        p += m->name_n;
        modality_parts(m, parts);
        for (int k = 0; k < SUM_INTEGERS; k++)
            p = put(p, (uint64_t)*parts[k], 8);
    }
    return p;
}

static bool part_empty_or_valid(const struct rhythm_part *p)
{
    static const struct rhythm_part empty;

    return part_valid(p) || memcmp(p, &empty, sizeof empty) == 0;
}

static bool sum_valid(const struct rhythm_sum *s)
{
    return part_empty_or_valid(&s->part) && s->sessions >= 0 && s->sessions <= COUNT_MAX &&
           s->square >= 0 && s->square <= instant_max && s->cross >= -instant_max &&
           s->cross <= instant_max && s->weight >= 0 && s->weight <= instant_max;
}

static bool get_modalities(struct source *from, struct sittings *s)
{
    int64_t *parts[SUM_INTEGERS];

    s->modality_count = (int32_t)get(from, 1);
    if (s->modality_count > SITTING_MODALITIES)
        return false;
    for (int32_t i = 0; i < s->modality_count; i++) {
        struct sitting_modality *m = &s->modalities[i];

        m->name_n = (int32_t)get(from, 1);
        if (from->cut || m->name_n < 1 || m->name_n > SITTING_MODALITY_MAX ||
            from->end - from->p < m->name_n)
            return false;
        memcpy(m->name, from->p, (size_t)m->name_n);
        from->p += m->name_n;
        modality_parts(m, parts);
        for (int k = 0; k < SUM_INTEGERS; k++)
            *parts[k] = (int64_t)get(from, 8);
        if (!part_empty_or_valid(&m->open) || m->open.n > OPEN_MODALITY_MAX ||
            m->open.information > open_micro_max || m->open.residual > open_micro_max ||
            m->open.residual < -open_micro_max || !sum_valid(&m->sum))
            return false;
    }
    return !from->cut;
}

size_t sittings_encode(const struct sittings *state, uint8_t out[SITTING_BYTES_MAX])
{
    struct sittings s = *state;
    const struct sitting *o = &s.open;
    const int64_t open[OPEN_INTEGERS] = {o->start,  o->end,    o->active_us, o->answers,
                                         o->graded, o->right,  o->after_n,   o->after_right,
                                         o->vote,   o->loaded, o->begun,     o->paused};
    const double more[OPEN_REALS] = {o->expected,       o->load_sum,    o->load_max,
                                     o->after_expected, o->before_load, o->block_load};
    double *reals[STRAIN_REALS];
    int64_t *integers[STRAIN_INTEGERS];
    uint8_t *p = put(out, SITTING_VERSION, 4);

    strain_parts(&s.strain, reals, integers);
    p = put(p, STRAIN_VERSION, 4);
    for (int i = 0; i < STRAIN_REALS; i++)
        p = put_real(p, *reals[i]);
    for (int i = 0; i < STRAIN_INTEGERS; i++)
        p = put(p, (uint64_t)*integers[i], 8);
    for (int i = 0; i < OPEN_INTEGERS; i++)
        p = put(p, (uint64_t)open[i], 8);
    for (int i = 0; i < OPEN_REALS; i++)
        p = put_real(p, more[i]);
    p = put(p, (uint64_t)o->topic_n, 1);
    memcpy(p, o->topic, (size_t)o->topic_n);
    p = put_parts(p + o->topic_n, s.minutes, RHYTHM_BUCKETS);
    p = put_parts(p, &s.cells[0][0], RHYTHM_STRATA * RHYTHM_BUCKETS);
    p = put_modalities(p, &s);
    ASSERT(p - out <= SITTING_BYTES_MAX);
    return (size_t)(p - out);
}

static bool open_valid(const struct sitting *o)
{
    return o->start <= o->end && o->start >= -instant_max && o->end <= instant_max &&
           o->active_us >= 0 && o->active_us <= instant_max && o->answers >= 0 && o->graded >= 0 &&
           o->graded <= o->answers && (o->begun || o->answers == 0) && o->right >= 0 &&
           o->right <= o->graded && o->after_n >= 0 && o->after_right >= 0 &&
           o->after_right <= o->after_n && o->vote >= 0 && o->loaded >= 0 &&
           o->loaded <= o->answers && isfinite(o->expected) && isfinite(o->load_sum) &&
           isfinite(o->load_max) && isfinite(o->after_expected) && isfinite(o->before_load) &&
           isfinite(o->block_load);
}

static bool get_open(struct source *from, struct sitting *o)
{
    int64_t open[OPEN_INTEGERS];

    for (int i = 0; i < OPEN_INTEGERS; i++) {
        open[i] = (int64_t)get(from, 8);
        if (i >= 3 && (open[i] < 0 || open[i] > COUNT_MAX))
            return false;
    }
    *o = (struct sitting){.start = open[0],
                          .end = open[1],
                          .active_us = open[2],
                          .answers = (int32_t)open[3],
                          .graded = (int32_t)open[4],
                          .right = (int32_t)open[5],
                          .after_n = (int32_t)open[6],
                          .after_right = (int32_t)open[7],
                          .vote = (int32_t)open[8],
                          .loaded = (int32_t)open[9],
                          .begun = open[10] != 0,
                          .paused = open[11] != 0};
    o->expected = get_real(from);
    o->load_sum = get_real(from);
    o->load_max = get_real(from);
    o->after_expected = get_real(from);
    o->before_load = get_real(from);
    o->block_load = get_real(from);
    o->topic_n = (int32_t)get(from, 1);
    if (from->cut || o->topic_n > SITTING_TOPIC_MAX || from->end - from->p < o->topic_n)
        return false;
    memcpy(o->topic, from->p, (size_t)o->topic_n);
    from->p += o->topic_n;
    return open_valid(o);
}

static bool instant_ok(int64_t at)
{
    return at == TIME_NONE || (at >= -instant_max && at <= instant_max);
}

enum err sittings_decode(struct sittings *ret, const uint8_t *p, size_t n)
{
    struct source from = {.p = p, .end = p + n};
    struct sittings s;
    double *reals[STRAIN_REALS];
    int64_t *integers[STRAIN_INTEGERS];

    sittings_init(&s);
    if (get(&from, 4) != SITTING_VERSION || get(&from, 4) != STRAIN_VERSION)
        return ERR_RANGE;
    strain_parts(&s.strain, reals, integers);
    for (int i = 0; i < STRAIN_REALS; i++)
        *reals[i] = get_real(&from);
    for (int i = 0; i < STRAIN_INTEGERS; i++)
        *integers[i] = (int64_t)get(&from, 8);
    if (from.cut || !strain_valid(&s.strain) || s.strain.n > instant_max ||
        !instant_ok(s.strain.last_at) || !instant_ok(s.strain.episode_at) ||
        !get_open(&from, &s.open) || !get_parts(&from, s.minutes, RHYTHM_BUCKETS) ||
        !get_parts(&from, &s.cells[0][0], RHYTHM_STRATA * RHYTHM_BUCKETS) ||
        !get_modalities(&from, &s) || from.p != from.end)
        return ERR_RANGE;
    *ret = s;
    return ERR_OK;
}
