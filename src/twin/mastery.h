/* mastery - how surely a learner masters a skill or an objective.
 *
 * Evidence is the learner's answers, the older the lighter: each answer and each passing day fades
 * what was known before. With a prior (how people in general do on it) that makes a beta
 * distribution of the share of questions that the learner would answer rightly now: its mean, an
 * interval, and the chance that the share reaches MASTERY_BAR. Without an answer, that is the
 * prior.
 *
 * Prerequisites: a learner who does worse than people in general on what an objective builds on
 * begins lower there; the learner's own answers outweigh that in time. What was never asked is
 * unknown, and holds nobody down. Pure: no clock, no globals. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MASTERY_ROUNDS = 8,         /* so far up do prerequisites of prerequisites count */
    MASTERY_NODES_MAX = 100000, /* objectives and skills taken together at a time */
};
#define MASTERY_BAR 0.8

/* Zeroed: no answer. Faded counts, as of last_s. */
struct mastery {
    double right, wrong;
    int64_t last_s; /* time of the latest answer, seconds; 0 unknown */
    uint32_t answers;
};

/* mean 0..1: the share of right answers of people in general; weight: in answers, above 0, at most
 * 1000. */
struct mastery_prior {
    double mean, weight;
};
extern const struct mastery_prior mastery_prior_default; /* where nothing is known of the skill */
/* From all learners' answers to it, drawn to the default as if by twenty more. */
struct mastery_prior mastery_prior_of(int64_t right, int64_t answers);

/* score 0..1: 1 right. now_s 0: unknown; a time before the last one counts as the same. */
void mastery_answer(struct mastery *m, double score, int64_t now_s);

/* Of a right answer now: the mean alone, at a hundredth of the cost of all. */
double mastery_probability(const struct mastery *m, const struct mastery_prior *prior,
                           int64_t now_s);

/* What it is now: all that choosing needs. The interval costs twenty times as much, the chance of
 * a share five times: they are made of it where they are shown. */
struct mastery_now {
    double probability; /* as above */
    double evidence;    /* in answers, after fading */
    double a, b;        /* the beta distribution's shapes */
};
void mastery_now_of(const struct mastery *m, const struct mastery_prior *prior, int64_t now_s,
                    struct mastery_now *ret);
/* The chance that the share of right answers is `bar` (0..1) or more. */
double mastery_chance(const struct mastery_now *now, double bar);

struct mastery_estimate {
    double probability, evidence; /* as above */
    double low, high;             /* 90 % */
    double mastered;              /* chance that the share is MASTERY_BAR or more */
};
struct mastery_estimate mastery_estimate_of(const struct mastery_now *now);

/* The older API's levels. */
enum mastery_level {
    MASTERY_NOT_STARTED,
    MASTERY_BEGINNER,
    MASTERY_INTERMEDIATE, /* probability >= 0.5 */
    MASTERY_ADVANCED,     /* >= 0.7 */
    MASTERY_MASTERED,     /* mastered >= 0.8 */
};
enum mastery_level mastery_level_of(const struct mastery *m, const struct mastery_now *now);
const char *mastery_level_name(enum mastery_level l); /* "NOT_STARTED" .. */

/* ---- prerequisites ---- */

struct mastery_node {
    struct mastery own;
    struct mastery_prior prior;
};
struct mastery_edge {
    int32_t objective, prerequisite; /* numbers of nodes */
    double strength;                 /* 0..1 */
};

/* All nodes now, with their prerequisites in mind; ret: `count` of them. Changes travel at
 * most MASTERY_ROUNDS edges, so that cycles, which there should not be, do no harm, and nothing
 * depends on the order of nodes or edges. ERR_RANGE: a count, number or strength outside its range.
 * ERR_NOMEM. */
MUST_CHECK enum err mastery_with_prerequisites(const struct mastery_node *nodes, int32_t count,
                                               const struct mastery_edge *edges, int32_t edge_count,
                                               int64_t now_s, struct mastery_now *ret);
