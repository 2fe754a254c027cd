#include "twin/warning.h"

#include "base/assert.h"
#include "base/civil.h"

#include <math.h>
#include <string.h>

const char *const warning_education_names[] = {"UNKNOWN", "NONE",         "SCHOOL", "LEAVING",
                                               "DEGREE",  "POSTGRADUATE", NULL};
_Static_assert(sizeof warning_education_names / sizeof *warning_education_names ==
                   WARNING_EDUCATIONS + 1,
               "a name each");

const char *const warning_reason_names[] = {"base",  "missed", "late", "scores",
                                            "start", "course", NULL};

static const uint8_t reason_of[WARNING_INPUTS] = {
    [WARNING_IN_ONE] = WARNING_BASE,
    [WARNING_IN_MISSED_SHARE] = WARNING_MISSED,
    [WARNING_IN_MISSED_ANY] = WARNING_MISSED,
    [WARNING_IN_MISSED] = WARNING_MISSED,
    [WARNING_IN_MISSED_ALONE] = WARNING_MISSED,
    [WARNING_IN_MISSED_MARKED] = WARNING_MISSED,
    [WARNING_IN_MISSED_LAST] = WARNING_MISSED,
    [WARNING_IN_NOTHING] = WARNING_MISSED,
    [WARNING_IN_AHEAD] = WARNING_LATE,
    [WARNING_IN_AHEAD_ANY] = WARNING_LATE,
    [WARNING_IN_CARRIED] = WARNING_START,
    [WARNING_IN_CARRIED_ONLY] = WARNING_START,
    [WARNING_IN_SILENT_DAYS] = WARNING_MISSED,
    [WARNING_IN_LATE_SHARE] = WARNING_LATE,
    [WARNING_IN_LATENESS] = WARNING_LATE,
    [WARNING_IN_LATENESS_LAST] = WARNING_LATE,
    [WARNING_IN_STANDING] = WARNING_SCORES,
    [WARNING_IN_STANDING_LOW] = WARNING_SCORES,
    [WARNING_IN_STANDING_POOR] = WARNING_SCORES,
    [WARNING_IN_STANDING_MARKED] = WARNING_SCORES,
    [WARNING_IN_STANDING_QUIZ] = WARNING_SCORES,
    [WARNING_IN_NO_QUIZ] = WARNING_SCORES,
    [WARNING_IN_STANDING_LAST] = WARNING_SCORES,
    [WARNING_IN_STANDING_LEAST] = WARNING_SCORES,
    [WARNING_IN_STANDING_CHANGE] = WARNING_SCORES,
    [WARNING_IN_SCORE] = WARNING_SCORES,
    [WARNING_IN_SCORE_LOW] = WARNING_SCORES,
    [WARNING_IN_SCORE_HIGH] = WARNING_SCORES,
    [WARNING_IN_SCORE_LAST_POOR] = WARNING_SCORES,
    [WARNING_IN_REGISTERED] = WARNING_START,
    [WARNING_IN_REGISTERED_LATE] = WARNING_START,
    [WARNING_IN_REGISTERED_AFTER] = WARNING_START,
    [WARNING_IN_REGISTERED_EARLY] = WARNING_START,
    [WARNING_IN_ATTEMPTS] = WARNING_START,
    [WARNING_IN_REPEATS] = WARNING_START,
    [WARNING_IN_CREDITS] = WARNING_START,
    [WARNING_IN_CREDITS_MANY] = WARNING_START,
    [WARNING_IN_CREDITS_FEW] = WARNING_START,
    [WARNING_IN_PLACE_DAY] = WARNING_LATE,
    [WARNING_IN_PLACE_DAY_LAST] = WARNING_LATE,
    [WARNING_IN_PLACE_SCORE] = WARNING_SCORES,
    [WARNING_IN_PLACE_SCORE_LAST] = WARNING_SCORES,
    [WARNING_IN_PLACE_SCORE_LEAST] = WARNING_SCORES,
    [WARNING_IN_PLACE_SCORE_TOP] = WARNING_SCORES,
    [WARNING_IN_PLACE_SCORE_LOW] = WARNING_SCORES,
    [WARNING_IN_PLACE_BOTH] = WARNING_SCORES,
    [WARNING_IN_MARKS_MISSED] = WARNING_MISSED,
    [WARNING_IN_MARKS_LOST] = WARNING_SCORES,
    [WARNING_IN_MARKS_GOT] = WARNING_SCORES,
    [WARNING_IN_MARKS_NEEDED] = WARNING_SCORES,
    [WARNING_IN_MARKS_OUT_OF_REACH] = WARNING_MISSED,
    [WARNING_IN_SCORE_NOTHING] = WARNING_SCORES,
    [WARNING_IN_EDUCATION] = WARNING_START,
    [WARNING_IN_EDUCATION + 1] = WARNING_START,
    [WARNING_IN_EDUCATION + 2] = WARNING_START,
    [WARNING_IN_EDUCATION + 3] = WARNING_START,
    [WARNING_IN_EDUCATION + 4] = WARNING_START,
    [WARNING_IN_AHEAD_ALONE] = WARNING_LATE,
    [WARNING_IN_RECORD] = WARNING_START,
};

/* of those the weights were fitted on: who is not known stands where these do on average */
static const double education_shares[WARNING_EDUCATIONS] = {0,      0.0101, 0.4192,
                                                            0.4285, 0.1350, 0.0071};

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

/* One step of Newton's from 0 to the most probable intercept, no further than +-1.5. */
static double shift(double surplus, double spread, double prior_sd)
{
    return clamp(surplus / (spread + 1 / (prior_sd * prior_sd)), -1.5, 1.5);
}

/* ---- the learner's other courses ---- */

void warning_record_learn(struct warning_record *r, double first, double now)
{
    ASSERT(first >= 0 && first <= 1 && now >= 0 && now <= 1);
    r->surplus += now - first;
    r->spread += fmax(0, first * (1 - first) - now * (1 - now)); /* what is no longer open */
}

/* ---- set work ---- */

/* Of the pieces that share a day, all count: the worst, or the mean, never the first in a list. */
struct tally {
    int32_t missed_marked, n_of[2]; /* [quiz] */
    double standing_of[2];
    int32_t due, missed, handed, late, ahead, carried, scored, counted;
    double alone, ahead_alone, lateness, standings, scores;
    double least, first_standing, last_standing, last_score; /* means over the day's pieces */
    int32_t last_due, last_missed, last_handed_n, first_scored_n, last_scored_n, last_score_n;
    int32_t last_handed, first_scored, last_scored, last_scored_counting;
    double last_lateness;
    double marks_missed, marks_lost, marks_got, marks_due; /* of the final hundred */
    int32_t nothings;
    double day_places, score_places, least_place, last_day_place, last_score_place;
    int32_t days_placed, scores_placed, day_edge, day_edge_n, score_edge, score_edge_n;
};

/* The mean of what falls on the earliest or latest day. */
static void at_edge(bool later, int32_t day, double v, int32_t *edge, int32_t *n, double *mean)
{
    if (*n == 0 || (later ? day > *edge : day < *edge)) {
        *edge = day;
        *n = 0;
        *mean = 0;
    }
    if (day == *edge)
        *mean += (v - *mean) / ++*n;
}

/* The last piece is the last that a person marked; a quiz only where there is no such. */
static int32_t weight_day(const struct warning_task *task)
{
    int32_t day = task->due_day < -10000 ? -10000 : task->due_day > 100000 ? 100000 : task->due_day;

    return task->quiz ? day - 1000000 : day;
}

static void tally_score(struct tally *t, const struct warning_task *task)
{
    double z = clamp(task->standing, -3, 3);

    if (!isnan(task->standing)) {
        t->standings += z;
        t->standing_of[task->quiz] += z;
        t->n_of[task->quiz]++;
        t->least = t->scored++ ? fmin(t->least, z) : z;
        at_edge(false, task->due_day, z, &t->first_scored, &t->first_scored_n, &t->first_standing);
        at_edge(true, weight_day(task), z, &t->last_scored, &t->last_scored_n, &t->last_standing);
    }
    if (!isnan(task->score_place)) {
        t->least_place = fmin(t->scores_placed++ ? t->least_place : 0.5, task->score_place);
        t->score_places += task->score_place;
        at_edge(true, task->due_day, task->score_place, &t->score_edge, &t->score_edge_n,
                &t->last_score_place);
    }
    t->nothings += task->score < 1;
    if (!isnan(task->score) && task->weight > 0) {
        t->scores += task->score;
        t->counted++;
        at_edge(true, weight_day(task), task->score, &t->last_scored_counting, &t->last_score_n,
                &t->last_score);
    }
}

static void tally_marks(struct tally *t, const struct warning_task *task, bool handed, bool due)
{
    double got = handed && !isnan(task->score) ? task->weight * task->score / 100 : 0;

    t->marks_got += got;
    if (due) {
        t->marks_due += task->weight;
        t->marks_missed += handed ? 0 : task->weight;
        t->marks_lost += task->weight - got;
    }
}

static void tally_task(struct tally *t, const struct warning_task *task, int32_t day)
{
    static const double begun = 0.05; /* share of the cohort; before, it says little */
    bool handed = task->handed_day <= day, due = task->due_day <= day;
    double behind = handed && !task->carried ? (double)task->handed_day - task->due_day : 0;

    if (due) {
        t->due++;
        t->missed += !handed;
        t->missed_marked += !handed && !task->quiz;
        if (t->due == 1 || task->due_day > t->last_due)
            t->last_missed = 0, t->last_due = task->due_day;
        if (task->due_day == t->last_due)
            t->last_missed += !handed;
    }
    tally_marks(t, task, handed, due);
    if (!handed) {
        t->alone += due || task->share > begun ? task->share : 0;
        return;
    }
    t->handed++;
    t->ahead += !due;
    t->ahead_alone += !due && task->share > begun ? 1 - task->share : 0;
    t->carried += task->carried;
    t->late += behind > 0;
    t->lateness += clamp(behind, -20, 30);
    at_edge(true, weight_day(task), clamp(behind, -20, 30), &t->last_handed, &t->last_handed_n,
            &t->last_lateness);
    if (!task->carried && !isnan(task->day_place)) {
        t->days_placed++;
        t->day_places += task->day_place;
        at_edge(true, task->due_day, task->day_place, &t->day_edge, &t->day_edge_n,
                &t->last_day_place);
    }
    tally_score(t, task);
}

static bool place_ok(double place)
{
    return isnan(place) || (place >= 0 && place <= 1);
}

static bool task_ok(const struct warning_task *t)
{
    return place_ok(t->score_place) && place_ok(t->day_place) && t->weight >= 0 &&
           t->weight <= 100 && (isnan(t->score) || (t->score >= 0 && t->score <= 100)) &&
           !isinf(t->standing) && t->share >= 0 && t->share <= 1;
}

static void read_scores(const struct tally *t, double *x)
{
    double n = t->scored, mean = n > 0 ? t->standings / n : 0;
    double score = t->counted ? t->scores / t->counted : 75;

    x[WARNING_IN_STANDING] = n > 0 ? t->standings / (n + 0.5) : 0;
    x[WARNING_IN_STANDING_LOW] = fmin(0, n > 0 ? mean + 0.5 : 0);
    x[WARNING_IN_STANDING_POOR] = fmin(0, n > 0 ? mean + 1.5 : 0);
    x[WARNING_IN_STANDING_MARKED] = t->n_of[0] ? t->standing_of[0] / t->n_of[0] : 0;
    x[WARNING_IN_STANDING_QUIZ] = t->n_of[1] ? t->standing_of[1] / t->n_of[1] : 0;
    x[WARNING_IN_NO_QUIZ] = t->n_of[1] == 0;
    x[WARNING_IN_STANDING_LAST] = n > 0 ? t->last_standing : 0;
    x[WARNING_IN_STANDING_LEAST] = n > 0 ? t->least : 0;
    x[WARNING_IN_STANDING_CHANGE] = n > 0 ? t->last_standing - t->first_standing : 0;
    /* who has no score yet stands low, as those who fail do; who only has what does not count
     * stands in the middle */
    x[WARNING_IN_SCORE] = t->counted || n > 0 ? score / 100 : 0.5;
    x[WARNING_IN_SCORE_LOW] = t->counted ? fmax(0, 60 - score) / 40 : 0;
    x[WARNING_IN_SCORE_HIGH] = t->counted ? fmax(0, score - 85) / 15 : 0;
    x[WARNING_IN_SCORE_LAST_POOR] = t->last_score_n ? fmax(0, 40 - t->last_score) / 40 : 0;
}

static void read_places(const struct tally *t, double *x)
{
    double day = t->days_placed ? t->day_places / t->days_placed - 0.5 : 0,
           score = t->scores_placed ? t->score_places / t->scores_placed - 0.5 : 0;

    x[WARNING_IN_PLACE_DAY] = day;
    x[WARNING_IN_PLACE_DAY_LAST] = t->days_placed ? t->last_day_place - 0.5 : 0;
    x[WARNING_IN_PLACE_SCORE] = score;
    x[WARNING_IN_PLACE_SCORE_LAST] = t->scores_placed ? t->last_score_place - 0.5 : 0;
    x[WARNING_IN_PLACE_SCORE_LEAST] = t->scores_placed ? t->least_place - 0.5 : 0;
    x[WARNING_IN_PLACE_SCORE_TOP] = fmax(0, score - 0.25);
    x[WARNING_IN_PLACE_SCORE_LOW] = fmax(0, -0.25 - score);
    x[WARNING_IN_PLACE_BOTH] = 4 * score * day;
}

static void read_marks(const struct tally *t, double *x)
{
    double left = 100 - t->marks_due;

    x[WARNING_IN_MARKS_MISSED] = fmin(t->marks_missed, 100) / 50;
    x[WARNING_IN_MARKS_LOST] = fmin(t->marks_lost, 100) / 50;
    x[WARNING_IN_MARKS_GOT] = fmin(t->marks_got, 100) / 50;
    x[WARNING_IN_MARKS_NEEDED] = fmax(0, 40 - t->marks_got) / fmax(10, left);
    x[WARNING_IN_MARKS_OUT_OF_REACH] = t->marks_missed > 60;
    x[WARNING_IN_SCORE_NOTHING] = t->nothings > 0;
}

static void read_start(const struct warning_learner *l, double *x)
{
    static const double record_sd = 1.25; /* between learners, beyond what their work tells */
    bool known = l->registered_day != WARNING_NEVER;
    double day = known ? clamp(l->registered_day, -200, 30) : 0;

    x[WARNING_IN_REGISTERED] = day / 100;
    x[WARNING_IN_REGISTERED_LATE] = known && day > -20;
    x[WARNING_IN_REGISTERED_AFTER] = known && day > 0;
    x[WARNING_IN_REGISTERED_EARLY] = fmax(0, -100 - day) / 100;
    x[WARNING_IN_ATTEMPTS] = clamp(l->attempts, 0, 3);
    x[WARNING_IN_REPEATS] = l->attempts > 0;
    x[WARNING_IN_CREDITS] = l->credits > 0 ? fmin(l->credits, 4) : 1;
    x[WARNING_IN_CREDITS_MANY] = l->credits > 1;
    x[WARNING_IN_CREDITS_FEW] = l->credits > 0 && l->credits <= 0.5;
    for (int i = 1; i < WARNING_EDUCATIONS && l->education != WARNING_EDUCATION_UNKNOWN; i++)
        x[WARNING_IN_EDUCATION + i - 1] = ((int)l->education == i) - education_shares[i];
    x[WARNING_IN_RECORD] = shift(l->record.surplus, l->record.spread, record_sd);
}

enum err warning_read(const struct warning_learner *l, int32_t day, double ret[WARNING_INPUTS])
{
    struct tally t = {0};
    int32_t newest = INT32_MIN;

    if (l->task_count < 0 || l->task_count > WARNING_TASKS_MAX || l->attempts < 0 ||
        isnan(l->credits) || day < 0 || (unsigned)l->education >= WARNING_EDUCATIONS ||
        !isfinite(l->record.surplus) || !isfinite(l->record.spread) || l->record.spread < 0)
        return ERR_RANGE;
    for (int32_t i = 0; i < l->task_count; i++) {
        const struct warning_task *task = &l->tasks[i];

        if (!task_ok(task))
            return ERR_RANGE;
        tally_task(&t, task, day);
        if (task->handed_day <= day && task->handed_day > newest)
            newest = task->handed_day;
    }

    memset(ret, 0, WARNING_INPUTS * sizeof *ret);
    ret[WARNING_IN_ONE] = 1;
    ret[WARNING_IN_MISSED_SHARE] = t.due ? (double)t.missed / t.due : 0;
    ret[WARNING_IN_MISSED_ANY] = t.missed > 0;
    ret[WARNING_IN_MISSED] = fmin(t.missed, 12);
    ret[WARNING_IN_MISSED_ALONE] = fmin(t.alone, 12);
    ret[WARNING_IN_MISSED_MARKED] = fmin(t.missed_marked, 12);
    ret[WARNING_IN_MISSED_LAST] = t.last_missed > 0;
    ret[WARNING_IN_NOTHING] = t.handed == 0;
    ret[WARNING_IN_AHEAD] = fmin(t.ahead, 12);
    ret[WARNING_IN_AHEAD_ANY] = t.ahead > 0;
    ret[WARNING_IN_AHEAD_ALONE] = fmin(t.ahead_alone, 12);
    ret[WARNING_IN_CARRIED] = t.carried > 0;
    ret[WARNING_IN_CARRIED_ONLY] = t.carried > 0 && t.carried == t.handed;
    ret[WARNING_IN_SILENT_DAYS] =
        t.handed ? clamp((double)day - newest, 0, 60) / 30 : 2; /* as after sixty days */
    ret[WARNING_IN_LATE_SHARE] = t.handed ? (double)t.late / t.handed : 0;
    ret[WARNING_IN_LATENESS] = t.handed ? t.lateness / t.handed / 10 : 0;
    ret[WARNING_IN_LATENESS_LAST] = t.last_lateness / 10;
    read_scores(&t, ret);
    read_places(&t, ret);
    read_marks(&t, ret);
    read_start(l, ret);
    return ERR_OK;
}

/* ---- forecast ---- */

void warning_course_learn(struct warning_course *c, int32_t landmark, double risk, bool bad_end)
{
    ASSERT(landmark >= 0 && landmark < WARNING_LANDMARKS_MAX && risk >= 0 && risk <= 1);
    c->surplus[landmark] += (bad_end ? 1 : 0) - risk;
    c->spread[landmark] += risk * (1 - risk);
}

/* What earlier runs of the course came to. */
static double past_shift(const struct warning_course *c, int32_t landmark)
{
    static const double prior_sd = 0.3; /* between courses */

    return shift(c->surplus[landmark], c->spread[landmark], prior_sd);
}

/* How many have left this run, against the usual share: a course that is left more than others will
 * be failed more, too, if not in the same measure. */
static double left_shift(const struct warning_course *c, double usual)
{
    static const double measure = 0.6, prior_spread = 100;
    double surplus = c->left - c->began * usual, spread = c->began * usual * (1 - usual);

    return clamp(measure * surplus / (spread + prior_spread), -1.5, 1.5);
}

enum err warning_forecast(const struct warning_model *m, const struct warning_course *course,
                          const double inputs[WARNING_INPUTS], int32_t day,
                          struct warning_forecast *ret)
{
    int32_t i = 0;

    ASSERT(m->landmark_count > 0 && m->landmark_count <= WARNING_LANDMARKS_MAX);
    if (day < m->landmarks[0].day)
        return ERR_RANGE;
    while (i + 1 < m->landmark_count && m->landmarks[i + 1].day <= day)
        i++;
    const struct warning_landmark *a = &m->landmarks[i], *b = i + 1 < m->landmark_count ? a + 1 : a;
    double part = b > a ? (double)(day - a->day) / (b->day - a->day) : 0, sum = 0;

    *ret = (struct warning_forecast){.strongest = WARNING_BASE};
    for (int j = 0; j < WARNING_INPUTS; j++) {
        double w = a->weights[j] + part * (b->weights[j] - a->weights[j]);

        ASSERT(isfinite(inputs[j]));
        ret->reasons[reason_of[j]] += w * inputs[j];
    }
    if (course) {
        double from = past_shift(course, i), to = b > a ? past_shift(course, i + 1) : from;

        ASSERT(course->left >= 0 && course->left <= course->began);
        ret->reasons[WARNING_COURSE] =
            from + part * (to - from) + left_shift(course, a->left + part * (b->left - a->left));
    }
    for (int r = 0; r < WARNING_REASONS; r++) {
        double best = ret->strongest == WARNING_BASE ? 0 : ret->reasons[ret->strongest];

        sum += ret->reasons[r];
        if (r != WARNING_BASE && ret->reasons[r] > best)
            ret->strongest = (enum warning_reason)r;
    }
    ret->risk = 1 / (1 + exp(-sum));
    return ERR_OK;
}

bool warning_absent(int64_t last_visit_us, int64_t now_us)
{
    /* as unsigned: instants far apart must not overflow */
    return now_us > last_visit_us &&
           (uint64_t)now_us - (uint64_t)last_visit_us >= (uint64_t)WARNING_ABSENT_DAYS * US_PER_DAY;
}

/* ---- visits ---- */

struct visit_tally {
    int64_t last, gap, last_day;
    int32_t days, sessions, posts, handed;
    double actions, today, log_sum; /* sum of n log n over the days before today */
};

static double n_log_n(double n)
{
    return n > 1 ? n * log(n) : 0;
}

static void tally_visit(struct visit_tally *t, const struct warning_visit *v, int64_t from)
{
    static const int64_t pause_us = 30 * US_PER_MINUTE; /* a longer one begins a new session */
    int64_t gap = v->at - t->last, day = (v->at - from) / US_PER_DAY;

    ASSERT(v->more >= 0);
    t->gap = gap > t->gap ? gap : t->gap;
    t->sessions += t->days == 0 || gap > pause_us;
    if (day != t->last_day) {
        t->days++;
        t->log_sum += n_log_n(t->today);
        t->today = 0;
    }
    t->today += 1.0 + v->more;
    t->actions += 1.0 + v->more;
    t->last_day = day;
    t->posts += v->post;
    t->handed += v->handed;
    t->last = v->at;
}

/* Entropy of the actions over the days, of what it could be; on one day or none no day stands out.
 */
static double evenness(const struct visit_tally *t)
{
    if (t->days < 2)
        return 1;
    double log_sum = t->log_sum + n_log_n(t->today);
    return clamp((log(t->actions) - log_sum / t->actions) / log(t->days), 0, 1);
}

void warning_visits_read(const struct warning_visit *v, int32_t n, int64_t from, int64_t to,
                         double ret[WARNING_VISIT_INPUTS])
{
    struct visit_tally t = {.last = from, .last_day = -1};
    double window = (double)(to - from);

    ASSERT(from < to && n >= 0);
    for (int32_t i = 0; i < n; i++)
        if (v[i].at >= from && v[i].at < to)
            tally_visit(&t, &v[i], from);
    ret[WARNING_VISIT_ONE] = 1;
    ret[WARNING_VISIT_SILENCE] = clamp(fmax((double)t.gap, (double)(to - t.last)) / window, 0, 1);
    ret[WARNING_VISIT_DAYS] = clamp(t.days * (double)US_PER_DAY / window, 0, 1);
    ret[WARNING_VISIT_SESSIONS] = log1p(t.sessions);
    ret[WARNING_VISIT_ACTIONS] = log1p(t.actions);
    ret[WARNING_VISIT_POSTS] = log1p(t.posts);
    ret[WARNING_VISIT_HANDED] = log1p(t.handed);
    ret[WARNING_VISIT_GAP] = t.days ? clamp((double)t.gap / window, 0, 1) : 1;
    ret[WARNING_VISIT_EVEN] = evenness(&t);
}

double warning_visits_risk(const double weights[WARNING_VISIT_INPUTS],
                           const double inputs[WARNING_VISIT_INPUTS])
{
    double odds = 0;

    for (int i = 0; i < WARNING_VISIT_INPUTS; i++)
        odds += weights[i] * inputs[i];
    return 1 / (1 + exp(-odds));
}

/* ---- fitting ---- */

struct fit {
    const double *x;
    const uint8_t *y;
    int32_t rows, inputs;
    double *penalty, *prior; /* of each input */
    double *hessian;         /* inputs * inputs, then its Cholesky factor */
    double *step, *trial;
};

static double dot(const double *a, const double *b, int32_t n)
{
    double sum = 0;

    for (int32_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* log(1 + e^v) without overflow */
static double soft(double v)
{
    return v > 0 ? v + log1p(exp(-v)) : log1p(exp(v));
}

/* What is minimised. */
static double cost_of(const struct fit *f, const double *w)
{
    double sum = 0;

    for (int32_t i = 0; i < f->rows; i++) {
        double odds = dot(f->x + (size_t)i * f->inputs, w, f->inputs);

        sum += soft(f->y[i] ? -odds : odds);
    }
    for (int32_t j = 0; j < f->inputs; j++)
        sum += f->penalty[j] * (w[j] - f->prior[j]) * (w[j] - f->prior[j]) / 2;
    return sum;
}

/* step = -H^-1 g at w */
static void newton(struct fit *f, const double *w)
{
    int32_t k = f->inputs;
    double *h = f->hessian, *g = f->step;

    memset(h, 0, (size_t)k * k * sizeof *h);
    for (int32_t j = 0; j < k; j++)
        g[j] = -f->penalty[j] * (w[j] - f->prior[j]);
    for (int32_t i = 0; i < f->rows; i++) {
        const double *x = f->x + (size_t)i * k;
        double p = 1 / (1 + exp(-dot(x, w, k))), curve = p * (1 - p);

        for (int32_t j = 0; j < k; j++) {
            if (x[j] > 0 || x[j] < 0) {
                g[j] += x[j] * (f->y[i] - p);
                for (int32_t l = 0; l <= j; l++)
                    h[j * k + l] += curve * x[j] * x[l];
            }
        }
    }
    for (int32_t j = 0; j < k; j++) /* Cholesky, in place, lower */
        for (int32_t l = 0; l <= j; l++) {
            double v = h[j * k + l] + (l == j ? f->penalty[j] : 0) -
                       dot(h + (size_t)j * k, h + (size_t)l * k, l);

            h[j * k + l] = l == j ? sqrt(fmax(v, 1e-12)) : v / h[l * k + l];
        }
    for (int32_t j = 0; j < k; j++)
        g[j] = (g[j] - dot(h + (size_t)j * k, g, j)) / h[j * k + j];
    for (int32_t j = k; j-- > 0;) {
        for (int32_t l = j + 1; l < k; l++)
            g[j] -= h[l * k + j] * g[l];
        g[j] /= h[j * k + j];
    }
}

/* ERR_RANGE: a value is not finite, or there is only one outcome. */
static enum err weigh(struct fit *f, double ridge)
{
    bool seen[2] = {false, false};

    for (int32_t i = 0; i < f->rows; i++)
        seen[f->y[i] != 0] = true;
    for (int32_t j = 0; j < f->inputs; j++) {
        double mean = 0, squares = 0;

        for (int32_t i = 0; i < f->rows; i++) {
            double v = f->x[(size_t)i * f->inputs + j], off = v - mean;

            mean += off / (i + 1);
            squares += off * (v - mean);
        }
        if (!isfinite(squares))
            return ERR_RANGE;
        f->penalty[j] = j == 0 ? 1e-9 : ridge * fmax(squares / f->rows, WARNING_SPREAD_MIN);
    }
    return seen[0] && seen[1] ? ERR_OK : ERR_RANGE;
}

static void descend(struct fit *f, double *w)
{
    enum { STEPS = 50, HALVINGS = 20 };
    double cost = cost_of(f, w);

    for (int step = 0; step < STEPS; step++) {
        double gain = 0, by = 1;

        newton(f, w);
        for (int half = 0; half < HALVINGS && gain <= 0; half++, by /= 2) {
            for (int32_t j = 0; j < f->inputs; j++)
                f->trial[j] = w[j] + by * f->step[j];
            gain = cost - cost_of(f, f->trial);
        }
        if (!(gain > 0))
            return;
        memcpy(w, f->trial, (size_t)f->inputs * sizeof *w);
        cost -= gain;
        if (gain < 1e-9 * (1 + cost))
            return;
    }
}

enum err warning_fit(struct arena *scratch, const double *x, const uint8_t *y, int32_t rows,
                     int32_t inputs, double ridge, const double *prior, double *ret_weights)
{
    ASSERT(inputs > 0 && inputs <= WARNING_FIT_INPUTS_MAX && ridge > 0);
    if (rows <= 0)
        return ERR_RANGE;

    size_t k = (size_t)inputs;
    double *room = arena_new(scratch, double, k *k + 5 * k);
    if (!room)
        return ERR_NOMEM;
    double *w = room + k * k + 4 * k;
    struct fit f = {.x = x,
                    .y = y,
                    .rows = rows,
                    .inputs = inputs,
                    .hessian = room,
                    .penalty = room + k * k,
                    .prior = room + k * k + k,
                    .step = room + k * k + 2 * k,
                    .trial = room + k * k + 3 * k};
    enum err e = weigh(&f, ridge);

    if (e != ERR_OK)
        return e;
    if (prior)
        memcpy(f.prior, prior, k * sizeof *prior);
    memcpy(w, f.prior, k * sizeof *w);
    descend(&f, w);
    memcpy(ret_weights, w, k * sizeof *w);
    return ERR_OK;
}
