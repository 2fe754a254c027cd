#include "twin/study.h"

#include "base/civil.h"

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

static bool is_good(const struct share cells[STUDY_SLOTS], const int64_t sessions[STUDY_SLOTS],
                    const struct study_surface *surface, int32_t slot)
{
    int64_t sittings = sessions[slot] + sessions[(slot + STUDY_SLOTS - 1) % STUDY_SLOTS];

    return cells[slot].n >= STUDY_CELL_NEEDED && sittings >= STUDY_CELL_SESSIONS &&
           surface->interval[slot].low > surface->pool.mean;
}

int32_t study_windows(const struct share cells[STUDY_SLOTS], const int64_t sessions[STUDY_SLOTS],
                      const struct study_surface *surface,
                      struct study_window ret[STUDY_WINDOWS_MAX])
{
    int32_t count = 0;

    for (int32_t from = 0, to; from < STUDY_SLOTS; from = to) {
        struct share sum = {0, 0};
        for (to = from; to < STUDY_SLOTS && to / STUDY_HOURS == from / STUDY_HOURS &&
                        is_good(cells, sessions, surface, to);
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
    for (int32_t i = 0; i < STUDY_LENGTHS; i++) {
        if (buckets[i].sessions < STUDY_LENGTH_NEEDED || cells[i].n < STUDY_CELL_NEEDED)
            continue;
        struct interval in = stats_pooled_interval(&pool, cells[i]);
        if (!(in.low > pool.mean) || (best.bucket >= 0 && in.low <= best.interval.low))
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
