#include "twin/plan.h"

#include "base/assert.h"
#include "twin/dist.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const plan_intensity_names[] = {"LOW", "MEDIUM", "HIGH", NULL};

/* ---- strain ---- */

enum { LEAST_MINUTES = 5, MAX_HIGH = 30, MAX_CRITICAL = 15 };
#define LOAD_MEDIUM_FROM 40.0
#define LOAD_HIGH_ABOVE 70.0
#define LOAD_BREAK_ABOVE 60.0
#define LOAD_REST_ABOVE 80.0

enum plan_intensity plan_load_level(double load)
{
    if (load > LOAD_HIGH_ABOVE)
        return PLAN_HIGH;
    return load >= LOAD_MEDIUM_FROM ? PLAN_MEDIUM : PLAN_LOW;
}

void plan_limits_of(double load, enum burnout_level burnout, struct plan_limits *ret)
{
    static const double shares[] = {1, 0.7, 0.5, 0.5};
    struct plan_limits l = {.share = 1, .minutes_max = PLAN_MINUTES_MAX, .intensity = PLAN_HIGH};

    if (load > LOAD_BREAK_ABOVE) {
        l.by_load = true;
        l.more_breaks = 1;
        l.intensity = PLAN_MEDIUM;
    }
    if (load > LOAD_HIGH_ABOVE) {
        l.more_breaks = 2;
        l.share = 0.6;
        l.easy = true;
        l.intensity = PLAN_LOW;
    }
    if (load > LOAD_REST_ABOVE)
        l.rest_days = 2;
    if (burnout > BURNOUT_LOW) {
        l.by_burnout = true;
        l.share = fmin(l.share, shares[burnout]);
        l.intensity = l.intensity > PLAN_MEDIUM ? PLAN_MEDIUM : l.intensity;
    }
    if (burnout >= BURNOUT_HIGH) {
        l.minutes_max = burnout == BURNOUT_CRITICAL ? MAX_CRITICAL : MAX_HIGH;
        l.intensity = PLAN_LOW;
        l.easy = l.easy || burnout == BURNOUT_CRITICAL;
        l.rest_days = burnout == BURNOUT_CRITICAL ? 3 : l.rest_days > 1 ? l.rest_days : 1;
    }
    *ret = l;
}

int32_t plan_minutes_of(const struct plan_limits *l, int32_t asked)
{
    int32_t minutes = (int32_t)floor(asked * l->share + 0.5);

    minutes = minutes > l->minutes_max ? l->minutes_max : minutes;
    minutes = minutes < LEAST_MINUTES ? LEAST_MINUTES : minutes;
    return minutes < asked ? minutes : asked;
}

void plan_day_of(double load, enum burnout_level burnout, bool rest, int32_t asked,
                 struct plan_day *ret)
{
    struct plan_limits l;
    struct plan_day d = {.recovery = rest || burnout >= BURNOUT_HIGH,
                         .nothing_new = plan_load_level(load) == PLAN_HIGH};

    plan_limits_of(load, burnout, &l);
    d.nothing_advanced = d.nothing_new || burnout > BURNOUT_LOW;
    d.minutes = plan_minutes_of(&l, asked);
    if (d.recovery && d.minutes > PLAN_RECOVERY_MINUTES)
        d.minutes = PLAN_RECOVERY_MINUTES;
    *ret = d;
}

/* What is due stays: forgetting does not wait. */
bool plan_day_bars(const struct plan_day *d, const struct mission_candidate *c)
{
    return c->due == 0 && (d->recovery || (d->nothing_new && c->attempts == 0) ||
                           (d->nothing_advanced && c->complexity == 2));
}

int32_t plan_recovery_days(enum burnout_level level)
{
    static const int32_t days[] = {0, 3, 4, 5};

    return days[level];
}

/* ---- length and breaks ---- */

static double half_up(double v)
{
    return floor(v + 0.5);
}

struct plan_length plan_length_of(double usual, int32_t complexity, bool best_hour,
                                  double week_hours)
{
    static const double more[] = {-10, 0, 15};
    double m = (usual > 0 ? usual : PLAN_DEFAULT_MINUTES) + more[complexity];

    m = half_up(m * (best_hour ? 1.2 : 0.9));
    if (week_hours > 20)
        m = half_up(m * 0.85);
    else if (week_hours < 5)
        m = half_up(m * 1.1);
    m = fmin(PLAN_MINUTES_MAX, fmax(PLAN_MINUTES_MIN, m));
    return (struct plan_length){(int32_t)m, (int32_t)half_up(m * 0.8), (int32_t)half_up(m * 1.2)};
}

enum { WORK_AFTER = 3, SHORT_STRETCH = 15, STRETCH_MIN = 7 };

static int32_t break_minutes(double stretch, int32_t number)
{
    if (stretch < SHORT_STRETCH)
        return 2;
    return number % 4 == 0 ? 10 : 5;
}

void plan_breaks_make(int32_t minutes, double stretch, int32_t at_least, struct plan_breaks *ret)
{
    struct plan_breaks b = {.count = 0};
    int32_t most = minutes / STRETCH_MIN - 1;

    if (!(stretch > 0))
        stretch = PLAN_STRETCH;
    stretch = fmax(STRETCH_MIN, stretch);
    if (at_least > most)
        at_least = most;
    if (at_least > 0)
        stretch = fmin(stretch, (double)minutes / (at_least + 1));
    for (int32_t k = 1; b.count < PLAN_BREAKS_MAX; k++) {
        int32_t at = (int32_t)half_up(k * stretch), length = break_minutes(stretch, k);
        if (at + length + WORK_AFTER > minutes)
            break;
        b.at[b.count] = at;
        b.minutes[b.count++] = length;
        b.total += length;
    }
    *ret = b;
}

void plan_phases_of(int32_t minutes, int32_t ret[PLAN_PHASES])
{
    int32_t fifth = (int32_t)half_up(0.2 * minutes);

    ret[PLAN_WARM_UP] = fifth < 15 ? fifth : 15;
    ret[PLAN_PEAK] = (int32_t)half_up(0.6 * minutes);
    ret[PLAN_WIND_DOWN] = fifth;
}

/* ---- content ---- */

enum {
    PRACTICE_MINUTES = 15,
    REVIEW_MINUTES = 5, /* at least, in one go, if there are so many */
    STUDY_MAX = PLAN_MINUTES_MAX / REVIEW_MINUTES + MISSION_PICKS_MAX +
                PLAN_MINUTES_MAX / PRACTICE_MINUTES + 4,
    RANKS_TRIED = 256,
};
#define EASY_DIFFICULTY 5.0
#define REVIEW_SHARE 0.4
#define MISSION_URGENCY 3.0

struct study {
    struct plan_item items[STUDY_MAX];
    int32_t count, minutes;
};
/* Due cards of one objective each. */
struct reviews {
    struct plan_part parts[PLAN_PARTS_MAX];
    int32_t count, cards;
};
enum { PICKED = 1, EARLY = 2, LATE = 4 }; /* where an objective stands in the plan */

struct filling {
    const struct plan_input *in;
    uint8_t *stands; /* bits, by objective */
    struct mission_plan learn;
    struct reviews early, late;
    double easy;    /* up to this difficulty cards come early */
    int32_t budget; /* minutes without breaks */
};

static double urgency_of(const struct plan_objective *o)
{
    return mission_exam_urgency(o->exam_days) + (o->in_mission ? MISSION_URGENCY : 0);
}

static double due_minutes(const struct plan_input *in)
{
    double sum = 0;

    for (int32_t i = 0; i < in->count; i++)
        sum += in->objectives[i].of.due * in->card_minutes;
    return sum;
}

/* Whether an objective's standing matters to `o` as prerequisite or as what stands on it. */
static bool needs_any(const struct filling *f, int32_t o, uint8_t bits)
{
    for (int32_t k = 0; k < f->in->needs_count; k++)
        if (f->in->needs[k].objective == o && (f->stands[f->in->needs[k].prerequisite] & bits))
            return true;
    return false;
}

static bool opens_any(const struct filling *f, int32_t o, uint8_t bits)
{
    for (int32_t k = 0; k < f->in->needs_count; k++)
        if (f->in->needs[k].prerequisite == o && (f->stands[f->in->needs[k].objective] & bits))
            return true;
    return false;
}

/* Prerequisites first; in a cycle, which there should not be, as they come. */
static void learn_in_order(const struct filling *f, struct mission_plan *p)
{
    for (int32_t i = 0; i < p->count; i++) {
        for (int32_t j = i; j < p->count; j++) {
            bool free = true;
            for (int32_t k = 0; k < f->in->needs_count && free; k++)
                for (int32_t m = i; m < p->count && free; m++)
                    free = m == j || f->in->needs[k].objective != p->picks[j].candidate ||
                           f->in->needs[k].prerequisite != p->picks[m].candidate;
            if (!free)
                continue;
            struct mission_pick pick = p->picks[j];
            memmove(&p->picks[i + 1], &p->picks[i], (size_t)(j - i) * sizeof pick);
            p->picks[i] = pick;
            break;
        }
    }
}

/* Down to the time, off the longest first. */
static void learn_trim(struct mission_plan *p, int32_t minutes)
{
    while (p->minutes > minutes && p->count > 0) {
        int32_t longest = 0;
        for (int32_t i = 1; i < p->count; i++)
            if (p->picks[i].minutes > p->picks[longest].minutes)
                longest = i;
        p->minutes--;
        if (--p->picks[longest].minutes > 0)
            continue;
        p->count--;
        memmove(&p->picks[longest], &p->picks[longest + 1],
                (size_t)(p->count - longest) * sizeof p->picks[0]);
    }
}

static enum err choose_learning(struct filling *f, int32_t minutes)
{
    const struct plan_input *in = f->in;
    struct mission_candidate *c = calloc((size_t)in->count + 1, sizeof *c);

    if (!c)
        return ERR_NOMEM;
    for (int32_t i = 0; i < in->count; i++) {
        const struct plan_objective *o = &in->objectives[i];
        c[i] = o->of;
        c[i].due = 0; /* cards are planned for themselves */
        c[i].forgotten = 0;
        c[i].urgency = urgency_of(o);
        c[i].barred = o->of.barred || o->cards_only || (in->easy && o->of.attempts == 0);
    }
    int32_t asked = minutes < MISSION_MINUTES_MIN ? MISSION_MINUTES_MIN : minutes;
    enum err e =
        mission_plan_make(c, in->count, in->needs, in->needs_count, asked, false, &f->learn);
    free(c);
    if (e != ERR_OK)
        return e;
    learn_in_order(f, &f->learn);
    learn_trim(&f->learn, minutes);
    for (int32_t i = 0; i < f->learn.count; i++)
        f->stands[f->learn.picks[i].candidate] |= PICKED;
    return ERR_OK;
}

static void study_add(struct study *s, struct plan_item item)
{
    ASSERT(s->count < STUDY_MAX);
    s->items[s->count++] = item;
    s->minutes += item.minutes;
}

static uint32_t reasons_of(const struct plan_objective *o)
{
    return MISSION_DUE | (o->of.high_yield ? (uint32_t)MISSION_HIGH_YIELD : 0);
}

/* EARLY, LATE, or 0: it can stand nowhere without coming before a prerequisite. */
static uint8_t review_place(const struct filling *f, int32_t o, bool room_early)
{
    bool must_late = needs_any(f, o, PICKED | LATE), must_early = false;

    /* What it stands on and has cards due may yet be placed late. */
    for (int32_t k = 0; k < f->in->needs_count && !must_late; k++) {
        int32_t p = f->in->needs[k].prerequisite;
        must_late = f->in->needs[k].objective == o && f->in->objectives[p].of.due > 0 &&
                    !(f->stands[p] & EARLY);
    }
    if (!(f->stands[o] & PICKED))
        must_early = opens_any(f, o, PICKED | EARLY);
    if (must_late && must_early)
        return 0;
    if (must_late || must_early)
        return must_late ? LATE : EARLY;
    return f->in->objectives[o].due_difficulty <= f->easy && room_early ? EARLY : LATE;
}

struct rank {
    int32_t objective;
    double urgency, lost; /* recall lost, mean over its cards */
    struct str id;
};

static int by_rank(const void *pa, const void *pb)
{
    const struct rank *a = pa, *b = pb;

    if (a->urgency > b->urgency || a->urgency < b->urgency)
        return a->urgency > b->urgency ? -1 : 1;
    if (a->lost > b->lost || a->lost < b->lost)
        return a->lost > b->lost ? -1 : 1;
    return str_cmp(a->id, b->id);
}

/* The easier half, or all that is easy at all. */
static double easy_up_to(const struct plan_input *in, const struct rank *ranks, int32_t n)
{
    double *d = calloc((size_t)n + 1, sizeof *d);

    for (int32_t i = 0; d && i < n; i++)
        d[i] = in->objectives[ranks[i].objective].due_difficulty;
    if (d)
        stats_sort(d, n);
    double middle = d && n > 0 ? stats_quantile(d, n, 0.5) : EASY_DIFFICULTY;
    free(d);
    return fmax(EASY_DIFFICULTY, middle);
}

static int32_t ranks_make(const struct plan_input *in, struct rank *ranks)
{
    int32_t n = 0;

    for (int32_t i = 0; i < in->count; i++) {
        const struct plan_objective *o = &in->objectives[i];
        if (o->of.due > 0)
            ranks[n++] = (struct rank){i, urgency_of(o), o->of.forgotten / o->of.due, o->of.id};
    }
    qsort(ranks, (size_t)n, sizeof *ranks, by_rank);
    return n;
}

static enum err choose_reviews(struct filling *f, int32_t minutes)
{
    const struct plan_input *in = f->in;
    struct rank *ranks = calloc((size_t)in->count + 1, sizeof *ranks);
    int32_t fit = (int32_t)fmin(1e6, floor(minutes / in->card_minutes + 1e-9)), left = fit;

    if (!ranks)
        return ERR_NOMEM;
    int32_t n = ranks_make(in, ranks);
    f->easy = easy_up_to(in, ranks, n);
    for (int32_t i = 0;
         i < n && i < RANKS_TRIED && left > 0 && f->early.count + f->late.count < PLAN_PARTS_MAX;
         i++) {
        int32_t o = ranks[i].objective, due = in->objectives[o].of.due;
        uint8_t place = review_place(f, o, 2 * f->early.cards < fit);
        struct reviews *to = place == EARLY ? &f->early : &f->late;
        if (place == 0)
            continue;
        f->stands[o] |= place;
        to->parts[to->count] = (struct plan_part){o, due < left ? due : left};
        to->cards += to->parts[to->count].cards;
        left -= to->parts[to->count++].cards;
    }
    free(ranks);
    return ERR_OK;
}

/* The easy ones first, as far as prerequisites allow. */
static void reviews_in_order(const struct filling *f, struct reviews *r)
{
    const struct plan_objective *o = f->in->objectives;

    for (int32_t i = 0; i < r->count; i++) {
        int32_t best = -1;
        for (int32_t j = i; j < r->count; j++) {
            bool free = true;
            for (int32_t k = 0; k < f->in->needs_count && free; k++)
                for (int32_t m = i; m < r->count && free; m++)
                    free = m == j || f->in->needs[k].objective != r->parts[j].objective ||
                           f->in->needs[k].prerequisite != r->parts[m].objective;
            if (free && (best < 0 || o[r->parts[j].objective].due_difficulty <
                                         o[r->parts[best].objective].due_difficulty))
                best = j;
        }
        if (best < 0)
            continue;
        struct plan_part part = r->parts[best];
        memmove(&r->parts[i + 1], &r->parts[i], (size_t)(best - i) * sizeof part);
        r->parts[i] = part;
    }
}

/* Reviews as items of some minutes each; their parts go to the end of the content's. */
static void reviews_study(const struct filling *f, const struct reviews *r, enum plan_phase phase,
                          int32_t minutes, struct study *to, struct plan_content *c)
{
    struct plan_item item = {.kind = PLAN_REVIEW, .phase = phase, .first_card = 0};
    double sum = 0;              /* difficulty of the item's cards */
    int32_t done = 0, given = 0; /* cards and minutes in all items so far */

    for (int32_t i = 0; i < c->part_count; i++)
        item.first_card += c->parts[i].cards;
    for (int32_t i = 0; i < r->count && minutes > 0; i++) {
        const struct plan_objective *o = &f->in->objectives[r->parts[i].objective];
        c->parts[c->part_count++] = r->parts[i];
        if (item.cards == 0)
            item.objective = r->parts[i].objective;
        item.cards += r->parts[i].cards;
        sum += r->parts[i].cards * o->due_difficulty;
        item.reasons |= reasons_of(o);
        done += r->parts[i].cards;
        double until = (double)minutes * done / r->cards;
        bool last = i + 1 == r->count;
        if (!last && (lround(until) - given < REVIEW_MINUTES || minutes - until < REVIEW_MINUTES))
            continue; /* too short, or too little would be left */
        item.minutes = (int32_t)lround(until) - given;
        item.difficulty = sum / item.cards;
        study_add(to, item);
        given += item.minutes;
        item = (struct plan_item){
            .kind = PLAN_REVIEW, .phase = phase, .first_card = item.first_card + item.cards};
        sum = 0;
    }
}

static struct plan_item learn_item(const struct filling *f, const struct mission_pick *p)
{
    const struct plan_objective *o = &f->in->objectives[p->candidate];

    return (struct plan_item){.kind = f->in->easy ? PLAN_PRACTICE : PLAN_LEARN,
                              .phase = PLAN_PEAK,
                              .objective = p->candidate,
                              .minutes = p->minutes,
                              .difficulty = 1 + 9 * (1 - o->of.mastery.probability),
                              .reasons = p->reasons};
}

/* Time that is left: practice, round and round, of what stands before it in the plan. */
static void practise(struct study *to, const struct study *from, enum plan_phase phase,
                     int32_t minutes)
{
    int32_t known = from->count;
    struct plan_item of[STUDY_MAX];

    memcpy(of, from->items, (size_t)known * sizeof *of);
    for (int32_t i = 0; minutes > 0; i++) {
        struct plan_item item = of[i % known];
        item.minutes = minutes < PRACTICE_MINUTES + LEAST_MINUTES ? minutes : PRACTICE_MINUTES;
        item.kind = PLAN_PRACTICE;
        item.phase = phase;
        item.cards = 0;
        item.reasons = MISSION_KEEPS;
        study_add(to, item);
        minutes -= item.minutes;
    }
}

/* Cuts an item at a break; the cards go with the minutes. */
static struct plan_item cut(struct plan_item *item, int32_t minutes)
{
    struct plan_item head = *item;

    head.minutes = minutes;
    head.cards = (int32_t)((int64_t)item->cards * minutes / item->minutes);
    item->first_card += head.cards;
    item->cards -= head.cards;
    item->minutes -= minutes;
    return head;
}

static void put(struct plan_content *c, struct plan_item item)
{
    ASSERT(c->count < PLAN_ITEMS_MAX);
    item.start = c->minutes;
    c->minutes += item.minutes;
    c->phases[item.phase] += item.minutes;
    c->items[c->count++] = item;
}

static void weave(struct plan_content *c, const struct study *s, const struct plan_breaks *breaks)
{
    int32_t next = 0;

    for (int32_t i = 0; i < s->count; i++) {
        struct plan_item item = s->items[i];
        while (item.minutes > 0) {
            int32_t until = next < breaks->count ? breaks->at[next] - c->minutes : INT32_MAX;
            if (until > 0 && until >= item.minutes) {
                put(c, item);
                break;
            }
            if (until > 0)
                put(c, cut(&item, until));
            put(c, (struct plan_item){.kind = PLAN_BREAK,
                                      .phase = item.phase,
                                      .objective = -1,
                                      .minutes = breaks->minutes[next++],
                                      .difficulty = NAN});
        }
    }
}

static enum err choose(struct filling *f)
{
    double supply = floor(due_minutes(f->in) + 1e-9);
    int32_t share = f->in->easy ? f->budget : (int32_t)half_up(REVIEW_SHARE * f->budget);
    int32_t reviews = supply < share ? (int32_t)supply : share;

    enum err e = choose_learning(f, f->budget - reviews);
    if (e != ERR_OK)
        return e;
    return choose_reviews(f, f->budget - f->learn.minutes);
}

/* Whole minutes for the reviews at both ends, within what is left by the learning. */
static void share_minutes(const struct filling *f, int32_t *ret_early, int32_t *ret_late)
{
    int32_t left = f->budget - f->learn.minutes;
    int32_t early = (int32_t)lround(f->early.cards * f->in->card_minutes);
    int32_t late = (int32_t)lround(f->late.cards * f->in->card_minutes);

    early = f->early.count > 0 && early < 1 ? 1 : early;
    late = f->late.count > 0 && late < 1 ? 1 : late;
    early = early > left ? left : early;
    late = late > left - early ? left - early : late;
    *ret_early = early;
    *ret_late = late;
}

static void join(struct filling *f, struct study *all, struct plan_content *c)
{
    struct study some = {.count = 0}, late = {.count = 0};
    int32_t early_minutes, late_minutes;

    reviews_in_order(f, &f->early);
    reviews_in_order(f, &f->late);
    share_minutes(f, &early_minutes, &late_minutes);
    reviews_study(f, &f->early, PLAN_WARM_UP, early_minutes, all, c);
    int32_t reviewed = all->count;
    for (int32_t i = 0; i < f->learn.count; i++)
        study_add(all, learn_item(f, &f->learn.picks[i]));
    reviews_study(f, &f->late, PLAN_WIND_DOWN, late_minutes, &late, c);
    int32_t left = f->budget - all->minutes - late.minutes;
    if (left > 0 && all->count > 0) {
        for (int32_t i = f->learn.count > 0 ? reviewed : 0; i < all->count; i++)
            study_add(&some, all->items[i]);
        practise(all, &some, PLAN_PEAK, left);
    } else if (left > 0 && late.count > 0) {
        some = late;
        practise(&late, &some, PLAN_WIND_DOWN, left);
    }
    for (int32_t i = 0; i < late.count; i++)
        study_add(all, late.items[i]);
}

enum err plan_fill(const struct plan_input *in, struct plan_content *ret)
{
    struct filling f = {.in = in, .budget = in->minutes - in->breaks->total};
    struct study *all;

    ASSERT(ret && (in->objectives || in->count == 0) && (in->needs || in->needs_count == 0));
    if (in->count < 0 || in->count > MISSION_CANDIDATES_MAX || in->needs_count < 0 ||
        in->minutes < 1 || in->minutes > PLAN_MINUTES_MAX || f.budget < 1 ||
        !(in->card_minutes > 0))
        return ERR_RANGE;
    f.stands = calloc((size_t)in->count + 1, 1);
    all = calloc(1, sizeof *all);
    enum err e = f.stands && all ? choose(&f) : ERR_NOMEM;
    if (e == ERR_OK) {
        *ret = (struct plan_content){.count = 0};
        join(&f, all, ret);
        weave(ret, all, in->breaks);
        ret->short_of_material = ret->minutes < in->minutes;
    }
    free(all);
    free(f.stands);
    return e;
}

/* ---- what became of plans ---- */

static double percent(int64_t k, int64_t n)
{
    return n > 0 ? 100 * (double)k / (double)n : NAN;
}

void plan_followed_of(const struct plan_outcome *o, int32_t n, struct plan_followed *ret)
{
    struct plan_followed r = {.n = n,
                              .adherence = NAN,
                              .interval = {NAN, NAN},
                              .gain = NAN,
                              .optimal = NAN,
                              .durations = NAN,
                              .overall = NAN};
    double sums[2] = {0, 0};
    int32_t counts[2] = {0, 0}, optimal = 0, timed = 0, near = 0;

    for (int32_t i = 0; i < n; i++) {
        bool followed = fabs(o[i].off_minutes) <= PLAN_NEAR_MINUTES; /* NaN: no */
        r.followed += followed;
        if (!isnan(o[i].performance)) {
            counts[followed]++;
            sums[followed] += o[i].performance;
            optimal += followed && o[i].performance >= 75;
        }
        if (!isnan(o[i].actual)) {
            timed++;
            near += fabs(o[i].actual - o[i].planned) <= PLAN_LENGTH_NEAR_MINUTES;
        }
    }
    *ret = r;
    if (n < PLAN_OUTCOMES_NEEDED)
        return;
    r.adherence = percent(r.followed, n);
    r.interval = stats_wilson(r.followed, n, STATS_Z95);
    r.interval.low *= 100;
    r.interval.high *= 100;
    r.optimal = percent(optimal, counts[1]);
    r.durations = percent(near, timed);
    if (counts[0] > 0 && counts[1] > 0 && sums[0] > 0) {
        double others = sums[0] / counts[0];
        r.gain = 100 * (sums[1] / counts[1] - others) / others;
        r.overall = 0.3 * r.adherence + 0.4 * fmax(0, r.gain) + 0.2 * r.optimal + 0.1 * r.durations;
    }
    *ret = r;
}

struct pair {
    int64_t off;
    int32_t plan, session;
};

static int by_distance(const void *pa, const void *pb)
{
    const struct pair *a = pa, *b = pb;

    if (a->off != b->off)
        return a->off < b->off ? -1 : 1;
    if (a->plan != b->plan)
        return a->plan < b->plan ? -1 : 1;
    return (a->session > b->session) - (a->session < b->session);
}

enum err plan_pair(const int64_t *plans, int32_t plan_count, const int64_t *sessions,
                   int32_t session_count, int32_t *ret)
{
    enum { NEAREST = 16 }; /* sessions looked at around each plan */
    struct pair *pairs = calloc((size_t)plan_count * NEAREST + 1, sizeof *pairs);
    bool *taken = calloc((size_t)session_count + 1, sizeof *taken);
    int32_t n = 0, from = 0;

    if (!pairs || !taken) {
        free(pairs);
        free(taken);
        return ERR_NOMEM;
    }
    for (int32_t p = 0; p < plan_count; p++) {
        ret[p] = -1;
        while (from < session_count &&
               sessions[from] < plans[p] - PLAN_PAIR_MINUTES * US_PER_MINUTE)
            from++;
        int32_t end = from;
        while (end < session_count && sessions[end] <= plans[p] + PLAN_PAIR_MINUTES * US_PER_MINUTE)
            end++;
        /* More than enough in the window: those around the plan's start. */
        int32_t first = from;
        while (end - first > NEAREST &&
               llabs(sessions[first] - plans[p]) > llabs(sessions[first + NEAREST] - plans[p]))
            first++;
        for (int32_t s = first; s < end && s < first + NEAREST; s++)
            pairs[n++] = (struct pair){llabs(sessions[s] - plans[p]), p, s};
    }
    qsort(pairs, (size_t)n, sizeof *pairs, by_distance);
    for (int32_t i = 0; i < n; i++) {
        if (ret[pairs[i].plan] >= 0 || taken[pairs[i].session])
            continue;
        ret[pairs[i].plan] = pairs[i].session;
        taken[pairs[i].session] = true;
    }
    free(pairs);
    free(taken);
    return ERR_OK;
}

struct cell {
    double n, sum, square;
};

static void pooled(const struct cell cells[PLAN_STRATA], const bool *both, double *ret_variance,
                   double *ret_df)
{
    double rest = 0, df = 0;

    for (int s = 0; s < PLAN_STRATA; s++) {
        if (!both[s])
            continue;
        rest += fmax(0, cells[s].square - cells[s].sum * cells[s].sum / cells[s].n);
        df += cells[s].n - 1;
    }
    *ret_variance = df > 0 ? rest / df : NAN;
    *ret_df = df;
}

void plan_compare(const struct plan_sample *s, int32_t n, struct plan_difference *ret)
{
    struct plan_difference r = {.estimate = NAN, .others = NAN, .interval = {NAN, NAN}};
    struct cell cells[2][PLAN_STRATA] = {0};
    bool both[PLAN_STRATA];
    double variance[2], df[2], share[2] = {0, 0};

    for (int32_t i = 0; i < n; i++) {
        struct cell *c = &cells[s[i].a][s[i].stratum];
        c->n++;
        c->sum += s[i].value;
        c->square += s[i].value * s[i].value;
    }
    for (int k = 0; k < PLAN_STRATA; k++) {
        both[k] = cells[0][k].n > 0 && cells[1][k].n > 0;
        r.n_a += both[k] ? (int32_t)cells[1][k].n : 0;
        r.n_b += both[k] ? (int32_t)cells[0][k].n : 0;
    }
    *ret = r;
    if (r.n_a < PLAN_OUTCOMES_NEEDED || r.n_b < PLAN_OUTCOMES_NEEDED)
        return;
    r.estimate = r.others = 0;
    for (int k = 0; k < PLAN_STRATA; k++) {
        if (!both[k])
            continue;
        double w = cells[1][k].n / r.n_a, b = cells[0][k].sum / cells[0][k].n;
        r.estimate += w * (cells[1][k].sum / cells[1][k].n - b);
        r.others += w * b;
        share[1] += w * w / cells[1][k].n;
        share[0] += w * w / cells[0][k].n;
    }
    pooled(cells[0], both, &variance[0], &df[0]);
    pooled(cells[1], both, &variance[1], &df[1]);
    double v0 = variance[0] * share[0], v1 = variance[1] * share[1], v = v0 + v1;
    if (v > 0) {
        /* Satterthwaite's degrees of freedom */
        double t = dist_t_quantile(0.975, v * v / (v0 * v0 / df[0] + v1 * v1 / df[1]));
        r.interval = (struct interval){r.estimate - t * sqrt(v), r.estimate + t * sqrt(v)};
    }
    *ret = r;
}
