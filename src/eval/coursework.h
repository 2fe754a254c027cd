/* coursework - a data set of set work, registrations and results in memory, and what the early
 * warning reads of it by a day (courses.h says which files). The caller frees what load and
 * table_of give. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "eval/courses.h"
#include "twin/warning.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    COURSEWORK_RUNS_MAX = 256,
    COURSEWORK_MODULES_MAX = 16,
    COURSEWORK_PERSON = 7, /* inputs that tell of the person */
    COURSEWORK_CONTEXT = COURSEWORK_PERSON + COURSEWORK_MODULES_MAX + 1,
    COURSEWORK_INPUTS = WARNING_INPUTS + COURSEWORK_CONTEXT,
};

struct coursework_run {
    struct str module, name;
    bool test;
};

struct coursework_task {
    int32_t presentation, due;
    int64_t id;
    double weight;
    bool exam, quiz;
    /* of the cohort by a day, see coursework_cohorts() */
    double n, mean, sd, share;
};

struct coursework_row {
    int32_t presentation;
    int64_t person;
    uint32_t cluster;
    int32_t registered, left; /* WARNING_NEVER */
    int32_t attempts;
    double credits;
    enum warning_education education;
    double context[COURSEWORK_PERSON];
    bool bad_end;
    int32_t handed_from, handed_to;
    struct warning_record record; /* by a day, see coursework_records() */
};

struct coursework_handed {
    int32_t row, task, day;
    bool carried;
    double score;
    double score_place, day_place; /* likewise */
};

struct coursework {
    struct arena arena;
    struct coursework_run presentations[COURSEWORK_RUNS_MAX];
    struct coursework_task *tasks;
    struct coursework_row *rows;
    struct coursework_handed *handed;
    int32_t presentation_count, task_count, row_count, handed_count, module_count;
    struct str modules[COURSEWORK_MODULES_MAX]; /* of the training part */
    uint32_t clusters;
};

/* Rows are ordered by person and presentation. Errors: as courses.h says. */
MUST_CHECK enum err coursework_load(const struct courses_options *o, struct coursework **ret);
void coursework_free(struct coursework *d); /* NULL: nothing */

/* Writes into tasks and handed what is known of the cohorts by the end of the day. ERR_NOMEM. */
MUST_CHECK enum err coursework_cohorts(struct coursework *d, int32_t day);

/* Writes into the rows what had become of people's other runs by the calendar day on which theirs
 * reach the day: who had left, how those ended that were over, and else the risk by then. Forecasts
 * are by the shipped weights. Leaves the cohorts of some other day behind. ERR_NOMEM, ERR_RANGE. */
MUST_CHECK enum err coursework_records(struct coursework *d, int32_t day);

/* Of those who were there on the first landmark's day, how many; and who have left by the day. */
void coursework_left(const struct coursework *d, int32_t run, int32_t day, int32_t *ret_began,
                     int32_t *ret_left);

/* Those present on a day: registered, and not gone. */
struct coursework_table {
    double *x; /* runs of COURSEWORK_INPUTS */
    uint8_t *y;
    uint32_t *cluster;
    int32_t *presentation;
    int32_t rows;
};

/* After coursework_cohorts() of the day. ERR_RANGE: a value that warning_read() refuses. */
MUST_CHECK enum err coursework_table_of(const struct coursework *d, int32_t day,
                                        struct coursework_table *ret);
void coursework_table_free(struct coursework_table *t);
