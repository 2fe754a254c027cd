/* No statement scans a table, on either engine, at a size where that would hurt.
 *
 * All tables are filled, analysed, and each named statement is explained. A full scan is a failure
 * unless the statement says `-- scan: reason`. A table that is not filled below is one too: on an
 * empty table a planner scans whatever one does.
 *
 * With all tables filled, an export names every column that its statements give. */
#include "api/export.h"
#include "store/engine.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 12000, LEARNERS = 200, SCAN_ROWS_MAX = 1000 }; /* a partition: 1,500 */

/* i = 1 .. ROWS; u: one of LEARNERS learners, whose rows differ in i. */
static const struct {
    const char *table, *columns, *values;
} fill[] = {
    {"learners", "external_id, created_at, updated_at", "'l' || i, i, i"},
    {"consents", "learner_id, at, setting, old_value, new_value, actor", "u, i, 'x', 0, 1, 'a'"},
    {"courses", "course, name, created_at", "'c' || i, 'n', i"},
    {"lectures", "lecture, course, title, created_at", "'l' || i, 'c' || i, 't', i"},
    {"objectives", "objective, course, lecture, name, created_at",
     "'o' || i, 'c' || i, 'l' || i, 'n', i"},
    {"objective_prerequisites", "objective, prerequisite", "'o' || i, 'o' || (i % 12000 + 1)"},
    {"skills", "skill, name, created_at", "'s' || i, 'n', i"},
    {"items", "item, course, lecture, objective, created_at",
     "'i' || i, 'c' || i, 'l' || i, 'o' || i, i"},
    {"item_skills", "item, skill", "'i' || i, 's' || i"},
    {"events", "learner_id, at, id, kind, session, item, received_at",
     "u, i, 'e' || i, 1, 's' || (i / 9), 'i' || i, i"},
    {"sessions", "learner_id, session, first_at, last_at", "u, 's' || i, i, i + 1"},
    {"session_objectives", "learner_id, session, objective", "u, 's' || i, 'o' || i"},
    {"missions", "learner_id, mission, day, status, created_at", "u, 'm' || i, i, 'PENDING', i"},
    {"mission_objectives", "learner_id, mission, objective, position", "u, 'm' || i, 'o' || i, 1"},
    {"cards", "learner_id, item, first_at, first_id, last_at, last_id, last_rating",
     "u, 'i' || i, i, 'e', i, 'e', 3"},
    {"audits", "learner_id, slot, n", "i, i % 512, 1"},
    {"audit_totals", "slot, n", "i, 1"},
    {"audit_counted", "learner_id, slot, n", "i, i % 512, 1"},
    {"memory_fits",
     "learner_id, fitted_at, reviews, judged, loss_before, loss, weights, initial, decay, cards, "
     "decay_low, decay_high",
     "i, i, 40, 40, 0.5, 0.4, '[]', 1, 0.1, 3, 0.05, 0.2"},
    {"analyses", "learner_id, at, version", "i, i, 1"},
    {"patterns",
     "learner_id, pattern, kind, slot, slot_last, present, vanished_before, in_n, in_expected, "
     "in_residual, in_information, out_n, out_expected, out_residual, out_information, claim, "
     "sign, "
     "log_exists, log_change, appeared_at, seen_at, vanished_at, occurrences, n, first_at",
     "u, 'p' || i, 0, 9, 9, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0.2, 1, 0, 0, i, i, 0, 1, 1, i"},
    {"pattern_history", "learner_id, week, pattern, present", "u, i, 'p' || i, 1"},
    {"insights", "learner_id, insight, pattern, created_at", "u, 'n' || i, 'p' || i, i"},
    {"recommendations", "learner_id, recommendation, pattern, created_at",
     "u, 'r' || i, 'p' || i, i"},
    {"goals",
     "learner_id, goal, type, metric, title, rising, start_value, current_value, target_value, "
     "deadline, status, version, created_at, updated_at",
     "u, 'g' || i, 'CUSTOM', 'custom', 't', 1, 0, 0, 1, i, 'ACTIVE', 1, i, i"},
    {"goal_progress", "learner_id, goal, version, at, value", "u, 'g' || i, 1, i, 0"},
    {"minds", "learner_id, version, at, id, taken, known_at, known_id, updated_at, skills, state",
     "i, 1, i, 'e', 3, i, 'e', i, CAST('x' AS {blob}), CAST('x' AS {blob})"},
    {"learnt_weights", "number, part, whole, slots, states", "i, 0, 0, 'x', CAST('x' AS {blob})"},
    {"retentions",
     "learner_id, version, at, id, taken, known_at, known_id, judged, updated_at, state",
     "i, 1, i, 'e', 3, i, 'e', i, i, CAST('x' AS {blob})"},
    {"retention_population", "name, made_at, learners, state", "'n' || i, i, 30, CAST('x' AS {blob})"},
    {"struggle_shared", "name, outcomes, state", "'n' || i, i, CAST('x' AS {blob})"},
    {"struggle_predictions",
     "learner_id, prediction, objective, day, made_at, until_at, probability, low, high, "
     "right_chance, evidence, inputs, parts, resolved_at",
     "u, 'p' || i, 'o' || i, i, i, i + 1, 0.5, 0.4, 0.6, 0.7, 3, "
     "'[1,0.123456,-0.234567,0.345678,0.456789,0.567891,-0.678912,0.789123,0.891234]', "
     "'[0.740812,0.123456,-0.234567,0.345678,0.456789,0.567891,-0.678912,0.789123,0.891234]', "
     "CASE WHEN i % 9 > 0 THEN i END"},
    {"prediction_weeks",
     "learner_id, week, n, confirmed, false_positives, missed, judged, hit, probability_micro, "
     "width_micro",
     "u, i, 1, 1, 0, 0, 1, 1, 1, 1"},
    {"prediction_feedback", "learner_id, prediction, given_at, actual_struggle, kind",
     "u, 'p' || i, i, 1, 'HELPFUL'"},
    {"interventions", "learner_id, intervention, prediction, objective, type, priority, created_at",
     "u, 'i' || i, 'p' || i, 'o' || i, 'PREREQUISITE_REVIEW', 9, i"},
    {"mission_feedback", "learner_id, mission, feedback, given_at, helpfulness, relevance, pace",
     "u, 'm' || i, 'f' || i, i, 3, 3, 'JUST_RIGHT'"},
    {"mission_reflections", "learner_id, milestone, written_at, version, text", "u, i, i, 1, 't'"},
    {"idempotency", "learner_id, caller, idempotency_key, request, status, kept_at",
     "u, 'c', 'k' || i, CAST('x' AS {blob}), 200, i"},
    {"personalization_preferences",
     "learner_id, level, mission_on, content_on, assessment_on, session_on, auto_adapt, "
     "disabled_features, version, updated_at",
     "i, 'MEDIUM', 1, 1, 1, 1, 1, '[]', 1, i"},
    {"personalization_configs", "learner_id, context, variant, held_out, day, activated_at",
     "i, 'MISSION', 'Balanced', 0, i, i"},
    {"personalization_choices",
     "learner_id, day, context, variant, propensity, control, learnable, source, made_at",
     "u, i, 'MISSION', 'Balanced', 0.4, 0.2, 1, 'NIGHT', i"},
    {"personalization_outcomes",
     "learner_id, outcome, at, type, context, observed, reward, received_at",
     "u, 'o' || i, i, 'SESSION_COMPLETED', 'SESSION', 1, 0.5, i"},
    {"personalization_trials",
     "learner_id, began_day, held_out, before_graded, before_right, before_ms, after_graded, "
     "after_right, after_ms",
     "i, i, 0, 1, 1, 1, 1, 1, 1"},
    {"warning_work", "learner_id, course, task, handed_day, told_at", "u, 'c', 't' || i, 1, i"},
    {"course_runs", "run, course, begins, ends", "'r' || i, 'c' || (i % 700), i, i + 200"},
    {"run_pieces", "run, piece, due_day, weight", "'r' || (i % 700), 'p' || i, 10, 10"},
    {"run_work", "learner_id, run, piece, events",
     "u, 'r' || (i % 700), CASE WHEN i % 9 > 0 THEN 'p' || i ELSE '' END, 1"},
    {"run_risks",
     "learner_id, run, day, risk_micro, pieces, fitted_on, past_learners, others, marks, made_at",
     "u, 'r' || i, 60, i, 5, 9, 0, 0, '[]', i"},
    {"course_pasts", "course, ends, evidence, runs, learners, state",
     "'c' || (i % 700), i, i, 1, 30, CAST('x' AS {blob})"},
    {"cohort_work", "course, task, day, bin, n, score_sum, square_sum",
     "'c' || (i % 7), 't' || i, 1, 1, 1, 1, 1"},
    {"cohort_counted", "learner_id, course, task, day, bin, score_centi",
     "u, 'c', 't' || i, 1, 1, 1"},
    {"personalization_counted", "learner_id, context, variant, n, weight_micro, reward_micro",
     "u, 'MISSION', 'v' || i, 1, 2, 1"},
    {"personalization_totals", "context, variant", "'MISSION', 'v' || i"},
    {"personalization_events", "learner_id, at, event, type, context, variant, reason",
     "u, i, 'e' || i, 'APPLIED', 'MISSION', 'Balanced', 'r'"},
    {"strains", "learner_id, at, id, answers, updated_at, state",
     "i, i, 'e', 3, i, CAST('x' AS {blob})"},
    {"sittings",
     "learner_id, start_at, end_at, minutes, answers, graded, correct, expected, load_mean, "
     "load_max, after_n, hour, day",
     "u, i, i + 9, 1, 9, 9, 5, 6, 40, 50, 0, 3, i"},
    {"strain_episodes", "learner_id, start_at, end_at, peak, recovered", "u, i, i + 9, 90, 1"},
    {"stress_profiles",
     "learner_id, analyzed_at, sittings, answers, tolerance_n, episodes, recovered, fatigue_n",
     "i, i, 1, 1, 1, 0, 0, 1"},
    {"stress_patterns",
     "learner_id, pattern, type, condition, with_n, without_n, present, first_at, seen_at",
     "u, 'p' || i, 'FATIGUE_BASED', 'long', 5, 5, 1, i, i"},
    {"loads", "learner_id, at, id, score, indicators", "u, i, 'e' || i, 50, '[]'"},
    {"days", "learner_id, day", "u, i"},
    {"hours", "learner_id, slot", "i, i % 168"},
    {"lengths", "learner_id, bucket", "i, i % 8"},
    {"topics", "learner_id, topic_kind, topic, first_at, last_at", "u, 1, 't' || i, i, i"},
    {"totals", "learner_id", "i"},
    {"search_sums", "learner_id, slot, what, n", "u, 100000 + i, 'q' || i, 1"},
    {"objective_sums", "learner_id, objective", "u, 'o' || i"},
    {"article_reads", "learner_id, article, first_at, last_at, completed", "u, 'a' || i, i, i, 1"},
    {"summaries",
     "learner_id, kind, day, place, made_at, version, objective, category, score, score_low, "
     "score_high, graded, told, last_at",
     "u, i % 2, i, 1, i, 1, 'o' || i, 0, 50, 40, 60, 9, 0, i"},
    {"quarantine", "received_at, source, code, field, reason, learner, body",
     "i, 's', 'c', 'f', 'r', 'l' || i, '{}'"},
    {"api_keys", "key_id, secret_hash, scopes, name, created_at",
     "'k' || i, CAST('x' AS {blob}), 1, 'n', i"},
    {"cache_epochs", "name, epoch", "'n' || i, i"},
    {"imports", "import_key, position, summary, updated_at", "'k' || i, i, '{}', i"},
    {"calendars", "learner_id, provider, name, connected_at", "i, 'ICAL', 'n', i"},
    {"busy_times", "learner_id, starts_at, provider, event, ends_at, title, all_day, tentative",
     "u, i, 'ICAL', 'e' || i, i + 1, 't', 0, 0"},
    {"calendar_states", "learner_id, state_hash, sealed, expires_at",
     "i, CAST('h' || i AS {blob}), CAST('x' AS {blob}), i"},
    {"calendar_feeds", "learner_id, token_hash, created_at", "i, CAST('h' || i AS {blob}), i"},
    {"planned_sessions", "learner_id, plan, starts_at, ends_at, title, state, changed_at",
     "u, 'p' || i, i, i + 1, 't', 'PLANNED', i"},
    {"session_plans",
     "learner_id, plan, starts_at, ends_at, asked_minutes, intensity, created_at, content",
     "u, 'p' || i, i, i + 1, 30, 'LOW', i, '{}'"},
    {"schedule_slots", "learner_id, slot, starts_at, ends_at, score, confidence, usual, made_at",
     "u, 's' || i, i, i + 1, 50, 0.5, 0, i"},
    {"schedule_adaptations", "learner_id, adaptation, type, reason, made_at",
     "u, 'a' || i, 'TIME_SHIFT', 'r', i"},
    {"exams", "learner_id, exam, name, day, created_at", "u, 'e' || i, 'n', i, i"},
};

static char detail[300];

static void script(struct store_conn *c, const char *sql)
{
    if (c->store->ops->script(c, sql) != ERR_OK)
        fail_msg("%.200s: %s", sql, c->detail);
}

static void fill_all(struct store_conn *c)
{
    const char *blob = store_conn_engine(c) == STORE_SQLITE ? "BLOB" : "BYTEA";
    char values[400], sql[1200];

    script(c, "BEGIN");
    for (size_t i = 0; i < COUNT(fill); i++) {
        const char *rest = fill[i].values, *mark;
        int n = 0;
        for (; (mark = strstr(rest, "{blob}")); rest = mark + strlen("{blob}"))
            n += snprintf(values + n, sizeof values - (size_t)n, "%.*s%s", (int)(mark - rest), rest,
                          blob);
        snprintf(values + n, sizeof values - (size_t)n, "%s", rest);
        snprintf(sql, sizeof sql,
                 "WITH RECURSIVE s (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL "
                 "SELECT i + 1 FROM s WHERE i < %d), "
                 "r (i, u) AS (SELECT i, i %% %d + 1 FROM s) INSERT INTO %s (%s) SELECT %s FROM r",
                 ROWS, LEARNERS, fill[i].table, fill[i].columns, values);
        script(c, sql);
    }
    script(c, "COMMIT");
    script(c, "ANALYZE");
}

/* Does a later migration take the table away? */
static bool is_dropped(int32_t from, const char *name, size_t n)
{
    static const char drop[] = "DROP TABLE ";

    for (int32_t m = from; m < store_catalog.migration_count; m++)
        for (const char *at = store_catalog.migrations[m].sqlite; (at = strstr(at, drop));) {
            at += strlen(drop);
            if (strcspn(at, " ;") == n && strncmp(at, name, n) == 0)
                return true;
        }
    return false;
}

/* Every table of the migrations is in the list above. */
static void all_tables_are_filled(void)
{
    static const char create[] = "CREATE TABLE ";

    for (int32_t m = 0; m < store_catalog.migration_count; m++) {
        const char *at = store_catalog.migrations[m].sqlite;
        while ((at = strstr(at, create))) {
            at += strlen(create);
            size_t n = strcspn(at, " ("), i = 0;
            while (i < COUNT(fill) &&
                   (strlen(fill[i].table) != n || strncmp(fill[i].table, at, n) != 0))
                i++;
            if (i == COUNT(fill) && !is_dropped(m, at, n))
                fail_msg("table %.*s: add it to `fill` in %s", (int)n, at, __FILE__);
        }
    }
}

static bool names(struct str plan, const char *kind, struct str name)
{
    struct str line;

    while (plan.p && plan.n) {
        line = str_cut(&plan, '\n');
        if (str_starts(line, str_from(kind)) && line.n >= strlen(kind) + name.n &&
            memcmp(line.p + strlen(kind), name.p, name.n) == 0)
            return true;
    }
    return false;
}

/* SQLite: a line "SCAN name". Harmless: a row of constants, what the statement itself makes (a CTE,
 * a subquery), and table-valued functions. */
static bool scans_sqlite(struct store_conn *c, struct str plan)
{
    struct str rest = plan, line;

    (void)c;
    while (rest.p && rest.n) {
        line = str_cut(&rest, '\n');
        if (memmem(line.p, line.n, "(ANY(", 5)) /* a skip scan: a search for every learner */
            return true;
        if (!str_starts(line, STR("SCAN ")))
            continue;
        struct str name = {line.p + 5, line.n - 5};
        if (memmem(name.p, name.n, "CONSTANT ROW", 12) ||
            memmem(name.p, name.n, "-ROW VALUES CLAUSE", 18) || /* SQLite 3.46 and later */
            str_starts(name, STR("(subquery")) || str_starts(name, STR("json_each")))
            continue;
        name = str_cut(&name, ' ');
        if (!names(plan, "CO-ROUTINE ", name) && !names(plan, "MATERIALIZE ", name))
            return true;
    }
    return false;
}

/* PostgreSQL: "Seq Scan on name", where the table or partition has more rows than a page or two. */
static bool scans_postgres(struct store_conn *c, struct str plan)
{
    static const char scan[] = "Seq Scan on ";
    struct str rest = plan, line;

    while (rest.p && rest.n) {
        line = str_cut(&rest, '\n');
        const char *at = memmem(line.p, line.n, scan, strlen(scan));
        if (!at)
            continue;
        char name[64], sql[200];
        int64_t rows = 0;
        size_t n = 0;
        at += strlen(scan);
        while (at + n < line.p + line.n && (isalnum((unsigned char)at[n]) || at[n] == '_'))
            n++;
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        snprintf(sql, sizeof sql,
                 "SELECT CAST(reltuples AS BIGINT) FROM pg_class WHERE oid = to_regclass('%s')",
                 name);
        assert_int_equal(c->store->ops->scalar(c, sql, &rows), ERR_OK);
        if (rows > SCAN_ROWS_MAX)
            return true;
    }
    return false;
}

static enum err count_bytes(void *user, const void *p, size_t n)
{
    (void)p;
    *(size_t *)user += n;
    return ERR_OK;
}

static void export_one(struct store_conn *c, bool lines)
{
    size_t bytes = 0;
    const struct export_sink sink = {count_bytes, &bytes, lines};

    assert_int_equal(export_write(c, STR("l7"), ROWS, &sink), ERR_OK);
    assert_true(bytes > ROWS);
}

static void check_all(struct store *s)
{
    struct store_conn *c = NULL;
    struct arena arena;
    int32_t from, to, bad = 0;

    if (store_migrate(s, &from, &to, detail) != ERR_OK)
        fail_msg("%s", detail);
    assert_int_equal(store_connect(s, STORE_WRITER, &c), ERR_OK);
    fill_all(c);
    arena_init(&arena, 16 << 20);
    for (int32_t i = 0; i < store_catalog.stmt_count; i++) {
        const struct stmt_def *def = &store_catalog.stmts[i];
        struct str plan;
        if (store_explain(c, (enum stmt)i, &arena, &plan) != ERR_OK) {
            print_error("%s: %s\n", def->name, store_conn_detail(c));
            bad++;
            continue;
        }
        bool scans =
            store_engine(s) == STORE_SQLITE ? scans_sqlite(c, plan) : scans_postgres(c, plan);
        if (scans && !def->scan) {
            print_error("%s scans a table:\n" STR_FMT "\n", def->name, STR_ARG(plan));
            bad++;
        }
        arena_clear(&arena);
    }
    arena_fini(&arena);
    export_one(c, false);
    export_one(c, true);
    store_disconnect(c);
    assert_int_equal(bad, 0);
}

static struct store *open_at(const char *url)
{
    const struct store_options o = {.url = str_from(url),
                                    .busy_timeout_ms = 5000,
                                    .connect_timeout_ms = 3000,
                                    .sqlite_checkpoint_pages = 16384};
    struct store *s = NULL;

    if (store_open(&o, &s, detail) != ERR_OK)
        fail_msg("%s: %s", url, detail);
    return s;
}

static void no_statement_scans_on_sqlite(void **state)
{
    char dir[] = "/tmp/doppel-plans.XXXXXX", url[100], path[100];

    (void)state;
    all_tables_are_filled();
    assert_non_null(mkdtemp(dir));
    snprintf(url, sizeof url, "sqlite:%s/x.db", dir);
    struct store *s = open_at(url);
    check_all(s);
    store_close(s);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/x.db%s", dir, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void quiet(void *user, const char *message)
{
    (void)user, (void)message;
}

static void on_server(const char *server, const char *sql)
{
    PGconn *pg = PQconnectdb(server);
    PQsetNoticeProcessor(pg, quiet, NULL);
    PGresult *r = PQexec(pg, sql);

    assert_int_equal(PQresultStatus(r), PGRES_COMMAND_OK);
    PQclear(r);
    PQfinish(pg);
}

static void no_statement_scans_on_postgresql(void **state)
{
    const char *server = getenv("DOPPEL_TEST_POSTGRES");
    char url[1100], sql[100];

    (void)state;
    if (!server || !*server) {
        print_message("SKIP: PostgreSQL is not tested; DOPPEL_TEST_POSTGRES holds no URL\n");
        skip();
    }
    snprintf(sql, sizeof sql, "CREATE SCHEMA plans_%d", (int)getpid());
    on_server(server, sql);
    snprintf(url, sizeof url, "%s%coptions=-csearch_path%%3Dplans_%d", server,
             strchr(server, '?') ? '&' : '?', (int)getpid());
    struct store *s = open_at(url);
    check_all(s);
    store_close(s);
    snprintf(sql, sizeof sql, "DROP SCHEMA plans_%d CASCADE", (int)getpid());
    on_server(server, sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_scans_on_sqlite),
        cmocka_unit_test(no_statement_scans_on_postgresql),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
