/* plan - one session's study: how long, with which breaks, and what in which order.
 *
 * Length. A usual length, the learner's own where it is known, is changed by how hard the work is
 * (-10, 0, +15 minutes), by the hour (x 1.2 at the learner's best, x 0.9 elsewhere) and by the week
 * behind (over twenty hours x 0.85, under five x 1.1). Strain comes last, and only ever takes away:
 * load above 70 leaves 60 % and asks for two more breaks, burnout risk leaves 70 %, 50 % of at most
 * 30 minutes, or 15 minutes of reviews. What is asked for is cut by the same rule.
 *
 * Breaks lie inside of the session: five minutes after each stretch that attention lasts, each
 * fourth ten. Short stretches get breaks of two minutes (Albulescu et al. 2022).
 *
 * Content. Due cards have two fifths of the time, the easy ones first of all and the others at the
 * end; between them lies what is to be learned, by gain per minute (mission.h), courses mixed, the
 * mission's own objectives and those of an exam that is near before others. Time that is left goes
 * to more reviews, then to practice of what the plan holds. Where there is anything to do, the
 * minutes add up to the session's, breaks included. Nothing comes before its prerequisite.
 *
 * Pure: no clock, no I/O; the same input gives the same plan. */
#pragma once
#include "base/civil.h"
#include "twin/burnout.h"
#include "twin/mission.h"

enum {
    PLAN_MINUTES_MIN = 15,
    PLAN_MINUTES_MAX = 180,
    PLAN_DEFAULT_MINUTES = 45,
    PLAN_STRETCH = 25, /* minutes from break to break where nothing is known */
    PLAN_BREAKS_MAX = 24,
    PLAN_ITEMS_MAX = 256,
    PLAN_PARTS_MAX = 64,
};

/* ---- strain ---- */

enum plan_intensity { PLAN_LOW, PLAN_MEDIUM, PLAN_HIGH };
extern const char *const plan_intensity_names[]; /* "LOW" "MEDIUM" "HIGH", NULL */
/* Of a load: below 40, up to 70, above. */
enum plan_intensity plan_load_level(double load);

struct plan_limits {
    double share;        /* of the minutes asked for */
    int32_t minutes_max; /* after that */
    int32_t more_breaks;
    bool easy;                     /* reviews and practice only */
    enum plan_intensity intensity; /* at most */
    int32_t rest_days;             /* advised; 0 none */
    bool by_load, by_burnout;      /* what limits */
};
/* load: 0..100, NaN unknown, which limits nothing. */
void plan_limits_of(double load, enum burnout_level burnout, struct plan_limits *ret);
/* asked > 0. Never more than asked; the higher load or burnout, the less. At least 5. */
int32_t plan_minutes_of(const struct plan_limits *l, int32_t asked);

/* What strain leaves of a day's mission. From a high risk of burnout on, and in days of rest, it is
 * a recovery: due cards alone. Otherwise a load above 70 leaves nothing new and nothing advanced, a
 * medium risk nothing advanced. Minutes as of a session. */
enum { PLAN_RECOVERY_MINUTES = 15 };
struct plan_day {
    int32_t minutes; /* never more than asked */
    bool recovery, nothing_new, nothing_advanced;
};
/* load: NaN unknown. asked > 0. */
void plan_day_of(double load, enum burnout_level burnout, bool rest, int32_t asked,
                 struct plan_day *ret);
bool plan_day_bars(const struct plan_day *d, const struct mission_candidate *c);
/* Days that a risk is heeded for, from the one it was found on. */
int32_t plan_recovery_days(enum burnout_level level);

/* ---- length and breaks ---- */

struct plan_length {
    int32_t minutes, low, high; /* low, high: a fifth less and more */
};
/* usual: minutes, NaN: PLAN_DEFAULT_MINUTES. complexity: 0 basic .. 2 advanced. week_hours: of
 * study in the last seven days. Not limited by strain. */
struct plan_length plan_length_of(double usual, int32_t complexity, bool best_hour,
                                  double week_hours);

struct plan_breaks {
    int32_t count, at[PLAN_BREAKS_MAX], minutes[PLAN_BREAKS_MAX]; /* at: minutes from the start */
    int32_t total;
};
/* stretch: minutes that attention lasts, NaN unknown. at_least: breaks, as far as there is room. */
void plan_breaks_make(int32_t minutes, double stretch, int32_t at_least, struct plan_breaks *ret);

enum plan_phase { PLAN_WARM_UP, PLAN_PEAK, PLAN_WIND_DOWN, PLAN_PHASES };
/* The shape aimed at: a fifth (at most 15 minutes), three fifths, a fifth. */
void plan_phases_of(int32_t minutes, int32_t ret[PLAN_PHASES]);

/* ---- content ---- */

enum plan_kind { PLAN_REVIEW, PLAN_LEARN, PLAN_PRACTICE, PLAN_BREAK };

struct plan_objective {
    struct mission_candidate of;
    bool cards_only;       /* not an objective: cards that belong to none */
    bool in_mission;       /* and still open there */
    double exam_days;      /* until an exam on its course; NaN: none */
    double due_difficulty; /* mean of its due cards, 1..10; not read without any */
};

struct plan_item {
    enum plan_kind kind;
    enum plan_phase phase;
    int32_t objective;         /* number of it, or of the first that is reviewed; -1: a break */
    int32_t start, minutes;    /* start: from the session's start */
    int32_t first_card, cards; /* to review; see below */
    double difficulty;         /* 1..10; NaN for a break */
    uint32_t reasons;          /* of mission.h */
};

/* Cards of one objective. All parts one after the other are the order in which cards are reviewed:
 * an item's cards are a stretch of it, from first_card on. */
struct plan_part {
    int32_t objective, cards;
};

struct plan_content {
    struct plan_item items[PLAN_ITEMS_MAX];
    int32_t count, minutes; /* breaks included */
    struct plan_part parts[PLAN_PARTS_MAX];
    int32_t part_count;
    int32_t phases[PLAN_PHASES];
    bool short_of_material; /* there is nothing to do at all, or for some of the time */
};

struct plan_input {
    const struct plan_objective *objectives;
    int32_t count;
    const struct mission_needs *needs;
    int32_t needs_count;
    int32_t minutes;
    const struct plan_breaks *breaks;
    double card_minutes; /* one review; > 0 */
    bool easy;
};
/* ERR_RANGE: a count or minutes outside their limits. ERR_NOMEM. */
MUST_CHECK enum err plan_fill(const struct plan_input *in, struct plan_content *ret);

/* ---- what became of plans ---- */

enum { PLAN_NEAR_MINUTES = 30, PLAN_LENGTH_NEAR_MINUTES = 10, PLAN_OUTCOMES_NEEDED = 5 };

struct plan_outcome {
    double off_minutes;     /* of the start; NaN: no session belongs to the plan */
    double performance;     /* 0..100; NaN: not graded */
    double planned, actual; /* minutes; actual NaN */
};
struct plan_followed {
    int32_t n, followed;       /* plans that were due; begun within PLAN_NEAR_MINUTES */
    double adherence;          /* percent; NaN below PLAN_OUTCOMES_NEEDED */
    struct interval interval;  /* of it; Wilson */
    double gain;               /* percent: followed against others; NaN: an empty group */
    double optimal, durations; /* percent of the followed: performance 75 or more; of all begun:
                                  within ten minutes of the length; NaN: none */
    double overall;            /* .3 adherence + .4 gain + .2 optimal + .1 durations; NaN */
};
void plan_followed_of(const struct plan_outcome *o, int32_t n, struct plan_followed *ret);

/* Sessions and plans, each by time, paired one to one, the nearest starts first, at most
 * PLAN_PAIR_MINUTES apart. ret: for each plan the session's number, -1 none. */
enum { PLAN_PAIR_MINUTES = 120 };
MUST_CHECK enum err plan_pair(const int64_t *plans, int32_t plan_count, const int64_t *sessions,
                              int32_t session_count, int32_t *ret);

/* Like compared with like: the difference of the means of two groups within strata, weighted by
 * how many of group a lie there; only strata with both count. Variances are pooled within strata,
 * so a session stands for others of its group; the interval is Student's. */
enum { PLAN_STRATA = 8 };
struct plan_sample {
    double value;
    int32_t stratum; /* 0..PLAN_STRATA-1 */
    bool a;
};
struct plan_difference {
    double estimate, others;  /* NaN: too few to tell; others: mean of b, weighted alike */
    struct interval interval; /* 95 % */
    int32_t n_a, n_b;         /* in strata with both */
};
void plan_compare(const struct plan_sample *s, int32_t n, struct plan_difference *ret);
