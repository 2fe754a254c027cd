/* The second tier against a real Redis that restarts, fills up, freezes and forgets, and against a
 * false one: slower at worst, never wrong. */
#include "l2_fixture.h"

#include "base/hash.h"
#include "cache/keys.h"
#include "cache/l2_value.h"

static struct real redis;

static struct outcome redis_do(const char *line)
{
    struct redis_target *t = target_of(redis.url);
    struct redis_link *l = link_of(t);
    struct outcome o = ask(l, line, 20000);
    redis_link_free(l);
    redis_target_free(t);
    return o;
}

/* ---- one question, asked from the test's thread ---- */

struct question {
    struct l2_node *node;
    struct l2_get get;
    struct tag tags[3];
    char key[64];
    sem_t done;
    enum l2_result result;
    struct answer *answer; /* got, or to be put */
};

static void on_done(struct l2_get *g, enum l2_result r, struct answer *a)
{
    struct question *q = (struct question *)((char *)g - offsetof(struct question, get));
    q->result = r;
    q->answer = a;
    sem_post(&q->done);
}

static void get_on_loop(void *arg)
{
    struct question *q = arg;
    l2_get(q->node->l2, q->node->x->loop, &q->get);
}

static void put_on_loop(void *arg)
{
    struct question *q = arg;
    l2_put(q->node->l2, q->node->x->loop, &q->get, q->answer);
    sem_post(&q->done);
}

static void question_init(struct question *q, struct l2_node *n, const char *key,
                          const char *learner, const char *course, bool lock)
{
    memset(q, 0, sizeof *q);
    q->node = n;
    snprintf(q->key, sizeof q->key, "%s", key);
    int32_t count = 0;
    if (learner)
        q->tags[count++] = tag_of(TAG_LEARNER, str_from(learner));
    if (course)
        q->tags[count++] = tag_of(TAG_COURSE, str_from(course));
    q->tags[count++] = tag_of(TAG_ENDPOINT, STR("patterns"));
    q->get = (struct l2_get){.key = {str_from(q->key), 1},
                             .tags = q->tags,
                             .tag_count = count,
                             .cache_control = "private",
                             .media = "application/json",
                             .lock = lock,
                             .done = on_done};
    stamp_take(n->generations, q->tags, count, &q->get.stamp);
    sem_init(&q->done, 0, 0);
}

static void question_begin(struct question *q)
{
    http_on_loop(q->node->x, get_on_loop, q);
}

static enum l2_result question_ask_once(struct question *q)
{
    question_begin(q);
    sem_wait(&q->done);
    return q->result;
}

/* For when Redis is well: a machine that stood still for a while does not count. */
static enum l2_result question_ask(struct question *q)
{
    AWAIT(question_ask_once(q) != L2_ABSENT);
    return q->result;
}

static struct answer *answer_of(const struct question *q, struct str body, int32_t status)
{
    int64_t now = clock_mono_us();
    struct answer *a = NULL;
    const struct answer_spec s = {.status = status,
                                  .media = "application/json",
                                  .cache_control = "private",
                                  .body = body,
                                  .made_us = now,
                                  .fresh_until_us = now + 600000000,
                                  .stale_until_us = now + 1200000000,
                                  .error_until_us = now + 3600000000,
                                  .cost_us = 1234,
                                  .stamp = q->get.stamp};
    OK(answer_new(&s, &a));
    return a;
}

static void question_put(struct question *q, struct str body)
{
    q->answer = answer_of(q, body, 200);
    http_on_loop(q->node->x, put_on_loop, q);
    sem_wait(&q->done);
}

static void question_end(struct question *q)
{
    answer_unref(q->answer);
    sem_destroy(&q->done);
}

static int64_t puts_of(const struct l2_node *n)
{
    struct l2_stats s;
    l2_stats(n->l2, &s);
    return s.puts + s.put_failures;
}

/* Asks and, when it is to fill, fills with that body. NULL: was not a hit; else what came. */
static enum l2_result serve(struct l2_node *n, const char *key, const char *learner,
                            const char *body)
{
    struct question q;
    question_init(&q, n, key, learner, NULL, false);
    enum l2_result r = question_ask_once(&q);
    if (r == L2_HIT)
        assert_str(answer_body(q.answer), body);
    if (r == L2_FILL) {
        int64_t puts = puts_of(n);
        question_put(&q, str_from(body));
        AWAIT(puts_of(n) > puts); /* taken, or refused */
    }
    question_end(&q);
    return r;
}

/* The same, when Redis is well: a machine that stood still for a while does not count. */
static void expect(enum l2_result wanted, struct l2_node *n, const char *key, const char *learner,
                   const char *body)
{
    enum l2_result r;
    AWAIT((r = serve(n, key, learner, body)) != L2_ABSENT);
    assert_int_equal(r, wanted);
}

static struct l2_stats stats_of(const struct l2_node *n)
{
    struct l2_stats s;
    l2_stats(n->l2, &s);
    return s;
}

/* Trusted, its tokens known: from here on Redis is asked. */
static void node_ready(struct l2_node *n)
{
    AWAIT(bus_trusted(n->bus) && bus_token(n->bus, TAG_EVERYTHING) &&
          bus_token(n->bus, tag_of(TAG_ENDPOINT, STR("patterns"))));
}

static void start_two(struct l2_node two[2], int32_t lock_ms)
{
    for (int i = 0; i < 2; i++)
        l2_node_start(&two[i], redis.url, 5000, lock_ms);
    for (int i = 0; i < 2; i++)
        node_ready(&two[i]);
    AWAIT(bus_token(two[0].bus, TAG_EVERYTHING) == bus_token(two[1].bus, TAG_EVERYTHING));
}

static void stop_two(struct l2_node two[2])
{
    l2_node_stop(&two[0]);
    l2_node_stop(&two[1]);
}

/* ---- values ---- */

static void values_come_back_or_not_at_all(void **state)
{
    static char large[100000];
    struct l2_packer *p;
    struct buf out, room;
    (void)state;
    OK(l2_packer_new(&p));
    buf_init(&out, 2 * L2_VALUE_MAX);
    buf_init(&room, ANSWER_BODY_MAX);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = "abcdefgh"[i * i % 7];
    const size_t sizes[] = {0, 1, 1500, L2_ZSTD_MIN - 1, L2_ZSTD_MIN, sizeof large};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct l2_value v = {.made_us = 5,
                             .fresh_until_us = 6,
                             .stale_until_us = 7,
                             .error_until_us = 10,
                             .cost_us = 8,
                             .everything = 9,
                             .tokens = {1, 2, 3},
                             .token_count = 3,
                             .key = STR("a question"),
                             .lines = i % 2 ? STR("Link: </x>; rel=\"next\"\r\n")
                                            : (struct str){NULL, 0},
                             .body = {large, sizes[i]}};
        struct l2_value got;
        buf_clear(&out);
        OK(l2_value_encode(p, &v, &out));
        assert_true(l2_value_decode(buf_view(&out), &got));
        assert_int_equal(got.packed, sizes[i] >= L2_ZSTD_MIN);
        assert_true(str_eq(l2_value_body(p, &got, &room), v.body));
        assert_true(str_eq(got.lines, v.lines));
        assert_str(got.key, "a question");
        assert_memory_equal(got.tokens, v.tokens, sizeof v.tokens);
        assert_int_equal(got.stale_until_us, 7);
        assert_int_equal(got.error_until_us, 10);
        if (sizes[i] > 2000 && sizes[i] < sizeof large)
            continue;
        /* Every byte counts, and every length. */
        size_t step = out.n > 4000 ? 37 : 1;
        for (size_t k = 0; k < out.n; k += step) {
            out.p[k] ^= 0x10;
            assert_false(l2_value_decode(buf_view(&out), &got));
            out.p[k] ^= 0x10;
            assert_false(l2_value_decode((struct str){out.p, k}, &got));
        }
        buf_putc(&out, 'x');
        assert_false(l2_value_decode(buf_view(&out), &got));
    }
    struct l2_value bad = {.fresh_until_us = 1, .key = STR("k")};
    assert_int_equal(l2_value_encode(p, &bad, &out), ERR_TOO_LARGE); /* times out of order */
    buf_fini(&out);
    buf_fini(&room);
    l2_packer_free(p);
}

/* ---- Redis as it should be ---- */

static void nodes_share_answers(void **state)
{
    struct l2_node two[2];
    (void)state;
    start_two(two, 5000);
    struct question q;
    question_init(&q, &two[0], "k1", "ann", "c", true);
    assert_int_equal(question_ask(&q), L2_FILL);
    assert_true(q.get.locked);
    question_put(&q, STR("hello"));
    question_end(&q);
    AWAIT(stats_of(&two[0]).puts == 1);
    for (int i = 0; i < 2; i++) {
        question_init(&q, &two[i], "k1", "ann", "c", true);
        assert_int_equal(question_ask(&q), L2_HIT);
        const struct answer_times of = answer_times(q.answer), *s = &of;
        assert_str(answer_body(q.answer), "hello");
        assert_int_equal(s->cost_us, 1234);
        assert_string_equal(answer_media(q.answer), "application/json");
        assert_in_range(s->stale_until_us - clock_mono_us(), 1100000000, 1200000000);
        assert_in_range(s->error_until_us - clock_mono_us(), 3500000000, 3600000000);
        assert_true(answer_valid(q.answer, two[i].generations));
        question_end(&q);
    }
    /* Another key, another learner, other tags: other answers. */
    expect(L2_FILL, &two[1], "k2", "ann", "two");
    expect(L2_FILL, &two[1], "k1", "bob", "bob's");
    expect(L2_FILL, &two[1], "k1", "ann", "without the course");
    stop_two(two);
}

static void every_tag_makes_it_void(void **state)
{
    struct l2_node two[2];
    const struct tag tags[] = {tag_of(TAG_LEARNER, STR("ann")), tag_of(TAG_COURSE, STR("c")),
                               tag_of(TAG_ENDPOINT, STR("patterns")), TAG_EVERYTHING};
    (void)state;
    start_two(two, 5000);
    for (size_t i = 0; i < COUNT(tags); i++) {
        for (int by = 0; by < 2; by++) {
            struct question q;
            question_init(&q, &two[0], "k", "ann", "c", false);
            assert_int_equal(question_ask(&q), L2_FILL);
            int64_t puts = stats_of(&two[0]).puts;
            question_put(&q, STR("old"));
            AWAIT(stats_of(&two[0]).puts > puts);
            question_end(&q);
            question_init(&q, &two[1], "k", "ann", "c", false);
            assert_int_equal(question_ask(&q), L2_HIT);
            question_end(&q);
            struct stamp before;
            stamp_take(two[0].generations, &tags[i], 1, &before);
            generation_raise(two[by].generations, tags[i]);
            bus_say(two[by].bus, &tags[i], 1);
            question_init(&q, &two[by], "k", "ann", "c", false);
            assert_int_not_equal(question_ask_once(&q), L2_HIT); /* one's own writes, at once */
            question_end(&q);
            AWAIT(bus_said(two[by].bus, tags[i]));
            AWAIT(!stamp_valid(two[0].generations, &before)); /* the other heard, when it was he */
            node_ready(&two[0]);
            node_ready(&two[1]);
            AWAIT(bus_token(two[0].bus, TAG_EVERYTHING) == bus_token(two[1].bus, TAG_EVERYTHING) &&
                  bus_token(two[0].bus, tags[2]) == bus_token(two[1].bus, tags[2]));
            question_init(&q, &two[1 - by], "k", "ann", "c", false);
            assert_int_equal(question_ask(&q), L2_FILL);
            question_end(&q);
        }
    }
    stop_two(two);
}

/* The fill read the store before the write: whatever comes in which order, it must not stay. */
static void a_late_fill_is_not_believed(void **state)
{
    struct l2_node two[2];
    const struct tag ann = tag_of(TAG_LEARNER, STR("ann"));
    (void)state;
    start_two(two, 5000);
    for (int i = 0; i < 20; i++) {
        struct question q;
        char key[16];
        snprintf(key, sizeof key, "late%d", i);
        question_init(&q, &two[0], key, "ann", NULL, false);
        assert_int_equal(question_ask(&q), L2_FILL);
        bus_say(two[1].bus, &ann, 1);
        if (i % 2)
            AWAIT(bus_said(two[1].bus, ann));
        if (i % 4 == 3) /* and somebody has made a new token meanwhile */
            serve(&two[1], "other", "ann", "other");
        question_put(&q, STR("old"));
        AWAIT(stats_of(&two[0]).puts + stats_of(&two[0]).put_failures == i + 1);
        AWAIT(bus_said(two[1].bus, ann));
        question_end(&q);
        question_init(&q, &two[1], key, "ann", NULL, false);
        assert_int_equal(question_ask(&q), L2_FILL);
        question_end(&q);
    }
    stop_two(two);
}

static void one_node_fills(void **state)
{
    struct l2_node two[2];
    (void)state;
    start_two(two, 30000);
    struct question first, second[10];
    question_init(&first, &two[0], "dear", "ann", NULL, true);
    assert_int_equal(question_ask(&first), L2_FILL);
    for (int i = 0; i < 10; i++) {
        question_init(&second[i], &two[i % 2], "dear", "ann", NULL, true);
        question_begin(&second[i]);
    }
    AWAIT(stats_of(&two[0]).locks_waited + stats_of(&two[1]).locks_waited == 10);
    question_put(&first, STR("cost a lot"));
    for (int i = 0; i < 10; i++) {
        sem_wait(&second[i].done);
        assert_int_equal(second[i].result, L2_HIT);
        question_end(&second[i]);
    }
    question_end(&first);

    /* The one who fills fails: it gives the lock back, and the next one fills. */
    question_init(&first, &two[0], "fails", "ann", NULL, true);
    assert_int_equal(question_ask(&first), L2_FILL);
    question_init(&second[0], &two[1], "fails", "ann", NULL, true);
    question_begin(&second[0]);
    AWAIT(stats_of(&two[1]).locks_waited == 6);
    http_on_loop(two[0].x, put_on_loop, &first); /* no answer */
    sem_wait(&first.done);
    sem_wait(&second[0].done);
    assert_int_equal(second[0].result, L2_FILL);
    assert_true(second[0].get.locked);
    question_put(&second[0], STR("x"));
    question_end(&first);
    question_end(&second[0]);
    stop_two(two);
}

/* The one who fills is gone: nobody waits longer than the lock. */
static void a_lock_ends(void **state)
{
    struct l2_node two[2];
    struct question q[2];
    (void)state;
    start_two(two, 150);
    for (int i = 0; i < 2; i++) {
        question_init(&q[i], &two[i], "orphan", "ann", NULL, true);
        assert_int_equal(question_ask(&q[i]), L2_FILL);
    }
    question_end(&q[0]);
    question_end(&q[1]);
    stop_two(two);
}

static void nothing_stays_of_an_erased_learner(void **state)
{
    struct l2_node two[2];
    const struct tag ann = tag_of(TAG_LEARNER, STR("ann"));
    char line[200], holder[HOLDER_MAX];
    (void)state;
    start_two(two, 5000);
    l2_drop_all(two[0].l2);
    for (int i = 0; i < 5; i++) {
        char key[16];
        snprintf(key, sizeof key, "ann/%d", i);
        expect(L2_FILL, &two[0], key, "ann", "ann's");
        expect(L2_FILL, &two[0], key, "bob", "bob's");
        expect(L2_FILL, &two[0], key, NULL, "nobody's");
    }
    AWAIT(stats_of(&two[0]).puts == 15);
    snprintf(line, sizeof line, "TTL %s", holder_print(STR("t[*]:"), ann, 0, holder).p);
    assert_in_range(redis_do(line).number, L2_HOLDER_S - 600, L2_HOLDER_S);
    struct question late; /* being computed while she goes */
    question_init(&late, &two[1], "ann/9", "ann", NULL, false);
    assert_int_equal(question_ask(&late), L2_FILL);

    bus_say(two[0].bus, &ann, 1); /* takes her hash away, and all that is in it */
    AWAIT(bus_said(two[0].bus, ann));
    question_put(&late, STR("ann was here"));
    question_end(&late);
    AWAIT(stats_of(&two[1]).put_failures == 1);
    snprintf(line, sizeof line, "EXISTS %s", holder);
    assert_int_equal(redis_do(line).number, 0);

    expect(L2_HIT, &two[1], "ann/1", "bob", "bob's");
    assert_int_equal(l2_drop(two[1].l2, STR("ann/1"), &(struct tag){TAG_LEARNER, 1}), 0);
    struct tag bob = tag_of(TAG_LEARNER, STR("bob"));
    assert_int_equal(l2_drop(two[1].l2, STR("ann/1"), &bob), 1);
    redis_do("SET tX:{y} another's");
    assert_int_equal(l2_drop_all(two[1].l2), 4 + 5); /* bob's, and nobody's */
    assert_string_equal(redis_do("GET tX:{y}").text, "another's");
    assert_int_equal(redis_do("EXISTS t[*]:{bus}:seq").number, 1);
    stop_two(two);
}

static void garbage_is_not_an_answer(void **state)
{
    struct l2_node n;
    char line[300], holder[HOLDER_MAX], field[HEX_MAX];
    (void)state;
    l2_node_start(&n, redis.url, 5000, 1000);
    node_ready(&n);
    const struct tag eve = tag_of(TAG_LEARNER, STR("eve"));
    holder_print(STR("t[*]:"), eve, 0, holder);
    expect(L2_FILL, &n, "g", "eve", "good");
    AWAIT(stats_of(&n).puts == 1);
    snprintf(line, sizeof line, "HSET %s %s D2garbage", holder,
             hex_print(hash_stable("g", 1), field).p);
    assert_int_equal(redis_do(line).number, 0);
    expect(L2_FILL, &n, "g", "eve", "good");
    AWAIT(stats_of(&n).refused_layout == 1);
    AWAIT(stats_of(&n).puts == 2);
    snprintf(line, sizeof line, "HSET %s g nonsense", holder);
    redis_do(line);
    assert_int_not_equal(serve(&n, "g", "eve", "good"), L2_HIT);
    snprintf(line, sizeof line, "DEL %s", holder);
    redis_do(line);
    snprintf(line, sizeof line, "SET %s wrong-type", holder);
    redis_do(line);
    for (int i = 0; i < 10; i++) /* an error for each: the breaker opens */
        assert_int_equal(serve(&n, "g", "eve", "good"), L2_ABSENT);
    assert_true(stats_of(&n).breaker_opened >= 1);
    snprintf(line, sizeof line, "DEL %s", holder);
    redis_do(line);
    AWAIT(serve(&n, "g", "eve", "good") != L2_ABSENT);
    l2_node_stop(&n);
}

/* ---- Redis as it should not be ---- */

static void survives_restarts(void **state)
{
    struct l2_node two[2];
    (void)state;
    start_two(two, 1000);
    for (int round = 0; round < 3; round++) {
        char key[16];
        snprintf(key, sizeof key, "r%d", round);
        AWAIT(serve(&two[0], key, "ann", "good") == L2_HIT);
        OK(real_command(&redis, "crash", NULL, 0));
        for (int i = 0; i < 50; i++)
            assert_int_equal(serve(&two[i % 2], key, "ann", "good"), L2_ABSENT);
        OK(real_command(&redis, "start", redis.url, sizeof redis.url));
        AWAIT(serve(&two[1], key, "ann", "good") == L2_HIT);
        AWAIT(stats_of(&two[1]).health == L2_UP);
    }
    stop_two(two);
}

/* A Redis that comes back with what it once had must not be believed: a write may be missing. */
static void what_an_earlier_run_left_is_void(void **state)
{
    struct l2_node n;
    (void)state;
    l2_node_start(&n, redis.url, 5000, 1000);
    node_ready(&n);
    AWAIT(serve(&n, "saved", "ann", "good") == L2_HIT);
    uint64_t before = bus_token(n.bus, TAG_EVERYTHING);
    redis_do("SAVE");
    OK(real_command(&redis, "crash", NULL, 0));
    AWAIT(!bus_trusted(n.bus));
    OK(real_command(&redis, "start", redis.url, sizeof redis.url));
    AWAIT(bus_trusted(n.bus) && bus_token(n.bus, TAG_EVERYTHING));
    assert_true(bus_token(n.bus, TAG_EVERYTHING) == before); /* it has come back with it all */
    enum l2_result r;
    AWAIT((r = serve(&n, "saved", "ann", "good")) != L2_ABSENT);
    assert_int_equal(r, L2_FILL);
    redis_do("FLUSHALL");
    redis_do("SAVE");
    l2_node_stop(&n);
}

static void a_flush_costs_only_time(void **state)
{
    struct l2_node n;
    (void)state;
    l2_node_start(&n, redis.url, 5000, 1000);
    node_ready(&n);
    AWAIT(serve(&n, "f", "ann", "good") == L2_HIT);
    redis_do("FLUSHALL");
    assert_int_not_equal(serve(&n, "f", "ann", "good"), L2_HIT);
    AWAIT(serve(&n, "f", "ann", "good") == L2_HIT);
    l2_node_stop(&n);
}

static void a_full_redis_is_read(void **state)
{
    struct l2_node n;
    (void)state;
    l2_node_start(&n, redis.url, 5000, 1000);
    node_ready(&n);
    AWAIT(serve(&n, "full", "ann", "good") == L2_HIT);
    redis_do("CONFIG SET maxmemory 1");
    expect(L2_HIT, &n, "full", "ann", "good");
    assert_int_equal(serve(&n, "new", "zoe", "new"), L2_ABSENT); /* no token can be made */
    serve(&n, "new", "ann", "new");
    expect(L2_HIT, &n, "full", "ann", "good");
    assert_int_equal(stats_of(&n).breaker_opened, 0);
    redis_do("CONFIG SET maxmemory 0");
    AWAIT(serve(&n, "new", "zoe", "new") == L2_HIT);
    l2_node_stop(&n);
}

static void a_slow_redis_costs_the_timeout(void **state)
{
    struct l2_node n;
    char line[200];
    (void)state;
    l2_node_start(&n, redis.url, 100, 1000);
    node_ready(&n);
    AWAIT(serve(&n, "s", "ann", "good") == L2_HIT);
    snprintf(line, sizeof line, "kill -STOP $(cat %s/redis/pid)", redis.dir);
    assert_int_equal(system(line), 0);
    int64_t begun = clock_mono_us();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(serve(&n, "s", "ann", "good"), L2_ABSENT);
    int64_t took = clock_mono_us() - begun;
    snprintf(line, sizeof line, "kill -CONT $(cat %s/redis/pid)", redis.dir);
    assert_int_equal(system(line), 0);
    assert_in_range(took, 90000, 30000000); /* one by one they would have taken 100 seconds */
    assert_true(stats_of(&n).timeouts >= 1);
    AWAIT(serve(&n, "s", "ann", "good") == L2_HIT);
    l2_node_stop(&n);
}

/* The bus hears a good Redis; what the answers lie in is none. */
static void misbehaviour_is_borne(void **state)
{
    static const enum fake_mode modes[] = {
        FAKE_GOOD, FAKE_GARBAGE, FAKE_CLOSE, FAKE_WRONG,  FAKE_MUTE, FAKE_SILENT, FAKE_HALF,
        FAKE_HUGE, FAKE_LIST,    FAKE_ERROR, FAKE_DENIED, FAKE_DEEP, FAKE_EXTRA,  FAKE_RESP3};
    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct fake f;
        struct l2_node n;
        fake_start(&f, modes[i]);
        l2_node_start_apart(&n, redis.url, f.url, 30, 1000);
        node_ready(&n);
        for (int k = 0; k < 20; k++)
            assert_int_equal(serve(&n, "k", "ann", "x"), L2_ABSENT);
        assert_int_equal(stats_of(&n).fallbacks, 20);
        assert_true(stats_of(&n).breaker_opened >= 1);
        assert_true(atomic_load(&f.accepted) >= 1);
        l2_node_stop(&n);
        fake_stop(&f);
    }
}

static void nobody_is_there(void **state)
{
    struct l2_node n;
    (void)state;
    l2_node_start(&n, "unix:///nonexistent/redis", 50, 1000);
    for (int k = 0; k < 100; k++)
        assert_int_equal(serve(&n, "k", "ann", "x"), L2_ABSENT);
    assert_int_equal(l2_drop_all(n.l2), -1);
    l2_node_stop(&n);
}

static void ends_while_it_is_asked(void **state)
{
    struct l2_node n;
    struct question first, second;
    (void)state;
    l2_node_start(&n, redis.url, 5000, 600000);
    node_ready(&n);
    question_init(&first, &n, "end", "ann", NULL, true);
    assert_int_equal(question_ask(&first), L2_FILL);
    question_init(&second, &n, "end", "ann", NULL, true);
    question_begin(&second);
    AWAIT(stats_of(&n).locks_waited == 1);
    l2_node_stop(&n);
    sem_wait(&second.done);
    assert_int_equal(second.result, L2_ABSENT);
    question_end(&first);
    question_end(&second);
}

int main(void)
{
    const struct CMUnitTest without[] = {
        cmocka_unit_test(values_come_back_or_not_at_all),
        cmocka_unit_test(nobody_is_there),
    };
    const struct CMUnitTest with[] = {
        cmocka_unit_test(nodes_share_answers),
        cmocka_unit_test(every_tag_makes_it_void),
        cmocka_unit_test(a_late_fill_is_not_believed),
        cmocka_unit_test(one_node_fills),
        cmocka_unit_test(a_lock_ends),
        cmocka_unit_test(nothing_stays_of_an_erased_learner),
        cmocka_unit_test(garbage_is_not_an_answer),
        cmocka_unit_test(survives_restarts),
        cmocka_unit_test(a_flush_costs_only_time),
        cmocka_unit_test(a_full_redis_is_read),
        cmocka_unit_test(a_slow_redis_costs_the_timeout),
        cmocka_unit_test(misbehaviour_is_borne),
        cmocka_unit_test(ends_while_it_is_asked),
        cmocka_unit_test(what_an_earlier_run_left_is_void),
    };
    int failed = cmocka_run_group_tests(without, NULL, NULL);
    real_start(&redis);
    if (redis.there)
        failed += cmocka_run_group_tests(with, NULL, NULL);
    real_stop(&redis);
    return failed;
}
