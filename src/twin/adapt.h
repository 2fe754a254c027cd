/* adapt - how much lighter the work should be for a given load, and how demanding it may be.
 *
 * Bands of the load (0..100): above 80 emergency, above 60 reduce, from 40 maintain, below that
 * increase (by a level only below 30). They are conventions of the load's scale (load.h, strain.h),
 * not fitted; every quantity here is monotone: a higher load never asks for more. Pure. */
#pragma once
#include "twin/load.h"

enum adapt_action { ADAPT_INCREASE, ADAPT_MAINTAIN, ADAPT_REDUCE, ADAPT_EMERGENCY };
enum adapt_scaffold { ADAPT_NONE, ADAPT_MINIMAL, ADAPT_MODERATE, ADAPT_EXTENSIVE };
enum adapt_complexity { ADAPT_BASIC, ADAPT_INTERMEDIATE, ADAPT_ADVANCED };
extern const char *const adapt_action_names[];     /* "INCREASE" .., NULL */
extern const char *const adapt_scaffold_names[];   /* "NONE" .., NULL */
extern const char *const adapt_complexity_names[]; /* "BASIC" .., NULL */

struct adapt_difficulty {
    enum adapt_action action;
    int32_t levels;      /* -2..1, of difficulty */
    double review_share; /* of the work, 0..1 */
    enum load_risk urgency;
    double validation;   /* how hard questions of comprehension may be, 0..1; NaN: as they are */
    int32_t break_every; /* minutes; 0: now, -1: as usual */
    int32_t break_minutes;
    enum adapt_scaffold scaffold;
    enum adapt_complexity complexity; /* at most */
    double prompt;                    /* complexity of questions, 0..1 */
};
/* load 0..100; error_rate 0..1, NaN: not known. More than three errors in ten lower the complexity
 * by a step and raise the scaffolding by one. */
struct adapt_difficulty adapt_difficulty(double load, double error_rate);

enum adapt_level { ADAPT_EASY, ADAPT_MEDIUM, ADAPT_CHALLENGING };
extern const char *const adapt_level_names[]; /* "EASY" "MODERATE" "CHALLENGING", NULL */

struct adapt_challenge {
    enum adapt_level level;
    int32_t complexity; /* 2..8 */
    double new_share;   /* of new content, 0..1 */
    int32_t minutes, break_every;
};
/* tolerance: the load above which success falls, NaN: not known. low, high: the load at which the
 * learner works well, low <= high. rising: the load goes up. */
struct adapt_challenge adapt_challenge(double load, double tolerance, double low, double high,
                                       bool rising);

/* Half of a mission's minutes, but a quarter of an hour at least; never more than planned. */
int32_t adapt_mission_minutes(int32_t planned);
