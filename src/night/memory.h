/* memory - the night's fit of FSRS to the learner: weights, and the forgetting curve they give.
 *
 * Reads the learner's reviews, but only when they have grown by a quarter since the last fit, so
 * that a review is read a bounded number of times over the years. */
#pragma once
#include "night/night.h"

/* Beyond, those of the cards whose ids stand first are taken: a fit is none the worse for it. */
enum { NIGHT_REVIEWS_MAX = 200000 };

MUST_CHECK enum err night_memory(struct night_work *w);
