/* The cache by itself: what a hit costs, and a miss with the filling of it (the answer made,
 * hashed, kept, another evicted), on one thread and on two that ask for the same keys; and what the
 * process grows by when keys of all sizes pass through. Medians of rounds.
 *
 * A hit is: the key's hash, the look-up with the check of three tags, the reference given back. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cache/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ROUNDS = 11, STEPS = 200000, BODY = 1500, KEY = 64, TAGS = 3, CHURN = 1000000 };

static struct generations *generations;
static struct cache *cache;
static char body[40000];

struct question {
    char text[KEY];
    struct cache_key key;
    struct tag tags[TAGS];
};
static struct question *questions;
static int32_t question_count;

static void questions_make(int32_t n)
{
    questions = calloc((size_t)n, sizeof *questions);
    ASSERT(questions);
    question_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct question *q = &questions[i];
        char learner[32];
        int m = snprintf(q->text, sizeof q->text, "get_burnout_risk|learner-%07d|days=30|self", i);

        q->key = cache_key_of((struct str){q->text, (size_t)m});
        snprintf(learner, sizeof learner, "learner-%07d", i);
        q->tags[0] = tag_of(TAG_LEARNER, str_from(learner));
        q->tags[1] = tag_of(TAG_ENDPOINT, STR("get_burnout_risk"));
        q->tags[2] = tag_of(TAG_COURSE, STR("course-1"));
    }
}

static void cache_open(size_t bytes_max)
{
    struct cache_options options = {bytes_max, 0, generations};

    cache_free(cache);
    ASSERT(cache_new(&options, &cache) == ERR_OK);
}

static void fill(struct flight *f, size_t bytes)
{
    struct answer_spec spec = {.status = 200,
                               .cache_control = "private, max-age=60",
                               .body = {body, bytes},
                               .fresh_until_us = INT64_MAX,
                               .stale_until_us = INT64_MAX,
                               .stamp = *flight_stamp(f)};
    struct answer *a;

    ASSERT(answer_new(&spec, &a) == ERR_OK);
    flight_end(cache, f, a, true, ERR_OK);
    answer_unref(a);
}

static enum cache_result ask(const struct question *q, size_t bytes)
{
    struct cache_key key = cache_key_of(q->key.text);
    struct cache_lookup how = {.now_us = 1,
                               .age_max_us = INT64_MAX,
                               .early = 0.5,
                               .refresh = true,
                               .tags = q->tags,
                               .tag_count = TAGS};
    struct answer *a;
    struct flight *f;
    enum cache_result result = cache_find(cache, &key, &how, NULL, &a, &f);

    if (result == CACHE_FILL && f)
        fill(f, bytes);
    answer_unref(a);
    return result;
}

struct lane {
    pthread_t thread;
    uint64_t seed;
    int32_t keys;
    double ns;
    int64_t hits;
};
static pthread_barrier_t start;

static void *drive(void *p)
{
    struct lane *lane = p;
    struct rng r;
    struct timespec from, to;

    rng_seed(&r, lane->seed);
    lane->hits = 0;
    pthread_barrier_wait(&start);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from); /* others use this machine too */
    for (int i = 0; i < STEPS; i++)
        lane->hits += ask(&questions[rng_u64(&r) % (uint64_t)lane->keys], BODY) == CACHE_HIT;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    lane->ns =
        ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / STEPS;
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void measure(const char *what, int threads, int32_t keys)
{
    struct lane lanes[2];
    double ns[ROUNDS];
    int64_t hits = 0;

    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (int round = 0; round < ROUNDS; round++) {
        ns[round] = 0;
        for (int i = 0; i < threads; i++) {
            lanes[i] = (struct lane){.seed = (uint64_t)(round * 2 + i), .keys = keys};
            ASSERT(pthread_create(&lanes[i].thread, NULL, drive, &lanes[i]) == 0);
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(lanes[i].thread, NULL);
            ns[round] += lanes[i].ns / threads;
            hits += lanes[i].hits;
        }
    }
    pthread_barrier_destroy(&start);
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    printf("%-34s %d thread%s %7.0f ns   (least %.0f; %.1f %% hits)\n", what, threads,
           threads > 1 ? "s" : " ", ns[ROUNDS / 2], ns[0],
           100.0 * (double)hits / ((double)ROUNDS * STEPS * threads));
}

/* What to hold the larger working set against: one read that misses all of the processor's caches,
 * here and now. A hit among 200 MB has some six of them. */
static void measure_memory(void)
{
    enum { LINES = (200 << 20) / 64, READS = 1000000 };
    uint32_t *next = calloc(LINES, 64);
    struct rng r;
    struct timespec from, to;
    uint32_t at = 0;

    ASSERT(next);
    rng_seed(&r, 1);
    for (uint32_t i = 0; i < LINES; i++)
        next[(size_t)i * 16] = (uint32_t)rng_below(&r, LINES);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (uint32_t i = 0; i < READS; i++)
        at = next[(size_t)((at + i) % LINES) * 16];
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    printf("%-34s %d thread  %7.0f ns   (%u)\n", "a random read of 200 MB", 1,
           ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / READS,
           at % 2);
    free(next);
}

static int64_t resident_bytes(void)
{
    long pages = 0, ignored;
    FILE *f = fopen("/proc/self/statm", "r");

    ASSERT(f && fscanf(f, "%ld %ld", &ignored, &pages) == 2);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Twice the bound's worth many times over, bodies from 100 bytes to 40 KB. */
static void churn(size_t bytes_max)
{
    struct rng r;
    struct cache_stats s;

    rng_seed(&r, 1);
    cache_free(cache);
    cache = NULL;
    int64_t before = resident_bytes();

    cache_open(bytes_max);
    for (int i = 0; i < CHURN; i++) {
        size_t bytes = 100 + rng_below(&r, rng_below(&r, 20) ? 3000 : 39000);

        ask(&questions[rng_below(&r, (uint64_t)question_count)], bytes);
    }
    cache_stats(cache, &s);
    printf("%d random keys through %zu MiB: %.1f MiB in %lld entries, resident + %.1f MiB\n", CHURN,
           bytes_max >> 20, (double)s.bytes / (1 << 20), (long long)s.entries,
           (double)(resident_bytes() - before) / (1 << 20));
}

int main(void)
{
    ASSERT(generations_new(&generations) == ERR_OK);
    questions_make(400000);
    memset(body, 'x', sizeof body);
    measure_memory();
    cache_open((size_t)256 << 20);
    for (int threads = 1; threads <= 2; threads++) {
        measure("hit, one key", threads, 1);
        measure("hit, 1,000 keys", threads, 1000);
        measure("hit, 100,000 keys (200 MB)", threads, 100000);
    }
    cache_open(8 << 20);
    for (int threads = 1; threads <= 2; threads++)
        measure("miss and insertion of 1.5 KB", threads, question_count);
    churn((size_t)64 << 20);
    cache_free(cache);
    generations_free(generations);
    free(questions);
    return 0;
}
