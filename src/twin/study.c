#include "twin/study.h"

#include "base/civil.h"
#include "twin/dist.h"

#include <math.h>

const int32_t study_length_from[STUDY_LENGTHS + 1] = {0, 10, 20, 30, 40, 50, 60, 90, 120};

void study_surface(const struct share cells[STUDY_SLOTS], struct study_surface *ret)
{
    ret->pool = stats_pool(cells, STUDY_SLOTS);
    for (int32_t i = 0; i < STUDY_SLOTS; i++) {
        bool some = cells[i].n > 0;
        ret->rate[i] = some ? stats_pooled_rate(&ret->pool, cells[i]) : NAN;
        ret->interval[i] =
            some ? stats_pooled_interval(&ret->pool, cells[i]) : (struct interval){NAN, NAN};
    }
}

/* Keeps `ret` sorted by the lower end, best first, at most STUDY_WINDOWS_MAX. */
static int32_t keep_window(struct study_window *ret, int32_t n, const struct study_window *w)
{
    int32_t at = n;

    while (at > 0 && ret[at - 1].interval.low < w->interval.low)
        at--;
    if (at == STUDY_WINDOWS_MAX)
        return n;
    if (n < STUDY_WINDOWS_MAX)
        n++;
    for (int32_t i = n - 1; i > at; i--)
        ret[i] = ret[i - 1];
    ret[at] = *w;
    return n;
}

/* Surely above the mean, when `compared` groups are looked at and the answers of one sitting hang
 * together: the lower end of an interval that holds all groups' at once, by as many answers as they
 * are worth. */
static bool is_above(const struct pool *pool, struct share s, int64_t sittings, int32_t compared)
{
    double each = s.n / (double)sittings, worth = fmin(1, 1 / (1 + (each - 1) * STUDY_TOGETHER));
    double z = dist_normal_quantile(1 - 0.025 / compared);
    struct interval in =
        stats_wilson(s.k * worth + pool->mean * pool->strength, s.n * worth + pool->strength, z);
    return in.low > pool->mean;
}

static int64_t sittings_of(const int64_t sessions[STUDY_SLOTS], int32_t slot)
{
    return sessions[slot] + sessions[(slot + STUDY_SLOTS - 1) % STUDY_SLOTS];
}

static bool is_enough(const struct share cells[STUDY_SLOTS], const int64_t sessions[STUDY_SLOTS],
                      int32_t slot)
{
    return cells[slot].n >= STUDY_CELL_NEEDED && sittings_of(sessions, slot) >= STUDY_CELL_SESSIONS;
}

/* An hour of the week is good when its own interval lies above the mean, and so does, for sure, it
 * or its hour of the day over the whole week, which has seven times the data. */
static void find_good(const struct share cells[STUDY_SLOTS], const int64_t sessions[STUDY_SLOTS],
                      const struct study_surface *surface, bool good[STUDY_SLOTS])
{
    struct share hours[STUDY_HOURS] = {{0, 0}};
    int64_t sittings[STUDY_HOURS] = {0};
    int32_t compared = 0;

    for (int32_t i = 0; i < STUDY_SLOTS; i++) {
        hours[i % STUDY_HOURS].k += cells[i].k;
        hours[i % STUDY_HOURS].n += cells[i].n;
        sittings[i % STUDY_HOURS] += cells[i].n > 0 ? sittings_of(sessions, i) : 0;
        compared += is_enough(cells, sessions, i);
    }
    struct pool pool = stats_pool(hours, STUDY_HOURS);
    for (int32_t h = 0; h < STUDY_HOURS; h++)
        compared += sittings[h] >= STUDY_CELL_SESSIONS;
    for (int32_t i = 0; i < STUDY_SLOTS; i++) {
        int32_t h = i % STUDY_HOURS;
        good[i] = is_enough(cells, sessions, i) && surface->interval[i].low > surface->pool.mean &&
                  (is_above(&surface->pool, cells[i], sittings_of(sessions, i), compared) ||
                   (sittings[h] >= STUDY_CELL_SESSIONS &&
                    is_above(&pool, hours[h], sittings[h], compared)));
    }
}

int32_t study_windows(const struct share cells[STUDY_SLOTS], const int64_t sessions[STUDY_SLOTS],
                      const struct study_surface *surface,
                      struct study_window ret[STUDY_WINDOWS_MAX])
{
    bool good[STUDY_SLOTS];
    int32_t count = 0;

    find_good(cells, sessions, surface, good);
    for (int32_t from = 0, to; from < STUDY_SLOTS; from = to) {
        struct share sum = {0, 0};
        for (to = from; to < STUDY_SLOTS && to / STUDY_HOURS == from / STUDY_HOURS && good[to];
             to++) {
            sum.k += cells[to].k;
            sum.n += cells[to].n;
        }
        if (to == from) {
            to++;
            continue;
        }
        struct study_window w = {
            .day = from / STUDY_HOURS,
            .start_hour = from % STUDY_HOURS,
            .end_hour = (to - 1) % STUDY_HOURS,
            .rate = stats_pooled_rate(&surface->pool, sum),
            .interval = stats_pooled_interval(&surface->pool, sum),
            .n = (int64_t)sum.n,
        };
        count = keep_window(ret, count, &w);
    }
    return count;
}

struct mean_estimate study_length_mean(const struct study_length buckets[STUDY_LENGTHS])
{
    int64_t n = 0;
    double sum = 0, sum_sq = 0;

    for (int32_t i = 0; i < STUDY_LENGTHS; i++) {
        const struct study_length *b = &buckets[i];
        if (b->sessions <= 0)
            continue;
        double minutes = (double)b->study_ms / 60000, mean = minutes / (double)b->sessions;
        double width = study_length_from[i + 1] - study_length_from[i];
        n += b->sessions;
        sum += minutes;
        sum_sq += (double)b->sessions * (mean * mean + width * width / 12);
    }
    return stats_mean(n, sum, sum_sq);
}

struct study_length_choice study_length_best(const struct study_length buckets[STUDY_LENGTHS])
{
    struct share cells[STUDY_LENGTHS];
    struct study_length_choice best = {
        .bucket = -1, .minutes = NAN, .rate = NAN, .interval = {NAN, NAN}};

    for (int32_t i = 0; i < STUDY_LENGTHS; i++)
        cells[i] = (struct share){(double)buckets[i].succeeded, (double)buckets[i].graded};
    struct pool pool = stats_pool(cells, STUDY_LENGTHS);
    best.rate_all = pool.mean;
    best.n = (int64_t)pool.n;
    int32_t compared = 0;
    for (int32_t i = 0; i < STUDY_LENGTHS; i++)
        compared += buckets[i].sessions >= STUDY_LENGTH_NEEDED && cells[i].n >= STUDY_CELL_NEEDED;
    for (int32_t i = 0; i < STUDY_LENGTHS; i++) {
        if (buckets[i].sessions < STUDY_LENGTH_NEEDED || cells[i].n < STUDY_CELL_NEEDED)
            continue;
        struct interval in = stats_pooled_interval(&pool, cells[i]);
        if (!is_above(&pool, cells[i], buckets[i].sessions, compared) ||
            (best.bucket >= 0 && in.low <= best.interval.low))
            continue;
        best.bucket = i;
        best.interval = in;
        best.rate = stats_pooled_rate(&pool, cells[i]);
        best.minutes = (double)buckets[i].study_ms / 60000 / (double)buckets[i].sessions;
    }
    return best;
}

static int64_t more(int64_t needed, int64_t have)
{
    return have < needed ? needed - have : 0;
}

struct study_gate study_gate(int64_t first_at_us, int64_t now_us, int64_t sessions, int64_t graded)
{
    bool dated = first_at_us != TIME_NONE && first_at_us < now_us;
    struct study_gate g = {
        /* as unsigned: instants far apart must not overflow */
        .weeks =
            dated ? (int64_t)(((uint64_t)now_us - (uint64_t)first_at_us) / (7 * US_PER_DAY)) : 0,
        .sessions = sessions,
        .graded = graded,
    };
    g.weeks_more = more(STUDY_WEEKS_NEEDED, g.weeks);
    g.sessions_more = more(STUDY_SESSIONS_NEEDED, sessions);
    g.graded_more = more(STUDY_GRADED_NEEDED, graded);
    g.sufficient = !g.weeks_more && !g.sessions_more && !g.graded_more;
    g.quality = (fmin(1, (double)g.weeks / STUDY_WEEKS_NEEDED) + fmin(1, (double)sessions / 50) +
                 fmin(1, (double)graded / 200)) /
                3;
    return g;
}
