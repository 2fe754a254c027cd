/* patterns - the night's look for what is lasting in how a learner studies.
 *
 * Walks the learner's sessions in order of time, and only when something came since the last look
 * (totals.version). Each session's outcomes are compared with a forecast made before it: the share
 * of answers and of reviews that the learner got right until then, the last LEVEL_MEMORY outcomes
 * counting most. So a learner who gets better does not make the later hours look better; how hard
 * the items were is not known to it. Sums over sessions by hour and length go to twin/rhythm.h,
 * findings and sums to the tracks of twin/patterns.h.
 *
 * How long attention lasts is asked of the minutes of sittings, what suits the learner of their
 * modalities, as the run of struggle.h left them the last time: there each answer was forecast by
 * its item and skills.
 *
 * What is left in memory of reviews is compared with FSRS's published curve, by the server's own
 * record of its forecasts; what came from one analysis to the next is one step of that comparison.
 */
#pragma once
#include "night/night.h"

enum {
    NIGHT_SESSIONS_MAX = 200000, /* the oldest; beyond, nothing new is found */
    NIGHT_PATTERNS_MAX = 64,     /* of one learner, vanished ones included */
};

MUST_CHECK enum err night_patterns(struct night_work *w);
