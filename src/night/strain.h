/* strain - how hard the answers were, and what makes them hard. Inside of night: part of the run of
 * struggle.h, whose forecasts say how many misses were to be expected.
 *
 * The run hands over each answer once, in order of time; what else the learner did (sessions begun,
 * paused and resumed, reading, searches) is read here, for the clock of the sittings. What is kept:
 * the learner's strain (twin/sitting.h), a row for each sitting and each episode of overload, and,
 * over the latest STRESS_SITTINGS_MAX sittings of five answers and more, what they say together:
 *   tolerance   the load from which success falls, by later outcomes (strain_tolerance)
 *   recovery    minutes from overload back to normal (Kaplan & Meier)
 *   fatigue     minutes into a sitting from which results fall (rhythm_fatigue)
 *   patterns    circumstances that go with a higher load, and measures taken against it that go
 *               with a lower one: Welch's test, one-sided, Benjamini-Hochberg over all that were
 *               looked at. One appears at an adjusted p of STRESS_FALSE and stays until twice that.
 * When the learner's mind is made anew from the log, all of this is, too. */
#pragma once
#include "night/night.h"
#include "twin/sitting.h"

enum { STRESS_SITTINGS_MAX = 400, STRESS_ANSWERS_MIN = 5, STRESS_TOPICS_MAX = 12 };
#define STRESS_FALSE 0.05

struct strain_look;
/* anew: nothing that was kept counts. The answers to come lie behind `after` and not behind
 * `until`. One round trip. */
MUST_CHECK enum err strain_begin(struct night_work *w, bool anew, int64_t after, int64_t until,
                                 struct strain_look **ret);
/* Its answer may not be timed: then it is passed over. id: of the event. */
MUST_CHECK enum err strain_take(struct strain_look *k, const struct sitting_answer *a,
                                struct str id);
/* last: there is nothing more in the log. Leaves rows to be written. */
MUST_CHECK enum err strain_finish(struct strain_look *k, bool last);
