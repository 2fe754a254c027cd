#include "api/export.h"

#include "base/assert.h"
#include "base/civil.h"
#include "ingest/event.h"
#include "json/writer.h"

enum { PIECE_BYTES = 64 * 1024, ROW_BYTES_MAX = 1 << 20, EXPORT_ARENA_MAX = 256 * 1024 };

enum column_type {
    COL_TEXT,
    COL_INT,
    COL_REAL,
    COL_BOOL,
    COL_TIME,
    COL_DATE,
    COL_JSON,
    COL_KIND,
    COL_TOPIC
};

/* A column of the statement, in its order, under the name that it has in the export. */
struct column {
    const char *name; /* NULL ends the list */
    enum column_type type;
};

struct table {
    const char *name;
    enum stmt stmt;
    const struct column *columns;
};

/* clang-format off: tables */
static const struct column profile_columns[] = {
    {"email", COL_TEXT},
    {"name", COL_TEXT},
    {"timezone", COL_TEXT},
    {"createdAt", COL_TIME},
    {"updatedAt", COL_TIME},
    {"autoGenerateMissions", COL_BOOL},
    {"defaultMissionMinutes", COL_INT},
    {"missionDifficulty", COL_TEXT},
    {"preferredStudyTime", COL_TEXT},
    {"includeInAnalytics", COL_BOOL},
    {"performanceTrackingEnabled", COL_BOOL},
    {"behavioralAnalysisEnabled", COL_BOOL},
    {"learningStyleProfilingEnabled", COL_BOOL},
    {"shareAnonymizedPatterns", COL_BOOL},
    {"sharePeerCalibrationData", COL_BOOL},
    {"medicalSchool", COL_TEXT},
    {"graduationYear", COL_INT},
    {NULL, COL_TEXT},
};
static const struct column consents_columns[] = {
    {"at", COL_TIME},       {"setting", COL_TEXT}, {"oldValue", COL_BOOL},
    {"newValue", COL_BOOL}, {"actor", COL_TEXT},   {NULL, COL_TEXT},
};
static const struct column events_columns[] = {
    {"id", COL_TEXT},        {"at", COL_TIME},       {"kind", COL_KIND},
    {"session", COL_TEXT},   {"item", COL_TEXT},     {"skills", COL_JSON},
    {"correct", COL_BOOL},   {"score", COL_REAL},    {"rating", COL_INT},
    {"durationMs", COL_INT}, {"latencyMs", COL_INT}, {"confidence", COL_REAL},
    {"modality", COL_TEXT},  {"course", COL_TEXT},   {"objective", COL_TEXT},
    {"data", COL_JSON},      {"untimed", COL_BOOL},  {"receivedAt", COL_TIME},
    {NULL, COL_TEXT},
};
static const struct column sessions_columns[] = {
    {"session", COL_TEXT},        {"firstAt", COL_TIME},
    {"lastAt", COL_TIME},         {"startedAt", COL_TIME},
    {"completedAt", COL_TIME},    {"declaredMs", COL_INT},
    {"declaredPauseMs", COL_INT}, {"mission", COL_TEXT},
    {"pauses", COL_INT},          {"activeMs", COL_INT},
    {"events", COL_INT},          {"answers", COL_INT},
    {"correct", COL_INT},         {"reviews", COL_INT},
    {"recalled", COL_INT},        {"newCards", COL_INT},
    {"objectivesTotal", COL_INT}, {"objectivesDone", COL_INT},
    {"notes", COL_TEXT},          {"notesAt", COL_TIME},
    {"untimed", COL_BOOL},        {NULL, COL_TEXT},
};
static const struct column session_objectives_columns[] = {
    {"session", COL_TEXT},
    {"objective", COL_TEXT},
    {"position", COL_INT},
    {"estimatedMinutes", COL_INT},
    {"completedAt", COL_TIME},
    {"timeSpentMs", COL_INT},
    {"selfAssessment", COL_INT},
    {"confidenceRating", COL_INT},
    {"clinicalMs", COL_INT},
    {"notes", COL_TEXT},
    {NULL, COL_TEXT},
};
static const struct column session_topics_columns[] = {
    {"session", COL_TEXT},
    {"topicKind", COL_TOPIC},
    {"topic", COL_TEXT},
    {NULL, COL_TEXT},
};
static const struct column missions_columns[] = {
    {"mission", COL_TEXT},
    {"day", COL_DATE},
    {"status", COL_TEXT},
    {"createdAt", COL_TIME},
    {"startedAt", COL_TIME},
    {"completedAt", COL_TIME},
    {"skippedAt", COL_TIME},
    {"estimatedMinutes", COL_INT},
    {"actualMinutes", COL_INT},
    {"reviewCardCount", COL_INT},
    {"newContentCount", COL_INT},
    {"difficultyRating", COL_INT},
    {NULL, COL_TEXT},
};
static const struct column mission_objectives_columns[] = {
    {"mission", COL_TEXT},         {"objective", COL_TEXT},   {"position", COL_INT},
    {"estimatedMinutes", COL_INT}, {"completedAt", COL_TIME}, {NULL, COL_TEXT},
};
static const struct column cards_columns[] = {
    {"item", COL_TEXT},      {"reviews", COL_INT}, {"again", COL_INT},    {"hard", COL_INT},
    {"good", COL_INT},       {"easy", COL_INT},    {"firstAt", COL_TIME}, {"lastAt", COL_TIME},
    {"lastRating", COL_INT}, {NULL, COL_TEXT},
};
static const struct column loads_columns[] = {
    {"id", COL_TEXT},         {"at", COL_TIME},         {"session", COL_TEXT}, {"score", COL_REAL},
    {"confidence", COL_REAL}, {"indicators", COL_JSON}, {NULL, COL_TEXT},
};
static const struct column days_columns[] = {
    {"day", COL_DATE},        {"studyMs", COL_INT},   {"nightMs", COL_INT},  {"morningMs", COL_INT},
    {"afternoonMs", COL_INT}, {"eveningMs", COL_INT}, {"sessions", COL_INT}, {"completed", COL_INT},
    {"answers", COL_INT},     {"correct", COL_INT},   {"reviews", COL_INT},  {"recalled", COL_INT},
    {"loads", COL_INT},       {"events", COL_INT},    {NULL, COL_TEXT},
};
static const struct column hours_columns[] = {
    {"slot", COL_INT},      {"studyMs", COL_INT},  {"sessions", COL_INT},
    {"completed", COL_INT}, {"answers", COL_INT},  {"correct", COL_INT},
    {"reviews", COL_INT},   {"recalled", COL_INT}, {NULL, COL_TEXT},
};
static const struct column lengths_columns[] = {
    {"bucket", COL_INT},  {"sessions", COL_INT}, {"completed", COL_INT},
    {"studyMs", COL_INT}, {"answers", COL_INT},  {"correct", COL_INT},
    {"reviews", COL_INT}, {"recalled", COL_INT}, {NULL, COL_TEXT},
};
static const struct column topics_columns[] = {
    {"topicKind", COL_TOPIC}, {"topic", COL_TEXT},  {"studyMs", COL_INT}, {"sessions", COL_INT},
    {"answers", COL_INT},     {"correct", COL_INT}, {"reviews", COL_INT}, {"recalled", COL_INT},
    {"firstAt", COL_TIME},    {"lastAt", COL_TIME}, {NULL, COL_TEXT},
};
static const struct column keys_columns[] = {
    {"keyId", COL_TEXT},     {"name", COL_TEXT},      {"createdAt", COL_TIME},
    {"expiresAt", COL_TIME}, {"revokedAt", COL_TIME}, {NULL, COL_TEXT},
};

static const struct table tables[] = {
    {"consents", STMT_EXPORT_CONSENTS, consents_columns},
    {"events", STMT_EXPORT_EVENTS, events_columns},
    {"sessions", STMT_EXPORT_SESSIONS, sessions_columns},
    {"sessionObjectives", STMT_EXPORT_SESSION_OBJECTIVES, session_objectives_columns},
    {"sessionTopics", STMT_EXPORT_SESSION_TOPICS, session_topics_columns},
    {"missions", STMT_EXPORT_MISSIONS, missions_columns},
    {"missionObjectives", STMT_EXPORT_MISSION_OBJECTIVES, mission_objectives_columns},
    {"cards", STMT_EXPORT_CARDS, cards_columns},
    {"loads", STMT_EXPORT_LOADS, loads_columns},
    {"days", STMT_EXPORT_DAYS, days_columns},
    {"hours", STMT_EXPORT_HOURS, hours_columns},
    {"lengths", STMT_EXPORT_LENGTHS, lengths_columns},
    {"topics", STMT_EXPORT_TOPICS, topics_columns},
};
/* clang-format on */

struct exporter {
    const struct export_sink *sink;
    const struct column *columns;
    struct json_writer writer;
    struct buf text;
};

static enum err flush(struct exporter *x)
{
    if (x->text.failed)
        return ERR_NOMEM;
    enum err e = x->sink->write(x->sink->user, x->text.p, x->text.n);

    buf_clear(&x->text);
    return e;
}

static void value_write(struct json_writer *w, const struct value *v, enum column_type type)
{
    static const char *const topics[] = {"", "course", "lecture", "objective", "skill", "modality"};
    char date[DATE_TEXT_MAX];
    int64_t number = type == COL_TEXT || type == COL_JSON || type == COL_REAL ? 0 : value_i64(v, 0);

    switch (type) {
    case COL_TEXT:
        json_str(w, value_str(v));
        break;
    case COL_INT:
        json_i64(w, number);
        break;
    case COL_REAL:
        json_f64(w, value_f64(v, 0));
        break;
    case COL_BOOL:
        json_bool(w, number != 0);
        break;
    case COL_TIME:
        json_time(w, number);
        break;
    case COL_DATE:
        date_print((int32_t)number, date);
        json_str(w, str_from(date));
        break;
    case COL_JSON:
        json_raw(w, value_str(v));
        break;
    case COL_KIND:
        json_str(w, str_from(event_kind_name((enum event_kind)number)));
        break;
    case COL_TOPIC:
        ASSERT(number > 0 && number < (int64_t)COUNT(topics)); /* the schema checks it */
        json_str(w, str_from(topics[number]));
        break;
    }
}

/* What is not there is left out. */
static void row_write(struct json_writer *w, const struct column *columns, const struct value *row)
{
    json_object(w);
    for (int i = 0; columns[i].name; i++) {
        if (row[i].type == V_NULL)
            continue;
        json_name(w, str_from(columns[i].name));
        value_write(w, &row[i], columns[i].type);
    }
    json_object_end(w);
}

static enum err on_row(void *user, const struct value *row, int32_t cols)
{
    struct exporter *x = user;

    (void)cols;
    row_write(&x->writer, x->columns, row);
    return x->text.n >= PIECE_BYTES || x->text.failed ? flush(x) : ERR_OK;
}

static enum err table_write(struct exporter *x, struct store_conn *conn, const struct table *t,
                            const struct value *key)
{
    x->columns = t->columns;
    json_name(&x->writer, str_from(t->name));
    json_array(&x->writer);
    enum err e = store_each(conn, t->stmt, key, 1, on_row, x);

    json_array_end(&x->writer);
    return e;
}

static void head_write(struct exporter *x, struct str learner, const struct value *row,
                       int64_t now_us)
{
    struct json_writer *w = &x->writer;

    json_object(w);
    json_kv_str(w, "exportFormat", STR("doppel-export-v1"));
    json_kv_time(w, "exportedAt", now_us);
    json_kv_str(w, "userId", learner);
    json_kv_str(w, "userEmail", value_str(&row[1]));
    json_kv_str(w, "userName", value_str(&row[2]));
    json_name(w, STR("profile"));
    row_write(w, profile_columns, row + 1);
}

static enum err all_write(struct exporter *x, struct store_conn *conn, struct str learner,
                          const struct value *row, int64_t now_us)
{
    static const struct table keys = {"keys", STMT_EXPORT_KEYS, keys_columns};
    struct value id = row[0], name = V_S(learner);

    head_write(x, learner, row, now_us);
    enum err e = table_write(x, conn, &keys, &name);

    for (size_t i = 0; e == ERR_OK && i < COUNT(tables); i++)
        e = table_write(x, conn, &tables[i], &id);
    if (e != ERR_OK)
        return e;
    json_object_end(&x->writer);
    return flush(x);
}

enum err export_write(struct store_conn *conn, struct str learner, int64_t now_us,
                      const struct export_sink *sink)
{
    struct value key = V_S(learner);
    struct query query = {.stmt = STMT_EXPORT_LEARNER, .args = &key, .arg_count = 1};
    struct exporter x = {.sink = sink};
    struct arena arena;

    arena_init(&arena, EXPORT_ARENA_MAX);
    buf_init(&x.text, PIECE_BYTES + ROW_BYTES_MAX);
    json_writer_init(&x.writer, &x.text);
    enum err e = store_read(conn, &arena, &query, 1, 0);

    if (e == ERR_OK && query.rows.count == 0)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK)
        e = all_write(&x, conn, learner, row_at(&query.rows, 0), now_us);
    buf_fini(&x.text);
    arena_fini(&arena);
    return e;
}
