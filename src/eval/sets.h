/* sets - data sets by the files of their folder, from the importers' own readers to the models.
 *
 * train.tsv.gz, test.tsv.gz, item_skills.tsv.gz   answers, split by their makers; without the
 *                                                 training file: a fifth of the learners is drawn
 * train.txt.gz, test.txt.gz                       answers, three lines a learner
 * rows.tsv.gz                                     cloze practice with times; a fifth is drawn
 * review_logs.csv.gz                              one person's Anki reviews
 * assessment, student, student_assessment, student_registration, each .csv.gz
 *                                                 coursework: who fails or leaves
 * events.tsv.gz, results.tsv.gz                   a course's log, and its grades
 * NAME.txt.gz                                     SuperMemo repetitions, a file a person */
#pragma once
#include "base/args.h"

#include <stdbool.h>
#include <stdio.h>

struct sets_options {
    int32_t resamples; /* for the intervals; 0: none */
    FILE *out;
    bool weights; /* of coursework or visits: print the fitted weights instead, as C */
};

/* Any table of answers, read by the options of `doppel import csv` ("--preset=gervet",
 * "--map=item=problem"): a fifth of its learners is drawn as the test part. count: at most
 * SETS_OPTIONS_MAX. ERR_NOT_FOUND: no file. ERR_UNPROCESSABLE: it holds no graded answers of two
 * learners or more. ERR_RANGE: an option is wrong. */
enum { SETS_OPTIONS_MAX = 64 };
MUST_CHECK enum err sets_evaluate_table(const char *file, const char *const *csv_options,
                                        int32_t count, const struct sets_options *options,
                                        char *ret_detail);

/* Evaluates the folder, or each folder in it that is recognised. ERR_NOT_FOUND: nothing is.
 * ret_detail (ARGS_DETAIL_MAX bytes): which file, and what is wrong. */
MUST_CHECK enum err sets_evaluate(const char *folder, const struct sets_options *options,
                                  char *ret_detail);
