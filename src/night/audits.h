/* audits - how good the forecasts were over all learners: sums that are kept, not made when asked
 * for.
 *
 * What of a learner is in the totals is kept beside them; what has changed since is added in the
 * transaction that writes the night. So late events, rebuilt sums and withdrawn learners come right
 * by themselves, nothing is counted twice, and a night costs one learner's rows. Who is left out of
 * sums over many is left out here. */
#pragma once
#include "night/night.h"

/* The last step: it counts what the steps before it leave. */
MUST_CHECK enum err night_audits(struct night_work *w);
