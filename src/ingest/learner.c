/* A learner as a whole: made, moved to another zone, erased. And what was refused. */
#include "base/assert.h"
#include "base/buf.h"
#include "ingest/check.h"
#include "ingest/ingest.h"
#include "ingest/rebuild.h"
#include "json/reader.h"

enum { MEMORY_MAX = 64 << 20, BODY_MAX = 32768, DEPTH_MAX = 64 };

/* These are called within a writer's task, whose transaction is open, and by commands, which have
 * none. */
static enum err enter(struct store_conn *conn, bool *ret_own)
{
    *ret_own = !store_in_transaction(conn);
    return *ret_own ? store_begin(conn) : ERR_OK;
}

static enum err leave(struct store_conn *conn, bool own, enum err e)
{
    if (!own)
        return e;
    if (e == ERR_OK)
        e = store_commit(conn);
    if (e != ERR_OK)
        store_rollback(conn);
    return e;
}

/* ---- made, or moved ---- */

static enum err learner_add(struct store_conn *conn, struct str external_id, int64_t now_us)
{
    struct value v[] = {V_S(external_id), V_I(now_us)};
    struct bulk b = {.stmt = STMT_INGEST_LEARNERS_ADD, .rows = 1, .cols = 2, .v = v};

    return store_write(conn, &b, 1);
}

static enum err zone_set(struct store_conn *conn, int64_t id, struct str zone, int64_t now_us)
{
    struct value v[] = {V_I(id), V_S(zone), V_I(now_us)};
    struct bulk b = {.stmt = STMT_LEARNER_SET_ZONE, .rows = 1, .cols = 3, .v = v};

    enum err e = store_write(conn, &b, 1);
    return e != ERR_OK ? e : rebuild_learner(conn, id, zone, NULL);
}

static enum err do_put(struct store_conn *conn, struct arena *arena, struct str external_id,
                       struct str zone, int64_t now_us, int64_t *ret_id)
{
    struct str old;

    enum err e = learner_lock(conn, arena, external_id, ret_id, &old);
    if (e == ERR_NOT_FOUND) {
        e = learner_add(conn, external_id, now_us);
        if (e == ERR_OK)
            e = learner_lock(conn, arena, external_id, ret_id, &old);
    }
    if (e != ERR_OK || !zone.p || str_eq(zone, old))
        return e;
    return zone_set(conn, *ret_id, zone, now_us);
}

enum err learner_put(struct store_conn *conn, struct str external_id, struct str zone,
                     int64_t now_us, int64_t *ret_learner_id)
{
    const struct zone *known;
    struct arena arena;
    int64_t id = 0;
    bool own;

    enum err e = check_id(external_id, "learner", NULL);
    if (e == ERR_OK && zone.p)
        e = zone_get(zone, &known);
    if (e != ERR_OK)
        return e == ERR_SYNTAX ? ERR_NOT_FOUND : e;
    e = enter(conn, &own);
    if (e != ERR_OK)
        return e;
    arena_init(&arena, MEMORY_MAX);
    e = leave(conn, own, do_put(conn, &arena, external_id, zone, now_us, &id));
    arena_fini(&arena);
    if (e == ERR_OK)
        *ret_learner_id = id;
    return e;
}

/* ---- erased ---- */

/* With `whole` the learner too, else only what was recorded and made of it. */
static enum err do_erase(struct store_conn *conn, struct str external_id, bool whole,
                         int64_t *ret_rows)
{
    struct bulk bulks[128];
    struct arena arena;
    struct str zone;
    int64_t id = 0, rows = 0;
    int32_t n = 0;

    arena_init(&arena, MEMORY_MAX);
    enum err e = learner_lock(conn, &arena, external_id, &id, &zone);
    arena_fini(&arena);
    if (e != ERR_OK)
        return e;
    const struct value by_id = V_I(id), by_name = V_S(external_id);
    const struct {
        enum stmt stmt;
        const struct value *key;
        bool always;
    } more[] = {
        {STMT_LEARNER_DROP_EVENTS, &by_id, true},
        {STMT_LEARNER_DROP_MEMORY_FITS, &by_id, true},
        {STMT_LEARNER_DROP_SUMMARIES, &by_id, true},
        {STMT_LEARNER_DROP_ARTICLE_READS, &by_id, true},
        {STMT_LEARNER_DROP_ANALYSES, &by_id, true},
        {STMT_LEARNER_DROP_PATTERNS, &by_id, true},
        {STMT_LEARNER_DROP_PATTERN_HISTORY, &by_id, true},
        {STMT_LEARNER_DROP_INSIGHTS, &by_id, true},
        {STMT_LEARNER_DROP_RECOMMENDATIONS, &by_id, true},
        {STMT_LEARNER_DROP_GOALS, &by_id, true},
        {STMT_LEARNER_DROP_GOAL_PROGRESS, &by_id, true},
        {STMT_LEARNER_DROP_WARNING_WORK, &by_id, true},
        {STMT_LEARNER_DROP_RUN_RISKS, &by_id, true},
        {STMT_LEARNER_UNCOUNT_COHORT, &by_id, true}, /* what is counted, in the night's order */
        {STMT_LEARNER_SWEEP_COHORT, &by_id, true},
        {STMT_LEARNER_DROP_COHORT_COUNTED, &by_id, true},
        {STMT_LEARNER_UNCOUNT_PERSONAL, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_COUNTED, &by_id, true},
        {STMT_LEARNER_UNCOUNT_AUDITS, &by_id, true},
        {STMT_LEARNER_DROP_AUDIT_COUNTED, &by_id, true},
        {STMT_LEARNER_DROP_FORECASTS, &by_id, true},
        {STMT_LEARNER_DROP_MINDS, &by_id, true},
        {STMT_LEARNER_SWEEP_POPULATION, &by_id, true},
        {STMT_LEARNER_DROP_RETENTIONS, &by_id, true},
        {STMT_LEARNER_DROP_STRUGGLE_PREDICTIONS, &by_id, true},
        {STMT_LEARNER_DROP_PREDICTION_WEEKS, &by_id, true},
        {STMT_LEARNER_DROP_PREDICTION_FEEDBACK, &by_id, true},
        {STMT_LEARNER_DROP_INTERVENTIONS, &by_id, true},
        {STMT_LEARNER_DROP_MISSION_FEEDBACK, &by_id, true},
        {STMT_LEARNER_DROP_MISSION_REFLECTIONS, &by_id, true},
        {STMT_LEARNER_DROP_STRAINS, &by_id, true},
        {STMT_LEARNER_DROP_SITTINGS, &by_id, true},
        {STMT_LEARNER_DROP_STRAIN_EPISODES, &by_id, true},
        {STMT_LEARNER_DROP_STRESS_PROFILES, &by_id, true},
        {STMT_LEARNER_DROP_STRESS_PATTERNS, &by_id, true},
        {STMT_LEARNER_DROP_IDEMPOTENCY, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_CONFIGS, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_CHOICES, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_OUTCOMES, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_EVENTS, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_TRIALS, &by_id, true},
        {STMT_LEARNER_DROP_PERSONAL_PREFERENCES, &by_id, false}, /* what is not wanted */
        {STMT_LEARNER_DROP_QUARANTINE, &by_name, true},
        {STMT_LEARNER_DROP_PLANNED_SESSIONS, &by_id, true},
        {STMT_LEARNER_DROP_SESSION_PLANS, &by_id, true},
        {STMT_LEARNER_DROP_SCHEDULE_SLOTS, &by_id, true},
        {STMT_LEARNER_DROP_SCHEDULE_ADAPTATIONS, &by_id, true},
        {STMT_LEARNER_DROP_EXAMS, &by_id, false},
        {STMT_LEARNER_DROP_BUSY_TIMES, &by_id, false},
        {STMT_LEARNER_DROP_CALENDARS, &by_id, false},
        {STMT_LEARNER_DROP_CALENDAR_STATES, &by_id, false},
        {STMT_LEARNER_DROP_CALENDAR_FEEDS, &by_id, false},
        {STMT_LEARNER_DROP_CONSENTS, &by_id, false},
        {STMT_LEARNER_DROP_KEYS, &by_name, false},
        {STMT_LEARNER_DROP_LEARNERS, &by_id, false},
    };
    for (const struct derived_table *t = derived_tables; t->name; t++) {
        ASSERT((size_t)n + COUNT(more) < COUNT(bulks));
        bulks[n++] = (struct bulk){.stmt = t->drop, .rows = 1, .cols = 1, .v = &by_id};
    }
    for (size_t i = 0; i < COUNT(more); i++)
        if (whole || more[i].always)
            bulks[n++] =
                (struct bulk){.stmt = more[i].stmt, .rows = 1, .cols = 1, .v = more[i].key};
    e = store_write(conn, bulks, n);
    for (int32_t i = 0; i < n; i++)
        if (bulks[i].stmt != STMT_LEARNER_UNCOUNT_AUDITS &&
            bulks[i].stmt != STMT_LEARNER_UNCOUNT_PERSONAL &&
            bulks[i].stmt != STMT_LEARNER_UNCOUNT_COHORT &&
            bulks[i].stmt != STMT_LEARNER_SWEEP_POPULATION &&
            bulks[i].stmt != STMT_LEARNER_SWEEP_COHORT) /* nobody's rows */
            rows += bulks[i].changed;
    if (e == ERR_OK)
        *ret_rows = rows;
    return e;
}

static enum err erase(struct store_conn *conn, struct str external_id, bool whole,
                      int64_t *ret_rows)
{
    int64_t rows = 0;
    bool own;

    enum err e = enter(conn, &own);
    if (e != ERR_OK)
        return e;
    e = leave(conn, own, do_erase(conn, external_id, whole, &rows));
    if (e == ERR_OK)
        *ret_rows = rows;
    return e;
}

enum err learner_erase(struct store_conn *conn, struct str external_id, int64_t *ret_rows)
{
    return erase(conn, external_id, true, ret_rows);
}

enum err learner_forget(struct store_conn *conn, struct str external_id, int64_t *ret_rows)
{
    return erase(conn, external_id, false, ret_rows);
}

/* ---- refused events ---- */

/* As text that both engines store: what is not UTF-8, and NUL, becomes U+FFFD. */
static enum err clean(struct arena *arena, struct str s, struct str *ret)
{
    struct buf b;

    if (s.n > BODY_MAX)
        s.n = BODY_MAX; /* a character cut in two is replaced like any other broken one */
    if (s.p && utf8_valid(s) && !memchr(s.p, 0, s.n)) {
        *ret = s;
        return ERR_OK;
    }
    buf_init(&b, (size_t)BODY_MAX * 3 + 1);
    for (size_t i = 0; i < s.n;) {
        size_t n = utf8_length((struct str){s.p + i, s.n - i});
        if (n == 0 || s.p[i] == '\0') {
            buf_str(&b, STR("\xef\xbf\xbd"));
            i++;
        } else {
            buf_put(&b, s.p + i, n);
            i += n;
        }
    }
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

/* {NULL,0}: it does not say, or cannot be read. */
static struct str learner_of(struct arena *arena, struct str body)
{
    struct str name, learner = {NULL, 0};
    struct json_reader r;

    json_reader_init(&r, body, arena, DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT || !json_object_begin(&r))
        return learner;
    while (json_next_member(&r, &name)) {
        if (!str_eq(name, STR("learner"))) {
            json_skip(&r, NULL);
        } else if (check_read_id(&r, "learner", &learner, NULL) != ERR_OK) {
            break;
        } else {
            return learner;
        }
    }
    return (struct str){NULL, 0};
}

static enum err do_quarantine(struct store_conn *conn, struct arena *arena,
                              const struct quarantine_row *rows, int32_t n, int32_t rows_max)
{
    struct value *v = arena_new(arena, struct value, (size_t)n * 7);
    struct value keep = V_I(rows_max);

    if (!v)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        const struct quarantine_row *q = &rows[i];
        struct str texts[5] = {q->source, q->code, q->field, q->reason, q->body};
        for (int k = 0; k < 5; k++) {
            enum err e = clean(arena, texts[k], &texts[k]);
            if (e != ERR_OK)
                return e;
        }
        struct value *at = v + (size_t)i * 7;
        at[0] = V_I(q->received_at);
        for (int k = 0; k < 4; k++)
            at[1 + k] = V_S(texts[k]);
        at[5] = v_text(learner_of(arena, texts[4]));
        at[6] = V_S(texts[4]);
    }
    struct bulk bulks[] = {
        {.stmt = STMT_QUARANTINE_ADD, .rows = n, .cols = 7, .v = v},
        {.stmt = STMT_QUARANTINE_TRIM, .rows = 1, .cols = 1, .v = &keep},
    };
    return store_write(conn, bulks, (int32_t)COUNT(bulks));
}

enum err quarantine_put(struct store_conn *conn, const struct quarantine_row *rows, int32_t n,
                        int32_t rows_max)
{
    struct arena arena;
    bool own;

    enum err e = enter(conn, &own);
    if (e != ERR_OK)
        return e;
    arena_init(&arena, MEMORY_MAX);
    e = leave(conn, own, do_quarantine(conn, &arena, rows, n, rows_max));
    arena_fini(&arena);
    return e;
}
