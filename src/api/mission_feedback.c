/* mission_feedback - what a learner thinks of a mission, and looks back on after every ten.
 *
 * Opinions are told, not measured: they count with .15 in a mission's success (twin/success.h), and
 * nowhere else. */
#include "api/mission_row.h"
#include "base/assert.h"
#include "base/rng.h"

#include <math.h>

enum {
    FEEDBACK_MAX = 100, /* of one mission */
    SUGGESTIONS_MAX = 2000,
    TEXT_MAX = 4000,
    MILESTONE = 10, /* completed missions from one reflection to the next */
    REFLECTIONS_MAX = 200,
};

static const char *const pace_names[] = {"TOO_SLOW", "JUST_RIGHT", "TOO_FAST", NULL};

/* ---- GET and POST missions/{id}/feedback ---- */

struct feedback_in {
    struct mission_claim claim;
    struct str mission, user_id, suggestions, id;
    int32_t helpfulness, relevance, pace;
};
static const struct field feedback_path[] = {
    FIELD(F_STR, struct feedback_in, mission, "id", .flags = FIELD_REQUIRED, .min = 1,
          .max = EVENT_ID_MAX, .doc = "mission"),
    FIELD_END,
};
static const struct field feedback_body[] = {
    FIELD_USER_ID(struct feedback_in),
    FIELD_MISSION_VERSION(struct feedback_in),
    FIELD(F_I32, struct feedback_in, helpfulness, "helpfulnessRating", .flags = FIELD_REQUIRED,
          .min = 1, .max = 5, .doc = "did it help?"),
    FIELD(F_I32, struct feedback_in, relevance, "relevanceScore", .flags = FIELD_REQUIRED, .min = 1,
          .max = 5, .doc = "was it about the right things?"),
    FIELD(F_ENUM, struct feedback_in, pace, "paceRating", .flags = FIELD_REQUIRED,
          .names = pace_names, .doc = "its pace"),
    FIELD(F_STR, struct feedback_in, suggestions, "improvementSuggestions", .flags = FIELD_NULLABLE,
          .max = SUGGESTIONS_MAX, .doc = "in the learner's words"),
    FIELD_END,
};

struct feedback {
    struct str id, mission, pace, suggestions;
    int64_t given_at, helpfulness, relevance;
};
static const struct field feedback_fields[] = {
    FIELD(F_STR, struct feedback, id, "id", .doc = "feedback"),
    FIELD(F_STR, struct feedback, mission, "missionId", .doc = "mission"),
    FIELD(F_I64, struct feedback, helpfulness, "helpfulnessRating", .min = 1, .max = 5,
          .doc = "1 to 5"),
    FIELD(F_I64, struct feedback, relevance, "relevanceScore", .min = 1, .max = 5, .doc = "1 to 5"),
    FIELD(F_STR, struct feedback, pace, "paceRating", .doc = "TOO_SLOW, JUST_RIGHT or TOO_FAST"),
    FIELD(F_STR, struct feedback, suggestions, "improvementSuggestions", .flags = FIELD_NULLABLE,
          .doc = "in the learner's words"),
    FIELD(F_TIME, struct feedback, given_at, "submittedAt", .doc = "when"),
    FIELD_END,
};

struct paces {
    int64_t slow, right, fast;
};
static const struct field pace_fields[] = {
    FIELD(F_I64, struct paces, slow, "too_slow", .doc = "said so"),
    FIELD(F_I64, struct paces, right, "just_right", .doc = "said so"),
    FIELD(F_I64, struct paces, fast, "too_fast", .doc = "said so"),
    FIELD_END,
};
struct opinions {
    int64_t n;
    double helpfulness, relevance;
    struct paces paces;
};
static const struct field opinion_fields[] = {
    FIELD(F_I64, struct opinions, n, "n", .doc = "times that the learner gave an opinion"),
    FIELD(F_F64, struct opinions, helpfulness, "avgHelpfulness", .flags = FIELD_NULLABLE, .min = 1,
          .max = 5, .doc = "mean; null without any"),
    FIELD(F_F64, struct opinions, relevance, "avgRelevance", .flags = FIELD_NULLABLE, .min = 1,
          .max = 5, .doc = "mean; null without any"),
    FIELD(F_OBJECT, struct opinions, paces, "paceDistribution", .sub = pace_fields,
          .size = sizeof(struct paces), .doc = "how often each pace was said"),
    FIELD_END,
};

struct feedback_reply {
    const struct feedback *own;
    struct list all;
    struct opinions mission, learner;
    int64_t version;
};
#define AGGREGATES                                                                               \
    FIELD(F_OBJECT, struct feedback_reply, mission, "aggregatedFeedback", .sub = opinion_fields, \
          .size = sizeof(struct opinions), .doc = "of this mission"),                            \
        FIELD(F_OBJECT, struct feedback_reply, learner, "allMissions", .sub = opinion_fields,    \
              .size = sizeof(struct opinions), .doc = "of all missions of the learner"),         \
        FIELD(F_I64, struct feedback_reply, version, "missionVersion",                           \
              .doc = "of the mission, with this opinion")
static const struct field given_reply[] = {
    FIELD(F_OBJECT, struct feedback_reply, own, "feedback", .flags = FIELD_POINTER,
          .sub = feedback_fields, .size = sizeof(struct feedback), .doc = "as it is kept"),
    AGGREGATES,
    FIELD_END,
};
static const struct field read_reply[] = {
    FIELD(F_LIST, struct feedback_reply, all, "feedback", .sub = feedback_fields,
          .size = sizeof(struct feedback), .max = FEEDBACK_MAX, .doc = "newest first"),
    AGGREGATES,
    FIELD_END,
};

static struct opinions opinions_read(const struct rows *rows)
{
    struct columns v = columns_of(rows, 0);
    struct opinions o = {.n = column_i64(&v, 0)};
    double n = o.n > 0 ? (double)o.n : (double)NAN;

    o.helpfulness = round_to((double)column_i64(&v, 0) / n, 2);
    o.relevance = round_to((double)column_i64(&v, 0) / n, 2);
    o.paces.slow = column_i64(&v, 0);
    o.paces.right = column_i64(&v, 0);
    o.paces.fast = column_i64(&v, 0);
    return o;
}

enum { FEEDBACK_QUERIES = 4 };
static void feedback_queries(const struct value args[3], struct query q[FEEDBACK_QUERIES])
{
    q[0] = (struct query){.stmt = STMT_MISSION_VERSION, .args = args, .arg_count = 2};
    q[1] = (struct query){.stmt = STMT_MISSION_FEEDBACK_LIST, .args = args, .arg_count = 3};
    q[2] = (struct query){.stmt = STMT_MISSION_FEEDBACK_SUMS, .args = args, .arg_count = 2};
    q[3] = (struct query){.stmt = STMT_MISSION_FEEDBACK_ALL_SUMS, .args = args, .arg_count = 1};
}

static enum err feedback_show(struct api_call *c, const struct query q[FEEDBACK_QUERIES],
                              struct feedback_reply *r)
{
    int32_t n = q[1].rows.count;
    struct feedback *f = arena_new(c->arena, struct feedback, (size_t)n + 1);

    if (!f)
        return ERR_NOMEM;
    if (q[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    for (int32_t i = 0; i < n; i++) {
        struct columns v = columns_of(&q[1].rows, i);
        f[i].id = column_str(&v);
        f[i].mission = column_str(&v);
        f[i].given_at = column_time(&v);
        f[i].helpfulness = column_i64(&v, 0);
        f[i].relevance = column_i64(&v, 0);
        f[i].pace = column_str(&v);
        f[i].suggestions = column_str(&v);
    }
    r->version = value_i64(row_at(&q[0].rows, 0) + 1, 0);
    r->all = (struct list){f, n};
    r->mission = opinions_read(&q[2].rows);
    r->learner = opinions_read(&q[3].rows);
    c->reply = r;
    return ERR_OK;
}

static enum err get_feedback(struct api_call *c)
{
    const struct feedback_in *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->mission), V_I(FEEDBACK_MAX)};
    struct feedback_reply *r = arena_new(c->arena, struct feedback_reply, 1);
    struct query q[1 + FEEDBACK_QUERIES];
    struct learner l;

    feedback_queries(args, q + 1);
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;
    return e == ERR_OK ? feedback_show(c, q + 1, r) : e;
}

static enum err feedback_run(struct api_call *c, struct store_conn *conn)
{
    struct feedback_in *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->mission), V_I(FEEDBACK_MAX)};
    struct query q = {.stmt = STMT_MISSION_FEEDBACK_LIST, .args = args, .arg_count = 3};
    int64_t learner;

    in->claim.mission = in->mission;
    enum err e = mission_claim_hold(c, conn, &in->claim, &learner);
    if (e == ERR_OK)
        e = store_read(conn, c->arena, &q, 1, 0);
    if (e != ERR_OK)
        return e;
    if (q.rows.count == FEEDBACK_MAX)
        return api_refuse(c, ERR_CONFLICT, "TOO_MUCH_FEEDBACK",
                          "There are %d opinions on this mission already.", FEEDBACK_MAX);
    const struct value v[] = {V_I(learner),
                              V_S(in->mission),
                              V_S(in->id),
                              V_I(c->now_us),
                              V_I(in->helpfulness),
                              V_I(in->relevance),
                              V_S(str_from(pace_names[in->pace])),
                              v_text(in->suggestions)};
    struct bulk b = {.stmt = STMT_MISSION_FEEDBACK_ADD, .rows = 1, .cols = COUNT(v), .v = v};
    return store_write(conn, &b, 1);
}

static enum err feedback_given(struct api_call *c)
{
    const struct feedback_in *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->mission), V_I(FEEDBACK_MAX)};
    struct feedback_reply *r = arena_new(c->arena, struct feedback_reply, 1);
    struct query q[FEEDBACK_QUERIES];

    feedback_queries(args, q);
    enum err e = r ? store_read(c->conn, c->arena, q, FEEDBACK_QUERIES, c->deadline_us) : ERR_NOMEM;
    if (e == ERR_OK)
        e = feedback_show(c, q, r);
    if (e != ERR_OK)
        return e;
    const struct feedback *all = r->all.p;
    for (int32_t i = 0; i < r->all.n; i++)
        if (str_eq(all[i].id, in->id))
            r->own = &all[i];
    return r->own ? ERR_OK : ERR_NOT_FOUND; /* erased meanwhile */
}

static enum err post_feedback(struct api_call *c)
{
    struct feedback_in *in = c->in;
    uint64_t id[2];

    random_bytes(id, sizeof id);
    in->id = arena_printf(c->arena, "f%016llx%016llx", (unsigned long long)id[0],
                          (unsigned long long)id[1]);
    return in->id.p ? api_change(c, feedback_run, feedback_given) : ERR_NOMEM;
}

/* ---- GET and POST missions/reflections ---- */

struct reflection_in {
    struct str user_id, text, intention;
    int32_t milestone, satisfaction;
    int64_t version;
    bool version_given;
};
static const struct field reflection_body[] = {
    FIELD_USER_ID(struct reflection_in),
    FIELD(F_I32, struct reflection_in, milestone, "milestone", .flags = FIELD_NULLABLE,
          .min = MILESTONE, .max = 1e6,
          .doc = "completed missions that are looked back on; the last ten full when left out"),
    FIELD(F_STR, struct reflection_in, text, "reflection", .flags = FIELD_REQUIRED, .min = 1,
          .max = TEXT_MAX, .doc = "what the learner thinks, looking back"),
    FIELD(F_STR, struct reflection_in, intention, "intention", .flags = FIELD_NULLABLE,
          .max = SUGGESTIONS_MAX, .doc = "what is to be different from here on"),
    FIELD(F_I32, struct reflection_in, satisfaction, "satisfaction", .flags = FIELD_NULLABLE,
          .min = 1, .max = 5, .doc = "1 to 5"),
    FIELD(F_I64, struct reflection_in, version, "version", .min = 1, .max = 1e9,
          .seen = 1 + (uint32_t)offsetof(struct reflection_in, version_given),
          .doc = "of the reflection as it was read; left out: whatever it is"),
    FIELD_END,
};

struct reflection {
    int64_t milestone, written_at, version, satisfaction;
    struct str text, intention;
};
static const struct field reflection_fields[] = {
    FIELD(F_I64, struct reflection, milestone, "milestone", .doc = "completed missions then"),
    FIELD(F_TIME, struct reflection, written_at, "writtenAt", .doc = "last change"),
    FIELD(F_I64, struct reflection, version, "version", .doc = "raised by each change"),
    FIELD(F_STR, struct reflection, text, "reflection", .doc = "the learner's words"),
    FIELD(F_I64, struct reflection, satisfaction, "satisfaction", .flags = FIELD_NULLABLE,
          .doc = "1 to 5"),
    FIELD(F_STR, struct reflection, intention, "intention", .flags = FIELD_NULLABLE,
          .doc = "what is to be different"),
    FIELD_END,
};

struct reflections {
    int64_t completed, due_for, next_at, left;
    bool due;
    struct list prompts, list;
};
static const struct field reflections_reply[] = {
    FIELD(F_I64, struct reflections, completed, "completedMissions", .doc = "ever"),
    FIELD(F_BOOL, struct reflections, due, "due", .doc = "is it time to look back?"),
    FIELD(F_I64, struct reflections, due_for, "milestone", .flags = FIELD_NULLABLE,
          .doc = "the last ten full; null before the first"),
    FIELD(F_I64, struct reflections, next_at, "nextMilestone", .doc = "completed missions"),
    FIELD(F_I64, struct reflections, left, "missionsUntilNext", .min = 1, .max = MILESTONE,
          .doc = "to be completed until then"),
    FIELD(F_LIST, struct reflections, prompts, "prompts", .item = F_STR, .size = sizeof(struct str),
          .doc = "questions that may help; none unless due"),
    FIELD(F_LIST, struct reflections, list, "reflections", .sub = reflection_fields,
          .size = sizeof(struct reflection), .max = REFLECTIONS_MAX, .doc = "newest first"),
    FIELD_END,
};
struct reflected {
    const struct reflection *own;
    struct reflections all;
};
static const struct field reflected_reply[] = {
    FIELD(F_OBJECT, struct reflected, own, "reflection", .flags = FIELD_POINTER,
          .sub = reflection_fields, .size = sizeof(struct reflection), .doc = "as it is kept"),
    FIELD(F_OBJECT, struct reflected, all, "state", .sub = reflections_reply,
          .size = sizeof(struct reflections), .doc = "as GET says it"),
    FIELD_END,
};

static struct str prompts[] = {
    {.p = "Which of these missions helped you most, and why?", .n = 49},
    {.p = "What made you put one off or leave one out?", .n = 43},
    {.p = "What will you do differently in the next ten?", .n = 45},
};

enum { REFLECTION_QUERIES = 2 };
static void reflection_queries(const struct value args[2], struct query q[REFLECTION_QUERIES])
{
    q[0] = (struct query){.stmt = STMT_MISSIONS_COMPLETED, .args = args, .arg_count = 1};
    q[1] = (struct query){.stmt = STMT_MISSION_REFLECTIONS, .args = args, .arg_count = 2};
}

static enum err reflections_read(struct api_call *c, const struct query q[REFLECTION_QUERIES],
                                 struct reflections *r)
{
    int32_t n = q[1].rows.count;
    struct reflection *p = arena_new(c->arena, struct reflection, (size_t)n + 1);

    if (!p)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        struct columns v = columns_of(&q[1].rows, i);
        p[i].milestone = column_i64(&v, 0);
        p[i].written_at = column_time(&v);
        p[i].version = column_i64(&v, 0);
        p[i].text = column_str(&v);
        p[i].satisfaction = column_i64(&v, INT64_MIN);
        p[i].intention = column_str(&v);
    }
    r->list = (struct list){p, n};
    r->completed = value_i64(row_at(&q[0].rows, 0), 0);
    int64_t full = r->completed / MILESTONE * MILESTONE;
    r->due_for = full > 0 ? full : INT64_MIN;
    r->due = full > 0 && (n == 0 || p[0].milestone < full);
    r->next_at = full + MILESTONE;
    r->left = r->next_at - r->completed;
    r->prompts = (struct list){prompts, r->due ? (int32_t)COUNT(prompts) : 0};
    return ERR_OK;
}

static enum err get_reflections(struct api_call *c)
{
    const struct value args[] = {V_S(c->learner), V_I(REFLECTIONS_MAX)};
    struct reflections *r = arena_new(c->arena, struct reflections, 1);
    struct query q[1 + REFLECTION_QUERIES];
    struct learner l;

    reflection_queries(args, q + 1);
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;
    c->reply = r;
    return e == ERR_OK ? reflections_read(c, q + 1, r) : e;
}

static enum err reflection_check(struct api_call *c, struct reflection_in *in,
                                 const struct reflections *now)
{
    if (now->due_for == INT64_MIN)
        return api_refuse(c, ERR_CONFLICT, "NOT_DUE",
                          "%lld missions are completed; the first reflection comes after %d.",
                          (long long)now->completed, MILESTONE);
    if (in->milestone == INT32_MIN)
        in->milestone = (int32_t)now->due_for;
    if (in->milestone % MILESTONE != 0 || in->milestone > now->due_for)
        return api_bad_field(c, "milestone", "invalid_value", "must be a multiple of %d up to %lld",
                             MILESTONE, (long long)now->due_for);
    return ERR_OK;
}

static enum err reflection_run(struct api_call *c, struct store_conn *conn)
{
    struct reflection_in *in = c->in;
    const struct value args[] = {V_S(c->learner), V_I(REFLECTIONS_MAX)};
    struct query q[1 + REFLECTION_QUERIES];
    struct reflections now = {.left = 0};

    q[0] = (struct query){.stmt = STMT_LEARNER_ID, .args = args, .arg_count = 1};
    reflection_queries(args, q + 1);
    enum err e = store_read(conn, c->arena, q, COUNT(q), 0);
    if (e != ERR_OK || q[0].rows.count == 0)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    e = reflections_read(c, q + 1, &now);
    if (e == ERR_OK)
        e = reflection_check(c, in, &now);
    if (e != ERR_OK)
        return e;
    const struct value v[] = {*row_at(&q[0].rows, 0),
                              V_I(in->milestone),
                              V_I(c->now_us),
                              V_S(in->text),
                              in->satisfaction == INT32_MIN ? V_N : V_I(in->satisfaction),
                              v_text(in->intention),
                              in->version_given ? V_I(in->version) : V_N};
    struct bulk b = {.stmt = STMT_MISSION_REFLECTION_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    e = store_write(conn, &b, 1);
    if (e != ERR_OK || b.changed > 0)
        return e;
    const struct reflection *p = now.list.p;
    for (int32_t i = 0; i < now.list.n; i++)
        if (p[i].milestone == in->milestone)
            return api_refuse(c, ERR_CONFLICT, "VERSION_CONFLICT",
                              "The reflection's version is %lld.", (long long)p[i].version);
    return api_refuse(c, ERR_CONFLICT, "VERSION_CONFLICT", "There is no reflection to change yet.");
}

static enum err reflected(struct api_call *c)
{
    const struct reflection_in *in = c->in;
    const struct value args[] = {V_S(c->learner), V_I(REFLECTIONS_MAX)};
    struct reflected *r = arena_new(c->arena, struct reflected, 1);
    struct query q[REFLECTION_QUERIES];

    reflection_queries(args, q);
    enum err e =
        r ? store_read(c->conn, c->arena, q, REFLECTION_QUERIES, c->deadline_us) : ERR_NOMEM;
    if (e == ERR_OK)
        e = reflections_read(c, q, &r->all);
    if (e != ERR_OK)
        return e;
    const struct reflection *p = r->all.list.p;
    for (int32_t i = 0; i < r->all.list.n; i++)
        if (p[i].milestone == in->milestone)
            r->own = &p[i];
    c->reply = r;
    return r->own ? ERR_OK : ERR_NOT_FOUND;
}

static enum err post_reflection(struct api_call *c)
{
    return api_change(c, reflection_run, reflected);
}

#define MISSIONS .tag = "missions", .envelope = ENVELOPE_DATA, .run = RUN_SMALL
#define ONE(e) (UINT64_C(1) << (e))
#define READS                                                                             \
    .method = HTTP_GET, .scopes = SCOPE_READ, .learner = LEARNER_QUERY, .round_trips = 1, \
    .cache = {.fresh_s = 300, .stale_s = 1800}, .errors = ONE(ERR_NOT_FOUND)
#define GIVES                                                                              \
    .method = HTTP_POST, .scopes = SCOPE_WRITE, .learner = LEARNER_BODY, .round_trips = 1, \
    .repeats = true, .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT)

const struct endpoint endpoints_mission_feedback[] = {
    {MISSIONS, READS, .path = "/api/missions/reflections", .id = "get_mission_reflections",
     .summary = "Looking back: is it time, and what was said before", .reply = reflections_reply,
     .handler = get_reflections},
    {MISSIONS, GIVES, .path = "/api/missions/reflections", .id = "post_mission_reflection",
     .summary = "Look back on the last ten completed missions", .body = reflection_body,
     .in_size = sizeof(struct reflection_in), .reply = reflected_reply, .status = 201,
     .handler = post_reflection},
    {MISSIONS, READS, .path = "/api/missions/{id}/feedback", .id = "get_mission_feedback",
     .summary = "What the learner thinks of a mission", .params = feedback_path,
     .in_size = sizeof(struct feedback_in), .reply = read_reply, .handler = get_feedback},
    {MISSIONS, GIVES, .path = "/api/missions/{id}/feedback", .id = "post_mission_feedback",
     .summary = "Tell what one thinks of a mission", .params = feedback_path, .body = feedback_body,
     .in_size = sizeof(struct feedback_in), .reply = given_reply, .status = 201,
     .handler = post_feedback},
    {.path = NULL},
};
