#include "api/export.h"

#include "api/patterns.h"
#include "api/profile.h"
#include "base/assert.h"
#include "ingest/event.h"
#include "ingest/topics.h"
#include "json/writer.h"

#include <openssl/evp.h>
#include <stdio.h>

enum {
    PIECE = 32 * 1024,      /* handed to the sink at once */
    PIECE_MAX = 256 * 1024, /* a row is whole before it is handed on */
    ARENA_MAX = 8 << 20,
};

/* What is written of each table: its statement, and the names of its columns in order, each with
 * what it is where the number or text alone does not say: t time, d day, b truth value, j JSON
 * text, k kind of event, p kind of topic. What is NULL is left out, so that events have the form in
 * which they are taken in. */
struct table {
    const char *name;
    enum stmt stmt;
    const char *columns;
};
static const struct table tables[] = {
    {"consents", STMT_EXPORT_CONSENTS, "at:t setting oldValue:b newValue:b actor"},
    {"apiKeys", STMT_EXPORT_KEYS, "id name scopes createdAt:t expiresAt:t revokedAt:t"},
    {"events", STMT_EXPORT_EVENTS,
     "id at:t kind:k untimed:b session item skills:j correct:b score rating durationMs latencyMs "
     "confidence modality course objective data:j receivedAt:t"},
    {"sessions", STMT_EXPORT_SESSIONS,
     "session firstAt:t lastAt:t startedAt:t completedAt:t declaredMs declaredPauseMs mission "
     "pauses pauseMsSum resumes resumeMsSum activeMs events answers correct reviews recalled "
     "ratingSum newCards latencyN latencyMsSum latencyLogMicro scoreN scoreMicro objectivesTotal "
     "objectivesDone assessmentN assessmentSum notes notesAt:t untimed:b topics:p"},
    {"sessionObjectives", STMT_EXPORT_SESSION_OBJECTIVES,
     "session objective position estimatedMinutes completedAt:t timeSpentMs selfAssessment "
     "confidenceRating clinicalMs notes"},
    {"missions", STMT_EXPORT_MISSIONS,
     "mission day:d status createdAt:t startedAt:t completedAt:t skippedAt:t estimatedMinutes "
     "actualMinutes reviewCardCount newContentCount difficultyRating"},
    {"missionObjectives", STMT_EXPORT_MISSION_OBJECTIVES,
     "mission objective position estimatedMinutes completedAt:t"},
    {"cards", STMT_EXPORT_CARDS,
     "item reviews again hard good easy firstAt:t firstSession lastAt:t lastRating stabilityMicro "
     "difficultyMicro memoryDay:d memoryReviews lapses retainedReviews dueDay:d retained"},
    {"forecasts", STMT_EXPORT_AUDITS,
     "slot outcomes remembered forecastMicro squareMicro brierMicro lossMicro"},
    {"memory", STMT_EXPORT_MEMORY_FITS,
     "fittedAt:t reviews judged logLossBefore logLoss weights:j initial decay cards decayLow "
     "decayHigh"},
    {"analyses", STMT_EXPORT_ANALYSES,
     "at:t version askedAt:t reviewN reviewExpectedMicro reviewResidualMicro "
     "reviewInformationMicro reviewSteps reviewSquareMicro reviewCrossMicro reviewWeightMicro"},
    {"patternStates", STMT_EXPORT_PATTERNS,
     "pattern kind slot slotLast label present:b occurrences appearedAt:t seenAt:t vanishedAt:t "
     "firstAt:t value low high effect effectLow effectHigh p bayesFactor n confidence"},
    {"patternHistory", STMT_EXPORT_PATTERN_HISTORY, "week:d pattern present:b confidence"},
    {"insightStates", STMT_EXPORT_INSIGHTS,
     "insight pattern createdAt:t acknowledgedAt:t applied:b"},
    {"recommendations", STMT_EXPORT_RECOMMENDATIONS,
     "recommendation pattern createdAt:t appliedAt:t application settings:j tracking "
     "baselineGraded baselineSucceeded"},
    {"goals", STMT_EXPORT_GOALS,
     "goal type metric title description rising:b startValue currentValue targetValue deadline:t "
     "status version createdAt:t updatedAt:t completedAt:t"},
    {"goalProgress", STMT_EXPORT_GOAL_PROGRESS, "goal version at:t value note"},
    {"retention", STMT_EXPORT_RETENTIONS, "at:t reviews judged updatedAt:t state"},
    {"mind", STMT_EXPORT_MINDS, "at:t answers updatedAt:t state"},
    {"predictions", STMT_EXPORT_STRUGGLE_PREDICTIONS,
     "id objective day:d madeAt:t untilAt:t probability low high rightChance evidence recall due "
     "load prerequisiteGap inputs:j parts:j status superseded:b treated:b graded wrong struggled:b "
     "resolvedAt:t"},
    {"predictionWeeks", STMT_EXPORT_PREDICTION_WEEKS,
     "week n confirmed falsePositives missed judged hit probabilityMicro widthMicro"},
    {"predictionFeedback", STMT_EXPORT_PREDICTION_FEEDBACK,
     "prediction givenAt:t actualStruggle:b feedbackType helpfulness comments"},
    {"interventions", STMT_EXPORT_INTERVENTIONS,
     "id prediction objective type priority measure status createdAt:t appliedAt:t mission "
     "actions:j until:t"},
    {"personalizationPreferences", STMT_EXPORT_PERSONAL_PREFERENCES,
     "level mission:b content:b assessment:b session:b autoAdapt:b disabledFeatures:j version "
     "updatedAt:t"},
    {"personalizationConfigs", STMT_EXPORT_PERSONAL_CONFIGS,
     "context strategyVariant heldOut:b day:d activatedAt:t deactivatedAt:t"},
    {"personalizationChoices", STMT_EXPORT_PERSONAL_CHOICES,
     "day:d context strategyVariant propensity controlPropensity learnable:b source madeAt:t "
     "reward "
     "outcome settledAt:t"},
    {"personalizationOutcomes", STMT_EXPORT_PERSONAL_OUTCOMES,
     "id timestamp:t outcomeType context day:d observed:b retentionChange performanceChange "
     "completionRate satisfaction engagementScore sessionDuration contentType difficultyLevel "
     "reward receivedAt:t"},
    {"personalizationTrial", STMT_EXPORT_PERSONAL_TRIALS,
     "beganDay:d heldOut:b beforeGraded beforeRight beforeMs afterGraded afterRight afterMs"},
    {"personalizationEvents", STMT_EXPORT_PERSONAL_EVENTS,
     "at:t id eventType context strategyVariant previousValue:j newValue:j reason score"},
    {"missionFeedback", STMT_EXPORT_MISSION_FEEDBACK,
     "mission id givenAt:t helpfulness relevance pace suggestions"},
    {"missionReflections", STMT_EXPORT_MISSION_REFLECTIONS,
     "milestone writtenAt:t version reflection satisfaction intention"},
    {"strain", STMT_EXPORT_STRAINS, "at:t answers updatedAt:t state"},
    {"sittings", STMT_EXPORT_SITTINGS,
     "start:t end:t minutes answers graded correct expected load maxLoad loadBefore excessAfter "
     "outcomesAfter topic"},
    {"strainEpisodes", STMT_EXPORT_STRAIN_EPISODES, "start:t end:t peak recovered:b"},
    {"stressProfile", STMT_EXPORT_STRESS_PROFILES,
     "analyzedAt:t sittings answers load tolerance toleranceSlope toleranceP toleranceN recovery "
     "recoveryLow recoveryHigh episodes recovered onset onsetLow onsetHigh fatigueP fatigueN"},
    {"stressPatterns", STMT_EXPORT_STRESS_PATTERNS,
     "id type condition topic withN withoutN withLoad withoutLoad effect low high p pAdjusted "
     "present:b firstAt:t seenAt:t"},
    {"loads", STMT_EXPORT_LOADS, "at:t id session score confidence indicators:j"},
    {"days", STMT_EXPORT_DAYS,
     "day:d studyMs nightMs morningMs afternoonMs eveningMs sessions completed answers correct "
     "reviews recalled latencyN latencyLogMicro loadN loadMicro loadMaxMicro events"},
    {"hours", STMT_EXPORT_HOURS,
     "slot studyMs sessions completed answers correct reviews recalled assessmentN assessmentSum"},
    {"lengths", STMT_EXPORT_LENGTHS,
     "bucket sessions completed studyMs answers correct reviews recalled planned planDoneMicro"},
    {"topics", STMT_EXPORT_TOPICS,
     "topicKind:p topic studyMs sessions answers correct reviews recalled scoreN scoreMicro "
     "firstAt:t lastAt:t"},
    {"objectiveSums", STMT_EXPORT_OBJECTIVE_SUMS,
     "objective timed succeeded daySum daySquareSum daySucceededSum told toldMicro toldScoreMicro "
     "toldGapSquareMicro"},
    {"articleReads", STMT_EXPORT_ARTICLE_READS,
     "article firstAt:t lastAt:t completed:b helpful:b rating"},
    {"setWork", STMT_EXPORT_WARNING_WORK, "course task handedDay scoreCenti toldAt:t"},
    {"runWork", STMT_EXPORT_RUN_WORK,
     "run piece events firstDay:d toldAt:t scoreMicro carried:b attempts creditsMilli education "
     "leftDay:d joinedDay:d endedDay:d passed:b"},
    {"runRisks", STMT_EXPORT_RUN_RISKS,
     "run day riskMicro base missed late scores start course pieces fittedOn pastLearners others "
     "marks:j madeAt:t"},
    {"summaries", STMT_EXPORT_SUMMARIES,
     "kind day:d place madeAt:t objective category score scoreLow scoreHigh graded gap gapLow "
     "gapHigh told lastAt:t minutes hours hoursLow hoursHigh"},
    {"searches", STMT_EXPORT_SEARCH_SUMS,
     "slot what n known results zero clicks timed responseMs lastAt:t"},
    {"totals", STMT_EXPORT_TOTALS,
     "version events untimed firstAt:t lastAt:t studyMs sessions completed answers correct reviews "
     "recalled latencyN latencyLogMicro latencyLogSqMicro loads loadMicro"},
    {"calendars", STMT_EXPORT_CALENDARS,
     "provider name push:b connectedAt:t syncedAt:t triedAt:t failure coversUntil:t cut:b"},
    {"calendarFeeds", STMT_EXPORT_CALENDAR_FEEDS, "createdAt:t"},
    {"busyTimes", STMT_EXPORT_BUSY_TIMES,
     "startsAt:t endsAt:t provider event title allDay:b tentative:b"},
    {"plannedSessions", STMT_EXPORT_PLANNED_SESSIONS,
     "plan startsAt:t endsAt:t title state changedAt:t caldavHref caldavAt:t"},
    {"sessionPlans", STMT_EXPORT_SESSION_PLANS,
     "plan mission startsAt:t endsAt:t askedMinutes intensity confidence createdAt:t content:j"},
    {"scheduleSlots", STMT_EXPORT_SCHEDULE_SLOTS,
     "slot startsAt:t endsAt:t score confidence usual:b madeAt:t appliedAt:t"},
    {"scheduleAdaptations", STMT_EXPORT_SCHEDULE_ADAPTATIONS,
     "adaptation type reason oldValue:j newValue:j measure madeAt:t"},
    {"exams", STMT_EXPORT_EXAMS, "exam course name day:d createdAt:t"},
};
static const struct table profile_table = {
    "profile", STMT_EXPORT_PROFILE,
    "id email name timeZone createdAt:t updatedAt:t autoGenerateMissions:b defaultMissionMinutes "
    "missionDifficulty preferredStudyTime lastMissionAdaptation:t includeInAnalytics:b "
    "performanceTrackingEnabled:b behavioralAnalysisEnabled:b learningStyleProfilingEnabled:b "
    "shareAnonymizedPatterns:b sharePeerCalibrationData:b medicalSchool graduationYear"};

struct exporter {
    const struct export_sink *sink;
    struct buf buf;
    struct json_writer w;
    EVP_MD_CTX *hash;
    const struct table *table;
    struct value learner;
    int64_t rows;
    enum err err;
};

static void flush(struct exporter *x)
{
    if (x->buf.failed && x->err == ERR_OK)
        x->err = ERR_NOMEM;
    if (x->err != ERR_OK || x->buf.n == 0)
        return;
    if (EVP_DigestUpdate(x->hash, x->buf.p, x->buf.n) != 1)
        x->err = ERR_INTERNAL;
    else
        x->err = x->sink->write(x->sink->user, x->buf.p, x->buf.n);
    x->buf.n = 0; /* the writer's place in the text does not change by this */
}

static void write_topics(struct json_writer *w, struct str text)
{
    struct topic t;

    json_array(w);
    while (topics_next(&text, &t)) {
        json_object(w);
        json_kv_cstr(w, "kind", topic_kind_name(t.kind));
        json_kv_str(w, "topic", t.name);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_value(struct json_writer *w, const struct value *v, char type)
{
    char date[DATE_TEXT_MAX];

    if (v->type == V_REAL)
        json_f64(w, v->d);
    else if (v->type == V_TEXT && type == 'j')
        json_raw(w, v->s);
    else if (v->type == V_TEXT && type == 'p')
        write_topics(w, v->s);
    else if (v->type == V_TEXT)
        json_str(w, v->s);
    else if (v->type != V_INT)
        json_null(w); /* no table has bytes that are the learner's */
    else if (type == 't')
        json_time(w, v->i);
    else if (type == 'b')
        json_bool(w, v->i != 0);
    else if (type == 'k')
        json_str(w, str_from(event_kind_name((enum event_kind)v->i)));
    else if (type == 'd') {
        int n = date_print((int32_t)v->i, date);
        json_str(w, (struct str){date, (size_t)n});
    } else
        json_i64(w, v->i);
}

static void write_row(struct json_writer *w, const struct table *t, const struct value *row,
                      int32_t cols)
{
    struct str rest = str_from(t->columns);

    json_object(w);
    for (int32_t i = 0; i < cols; i++) {
        struct str type = str_cut(&rest, ' '), name = str_cut(&type, ':');
        ASSERT(name.n > 0);
        if (row[i].type == V_NULL)
            continue;
        json_name(w, name);
        write_value(w, &row[i], type.p ? type.p[0] : 0);
    }
    ASSERT(!rest.p);
    json_object_end(w);
}

/* Around each row: lines are objects of their own. */
static void row_begins(struct exporter *x, const char *table)
{
    if (!x->sink->lines)
        return;
    json_writer_init(&x->w, &x->buf);
    json_object(&x->w);
    json_kv_cstr(&x->w, "table", table);
    json_name(&x->w, STR("row"));
}

static void row_ends(struct exporter *x)
{
    if (x->sink->lines) {
        json_object_end(&x->w);
        buf_putc(&x->buf, '\n');
    }
    x->rows++;
    if (x->buf.n >= PIECE || x->buf.failed)
        flush(x);
}

static enum err on_row(void *user, const struct value *row, int32_t cols)
{
    struct exporter *x = user;

    row_begins(x, x->table->name);
    write_row(&x->w, x->table, row, cols);
    row_ends(x);
    return x->err;
}

/* What older clients read of patterns and insights: as the answers about them show them. */
static void write_list(struct exporter *x, const char *name, const struct list *list, size_t size,
                       const struct field *fields)
{
    if (!x->sink->lines) {
        json_name(&x->w, str_from(name));
        json_array(&x->w);
    }
    for (int32_t i = 0; x->err == ERR_OK && i < list->n; i++) {
        row_begins(x, name);
        fields_write_json(fields, &x->w, (const char *)list->p + (size_t)i * size);
        row_ends(x);
    }
    if (!x->sink->lines)
        json_array_end(&x->w);
}

static void write_table(struct exporter *x, struct store_conn *conn, const struct table *t)
{
    x->table = t;
    if (x->err != ERR_OK)
        return;
    if (!x->sink->lines) {
        json_name(&x->w, str_from(t->name));
        json_array(&x->w);
    }
    enum err e = store_each(conn, t->stmt, &x->learner, 1, on_row, x);
    if (e != ERR_OK && x->err == ERR_OK)
        x->err = e;
    if (!x->sink->lines)
        json_array_end(&x->w);
}

/* The members that are about the export itself, and those that older clients read. */
static void write_head(struct exporter *x, const struct rows *profile, struct str learned,
                       const struct patterns_shown *shown, int64_t now_us)
{
    const struct value *v = row_at(profile, 0);
    struct json_writer *w = &x->w;

    json_writer_init(w, &x->buf);
    json_object(w);
    if (x->sink->lines)
        json_kv_cstr(w, "type", "export");
    json_kv_i64(w, "schemaVersion", EXPORT_VERSION);
    json_kv_cstr(w, "exportFormat", x->sink->lines ? "doppel-ndjson-v1" : "doppel-json-v1");
    json_kv_time(w, "exportedAt", now_us);
    json_kv_str(w, "userId", value_str(&v[0]));
    json_kv_str(w, "userEmail", value_str(&v[1]));
    json_kv_str(w, "userName", value_str(&v[2]));
    json_name(w, STR("metadata"));
    json_object(w);
    json_kv_i64(w, "totalPatterns", shown->patterns.n);
    json_kv_i64(w, "totalInsights", shown->insights.n);
    json_kv_bool(w, "hasLearningProfile", !str_eq(learned, STR("null")));
    json_kv_cstr(w, "exportFormat", x->sink->lines ? "doppel-ndjson-v1" : "doppel-json-v1");
    json_kv_cstr(w, "note",
                 "The learning profile is not stored: it is computed from the tables, here as of "
                 "exportedAt.");
    json_object_end(w);
    if (x->sink->lines) {
        json_name(w, STR("learningProfile"));
        json_raw(w, learned);
        json_name(w, STR("profile"));
        write_row(w, &profile_table, v, profile->cols);
        json_object_end(w);
        buf_putc(&x->buf, '\n');
        return;
    }
    json_name(w, STR("learningProfile"));
    json_raw(w, learned);
    json_name(w, STR("profile"));
    write_row(w, &profile_table, v, profile->cols);
}

/* The hash of what has been handed on, as lower-case hex. */
static bool hash_text(struct exporter *x, char out[2 * EVP_MAX_MD_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    if (EVP_DigestFinal_ex(x->hash, digest, &n) != 1)
        return false;
    for (unsigned int i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return true;
}

static void write_end(struct exporter *x)
{
    char hex[2 * EVP_MAX_MD_SIZE + 1];

    if (!x->sink->lines)
        json_kv_i64(&x->w, "rows", x->rows);
    flush(x);
    if (x->err != ERR_OK)
        return;
    if (!hash_text(x, hex)) {
        x->err = ERR_INTERNAL;
        return;
    }
    if (x->sink->lines) {
        json_writer_init(&x->w, &x->buf);
        json_object(&x->w);
        json_kv_cstr(&x->w, "type", "end");
        json_kv_i64(&x->w, "rows", x->rows);
    }
    json_name(&x->w, STR("contentHash"));
    json_object(&x->w);
    json_kv_cstr(&x->w, "algorithm", "sha256");
    json_kv_cstr(&x->w, "covers",
                 x->sink->lines ? "all lines before this one"
                                : "all bytes before the comma in front");
    json_kv_cstr(&x->w, "value", hex);
    json_object_end(&x->w);
    json_object_end(&x->w);
    if (x->sink->lines)
        buf_putc(&x->buf, '\n');
    if (x->buf.failed)
        x->err = ERR_NOMEM;
    else
        x->err = x->sink->write(x->sink->user, x->buf.p, x->buf.n);
}

static enum err export_all(struct exporter *x, struct store_conn *conn, struct arena *arena,
                           struct str learner, int64_t now_us)
{
    const struct value id = V_S(learner);
    struct query q = {.stmt = STMT_EXPORT_PROFILE, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(conn, arena, &q, 1, 0);

    if (e != ERR_OK)
        return e;
    if (q.rows.count == 0)
        return ERR_NOT_FOUND;
    struct api_call call = {.conn = conn, .arena = arena, .learner = learner, .now_us = now_us};
    struct str learned;
    e = learning_profile_print(&call, &learned);
    if (e != ERR_OK)
        return e;
    struct patterns_shown shown;
    e = patterns_show(&call, &shown);
    if (e != ERR_OK)
        return e;
    x->learner = id;
    write_head(x, &q.rows, learned, &shown, now_us);
    write_list(x, "patterns", &shown.patterns, sizeof(struct pattern_linked),
               pattern_linked_fields);
    write_list(x, "insights", &shown.insights, sizeof(struct insight), insight_fields);
    for (size_t i = 0; i < COUNT(tables); i++)
        write_table(x, conn, &tables[i]);
    write_end(x);
    return x->err;
}

enum err export_write(struct store_conn *conn, struct str learner, int64_t now_us,
                      const struct export_sink *sink)
{
    struct exporter x = {.sink = sink, .hash = EVP_MD_CTX_new()};
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    buf_init(&x.buf, PIECE_MAX);
    enum err e = ERR_NOMEM;
    if (x.hash && EVP_DigestInit_ex(x.hash, EVP_sha256(), NULL) == 1)
        e = export_all(&x, conn, &arena, learner, now_us);
    EVP_MD_CTX_free(x.hash);
    buf_fini(&x.buf);
    arena_fini(&arena);
    return e;
}
