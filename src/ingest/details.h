/* details - what the free `data` of an event says, where the program understands it.
 *
 * docs/events.md lists the members by kind. Others are kept and not looked at. */
#pragma once
#include "ingest/event.h"

enum { EVENT_PLAN_MAX = 200 }; /* objectives in the plan of a session or mission */

struct event_plan_item {
    struct str objective;
    int64_t minutes; /* estimated; -1 none */
};

struct event_details {
    struct str lecture;                 /* any kind; {NULL,0} none */
    struct str mission;                 /* mission_*: as a member of data */
    struct str notes;                   /* session_noted, objective_completed */
    struct str indicators;              /* load: a JSON array; {NULL,0} none */
    double load_score;                  /* load: 0..100; NaN none */
    double load_confidence;             /* load: 0..1; NaN none */
    int64_t paused_ms;                  /* session_completed; -1 none. So are those below */
    int64_t time_spent_ms;              /* objective_completed */
    int64_t clinical_ms;                /* objective_completed */
    int64_t self_assessment;            /* objective_completed: 1..5 */
    int64_t confidence_rating;          /* objective_completed: 1..5 */
    int64_t estimated_minutes;          /* mission_created */
    int64_t review_cards, new_content;  /* mission_created */
    int64_t actual_minutes;             /* mission_completed */
    int64_t difficulty;                 /* mission_completed: 1..5 */
    struct str query, search;           /* search, search_click: what was asked; the search's id */
    int64_t results, shown;             /* search: found, and of these shown */
    int64_t response_ms;                /* search */
    int64_t place;                      /* search_click: from 1 */
    int64_t attempts;                   /* enrolled: earlier ones; -1 none */
    int64_t education;                  /* enrolled: enum warning_education; -1 none */
    double credits, credits_per_year;   /* enrolled: taken, and what a full year's are; NaN none */
    bool carried;                       /* assessment: over from an earlier attempt */
    int32_t date;                       /* mission_created: local day since 1970; INT32_MIN none */
    const struct event_plan_item *plan; /* session_started, mission_created; no objective twice */
    int32_t plan_count;
};

/* Is there anything to read? When not, *ret of event_details() would be all "none". */
bool event_has_details(const struct event *e);
/* Text is borrowed from e->data or lives in the arena. ERR_RANGE: data is not a JSON object, or a
 * member is bad; `error` (may be NULL) says which. ERR_NOMEM. */
MUST_CHECK enum err event_details(const struct event *e, struct arena *arena,
                                  struct event_details *ret, struct event_error *error);
