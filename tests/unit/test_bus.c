/* Two nodes and a Redis between them, which fails in every way that it can. */
#include "redis_fixture.h"

#include "cache/bus.h"
#include "cache/keys.h"


struct one_node {
    struct redis_target *target;
    struct generations *generations;
    struct bus *bus;
    atomic_int learners, gaps;
    _Atomic uint64_t learner;
};

static struct real redis;

static void on_learner(void *user, uint64_t hash)
{
    struct one_node *n = user;
    atomic_store(&n->learner, hash);
    atomic_fetch_add(&n->learners, 1);
}

static void on_gap(void *user)
{
    struct one_node *n = user;
    atomic_fetch_add(&n->gaps, 1);
}

static void node_start(struct one_node *n, const char *url)
{
    char detail[REDIS_DETAIL_MAX];
    memset(n, 0, sizeof *n);
    n->target = target_of(url);
    OK(generations_new(&n->generations));
    const struct bus_options o = {.redis = n->target,
                                  .prefix = STR("t:"),
                                  .command_timeout_ms = 5000,
                                  .generations = n->generations,
                                  .on_learner = on_learner,
                                  .on_gap = on_gap,
                                  .user = n};
    OK(bus_new(&o, &n->bus, detail));
}

static void node_stop(struct one_node *n)
{
    bus_free(n->bus);
    generations_free(n->generations);
    redis_target_free(n->target);
}

static struct tag learner(const char *name)
{
    return tag_of(TAG_LEARNER, str_from(name));
}

static struct stamp stamp_of(struct one_node *n, struct tag tag)
{
    struct stamp s;
    stamp_take(n->generations, &tag, 1, &s);
    return s;
}

static bool still(struct one_node *n, const struct stamp *s)
{
    return stamp_valid(n->generations, s);
}

static struct outcome redis_do(const char *line)
{
    struct redis_target *t = target_of(redis.url);
    struct redis_link *l = link_of(t);
    struct outcome o = ask(l, line, 20000);
    redis_link_free(l);
    redis_target_free(t);
    return o;
}

static struct bus_stats stats_of(const struct one_node *n)
{
    struct bus_stats s;
    bus_stats(n->bus, &s);
    return s;
}

static void two_start(struct one_node two[2])
{
    node_start(&two[0], redis.url);
    node_start(&two[1], redis.url);
    AWAIT(bus_trusted(two[0].bus) && bus_trusted(two[1].bus));
}

static void two_stop(struct one_node two[2])
{
    node_stop(&two[0]);
    node_stop(&two[1]);
}

/* ---- */

static void the_others_hear(void **state)
{
    struct one_node two[2];
    const struct tag tags[] = {learner("a"), tag_of(TAG_COURSE, STR("c"))};
    (void)state;
    two_start(two);
    int gaps = atomic_load(&two[1].gaps);
    struct stamp a = stamp_of(&two[1], tags[0]), c = stamp_of(&two[1], tags[1]);
    struct stamp other = stamp_of(&two[1], learner("b"));
    char line[200], key[HOLDER_MAX];
    snprintf(line, sizeof line, "HSET %s g x", holder_print(STR("t:"), tags[0], 0, key).p);
    assert_int_equal(redis_do(line).number, 1);

    int64_t begun = clock_mono_us();
    bus_say(two[0].bus, tags, 2);
    AWAIT(!still(&two[1], &a) && !still(&two[1], &c));
    print_message("heard after %d us\n", (int)(clock_mono_us() - begun));
    AWAIT(bus_said(two[0].bus, tags[0]) && bus_said(two[0].bus, tags[1]));
    assert_true(still(&two[1], &other));
    snprintf(line, sizeof line, "EXISTS %s", key);
    assert_int_equal(redis_do(line).number, 0); /* what lay there went with its token */

    bus_say_learner(two[0].bus, 77);
    AWAIT(atomic_load(&two[1].learners) == 1);
    assert_int_equal(atomic_load(&two[1].learner), 77);
    assert_int_equal(atomic_load(&two[0].learners), 0); /* it knows */
    assert_int_equal(atomic_load(&two[1].gaps), gaps);
    two_stop(two);
}

static void much_is_said_at_once(void **state)
{
    struct one_node two[2];
    enum { MANY = 20000 };
    (void)state;
    two_start(two);
    int gaps = atomic_load(&two[1].gaps);
    struct stamp *stamps = calloc(MANY, sizeof *stamps);
    for (int i = 0; i < MANY; i++)
        stamps[i] = stamp_of(&two[1], (struct tag){TAG_LEARNER, (uint64_t)i * 1000003});
    for (int i = 0; i < MANY; i++)
        bus_say(two[0].bus, &(struct tag){TAG_LEARNER, (uint64_t)i * 1000003}, 1);
    for (int i = 0; i < MANY; i++)
        AWAIT(!still(&two[1], &stamps[i]));
    AWAIT(stats_of(&two[0]).said == MANY);
    assert_int_equal(atomic_load(&two[1].gaps), gaps);
    free(stamps);
    two_stop(two);
}

static void tokens_are_never_the_same_again(void **state)
{
    struct one_node two[2];
    const struct tag e = tag_of(TAG_ENDPOINT, STR("patterns"));
    (void)state;
    two_start(two);
    AWAIT(bus_token(two[0].bus, e) && bus_token(two[0].bus, e) == bus_token(two[1].bus, e));
    AWAIT(bus_token(two[0].bus, TAG_EVERYTHING) &&
          bus_token(two[0].bus, TAG_EVERYTHING) == bus_token(two[1].bus, TAG_EVERYTHING));
    for (int i = 0; i < 5; i++) {
        uint64_t before = bus_token(two[1].bus, e);
        uint64_t all = bus_token(two[1].bus, TAG_EVERYTHING);
        bus_say(two[i % 2].bus, &e, 1);
        assert_true(bus_token(two[i % 2].bus, e) != before); /* here at once */
        AWAIT(bus_token(two[1 - i % 2].bus, e) != before);
        AWAIT(bus_token(two[0].bus, e) && bus_token(two[0].bus, e) == bus_token(two[1].bus, e));
        assert_true(bus_token(two[0].bus, e) != before);
        assert_true(bus_token(two[0].bus, TAG_EVERYTHING) == all);
        bus_say(two[i % 2].bus, &TAG_EVERYTHING, 1);
        AWAIT(bus_token(two[1 - i % 2].bus, TAG_EVERYTHING) != all);
        AWAIT(bus_token(two[0].bus, TAG_EVERYTHING) &&
              bus_token(two[0].bus, TAG_EVERYTHING) == bus_token(two[1].bus, TAG_EVERYTHING));
    }
    /* Both at once: they agree in the end. */
    for (int i = 0; i < 50; i++)
        bus_say(two[i % 2].bus, &e, 1);
    AWAIT(bus_said(two[0].bus, e) && bus_said(two[1].bus, e));
    AWAIT(bus_token(two[0].bus, e) && bus_token(two[0].bus, e) == bus_token(two[1].bus, e));
    /* Redis throws it out: another is made, and both learn it. */
    uint64_t before = bus_token(two[0].bus, e);
    redis_do("DEL t:{bus}:g");
    AWAIT(bus_token(two[0].bus, e) && bus_token(two[0].bus, e) != before &&
          bus_token(two[0].bus, e) == bus_token(two[1].bus, e));
    two_stop(two);
}

static void nobody_is_there(void **state)
{
    struct one_node n;
    const struct tag a = learner("a");
    (void)state;
    node_start(&n, "unix:///nonexistent/redis");
    assert_true(bus_said(n.bus, a));
    bus_say(n.bus, &a, 1);
    assert_false(bus_said(n.bus, a));
    assert_false(bus_trusted(n.bus));
    assert_int_equal(bus_token(n.bus, TAG_EVERYTHING), 0);
    for (int i = 0; i < 2 * BUS_WAITING_MAX; i++) /* more than it keeps */
        bus_say(n.bus, &(struct tag){TAG_LEARNER, (uint64_t)i}, 1);
    assert_true(stats_of(&n).overflows >= 1);
    assert_true(stats_of(&n).waiting <= BUS_WAITING_MAX);
    assert_false(bus_said(n.bus, learner("never spoken of"))); /* "everything" waits */
    assert_true(stats_of(&n).disconnected_since_us > 0);
    node_stop(&n);
}

static void a_missed_message_is_found_out(void **state)
{
    struct one_node two[2];
    (void)state;
    two_start(two);
    const struct tag a = learner("a");
    struct stamp s = stamp_of(&two[0], a);
    /* A node that both know, by its first message; then its third, and a stored counter. */
    redis_do(
        "EVAL return(redis.call('publish','t:{bus}','D1'..string.char(32)..'00000000000000aa'.."
        "string.char(32)..'1'..string.char(32)..'1'..string.char(32)..'L0000000000000001')) 0");
    AWAIT(stats_of(&two[0]).heard >= 1);
    int gaps = atomic_load(&two[0].gaps);
    assert_true(still(&two[0], &s));
    redis_do(
        "EVAL return(redis.call('publish','t:{bus}','D1'..string.char(32)..'00000000000000aa'.."
        "string.char(32)..'3'..string.char(32)..'1'..string.char(32)..'L0000000000000001')) 0");
    AWAIT(atomic_load(&two[0].gaps) > gaps);
    assert_false(still(&two[0], &s));

    gaps = atomic_load(&two[0].gaps);
    s = stamp_of(&two[0], a);
    redis_do("EVAL return(redis.call('hset','t:{bus}:seq','00000000000000aa','9'.."
             "string.char(32)..'7')) 0");
    AWAIT(atomic_load(&two[0].gaps) > gaps); /* it was published, it says, and did not come */
    assert_false(still(&two[0], &s));
    redis_do("EVAL return(redis.call('hdel','t:{bus}:seq','00000000000000aa')) 0");

    gaps = atomic_load(&two[0].gaps);
    s = stamp_of(&two[0], a);
    redis_do("PUBLISH t:{bus} nonsense");
    AWAIT(atomic_load(&two[0].gaps) > gaps);
    assert_false(still(&two[0], &s));
    two_stop(two);
}

static void hears_again_after_a_cut(void **state)
{
    struct one_node two[2];
    const struct tag a = learner("a");
    (void)state;
    two_start(two);
    struct stamp s = stamp_of(&two[1], a);
    int64_t reconnects = stats_of(&two[1]).reconnects;
    int gaps = atomic_load(&two[1].gaps);
    redis_do("CLIENT KILL TYPE pubsub");
    AWAIT(stats_of(&two[1]).reconnects > reconnects && bus_trusted(two[1].bus));
    assert_true(still(&two[1], &s)); /* nobody said a thing meanwhile, and the counters show it */
    assert_int_equal(atomic_load(&two[1].gaps), gaps);
    AWAIT(bus_trusted(two[0].bus));
    bus_say(two[0].bus, &a, 1);
    AWAIT(!still(&two[1], &s));
    two_stop(two);
}

static void what_was_said_while_it_was_away(void **state)
{
    struct one_node two[2];
    const struct tag a = learner("a");
    (void)state;
    two_start(two);
    struct stamp s = stamp_of(&two[1], a);
    for (int i = 0; i < 20 && still(&two[1], &s); i++) {
        redis_do("CLIENT KILL TYPE pubsub");
        bus_say(two[0].bus, &a, 1);
        AWAIT(bus_said(two[0].bus, a));
        AWAIT(bus_trusted(two[0].bus) && bus_trusted(two[1].bus));
    }
    AWAIT(!still(&two[1], &s));
    two_stop(two);
}

static void survives_a_restart(void **state)
{
    struct one_node two[2];
    const struct tag a = learner("a");
    (void)state;
    two_start(two);
    for (int round = 0; round < 3; round++) {
        struct stamp s = stamp_of(&two[1], a);
        OK(real_command(&redis, "crash", NULL, 0));
        AWAIT(!bus_trusted(two[0].bus) && !bus_trusted(two[1].bus));
        bus_say(two[0].bus, &a, 1);
        assert_false(bus_said(two[0].bus, a));
        OK(real_command(&redis, "start", redis.url, sizeof redis.url));
        AWAIT(bus_said(two[0].bus, a));
        AWAIT(!still(&two[1], &s));
        AWAIT(bus_trusted(two[0].bus) && bus_trusted(two[1].bus));
    }
    two_stop(two);
}

static void a_flush_does_no_harm(void **state)
{
    struct one_node two[2];
    const struct tag a = learner("a"), e = tag_of(TAG_ENDPOINT, STR("patterns"));
    (void)state;
    two_start(two);
    redis_do("FLUSHALL");
    struct stamp s = stamp_of(&two[1], a);
    bus_say(two[0].bus, &a, 1);
    AWAIT(!still(&two[1], &s));
    AWAIT(bus_token(two[0].bus, e) && bus_token(two[0].bus, e) == bus_token(two[1].bus, e));
    two_stop(two);
}

static void a_full_redis_still_hears(void **state)
{
    struct one_node two[2];
    const struct tag a = learner("a");
    (void)state;
    two_start(two);
    redis_do("CONFIG SET maxmemory 1");
    assert_true(strncmp(redis_do("SET x y").text, "OOM", 3) == 0);
    struct stamp s = stamp_of(&two[1], a);
    bus_say(two[0].bus, &a, 1);
    AWAIT(bus_said(two[0].bus, a));
    AWAIT(!still(&two[1], &s));
    redis_do("CONFIG SET maxmemory 0");
    two_stop(two);
}

static void a_read_only_redis_is_not_believed(void **state)
{
    struct one_node two[2];
    const struct tag a = learner("a");
    (void)state;
    two_start(two);
    redis_do("CONFIG SET replica-read-only yes");
    redis_do("REPLICAOF 127.0.0.1 1");
    bus_say(two[0].bus, &a, 1);
    AWAIT(!bus_trusted(two[0].bus) && !bus_trusted(two[1].bus));
    assert_false(bus_said(two[0].bus, a));
    redis_do("REPLICAOF NO ONE");
    AWAIT(bus_said(two[0].bus, a));
    AWAIT(bus_trusted(two[0].bus) && bus_trusted(two[1].bus));
    two_stop(two);
}

static void a_frozen_redis_is_not_believed(void **state)
{
    struct one_node two[2];
    char line[200];
    (void)state;
    two_start(two);
    snprintf(line, sizeof line, "kill -STOP $(cat %s/redis/pid)", redis.dir);
    assert_int_equal(system(line), 0);
    AWAIT(!bus_trusted(two[0].bus) && !bus_trusted(two[1].bus));
    snprintf(line, sizeof line, "kill -CONT $(cat %s/redis/pid)", redis.dir);
    assert_int_equal(system(line), 0);
    AWAIT(bus_trusted(two[0].bus) && bus_trusted(two[1].bus));
    two_stop(two);
}

static void misbehaviour_is_borne(void **state)
{
    static const enum fake_mode modes[] = {FAKE_GOOD, FAKE_GARBAGE, FAKE_CLOSE, FAKE_WRONG,
                                           FAKE_DEEP, FAKE_EXTRA,   FAKE_ERROR, FAKE_LOADING};
    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct fake f;
        struct one_node n;
        const struct tag a = learner("a");
        fake_start(&f, modes[i]);
        node_start(&n, f.url);
        bus_say(n.bus, &a, 1);
        AWAIT(atomic_load(&f.accepted) >= 4); /* it tried, and tried again */
        assert_false(bus_trusted(n.bus));
        node_stop(&n);
        fake_stop(&f);
    }
}

static int start(void **state)
{
    (void)state;
    real_start(&redis);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    real_stop(&redis);
    return 0;
}

int main(void)
{
    const struct CMUnitTest without[] = {
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(misbehaviour_is_borne),
    };
    const struct CMUnitTest with[] = {
        cmocka_unit_test(the_others_hear),
        cmocka_unit_test(much_is_said_at_once),
        cmocka_unit_test(tokens_are_never_the_same_again),
        cmocka_unit_test(a_missed_message_is_found_out),
        cmocka_unit_test(hears_again_after_a_cut),
        cmocka_unit_test(what_was_said_while_it_was_away),
        cmocka_unit_test(survives_a_restart),
        cmocka_unit_test(a_flush_does_no_harm),
        cmocka_unit_test(a_full_redis_still_hears),
        cmocka_unit_test(a_read_only_redis_is_not_believed),
        cmocka_unit_test(a_frozen_redis_is_not_believed),
    };
    int failed = cmocka_run_group_tests(without, NULL, NULL);
    start(NULL);
    if (redis.there)
        failed += cmocka_run_group_tests(with, NULL, NULL);
    stop(NULL);
    return failed;
}
