/* objective_map - the objectives that a learner works on or has before him or her: how surely each
 * is mastered, what of its cards is due, and what builds on what. */
#pragma once
#include "api/mission_make.h"
#include "night/retained.h"

/* The path of what is about one objective. */
struct known_objective_path {
    struct str id;
};
extern const struct field known_objective_path[];

struct known_objective {
    struct mission_candidate of;      /* mastery: with prerequisites in mind */
    struct str text, complexity;      /* p == NULL: not in the catalogue */
    struct mastery own;               /* the learner's answers alone */
    int64_t right, study_ms, last_at; /* of of.attempts; last_at TIME_NONE: never */
    double exam_days;                 /* until the next exam that it is on; NaN: none */
    struct str exam;                  /* its name */
};
struct study_map {
    struct known_objective *known; /* sorted by id; candidates of `needs` by number */
    int32_t count;
    struct mission_needs *needs; /* direct prerequisites */
    int32_t needs_count;
    struct retained retained; /* of the cards */
    bool faded; /* were minds at hand, so that old answers count for less? */
};

/* From the queries of mission_make.h, after they were read. day: on which cards are due; it may lie
 * before the one that was asked with, where the learner's zone was not known yet. ERR_NOMEM. */
MUST_CHECK enum err map_read(struct api_call *c, const struct query q[MAKE_QUERIES], int32_t day,
                             struct study_map *ret);
/* Is there an exam so near that it presses? It is in of.urgency, too. */
bool known_pressed(const struct known_objective *k);
struct str exam_words(struct api_call *c, const struct known_objective *k); /* p NULL: no memory */
struct known_objective *map_find(const struct study_map *m, struct str id); /* NULL: not there */
