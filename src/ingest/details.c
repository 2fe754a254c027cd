#include "ingest/details.h"

#include "base/assert.h"
#include "ingest/check.h"
#include "twin/warning.h"
#include "json/reader.h"

#include <math.h>

enum { DEPTH_MAX = 32, MINUTES_MAX = 1440, COUNT_MAX = 100000, NOTES_MAX = 4000 };

enum { /* which kinds a member speaks of */
       SESSION_START = 1,
       SESSION_END = 2,
       SESSION_NOTE = 4,
       OBJECTIVE = 8,
       MISSION = 16, /* any mission_* */
       MISSION_NEW = 32,
       MISSION_END = 64,
       LOAD_SAMPLE = 128,
       ANY = 256,
       MISSION_EASE = 512,
       SEARCHED = 1024,
       SEARCH_OPENED = 2048,
       ENROLMENT = 4096,
       SET_WORK = 8192,
};

enum form { INTEGER, REAL, TEXT, ID, DAY, ARRAY, PLAN, TRUTH, EDUCATION };

/* clang-format off: a table reads better in its own columns */
#define AT(member) (uint32_t) offsetof(struct event_details, member)
#define NAMED(name) STR(name), "data." name
static const struct member {
    struct str name;
    const char *path; /* as errors tell it */
    uint32_t kinds;
    enum form form;
    uint32_t offset;
    double min, max;
} members[] = {
    {NAMED("lecture"), ANY, ID, AT(lecture), 0, 0},
    {NAMED("mission"), MISSION, ID, AT(mission), 0, 0},
    {NAMED("objectives"), SESSION_START | MISSION_NEW, PLAN, AT(plan), 0, 0},
    {NAMED("pausedMs"), SESSION_END, INTEGER, AT(paused_ms), 0, EVENT_DURATION_MS_MAX},
    {NAMED("notes"), SESSION_NOTE | OBJECTIVE, TEXT, AT(notes), 0, NOTES_MAX},
    {NAMED("selfAssessment"), OBJECTIVE, INTEGER, AT(self_assessment), 1, 5},
    {NAMED("confidenceRating"), OBJECTIVE, INTEGER, AT(confidence_rating), 1, 5},
    {NAMED("timeSpentMs"), OBJECTIVE, INTEGER, AT(time_spent_ms), 0, EVENT_DURATION_MS_MAX},
    {NAMED("clinicalMs"), OBJECTIVE, INTEGER, AT(clinical_ms), 0, EVENT_DURATION_MS_MAX},
    {NAMED("date"), MISSION_NEW, DAY, AT(date), 0, 0},
    {NAMED("estimatedMinutes"), MISSION_NEW | MISSION_EASE, INTEGER, AT(estimated_minutes), 0,
     MINUTES_MAX},
    {NAMED("reviewCardCount"), MISSION_NEW, INTEGER, AT(review_cards), 0, COUNT_MAX},
    {NAMED("newContentCount"), MISSION_NEW, INTEGER, AT(new_content), 0, COUNT_MAX},
    {NAMED("actualMinutes"), MISSION_END, INTEGER, AT(actual_minutes), 0, MINUTES_MAX},
    {NAMED("difficultyRating"), MISSION_END, INTEGER, AT(difficulty), 1, 5},
    {NAMED("loadScore"), LOAD_SAMPLE, REAL, AT(load_score), 0, 100},
    {NAMED("confidenceLevel"), LOAD_SAMPLE, REAL, AT(load_confidence), 0, 1},
    {NAMED("stressIndicators"), LOAD_SAMPLE, ARRAY, AT(indicators), 0, 0},
    {NAMED("query"), SEARCHED | SEARCH_OPENED, TEXT, AT(query), 0, NOTES_MAX},
    {NAMED("results"), SEARCHED, INTEGER, AT(results), 0, 1e9},
    {NAMED("shown"), SEARCHED, INTEGER, AT(shown), 0, 1e9},
    {NAMED("responseTimeMs"), SEARCHED, INTEGER, AT(response_ms), 0, EVENT_DURATION_MS_MAX},
    {NAMED("search"), SEARCH_OPENED, ID, AT(search), 0, 0},
    {NAMED("position"), SEARCH_OPENED, INTEGER, AT(place), 1, 1e6},
    {NAMED("earlierAttempts"), ENROLMENT, INTEGER, AT(attempts), 0, 100},
    {NAMED("credits"), ENROLMENT, REAL, AT(credits), 0, 10000},
    {NAMED("creditsPerYear"), ENROLMENT, REAL, AT(credits_per_year), 1, 10000},
    {NAMED("education"), ENROLMENT, EDUCATION, AT(education), 0, 0},
    {NAMED("carried"), SET_WORK, TRUTH, AT(carried), 0, 0},
};
/* clang-format on */

static uint32_t kinds_of(enum event_kind k)
{
    switch (k) {
    case EVENT_SESSION_STARTED:
        return ANY | SESSION_START;
    case EVENT_SESSION_COMPLETED:
        return ANY | SESSION_END;
    case EVENT_SESSION_NOTED:
        return ANY | SESSION_NOTE;
    case EVENT_OBJECTIVE_COMPLETED:
        return ANY | OBJECTIVE;
    case EVENT_MISSION_CREATED:
        return ANY | MISSION | MISSION_NEW;
    case EVENT_MISSION_COMPLETED:
        return ANY | MISSION | MISSION_END;
    case EVENT_MISSION_EASED:
        return ANY | MISSION | MISSION_EASE;
    case EVENT_MISSION_STARTED:
    case EVENT_MISSION_SKIPPED:
        return ANY | MISSION;
    case EVENT_LOAD:
        return ANY | LOAD_SAMPLE;
    case EVENT_SEARCH:
        return ANY | SEARCHED;
    case EVENT_SEARCH_CLICK:
        return ANY | SEARCH_OPENED;
    case EVENT_ENROLLED:
        return ANY | ENROLMENT;
    case EVENT_ASSESSMENT:
        return ANY | SET_WORK;
    default:
        return ANY;
    }
}

/* Most data says nothing that is understood here. An escape may hide the name: then it is read. */
bool event_has_details(const struct event *e)
{
    if (!e->data.p)
        return false;
    return kinds_of(e->kind) != ANY || memchr(e->data.p, '\\', e->data.n) ||
           memmem(e->data.p, e->data.n, "\"lecture\"", 9);
}

static const struct member *member_of(struct str name, uint32_t kinds)
{
    for (size_t i = 0; i < COUNT(members); i++)
        if ((members[i].kinds & kinds) && str_eq(members[i].name, name))
            return &members[i];
    return NULL;
}

struct reading {
    struct json_reader *r;
    struct arena *arena;
    struct event_details *d;
    struct event_error *error;
};

/* ["id", …] or [{"objective" | "objectiveId": "id", "estimatedMinutes": 20}, …] */
static enum err read_plan_item(struct reading *in, struct event_plan_item *ret)
{
    struct event_plan_item item = {.minutes = -1};
    enum err e = ERR_OK;
    double minutes;
    struct str name;

    if (json_peek(in->r) == JSON_STRING) {
        e = check_read_id(in->r, "data.objectives", &item.objective, in->error);
    } else if (json_peek(in->r) != JSON_OBJECT) {
        json_skip(in->r, NULL);
        return check_fail(in->error, "data.objectives", "invalid_type",
                          "must hold texts or objects");
    } else {
        json_object_begin(in->r);
        while (json_next_member(in->r, &name)) {
            enum err f = ERR_OK;
            if (str_eq(name, STR("objective")) || str_eq(name, STR("objectiveId"))) {
                f = check_read_id(in->r, "data.objectives.objectiveId", &item.objective, in->error);
            } else if (str_eq(name, STR("estimatedMinutes"))) {
                f = check_read_number(in->r, "data.objectives.estimatedMinutes", 0, MINUTES_MAX,
                                      true, &minutes, in->error);
                if (f == ERR_OK && !isnan(minutes))
                    item.minutes = (int64_t)minutes;
            } else {
                json_skip(in->r, NULL);
            }
            e = e != ERR_OK ? e : f;
        }
        if (e == ERR_OK && !item.objective.p && !json_failed(in->r))
            e = check_fail(in->error, "data.objectives.objectiveId", "missing", "is required");
    }
    *ret = item;
    return e;
}

static bool planned(const struct event_plan_item *plan, int32_t n, struct str objective)
{
    for (int32_t i = 0; i < n; i++)
        if (str_eq(plan[i].objective, objective))
            return true;
    return false;
}

static enum err read_plan(struct reading *in)
{
    struct event_plan_item item, *plan = NULL;
    int32_t n = 0, all = 0;
    enum err e = ERR_OK;

    json_array_begin(in->r);
    while (json_next_item(in->r)) {
        enum err f = read_plan_item(in, &item);
        if (!plan)
            plan = arena_new(in->arena, struct event_plan_item, EVENT_PLAN_MAX);
        e = e != ERR_OK ? e : f != ERR_OK ? f : plan ? ERR_OK : ERR_NOMEM;
        if (e == ERR_OK && all++ >= EVENT_PLAN_MAX)
            e = check_fail(in->error, "data.objectives", "too_big", "must hold at most %d",
                           EVENT_PLAN_MAX);
        if (e == ERR_OK && !planned(plan, n, item.objective))
            plan[n++] = item;
    }
    in->d->plan = plan;
    in->d->plan_count = n;
    return e;
}

static enum err read_text(struct reading *in, const char *path, const struct member *m)
{
    struct str text = {NULL, 0};

    if (json_peek(in->r) != JSON_STRING || !json_read_str(in->r, &text)) {
        json_skip(in->r, NULL);
        return check_fail(in->error, path, "invalid_type", "must be a text");
    }
    if (text.n > (size_t)m->max)
        return check_fail(in->error, path, "too_big", "must have at most %d bytes", (int)m->max);
    if (memchr(text.p, 0, text.n))
        return check_fail(in->error, path, "invalid_value", "must not hold NUL");
    *(struct str *)((char *)in->d + m->offset) = text;
    return ERR_OK;
}

static enum err read_day(struct reading *in, const char *path, const struct member *m)
{
    struct str text = {NULL, 0};
    int32_t day;

    if (json_peek(in->r) != JSON_STRING || !json_read_str(in->r, &text)) {
        json_skip(in->r, NULL);
        return check_fail(in->error, path, "invalid_type", "must be a date, YYYY-MM-DD");
    }
    if (text.n > 10 && text.p[10] == 'T')
        text.n = 10; /* clients send the day's midnight */
    if (date_parse(text, &day) != ERR_OK || day < TIME_MIN / US_PER_DAY ||
        day >= TIME_MAX / US_PER_DAY)
        return check_fail(in->error, path, "invalid_format",
                          "must be a date, YYYY-MM-DD, from 1990 to 2099");
    *(int32_t *)((char *)in->d + m->offset) = day;
    return ERR_OK;
}

static enum err read_truth(struct reading *in, const char *path, const struct member *m)
{
    if (json_peek(in->r) != JSON_BOOL ||
        !json_read_bool(in->r, (bool *)((char *)in->d + m->offset))) {
        json_skip(in->r, NULL);
        return check_fail(in->error, path, "invalid_type", "must be true or false");
    }
    return ERR_OK;
}

static enum err read_education(struct reading *in, const char *path, const struct member *m)
{
    struct str text = {NULL, 0};

    if (json_peek(in->r) != JSON_STRING || !json_read_str(in->r, &text)) {
        json_skip(in->r, NULL);
        return check_fail(in->error, path, "invalid_type", "must be a text");
    }
    for (int64_t i = 0; i < WARNING_EDUCATIONS; i++)
        if (str_eq(text, str_from(warning_education_names[i]))) {
            *(int64_t *)((char *)in->d + m->offset) = i;
            return ERR_OK;
        }
    return check_fail(in->error, path, "invalid_value",
                      "must be UNKNOWN, NONE, SCHOOL, LEAVING, DEGREE or POSTGRADUATE");
}

static enum err read_member(struct reading *in, const struct member *m)
{
    const char *path = m->path;
    void *out = (char *)in->d + m->offset;
    double number = NAN;
    enum err e;

    if (json_peek(in->r) == JSON_NULL) {
        json_read_null(in->r);
        return ERR_OK;
    }
    switch (m->form) {
    case ID:
        return check_read_id(in->r, path, out, in->error);
    case TEXT:
        return read_text(in, path, m);
    case DAY:
        return read_day(in, path, m);
    case TRUTH:
        return read_truth(in, path, m);
    case EDUCATION:
        return read_education(in, path, m);
    case ARRAY:
    case PLAN:
        if (json_peek(in->r) != JSON_ARRAY) {
            json_skip(in->r, NULL);
            return check_fail(in->error, path, "invalid_type", "must be an array");
        }
        if (m->form == PLAN)
            return read_plan(in);
        json_skip(in->r, out);
        return ERR_OK;
    case INTEGER:
    case REAL:
        break;
    }
    e = check_read_number(in->r, path, m->min, m->max, m->form == INTEGER, &number, in->error);
    if (e == ERR_OK && m->form == REAL)
        *(double *)out = number;
    else if (e == ERR_OK)
        *(int64_t *)out = (int64_t)number;
    return e;
}

enum err event_details(const struct event *e, struct arena *arena, struct event_details *ret,
                       struct event_error *error)
{
    static const struct event_details none = {
        .load_score = NAN,
        .load_confidence = NAN,
        .paused_ms = -1,
        .time_spent_ms = -1,
        .clinical_ms = -1,
        .self_assessment = -1,
        .confidence_rating = -1,
        .estimated_minutes = -1,
        .review_cards = -1,
        .new_content = -1,
        .actual_minutes = -1,
        .difficulty = -1,
        .results = -1,
        .shown = -1,
        .response_ms = -1,
        .place = -1,
        .attempts = -1,
        .education = -1,
        .credits = NAN,
        .credits_per_year = NAN,
        .date = INT32_MIN,
    };
    struct event_details d = none;
    struct json_reader r;
    struct str name;
    enum err first = ERR_OK;

    if (!e->data.p) {
        *ret = none;
        return ERR_OK;
    }
    json_reader_init(&r, e->data, arena, DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT)
        return check_fail(error, "data", "invalid_type", "must be a JSON object");
    struct reading in = {.r = &r, .arena = arena, .d = &d, .error = error};
    uint32_t kinds = kinds_of(e->kind);

    json_object_begin(&r);
    while (json_next_member(&r, &name)) {
        const struct member *m = member_of(name, kinds);
        if (!m) {
            json_skip(&r, NULL);
            continue;
        }
        enum err f = read_member(&in, m);
        first = first != ERR_OK ? first : f;
    }
    enum err end = json_end(&r);
    if (end == ERR_NOMEM || first == ERR_NOMEM)
        return ERR_NOMEM;
    if (first != ERR_OK)
        return first;
    if (end != ERR_OK)
        return check_fail(error, "data", "invalid_format", "must be a well-formed JSON object");
    *ret = d;
    return ERR_OK;
}
