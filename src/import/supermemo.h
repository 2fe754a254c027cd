/* supermemo - a row of a repetition history, for those who need more of it than its event. */
#pragma once
#include "base/str.h"

struct repetition {
    struct str item, exp_fi; /* exp_fi: SuperMemo's forecast of forgetting in %, as it stands */
    int64_t rep, laps, interval, grade;
    int32_t day; /* since 1970, as SuperMemo reckons */
    double hour; /* 0 to below 1000 */
    bool have_grade, have_date, have_hour;
};

/* A line that begins with "ElNo=". Text points into it. Returns NULL, or why the line is bad. */
const char *repetition_read(struct str line, struct repetition *ret);
/* Of grades 0..5: 1 again, 2 hard, 3 good, 4 easy; 0: the grade is none. */
int repetition_rating(int64_t grade);
int32_t repetition_second(const struct repetition *r); /* of the day, 0..86399 */
