#include "ingest/event.h"

#include "base/assert.h"
#include "ingest/check.h"
#include "ingest/details.h"
#include "json/reader.h"
#include "json/writer.h"

#include <math.h>

enum { /* what a kind needs */
       NEED_ITEM = 1,
       NEED_OUTCOME = 2, /* correct or score */
       NEED_RATING = 4,
       NEED_SESSION = 8,
       NEED_OBJECTIVE = 16,
       NEED_MISSION = 32,
       NEED_LOAD = 64, /* data.loadScore */
};

static const struct kind {
    enum event_kind kind;
    struct str name;
    uint32_t needs;
} kinds[] = {
#define KIND(number, NAME, wire, needs, text) {EVENT_##NAME, STR(wire), needs},
#include "ingest/kinds.def"
#undef KIND
};
static const char *const kind_names[] = {
#define KIND(number, NAME, wire, needs, text) wire,
#include "ingest/kinds.def"
#undef KIND
    NULL,
};

static const struct kind *kind_row(enum event_kind k)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].kind == k)
            return &kinds[i];
    return NULL;
}

const char *event_kind_name(enum event_kind k)
{
    const struct kind *row = kind_row(k);
    return row ? row->name.p : NULL;
}

enum event_kind event_kind_find(struct str wire)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (str_eq(kinds[i].name, wire))
            return kinds[i].kind;
    return EVENT_NONE;
}

void event_init(struct event *e)
{
    *e = (struct event){
        .at = TIME_NONE,
        .correct = -1,
        .score = NAN,
        .confidence = NAN,
        .duration_ms = -1,
        .latency_ms = -1,
    };
}

/* The form on the wire, for the published schema. Reading is by hand (event_read): this is the
 * hottest text there is, and a few members take more than one type. */
struct wire {
    struct str id, learner, session, item, modality, course, objective, mission, data;
    int64_t at, duration_ms, latency_ms;
    int32_t kind, rating;
    bool correct, timed;
    double score, confidence;
    struct list skills;
};

#define ID_FIELD(member, doc_)                                                    \
    FIELD(F_STR, struct wire, member, #member, .flags = FIELD_NULLABLE, .min = 1, \
          .max = EVENT_ID_MAX, .doc = doc_)

const struct field *event_fields(void)
{
    static const struct field fields[] = {
        ID_FIELD(id, "the client's id: the same id again is the same event; made here when absent"),
        ID_FIELD(learner, "whose event it is; may be absent with a learner's own key"),
        FIELD(F_TIME, struct wire, at, "at", .flags = FIELD_NULLABLE,
              .doc = "when it ended; now when absent"),
        FIELD(F_ENUM, struct wire, kind, "kind", .flags = FIELD_REQUIRED, .names = kind_names,
              .doc = "what happened"),
        ID_FIELD(session, "the study session it belongs to"),
        ID_FIELD(item, "the question or card"),
        FIELD(F_LIST, struct wire, skills, "skills", .item = F_STR, .size = sizeof(struct str),
              .max = EVENT_SKILLS_MAX, .doc = "skills that it exercised"),
        FIELD(F_BOOL, struct wire, correct, "correct", .flags = FIELD_NULLABLE,
              .doc = "was the answer right; 0 and 1 are taken too"),
        FIELD(F_F64, struct wire, score, "score", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
              .doc = "share of what could be reached"),
        FIELD(F_I32, struct wire, rating, "rating", .min = 1, .max = 4,
              .doc = "of a review: 1 again, 2 hard, 3 good, 4 easy; the words in capitals are "
                     "taken too"),
        FIELD(F_I64, struct wire, duration_ms, "durationMs", .flags = FIELD_NULLABLE, .min = 0,
              .max = EVENT_DURATION_MS_MAX, .doc = "time spent"),
        FIELD(F_I64, struct wire, latency_ms, "latencyMs", .flags = FIELD_NULLABLE, .min = 0,
              .max = EVENT_DURATION_MS_MAX, .doc = "time until the response"),
        FIELD(F_F64, struct wire, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
              .max = 1, .doc = "how sure the learner was"),
        ID_FIELD(modality, "how it was studied: reading, video, flashcard ..."),
        ID_FIELD(course, "the course it belongs to"),
        ID_FIELD(objective, "the learning objective it serves"),
        ID_FIELD(mission, "the mission it belongs to"),
        FIELD(F_BOOL, struct wire, timed, "timed", .def = "true",
              .doc = "false: `at` tells only the order, no day or hour is credited"),
        FIELD(F_JSON, struct wire, data, "data", .flags = FIELD_NULLABLE,
              .doc = "an object with what the kind wants beyond this, and whatever else"),
        FIELD_END,
    };
    return fields;
}

/* ---- checks ---- */

static enum err check_at(const struct event *e, const struct event_rules *rules,
                         struct event_error *error)
{
    int64_t latest;

    if (e->at == TIME_NONE)
        return ERR_OK;
    if (__builtin_add_overflow(rules->now_us, rules->future_max_us, &latest) || latest > TIME_MAX)
        latest = TIME_MAX;
    if (e->at >= TIME_MIN && e->at <= latest)
        return ERR_OK;
    (void)check_fail(error, "at", e->at < TIME_MIN ? "too_small" : "too_big",
                     e->at < TIME_MIN ? "lies before 1990" : "lies too far in the future");
    error->code = "TIME_OUT_OF_RANGE";
    return ERR_RANGE;
}

static enum err missing(struct event_error *error, const char *path, struct str kind)
{
    return check_fail(error, path, "missing", "is required by kind " STR_FMT, STR_ARG(kind));
}

static enum err check_needs(const struct event *e, struct event_error *error)
{
    const struct kind *k = kind_row(e->kind);

    if (!k) {
        (void)check_fail(error, "kind", "invalid_value", "is no kind of event");
        error->code = "UNKNOWN_KIND";
        return ERR_RANGE;
    }
    if ((k->needs & NEED_ITEM) && !e->item.p)
        return missing(error, "item", k->name);
    if ((k->needs & NEED_OUTCOME) && e->correct < 0 && isnan(e->score))
        return missing(error, "correct", k->name);
    if ((k->needs & NEED_RATING) && e->rating == 0)
        return missing(error, "rating", k->name);
    if ((k->needs & NEED_SESSION) && !e->session.p)
        return missing(error, "session", k->name);
    if ((k->needs & NEED_OBJECTIVE) && !e->objective.p)
        return missing(error, "objective", k->name);
    if ((k->needs & NEED_MISSION) && !e->mission.p)
        return missing(error, "mission", k->name);
    return ERR_OK;
}

/* What the data says must be understood; a mission told there is the event's mission. */
static enum err check_data(struct event *e, struct arena *arena, struct event_error *error)
{
    struct event_details d = {.load_score = NAN};

    if (event_has_details(e)) {
        enum err f = event_details(e, arena, &d, error);
        if (f != ERR_OK)
            return f;
    }
    if (e->kind == EVENT_LOAD && isnan(d.load_score))
        return missing(error, "data.loadScore", STR("load"));
    if (!d.mission.p)
        return ERR_OK;
    if (e->mission.p && !str_eq(e->mission, d.mission))
        return check_fail(error, "data.mission", "invalid_value", "differs from mission");
    e->mission = d.mission;
    return ERR_OK;
}

/* The path is made for the one that is bad only: this is hot. */
static enum err name_skill(struct event_error *error, int32_t index)
{
    snprintf(error->field.path, sizeof error->field.path, "skills[%d]", (int)index);
    return ERR_RANGE;
}

static enum err check_ids(const struct event *e, struct event_error *error)
{
    const struct {
        const char *path;
        struct str s;
    } ids[] = {
        {"id", e->id},           {"learner", e->learner},   {"session", e->session},
        {"item", e->item},       {"course", e->course},     {"objective", e->objective},
        {"mission", e->mission}, {"modality", e->modality},
    };

    if (!e->learner.p)
        return check_fail(error, "learner", "missing", "is required");
    for (size_t i = 0; i < COUNT(ids); i++)
        if (ids[i].s.p && check_id(ids[i].s, ids[i].path, error) != ERR_OK)
            return ERR_RANGE;
    if (e->skill_count < 0 || e->skill_count > EVENT_SKILLS_MAX)
        return check_fail(error, "skills", "too_big", "must hold at most %d", EVENT_SKILLS_MAX);
    for (int32_t i = 0; i < e->skill_count; i++)
        if (check_id(e->skills[i], "skills", error) != ERR_OK)
            return name_skill(error, i);
    return ERR_OK;
}

static enum err check_numbers(const struct event *e, struct event_error *error)
{
    if (e->correct < -1 || e->correct > 1)
        return check_fail(error, "correct", "invalid_value", "must be true or false");
    if (e->rating < 0 || e->rating > 4)
        return check_fail(error, "rating", "invalid_value", "must be 1 to 4");
    if (!isnan(e->score) && check_number(e->score, "score", 0, 1, false, error) != ERR_OK)
        return ERR_RANGE;
    if (!isnan(e->confidence) &&
        check_number(e->confidence, "confidence", 0, 1, false, error) != ERR_OK)
        return ERR_RANGE;
    if (e->duration_ms != -1 && check_number((double)e->duration_ms, "durationMs", 0,
                                             EVENT_DURATION_MS_MAX, true, error) != ERR_OK)
        return ERR_RANGE;
    if (e->latency_ms != -1 && check_number((double)e->latency_ms, "latencyMs", 0,
                                            EVENT_DURATION_MS_MAX, true, error) != ERR_OK)
        return ERR_RANGE;
    return ERR_OK;
}

static enum err data_is_object(struct str data, struct arena *arena, struct event_error *error)
{
    struct json_reader r;

    if (data.n > EVENT_DATA_MAX)
        return check_fail(error, "data", "too_big", "must have at most %d bytes", EVENT_DATA_MAX);
    json_reader_init(&r, data, arena, JSON_DEPTH_MAX);
    bool object = json_peek(&r) == JSON_OBJECT && json_skip(&r, NULL);
    enum err e = json_end(&r);
    if (e == ERR_NOMEM)
        return e;
    if (!object || e != ERR_OK)
        return check_fail(error, "data", "invalid_type", "must be a JSON object");
    return ERR_OK;
}

enum err event_check(const struct event *e, const struct event_rules *rules,
                     struct event_error *error)
{
    struct arena arena;

    error->code = NULL;
    enum err f = check_ids(e, error);
    if (f == ERR_OK)
        f = check_at(e, rules, error);
    if (f == ERR_OK)
        f = check_numbers(e, error);
    if (f != ERR_OK)
        return f;
    if (!e->data.p) {
        f = check_needs(e, error);
        return f != ERR_OK || e->kind != EVENT_LOAD ? f
                                                    : missing(error, "data.loadScore", STR("load"));
    }
    struct event copy = *e; /* a mission in data counts for the needs only */
    arena_init(&arena, 1 << 20); /* names of 8 KiB of members, to find doubles, and a plan */
    f = data_is_object(e->data, &arena, error);
    if (f == ERR_OK)
        f = check_data(&copy, &arena, error);
    arena_fini(&arena);
    return f != ERR_OK ? f : check_needs(&copy, error);
}

/* ---- reading ---- */

struct reading {
    struct json_reader *r;
    struct arena *arena;
    struct event *e;
    struct event_error *error;
    bool timed, kind_told;
};

enum member {
    M_UNKNOWN,
    M_ID,
    M_LEARNER,
    M_AT,
    M_KIND,
    M_SESSION,
    M_ITEM,
    M_SKILLS,
    M_CORRECT,
    M_SCORE,
    M_RATING,
    M_DURATION,
    M_LATENCY,
    M_CONFIDENCE,
    M_MODALITY,
    M_COURSE,
    M_OBJECTIVE,
    M_MISSION,
    M_TIMED,
    M_DATA,
};

#define IS(text, member)                             \
    if (memcmp(name.p, text, sizeof(text) - 1) == 0) \
    return member
/* By length first: that leaves four candidates at most. */
static enum member member_of(struct str name)
{
    switch (name.n) {
    case 2:
        IS("id", M_ID);
        IS("at", M_AT);
        break;
    case 4:
        IS("kind", M_KIND);
        IS("item", M_ITEM);
        IS("data", M_DATA);
        break;
    case 5:
        IS("score", M_SCORE);
        IS("timed", M_TIMED);
        break;
    case 6:
        IS("skills", M_SKILLS);
        IS("rating", M_RATING);
        IS("course", M_COURSE);
        break;
    case 7:
        IS("learner", M_LEARNER);
        IS("session", M_SESSION);
        IS("correct", M_CORRECT);
        IS("mission", M_MISSION);
        break;
    case 8:
        IS("modality", M_MODALITY);
        break;
    case 9:
        IS("latencyMs", M_LATENCY);
        IS("objective", M_OBJECTIVE);
        break;
    case 10:
        IS("durationMs", M_DURATION);
        IS("confidence", M_CONFIDENCE);
        break;
    default:
        break;
    }
    return M_UNKNOWN;
}
#undef IS

static enum err read_at(struct reading *in)
{
    struct str s;

    if (json_peek(in->r) != JSON_STRING) {
        json_skip(in->r, NULL);
        return check_fail(in->error, "at", "invalid_type", "must be a time as RFC 3339 text");
    }
    if (!json_read_str(in->r, &s))
        return ERR_RANGE;
    int64_t at;
    enum err e = time_parse(s, &at);
    if (e == ERR_OK) {
        in->e->at = at;
        return ERR_OK;
    }
    return check_fail(in->error, "at", "invalid_format",
                      e == ERR_RANGE ? "is no possible date and time"
                                     : "must be a time as RFC 3339 text");
}

static enum err read_kind(struct reading *in)
{
    struct str s;

    if (json_peek(in->r) != JSON_STRING) {
        json_skip(in->r, NULL);
        return check_fail(in->error, "kind", "invalid_type", "must be a text");
    }
    if (!json_read_str(in->r, &s))
        return ERR_RANGE;
    in->kind_told = true;
    in->e->kind = event_kind_find(s);
    return ERR_OK; /* check_needs() refuses unknown ones */
}

static enum err read_skills(struct reading *in)
{
    struct str *skills = NULL, s;
    enum err e = ERR_OK;
    int32_t n = 0;

    if (json_peek(in->r) != JSON_ARRAY) {
        json_skip(in->r, NULL);
        return check_fail(in->error, "skills", "invalid_type", "must be an array of texts");
    }
    json_array_begin(in->r);
    while (json_next_item(in->r)) {
        if (e != ERR_OK) {
            json_skip(in->r, NULL);
            continue;
        }
        bool first = !in->error->code;
        e = check_read_id(in->r, "skills", &s, in->error);
        if (e == ERR_RANGE && first && in->error->code)
            e = name_skill(in->error, n);
        if (e == ERR_OK && n == EVENT_SKILLS_MAX)
            e = check_fail(in->error, "skills", "too_big", "must hold at most %d",
                           EVENT_SKILLS_MAX);
        if (e == ERR_OK && !skills)
            skills = arena_new(in->arena, struct str, EVENT_SKILLS_MAX);
        if (e == ERR_OK && !skills)
            e = ERR_NOMEM;
        if (e == ERR_OK)
            skills[n++] = s;
    }
    in->e->skills = skills;
    in->e->skill_count = n;
    return e;
}

static enum err read_correct(struct reading *in)
{
    double number;
    bool yes;

    switch (json_peek(in->r)) {
    case JSON_BOOL:
        if (json_read_bool(in->r, &yes))
            in->e->correct = yes;
        return ERR_OK;
    case JSON_NUMBER: {
        enum err e = check_read_number(in->r, "correct", 0, 1, true, &number, in->error);
        if (e == ERR_OK)
            in->e->correct = number > 0;
        return e;
    }
    default:
        json_skip(in->r, NULL);
        return check_fail(in->error, "correct", "invalid_type", "must be true or false");
    }
}

static enum err read_rating(struct reading *in)
{
    static const struct str names[] = {STR("AGAIN"), STR("HARD"), STR("GOOD"), STR("EASY")};
    double number;
    struct str s;

    if (json_peek(in->r) != JSON_STRING) {
        enum err e = check_read_number(in->r, "rating", 1, 4, true, &number, in->error);
        if (e == ERR_OK)
            in->e->rating = (int8_t)number;
        return e;
    }
    if (!json_read_str(in->r, &s))
        return ERR_RANGE;
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(s, names[i])) {
            in->e->rating = (int8_t)(i + 1);
            return ERR_OK;
        }
    return check_fail(in->error, "rating", "invalid_value",
                      "must be 1 to 4, or AGAIN, HARD, GOOD, EASY");
}

static enum err read_timed(struct reading *in)
{
    if (json_peek(in->r) != JSON_BOOL) {
        json_skip(in->r, NULL);
        return check_fail(in->error, "timed", "invalid_type", "must be true or false");
    }
    json_read_bool(in->r, &in->timed);
    return ERR_OK;
}

static enum err read_ms(struct reading *in, const char *path, int64_t *ret)
{
    double number;
    enum err e = check_read_number(in->r, path, 0, EVENT_DURATION_MS_MAX, true, &number, in->error);
    if (e == ERR_OK)
        *ret = (int64_t)number;
    return e;
}

static enum err read_data(struct reading *in)
{
    struct str raw;
    bool object = json_peek(in->r) == JSON_OBJECT;

    if (!json_skip(in->r, &raw))
        return ERR_RANGE;
    if (!object)
        return check_fail(in->error, "data", "invalid_type", "must be a JSON object");
    if (raw.n > EVENT_DATA_MAX)
        return check_fail(in->error, "data", "too_big", "must have at most %d bytes",
                          EVENT_DATA_MAX);
    in->e->data = raw;
    return ERR_OK;
}

static enum err read_member(struct reading *in, enum member m)
{
    struct event *e = in->e;

    switch (m) {
    case M_ID:
        return check_read_id(in->r, "id", &e->id, in->error);
    case M_LEARNER:
        return check_read_id(in->r, "learner", &e->learner, in->error);
    case M_AT:
        return read_at(in);
    case M_KIND:
        return read_kind(in);
    case M_SESSION:
        return check_read_id(in->r, "session", &e->session, in->error);
    case M_ITEM:
        return check_read_id(in->r, "item", &e->item, in->error);
    case M_SKILLS:
        return read_skills(in);
    case M_CORRECT:
        return read_correct(in);
    case M_SCORE:
        return check_read_number(in->r, "score", 0, 1, false, &e->score, in->error);
    case M_RATING:
        return read_rating(in);
    case M_DURATION:
        return read_ms(in, "durationMs", &e->duration_ms);
    case M_LATENCY:
        return read_ms(in, "latencyMs", &e->latency_ms);
    case M_CONFIDENCE:
        return check_read_number(in->r, "confidence", 0, 1, false, &e->confidence, in->error);
    case M_MODALITY:
        return check_read_id(in->r, "modality", &e->modality, in->error);
    case M_COURSE:
        return check_read_id(in->r, "course", &e->course, in->error);
    case M_OBJECTIVE:
        return check_read_id(in->r, "objective", &e->objective, in->error);
    case M_MISSION:
        return check_read_id(in->r, "mission", &e->mission, in->error);
    case M_TIMED:
        return read_timed(in);
    case M_DATA:
        return read_data(in);
    case M_UNKNOWN:
        break;
    }
    UNREACHABLE();
}

/* All members to the end, whatever is wrong with some: the reader must stand behind the event. */
static enum err read_members(struct reading *in, int32_t *ret_unknown)
{
    enum err first = ERR_OK;
    int32_t unknown = 0;
    struct str name;

    json_object_begin(in->r);
    while (json_next_member(in->r, &name)) {
        enum member m = member_of(name);
        enum err e = ERR_OK;

        if (m == M_UNKNOWN) {
            unknown++;
            json_skip(in->r, NULL);
        } else if (json_peek(in->r) == JSON_NULL) {
            json_read_null(in->r); /* as if it were not there */
        } else {
            e = read_member(in, m);
        }
        first = first == ERR_OK || e == ERR_NOMEM ? e : first;
    }
    *ret_unknown += unknown;
    return first;
}

enum err event_read(struct json_reader *r, struct arena *arena, const struct event_rules *rules,
                    struct event *ret, int32_t *ret_unknown, struct event_error *error)
{
    struct reading in = {.r = r, .arena = arena, .e = ret, .error = error, .timed = true};

    event_init(ret);
    error->code = NULL;
    if (json_peek(r) != JSON_OBJECT) {
        json_skip(r, NULL);
        return json_failed(r) ? r->err : check_fail(error, "", "invalid_type", "must be an object");
    }
    enum err e = read_members(&in, ret_unknown);
    if (json_failed(r))
        return r->err == ERR_NOMEM ? ERR_NOMEM : ERR_SYNTAX;
    ret->untimed = !in.timed;
    if (!ret->learner.p && rules->default_learner.p)
        ret->learner = rules->default_learner;
    if (e != ERR_OK)
        return e;
    if (!ret->learner.p)
        return check_fail(error, "learner", "missing", "is required");
    if (!in.kind_told)
        return check_fail(error, "kind", "missing", "is required");
    e = check_at(ret, rules, error);
    if (e == ERR_OK && (ret->data.p || ret->kind == EVENT_LOAD))
        e = check_data(ret, arena, error);
    return e != ERR_OK ? e : check_needs(ret, error);
}

/* ---- writing ---- */

static void put_str(struct json_writer *w, const char *name, struct str s)
{
    if (!s.p)
        return;
    json_name(w, str_from(name));
    json_str(w, s);
}

static void put_f64(struct json_writer *w, const char *name, double v)
{
    if (isnan(v))
        return;
    json_name(w, str_from(name));
    json_f64(w, v);
}

static void put_i64(struct json_writer *w, const char *name, int64_t v, int64_t none)
{
    if (v == none)
        return;
    json_name(w, str_from(name));
    json_i64(w, v);
}

/* RFC 3339 with microseconds where there are any: written events are read back the same. */
static void put_at(struct json_writer *w, int64_t at)
{
    char text[TIME_TEXT_MAX + 4];
    int32_t us = (int32_t)(((at % US_PER_MS) + US_PER_MS) % US_PER_MS);
    int n = time_print(at, text);

    if (us) /* "….123Z" becomes "….123456Z" */
        n += snprintf(text + n - 1, sizeof text - (size_t)n + 1, "%03dZ", (int)us) - 1;
    json_kv_str(w, "at", ((struct str){text, (size_t)n}));
}

void event_write(struct json_writer *w, const struct event *e)
{
    json_object(w);
    put_str(w, "id", e->id);
    put_str(w, "learner", e->learner);
    if (e->at != TIME_NONE)
        put_at(w, e->at);
    put_str(w, "kind", str_from(event_kind_name(e->kind)));
    put_str(w, "session", e->session);
    put_str(w, "item", e->item);
    if (e->skill_count > 0) {
        json_name(w, STR("skills"));
        json_array(w);
        for (int32_t i = 0; i < e->skill_count; i++)
            json_str(w, e->skills[i]);
        json_array_end(w);
    }
    if (e->correct >= 0)
        json_kv_bool(w, "correct", e->correct > 0);
    put_f64(w, "score", e->score);
    put_i64(w, "rating", e->rating, 0);
    put_i64(w, "durationMs", e->duration_ms, -1);
    put_i64(w, "latencyMs", e->latency_ms, -1);
    put_f64(w, "confidence", e->confidence);
    put_str(w, "modality", e->modality);
    put_str(w, "course", e->course);
    put_str(w, "objective", e->objective);
    put_str(w, "mission", e->mission);
    if (e->untimed)
        json_kv_bool(w, "timed", false);
    if (e->data.p) {
        json_name(w, STR("data"));
        json_raw(w, e->data);
    }
    json_object_end(w);
}
