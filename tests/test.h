/* test - cmocka with the headers it wants, and small helpers. Included first by every test. */
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/str.h"

#define assert_str(actual, expected) assert_str_at((actual), (expected), __FILE__, __LINE__)
static inline void assert_str_at(struct str actual, const char *expected, const char *file,
                                 int line)
{
    if (expected ? actual.p && str_eq(actual, str_from(expected)) : !actual.p)
        return;
    print_error("\"" STR_FMT "\" is not \"%s\"\n", STR_ARG(actual),
                expected ? expected : "(absent)");
    _fail(file, line);
}
#define assert_near(actual, expected, tolerance)                        \
    do {                                                                \
        double near_a_ = (actual), near_e_ = (expected);                \
        if (!(fabs(near_a_ - near_e_) <= (tolerance))) {                \
            print_error("%.17g is not near %.17g\n", near_a_, near_e_); \
            _fail(__FILE__, __LINE__);                                  \
        }                                                               \
    } while (0)
