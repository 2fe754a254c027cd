#include "twin/recall.h"

#include "base/assert.h"
#include "twin/stats.h"

#include <math.h>
#include <string.h>

/* How far one learner's weights lie from the population's: the prior standard deviation is about
 * 0.3, for the constant twice that. Between 0.02 and 0.3 the results hardly change. */
static const double prior_variance = 0.1;
static const double usual_share = 0.85; /* the recent shares are counted from here */
static const float level_windows[3] = {5, 20, 100};

void recall_weights_init(struct recall_weights *w, const struct recall_weights *prior)
{
    if (prior) {
        *w = *prior;
        w->reviews = 0;
        return;
    }
    memset(w, 0, sizeof *w);
    w->mean[1] = 1; /* the curve's log odds */
    for (int i = 0; i < RECALL_INPUTS; i++)
        w->covariance[i][i] = i == 0 ? 4 * prior_variance : prior_variance;
}

void recall_population(const struct recall_weights *const *learners, int32_t count,
                       struct recall_weights *ret)
{
    if (count <= 0) {
        recall_weights_init(ret, NULL);
        return;
    }
    memset(ret, 0, sizeof *ret);
    for (int32_t l = 0; l < count; l++)
        for (int i = 0; i < RECALL_INPUTS; i++)
            ret->mean[i] += learners[l]->mean[i] / count;
    for (int32_t l = 0; l < count; l++)
        for (int i = 0; i < RECALL_INPUTS; i++) {
            double apart = learners[l]->mean[i] - ret->mean[i];

            ret->covariance[i][i] += (learners[l]->covariance[i][i] + apart * apart) / count;
        }
}

void recall_level_init(struct recall_level *l)
{
    memset(l, 0, sizeof *l);
    for (int i = 0; i < 3; i++)
        l->recent[i] = (float)usual_share;
}

static double within(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double gap_of(const struct recall_card *card, int32_t day)
{
    return day > card->last_day ? (double)day - card->last_day : 0;
}

/* The inputs that change with the days since the card's last review; the others do not. */
enum { ODDS = 1, GAP = 2, GAP_RATIO = 17, ODDS_SQUARE = 18, NEXT_DAY = 20, ODDS_LAPSES = 21 };
static const int moving[] = {ODDS, GAP, GAP_RATIO, ODDS_SQUARE, NEXT_DAY, ODDS_LAPSES};
enum { MOVING = COUNT(moving) };

/* All but those, which are 0. */
static void read_still(const struct recall_card *card, const struct recall_level *level,
                       int32_t day, int64_t now_s, double x[RECALL_INPUTS])
{
    ASSERT(card->memory.stability > 0);
    double today = 0, pause = 0;

    if (level->today && level->day == day)
        today = (level->today_recalled / (double)level->today - usual_share) *
                fmin(1, level->today / 20.0);
    if (now_s && level->last_s && now_s > level->last_s)
        pause = fmin(3, log1p((double)(now_s - level->last_s) / 60)) / 3;

    const double still[RECALL_INPUTS] = {
        1,
        0, /* ODDS */
        0, /* GAP */
        log(card->memory.stability) - 2,
        (card->memory.difficulty - 5) / 3,
        log1p(card->lapses),
        log1p(card->reviews) - 1,
        card->last_grade == GRADE_AGAIN,
        card->last_grade == GRADE_HARD,
        card->last_grade == GRADE_EASY,
        (double)level->recent[0] - usual_share,
        2 * ((double)level->recent[1] - usual_share),
        4 * ((double)level->recent[2] - usual_share),
        log1p(card->streak),
        today,
        pause,
        card->lapses == 0,
        0, /* GAP_RATIO */
        0, /* ODDS_SQUARE */
        card->reviews <= 1,
        0, /* NEXT_DAY */
        0, /* ODDS_LAPSES */
    };
    memcpy(x, still, sizeof still);
}

/* Sets those, for `gap` days after the card's last review, from the log of FSRS's chance then. */
static void read_moving(const struct recall_card *card, double gap, double log_chance,
                        double lapses, double x[RECALL_INPUTS])
{
    /* log p - log(1 - p), p kept within 1e-4 of the ends */
    double log_p = within(log_chance, log(1e-4), log1p(-1e-4)), odds = log_p - log(-expm1(log_p));

    x[ODDS] = odds;
    x[GAP] = log1p(gap) - 2;
    x[GAP_RATIO] = log1p(gap / fmax((double)card->last_gap_days, 0.5)) - 0.7;
    x[ODDS_SQUARE] = odds * odds / 10;
    x[NEXT_DAY] = gap <= 1;
    x[ODDS_LAPSES] = odds * (lapses - 0.5);
}

void recall_read(const struct memory_weights *fsrs, const struct recall_card *card,
                 const struct recall_level *level, int32_t day, int64_t now_s,
                 struct recall_inputs *ret)
{
    read_still(card, level, day, now_s, ret->x);
    ret->curve = memory_recall(fsrs, card->memory.stability, gap_of(card, day));
    read_moving(card, gap_of(card, day), log(ret->curve), log1p(card->lapses), ret->x);
}

/* The mean of a logistic over a normal, MacKay 1992: its log odds, and it. */
static double shrunk(double z, double variance)
{
    return z / sqrt(1 + M_PI * variance / 8);
}

static double chance_of(double odds)
{
    return within(1 / (1 + exp(-odds)), 0.001, 0.999);
}

void recall_predict(const struct recall_weights *w, const struct recall_inputs *in,
                    struct recall_forecast *ret)
{
    double z = 0, variance = 0;

    for (int i = 0; i < RECALL_INPUTS; i++) {
        double row = 0;
        for (int j = 0; j < RECALL_INPUTS; j++)
            row += w->covariance[i][j] * in->x[j];
        variance += in->x[i] * row;
        z += w->mean[i] * in->x[i];
    }
    ret->logit = z;
    ret->variance = fmax(variance, 0); /* rounding */
    ret->probability = chance_of(shrunk(z, ret->variance));
}

/* One card on one day, its absence left open: what does not change with that is summed once. */
struct glide {
    const struct recall_weights *w;
    const struct recall_card *card;
    double x[RECALL_INPUTS], lapses, decay, pace; /* pace: of the log of FSRS's chance */
    double z, variance, slope[MOVING]; /* of the still inputs, and of them with each moving one */
};

static void glide_begin(struct glide *g, const struct recall_weights *w,
                        const struct memory_weights *fsrs, const struct recall_card *card,
                        const struct recall_level *level, int32_t day, int64_t now_s)
{
    double rows[RECALL_INPUTS] = {0};

    *g = (struct glide){.w = w,
                        .card = card,
                        .lapses = log1p(card->lapses),
                        .decay = -fsrs->w[20],
                        .pace = memory_pace(fsrs) / card->memory.stability};
    read_still(card, level, day, now_s, g->x);
    for (int i = 0; i < RECALL_INPUTS; i++) {
        g->z += w->mean[i] * g->x[i];
        for (int j = 0; g->x[i] != 0 && j < RECALL_INPUTS; j++)
            rows[j] += w->covariance[i][j] * g->x[i];
    }
    for (int j = 0; j < RECALL_INPUTS; j++)
        g->variance += rows[j] * g->x[j];
    for (int k = 0; k < MOVING; k++)
        g->slope[k] = 2 * rows[moving[k]];
}

/* The log odds that it says after `gap` days by itself. */
static double glide_at(struct glide *g, double gap, double *ret_z, double *ret_variance)
{
    double z = g->z, variance = g->variance;

    read_moving(g->card, gap, g->decay * log1p(g->pace * gap), g->lapses, g->x);
    for (int k = 0; k < MOVING; k++) {
        double row = g->slope[k], x = g->x[moving[k]];

        for (int l = 0; l < MOVING; l++)
            row += g->w->covariance[moving[k]][moving[l]] * g->x[moving[l]];
        z += g->w->mean[moving[k]] * x;
        variance += x * row;
    }
    *ret_z = z;
    *ret_variance = fmax(variance, 0); /* rounding */
    return shrunk(z, *ret_variance);
}

/* What is kept within 0.001..0.999 is so in log odds. */
static double bounded(double odds)
{
    static const double far = 6.906754778648554; /* log(999) */

    return within(odds, -far, far);
}

static double glide_down(struct glide *g, double gap)
{
    double z, variance, least = HUGE_VAL, before = HUGE_VAL, rung = 1, last_rung = 1;

    for (;;) {
        before = least;
        least = fmin(least, bounded(glide_at(g, rung, &z, &variance)));
        if (rung >= gap)
            break;
        last_rung = rung;
        rung *= 2;
    }
    if (gap < 1) /* on the same day */
        return chance_of(fmax(least, bounded(glide_at(g, 0, &z, &variance))));
    if (!(rung > gap)) /* it stands on a rung */
        return chance_of(least);
    double part = log(gap / last_rung) / log(rung / last_rung);
    return chance_of(within(before + part * (least - before), least, before));
}

double recall_forecast(const struct recall_weights *w, const struct memory_weights *fsrs,
                       const struct recall_card *card, const struct recall_level *level,
                       int32_t day, int64_t now_s)
{
    struct glide g;

    glide_begin(&g, w, fsrs, card, level, day, now_s);
    return glide_down(&g, gap_of(card, day));
}

double recall_forecast_surely(const struct recall_weights *w, const struct memory_weights *fsrs,
                              const struct recall_card *card, const struct recall_level *level,
                              int32_t day, int64_t now_s, double *ret_low, double *ret_high)
{
    double z, variance;
    struct glide g;

    glide_begin(&g, w, fsrs, card, level, day, now_s);
    double p = glide_down(&g, gap_of(card, day));
    glide_at(&g, gap_of(card, day), &z, &variance);
    double far = STATS_Z95 * sqrt(variance);
    *ret_low = fmin(p, chance_of(z - far));
    *ret_high = fmax(p, chance_of(z + far));
    return p;
}

void recall_learn(struct recall_weights *w, const struct recall_inputs *in,
                  const struct recall_forecast *f, bool remembered)
{
    double p = 1 / (1 + exp(-f->logit)), slope = fmax(p * (1 - p), 1e-4);
    double gain[RECALL_INPUTS], spread = 1 / slope + f->variance;

    for (int i = 0; i < RECALL_INPUTS; i++) {
        gain[i] = 0;
        for (int j = 0; j < RECALL_INPUTS; j++)
            gain[i] += w->covariance[i][j] * in->x[j];
    }
    for (int i = 0; i < RECALL_INPUTS; i++) {
        w->mean[i] += gain[i] * (remembered - p) / slope / spread;
        for (int j = 0; j < RECALL_INPUTS; j++)
            w->covariance[i][j] -= gain[i] * gain[j] / spread;
    }
    w->reviews++;
}

void recall_review(const struct memory_weights *fsrs, struct recall_card *card,
                   struct recall_level *level, enum memory_grade grade, int32_t day, int64_t now_s)
{
    bool seen = card->memory.stability > 0, remembered = grade > GRADE_AGAIN;
    int32_t gap = seen && day > card->last_day ? day - card->last_day : 0;

    if (grade < GRADE_AGAIN || grade > GRADE_EASY)
        return;
    if (level->day != day) {
        level->day = day;
        level->today = level->today_recalled = 0;
    }
    if (gap >= 1) {
        for (int i = 0; i < 3; i++)
            level->recent[i] += ((float)remembered - level->recent[i]) / level_windows[i];
        level->reviews++;
        level->today++;
        level->today_recalled += remembered;
        card->lapses += !remembered;
        card->last_gap_days = (float)gap;
    }
    card->memory = memory_review(fsrs, card->memory, grade, gap);
    card->streak = remembered ? card->streak + 1 : 0;
    card->reviews++;
    card->last_grade = (uint8_t)grade;
    if (!seen || day > card->last_day)
        card->last_day = day;
    level->last_s = now_s;
}

double recall_trust_average(const struct recall_trust *t, double first, double second)
{
    double share = 1 / (1 + exp(-t->log_odds));

    return share * within(first, 0.001, 0.999) + (1 - share) * within(second, 0.001, 0.999);
}

void recall_trust_learn(struct recall_trust *t, double first, double second, bool remembered)
{
    double a = within(first, 0.001, 0.999), b = within(second, 0.001, 0.999);

    t->log_odds += log(remembered ? a / b : (1 - a) / (1 - b));
    t->log_odds = within(t->log_odds, -500, 500); /* never beyond coming back, never infinite */
}
