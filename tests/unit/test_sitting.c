/* Sittings: where they end, what they hold, load against what follows it, and bytes that come back
 * as they were. */
#include "base/rng.h"
#include "test.h"
#include "twin/sitting.h"

#include <math.h>
#include <string.h>

static struct sitting_answer answer(int64_t at, double seconds, int right, const char *topic)
{
    return (struct sitting_answer){.answer = {at, seconds, (int8_t)right, 0.8, STRAIN_QUESTION},
                                   .topic = str_from(topic)};
}

static int take(struct sittings *s, const struct sitting_answer *a, struct sitting *ret)
{
    struct sitting_event e;

    sittings_answer(s, a, &e);
    if (e.closed)
        *ret = e.sitting;
    return e.closed;
}

static void silence_ends_a_sitting(void **state)
{
    (void)state;
    struct sittings s;
    struct sitting closed;
    int64_t at = 1000 * US_PER_DAY;

    sittings_init(&s);
    assert_false(sittings_rest(&s, at, &closed));
    for (int i = 0; i < 12; i++) {
        struct sitting_answer a = answer(at + i * US_PER_MINUTE, 5, i % 4 > 0, i < 5 ? "x" : "y");
        assert_int_equal(take(&s, &a, &closed), 0);
    }
    struct sitting_answer later = answer(at + 30 * US_PER_MINUTE, 5, 1, "y"); /* a break */
    assert_int_equal(take(&s, &later, &closed), 0);
    later.answer.at += SITTING_GAP_US;
    assert_int_equal(take(&s, &later, &closed), 0); /* just not too long */
    later.answer.at += SITTING_GAP_US + 1;
    assert_int_equal(take(&s, &later, &closed), 1);
    assert_int_equal(closed.start, at);
    assert_int_equal(closed.end, at + 60 * US_PER_MINUTE);
    assert_int_equal(closed.active_us, 11 * US_PER_MINUTE); /* breaks left out */
    assert_int_equal(closed.answers, 14);
    assert_int_equal(closed.right, 11);
    assert_true(fabs(closed.expected - 14 * 0.8) < 1e-9);
    assert_int_equal(closed.topic_n, 1);
    assert_int_equal(closed.topic[0], 'y'); /* nine of fourteen */
    assert_int_equal(s.open.answers, 1);
    assert_true(sittings_rest(&s, later.answer.at + SITTING_GAP_US + 1, &closed));
    assert_int_equal(closed.answers, 1);
    assert_true(isnan(sitting_after(&closed)));
}

/* The clock of a sitting: what is not answering is work, pauses are not, silences only up to a
 * bound. */
static void what_else_was_done_counts(void **state)
{
    (void)state;
    struct sittings s;
    struct sitting closed;
    struct sitting_answer a;
    int64_t t = 1000 * US_PER_DAY, min = US_PER_MINUTE;

    sittings_init(&s);
    assert_false(sittings_trace(&s, SITTING_PAUSE, t - 2 * min, 0, &closed)); /* of nothing */
    assert_false(sittings_trace(&s, SITTING_WORK, t, 0, &closed));
    assert_false(
        sittings_trace(&s, SITTING_WORK, t + 25 * min, 24 * min, &closed)); /* a long text */
    a = answer(t + 30 * min, 5, 1, "x");
    assert_int_equal(take(&s, &a, &closed), 0);
    assert_int_equal(s.open.active_us, 30 * min);
    assert_int_equal(s.minutes[6].n, 1);
    assert_false(sittings_trace(&s, SITTING_PAUSE, t + 32 * min, 0, &closed));
    assert_false(sittings_trace(&s, SITTING_RESUME, t + 37 * min, 0, &closed));
    assert_int_equal(s.open.active_us, 32 * min);
    assert_false(sittings_trace(&s, SITTING_PAUSE, t + 38 * min, 0, &closed));
    a.answer.at = t + 40 * min; /* nobody said that it went on: from here */
    assert_int_equal(take(&s, &a, &closed), 0);
    assert_int_equal(s.open.active_us, 33 * min);
    a.answer.at = t + 52 * min; /* twelve minutes of silence: nobody knows */
    assert_int_equal(take(&s, &a, &closed), 0);
    a.answer.at = t + 54 * min;
    assert_int_equal(take(&s, &a, &closed), 0);
    assert_int_equal(s.open.active_us, 35 * min);
    assert_true(sittings_trace(&s, SITTING_WORK, t + US_PER_DAY, min, &closed));
    assert_int_equal(closed.start, t);
    assert_int_equal(closed.end, t + 54 * min);
    assert_int_equal(closed.answers, 4);
    assert_int_equal(s.open.start, t + US_PER_DAY - min);
    /* one without an answer leaves nothing behind */
    assert_false(sittings_rest(&s, t + 2 * US_PER_DAY, &closed));
    a.answer.at = t + 2 * US_PER_DAY;
    assert_int_equal(take(&s, &a, &closed), 0);
    assert_int_equal(s.open.start, a.answer.at);
    assert_int_equal(s.open.active_us, 0);
}

/* The outcomes that stand against a load are none of those that made it. */
static void load_is_held_against_what_follows(void **state)
{
    (void)state;
    struct sittings s;
    struct sitting closed;

    sittings_init(&s);
    for (int i = 0; i < 20; i++) {
        struct sitting_answer a = answer(i * US_PER_MINUTE, 5, i % 5 > 0, "x");
        assert_int_equal(take(&s, &a, &closed), 0);
    }
    assert_true(sittings_rest(&s, US_PER_HOUR, &closed));
    assert_int_equal(closed.loaded, 1); /* the normal was not known before */
    assert_int_equal(closed.after_n, 0);
    for (int i = 0; i < 20; i++) {
        struct sitting_answer a = answer(US_PER_DAY + i * US_PER_MINUTE, 5, i % 10 >= 5, "x");
        assert_int_equal(take(&s, &a, &closed), 0);
    }
    assert_true(sittings_rest(&s, 2 * US_PER_DAY, &closed));
    assert_int_equal(closed.after_n, 10);
    assert_int_equal(closed.after_right, 10); /* the misses were in the first blocks */
    assert_true(fabs(sitting_after(&closed) - 0.2) < 1e-9);
    assert_true(sitting_before(&closed) > sitting_load(&closed));
}

static const char *const modalities[] = {"text", "video", "audio", "quiz", "a",
                                         "b",    "c",     "d",     "e",    ""};

static void random_life(struct sittings *s, struct rng *rng, int n, double tired)
{
    struct sitting_event e;
    int64_t at = 1000 * US_PER_DAY, begun = at;

    sittings_init(s);
    for (int i = 0; i < n; i++) {
        if (rng_below(rng, 50) == 0)
            begun = at += US_PER_DAY;
        at += (int64_t)(rng_unit(rng) * 2 * (double)US_PER_MINUTE);
        double minutes = (double)(at - begun) / (double)US_PER_MINUTE;
        double late = tired * fmin(1, fmax(0, minutes - 20) / 90);
        struct sitting_answer a =
            answer(at, 4 + 4 * rng_unit(rng), rng_unit(rng) < 0.8 - late, "t");
        a.modality = str_from(modalities[rng_below(rng, COUNT(modalities))]);
        sittings_answer(s, &a, &e);
    }
}

static void modalities_are_counted_apart(void **state)
{
    (void)state;
    struct sittings s;
    struct sitting closed;
    int64_t answers = 0;
    struct rng rng;

    rng_seed(&rng, 3);
    random_life(&s, &rng, 2000, 0);
    assert_int_equal(s.modality_count, SITTING_MODALITIES); /* the ninth and none are not counted */
    sittings_rest(&s, s.open.end + US_PER_DAY, &closed);
    for (int32_t i = 0; i < s.modality_count; i++) {
        const struct rhythm_sum *sum = &s.modalities[i].sum;
        assert_int_equal(s.modalities[i].open.n, 0);
        assert_int_equal(sum->part.expected, sum->part.n * 800000);
        assert_true(sum->sessions > 20 && sum->sessions < 60 && sum->square > 0);
        answers += sum->part.n;
    }
    assert_true(answers > 1500 && answers < 1700);
}

static void bytes_come_back(void **state)
{
    (void)state;
    static uint8_t a[SITTING_BYTES_MAX], b[SITTING_BYTES_MAX];
    struct sittings s, t;
    struct rng rng;

    rng_seed(&rng, 7);
    for (int n = 0; n < 3000; n = 2 * n + 1) {
        random_life(&s, &rng, n, 0);
        size_t size = sittings_encode(&s, a);
        assert_int_equal(sittings_decode(&t, a, size), ERR_OK);
        assert_int_equal(sittings_encode(&t, b), size);
        assert_memory_equal(a, b, size);
        for (size_t cut = 0; cut < size; cut += 1 + size / 50)
            assert_int_equal(sittings_decode(&t, a, cut), ERR_RANGE);
        for (int k = 0; k < 2000; k++) { /* whatever is read back can be used */
            memcpy(b, a, size);
            b[rng_below(&rng, size)] ^= (uint8_t)(1 << rng_below(&rng, 8));
            if (sittings_decode(&t, b, size) == ERR_OK) {
                struct sitting_answer one = answer(2000 * US_PER_DAY, 5, 1, "x");
                struct sitting_event e;
                sittings_answer(&t, &one, &e);
                sittings_encode(&t, b);
            }
        }
    }
}

static void fatigue_is_found_where_there_is_some(void **state)
{
    (void)state;
    struct rhythm_fatigue f;
    struct sittings s;
    struct rng rng;

    rng_seed(&rng, 3);
    random_life(&s, &rng, 6000, 0.7);
    sittings_fatigue(&s, 1, &f);
    assert_true(f.found);
    assert_true(f.onset_interval.low > 5 && f.onset_interval.low < 20);
    assert_true(f.onset_interval.high > 20);
    random_life(&s, &rng, 6000, 0);
    sittings_fatigue(&s, 1, &f);
    assert_false(f.found);
    sittings_init(&s);
    sittings_fatigue(&s, 1, &f);
    assert_int_equal(f.n, 0);
    assert_false(f.found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_ends_a_sitting),
        cmocka_unit_test(what_else_was_done_counts),
        cmocka_unit_test(load_is_held_against_what_follows),
        cmocka_unit_test(modalities_are_counted_apart),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(fatigue_is_found_where_there_is_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
