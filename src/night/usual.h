/* usual - when the learner will probably study next: answers are made ready before that. */
#pragma once
#include "night/night.h"

enum { USUAL_HOURS = 7 * 24 };

/* The hour of the day (0..23) in which most was done on that weekday (0 = Sunday); where less than
 * USUAL_SHARE of what is known falls on that weekday, of all days. -1: no hour has at least
 * USUAL_HOUR_SHARE of the day's. done[weekday * 24 + hour], each >= 0. */
#define USUAL_SHARE 0.05
#define USUAL_HOUR_SHARE 0.15
int32_t usual_hour(const double done[USUAL_HOURS], int32_t weekday);

/* Sets w->usual_at, of today or tomorrow by the learner's clock. */
MUST_CHECK enum err night_usual(struct night_work *w);
