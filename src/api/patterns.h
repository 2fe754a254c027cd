/* patterns - all patterns and insights of a learner, for who shows them outside of their own
 * answers (the export). */
#pragma once
#include "api/call.h"
#include "api/pattern_row.h"

struct insight {
    struct str id, user_id, type, title, description, action;
    double confidence;                   /* its pattern's */
    int64_t created_at, acknowledged_at; /* TIME_NONE: never */
    bool applied;
    struct list patterns; /* of struct pattern_row: what it follows from */
};
extern const struct field insight_fields[];

struct pattern_linked {
    struct pattern_row row;
    struct list insights; /* of struct str: the ids of those that follow from it */
};
extern const struct field pattern_linked_fields[];

struct patterns_shown {
    struct list
        patterns; /* of struct pattern_linked, those that have vanished, too; the likeliest first */
    struct list insights; /* of struct insight, the acknowledged ones, too; the likeliest first */
};
/* In the call's arena; needs conn, arena, learner, now_us and deadline_us of the call. */
MUST_CHECK enum err patterns_show(struct api_call *c, struct patterns_shown *ret);
