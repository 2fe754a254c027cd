/* world - what is true in a simulation: what there is to learn, and what each learner is like.
 *
 * All numbers are whole milli-units, so that the truth that is printed is exactly the truth that
 * was used. docs/simulator.md says how they act. */
#pragma once
#include "base/civil.h"
#include "base/rng.h"
#include "sim/exact.h"

enum {
    SIM_COURSES = 2,
    SIM_LECTURES = 6,   /* of a course */
    SIM_OBJECTIVES = 4, /* of a lecture; each is one skill */
    SIM_ITEMS = 8,      /* of an objective */
    SIM_CARDS = 5,      /* of an objective */
    SIM_COURSE_OBJECTIVES = SIM_LECTURES * SIM_OBJECTIVES,
    SIM_ALL_OBJECTIVES = SIM_COURSES * SIM_COURSE_OBJECTIVES,
    SIM_ALL_ITEMS = SIM_ALL_OBJECTIVES * SIM_ITEMS,
    SIM_ALL_CARDS = SIM_ALL_OBJECTIVES * SIM_CARDS,
    SIM_MODALITIES = 4,
    SIM_ZONES = 10,
    SIM_LEARNERS_MAX = 1000000,
    SIM_DAYS_MAX = 3650,
    SIM_EPISODES_MAX = 2,
    SIM_EXAMS_MAX = 2 * SIM_COURSES,
};

extern const char *const sim_modalities[SIM_MODALITIES];
extern const char *const sim_course_names[SIM_COURSES];

struct sim_objective {
    int32_t prerequisites[2], strength_centi[2]; /* objectives before it, in hundredths */
    int32_t prerequisite_count;
};

struct sim_exam {
    int32_t course, day; /* of the simulation, from 0 */
    bool final;
};

/* What may be left out of everybody's making; bits of sim_options.without. */
enum sim_effect {
    SIM_HOUR,
    SIM_FATIGUE,
    SIM_MODALITY,
    SIM_OVERLOAD,
    SIM_BURNOUT,
    SIM_EFFECT_COUNT
};
extern const char *const sim_effect_names[]; /* "hour" .., NULL */

struct sim_options {
    int32_t learners, days, start_day; /* local epoch day */
    uint64_t seed;
    uint32_t without;        /* 1 << effect, for each that nobody has */
    const struct zone *zone; /* all learners'; NULL: several */
    struct str learner_prefix;
};

struct sim_world {
    struct sim_options o;
    const struct zone *zones[SIM_ZONES];
    struct sim_objective objectives[SIM_ALL_OBJECTIVES];
    int32_t difficulty[SIM_ALL_ITEMS];   /* milli-logits */
    int32_t second_skill[SIM_ALL_ITEMS]; /* another objective of the course; -1 none */
    int32_t card_ease[SIM_ALL_CARDS];    /* times 1000: factor on stability */
    struct sim_exam exams[SIM_EXAMS_MAX];
    int32_t exam_count;
};

struct sim_episode {
    int32_t first_day, last_day; /* inclusive */
};

struct sim_learner {
    int32_t number; /* from 0 */
    const struct zone *zone;
    bool no_effect;         /* hour, fatigue, modality, overload, burnout: all nothing */
    int32_t ability;        /* milli-logits */
    int32_t learning;       /* milli-logits per ln(1 + answers) */
    const char *chronotype; /* "morning" "intermediate" "evening": when they study most */
    int32_t usual_hour;
    int32_t best_hour;         /* when they answer best */
    int32_t hour_effect;       /* milli-logits at the best hour; minus as much 12 h away; 0 none */
    int32_t fatigue_minute;    /* of a session, from when answers get worse; 0 never */
    int32_t fatigue_slope;     /* milli-logits a minute from then on */
    int32_t modality;          /* that helps; -1 none */
    int32_t modality_effect;   /* milli-logits */
    int32_t session_minutes;   /* usual length */
    int32_t study_permille[7]; /* chance to study on a weekday, 0 = Sunday */
    int32_t latency_milli;     /* ln of the typical latency in ms, times 1000 */
    int32_t load;              /* usual, 0..100 */
    int32_t stability_milli;   /* factor on first stabilities, times 1000 */
    int32_t stability_growth;  /* of a success, times 1000 */
    int32_t completes_permille;
    struct sim_episode overload[SIM_EPISODES_MAX];
    int32_t overload_count;
    int32_t burnout_day; /* when the decline begins; -1 never */
};

/* ERR_NOT_FOUND: the machine has no rules for a zone (install tzdata). */
MUST_CHECK enum err sim_world_init(struct sim_world *w, const struct sim_options *o);
/* The learner's own stream stands behind their making: pass it on to their life. */
void sim_learner_init(struct sim_learner *l, const struct sim_world *w, int32_t number,
                      struct rng *rng);

/* Parts of a performance, in milli-logits. hour: local, 0..23; minute: of the session. */
int32_t sim_hour_effect(const struct sim_learner *l, int32_t hour);
int32_t sim_fatigue(const struct sim_learner *l, int32_t minute); /* <= 0 */
bool sim_overloaded(const struct sim_learner *l, int32_t day);
/* How far a burnout has come on a day, 0..1000. */
int32_t sim_burnout(const struct sim_world *w, const struct sim_learner *l, int32_t day);
