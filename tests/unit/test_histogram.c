/* Buckets that hold what they say, and quantiles near the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "twin/histogram.h"

#include <math.h>
#include <stdlib.h>

static void buckets_hold_their_values(void **state)
{
    (void)state;
    int32_t last = -1;

    for (int64_t v = 0; v < 100000; v++) {
        int32_t b = histogram_bucket(v);
        struct interval i = histogram_bounds(b);
        assert_true(i.low <= (double)v && (double)v < i.high);
        assert_true(i.high - i.low <= fmax(1, i.low / 16));
        assert_true(b == last || b == last + 1); /* none is left out */
        last = b;
    }
    assert_int_equal(histogram_bucket(-5), 0);
    assert_true(histogram_bucket(INT64_MAX) < HISTOGRAM_BUCKETS);
    assert_true(histogram_bounds(histogram_bucket(INT64_MAX)).high >= 9.2e18);
}

static int by_value(const void *pa, const void *pb)
{
    const double *a = pa, *b = pb;
    return (*a > *b) - (*a < *b);
}

static void quantiles_are_near(void **state)
{
    (void)state;
    enum { N = 5000 };
    static double v[N];
    static int64_t counts[HISTOGRAM_BUCKETS];
    static struct histogram_count c[HISTOGRAM_BUCKETS];
    struct rng rng;
    int32_t n = 0;

    rng_seed(&rng, 7);
    for (int i = 0; i < N; i++) {
        v[i] = floor(exp(3 + 4 * rng_unit(&rng)));
        counts[histogram_bucket((int64_t)v[i])]++;
    }
    qsort(v, N, sizeof *v, by_value);
    for (int32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (counts[i] > 0)
            c[n++] = (struct histogram_count){i, counts[i]};
    for (double q = 0.05; q < 1; q += 0.05) {
        double want = v[(int)(q * N)], have = histogram_quantile(c, n, q);
        assert_true(fabs(have - want) <= 1 + want / 16);
        struct interval i = histogram_interval(c, n, q);
        assert_true(i.low < have && have < i.high);
    }
}

static void thin_data(void **state)
{
    (void)state;
    struct histogram_count one[] = {{40, 3}};

    assert_true(isnan(histogram_quantile(NULL, 0, 0.5)));
    struct interval b = histogram_bounds(40);
    double have = histogram_quantile(one, 1, 0.95);
    assert_true(b.low <= have && have <= b.high);
    assert_true(isnan(histogram_interval(one, 1, 0.95).high)); /* three do not reach so far */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_hold_their_values),
        cmocka_unit_test(quantiles_are_near),
        cmocka_unit_test(thin_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
