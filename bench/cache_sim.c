/* How often the cache misses, beside the algorithm's reference and LRU, on the same questions.
 *
 *   cache_sim                   made-up traces: Zipf of several skews, and with scans in between
 *   cache_sim FILE [BYTES]      one key per line, or lines "time,id,size" (libCacheSim's CSV; a
 * first line that is no data is passed over); BYTES is the size of a body where the file names none
 * (1000)
 *
 * The caches are given a fixed share of what all the trace's answers take. Misses in per cent. */
#include "base/assert.h"
#include "base/hash.h"
#include "cache/cache.h"
#include "cache_model.h"
#include "cache_trace.h"

#include <inttypes.h>

enum { REQUESTS = 2000000, POPULAR = 100000, SCANNED = 50000, LINE = 4096, BODY = ANSWER_BODY_MAX };

static char body[BODY];
static struct generations *generations;

static struct answer *answer_for(uint32_t bytes)
{
    struct answer_spec spec = {.status = 200,
                               .cache_control = "private",
                               .body = {body, bytes},
                               .fresh_until_us = INT64_MAX,
                               .stale_until_us = INT64_MAX};
    struct answer *a;

    stamp_take(generations, NULL, 0, &spec.stamp);
    ASSERT(answer_new(&spec, &a) == ERR_OK);
    return a;
}

static struct cache *cache_for(size_t bytes_max)
{
    struct cache_options options = {bytes_max, 0, generations};
    struct cache *c;

    ASSERT(cache_new(&options, &c) == ERR_OK);
    return c;
}

/* The key's own bytes are its name; the hash is fixed, so that each run is the same. */
static struct cache_key key_of(const int32_t *key)
{
    return (struct cache_key){{(const char *)key, sizeof *key}, hash_stable(key, sizeof *key)};
}

/* What each answer costs in the cache; returns the sum. */
static uint64_t costs_of(const struct trace *t, uint32_t *costs)
{
    uint64_t sum = 0;

    for (int32_t i = 0; i < t->key_count; i++) {
        struct cache_key key = key_of(&i);
        struct answer *a = answer_for(t->sizes[i]);

        sum += costs[i] = (uint32_t)cache_cost(&key, a);
        answer_unref(a);
    }
    return sum;
}

static int64_t misses_of(const struct trace *t, struct cache *c)
{
    struct cache_lookup how = {.age_max_us = INT64_MAX};
    int64_t misses = 0;

    for (int64_t i = 0; i < t->n; i++) {
        struct cache_key key = key_of(&t->keys[i]);
        struct answer *a;
        struct flight *f;

        if (cache_find(c, &key, &how, NULL, &a, &f) == CACHE_FILL) {
            misses++;
            a = answer_for(t->sizes[t->keys[i]]);
            flight_end(c, f, a, true, ERR_OK);
        }
        answer_unref(a);
    }
    return misses;
}

static int64_t misses_of_model(const struct trace *t, enum model_kind kind, uint64_t room,
                               const uint32_t *costs)
{
    struct model m;
    int64_t misses = 0;

    model_init(&m, kind, room, t->key_count);
    for (int64_t i = 0; i < t->n; i++)
        misses += !model_ask(&m, t->keys[i], costs[t->keys[i]]);
    model_fini(&m);
    return misses;
}

static void run(const char *name, const struct trace *t)
{
    static const double shares[] = {0.01, 0.03, 0.1, 0.3};
    uint32_t *costs = calloc((size_t)t->key_count, sizeof *costs);

    ASSERT(costs);
    uint64_t all = costs_of(t, costs);

    for (size_t i = 0; i < COUNT(shares); i++) {
        struct cache *c = cache_for((size_t)((double)all * shares[i]));
        struct cache_stats s;

        cache_stats(c, &s);
        uint64_t room = (uint64_t)(s.bytes_max - s.bytes); /* what the tables leave */
        double scale = 100 / (double)t->n;
        double ours = (double)misses_of(t, c) * scale;
        double reference = (double)misses_of_model(t, MODEL_S3FIFO, room, costs) * scale;
        double lru = (double)misses_of_model(t, MODEL_LRU, room, costs) * scale;

        printf("%-26s %8.2f MB  cache %6.2f  S3-FIFO %6.2f (%+.2f)  LRU %6.2f (%+.2f)\n", name,
               (double)s.bytes_max / 1e6, ours, reference, ours - reference, lru, ours - lru);
        cache_free(c);
    }
    free(costs);
}

/* ---- a trace from a file ---- */

struct reading {
    struct arena arena;
    struct strmap ids; /* name to number + 1 */
    struct trace t;
    int64_t keys_room;
    int32_t sizes_room;
};

static void *grown(void *p, int64_t count, size_t each)
{
    p = realloc(p, (size_t)count * each);
    ASSERT(p);
    return p;
}

static void take(struct reading *r, struct str id, uint32_t bytes)
{
    char *name = arena_alloc(&r->arena, id.n, 1);

    ASSERT(name);
    memcpy(name, id.p, id.n);
    void **slot = strmap_slot(&r->ids, (struct str){name, id.n});

    ASSERT(slot);
    if (!*slot) {
        if (r->t.key_count == r->sizes_room) {
            r->sizes_room = r->sizes_room ? r->sizes_room * 2 : 1024;
            r->t.sizes = grown(r->t.sizes, r->sizes_room, sizeof *r->t.sizes);
        }
        r->t.sizes[r->t.key_count++] = bytes;
        *slot = (void *)(intptr_t)r->t.key_count;
    }
    if (r->t.n == r->keys_room) {
        r->keys_room = r->keys_room ? r->keys_room * 2 : 1024;
        r->t.keys = grown(r->t.keys, r->keys_room, sizeof *r->t.keys);
    }
    r->t.keys[r->t.n++] = (int32_t)(intptr_t)*slot - 1;
}

static void take_line(struct reading *r, struct str line, uint32_t usual)
{
    struct str rest = line, time = str_trim(str_cut(&rest, ','));
    int64_t bytes, ignored;

    if (!rest.p) {
        if (time.n)
            take(r, time, usual);
        return;
    }
    struct str id = str_trim(str_cut(&rest, ','));

    rest = rest.p ? str_trim(str_cut(&rest, ',')) : STR("");
    if (str_to_i64(time, &ignored) != ERR_OK || id.n == 0)
        return;
    if (str_to_i64(rest, &bytes) != ERR_OK || bytes < 1)
        bytes = usual;
    take(r, id, (uint32_t)(bytes > BODY ? BODY : bytes));
}

static int run_file(const char *path, uint32_t usual)
{
    static char line[LINE];
    struct reading r = {.sizes_room = 0};
    FILE *in = fopen(path, "r");

    if (!in) {
        perror(path);
        return 1;
    }
    arena_init(&r.arena, SIZE_MAX / 2);
    strmap_init(&r.ids, &r.arena);
    while (fgets(line, sizeof line, in))
        take_line(&r, (struct str){line, strcspn(line, "\r\n")}, usual);
    fclose(in);
    printf("%s: %" PRId64 " requests for %d keys\n", path, r.t.n, r.t.key_count);
    if (r.t.n)
        run("file", &r.t);
    trace_fini(&r.t);
    arena_fini(&r.arena);
    return 0;
}

static void run_invented(void)
{
    static const struct {
        const char *name;
        double skew, scan;
    } traces[] = {{"Zipf 0.6", 0.6, 0},
                  {"Zipf 0.8", 0.8, 0},
                  {"Zipf 1.0", 1.0, 0},
                  {"Zipf 1.2", 1.2, 0},
                  {"Zipf 0.9, 20 % scans", 0.9, 0.2},
                  {"Zipf 0.9, 50 % scans", 0.9, 0.5}};

    for (size_t i = 0; i < COUNT(traces); i++) {
        struct trace t;

        trace_zipf(&t, i + 1, REQUESTS, POPULAR, traces[i].skew, traces[i].scan > 0 ? SCANNED : 0,
                   traces[i].scan);
        run(traces[i].name, &t);
        trace_fini(&t);
    }
}

int main(int argc, char **argv)
{
    int64_t usual = 1000;

    if (argc > 3 || (argc == 3 && (str_to_i64(str_from(argv[2]), &usual) != ERR_OK || usual < 1 ||
                                   usual > BODY))) {
        fprintf(stderr, "usage: cache_sim [FILE [BYTES]]\n");
        return 2;
    }
    ASSERT(generations_new(&generations) == ERR_OK);
    if (argc > 1)
        return run_file(argv[1], (uint32_t)usual);
    run_invented();
    generations_free(generations);
    return 0;
}
