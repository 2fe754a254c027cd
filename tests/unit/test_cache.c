#include "test.h"

#include "../../bench/cache_model.h"
#include "../../bench/cache_trace.h"
#include "base/hash.h"
#include "base/rng.h"
#include "cache/cache.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MIB = 1 << 20, FRESH = 100, STALE = 200, WAITERS = 20000 };

static struct generations *g;
static struct cache *c;

static void open_cache(size_t bytes_max, int32_t waiters_max)
{
    struct cache_options options = {bytes_max, waiters_max, g};

    cache_free(c);
    c = NULL;
    assert_int_equal(cache_new(&options, &c), ERR_OK);
}

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(generations_new(&g), ERR_OK);
    open_cache(MIB, WAITERS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cache_free(c);
    generations_free(g);
    c = NULL;
    g = NULL;
    return 0;
}

static struct cache_stats stats(void)
{
    struct cache_stats s;

    cache_stats(c, &s);
    assert_true(s.bytes <= s.bytes_max || s.entries == 0);
    return s;
}

static struct tag learner(const char *id)
{
    return tag_of(TAG_LEARNER, str_from(id));
}

static struct answer *answer(const char *body, int64_t made, const struct stamp *stamp)
{
    struct answer_spec spec = {.status = 200,
                               .media = "application/json",
                               .cache_control = "private",
                               .body = str_from(body),
                               .made_us = made,
                               .fresh_until_us = made + FRESH,
                               .stale_until_us = made + STALE,
                               .cost_us = 10};
    struct answer *a = NULL;

    if (stamp)
        spec.stamp = *stamp;
    else
        stamp_take(g, NULL, 0, &spec.stamp);
    assert_int_equal(answer_new(&spec, &a), ERR_OK);
    return a;
}

/* A caller and what it got. */
struct caller {
    struct waiter w; /* first */
    struct cache_lookup how;
    enum cache_result result;
    struct answer *answer;
    struct flight *flight;
    int called;
    enum err failure;
};

static void done(struct waiter *w, struct answer *a, enum err e)
{
    struct caller *r = (struct caller *)w;

    assert_true((a != NULL) == (e == ERR_OK));
    r->answer = a;
    r->failure = e;
    r->called++;
}

static void find_how(struct caller *r, const char *text, struct cache_lookup how)
{
    struct cache_key key = cache_key_of(str_from(text));

    *r = (struct caller){.w = {.done = done}, .how = how};
    r->result = cache_find(c, &key, &how, &r->w, &r->answer, &r->flight);
}

static enum cache_result find(struct caller *r, const char *text, int64_t now)
{
    find_how(
        r, text,
        (struct cache_lookup){.now_us = now, .age_max_us = INT64_MAX, .early = 1, .refresh = true});
    return r->result;
}

/* Finds, expects that, and lets go what it got. */
static void expect(const char *text, int64_t now, enum cache_result result, const char *body)
{
    struct caller r;

    assert_int_equal(find(&r, text, now), result);
    if (body)
        assert_str(answer_body(r.answer), body);
    else
        assert_null(r.answer);
    answer_unref(r.answer);
    flight_end(c, r.flight, NULL, false, ERR_IO);
}

static void put(const char *text, const char *body, int64_t made)
{
    struct cache_key key = cache_key_of(str_from(text));
    struct answer *a = answer(body, made, NULL);

    cache_put(c, &key, a);
    answer_unref(a);
}

static void fill(struct caller *r, const char *body, int64_t made)
{
    struct answer *a = answer(body, made, flight_stamp(r->flight));

    flight_end(c, r->flight, a, true, ERR_OK);
    answer_unref(a);
}

/* ---- time and truth ---- */

static void a_filled_key_is_a_hit_until_its_times(void **state)
{
    (void)state;
    struct caller r;

    assert_int_equal(find(&r, "k", 1000), CACHE_FILL);
    fill(&r, "one", 1000);
    expect("k", 1000, CACHE_HIT, "one");
    expect("k", 1000 + FRESH - 1, CACHE_HIT, "one");
    expect("l", 1000, CACHE_FILL, NULL);
    expect("k", 1000 + FRESH, CACHE_STALE, "one");
    expect("k", 1000 + STALE, CACHE_FILL, NULL);
    struct cache_stats s = stats();

    assert_int_equal(s.entries, 0);
    assert_int_equal(s.dropped[DROP_EXPIRED], 1);
    assert_int_equal(s.hits, 2);
    assert_int_equal(s.stale_hits, 1);
    assert_int_equal(s.misses, 3);
    assert_int_equal(s.fills, 1);
    assert_int_equal(s.fill_failures, 3);
}

static bool hit(const char *text, int64_t now, int64_t age_max, double early)
{
    struct cache_key key = cache_key_of(str_from(text));
    struct answer *a = cache_hit(
        c, &key, &(struct cache_lookup){.now_us = now, .age_max_us = age_max, .early = early});

    answer_unref(a);
    return a != NULL;
}

/* The short way takes what is beyond doubt; all else is cache_find()'s, and it begins nothing. */
static void the_short_way_takes_fresh_and_true_answers_only(void **state)
{
    (void)state;
    put("k", "one", 1000);
    assert_true(hit("k", 1000 + FRESH - 1, INT64_MAX, 1));
    assert_false(hit("l", 1000, INT64_MAX, 1));
    assert_false(hit("k", 1000 + FRESH, INT64_MAX, 1));
    assert_true(hit("k", 1010, 10, 1));
    assert_false(hit("k", 1011, 10, 1));
    assert_false(hit("k", 1000 + FRESH - 1, INT64_MAX, 1e-12)); /* it would refresh early */
    generation_raise(g, TAG_EVERYTHING);
    assert_false(hit("k", 1000, INT64_MAX, 1));
    assert_int_equal(stats().hits, 2);
    assert_int_equal(stats().misses, 0);
}

static void a_raised_tag_ends_its_answers(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct cache_key key = cache_key_of(STR("k"));
    struct stamp stamp;

    stamp_take(g, &a, 1, &stamp);
    struct answer *made = answer("one", 0, &stamp);

    cache_put(c, &key, made);
    generation_raise(g, learner("b"));
    expect("k", 1, CACHE_HIT, "one");
    generation_raise(g, a);
    assert_null(cache_peek(c, &key, 1));
    expect("k", 1, CACHE_FILL, NULL);
    cache_put(c, &key, made); /* the same answer comes too late */
    expect("k", 1, CACHE_FILL, NULL);
    assert_int_equal(stats().dropped[DROP_OUTDATED], 1);
    answer_unref(made);
}

static void an_older_answer_does_not_take_the_place_of_a_younger(void **state)
{
    (void)state;
    put("k", "young", 50);
    put("k", "old", 40);
    expect("k", 60, CACHE_HIT, "young");
    put("k", "younger", 55);
    expect("k", 60, CACHE_HIT, "younger");
    assert_int_equal(stats().dropped[DROP_REPLACED], 1);
    assert_int_equal(stats().entries, 1);
}

static void too_old_for_the_blind_is_filled_anew_but_stays(void **state)
{
    (void)state;
    struct caller r;

    put("k", "one", 0);
    find_how(&r, "k", (struct cache_lookup){.now_us = 50, .age_max_us = 49});
    assert_int_equal(r.result, CACHE_FILL);
    expect("k", 51, CACHE_HIT, "one");
    fill(&r, "two", 50);
    expect("k", 51, CACHE_HIT, "two");
    find_how(&r, "k", (struct cache_lookup){.now_us = 99, .age_max_us = 49});
    assert_int_equal(r.result, CACHE_HIT);
    answer_unref(r.answer);
}

static void peek_gives_what_is_true_fresh_or_not(void **state)
{
    (void)state;
    struct cache_key key = cache_key_of(STR("k"));

    assert_null(cache_peek(c, &key, 0));
    put("k", "one", 0);
    struct answer *a = cache_peek(c, &key, STALE - 1);

    assert_non_null(a);
    answer_unref(a);
    assert_null(cache_peek(c, &key, STALE));
    assert_int_equal(stats().hits, 0);
}

static struct answer *answer_for_errors(const char *body, int64_t made, int64_t error_us)
{
    struct answer_spec spec = {.status = 200,
                               .media = "application/json",
                               .cache_control = "private",
                               .body = str_from(body),
                               .made_us = made,
                               .fresh_until_us = made + FRESH,
                               .stale_until_us = made + STALE,
                               .error_until_us = made + STALE + error_us};
    struct answer *a = NULL;

    stamp_take(g, (struct tag[]){learner("ada")}, 1, &spec.stamp);
    assert_int_equal(answer_new(&spec, &a), ERR_OK);
    return a;
}

static void assert_peek(const struct cache_key *key, int64_t now, const char *body)
{
    struct answer *a = cache_peek(c, key, now);

    assert_int_equal(a != NULL, body != NULL);
    if (a)
        assert_true(str_eq(answer_body(a), str_from(body)));
    answer_unref(a);
}

/* Past its stale time it is a miss for who looks it up, and there for whose fill has failed. */
static void what_is_kept_for_errors_is_no_hit(void **state)
{
    enum { KEPT = 1000 };
    struct cache_key key = cache_key_of(STR("k"));
    struct answer *one = answer_for_errors("one", 0, KEPT), *two;
    struct caller r;

    (void)state;
    cache_put(c, &key, one);
    answer_unref(one);
    expect("k", STALE - 1, CACHE_STALE, "one");
    for (int64_t now = STALE; now < STALE + KEPT; now += KEPT - 1) {
        find(&r, "k", now);
        assert_int_equal(r.result, CACHE_FILL);
        assert_peek(&key, now, "one");
        flight_end(c, r.flight, NULL, false, ERR_STORE_DOWN);
        assert_int_equal(cache_sweep(c, now, INT32_MAX), 0);
        assert_peek(&key, now, "one");
    }
    find(&r, "k", STALE + 1);
    two = answer_for_errors("two", STALE + 1, KEPT);
    flight_end(c, r.flight, two, true, ERR_OK);
    answer_unref(two);
    assert_int_equal(stats().entries, 1);
    assert_peek(&key, 2 * STALE + KEPT, "two");
    generation_raise(g, learner("ada"));
    assert_peek(&key, STALE + 2, NULL); /* what a write has made untrue serves nobody */
    assert_int_equal(stats().stale_hits, 1);
}

static void what_is_kept_for_errors_ends(void **state)
{
    struct cache_key key = cache_key_of(STR("k"));
    struct answer *a = answer_for_errors("one", 0, 1000);

    (void)state;
    cache_put(c, &key, a);
    answer_unref(a);
    assert_peek(&key, STALE + 999, "one");
    assert_peek(&key, STALE + 1000, NULL);
    for (int i = 0; i < CACHE_SHARDS; i++)
        cache_sweep(c, STALE + 1000, INT32_MAX);
    assert_int_equal(stats().entries, 0);
    assert_int_equal(stats().dropped[DROP_EXPIRED], 1);
}

/* ---- flights ---- */

static void all_who_wait_get_the_one_answer(void **state)
{
    (void)state;
    enum { N = 200 };
    static struct caller first, waits[N];

    assert_int_equal(find(&first, "k", 0), CACHE_FILL);
    for (int i = 0; i < N; i++)
        assert_int_equal(find(&waits[i], "k", 0), CACHE_WAIT);
    assert_int_equal(stats().misses, 1);
    fill(&first, "one", 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(waits[i].called, 1);
        assert_str(answer_body(waits[i].answer), "one");
        assert_ptr_equal(waits[i].answer, waits[0].answer);
        assert_false(flight_leave(c, &waits[i].w));
    }
    for (int i = 0; i < N; i++)
        answer_unref(waits[i].answer);
    expect("k", 1, CACHE_HIT, "one");
}

static void a_failure_reaches_all_who_wait_once(void **state)
{
    (void)state;
    struct caller first, a, b;

    find(&first, "k", 0);
    find(&a, "k", 0);
    find(&b, "k", 0);
    flight_end(c, first.flight, NULL, true, ERR_STORE_DOWN);
    assert_true(a.called == 1 && a.failure == ERR_STORE_DOWN);
    assert_true(b.called == 1 && b.failure == ERR_STORE_DOWN);
    assert_int_equal(stats().fill_failures, 1);
    expect("k", 0, CACHE_FILL, NULL);
}

static void who_leaves_is_not_called(void **state)
{
    (void)state;
    struct caller first, a, b, d;

    find(&first, "k", 0);
    find(&a, "k", 0);
    find(&b, "k", 0);
    find(&d, "k", 0);
    assert_true(flight_leave(c, &b.w)); /* from the middle, the front, the end */
    assert_true(flight_leave(c, &a.w));
    assert_true(flight_leave(c, &d.w));
    assert_false(flight_leave(c, &d.w));
    find(&b, "k", 0);
    fill(&first, "one", 0);
    assert_true(a.called == 0 && d.called == 0 && b.called == 1);
    answer_unref(b.answer);
}

static void more_than_may_wait_are_told_so(void **state)
{
    (void)state;
    struct caller first, a, b, other, d;
    struct cache_key key = cache_key_of(STR("k"));
    struct flight *flight;
    struct answer *none;

    open_cache(MIB, 1);
    find(&first, "k", 0);
    assert_int_equal(find(&a, "k", 0), CACHE_WAIT);
    assert_int_equal(find(&b, "k", 0), CACHE_BUSY);
    assert_int_equal(find(&other, "l", 0), CACHE_FILL); /* to fill is not to wait */
    assert_int_equal(cache_find(c, &key, &a.how, NULL, &none, &flight), CACHE_FILL);
    assert_null(flight);
    assert_true(flight_leave(c, &a.w));
    assert_int_equal(find(&d, "l", 0), CACHE_WAIT);
    flight_end(c, first.flight, NULL, false, ERR_IO);
    flight_end(c, other.flight, NULL, false, ERR_IO);
    assert_true(b.called == 0 && d.called == 1);
    flight_end(c, NULL, NULL, false, ERR_IO);
    assert_int_equal(stats().busy, 1);
}

/* The write came after the first began to read: who comes later must not get his answer. */
static void who_comes_after_a_write_does_not_join_an_older_fill(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct cache_lookup how = {.now_us = 0, .age_max_us = INT64_MAX, .tags = &a, .tag_count = 1};
    struct caller first, before, after, late;

    find_how(&first, "k", how);
    find_how(&before, "k", how);
    assert_int_equal(before.result, CACHE_WAIT);
    generation_raise(g, a);
    find_how(&after, "k", how);
    assert_int_equal(after.result, CACHE_FILL);
    find_how(&late, "k", how);
    assert_int_equal(late.result, CACHE_WAIT);
    fill(&first, "old", 0);
    assert_int_equal(before.called, 1);
    assert_str(answer_body(before.answer), "old");
    assert_int_equal(late.called, 0);
    assert_int_equal(stats().entries, 0); /* not kept */
    fill(&after, "new", 0);
    assert_str(answer_body(late.answer), "new");
    expect("k", 1, CACHE_HIT, "new");
    answer_unref(before.answer);
    answer_unref(late.answer);
}

static void a_stale_answer_is_refreshed_by_one(void **state)
{
    (void)state;
    struct caller first, second;
    struct cache_lookup cannot = {.now_us = FRESH, .age_max_us = INT64_MAX};

    put("k", "one", 0);
    find_how(&first, "k", cannot);
    assert_true(first.result == CACHE_STALE && !first.flight);
    answer_unref(first.answer);
    find(&first, "k", FRESH);
    find(&second, "k", FRESH);
    assert_true(first.result == CACHE_STALE && first.flight);
    assert_true(second.result == CACHE_STALE && !second.flight);
    fill(&first, "two", FRESH);
    answer_unref(first.answer);
    answer_unref(second.answer);
    expect("k", FRESH, CACHE_HIT, "two");
    assert_int_equal(stats().stale_hits, 3);
}

static void a_refresh_that_failed_is_not_tried_by_the_next(void **state)
{
    (void)state;
    struct caller r;
    struct cache_key key = cache_key_of(STR("k"));
    struct answer_spec spec = {.status = 200,
                               .cache_control = "",
                               .fresh_until_us = 1,
                               .stale_until_us = 10 * CACHE_RETRY_US};
    struct answer *a;

    assert_int_equal(answer_new(&spec, &a), ERR_OK);
    cache_put(c, &key, a);
    answer_unref(a);
    find(&r, "k", 5);
    assert_non_null(r.flight);
    answer_unref(r.answer);
    flight_end(c, r.flight, NULL, false, ERR_STORE_DOWN);
    find(&r, "k", CACHE_RETRY_US - 1);
    assert_true(r.result == CACHE_STALE && !r.flight);
    answer_unref(r.answer);
    find(&r, "k", 5 + CACHE_RETRY_US);
    assert_true(r.result == CACHE_STALE && r.flight);
    answer_unref(r.answer);
    flight_end(c, r.flight, NULL, false, ERR_STORE_DOWN);
}

/* cost 10 us, 100 us fresh: at 80, -ln(early) must reach 2. */
static void a_dear_answer_is_refreshed_early_by_chance(void **state)
{
    (void)state;
    static const struct {
        int64_t now;
        double early;
        bool refreshes;
    } cases[] = {{80, 0.14, false}, {80, 0.13, true}, {99, 0.95, false}, {99, 0.9, true},
                 {0, 1e-4, false},  {0, 4e-5, true},  {99, 1, false},    {99, 0, false}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct caller r;
        struct cache_lookup how = {.now_us = cases[i].now,
                                   .age_max_us = INT64_MAX,
                                   .early = cases[i].early,
                                   .refresh = true};

        open_cache(MIB, WAITERS);
        put("k", "one", 0);
        find_how(&r, "k", how);
        assert_int_equal(r.result, cases[i].refreshes ? CACHE_STALE : CACHE_HIT);
        assert_true((r.flight != NULL) == cases[i].refreshes);
        answer_unref(r.answer);
        if (r.flight)
            expect("k", cases[i].now, CACHE_HIT, "one"); /* this caller alone */
        flight_end(c, r.flight, NULL, false, ERR_IO);
        assert_int_equal(stats().early_refreshes, cases[i].refreshes);
    }
}

static void without_room_flights_still_work(void **state)
{
    (void)state;
    struct caller first, second;

    open_cache(0, WAITERS);
    find(&first, "k", 0);
    assert_int_equal(find(&second, "k", 0), CACHE_WAIT);
    fill(&first, "one", 0);
    assert_int_equal(second.called, 1);
    answer_unref(second.answer);
    expect("k", 0, CACHE_FILL, NULL);
    assert_int_equal(cache_drop_all(c), 0);
    assert_int_equal(cache_sweep(c, 0, 100), 0);
    assert_int_equal(stats().entries, 0);
}

/* ---- administration ---- */

static void drops_by_key_pattern_and_all(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int64_t drops;
    } cases[] = {{"load|*", 3},  {"*", 4},      {"load|a?", 1},  {"*|b", 2},   {"", 0},
                 {"load|a", 1},  {"*d|*b*", 1}, {"?", 0},        {"**a**", 4}, {"load|a1*", 1},
                 {"profile", 0}, {"*|a*x", 0},  {"********b", 2}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        open_cache(32 * MIB, WAITERS); /* several shards */
        put("load|a1", "x", 0);
        put("load|b", "x", 0);
        put("rank|b", "x", 0);
        put("load|a", "x", 0);
        cache_drop_key(c, STR("load|a1"));
        put("load|a1", "x", 0);
        int64_t n = cache_drop_pattern(c, str_from(cases[i].pattern));

        if (n != cases[i].drops)
            print_error("%s: %ld\n", cases[i].pattern, (long)n);
        assert_int_equal(n, cases[i].drops);
        assert_int_equal(stats().entries, 4 - n);
        assert_int_equal(cache_drop_all(c), 4 - n);
        assert_int_equal(stats().dropped[DROP_INVALIDATED], 5);
    }
    assert_int_equal(cache_drop_key(c, STR("nothing")), 0);
}

/* Keys that begin alike are kept in parts. */
static void keys_of_many_learners_are_found_and_dropped(void **state)
{
    enum { LEARNERS = 40 };
    char key[64];
    int64_t cost[2];

    (void)state;
    for (int i = 0; i < LEARNERS; i++) {
        int64_t before = stats().bytes;

        snprintf(key, sizeof key, "get_a|a2|{\"days\":30}|learner=%d", 100 + i);
        put(key, key, 0);
        cost[i > 0] = stats().bytes - before;
        snprintf(key, sizeof key, "get_b|a2|{\"days\":30}|learner=%d", 100 + i);
        put(key, key, 0);
    }
    assert_true(cost[1] < cost[0]);
    for (int i = 0; i < LEARNERS; i++) {
        snprintf(key, sizeof key, "get_a|a2|{\"days\":30}|learner=%d", 100 + i);
        expect(key, 1, CACHE_HIT, key);
        key[4] = 'b';
        expect(key, 1, CACHE_HIT, key);
        key[4] = 'c';
        expect(key, 1, CACHE_FILL, NULL);
    }
    expect("get_a|a2|{\"days\":30}|learner=10", 1, CACHE_FILL, NULL);
    assert_int_equal(cache_drop_pattern(c, STR("*learner=13?")), 2 * 10);
    assert_int_equal(cache_drop_pattern(c, STR("get_a|*")), LEARNERS - 10);
    assert_int_equal(cache_drop_key(c, STR("get_b|a2|{\"days\":30}|learner=120")), 1);
    assert_int_equal(stats().entries, LEARNERS - 10 - 1);
}

static void what_was_being_filled_when_dropped_is_not_kept(void **state)
{
    (void)state;
    static const char *const ways[] = {NULL, "k*", "*"};

    for (size_t i = 0; i < COUNT(ways); i++) {
        struct caller first, before, after;

        find(&first, "key", 0);
        find(&before, "key", 0);
        if (ways[i])
            cache_drop_pattern(c, str_from(ways[i]));
        else
            cache_drop_key(c, STR("key"));
        assert_int_equal(find(&after, "key", 0), CACHE_FILL);
        fill(&first, "old", 0);
        assert_int_equal(before.called, 1);
        answer_unref(before.answer);
        assert_int_equal(stats().entries, 0);
        flight_end(c, after.flight, NULL, false, ERR_IO);
    }
}

static void a_sweep_takes_what_is_of_no_more_use(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct stamp stamp;
    char text[16];
    int64_t n = 0;

    open_cache(32 * MIB, WAITERS);
    stamp_take(g, &a, 1, &stamp);
    for (int i = 0; i < 300; i++) {
        struct answer *made = answer("x", i % 3 == 0 ? -STALE : 0, i % 3 == 1 ? &stamp : NULL);
        snprintf(text, sizeof text, "k%d", i);
        struct cache_key key = cache_key_of(str_from(text));

        cache_put(c, &key, made);
        answer_unref(made);
    }
    generation_raise(g, a);
    for (int i = 0; i < 100000 && stats().entries > 100; i++)
        n += cache_sweep(c, 1, 50);
    assert_int_equal(n, 200);
    assert_int_equal(stats().dropped[DROP_EXPIRED], 100);
    assert_int_equal(stats().dropped[DROP_OUTDATED], 100);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(cache_sweep(c, 1, 50), 0);
}

/* ---- bytes ---- */

static char filler[256 << 10];

static struct answer *answer_of(size_t bytes)
{
    filler[bytes] = '\0';
    struct answer *a = answer(filler, 0, NULL);

    filler[bytes] = 'x';
    return a;
}

static void the_bound_holds_whatever_comes(void **state)
{
    (void)state;
    struct rng r;
    size_t in = 0;

    memset(filler, 'x', sizeof filler);
    rng_seed(&r, 1);
    open_cache(9 * MIB, WAITERS); /* two shards */
    for (int i = 0; i < 4000; i++) {
        char text[32];
        struct answer *a = answer_of(rng_below(&r, rng_below(&r, 4) ? 4000 : 200000));

        snprintf(text, sizeof text, "key %d", (int)rng_below(&r, 2000));
        struct cache_key key = cache_key_of(str_from(text));
        cache_put(c, &key, a);
        in += cache_cost(&key, a);
        if (rng_below(&r, 2)) /* grows once it is in */
            cache_grew(c, &key, a, answer_view(a, 1u << FORM_GZIP).made);
        answer_unref(a);
        struct cache_stats s = stats();

        assert_true(s.bytes <= s.bytes_max);
        if (in > 40 * MIB && i % 100 == 0)
            assert_true(s.bytes > s.bytes_max / 2);
    }
    struct cache_stats s = stats();

    assert_true(s.dropped[DROP_EVICTED] > 100 && s.dropped[DROP_REPLACED] > 100);
    assert_true(s.encoded[FORM_GZIP] > 100);
    cache_drop_all(c);
    s = stats();
    assert_int_equal(s.entries, 0);
    open_cache(9 * MIB, WAITERS);
    assert_int_equal(s.bytes, stats().bytes); /* all that was charged was given back */
}

static void forms_are_charged_when_they_are_made(void **state)
{
    (void)state;
    struct cache_key key = cache_key_of(STR("k"));
    struct answer *a = answer_of(100000);
    size_t cost = cache_cost(&key, a);
    int64_t empty = stats().bytes;

    cache_put(c, &key, a);
    assert_int_equal(stats().bytes, empty + (int64_t)cost);
    cache_grew(c, &key, a, answer_view(a, 1u << FORM_GZIP).made);
    assert_true(cache_cost(&key, a) > cost);
    assert_int_equal(stats().bytes, empty + (int64_t)cache_cost(&key, a));
    cache_drop_all(c);
    cache_grew(c, &key, a, answer_view(a, 1u << FORM_BROTLI).made); /* no more the cache's */
    assert_int_equal(stats().bytes, empty);
    answer_unref(a);
}

static void what_is_larger_than_a_shard_is_refused(void **state)
{
    (void)state;
    struct cache_key key = cache_key_of(STR("k"));
    struct answer *a = answer_of(200000);

    open_cache(150000, WAITERS);
    cache_put(c, &key, a);
    assert_int_equal(stats().refused_too_large, 1);
    assert_int_equal(stats().entries, 0);
    answer_unref(a);
    put("k", "small", 0);
    assert_int_equal(stats().entries, 1);
}

/* ---- who stays ---- */

/* Hits of the real cache on a trace; the hashes are fixed, so that each run is the same. */
static int64_t hits_of(const struct trace *t, size_t bytes_max, uint32_t *costs, uint64_t *room)
{
    struct cache_lookup how = {.age_max_us = INT64_MAX};

    open_cache(bytes_max, WAITERS);
    *room = (uint64_t)(stats().bytes_max - stats().bytes);
    for (int64_t i = 0; i < t->n; i++) {
        struct cache_key key = {{(const char *)&t->keys[i], 4}, hash_stable(&t->keys[i], 4)};
        struct answer *a;
        struct flight *f;

        if (cache_find(c, &key, &how, NULL, &a, &f) == CACHE_FILL) {
            a = answer_of(t->sizes[t->keys[i]]);
            flight_end(c, f, a, true, ERR_OK);
            costs[t->keys[i]] = (uint32_t)cache_cost(&key, a);
        }
        answer_unref(a);
    }
    return stats().hits;
}

static int64_t hits_of_model(const struct trace *t, enum model_kind kind, uint64_t room,
                             const uint32_t *costs)
{
    struct model m;
    int64_t hits = 0;

    model_init(&m, kind, room, t->key_count);
    for (int64_t i = 0; i < t->n; i++)
        hits += model_ask(&m, t->keys[i], costs[t->keys[i]]);
    model_fini(&m);
    return hits;
}

static void misses_as_the_reference_does_and_less_than_lru(void **state)
{
    (void)state;
    static const struct {
        double skew, scan;
    } traces[] = {{0.7, 0}, {1.0, 0}, {0.9, 0.3}};
    static const size_t sizes[] = {MIB / 2, 2 * MIB, 9 * MIB};

    for (size_t i = 0; i < COUNT(traces); i++) {
        struct trace t;

        trace_zipf(&t, i, 60000, 8000, traces[i].skew, traces[i].scan > 0 ? 4000 : 0,
                   traces[i].scan);
        uint32_t *costs = calloc((size_t)t.key_count, sizeof *costs);
        for (size_t k = 0; k < COUNT(sizes); k++) {
            uint64_t room;
            int64_t hits = hits_of(&t, sizes[k], costs, &room);
            int64_t reference = hits_of_model(&t, MODEL_S3FIFO, room, costs);
            int64_t lru = hits_of_model(&t, MODEL_LRU, room, costs);

            if (llabs(hits - reference) * 200 > t.n || (k < 2 && hits <= lru))
                print_error("skew %g, %zu: %ld hits, reference %ld, LRU %ld\n", traces[i].skew,
                            sizes[k], (long)hits, (long)reference, (long)lru);
            assert_true(llabs(hits - reference) * 200 <= t.n); /* half a point */
            if (k < 2)                                         /* nearly all fit the largest */
                assert_true(hits > lru);
        }
        free(costs);
        trace_fini(&t);
    }
}

static void what_is_written_often_keeps_its_place(void **state)
{
    (void)state;
    struct tag a = learner("a");
    char text[32];
    int64_t fills = 0;

    open_cache(MIB / 4, WAITERS);
    /* Asked for four times, then written, and in between more passes by than fits the small queue.
     */
    for (int round = 0; round < 200; round++) {
        for (int k = 0; k < 4; k++) {
            struct caller r;
            struct cache_lookup how = {.age_max_us = INT64_MAX, .tags = &a, .tag_count = 1};

            find_how(&r, "hot", how);
            fills += r.result == CACHE_FILL;
            if (r.result == CACHE_FILL)
                fill(&r, "x", 0);
            answer_unref(r.answer);
        }
        generation_raise(g, a);
        for (int k = 0; k < 20; k++) {
            snprintf(text, sizeof text, "once %d %d", round, k);
            put(text, "x", 0);
        }
    }
    assert_int_equal(fills, 200); /* one for each write */
}

/* ---- again, before anybody asks ---- */

static struct cache_again look_again(const char *text, const struct tag *tag, uint32_t worth)
{
    struct cache_key key = cache_key_of(str_from(text));
    struct cache_lookup how = {.age_max_us = INT64_MAX, .tags = tag, .tag_count = 1};

    return cache_again(c, &key, &how, worth);
}

static void make_again(const char *text, const struct tag *tag, const char *body)
{
    struct cache_again again = look_again(text, tag, 15);

    assert_non_null(again.flight);
    struct answer *made = answer(body, 0, flight_stamp(again.flight));
    assert_true(flight_end(c, again.flight, made, true, ERR_OK));
    answer_unref(made);
}

static enum cache_result ask(struct caller *r, const char *text, const struct tag *tag)
{
    find_how(r, text,
             (struct cache_lookup){.age_max_us = INT64_MAX, .early = 1, .tags = tag, .tag_count = 1});
    return r->result;
}

static void what_was_asked_for_is_made_again(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct caller r;

    assert_false(look_again("k", &a, 15).known);
    assert_int_equal(ask(&r, "k", &a), CACHE_FILL);
    assert_true(look_again("k", &a, 15).known); /* another makes it */
    fill(&r, "old", 0);
    struct cache_again again = look_again("k", &a, 15);
    assert_true(again.known && !again.outdated && !again.flight); /* it is true */
    generation_raise(g, a);
    again = look_again("k", &a, 15);
    assert_true(again.outdated && again.asked && !again.ahead && again.flight);
    assert_null(look_again("k", &a, 15).flight); /* one flight */
    struct answer *made = answer("new", 0, flight_stamp(again.flight));
    flight_end(c, again.flight, made, true, ERR_OK);
    answer_unref(made);
    assert_int_equal(stats().ahead_made, 1);
    assert_int_equal(stats().ahead_used, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask(&r, "k", &a), CACHE_HIT);
        assert_str(answer_body(r.answer), "new");
        answer_unref(r.answer);
    }
    assert_int_equal(stats().ahead_used, 1); /* each answer once */
    assert_int_equal(stats().misses, 1);
    generation_raise(g, a);
    again = look_again("k", &a, 15);
    assert_true(again.ahead && again.asked && again.unasked == 0);
    flight_end(c, again.flight, NULL, false, ERR_IO);
    assert_int_equal(stats().ahead_wasted, 0);
}

static void what_nobody_asks_for_is_forgotten(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct caller r;

    assert_int_equal(ask(&r, "k", &a), CACHE_FILL);
    fill(&r, "x", 0);
    for (int k = 0; k < 6; k++) {
        generation_raise(g, a);
        struct cache_again again = look_again("k", &a, 15);
        assert_true(again.asked == (k == 0) && again.ahead == (k > 0));
        assert_int_equal(again.unasked, k <= 1 ? 0 : k <= 4 ? k - 1 : 3);
        struct answer *made = answer("x", 0, flight_stamp(again.flight));
        flight_end(c, again.flight, made, true, ERR_OK);
        answer_unref(made);
        assert_int_equal(stats().ahead_wasted, k);
    }
    generation_raise(g, a);
    struct cache_again again = look_again("k", &a, 7); /* not what nobody asked for three times */
    assert_true(again.outdated && !again.asked && !again.flight);
    assert_int_equal(stats().ahead_wasted, 6);
    assert_int_equal(stats().entries, 0);
    assert_false(look_again("k", &a, 15).known);
}

static void who_comes_while_it_is_made_again_has_used_it(void **state)
{
    (void)state;
    struct tag a = learner("a");
    struct caller r, waits;

    assert_int_equal(ask(&r, "k", &a), CACHE_FILL);
    fill(&r, "old", 0);
    generation_raise(g, a);
    struct cache_again again = look_again("k", &a, 15);
    assert_int_equal(ask(&waits, "k", &a), CACHE_WAIT);
    struct answer *made = answer("new", 0, flight_stamp(again.flight));
    flight_end(c, again.flight, made, true, ERR_OK);
    answer_unref(made);
    assert_int_equal(waits.called, 1);
    assert_str(answer_body(waits.answer), "new");
    answer_unref(waits.answer);
    assert_int_equal(stats().ahead_used, 1);
    /* What is written to while it is made is not kept. */
    generation_raise(g, a);
    again = look_again("k", &a, 15);
    generation_raise(g, a);
    made = answer("late", 0, flight_stamp(again.flight));
    assert_false(flight_end(c, again.flight, made, true, ERR_OK));
    answer_unref(made);
    make_again("k", &a, "last");
    assert_int_equal(ask(&r, "k", &a), CACHE_HIT);
    assert_str(answer_body(r.answer), "last");
    answer_unref(r.answer);
}

/* ---- many threads ---- */

enum { THREADS = 4, EACH = 2500 };

static _Atomic int arrived, filling;
static struct caller crowd[THREADS][EACH];

static void *crowds(void *p)
{
    struct caller *mine = p, *first = NULL;

    for (int i = 0; i < EACH; i++) {
        if (find(&mine[i], "k", 0) == CACHE_FILL)
            first = &mine[i];
        atomic_fetch_add(&arrived, 1);
    }
    if (first) {
        atomic_fetch_add(&filling, 1);
        while (atomic_load(&arrived) < THREADS * EACH)
            sched_yield();
        fill(first, "one", 0);
    }
    return NULL;
}

static void ten_thousand_at_once_are_one_fill(void **state)
{
    (void)state;
    pthread_t threads[THREADS];

    atomic_store(&arrived, 0);
    atomic_store(&filling, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowds, crowd[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(filling, 1);
    int called = 0;
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; k < EACH; k++) {
            called += crowd[i][k].called;
            answer_unref(crowd[i][k].answer);
        }
    assert_int_equal(called, THREADS * EACH - 1);
    assert_int_equal(stats().waits, THREADS * EACH - 1);
}

static void a_thousand_cold_keys_are_a_thousand_fills(void **state)
{
    (void)state;
    static struct caller calls[1000][10];
    char text[16];

    for (int k = 0; k < 10; k++)
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "k%d", i);
            assert_int_equal(find(&calls[i][k], text, 0), k ? CACHE_WAIT : CACHE_FILL);
        }
    for (int i = 0; i < 1000; i++)
        fill(&calls[i][0], "one", 0);
    for (int i = 0; i < 1000; i++)
        for (int k = 1; k < 10; k++) {
            assert_int_equal(calls[i][k].called, 1);
            answer_unref(calls[i][k].answer);
        }
    assert_int_equal(stats().fills, 1000);
    assert_int_equal(stats().misses, 1000);
}

/* Some leave while the flight ends: each is either called or has left. */
enum { LEAVERS = 200 };
static struct caller leavers[LEAVERS];
static bool left[LEAVERS];

static void *leaves(void *p)
{
    for (int i = 0; i < LEAVERS; i++)
        left[i] = flight_leave(c, &leavers[i].w);
    return p;
}

static void to_leave_and_to_be_called_exclude_each_other(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct caller first;
        pthread_t thread;

        find(&first, "k", 0);
        for (int i = 0; i < LEAVERS; i++)
            assert_int_equal(find(&leavers[i], "k", 0), CACHE_WAIT);
        assert_int_equal(pthread_create(&thread, NULL, leaves, NULL), 0);
        flight_end(c, first.flight, NULL, false, ERR_STORE_DOWN);
        pthread_join(thread, NULL);
        for (int i = 0; i < LEAVERS; i++)
            assert_int_equal(leavers[i].called + left[i], 1);
    }
    struct caller first, last; /* nobody is counted as waiting any more */

    find(&first, "k", 0);
    assert_int_equal(find(&last, "k", 0), CACHE_WAIT);
    flight_end(c, first.flight, NULL, false, ERR_IO);
}

/* Readers, writers and the rest of the house at once. A value is a number that only grows; a write
 * is: the number, the tag, then `acknowledged`. Whatever a reader gets must not be below what was
 * acknowledged before he asked: from the cache, from another's flight, or from the store. */
enum { STORM_KEYS = 40, STORM_STEPS = 6000, STORM_BYTES = 40000 }; /* half of the keys fit */
static _Atomic int64_t stored[STORM_KEYS], acknowledged[STORM_KEYS];

struct storm_waiter {
    struct waiter w; /* first */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct answer *answer;
    bool called;
};

static void storm_done(struct waiter *w, struct answer *a, enum err e)
{
    struct storm_waiter *s = (struct storm_waiter *)w;

    ASSERT((a != NULL) == (e == ERR_OK));
    pthread_mutex_lock(&s->lock);
    ASSERT(!s->called);
    s->called = true;
    s->answer = a;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void storm_await(struct storm_waiter *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->called)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static struct answer *storm_fill(int k, struct flight *f, const struct tag *tag, struct rng *r)
{
    struct stamp stamp;
    int64_t number;
    static const char pad[3000] = "";
    char body[sizeof number + sizeof pad];
    struct answer *a;

    if (f)
        stamp = *flight_stamp(f);
    else
        stamp_take(g, tag, 1, &stamp);
    number = atomic_load(&stored[k]);
    if (f && rng_below(r, 10) == 0) {
        flight_end(c, f, NULL, true, ERR_STORE_DOWN);
        return NULL;
    }
    memcpy(body, &number, sizeof number);
    memcpy(body + sizeof number, pad, sizeof pad);
    struct answer_spec spec = {.status = 200,
                               .cache_control = "",
                               .body = {body, sizeof number + rng_below(r, sizeof pad)},
                               .fresh_until_us = 1 + (int64_t)rng_below(r, 2),
                               .stale_until_us = 3,
                               .cost_us = 1,
                               .stamp = stamp};
    ASSERT(answer_new(&spec, &a) == ERR_OK);
    flight_end(c, f, a, true, ERR_OK);
    return a;
}

static void storm_read(int k, const struct cache_key *key, const struct tag *tag, struct rng *r)
{
    struct storm_waiter s = {.w = {.done = storm_done},
                             .lock = PTHREAD_MUTEX_INITIALIZER,
                             .changed = PTHREAD_COND_INITIALIZER};
    struct cache_lookup how = {.now_us = (int64_t)rng_below(r, 3),
                               .age_max_us = INT64_MAX,
                               .early = 1 - rng_unit(r),
                               .refresh = rng_below(r, 2),
                               .tags = tag,
                               .tag_count = 1};
    int64_t at_least = atomic_load(&acknowledged[k]), number;
    struct answer *a;
    struct flight *f;

    switch (cache_find(c, key, &how, rng_below(r, 8) ? &s.w : NULL, &a, &f)) {
    case CACHE_FILL:
        a = storm_fill(k, f, tag, r);
        break;
    case CACHE_WAIT:
        if (rng_below(r, 4) == 0 && flight_leave(c, &s.w))
            return;
        storm_await(&s);
        a = s.answer;
        break;
    case CACHE_STALE:
        if (f)
            answer_unref(storm_fill(k, f, tag, r));
        break;
    default:
        break;
    }
    if (!a)
        return;
    struct answer_view v = answer_view(a, (uint32_t)rng_below(r, 8));

    if (v.made)
        cache_grew(c, key, a, v.made);
    ASSERT(v.body.n > 0);
    memcpy(&number, answer_body(a).p, sizeof number);
    ASSERT(number >= at_least);
    answer_unref(a);
}

static void storm_write(int k, const struct tag *tag)
{
    static pthread_mutex_t one_writer = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&one_writer);
    int64_t number = atomic_fetch_add(&stored[k], 1) + 1;
    generation_raise(g, *tag);
    atomic_store(&acknowledged[k], number);
    pthread_mutex_unlock(&one_writer);
}

static void *storms(void *p)
{
    struct rng r;

    rng_seed(&r, (uint64_t)(uintptr_t)p);
    for (int i = 0; i < STORM_STEPS; i++) {
        char text[16];
        int k = (int)(rng_unit(&r) * rng_unit(&r) * STORM_KEYS);
        int n = snprintf(text, sizeof text, "key-%d", k);
        struct str name = {text, (size_t)n};
        struct cache_key key = cache_key_of(name);
        struct tag tag = tag_of(TAG_LEARNER, name);
        uint64_t what = rng_below(&r, 100);

        if (what < 80)
            storm_read(k, &key, &tag, &r);
        else if (what < 94)
            storm_write(k, &tag);
        else if (what < 95)
            cache_drop_key(c, name);
        else if (what < 96)
            cache_drop_pattern(c, STR("key-1*"));
        else if (what < 98)
            cache_sweep(c, (int64_t)rng_below(&r, 4), 10);
        else {
            struct cache_stats s;

            cache_stats(c, &s);
            ASSERT(s.bytes <= s.bytes_max);
        }
    }
    return NULL;
}

static void nothing_old_is_handed_out_in_a_storm(void **state)
{
    (void)state;
    pthread_t threads[THREADS];

    open_cache(STORM_BYTES, WAITERS);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storms, (void *)i), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    struct cache_stats s = stats();

    assert_true(s.hits > 0 && s.stale_hits > 0 && s.fills > 0 && s.fill_failures > 0);
    assert_true(s.dropped[DROP_EVICTED] > 0 && s.dropped[DROP_OUTDATED] > 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_filled_key_is_a_hit_until_its_times),
        TEST(the_short_way_takes_fresh_and_true_answers_only),
        TEST(a_raised_tag_ends_its_answers),
        TEST(an_older_answer_does_not_take_the_place_of_a_younger),
        TEST(too_old_for_the_blind_is_filled_anew_but_stays),
        TEST(peek_gives_what_is_true_fresh_or_not),
        TEST(what_is_kept_for_errors_is_no_hit),
        TEST(what_is_kept_for_errors_ends),
        TEST(all_who_wait_get_the_one_answer),
        TEST(a_failure_reaches_all_who_wait_once),
        TEST(who_leaves_is_not_called),
        TEST(more_than_may_wait_are_told_so),
        TEST(who_comes_after_a_write_does_not_join_an_older_fill),
        TEST(a_stale_answer_is_refreshed_by_one),
        TEST(a_refresh_that_failed_is_not_tried_by_the_next),
        TEST(a_dear_answer_is_refreshed_early_by_chance),
        TEST(without_room_flights_still_work),
        TEST(drops_by_key_pattern_and_all),
        TEST(keys_of_many_learners_are_found_and_dropped),
        TEST(what_was_being_filled_when_dropped_is_not_kept),
        TEST(a_sweep_takes_what_is_of_no_more_use),
        TEST(the_bound_holds_whatever_comes),
        TEST(forms_are_charged_when_they_are_made),
        TEST(what_is_larger_than_a_shard_is_refused),
        TEST(misses_as_the_reference_does_and_less_than_lru),
        TEST(what_is_written_often_keeps_its_place),
        TEST(what_was_asked_for_is_made_again),
        TEST(what_nobody_asks_for_is_forgotten),
        TEST(who_comes_while_it_is_made_again_has_used_it),
        TEST(ten_thousand_at_once_are_one_fill),
        TEST(a_thousand_cold_keys_are_a_thousand_fills),
        TEST(to_leave_and_to_be_called_exclude_each_other),
        TEST(nothing_old_is_handed_out_in_a_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
