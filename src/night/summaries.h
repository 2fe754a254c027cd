/* summaries - the objective that matters most today, and the three of this week.
 *
 * Picked by twin/standing.h from the sums of the objectives that were worked on last. At night the
 * pick of the day that begins is kept, and on the first night of a week that of the week, as long
 * as something came since the last one; on demand either is made anew. What was picked stays as it
 * was seen then: its numbers, not its words, are kept. */
#pragma once
#include "night/night.h"
#include "twin/standing.h"

enum summary_kind { SUMMARY_DAY, SUMMARY_WEEK };

/* How much is asked for on one day: so many answers or reviews, at the learner's own pace. */
enum { SUMMARY_OUTCOMES = 10, SUMMARY_MINUTES_MAX = 120 };

/* What is known of the objectives, side by side; in the arena. */
struct standings {
    struct str *objectives, *names; /* names: p NULL where the catalogue knows none */
    struct standing_sums *sums;
    struct standing *list;
    struct standing_all all;
    double minutes_each; /* of study for an outcome, over all of them; NaN: not told */
    int32_t count;
};
/* rows: STMT_STANDINGS, of at most STANDING_MAX. since_us: those met from then on. */
MUST_CHECK enum err standings_read(struct arena *arena, const struct rows *rows, int64_t since_us,
                                   int64_t now_us, struct standings *ret);

/* A row of summaries. */
struct summary {
    int32_t day, place;
    int64_t made_at; /* TIME_NONE: not kept */
    struct str objective, name;
    int32_t category;
    double score;
    struct interval score_interval;
    int64_t n;
    double gap;
    struct interval gap_interval;
    int64_t told, last_at;
    double minutes;                 /* NaN: the pace is not known */
    double hours;                   /* to mastery; 0: reached; NaN: cannot be said */
    struct interval hours_interval; /* high NaN: may be never */
};
/* Returns how many there are, up to STANDING_PICKS (for a day: one). */
int32_t summaries_pick(const struct standings *s, enum summary_kind kind,
                       struct summary ret[STANDING_PICKS]);
struct summary summary_of(const struct standings *s, int32_t objective);
/* A row of STMT_SUMMARIES_OF. */
struct summary summary_read(const struct value *v);

int32_t summary_monday(int32_t day); /* the local day on which its week begins */

/* Both, where they are due. */
MUST_CHECK enum err night_summaries(struct night_work *w);
/* On demand: made anew. Thin data: nothing is put. */
MUST_CHECK enum err night_day_summary(struct night_work *w);
MUST_CHECK enum err night_week_summary(struct night_work *w);
