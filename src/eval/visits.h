/* visits - one course's log and grades in memory: who came when in the first two weeks, and who
 * ended in the lowest quarter (courses.h says which files). */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "eval/courses.h"
#include "twin/warning.h"

#include <stdbool.h>
#include <stdint.h>

enum { VISITORS_MAX = 4096 };

struct visitor {
    struct str name;
    double grade;
    double x[WARNING_VISIT_INPUTS];
    bool absent; /* at the end of the window */
    uint8_t low; /* grade in the lowest quarter */
};

struct visit {
    int32_t visitor;
    struct warning_visit visit;
};

struct visits {
    struct arena arena;
    struct visitor *visitors;
    struct visit *all;
    int32_t visitor_count, count;
};

/* Errors: as courses.h says. The caller frees. */
MUST_CHECK enum err visits_load(const struct courses_options *o, struct visits **ret);
void visits_free(struct visits *v); /* NULL: nothing */
