/* cohorts - the set work of each course over all learners: sums that are kept as those of audits.h
 * are, so that what is told late, taken back or erased comes right, and nothing is counted twice.
 */
#pragma once
#include "night/night.h"

/* Of the last steps: it counts what was told by then. */
MUST_CHECK enum err night_cohorts(struct night_work *w);
