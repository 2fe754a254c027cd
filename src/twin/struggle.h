/* struggle - will the next answer be right? Knowledge tracing, online.
 *
 * An additive model of the log odds: item, skills, and what the learner has done lately and in all,
 * overall, on this item and on these skills, at several time scales; and what came just before.
 * The features follow performance factors analysis (Pavlik, Cen & Koedinger 2009), best-LR (Gervet,
 * Koedinger, Schneider & Mitchell 2020) and DAS3H (Choffin et al. 2019). Three learners of the same
 * weights run side by side: two Bayesian ones with a variance for each weight (assumed density
 * filtering, one step an answer; Opper 1998), a cautious and a bold one, so that a feature rarely
 * met moves much and a well known one little; and one by AdaGrad (Duchi, Hazan & Singer 2011),
 * which never stops moving. Their log odds are stacked by a slow fourth, and so calibrated online.
 * Each answer is predicted before it is learnt from.
 *
 * Ids are hashed into tables of a fixed size, so memory does not grow with learners, items or
 * skills; a new id starts from what is known without it. Because the model is additive, a
 * prediction is the sum of its parts, and each part can be shown (struggle_explain). Pure: no
 * clock, no I/O. */
#pragma once
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STRUGGLE_SKILLS_MAX = 16,
    STRUGGLE_SCALES = 4,   /* time scales of the recent rates */
    STRUGGLE_LEARNERS = 3, /* learners of the weights that are stacked */
    STRUGGLE_BEFORE = 8,   /* answers that the context reaches back */
    STRUGGLE_FEATURES_MAX = 112,
    STRUGGLE_BITS_DEFAULT = 20,
};

/* What a learner did on one thing: everything, an item, or a skill. Small enough to be stored by
 * the million (48 bytes); zeroed is "nothing yet". */
struct struggle_count {
    uint32_t attempts, wins;
    float recent[STRUGGLE_SCALES]; /* exponentially weighted sums of outcomes, half-lives 1 to 34
                                      attempts */
    float latency; /* mean log of the response time in seconds, over timed answers */
    uint32_t timed;
    int64_t last_s;      /* time of the last attempt, seconds; 0 unknown */
    uint32_t last_index; /* the learner's answer number then */
    uint8_t last_correct;
    uint8_t history; /* the last eight outcomes, the newest lowest */
};

/* One answer that is to be predicted. Counts are those before it; NULL means nothing yet. */
struct struggle_question {
    uint64_t item; /* any stable ids, e.g. hashes */
    uint64_t skills[STRUGGLE_SKILLS_MAX];
    int32_t skill_count;                        /* 0: no skill is known */
    const struct struggle_count *all, *on_item; /* the learner's */
    const struct struggle_count *on_skill[STRUGGLE_SKILLS_MAX];
    struct struggle_before {
        uint64_t item, skill; /* item 0: none */
        bool correct;
    } before[STRUGGLE_BEFORE]; /* the answers before this one, the latest first */
    uint32_t index;            /* how many answers the learner has given */
    int64_t now_s;             /* 0: unknown */
};

/* The question was answered: it becomes the latest of those before the next one. */
void struggle_question_after(struct struggle_question *q, bool correct);

/* What speaks for and against, in log odds; the parts and the base sum to the whole. */
enum struggle_part {
    PART_BASE,       /* how answers turn out in general */
    PART_ITEM,       /* how hard the item is */
    PART_SKILL,      /* how hard its skills are */
    PART_LEARNER,    /* how the learner does overall */
    PART_PRACTICE,   /* practice of these skills */
    PART_REPETITION, /* earlier tries of this very item */
    PART_RECENCY,    /* time and answers since the skill and item were last seen */
    PART_CONTEXT,    /* what came just before */
    PART_COUNT
};

struct struggle_features {
    int32_t n;
    uint32_t slot[STRUGGLE_FEATURES_MAX];
    float value[STRUGGLE_FEATURES_MAX];
    float spread[STRUGGLE_FEATURES_MAX]; /* prior variance of the weight; 0: AdaGrad only */
    uint8_t part[STRUGGLE_FEATURES_MAX];
};

struct struggle_prediction {
    double probability; /* of a right answer, within 0.0005..0.9995 */
    double logit;
    float learner_logits[STRUGGLE_LEARNERS];
};

/* Which features: those of best-LR alone (item, skills, counts of wins and misses), for comparison;
 * or all. */
enum struggle_depth { STRUGGLE_BEST_LR, STRUGGLE_FULL };

struct struggle_model;
/* bits: 10..26; the model takes 24 bytes << bits. ERR_RANGE, ERR_NOMEM. */
MUST_CHECK enum err struggle_model_new(int bits, enum struggle_depth depth,
                                       struct struggle_model **ret);
/* One of which a few slots are used: it takes 4 bytes << bits, and 24 for each slot that is
 * claimed. Slots must be claimed before anything is learnt by them; others read as never used. */
MUST_CHECK enum err struggle_model_sparse_new(int bits, enum struggle_depth depth,
                                              struct struggle_model **ret);
/* ERR_NOMEM. Nothing to be done in a model that is not sparse. */
MUST_CHECK enum err struggle_slot_claim(struct struggle_model *m, uint32_t slot);
void struggle_model_free(struct struggle_model *m);

void struggle_read(const struct struggle_model *m, const struct struggle_question *q,
                   struct struggle_features *ret);
void struggle_predict(const struct struggle_model *m, const struct struggle_features *f,
                      struct struggle_prediction *ret);
/* After the outcome is known. `p` is the prediction made from the same features. */
void struggle_learn(struct struggle_model *m, const struct struggle_features *f,
                    const struct struggle_prediction *p, bool correct);
/* The parts sum to the logit of struggle_predict() on the same features, but for rounding. */
void struggle_explain(const struct struggle_model *m, const struct struggle_features *f,
                      double ret_parts[PART_COUNT]);
#define STRUGGLE_TIME_MAX (INT64_C(1) << 40) /* seconds, some 35,000 years */
#define STRUGGLE_LATENCY_MAX 1e6             /* seconds */
/* Adds an answer to a count. latency_s < 0: not timed; above the bound: as the bound. now_s 0, or
 * further from 1970 than the bound: unknown. */
void struggle_count_add(struct struggle_count *c, bool correct, double latency_s, int64_t now_s,
                        uint32_t index);

/* ---- weights as stored bytes ----
 * A slot at a time, so that a run reads and writes no more than it touches: the slots that
 * struggle_read() names. What was never learnt need not be stored. Little-endian. */
enum {
    STRUGGLE_SLOT_BYTES = 8 * STRUGGLE_LEARNERS,
    STRUGGLE_STACK_BYTES = 4 * (STRUGGLE_LEARNERS + 1)
};
void struggle_slot_encode(const struct struggle_model *m, uint32_t slot,
                          uint8_t out[STRUGGLE_SLOT_BYTES]);
void struggle_stack_encode(const struct struggle_model *m, uint8_t out[STRUGGLE_STACK_BYTES]);
/* Claims the slot. ERR_RANGE: not such bytes, or numbers that no model has; nothing is changed
 * then. ERR_NOMEM. */
MUST_CHECK enum err struggle_slot_decode(struct struggle_model *m, uint32_t slot,
                                         const uint8_t *bytes, size_t n);
MUST_CHECK enum err struggle_stack_decode(struct struggle_model *m, const uint8_t *bytes, size_t n);
