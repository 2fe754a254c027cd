/* courses - data sets of whole courses, and how early who fails or leaves is known.
 *
 * Coursework (assessment.csv, student.csv, student_assessment.csv, student_registration.csv, each
 * with .gz; the layout of the Open University's data set): on days 30, 60 and 120 of each
 * presentation, those who are registered and have not left are forecast. Models are fitted on the
 * presentations of earlier years, those of the last year are the test. Clusters are people.
 *
 * Visits (events.tsv, results.tsv with .gz): two weeks of a course's log, and who ends in the
 * lowest quarter of the grades. There is one course, so the split is tenfold, repeated, and
 * everything that is fitted or chosen is so within the training folds. */
#pragma once
#include "base/err.h"

#include <stdint.h>
#include <stdio.h>

struct courses_options {
    const char *folder, *set;
    int32_t resamples;
    FILE *out;
    char *detail; /* ARGS_DETAIL_MAX bytes */
};

/* Files as above; bad rows are ERR_SYNTAX with the file and line in the detail;
 * ERR_UNPROCESSABLE: too little to fit on and judge. ERR_NOMEM. */
MUST_CHECK enum err courses_evaluate_coursework(const struct courses_options *o);
MUST_CHECK enum err courses_evaluate_visits(const struct courses_options *o);
/* Prints the rows of warning_table.c: the landmarks fitted on the training part. */
MUST_CHECK enum err courses_print_weights(const struct courses_options *o);
MUST_CHECK enum err courses_print_visit_weights(const struct courses_options *o);
