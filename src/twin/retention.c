#include "twin/retention.h"

#include "base/assert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double micro = 1e6;
enum { VERSION = 1, FAR = 1000 /* no weight comes near */ };
#define ROUNDING 1e-6

void retention_init(struct retention *r, const struct recall_weights *recall,
                    const struct memory_prior *fsrs)
{
    memset(r, 0, sizeof *r);
    recall_weights_init(&r->recall, recall);
    recall_level_init(&r->level);
    if (!fsrs)
        fsrs = &memory_prior_default;
    r->own = fsrs->mean;
    memcpy(r->own_sd, fsrs->sd, sizeof r->own_sd);
}

static struct memory_state own_state(const struct retention_card *c)
{
    return (struct memory_state){(double)c->own_stability_micro / micro,
                                 (double)c->own_difficulty_micro / micro};
}

static void own_review(const struct memory_weights *own, struct retention_card *c,
                       enum memory_grade grade, double gap)
{
    struct memory_state s = memory_review(own, own_state(c), grade, gap);

    c->own_stability_micro = llround(s.stability * micro);
    c->own_difficulty_micro = llround(s.difficulty * micro);
}

/* As the regression knows it. */
static struct recall_card past_of(const struct retention_card *c)
{
    const struct card_memory *m = &c->memory;

    return (struct recall_card){
        .memory = {(double)m->stability_micro / micro, (double)m->difficulty_micro / micro},
        .reviews = (uint32_t)m->reviews,
        .lapses = (uint32_t)m->lapses,
        .streak = (uint32_t)c->streak,
        .last_gap_days = (float)c->last_gap,
        .last_day = m->day,
        .last_grade = c->last_grade};
}

static void foretell_and_learn(struct retention *r, const struct retention_card *card,
                               const struct recall_card *past, bool remembered, int32_t day,
                               int64_t now_s, struct retention_before *ret)
{
    struct recall_forecast f;
    struct recall_inputs in;

    recall_read(&memory_default, past, &r->level, day, now_s, &in);
    recall_predict(&r->recall, &in, &f);
    double shown = recall_forecast(&r->recall, &memory_default, past, &r->level, day, now_s);
    ret->published = in.curve;
    ret->fitted = memory_recall(&r->own, own_state(card).stability, day - past->last_day);
    ret->served = recall_trust_average(&r->trust, shown, ret->fitted);
    recall_trust_learn(&r->trust, shown, ret->fitted, remembered);
    recall_learn(&r->recall, &in, &f, remembered);
    r->judged++;
}

bool retention_review(struct retention *r, struct retention_card *card, enum memory_grade grade,
                      int32_t day, int64_t now_s, struct retention_before *ret)
{
    struct recall_card past = past_of(card);
    bool judged = card->memory.stability_micro > 0 && day > past.last_day;

    if (grade < GRADE_AGAIN || grade > GRADE_EASY || card->memory.reviews >= CARD_REVIEWS_MAX)
        return false;
    if (judged)
        foretell_and_learn(r, card, &past, grade > GRADE_AGAIN, day, now_s, ret);
    own_review(&r->own, card, grade, judged ? day - past.last_day : 0);
    recall_review(&memory_default, &past, &r->level, grade, day, now_s);
    card_review(&memory_default, &card->memory, grade, day);
    card->streak = (int32_t)past.streak;
    card->last_gap = (int32_t)past.last_gap_days;
    card->last_grade = past.last_grade;
    return judged;
}

void retention_card_move(struct retention_card *card, enum memory_grade grade, int32_t day)
{
    struct recall_card past = past_of(card);
    struct recall_level level = {.reviews = 0};

    if (grade < GRADE_AGAIN || grade > GRADE_EASY || card->memory.reviews >= CARD_REVIEWS_MAX)
        return;
    recall_review(&memory_default, &past, &level, grade, day, 0);
    card_review(&memory_default, &card->memory, grade, day);
    card->streak = (int32_t)past.streak;
    card->last_gap = (int32_t)past.last_gap_days;
    card->last_grade = past.last_grade;
}

/* ---- the fit ---- */

bool retention_refit_due(const struct retention *r)
{
    return r->judged >=
           (r->fitted > 0 ? r->fitted + r->fitted / 4 + 1 : (int64_t)MEMORY_FIT_JUDGED_MIN);
}

/* Card by card, the order within a card being kept. ends[c]: where card c ends among the steps. */
static void gather(const struct retention_event *events, int64_t count, uint32_t card_count,
                   struct memory_step *steps, uint32_t *ends)
{
    uint32_t begin = 0;

    for (int64_t i = 0; i < count; i++)
        ends[events[i].card]++;
    for (uint32_t c = 0; c < card_count; c++) {
        uint32_t n = ends[c];

        ends[c] = begin; /* moves on as the card's reviews are put */
        begin += n;
    }
    for (int64_t i = 0; i < count; i++) /* `days` holds the day for now */
        steps[ends[events[i].card]++] = (struct memory_step){events[i].day, events[i].grade};
    begin = 0;
    for (uint32_t c = 0; c < card_count; c++) {
        int32_t last = 0;

        for (uint32_t i = begin; i < ends[c]; i++) {
            int32_t day = steps[i].days;

            steps[i].days = i == begin ? -1 : day > last ? day - last : 0;
            last = i == begin || day > last ? day : last;
        }
        begin = ends[c];
    }
}

static void walk_again(const struct retention *r, const struct memory_step *steps,
                       const uint32_t *ends, struct retention_card *cards, uint32_t card_count)
{
    uint32_t i = 0;

    for (uint32_t c = 0; c < card_count; c++) {
        uint32_t last = i + CARD_REVIEWS_MAX;

        cards[c].own_stability_micro = cards[c].own_difficulty_micro = 0;
        for (; i < ends[c]; i++)
            if (i < last)
                own_review(&r->own, &cards[c], (enum memory_grade)steps[i].grade,
                           fmax(steps[i].days, 0));
    }
}

enum err retention_refit(struct retention *r, const struct memory_prior *fsrs,
                         const struct retention_event *events, int64_t count,
                         struct retention_card *cards, uint32_t card_count)
{
    struct memory_step *steps = calloc((size_t)count + 1, sizeof *steps);
    uint32_t *ends = calloc((size_t)card_count + 1, sizeof *ends);
    enum err e = steps && ends ? ERR_OK : ERR_NOMEM;
    struct memory_fit fit;

    if (e == ERR_OK && count > MEMORY_FIT_REVIEWS_MAX)
        e = ERR_RANGE;
    if (e == ERR_OK) {
        gather(events, count, card_count, steps, ends);
        e = memory_fit(steps, (int32_t)count, fsrs ? fsrs : &memory_prior_default, &fit);
    }
    if (e == ERR_OK) {
        r->own = fit.weights;
        memcpy(r->own_sd, fit.sd, sizeof r->own_sd);
        r->fitted = fit.outcome == MEMORY_FIT_TOO_FEW ? 0 : r->judged;
        walk_again(r, steps, ends, cards, card_count);
    }
    free(steps);
    free(ends);
    return e;
}

/* ---- what is served ---- */

double retention_recall(const struct retention *r, const struct retention_card *card, int32_t day,
                        int64_t now_s, struct interval *ret_interval)
{
    struct recall_card past = past_of(card);
    double gap = day > past.last_day ? (double)day - past.last_day : 0,
           fitted = memory_recall(&r->own, own_state(card).stability, gap), low, high;

    if (!ret_interval)
        return recall_trust_average(
            &r->trust, recall_forecast(&r->recall, &memory_default, &past, &r->level, day, now_s),
            fitted);
    double shown = recall_forecast_surely(&r->recall, &memory_default, &past, &r->level, day, now_s,
                                          &low, &high);
    *ret_interval = (struct interval){recall_trust_average(&r->trust, low, fitted),
                                      recall_trust_average(&r->trust, high, fitted)};
    return recall_trust_average(&r->trust, shown, fitted);
}

int32_t retention_due(const struct retention *r, const struct retention_card *card)
{
    struct retention calm = *r;
    int32_t last = card->memory.day, near = 0, far = 1;

    calm.level.today = 0;
    while (far < (int32_t)MEMORY_S_MAX &&
           retention_recall(&calm, card, last + far, 0, NULL) > RETENTION_WANTED) {
        near = far;
        far *= 2;
    }
    if (far > (int32_t)MEMORY_S_MAX)
        far = (int32_t)MEMORY_S_MAX;
    while (far - near > 1) {
        int32_t middle = near + (far - near) / 2;

        if (retention_recall(&calm, card, last + middle, 0, NULL) > RETENTION_WANTED)
            near = middle;
        else
            far = middle;
    }
    return last + far;
}

/* ---- as stored: little endian ---- */

static uint8_t *put(uint8_t *out, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *out++ = (uint8_t)(v >> 8 * i);
    return out;
}

static uint8_t *put_reals(uint8_t *out, const double *v, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t bits;

        memcpy(&bits, &v[i], sizeof bits);
        out = put(out, bits, 8);
    }
    return out;
}

static uint64_t get(const uint8_t **in, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint64_t) * (*in)++ << 8 * i;
    return v;
}

static bool get_reals(const uint8_t **in, double *v, int n)
{
    bool finite = true;

    for (int i = 0; i < n; i++) {
        uint64_t bits = get(in, 8);

        memcpy(&v[i], &bits, sizeof v[i]);
        finite = finite && isfinite(v[i]);
    }
    return finite;
}

void retention_encode(const struct retention *r, uint8_t out[RETENTION_BYTES])
{
    const uint8_t *begin = out;

    *out++ = VERSION;
    out = put_reals(out, r->recall.mean, RECALL_INPUTS);
    for (int i = 0; i < RECALL_INPUTS; i++) /* symmetric */
        out = put_reals(out, r->recall.covariance[i], i + 1);
    out = put_reals(out, &r->trust.log_odds, 1);
    out = put_reals(out, r->own.w, MEMORY_WEIGHTS);
    out = put_reals(out, r->own_sd, MEMORY_WEIGHTS);
    out = put(out, (uint64_t)r->judged, 8);
    out = put(out, (uint64_t)r->fitted, 8);
    out = put(out, r->recall.reviews, 8);
    out = put(out, (uint64_t)r->level.last_s, 8);
    for (int i = 0; i < 3; i++) {
        uint32_t bits;

        memcpy(&bits, &r->level.recent[i], sizeof bits);
        out = put(out, bits, 4);
    }
    out = put(out, r->level.reviews, 4);
    out = put(out, r->level.today, 4);
    out = put(out, r->level.today_recalled, 4);
    out = put(out, (uint32_t)r->level.day, 4);
    ASSERT(out == begin + RETENTION_BYTES);
}

static bool can_be(const struct retention *r)
{
    for (int i = 0; i < 3; i++)
        if (!(r->level.recent[i] >= 0 && r->level.recent[i] <= 1))
            return false;
    for (int i = 0; i < MEMORY_WEIGHTS; i++) {
        double low, high;

        memory_weight_range(i, &low, &high);
        if (r->own.w[i] < low || r->own.w[i] > high || !(r->own_sd[i] >= 0))
            return false;
    }
    for (int i = 0; i < RECALL_INPUTS; i++)
        for (int j = 0; j <= i; j++) {
            const double(*c)[RECALL_INPUTS] = r->recall.covariance;
            double most = sqrt(fmax(c[i][i], 0) * fmax(c[j][j], 0)) + ROUNDING;

            if (!(fabs(c[i][j]) <= most) || c[i][i] > FAR || fabs(r->recall.mean[i]) > FAR)
                return false;
        }
    return fabs(r->trust.log_odds) <= FAR && r->judged >= 0 && r->fitted >= 0 &&
           r->fitted <= r->judged;
}

enum err retention_decode(struct retention *r, const uint8_t *bytes, size_t n)
{
    struct retention read = {.judged = 0};
    const uint8_t *in = bytes + 1;
    bool fine = n == RETENTION_BYTES && bytes[0] == VERSION;

    if (!fine)
        return ERR_RANGE;
    fine = get_reals(&in, read.recall.mean, RECALL_INPUTS);
    for (int i = 0; i < RECALL_INPUTS; i++) {
        fine = get_reals(&in, read.recall.covariance[i], i + 1) && fine;
        for (int j = 0; j < i; j++)
            read.recall.covariance[j][i] = read.recall.covariance[i][j];
    }
    fine = get_reals(&in, &read.trust.log_odds, 1) && fine;
    fine = get_reals(&in, read.own.w, MEMORY_WEIGHTS) && fine;
    fine = get_reals(&in, read.own_sd, MEMORY_WEIGHTS) && fine;
    read.judged = (int64_t)get(&in, 8);
    read.fitted = (int64_t)get(&in, 8);
    read.recall.reviews = (uint32_t)get(&in, 8);
    read.level.last_s = (int64_t)get(&in, 8);
    for (int i = 0; i < 3; i++) {
        uint32_t bits = (uint32_t)get(&in, 4);

        memcpy(&read.level.recent[i], &bits, sizeof bits);
    }
    read.level.reviews = (uint32_t)get(&in, 4);
    read.level.today = (uint32_t)get(&in, 4);
    read.level.today_recalled = (uint32_t)get(&in, 4);
    read.level.day = (int32_t)(uint32_t)get(&in, 4);
    if (!fine || !can_be(&read))
        return ERR_RANGE;
    *r = read;
    return ERR_OK;
}

void retention_card_encode(const struct retention_card *c, uint8_t out[RETENTION_CARD_BYTES])
{
    const uint8_t *begin = out;

    out = put(out, (uint64_t)c->memory.stability_micro, 8);
    out = put(out, (uint64_t)c->own_stability_micro, 8);
    out = put(out, (uint64_t)c->memory.difficulty_micro, 4);
    out = put(out, (uint64_t)c->own_difficulty_micro, 4);
    out = put(out, (uint32_t)c->memory.day, 4);
    out = put(out, (uint32_t)c->last_gap, 4);
    out = put(out, (uint32_t)c->memory.reviews, 2);
    out = put(out, (uint32_t)c->memory.lapses, 2);
    out = put(out, (uint32_t)c->streak, 2);
    *out++ = c->last_grade;
    *out++ = VERSION;
    ASSERT(out == begin + RETENTION_CARD_BYTES);
}

static bool is_state(int64_t stability_micro, int64_t difficulty_micro)
{
    return stability_micro > 0 && (double)stability_micro <= MEMORY_S_MAX * micro &&
           difficulty_micro >= 1000000 && difficulty_micro <= 10000000;
}

enum err retention_card_decode(struct retention_card *c, const uint8_t *bytes, size_t n)
{
    struct retention_card read = {.streak = 0};
    const uint8_t *in = bytes;

    if (n != RETENTION_CARD_BYTES || bytes[RETENTION_CARD_BYTES - 1] != VERSION)
        return ERR_RANGE;
    read.memory.stability_micro = (int64_t)get(&in, 8);
    read.own_stability_micro = (int64_t)get(&in, 8);
    read.memory.difficulty_micro = (int64_t)get(&in, 4);
    read.own_difficulty_micro = (int64_t)get(&in, 4);
    read.memory.day = (int32_t)(uint32_t)get(&in, 4);
    read.last_gap = (int32_t)(uint32_t)get(&in, 4);
    read.memory.reviews = (int32_t)get(&in, 2);
    read.memory.lapses = (int32_t)get(&in, 2);
    read.streak = (int32_t)get(&in, 2);
    read.last_grade = *in;
    if (!is_state(read.memory.stability_micro, read.memory.difficulty_micro) ||
        !is_state(read.own_stability_micro, read.own_difficulty_micro) || read.last_gap < 0 ||
        read.memory.reviews < 1)
        return ERR_RANGE;
    *c = read;
    return ERR_OK;
}

/* ---- what others came to ---- */

enum err retention_population(const struct retention *const *learners, int32_t count,
                              struct retention_prior *ret)
{
    static const double published_people = 1;
    const struct recall_weights **recalls = calloc((size_t)count, sizeof *recalls);
    const struct memory_fit **fits = calloc((size_t)count, sizeof *fits);
    struct memory_fit *own = calloc((size_t)count, sizeof *own);
    bool room = recalls && fits && own;

    for (int32_t i = 0; room && i < count; i++) {
        recalls[i] = &learners[i]->recall;
        own[i].weights = learners[i]->own;
        memcpy(own[i].sd, learners[i]->own_sd, sizeof own[i].sd);
        fits[i] = &own[i];
    }
    if (room) {
        recall_population(recalls, count, &ret->recall);
        memory_prior_from(fits, count, &memory_prior_default, published_people, &ret->fsrs);
    }
    free(recalls);
    free(fits);
    free(own);
    return room ? ERR_OK : ERR_NOMEM;
}

void retention_prior_encode(const struct retention_prior *p, uint8_t out[RETENTION_PRIOR_BYTES])
{
    const uint8_t *begin = out;

    *out++ = VERSION;
    out = put_reals(out, p->recall.mean, RECALL_INPUTS);
    for (int i = 0; i < RECALL_INPUTS; i++)
        out = put_reals(out, &p->recall.covariance[i][i], 1);
    out = put_reals(out, p->fsrs.mean.w, MEMORY_WEIGHTS);
    out = put_reals(out, p->fsrs.sd, MEMORY_WEIGHTS);
    ASSERT(out == begin + RETENTION_PRIOR_BYTES);
}

enum err retention_prior_decode(struct retention_prior *p, const uint8_t *bytes, size_t n)
{
    struct retention_prior read = {.recall = {.reviews = 0}};
    const uint8_t *in = bytes + 1;

    if (n != RETENTION_PRIOR_BYTES || bytes[0] != VERSION)
        return ERR_RANGE;
    bool fine = get_reals(&in, read.recall.mean, RECALL_INPUTS);
    for (int i = 0; i < RECALL_INPUTS; i++) {
        double *variance = &read.recall.covariance[i][i];

        fine = get_reals(&in, variance, 1) && *variance >= 0 && fine;
    }
    fine = get_reals(&in, read.fsrs.mean.w, MEMORY_WEIGHTS) && fine;
    fine = get_reals(&in, read.fsrs.sd, MEMORY_WEIGHTS) && fine;
    for (int i = 0; i < MEMORY_WEIGHTS; i++) {
        double low, high, w = read.fsrs.mean.w[i];

        memory_weight_range(i, &low, &high);
        fine = fine && w >= low && w <= high && read.fsrs.sd[i] > 0;
    }
    if (!fine)
        return ERR_RANGE;
    *p = read;
    return ERR_OK;
}
