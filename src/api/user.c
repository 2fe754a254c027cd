/* user - a learner's profile, consents and preferences, and the export of everything kept. */
#include "api/export.h"
#include "api/learner.h"
#include "base/assert.h"

#include <stdio.h>

enum { NAME_CHARS_MAX = 100, EMAIL_MAX = 254, SCHOOL_MAX = 200, STUDY_TIME_MAX = 64 };

/* ---- the row in learners ---- */

enum consent {
    CONSENT_IN_ANALYTICS,
    CONSENT_TRACKING,
    CONSENT_ANALYSIS,
    CONSENT_PROFILING,
    CONSENT_ANONYMOUS,
    CONSENT_PEERS,
    CONSENTS
};
/* As they stand in the table of consents. */
static const char *const consent_names[CONSENTS] = {
    "includeInAnalytics",        "performanceTrackingEnabled",
    "behavioralAnalysisEnabled", "learningStyleProfilingEnabled",
    "shareAnonymizedPatterns",   "sharePeerCalibrationData",
};

static const char *const difficulty_names[] = {"AUTO", "EASY", "MODERATE", "CHALLENGING", NULL};

struct profile_counts {
    int64_t courses, lectures, sessions;
};
static const struct field count_fields[] = {
    FIELD(F_I64, struct profile_counts, courses, "courses", .doc = "courses that were studied"),
    FIELD(F_I64, struct profile_counts, lectures, "lectures", .doc = "lectures that were studied"),
    FIELD(F_I64, struct profile_counts, sessions, "studySessions", .doc = "sessions"),
    FIELD_END,
};
static const struct field stat_fields[] = {
    FIELD(F_I64, struct profile_counts, courses, "courseCount", .doc = "courses that were studied"),
    FIELD(F_I64, struct profile_counts, lectures, "lectureCount",
          .doc = "lectures that were studied"),
    FIELD(F_I64, struct profile_counts, sessions, "sessionCount", .doc = "sessions"),
    FIELD_END,
};

struct settings {
    int64_t learner_id;
    struct str id, email, name, zone;
    int64_t created_at, updated_at;
    bool auto_missions;
    int64_t mission_minutes;
    int32_t difficulty;
    struct str study_time;
    int64_t adapted_at; /* TIME_NONE */
    bool consents[CONSENTS];
    struct str school;
    int64_t graduation; /* INT64_MIN: none */
    struct profile_counts counts;
};
static const struct field settings_fields[] = {
    FIELD(F_STR, struct settings, id, "id", .doc = "learner"),
    FIELD(F_STR, struct settings, email, "email", .flags = FIELD_NULLABLE,
          .doc = "one learner's only"),
    FIELD(F_STR, struct settings, name, "name", .flags = FIELD_NULLABLE, .doc = "as they like"),
    FIELD(F_TIME, struct settings, created_at, "createdAt", .doc = "first heard of"),
    FIELD(F_TIME, struct settings, updated_at, "updatedAt", .doc = "last change of these settings"),
    FIELD(F_STR, struct settings, zone, "timeZone",
          .doc = "IANA zone; decides local days and hours"),
    FIELD(F_BOOL, struct settings, auto_missions, "autoGenerateMissions",
          .doc = "are missions made unasked?"),
    FIELD(F_I64, struct settings, mission_minutes, "defaultMissionMinutes", .min = 5, .max = 240,
          .doc = "length of a mission"),
    FIELD(F_ENUM, struct settings, difficulty, "missionDifficulty", .names = difficulty_names,
          .doc = "of missions"),
    FIELD(F_STR, struct settings, study_time, "preferredStudyTime", .flags = FIELD_NULLABLE,
          .doc = "as the learner says"),
    FIELD(F_TIME, struct settings, adapted_at, "lastMissionAdaptation", .flags = FIELD_NULLABLE,
          .doc = "when missions were last adapted"),
    FIELD(F_BOOL, struct settings, consents[CONSENT_IN_ANALYTICS], "includeInAnalytics",
          .doc = "may the learner count in sums over many?"),
    FIELD(F_BOOL, struct settings, consents[CONSENT_TRACKING], "performanceTrackingEnabled",
          .doc = "may performance be shown?"),
    FIELD(F_BOOL, struct settings, consents[CONSENT_ANALYSIS], "behavioralAnalysisEnabled",
          .doc = "may behaviour be kept and analysed? See user/privacy"),
    FIELD(F_BOOL, struct settings, consents[CONSENT_PROFILING], "learningStyleProfilingEnabled",
          .doc = "see user/privacy"),
    FIELD(F_BOOL, struct settings, consents[CONSENT_ANONYMOUS], "shareAnonymizedPatterns",
          .doc = "see user/privacy"),
    FIELD(F_BOOL, struct settings, consents[CONSENT_PEERS], "sharePeerCalibrationData",
          .doc = "see user/preferences"),
    FIELD(F_STR, struct settings, school, "medicalSchool", .flags = FIELD_NULLABLE,
          .doc = "school"),
    FIELD(F_I64, struct settings, graduation, "graduationYear", .flags = FIELD_NULLABLE,
          .min = 2000, .max = 2100, .doc = "year"),
    FIELD(F_OBJECT, struct settings, counts, "_count", .sub = count_fields,
          .size = sizeof(struct profile_counts), .doc = "what there is"),
    FIELD(F_OBJECT, struct settings, counts, "stats", .sub = stat_fields,
          .size = sizeof(struct profile_counts), .doc = "the same under other names"),
    FIELD_END,
};

static void settings_decode(struct columns v, struct settings *s)
{
    *s = (struct settings){.learner_id = column_i64(&v, 0)};
    s->id = column_str(&v);
    s->email = column_str(&v);
    s->name = column_str(&v);
    s->zone = column_str(&v);
    s->created_at = column_time(&v);
    s->updated_at = column_time(&v);
    s->auto_missions = column_bool(&v);
    s->mission_minutes = column_i64(&v, 0);
    struct str difficulty = column_str(&v);
    for (int i = 0; difficulty_names[i]; i++)
        if (str_eq(difficulty, str_from(difficulty_names[i])))
            s->difficulty = i;
    s->study_time = column_str(&v);
    s->adapted_at = column_time(&v);
    for (int i = 0; i < CONSENTS; i++)
        s->consents[i] = column_bool(&v);
    s->school = column_str(&v);
    s->graduation = column_i64(&v, INT64_MIN);
}

/* Beside the settings, what there is. */
static void counts_decode(struct api_call *c, const struct query *q, struct settings *ret)
{
    struct columns counts = columns_of(&q[0].rows, 0);
    ret->counts.courses = column_i64(&counts, 0);
    ret->counts.lectures = column_i64(&counts, 0);
    struct columns head = columns_of(&q[1].rows, 0);
    for (int skipped = 0; skipped < 9; skipped++)
        head.v++, head.left--;
    ret->counts.sessions = column_i64(&head, 0);
    c->reads |= STMT_GROUP_TOTALS;
}

/* conn: a reader's, or a writer's inside its transaction. */
static enum err settings_read(struct api_call *c, struct store_conn *conn, bool with_counts,
                              struct settings *ret)
{
    const struct value id[] = {V_S(c->learner)};
    struct query q[3] = {
        {.stmt = STMT_PROFILE_READ, .args = id, .arg_count = 1, .rows_max = 1},
        {.stmt = STMT_PROFILE_COUNTS, .args = id, .arg_count = 1, .rows_max = 1},
        {.stmt = STMT_LEARNER_HEAD, .args = id, .arg_count = 1, .rows_max = 1},
    };
    enum err e =
        store_read(conn, c->arena, q, with_counts ? 3 : 1, conn == c->conn ? c->deadline_us : 0);

    if (e != ERR_OK)
        return e;
    if (q[0].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "USER_NOT_FOUND", "There is no such learner.");
    settings_decode(columns_of(&q[0].rows, 0), ret);
    if (with_counts)
        counts_decode(c, q + 1, ret);
    return ERR_OK;
}

/* Every changed consent is put on record: who, when, from what to what. */
static enum err consents_record(struct api_call *c, struct store_conn *conn,
                                const struct settings *old, const struct settings *now)
{
    enum { COLS = 6 };
    struct value v[CONSENTS * COLS];
    int32_t n = 0;

    for (int i = 0; i < CONSENTS; i++) {
        if (old->consents[i] == now->consents[i])
            continue;
        struct value *row = &v[n++ * COLS];
        row[0] = V_I(old->learner_id);
        row[1] = V_I(c->now_us);
        row[2] = V_S(str_from(consent_names[i]));
        row[3] = V_I(old->consents[i]);
        row[4] = V_I(now->consents[i]);
        row[5] = V_S(c->who.name.p ? c->who.name : STR("dev"));
    }
    struct bulk b = {.stmt = STMT_CONSENT_ADD, .rows = n, .cols = COLS, .v = v};
    return n > 0 ? store_write(conn, &b, 1) : ERR_OK;
}

static enum err settings_write(struct api_call *c, struct store_conn *conn,
                               const struct settings *old, const struct settings *s)
{
    const struct value v[] = {
        V_I(s->learner_id),
        v_text(s->email),
        v_text(s->name),
        V_I(c->now_us),
        V_I(s->auto_missions),
        V_I(s->mission_minutes),
        V_S(str_from(difficulty_names[s->difficulty])),
        v_text(s->study_time),
        v_time(s->adapted_at),
        V_I(s->consents[CONSENT_IN_ANALYTICS]),
        V_I(s->consents[CONSENT_TRACKING]),
        V_I(s->consents[CONSENT_ANALYSIS]),
        V_I(s->consents[CONSENT_PROFILING]),
        V_I(s->consents[CONSENT_ANONYMOUS]),
        V_I(s->consents[CONSENT_PEERS]),
        v_text(s->school),
        v_time(s->graduation),
    };
    struct bulk b = {.stmt = STMT_PROFILE_WRITE, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &b, 1);

    if (e == ERR_CONFLICT) {
        api_bad_field(c, "email", "invalid_value", "belongs to another learner");
        return api_refuse(c, ERR_CONFLICT, NULL, "The e-mail address belongs to another learner.");
    }
    return e == ERR_OK ? consents_record(c, conn, old, s) : e;
}

/* ---- user/profile ---- */

struct profile_reply {
    struct settings user;
};
static const struct field profile_reply[] = {
    FIELD(F_OBJECT, struct profile_reply, user, "user", .sub = settings_fields,
          .size = sizeof(struct settings), .doc = "the learner"),
    FIELD_END,
};

static enum err get_profile(struct api_call *c)
{
    struct profile_reply *r = arena_new(c->arena, struct profile_reply, 1);

    if (!r)
        return ERR_NOMEM;
    c->reply = r;
    return settings_read(c, c->conn, true, &r->user);
}

struct profile_body {
    struct str user_id, name, email, zone, study_time, school;
    int64_t mission_minutes, adapted_at, graduation;
    int32_t difficulty;
    bool auto_missions, in_analytics, tracking;
    struct {
        bool name, email, zone, study_time, school, mission_minutes, adapted_at, graduation;
        bool difficulty, auto_missions, in_analytics, tracking;
    } given;
};
#define GIVEN(member) .seen = 1 + (uint32_t)offsetof(struct profile_body, given.member)
static const struct field profile_body[] = {
    FIELD_USER_ID(struct profile_body),
    FIELD(F_STR, struct profile_body, name, "name", .flags = FIELD_NULLABLE, .min = 1,
          .max = 4 * NAME_CHARS_MAX, GIVEN(name), .doc = "at most 100 characters"),
    FIELD(F_STR, struct profile_body, email, "email", .flags = FIELD_NULLABLE, .min = 3,
          .max = EMAIL_MAX, GIVEN(email), .doc = "no other learner's"),
    FIELD(F_STR, struct profile_body, zone, "timeZone", .min = 1, .max = 64, GIVEN(zone),
          .doc = "IANA zone, as Europe/Berlin; all local days and hours are computed anew"),
    FIELD(F_STR, struct profile_body, study_time, "preferredStudyTime", .flags = FIELD_NULLABLE,
          .max = STUDY_TIME_MAX, GIVEN(study_time), .doc = "free text"),
    FIELD(F_STR, struct profile_body, school, "medicalSchool", .flags = FIELD_NULLABLE,
          .max = SCHOOL_MAX, GIVEN(school), .doc = "school"),
    FIELD(F_I64, struct profile_body, graduation, "graduationYear", .flags = FIELD_NULLABLE,
          .min = 2000, .max = 2100, GIVEN(graduation), .doc = "year"),
    FIELD(F_I64, struct profile_body, mission_minutes, "defaultMissionMinutes", .min = 5,
          .max = 240, GIVEN(mission_minutes), .doc = "length of a mission"),
    FIELD(F_ENUM, struct profile_body, difficulty, "missionDifficulty", .names = difficulty_names,
          GIVEN(difficulty), .doc = "of missions"),
    FIELD(F_BOOL, struct profile_body, auto_missions, "autoGenerateMissions", GIVEN(auto_missions),
          .doc = "are missions made unasked?"),
    FIELD(F_TIME, struct profile_body, adapted_at, "lastMissionAdaptation", .flags = FIELD_NULLABLE,
          GIVEN(adapted_at), .doc = "when missions were last adapted"),
    FIELD(F_BOOL, struct profile_body, in_analytics, "includeInAnalytics", GIVEN(in_analytics),
          .doc = "may the learner count in sums over many?"),
    FIELD(F_BOOL, struct profile_body, tracking, "performanceTrackingEnabled", GIVEN(tracking),
          .doc = "may performance be shown?"),
    FIELD_END,
};

/* One @ with something on both sides, a dot behind it, no blanks or controls: the rest is the mail
 * server's to say. */
static bool email_plausible(struct str email)
{
    struct str domain = email, local = str_cut(&domain, '@');

    if (!domain.p || local.n == 0 || domain.n < 3 || memchr(domain.p, '@', domain.n))
        return false;
    const char *dot = memchr(domain.p, '.', domain.n);
    if (!dot || dot == domain.p || domain.p[domain.n - 1] == '.')
        return false;
    for (size_t i = 0; i < email.n; i++)
        if ((unsigned char)email.p[i] <= ' ' || email.p[i] == 0x7f)
            return false;
    return true;
}

static enum err profile_check(struct api_call *c, const struct profile_body *in)
{
    const struct zone *zone;
    int32_t characters = 0;

    if (in->given.email && in->email.p && !email_plausible(in->email))
        return api_bad_field(c, "email", "invalid_format", "must be an e-mail address");
    for (size_t i = 0; i < in->name.n; i++)
        characters += ((unsigned char)in->name.p[i] & 0xc0) != 0x80;
    if (characters > NAME_CHARS_MAX)
        return api_bad_field(c, "name", "too_big", "must be at most %d characters", NAME_CHARS_MAX);
    if (in->given.zone && zone_get(in->zone, &zone) != ERR_OK)
        return api_bad_field(c, "timeZone", "invalid_value", "must be an IANA time zone");
    return ERR_OK;
}

static void profile_merge(const struct profile_body *in, struct settings *s)
{
    if (in->given.name)
        s->name = in->name;
    if (in->given.email)
        s->email = in->email;
    if (in->given.study_time)
        s->study_time = in->study_time;
    if (in->given.school)
        s->school = in->school;
    if (in->given.graduation)
        s->graduation = in->graduation;
    if (in->given.mission_minutes)
        s->mission_minutes = in->mission_minutes;
    if (in->given.difficulty)
        s->difficulty = in->difficulty;
    if (in->given.auto_missions)
        s->auto_missions = in->auto_missions;
    if (in->given.adapted_at)
        s->adapted_at = in->adapted_at;
    if (in->given.in_analytics)
        s->consents[CONSENT_IN_ANALYTICS] = in->in_analytics;
    if (in->given.tracking)
        s->consents[CONSENT_TRACKING] = in->tracking;
}

/* In a writer's transaction. */
static enum err profile_change(struct api_call *c, struct store_conn *conn)
{
    const struct profile_body *in = c->in;
    struct settings old;
    enum err e = settings_read(c, conn, false, &old);

    if (e != ERR_OK)
        return e;
    struct settings now = old;
    profile_merge(in, &now);
    int64_t id;
    if (in->given.zone && !str_eq(in->zone, old.zone))
        e = learner_put(conn, c->learner, in->zone, c->now_us, &id);
    return e == ERR_OK ? settings_write(c, conn, &old, &now) : e;
}

static enum err patch_profile(struct api_call *c)
{
    enum err e = profile_check(c, c->in);
    return e == ERR_OK ? api_change(c, profile_change, get_profile) : e;
}

/* ---- user/privacy ---- */

struct privacy {
    bool analysis, profiling, anonymous;
};
static const struct field privacy_fields[] = {
    FIELD(F_BOOL, struct privacy, analysis, "behavioralAnalysisEnabled",
          .doc = "may behaviour be kept and analysed?"),
    FIELD(F_BOOL, struct privacy, profiling, "learningStyleProfilingEnabled",
          .doc = "may a learning profile be made?"),
    FIELD(F_BOOL, struct privacy, anonymous, "shareAnonymizedPatterns",
          .doc = "may patterns be shared without the name?"),
    FIELD_END,
};

/* The same twice: older clients read the top level, others `data`. */
struct privacy_reply {
    struct privacy top, data;
    int64_t erased;
};
static const struct field privacy_reply[] = {
    FIELD(F_OBJECT, struct privacy_reply, top, "top", .flags = FIELD_FLAT, .sub = privacy_fields,
          .size = sizeof(struct privacy), .doc = "the consents"),
    FIELD(F_OBJECT, struct privacy_reply, data, "data", .sub = privacy_fields,
          .size = sizeof(struct privacy), .doc = "the same again"),
    FIELD(F_I64, struct privacy_reply, erased, "erasedRows", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "rows of behavioural data that were erased by this change"),
    FIELD_END,
};

struct privacy_body {
    struct str user_id;
    struct privacy set;
    struct {
        bool analysis, profiling, anonymous;
    } given;
    int64_t erased;
};
static const struct field privacy_body[] = {
    FIELD_USER_ID(struct privacy_body),
    FIELD(F_BOOL, struct privacy_body, set.analysis, "behavioralAnalysisEnabled",
          .seen = 1 + (uint32_t)offsetof(struct privacy_body, given.analysis),
          .doc = "false erases every event and all that was made of them, and refuses new ones"),
    FIELD(F_BOOL, struct privacy_body, set.profiling, "learningStyleProfilingEnabled",
          .seen = 1 + (uint32_t)offsetof(struct privacy_body, given.profiling),
          .doc = "may a learning profile be made?"),
    FIELD(F_BOOL, struct privacy_body, set.anonymous, "shareAnonymizedPatterns",
          .seen = 1 + (uint32_t)offsetof(struct privacy_body, given.anonymous),
          .doc = "may patterns be shared without the name?"),
    FIELD_END,
};

static enum err show_privacy(struct api_call *c, int64_t erased)
{
    struct privacy_reply *r = arena_new(c->arena, struct privacy_reply, 1);
    struct settings s;

    if (!r)
        return ERR_NOMEM;
    enum err e = settings_read(c, c->conn, false, &s);
    if (e != ERR_OK)
        return e;
    r->top = r->data = (struct privacy){s.consents[CONSENT_ANALYSIS], s.consents[CONSENT_PROFILING],
                                        s.consents[CONSENT_ANONYMOUS]};
    r->erased = erased;
    c->reply = r;
    return ERR_OK;
}

static enum err get_privacy(struct api_call *c)
{
    return show_privacy(c, INT64_MIN);
}

static enum err privacy_change(struct api_call *c, struct store_conn *conn)
{
    struct privacy_body *in = c->in;
    struct settings old;
    enum err e = settings_read(c, conn, false, &old);

    if (e != ERR_OK)
        return e;
    struct settings now = old;
    if (in->given.analysis)
        now.consents[CONSENT_ANALYSIS] = in->set.analysis;
    if (in->given.profiling)
        now.consents[CONSENT_PROFILING] = in->set.profiling;
    if (in->given.anonymous)
        now.consents[CONSENT_ANONYMOUS] = in->set.anonymous;
    in->erased = INT64_MIN;
    e = settings_write(c, conn, &old, &now);
    if (e == ERR_OK && in->given.analysis && !in->set.analysis)
        e = learner_forget(conn, old.id, &in->erased);
    return e;
}

static enum err privacy_changed(struct api_call *c)
{
    const struct privacy_body *in = c->in;
    return show_privacy(c, in->erased);
}

static enum err patch_privacy(struct api_call *c)
{
    const struct privacy_body *in = c->in;

    if (!in->given.analysis && !in->given.profiling && !in->given.anonymous)
        return api_bad_field(c, "", "missing", "must name at least one consent to change");
    return api_change(c, privacy_change, privacy_changed);
}

/* ---- user/preferences ---- */

struct preferences {
    bool peers;
};
static const struct field preferences_fields[] = {
    FIELD(F_BOOL, struct preferences, peers, "sharePeerCalibrationData",
          .doc = "may calibration be compared with others'?"),
    FIELD_END,
};
struct preferences_reply {
    struct preferences preferences;
    struct str message;
};
static const struct field preferences_reply[] = {
    FIELD(F_OBJECT, struct preferences_reply, preferences, "preferences", .sub = preferences_fields,
          .size = sizeof(struct preferences), .doc = "what the learner prefers"),
    FIELD(F_STR, struct preferences_reply, message, "message", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "of a change"),
    FIELD_END,
};
struct preferences_twice {
    struct preferences_reply reply;
};
static const struct field preferences_twice[] = {
    FIELD(F_OBJECT, struct preferences_twice, reply, "data", .sub = preferences_reply,
          .size = sizeof(struct preferences_reply), .doc = "the answer"),
    FIELD(F_STR, struct preferences_twice, reply.message, "message",
          .flags = FIELD_NULLABLE | FIELD_OMIT, .doc = "of a change, once more"),
    FIELD_END,
};
struct preferences_body {
    struct str user_id;
    bool peers, peers_given;
};
static const struct field preferences_body[] = {
    FIELD_USER_ID(struct preferences_body),
    FIELD(F_BOOL, struct preferences_body, peers, "sharePeerCalibrationData",
          .seen = 1 + (uint32_t)offsetof(struct preferences_body, peers_given),
          .doc = "may calibration be compared with others'?"),
    FIELD_END,
};

static enum err get_preferences(struct api_call *c)
{
    struct preferences_reply *r = arena_new(c->arena, struct preferences_reply, 1);
    struct settings s;

    if (!r)
        return ERR_NOMEM;
    enum err e = settings_read(c, c->conn, false, &s);
    if (e != ERR_OK)
        return e;
    r->preferences.peers = s.consents[CONSENT_PEERS];
    if (c->x->request.method == HTTP_PATCH)
        r->message = STR("The preferences are kept.");
    c->reply = r;
    return ERR_OK;
}

static enum err preferences_change(struct api_call *c, struct store_conn *conn)
{
    const struct preferences_body *in = c->in;
    struct settings old;
    enum err e = settings_read(c, conn, false, &old);

    if (e != ERR_OK || !in->peers_given)
        return e;
    struct settings now = old;
    now.consents[CONSENT_PEERS] = in->peers;
    return settings_write(c, conn, &old, &now);
}

static enum err patch_preferences(struct api_call *c)
{
    return api_change(c, preferences_change, get_preferences);
}

/* ---- analytics/export ---- */

static const char *const format_names[] = {"json", "ndjson", NULL};

struct export_query {
    int32_t format;
};
static const struct field export_query[] = {
    FIELD(F_ENUM, struct export_query, format, "format", .names = format_names, .def = "json",
          .doc = "one JSON object, or one line a row"),
    FIELD_END,
};

/* The head goes out with the first bytes: before them a refusal is still possible. */
static enum err export_put(void *user, const void *p, size_t n)
{
    struct api_call *c = user;
    const struct export_query *in = c->in;

    if (!c->streaming) {
        char date[DATE_TEXT_MAX], name[96];
        date_print((int32_t)(c->now_us / US_PER_DAY), date);
        int length = snprintf(name, sizeof name, "attachment; filename=\"doppel-export-%s.%s\"",
                              date, format_names[in->format]);
        http_reply_header(c->x, "Content-Disposition", (struct str){name, (size_t)length});
        enum err e = api_stream_begin(c, in->format ? "application/x-ndjson" : "application/json");
        if (e != ERR_OK)
            return e;
    }
    return http_stream_write(c->x, p, n);
}

static enum err get_export(struct api_call *c)
{
    const struct export_query *in = c->in;
    const struct export_sink sink = {.write = export_put, .user = c, .lines = in->format == 1};
    enum err e = export_write(c->conn, c->learner, c->now_us, &sink);

    if (e == ERR_NOT_FOUND)
        return api_refuse(c, e, "USER_NOT_FOUND", "There is no such learner.");
    return e;
}

#define ONE(e) (UINT64_C(1) << (e))
#define USER_READ                                                                      \
    .method = HTTP_GET, .tag = "user", .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .run = RUN_SMALL, .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
/* A change is made by a writer; the round trip is the look at what came of it. */
#define USER_WRITE                                                                       \
    .method = HTTP_PATCH, .tag = "user", .scopes = SCOPE_WRITE, .learner = LEARNER_BODY, \
    .run = RUN_SMALL, .round_trips = 1, .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT)

const struct endpoint endpoints_user[] = {
    {USER_READ, .path = "/api/user/profile", .id = "get_profile",
     .summary = "The learner's settings", .reply = profile_reply, .envelope = ENVELOPE_DATA,
     .cache = {.fresh_s = 300, .stale_s = 600}, .handler = get_profile},
    {USER_WRITE, .path = "/api/user/profile", .id = "update_profile",
     .summary = "Change the learner's settings", .body = profile_body,
     .in_size = sizeof(struct profile_body), .reply = profile_reply, .envelope = ENVELOPE_DATA,
     .handler = patch_profile},
    {USER_READ, .path = "/api/user/privacy", .id = "get_privacy",
     .summary = "The learner's consents", .reply = privacy_reply, .envelope = ENVELOPE_FLAT,
     .cache = {.why_none = "a withdrawn consent holds at once"}, .handler = get_privacy},
    {USER_WRITE, .path = "/api/user/privacy", .id = "update_privacy",
     .summary = "Give or withdraw consents; withdrawing analysis erases what was kept",
     .body = privacy_body, .in_size = sizeof(struct privacy_body), .reply = privacy_reply,
     .envelope = ENVELOPE_FLAT, .handler = patch_privacy},
    {USER_READ, .path = "/api/user/preferences", .id = "get_preferences",
     .summary = "The learner's preferences", .reply = preferences_twice, .envelope = ENVELOPE_FLAT,
     .cache = {.fresh_s = 300, .stale_s = 600, .settled = true}, .handler = get_preferences},
    {USER_WRITE, .path = "/api/user/preferences", .id = "update_preferences",
     .summary = "Change the learner's preferences", .body = preferences_body,
     .in_size = sizeof(struct preferences_body), .reply = preferences_twice,
     .envelope = ENVELOPE_FLAT, .handler = patch_preferences},
    {.method = HTTP_GET,
     .path = "/api/analytics/export",
     .id = "export_learner",
     .tag = "user",
     .summary = "Everything that is stored about the learner, as a download",
     .scopes = SCOPE_READ,
     .learner = LEARNER_QUERY,
     .query = export_query,
     .in_size = sizeof(struct export_query),
     .envelope = ENVELOPE_RAW,
     .media = "application/json",
     .media_other = "application/x-ndjson",
     .run = RUN_SLOW,
     .round_trips = 3,
     .deadline_ms = 600000,
     .cache = {.why_none = "large, rare, and to be exact"},
     .errors = ONE(ERR_NOT_FOUND),
     .handler = get_export},
    {.path = NULL},
};
