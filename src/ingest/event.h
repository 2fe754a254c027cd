/* event - the one form of everything that a learner does, and its check.
 *
 * Native JSON, an imported row, or a call such as "complete this session": all become a struct
 * event and take the same path (ingest.h). */
#pragma once
#include "json/field.h"

#include <stdint.h>

enum event_kind {
    EVENT_NONE,
#define KIND(number, NAME, wire, needs, text) EVENT_##NAME = number,
#include "ingest/kinds.def"
#undef KIND
    EVENT_KIND_COUNT = 256
};

enum {
    EVENT_SKILLS_MAX = 16,
    EVENT_ID_MAX = 128,    /* bytes; of learner, session, item, skill, course, objective too */
    EVENT_DATA_MAX = 8192, /* bytes of the JSON in `data` */
};
enum { EVENT_DURATION_MS_MAX = 86400000 }; /* a day; also of latency */

struct event {
    struct str id;      /* {NULL,0}: one is made (UUID version 7) */
    struct str learner; /* external id */
    int64_t at;         /* end of what happened, UTC microseconds; TIME_NONE: now */
    enum event_kind kind;
    bool untimed; /* `at` tells only the order: the source had no clock. No day or hour is credited
                   */
    int8_t correct; /* 0, 1; -1 none */
    int8_t rating;  /* 1..4; 0 none */
    struct str session, item, modality, course, objective, mission;
    const struct str *skills;
    int32_t skill_count;
    double score;        /* 0..1; NaN none */
    double confidence;   /* 0..1; NaN none */
    int64_t duration_ms; /* time spent; -1 none */
    int64_t latency_ms;  /* time to the response; -1 none */
    struct str data;     /* a JSON object; {NULL,0} none */
};

const char *event_kind_name(enum event_kind k);   /* NULL: no such kind */
enum event_kind event_kind_find(struct str wire); /* EVENT_NONE */
void event_init(struct event *e);                 /* all "none" */

/* Why an event was refused. */
struct event_error {
    const char
        *code; /* "VALIDATION_ERROR", "UNKNOWN_KIND", "TIME_OUT_OF_RANGE", "ANALYSIS_DISABLED" … */
    struct field_error field;
};

struct json_reader;
/* Reads one event object (the form is fixed: docs/events.md) and checks it. default_learner stands
 * in where "learner" is absent (a learner's own key); when the caller may write for one learner
 * only, any other is refused by the caller of this. Unknown members are skipped and counted.
 * now_us: `at` may lie at most future_max_us after it, and not before TIME_MIN.
 * ERR_SYNTAX: the text itself is broken (nothing behind it can be read). ERR_RANGE: this event is
 * bad, the reader stands behind it. */
struct event_rules {
    int64_t now_us, future_max_us;
    struct str default_learner;
};
MUST_CHECK enum err event_read(struct json_reader *r, struct arena *arena,
                               const struct event_rules *rules, struct event *ret,
                               int32_t *ret_unknown, struct event_error *error);
/* The same checks for an event that was not read from JSON. */
MUST_CHECK enum err event_check(const struct event *e, const struct event_rules *rules,
                                struct event_error *error);
/* The published schema, from the same table. */
const struct field *event_fields(void);
struct json_writer;
void event_write(struct json_writer *w, const struct event *e); /* the form that event_read takes */
