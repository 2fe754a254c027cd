/* Whatever the order, the grouping and the repetitions in which a history arrives, the derived rows
 * are the same, and a rebuild finds nothing to mend. */
#include "base/rng.h"
#include "ingest_fixture.h"

#include <time.h>

enum { LEARNERS = 3, EVENTS = 360, TEXT = 96 };

struct history {
    struct event events[EVENTS];
    char text[EVENTS][8][TEXT]; /* id, session, item, … */
    char data[EVENTS][400];
    struct str skills[EVENTS][3];
};

static const char *const learners[LEARNERS] = {"ann", "bob", "cy"};
static const char *const zones[LEARNERS] = {"America/New_York", "Europe/Berlin", "Asia/Kathmandu"};

static const enum event_kind kinds[] = {
    EVENT_ANSWER,
    EVENT_ANSWER,
    EVENT_ANSWER,
    EVENT_REVIEW,
    EVENT_REVIEW,
    EVENT_REVIEW,
    EVENT_STUDY,
    EVENT_READING,
    EVENT_ACTIVITY,
    EVENT_HINT,
    EVENT_SESSION_STARTED,
    EVENT_SESSION_PAUSED,
    EVENT_SESSION_RESUMED,
    EVENT_SESSION_COMPLETED,
    EVENT_SESSION_NOTED,
    EVENT_OBJECTIVE_COMPLETED,
    EVENT_OBJECTIVE_COMPLETED,
    EVENT_MISSION_CREATED,
    EVENT_MISSION_STARTED,
    EVENT_MISSION_COMPLETED,
    EVENT_MISSION_SKIPPED,
    EVENT_MISSION_EASED,
    EVENT_LOAD,
    EVENT_SEARCH,
    EVENT_SEARCH,
    EVENT_SEARCH_CLICK,
    EVENT_ASSESSMENT,
    EVENT_GRADE,
    EVENT_ENROLLED,
    EVENT_FEEDBACK,
    EVENT_VIEWED,
};

static struct str text(char out[TEXT], const char *prefix, uint64_t n)
{
    int len = snprintf(out, TEXT, "%s%d", prefix, (int)n);
    return (struct str){out, (size_t)len};
}

static bool chance(struct rng *r, int percent)
{
    return rng_below(r, 100) < (uint64_t)percent;
}

static void random_data(struct rng *r, struct event *e, char *out, size_t size)
{
    int a = (int)rng_below(r, 5), b = (int)rng_below(r, 5), n;

    switch (e->kind) {
    case EVENT_SESSION_STARTED:
    case EVENT_MISSION_CREATED:
        n = snprintf(out, size,
                     "{\"objectives\":[\"o%d\",{\"objectiveId\":\"o%d\",\"estimatedMinutes\":%d}],"
                     "\"estimatedMinutes\":%d,\"lecture\":\"l%d\"%s}",
                     a, b, (int)rng_below(r, 40), (int)rng_below(r, 90), a,
                     e->kind == EVENT_MISSION_CREATED && chance(r, 50) ? ",\"date\":\"2025-03-11\""
                                                                       : "");
        break;
    case EVENT_SESSION_COMPLETED:
        n = snprintf(out, size, "{\"pausedMs\":%d}", (int)rng_below(r, 600000));
        break;
    case EVENT_SESSION_NOTED:
        n = snprintf(out, size, "{\"notes\":\"note %d\"}", a);
        break;
    case EVENT_OBJECTIVE_COMPLETED:
        n = snprintf(out, size,
                     "{\"selfAssessment\":%d,\"timeSpentMs\":%d,\"notes\":\"n%d\","
                     "\"confidenceRating\":%d,\"clinicalMs\":%d}",
                     a + 1, (int)rng_below(r, 3) * 1000, b, b + 1, a * 100);
        break;
    case EVENT_MISSION_COMPLETED:
        n = snprintf(out, size, "{\"actualMinutes\":%d,\"difficultyRating\":%d}", a * 10, b + 1);
        break;
    case EVENT_MISSION_EASED:
        n = snprintf(out, size, "{\"estimatedMinutes\":%d}", (int)rng_below(r, 60));
        break;
    case EVENT_SEARCH:
        n = snprintf(out, size, "{\"query\":\"%s Q%d\",\"results\":%d,\"responseTimeMs\":%d%s}",
                     chance(r, 50) ? " heart" : "Heart ", a, (int)rng_below(r, 30),
                     (int)rng_below(r, 900), chance(r, 30) ? ",\"shown\":3" : "");
        break;
    case EVENT_SEARCH_CLICK:
        n = chance(r, 50) ? snprintf(out, size, "{\"search\":\"s%d\",\"position\":%d}", a, b + 1)
                          : snprintf(out, size, "{\"query\":\"heart  q%d\"}", a);
        break;
    case EVENT_LOAD:
        n = snprintf(out, size, "{\"loadScore\":%.3f,\"stressIndicators\":[{\"type\":\"X\"}]}",
                     rng_unit(r) * 100);
        break;
    default:
        n = chance(r, 20) ? snprintf(out, size, "{\"lecture\":\"l%d\",\"x\":1}", a) : 0;
        break;
    }
    e->data = n ? (struct str){out, (size_t)n} : (struct str){NULL, 0};
}

/* Times on a coarse grid, so that many are equal: ties must not depend on arrival either. */
static void random_event(struct rng *r, struct history *h, int i)
{
    struct event *e = &h->events[i];
    char(*t)[TEXT] = h->text[i];

    event_init(e);
    e->learner = str_from(learners[rng_below(r, LEARNERS)]);
    e->id = text(t[0], "e", (uint64_t)i);
    e->kind = kinds[rng_below(r, COUNT(kinds))];
    /* about the changes to summer time in New York (9 March) and Berlin (30 March) */
    e->at = at_text("2025-03-08T20:00:00Z") + (int64_t)rng_below(r, 2) * 21 * US_PER_DAY +
            (int64_t)rng_below(r, 200) * 10 * US_PER_MINUTE;
    e->untimed = chance(r, 5);
    e->session = chance(r, 75) ? text(t[1], "s", rng_below(r, 9)) : (struct str){NULL, 0};
    if (e->kind >= EVENT_SESSION_STARTED && e->kind <= EVENT_SESSION_NOTED && !e->session.p)
        e->session = text(t[1], "s", rng_below(r, 9));
    e->item = text(t[2], "i", rng_below(r, 7));
    e->course = chance(r, 60) ? text(t[3], "c", rng_below(r, 2)) : (struct str){NULL, 0};
    e->objective = text(t[4], "o", rng_below(r, 5));
    if (chance(r, 40) || (e->kind >= EVENT_MISSION_CREATED && e->kind <= EVENT_MISSION_EASED))
        e->mission = text(t[5], "m", rng_below(r, 3));
    e->modality = chance(r, 30) ? STR("video") : (struct str){NULL, 0};
    e->skill_count = (int32_t)rng_below(r, 4);
    e->skills = h->skills[i];
    for (int32_t k = 0; k < e->skill_count; k++)
        h->skills[i][k] = chance(r, 50) ? STR("algebra") : STR("sums \"quoted\" \xc3\xa4");
    if (e->kind == EVENT_ANSWER || e->kind == EVENT_ASSESSMENT || e->kind == EVENT_GRADE) {
        e->correct = (int8_t)((int)rng_below(r, 3) - 1);
        e->score = e->correct < 0 || chance(r, 30) ? rng_unit(r) : NAN;
    }
    if (e->kind == EVENT_REVIEW)
        e->rating = (int8_t)(1 + rng_below(r, 4));
    e->duration_ms = chance(r, 50) ? (int64_t)rng_below(r, 5400000) : -1;
    e->latency_ms = chance(r, 50) ? (int64_t)rng_below(r, 20000) : -1;
    e->confidence = chance(r, 20) ? rng_unit(r) : NAN;
    random_data(r, e, h->data[i], sizeof h->data[i]);
}

static int by_time(const void *pa, const void *pb)
{
    const struct event *a = pa, *b = pb;

    if (a->at != b->at)
        return a->at > b->at ? 1 : -1;
    return str_cmp(a->id, b->id);
}

static void add_learners(struct fixture *f)
{
    int64_t id;

    for (int i = 0; i < LEARNERS; i++)
        OK(learner_put(f->conn, str_from(learners[i]), str_from(zones[i]),
                       at_text("2025-01-01T00:00:00Z"), &id));
}

static void shuffle(struct rng *r, struct event *e, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int k = (int)rng_below(r, (uint64_t)i + 1);
        struct event t = e[i];
        e[i] = e[k];
        e[k] = t;
    }
}

/* Batches of any size, a fifth of the events twice, sometimes in one batch. */
static void apply_somehow(struct fixture *f, struct rng *r, const struct event *events)
{
    static struct event all[EVENTS * 2];
    int n = 0;

    for (int i = 0; i < EVENTS; i++) {
        all[n++] = events[i];
        if (chance(r, 20))
            all[n++] = events[rng_below(r, EVENTS)];
    }
    shuffle(r, all, n);
    for (int at = 0; at < n;) {
        int batch = 1 + (int)rng_below(r, chance(r, 50) ? 4 : 90);
        batch = batch < n - at ? batch : n - at;
        apply(f, all + at, batch, NULL);
        at += batch;
        arena_clear(&f->arena);
    }
}

static void same_rows(struct fixture *a, struct fixture *b, uint64_t seed)
{
    for (int i = 0; i < LEARNERS; i++) {
        char *x = dump_learner(a, learners[i]), *y = dump_learner(b, learners[i]);
        size_t at = 0, line = 0;

        assert_true(strlen(x) > 500);
        while (x[at] && x[at] == y[at]) {
            if (x[at++] == '\n')
                line = at;
        }
        if (x[at] != y[at])
            fail_msg("seed %d, %s:\nin order  %.*s\notherwise %.*s", (int)seed, learners[i],
                     (int)strcspn(x + line, "\n"), x + line, (int)strcspn(y + line, "\n"),
                     y + line);
        free(x);
        free(y);
    }
}

static void any_order(enum store_engine engine, uint64_t seed)
{
    struct history *h = calloc(1, sizeof *h);
    struct fixture in_order, otherwise;
    struct rng r;

    assert_non_null(h);
    rng_seed(&r, seed);
    for (int i = 0; i < EVENTS; i++)
        random_event(&r, h, i);
    fixture_open(&in_order, STORE_SQLITE);
    fixture_open(&otherwise, engine);
    add_learners(&in_order);
    add_learners(&otherwise);
    apply_somehow(&otherwise, &r, h->events);
    qsort(h->events, EVENTS, sizeof h->events[0], by_time);
    apply(&in_order, h->events, EVENTS, NULL);
    same_rows(&in_order, &otherwise, seed);
    assert_verified(&otherwise);
    assert_verified(&in_order);

    /* A rebuild changes nothing; moving a learner away and back neither. */
    struct rebuild_report report;
    int64_t id;
    OK(ingest_rebuild(otherwise.conn, (struct str){NULL, 0}, false, &report));
    assert_int_equal(report.learners, LEARNERS);
    assert_int_equal(report.events, EVENTS);
    same_rows(&in_order, &otherwise, seed);
    OK(learner_put(otherwise.conn, STR("ann"), STR("Asia/Tokyo"), 1, &id));
    assert_verified(&otherwise);
    OK(learner_put(otherwise.conn, STR("ann"), STR("America/New_York"), 1, &id));
    same_rows(&in_order, &otherwise, seed);
    fixture_close(&in_order);
    fixture_close(&otherwise);
    free(h);
}

static void any_order_gives_the_same_rows(void **state)
{
    (void)state;
    const char *more = getenv("DOPPEL_TEST_SEEDS");
    uint64_t seeds = more ? strtoull(more, NULL, 10) : 12;

    for (uint64_t seed = 1; seed <= seeds; seed++)
        any_order(STORE_SQLITE, seed);
}

static void any_order_gives_the_same_rows_on_postgresql(void **state)
{
    (void)state;
    if (!postgres_url())
        skip();
    for (uint64_t seed = 101; seed <= 104; seed++)
        any_order(STORE_POSTGRES, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_the_same_rows),
        cmocka_unit_test(any_order_gives_the_same_rows_on_postgresql),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
