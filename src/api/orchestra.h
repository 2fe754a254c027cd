/* orchestra - what every answer about when and how to study heeds: strain, habits, what the nightly
 * analysis found, what is busy, what the learner asked to be changed. Read in one round trip. */
#pragma once
#include "api/burnout.h"
#include "api/load_now.h"
#include "calendar/calendar.h"
#include "twin/plan.h"
#include "twin/slots.h"

enum adaptation { ADAPT_TIME, ADAPT_DURATION, ADAPT_INTENSITY, ADAPT_FREQUENCY, ADAPTATIONS };
extern const char *const adaptation_names[]; /* "TIME_SHIFT" .., NULL */

struct exam {
    struct str id, course, name; /* course may be {NULL,0} */
    int32_t day;
    int64_t created_at;
};

/* An estimated chance with what it rests on. */
struct chance {
    double value; /* 0..1; NaN: none */
    const struct interval *interval;
    int64_t n;
    struct str method, reason;
};
extern const struct field chance_fields[];

struct orchestra {
    struct learner l;
    struct load_now load;
    struct burnout_result burnout;
    bool burnout_known; /* otherwise its level is taken for LOW */
    struct plan_limits limits;
    double usual_minutes, stretch; /* found by the nightly analysis; NaN */
    double week_hours;             /* of study in the last seven days */
    int64_t measures[ADAPTATIONS]; /* what the learner asked for; INT64_MIN: nothing */
    struct slots_input slots;      /* filled but for day, days, minutes, busy */
    struct slots_busy *taken;      /* busy times and planned sessions, by start */
    const struct busy **taken_by;  /* NULL: a planned session, */
    struct str *plan_ids;          /* this one */
    int32_t taken_count, planned_count;
    int64_t taken_until;     /* what begins later is not known */
    struct list exams;       /* struct exam, by day */
    struct share lengths[8]; /* completed among sessions of about that length */
    struct query q[16];
};
enum { ORCHESTRA_DAYS = 8 /* busy times are read so far ahead, from `from` on */ };

MUST_CHECK enum err exams_read(struct api_call *c, const struct rows *rows, struct list *ret);
/* A new id: a letter and 32 hex digits. p == NULL: no memory. */
struct str orchestra_id(struct api_call *c, char letter);

/* from: the first instant that matters. */
MUST_CHECK enum err orchestra_read(struct api_call *c, int64_t from, struct orchestra *ret);

/* How often sessions of this length are completed: the learner's own, those of other lengths
 * counting in as far as lengths do not differ. */
struct chance orchestra_chance(struct api_call *c, const struct orchestra *o, int32_t minutes);

/* In words, what strain does; into texts, returns how many (at most 4). */
int32_t orchestra_strain_texts(struct api_call *c, const struct orchestra *o, struct str texts[4]);

/* The present load as every answer here shows it. */
struct strain {
    double load;
    int32_t level;
    double confidence;
    int64_t at;
    struct str method, reason;
    const struct needed *needed;
    int32_t burnout;
    double burnout_score;
    struct str burnout_reason;
};
extern const struct field strain_fields[];
struct strain orchestra_strain(const struct orchestra *o);
