#include "twin/memory_fit.h"

#include "base/assert.h"

#include <math.h>
#include <string.h>

enum { N = MEMORY_WEIGHTS };

/* The deviations are those with which the open optimizer of FSRS draws weights to the defaults
 * (found there over some thousand collections); first stabilities lie within a factor of three. */
const struct memory_prior memory_prior_default = {
    .mean = {{0.212,  1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001,  1.8722, 0.1666, 0.796,
              1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542}},
    .sd = {1.1, 1.1,  1.1,  1.1,  0.57, 0.28, 0.6,  0.12, 0.39, 0.18, 0.33,
           0.3, 0.09, 0.16, 0.57, 0.25, 1.03, 0.31, 0.32, 0.14, 0.27},
};

/* ---- a card's state, and how it moves with each weight ---- */

struct trace {
    double s, d;
    double ds[N], dd[N];
};

/* What is the same for all reviews under the same weights. */
struct fixed {
    const double *w;
    double k, factor, dfactor; /* decay is -k; dfactor: by k */
    double growth;             /* e^w8 */
    double easy, deasy;        /* D0(Easy), not clamped; deasy: by w5 */
    double cap;                /* e^(-w17 w18) */
};

static struct fixed fixed_of(const double *w)
{
    double k = w[20], above = exp(-log(0.9) / k), e3 = exp(3 * w[5]);

    return (struct fixed){.w = w,
                          .k = k,
                          .factor = above - 1,
                          .dfactor = above * log(0.9) / (k * k),
                          .growth = exp(w[8]),
                          .easy = w[4] - e3 + 1,
                          .deasy = -3 * e3,
                          .cap = exp(-w[17] * w[18])};
}

/* log R(t, S), by S and by k. */
static double log_recall(const struct fixed *f, double s, double days, double *ret_by_s,
                         double *ret_by_k)
{
    double x = f->factor * days / s, u = 1 + x, log_u = log1p(x);

    *ret_by_s = f->k * x / (s * u);
    *ret_by_k = -log_u - f->k * days / s * f->dfactor / u;
    return -f->k * log_u;
}

static void scale_add(double *v, double a, const double *x, double b, const double *y)
{
    for (int i = 0; i < N; i++)
        v[i] = a * x[i] + b * y[i];
}

static void keep_stability(struct trace *t)
{
    if (t->s >= MEMORY_S_MIN && t->s <= MEMORY_S_MAX)
        return;
    t->s = t->s < MEMORY_S_MIN ? MEMORY_S_MIN : MEMORY_S_MAX;
    memset(t->ds, 0, sizeof t->ds);
}

static void keep_difficulty(struct trace *t)
{
    if (t->d >= 1 && t->d <= 10)
        return;
    t->d = t->d < 1 ? 1 : 10;
    memset(t->dd, 0, sizeof t->dd);
}

static void first_review(const struct fixed *f, struct trace *t, int grade)
{
    double e = exp(f->w[5] * (grade - 1));

    memset(t, 0, sizeof *t);
    t->s = f->w[grade - 1];
    t->ds[grade - 1] = 1;
    t->d = f->w[4] - e + 1;
    t->dd[4] = 1;
    t->dd[5] = -(grade - 1) * e;
    keep_difficulty(t);
}

static void move_difficulty(const struct fixed *f, struct trace *t, int grade)
{
    const double *w = f->w;
    double step = -(grade - 3) / 9.0, moved = t->d + (10 - t->d) * w[6] * step;
    double by_d = (1 - w[7]) * (1 - w[6] * step), by_w6 = (1 - w[7]) * (10 - t->d) * step;

    for (int i = 0; i < N; i++)
        t->dd[i] *= by_d;
    t->dd[4] += w[7];
    t->dd[5] += w[7] * f->deasy;
    t->dd[6] += by_w6;
    t->dd[7] += f->easy - moved;
    t->d = w[7] * f->easy + (1 - w[7]) * moved;
    keep_difficulty(t);
}

/* r: recall before the review; r_by_s, r_by_k: its derivatives. */
static void move_recalled(const struct fixed *f, struct trace *t, int grade, double r,
                          double r_by_s, double r_by_k)
{
    const double *w = f->w;
    double s = t->s, d = t->d, e = exp((1 - r) * w[10]),
           bonus = grade == GRADE_HARD   ? w[15]
                   : grade == GRADE_EASY ? w[16]
                                         : 1;
    double head = s * f->growth * exp(-w[9] * log(s)), plain = head * (11 - d) * (e - 1);
    double gain = plain * bonus, by_r = -head * (11 - d) * bonus * e * w[10];
    double by_s = 1 + gain * (1 - w[9]) / s + by_r * r_by_s, by_d = -head * (e - 1) * bonus;

    scale_add(t->ds, by_s, t->ds, by_d, t->dd);
    t->ds[8] += gain;
    t->ds[9] -= gain * log(s);
    t->ds[10] += head * (11 - d) * bonus * e * (1 - r);
    t->ds[20] += by_r * r_by_k;
    if (grade == GRADE_HARD)
        t->ds[15] += plain;
    if (grade == GRADE_EASY)
        t->ds[16] += plain;
    t->s = s + gain;
}

static void move_forgotten(const struct fixed *f, struct trace *t, double r, double r_by_s,
                           double r_by_k)
{
    const double *w = f->w;
    double s = t->s, d = t->d, cap = s * f->cap, log_d = log(d);
    double head = exp(-w[12] * log_d + (1 - r) * w[14]), power = exp(w[13] * log1p(s));
    double plain = head * (power - 1), left = w[11] * plain;

    if (left < cap) {
        double by_r = -left * w[14], by_s = w[11] * head * power * w[13] / (s + 1) + by_r * r_by_s;

        scale_add(t->ds, by_s, t->ds, -left * w[12] / d, t->dd);
        t->ds[11] += plain;
        t->ds[12] -= left * log_d;
        t->ds[13] += w[11] * head * power * log1p(s);
        t->ds[14] += left * (1 - r);
        t->ds[20] += by_r * r_by_k;
        t->s = left;
        return;
    }
    for (int i = 0; i < N; i++)
        t->ds[i] *= f->cap;
    t->ds[17] -= cap * w[18];
    t->ds[18] -= cap * w[17];
    t->s = cap;
}

static void move_same_day(const struct fixed *f, struct trace *t, int grade)
{
    const double *w = f->w;
    double s = t->s, by = grade - 3 + w[18], growth = exp(w[17] * by - w[19] * log(s));

    if (grade >= GRADE_HARD && growth < 1)
        return;
    for (int i = 0; i < N; i++)
        t->ds[i] *= growth * (1 - w[19]);
    t->ds[17] += s * growth * by;
    t->ds[18] += s * growth * w[17];
    t->ds[19] -= s * growth * log(s);
    t->s = s * growth;
}

/* ---- the loss ---- */

struct sums {
    double loss;
    double gradient[N];
    double fisher[N][N]; /* lower half */
    int32_t judged, recalled;
};

/* In the log odds of recall, the loss of one outcome has slope r - y and curvature r (1 - r). */
static void judge(struct sums *sums, const struct trace *t, bool recalled, double log_r, double r,
                  double log_by_s, double log_by_k)
{
    double missed = fmax(-expm1(log_r), 1e-12), weight = r * missed;
    double dz[N];

    sums->judged++;
    sums->recalled += recalled;
    sums->loss -= recalled ? log_r : log(missed);
    for (int i = 0; i < N; i++)
        dz[i] = t->ds[i] * log_by_s / missed;
    dz[20] += log_by_k / missed;
    for (int i = 0; i < N; i++) {
        double a = weight * dz[i];

        sums->gradient[i] += (r - recalled) * dz[i];
        for (int j = 0; j <= i; j++)
            sums->fisher[i][j] += a * dz[j];
    }
}

static void review(const struct fixed *f, struct trace *t, const struct memory_step *step,
                   struct sums *sums)
{
    if (step->grade < GRADE_AGAIN || step->grade > GRADE_EASY)
        return;
    if (step->days < 0 || !(t->s > 0)) {
        first_review(f, t, step->grade);
        return;
    }
    if (step->days >= 1) {
        double by_s, by_k, log_r = log_recall(f, t->s, step->days, &by_s, &by_k), r = exp(log_r);

        judge(sums, t, step->grade > GRADE_AGAIN, log_r, r, by_s, by_k);
        if (step->grade == GRADE_AGAIN)
            move_forgotten(f, t, r, r * by_s, r * by_k);
        else
            move_recalled(f, t, step->grade, r, r * by_s, r * by_k);
    } else {
        move_same_day(f, t, step->grade);
    }
    move_difficulty(f, t, step->grade); /* last: stability moves by the old one */
    keep_stability(t);
}

static void pass(const struct memory_weights *w, const struct memory_step *steps, int32_t count,
                 struct sums *ret)
{
    struct fixed f = fixed_of(w->w);
    struct trace t = {0};

    memset(ret, 0, sizeof *ret);
    for (int32_t i = 0; i < count; i++) {
        if (steps[i].days < 0)
            t.s = 0; /* also where the card's first row is no review */
        review(&f, &t, &steps[i], ret);
    }
}

double memory_fit_loss(const struct memory_weights *w, const struct memory_step *steps,
                       int32_t count, double ret_gradient[MEMORY_WEIGHTS])
{
    struct sums sums;

    pass(w, steps, count, &sums);
    memcpy(ret_gradient, sums.gradient, sizeof sums.gradient);
    return sums.loss;
}

/* ---- the minimum ---- */

static bool by_log(int i)
{
    return MEMORY_LOGS >> i & 1;
}

/* How far x stands from its mean in the prior, in standard deviations. */
static double apart(const struct memory_prior *prior, int i, double x)
{
    double mean = prior->mean.w[i];

    return (by_log(i) ? log(x / mean) : x - mean) / prior->sd[i];
}

/* Adds the prior, and turns derivatives by the weights into those by their coordinates. */
static double with_prior(const struct memory_prior *prior, const struct memory_weights *w,
                         struct sums *sums)
{
    double total = sums->loss;

    for (int i = 0; i < N; i++) {
        double by = by_log(i) ? w->w[i] : 1;

        sums->gradient[i] *= by;
        for (int j = 0; j <= i; j++)
            sums->fisher[i][j] *= by * (by_log(j) ? w->w[j] : 1);
    }
    for (int i = 0; i < N; i++) {
        double z = apart(prior, i, w->w[i]);

        total += z * z / 2;
        sums->gradient[i] += z / prior->sd[i];
        sums->fisher[i][i] += 1 / (prior->sd[i] * prior->sd[i]);
    }
    return total;
}

/* a (lower half, positive definite) becomes its Cholesky factor. Every diagonal here holds 1 / sd^2
 * of a prior at least, so that it cannot fail by rounding within the limits on the reviews. */
static void factorize(double a[N][N])
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++) {
            double sum = a[i][j];

            for (int k = 0; k < j; k++)
                sum -= a[i][k] * a[j][k];
            a[i][j] = i == j ? sqrt(fmax(sum, 1e-12)) : sum / a[j][j];
        }
}

static void solve(double l[N][N], double *x)
{
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < i; k++)
            x[i] -= l[i][k] * x[k];
        x[i] /= l[i][i];
    }
    for (int i = N - 1; i >= 0; i--) {
        for (int k = i + 1; k < N; k++)
            x[i] -= l[k][i] * x[k];
        x[i] /= l[i][i];
    }
}

/* Those that stand at an end of their range and would leave it stay where they are. */
static bool is_held(const struct memory_weights *w, const struct sums *at, int i)
{
    double low, high;

    memory_weight_range(i, &low, &high);
    return (w->w[i] <= low && at->gradient[i] > 0) || (w->w[i] >= high && at->gradient[i] < 0);
}

/* One damped step from w. */
static struct memory_weights stepped(const struct memory_weights *w, const struct sums *at,
                                     double damping)
{
    struct memory_weights next = *w;
    double a[N][N], x[N];

    for (int i = 0; i < N; i++) {
        bool held = is_held(w, at, i);

        x[i] = held ? 0 : -at->gradient[i];
        for (int j = 0; j < i; j++)
            a[i][j] = held || is_held(w, at, j) ? 0 : at->fisher[i][j];
        a[i][i] = at->fisher[i][i] * (1 + damping);
    }
    factorize(a);
    solve(a, x);
    for (int i = 0; i < N; i++) {
        double low, high;

        memory_weight_range(i, &low, &high);
        next.w[i] = by_log(i) ? w->w[i] * exp(x[i]) : w->w[i] + x[i];
        next.w[i] = fmin(fmax(next.w[i], low), high);
    }
    return next;
}

/* The Laplace deviations: the diagonal of the inverse. */
static void deviations(const struct sums *at, double *ret_sd)
{
    double a[N][N];

    memcpy(a, at->fisher, sizeof a);
    factorize(a);
    for (int i = 0; i < N; i++) {
        double x[N] = {0};

        x[i] = 1;
        solve(a, x);
        ret_sd[i] = sqrt(x[i]);
    }
}

static bool is_good_prior(const struct memory_prior *prior)
{
    for (int i = 0; i < N; i++) {
        double low, high, x = prior->mean.w[i];

        memory_weight_range(i, &low, &high);
        if (!(x >= low && x <= high) || !(prior->sd[i] > 0 && prior->sd[i] <= 1e3))
            return false;
    }
    return true;
}

static void descend(const struct memory_step *steps, int32_t count,
                    const struct memory_prior *prior, struct sums *at, struct memory_fit *fit)
{
    static const double good_enough = 1e-5; /* nats over all reviews */
    struct sums trial;
    double damping = 1e-3, total = with_prior(prior, &fit->weights, at), first = total;

    while (fit->steps < MEMORY_FIT_STEPS_MAX && damping < 1e9) {
        struct memory_weights next = stepped(&fit->weights, at, damping);

        fit->steps++;
        pass(&next, steps, count, &trial);
        double loss = trial.loss, total_next = with_prior(prior, &next, &trial);
        if (!(total_next < total)) { /* NaN too */
            damping *= 8;
            continue;
        }
        double gain = total - total_next;
        damping = fmax(damping / 8, 1e-6);
        fit->weights = next;
        fit->loss = loss / fit->judged;
        total = total_next;
        *at = trial;
        if (gain < good_enough)
            break;
    }
    fit->total = total;
    fit->outcome = total < first ? MEMORY_FIT_DONE : MEMORY_FIT_NO_GAIN;
    deviations(at, fit->sd);
}

enum err memory_fit(const struct memory_step *steps, int32_t count,
                    const struct memory_prior *prior, struct memory_fit *ret)
{
    struct sums at;

    if (count < 0 || count > MEMORY_FIT_REVIEWS_MAX || !is_good_prior(prior))
        return ERR_RANGE;
    *ret = (struct memory_fit){.weights = prior->mean, .outcome = MEMORY_FIT_TOO_FEW, .total = NAN};
    memcpy(ret->sd, prior->sd, sizeof ret->sd);
    pass(&prior->mean, steps, count, &at);
    ret->judged = at.judged;
    ret->recalled = at.recalled;
    ret->loss_before = ret->loss = at.judged ? at.loss / at.judged : (double)NAN;
    if (at.judged >= MEMORY_FIT_JUDGED_MIN)
        descend(steps, count, prior, &at, ret);
    return ERR_OK;
}

double memory_fit_sd(const struct memory_step *steps, int32_t count,
                     const struct memory_prior *prior, const struct memory_fit *fit,
                     const double derivatives[MEMORY_WEIGHTS])
{
    struct sums at;
    double x[N], variance = 0;

    pass(&fit->weights, steps, count, &at);
    with_prior(prior, &fit->weights, &at);
    factorize(at.fisher);
    memcpy(x, derivatives, sizeof x);
    solve(at.fisher, x);
    for (int i = 0; i < N; i++)
        variance += derivatives[i] * x[i];
    return sqrt(fmax(0, variance));
}

void memory_prior_from(const struct memory_fit *const *learners, int32_t count,
                       const struct memory_prior *base, double base_learners,
                       struct memory_prior *ret)
{
    ASSERT(count >= 0 && base_learners > 0);
    for (int i = 0; i < N; i++) {
        double n = base_learners + count, mean = base->mean.w[i], sum = 0, squares = 0, low, high;

        mean = by_log(i) ? log(mean) : mean;
        for (int32_t l = 0; l < count; l++) {
            double x = learners[l]->weights.w[i], z = (by_log(i) ? log(x) : x) - mean;

            sum += z;
            squares += z * z + learners[l]->sd[i] * learners[l]->sd[i];
        }
        double shift = sum / n,
               variance = (base_learners * base->sd[i] * base->sd[i] + squares) / n - shift * shift;
        memory_weight_range(i, &low, &high);
        mean += shift;
        ret->mean.w[i] = fmin(fmax(by_log(i) ? exp(mean) : mean, low), high);
        ret->sd[i] = sqrt(fmax(variance, base->sd[i] * base->sd[i] / 16));
    }
}
