/* outlook - will the learner struggle with an objective in the days to come?
 *
 * To struggle: of at least OUTLOOK_GRADED_MIN answers and reviews on it in that time, a share below
 * OUTLOOK_BAR is right. The forecast is a logistic regression on few inputs of the moment:
 *
 *   skill    log odds of a right answer on a new question of it, counted from those of the bar:
 *            the struggle model's parts (struggle.h) and the learner's mastery (mastery.h), blended
 *            by how much the model has learnt from yet
 *   memory   how far the objective's cards have faded: 0.9 - their mean recall now (card.h)
 *   due      share of its cards that are due
 *   load     the learner's load of late, 0..1, counted from one half
 *
 * The weights begin where five answers, each right with the chance that `skill` says, would put
 * them, and learn from each outcome: Bayesian logistic regression by assumed density filtering
 * (Opper 1998), with a variance for each weight. Because all is additive in log odds, the parts of
 * a forecast sum to the whole. Pure. */
#pragma once
#include "twin/mastery.h"
#include "twin/struggle.h"

enum { OUTLOOK_GRADED_MIN = 3, OUTLOOK_INPUTS = 5, OUTLOOK_BYTES = OUTLOOK_INPUTS * 16 + 8 };
#define OUTLOOK_BAR 0.65

enum outlook_input { INPUT_LEVEL, INPUT_SKILL, INPUT_MEMORY, INPUT_DUE, INPUT_LOAD };

/* What speaks for struggling (above 0) and against, in log odds. */
enum outlook_part {
    OUTLOOK_BASE,          /* how objectives turn out in general */
    OUTLOOK_DIFFICULTY,    /* how hard this one is for people in general */
    OUTLOOK_LEARNER,       /* how the learner does overall */
    OUTLOOK_PRACTICE,      /* the learner's own answers on it */
    OUTLOOK_PREREQUISITES, /* what it builds on */
    OUTLOOK_RECENCY,       /* time and answers since, and what came just before */
    OUTLOOK_MEMORY,
    OUTLOOK_DUE,
    OUTLOOK_LOAD,
    OUTLOOK_PARTS
};
const char *outlook_part_name(enum outlook_part p); /* "prerequisites" */

struct outlook_model {
    double w[OUTLOOK_INPUTS], variance[OUTLOOK_INPUTS];
    int64_t outcomes; /* it has learnt from */
};
extern const struct outlook_model outlook_initial;

/* What is known of one objective and of the learner. */
struct outlook_facts {
    double parts[PART_COUNT]; /* struggle_explain() of a new question on it */
    int64_t learnt;           /* answers that the struggle model has learnt from, of all learners */
    struct mastery own;       /* the learner's answers on it */
    struct mastery_now built; /* with its prerequisites */
    int64_t now_s;
    double recall; /* mean of its cards, 0..1; NaN: none */
    double due;    /* share of them, 0..1; NaN: none */
    double load;   /* 0..1; NaN: not known */
};

struct outlook {
    double x[OUTLOOK_INPUTS];      /* for outlook_learn() */
    double right;                  /* chance of a right answer */
    double probability, low, high; /* of struggling; 90 % */
    double parts[OUTLOOK_PARTS];   /* sum to the log odds of `probability` */
};
void outlook_of(const struct outlook_model *m, const struct outlook_facts *facts,
                struct outlook *ret);
void outlook_learn(struct outlook_model *m, const double x[OUTLOOK_INPUTS], bool struggled);

/* The learner's answers on a thing, as mastery.h counts them, from struggle.h's counts: these fade
 * by 0.92 an answer, where mastery_answer() fades by 0.9. */
struct mastery outlook_mastery(const struct struggle_count *c);

/* The same with answers that came since: of `attempts` answers in all, `right` were right, the last
 * at last_s. The order of the new ones is not known and does not matter much: each fades what was
 * before it, and they count as if evenly mixed. Fewer attempts than counted: nothing is new. */
struct mastery outlook_mastery_since(const struct struggle_count *c, int64_t attempts,
                                     int64_t right, int64_t last_s);

void outlook_encode(const struct outlook_model *m, uint8_t out[OUTLOOK_BYTES]);
/* ERR_RANGE; *m is not touched then. */
MUST_CHECK enum err outlook_decode(struct outlook_model *m, const uint8_t *bytes, size_t n);
