/* runs - see the header. */
#include "night/runs.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "json/reader.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <xxhash.h>

enum {
    ARENA_MAX = 512 << 20,
    RETRY_US = 600000000,
    NEVER_DAY = -1,
    MARKS_BYTES = 512,
};

int32_t runs_today(int64_t now_us)
{
    return (int32_t)(now_us / US_PER_DAY) - 1;
}

/* ---- what is kept of landmarks ---- */

static void marks_none(struct run_marks *m)
{
    for (int i = 0; i < WARNING_LANDMARKS_MAX; i++)
        m->risk[i] = m->bare[i] = NAN;
}

static void read_mark(struct json_reader *r, struct run_marks *m)
{
    double v[3] = {-1, NAN, NAN};

    json_array_begin(r);
    for (int i = 0; json_next_item(r); i++) {
        double x = NAN;
        if (json_peek(r) == JSON_NUMBER)
            json_read_f64(r, &x);
        else
            json_skip(r, NULL);
        if (i < 3)
            v[i] = x;
    }
    for (int32_t i = 0; i < warning_default.landmark_count; i++)
        if (!(v[0] < warning_default.landmarks[i].day) &&
            !(v[0] > warning_default.landmarks[i].day)) {
            m->risk[i] = v[1] >= 0 && v[1] <= 1 ? v[1] : (double)NAN;
            m->bare[i] = v[2] >= 0 && v[2] <= 1 ? v[2] : (double)NAN;
        }
}

void run_marks_read(struct str text, struct arena *arena, struct run_marks *ret)
{
    struct json_reader r;

    marks_none(ret);
    if (!text.p)
        return;
    json_reader_init(&r, text, arena, 4);
    if (json_peek(&r) != JSON_ARRAY || !json_array_begin(&r))
        return;
    while (json_next_item(&r)) {
        if (json_peek(&r) == JSON_ARRAY)
            read_mark(&r, ret);
        else
            json_skip(&r, NULL);
    }
    if (json_end(&r) != ERR_OK)
        marks_none(ret);
}

static struct str marks_print(const struct run_marks *m, struct arena *arena)
{
    char text[MARKS_BYTES];
    size_t n = 0;

    text[n++] = '[';
    for (int32_t i = 0; i < warning_default.landmark_count; i++)
        if (!isnan(m->risk[i])) {
            int k = snprintf(text + n, sizeof text - n, "%s[%d,%.6f,%.6f]", n > 1 ? "," : "",
                             (int)warning_default.landmarks[i].day, m->risk[i], m->bare[i]);
            ASSERT(k > 0 && n + (size_t)k + 2 < sizeof text);
            n += (size_t)k;
        }
    text[n++] = ']';
    return arena_str(arena, (struct str){text, n});
}

/* ---- reading a run ---- */

struct run_row {
    struct str run, course;
    int32_t begins, ends;                 /* days since 1970 */
    int64_t due_at, stage, evidence, day; /* -1: none yet */
};

struct loaded {
    struct run_row row;
    struct warning_run run;
    int64_t *ids;       /* of members, ascending */
    struct str *pieces; /* names, ascending */
    int64_t evidence;
};

static int32_t member_of(const struct loaded *l, int64_t id)
{
    int32_t low = 0, high = l->run.member_count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (l->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->run.member_count && l->ids[low] == id ? low : -1;
}

static int32_t piece_of(const struct loaded *l, struct str name)
{
    int32_t low = 0, high = l->run.piece_count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (str_cmp(l->pieces[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->run.piece_count && str_eq(l->pieces[low], name) ? low : -1;
}

static int32_t day_of(const struct value *v, int32_t begins)
{
    int64_t day = value_i64(v, NEVER_DAY);

    return day == NEVER_DAY ? WARNING_NEVER : (int32_t)(day - begins);
}

/* Who joined again has not left. */
static int32_t left_of(const struct value *left, const struct value *joined, int32_t begins)
{
    int64_t day = value_i64(left, NEVER_DAY), again = value_i64(joined, NEVER_DAY);

    return day == NEVER_DAY || again > day ? WARNING_NEVER : (int32_t)(day - begins);
}

static enum warning_outcome outcome_of(const struct value *passed, int32_t left)
{
    int64_t v = value_i64(passed, -1);

    return v == 1                            ? WARNING_PASSED
           : v == 0 || left != WARNING_NEVER ? WARNING_BAD_END
                                             : WARNING_OPEN;
}

static enum err load_members(struct arena *arena, const struct rows *rows, struct loaded *l)
{
    size_t n = (size_t)rows->count;

    l->run.members = arena_new(arena, struct warning_member, n + 1);
    l->ids = arena_new(arena, int64_t, n + 1);
    if (!l->run.members || !l->ids)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int32_t left = left_of(&v[7], &v[8], l->row.begins);
        int64_t education = value_i64(&v[6], 0);

        l->ids[i] = value_i64(&v[0], 0);
        l->run.members[i] = (struct warning_member){
            .counted = value_i64(&v[1], 0) != 0,
            .registered = day_of(&v[3], l->row.begins),
            .attempts = (int32_t)value_i64(&v[4], 0),
            .credits = (double)value_i64(&v[5], 0) / 1000,
            .education = education > 0 && education < WARNING_EDUCATIONS
                             ? (enum warning_education)education
                             : WARNING_EDUCATION_UNKNOWN,
            .left = left,
            .outcome = outcome_of(&v[9], left),
        };
    }
    l->run.member_count = rows->count;
    return ERR_OK;
}

static enum err load_pieces(struct arena *arena, const struct rows *rows, struct loaded *l)
{
    size_t n = (size_t)rows->count;

    l->run.pieces = arena_new(arena, struct warning_piece, n + 1);
    l->pieces = arena_new(arena, struct str, n + 1);
    if (!l->run.pieces || !l->pieces)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);

        l->pieces[i] = value_str(&v[0]);
        l->run.pieces[i] = (struct warning_piece){.due = (int32_t)value_i64(&v[1], 0),
                                                  .weight = value_f64(&v[2], 0),
                                                  .quiz = value_i64(&v[3], 0) != 0};
    }
    l->run.piece_count = rows->count;
    return ERR_OK;
}

static uint64_t mix(uint64_t h, int64_t v)
{
    return XXH3_64bits_withSeed(&v, sizeof v, h);
}

/* One number for all that a look goes by: rows of members tell of all their set work by how many
 * events they are made of. */
static int64_t evidence_of(const struct loaded *l, const struct rows *members)
{
    uint64_t h = mix(mix(mix(0, l->row.begins), l->row.ends), l->run.member_count);

    for (int32_t i = 0; i < members->count; i++) {
        const struct value *v = row_at(members, i);
        h = mix(mix(mix(h, l->ids[i]), value_i64(&v[1], 0)), value_i64(&v[2], 0));
    }
    for (int32_t i = 0; i < l->run.piece_count; i++) {
        const struct warning_piece *p = &l->run.pieces[i];
        h = XXH3_64bits_withSeed(l->pieces[i].p, l->pieces[i].n, h);
        h = mix(mix(mix(h, p->due), (int64_t)lround(p->weight * 1000)), p->quiz);
    }
    return (int64_t)(h & INT64_MAX);
}

static enum err load_outline(struct runs_work *w, struct arena *arena, struct loaded *l)
{
    const struct value key = V_S(l->row.run);
    struct query q[] = {
        {.stmt = STMT_RUN_MEMBERS, .args = &key, .arg_count = 1, .rows_max = RUNS_MEMBERS_MAX},
        {.stmt = STMT_RUN_PIECES_OF, .args = &key, .arg_count = 1, .rows_max = WARNING_TASKS_MAX},
    };
    enum err e = store_read(w->conn, arena, q, COUNT(q), w->deadline_us);

    if (e == ERR_OK && (q[0].rows.more || q[1].rows.more))
        return ERR_TOO_LARGE;
    if (e == ERR_OK)
        e = load_members(arena, &q[0].rows, l);
    if (e == ERR_OK)
        e = load_pieces(arena, &q[1].rows, l);
    if (e == ERR_OK)
        l->evidence = evidence_of(l, &q[0].rows);
    return e;
}

/* Work that the catalogue does not know of is passed over: nobody knows when it is due. */
static enum err load_handed(struct arena *arena, const struct rows *rows, struct loaded *l)
{
    struct warning_run *r = &l->run;
    int32_t n = 0, member = 0;

    r->handed = arena_new(arena, struct warning_handed, (size_t)rows->count + 1);
    if (!r->handed)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int32_t m = member_of(l, value_i64(&v[0], 0)), piece = piece_of(l, value_str(&v[1]));

        if (m < 0 || piece < 0)
            continue;
        while (member < m)
            r->members[member++].handed_to = n, r->members[member].handed_from = n;
        r->handed[n++] = (struct warning_handed){.member = m,
                                                 .piece = piece,
                                                 .day = day_of(&v[2], l->row.begins),
                                                 .score = (double)value_i64(&v[3], 0) / 1e4,
                                                 .carried = value_i64(&v[4], 0) != 0};
    }
    while (member < r->member_count) {
        r->members[member++].handed_to = n;
        if (member < r->member_count)
            r->members[member].handed_from = n;
    }
    r->handed_count = n;
    return ERR_OK;
}

static enum err load_others(struct arena *arena, const struct rows *rows, struct loaded *l)
{
    struct warning_run *r = &l->run;

    r->others = arena_new(arena, struct warning_other, (size_t)rows->count + 1);
    if (!r->others)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int32_t m = member_of(l, value_i64(&v[0], 0)), begins = (int32_t)value_i64(&v[1], 0);
        struct warning_other *o = &r->others[r->other_count];
        struct run_marks marks;

        if (m < 0)
            continue;
        run_marks_read(value_str(&v[6]), arena, &marks);
        o->member = m;
        o->shift = l->row.begins - begins;
        o->left = left_of(&v[3], &v[4], begins);
        o->ends = (int32_t)value_i64(&v[2], 0) - begins;
        o->outcome = outcome_of(&v[5], o->left);
        memcpy(o->bare, marks.bare, sizeof o->bare);
        r->other_count++;
    }
    return ERR_OK;
}

static enum err load_rest(struct runs_work *w, struct arena *arena, struct loaded *l)
{
    const struct value key = V_S(l->row.run);
    struct query q[] = {
        {.stmt = STMT_RUN_HANDED, .args = &key, .arg_count = 1, .rows_max = RUNS_HANDED_MAX},
        {.stmt = STMT_RUN_OTHERS, .args = &key, .arg_count = 1, .rows_max = RUNS_HANDED_MAX},
    };
    enum err e = store_read(w->conn, arena, q, COUNT(q), w->deadline_us);

    if (e == ERR_OK && (q[0].rows.more || q[1].rows.more))
        return ERR_TOO_LARGE;
    if (e == ERR_OK)
        e = load_handed(arena, &q[0].rows, l);
    return e == ERR_OK ? load_others(arena, &q[1].rows, l) : e;
}

/* ---- what the course's runs taught ---- */

struct past {
    int32_t ends;
    int64_t evidence, runs;
    struct warning_past state;
};
struct pasts {
    struct past *of; /* latest first */
    int32_t count;
};

static enum err read_pasts(struct runs_work *w, struct arena *arena, struct str course,
                           struct pasts *ret)
{
    const struct value key = V_S(course);
    struct query q = {.stmt = STMT_COURSE_PASTS_OF, .args = &key, .arg_count = 1};
    enum err e = store_read(w->conn, arena, &q, 1, w->deadline_us);

    if (e != ERR_OK)
        return e;
    *ret = (struct pasts){arena_new(arena, struct past, (size_t)q.rows.count + 1), 0};
    if (!ret->of)
        return ERR_NOMEM;
    for (int32_t i = 0; i < q.rows.count; i++) {
        const struct value *v = row_at(&q.rows, i);
        struct past *p = &ret->of[ret->count];
        struct str state = value_str(&v[4]);

        p->ends = (int32_t)value_i64(&v[0], 0);
        p->evidence = value_i64(&v[1], 0);
        p->runs = value_i64(&v[2], 0);
        ret->count += warning_past_decode(state.p, state.n, &p->state) == ERR_OK; /* else: anew */
    }
    return ERR_OK;
}

/* Of what had ended before that day (since 1970). */
static const struct warning_past *past_before(const struct pasts *pasts, int32_t day)
{
    static const struct warning_past nothing;

    for (int32_t i = 0; i < pasts->count; i++)
        if (pasts->of[i].ends < day)
            return &pasts->of[i].state;
    return &nothing;
}

static int32_t counted_on(const struct warning_run *r, int32_t day)
{
    int32_t n = 0;

    for (int32_t i = 0; i < r->member_count; i++)
        n += r->members[i].counted && warning_run_present(&r->members[i], day);
    return n;
}

/* A run whose results are not known yet would look as if all had failed who are known to. */
static bool is_judged(const struct loaded *l)
{
    int32_t open = 0, judged = 0;

    for (int32_t i = 0; i < l->run.member_count; i++) {
        const struct warning_member *m = &l->run.members[i];
        bool stayed = m->left == WARNING_NEVER || m->left > l->row.ends - l->row.begins;

        open += stayed && m->outcome == WARNING_OPEN;
        judged += stayed && m->outcome != WARNING_OPEN;
    }
    return judged > open;
}

static struct run_row row_of(const struct value *v, struct str course)
{
    return (struct run_row){.run = value_str(&v[0]),
                            .course = course,
                            .begins = (int32_t)value_i64(&v[1], 0),
                            .ends = (int32_t)value_i64(&v[2], 0),
                            .evidence = value_i64(&v[3], -1)};
}

static enum err put(struct runs_work *w, enum stmt stmt, const struct value *v, int32_t rows,
                    int32_t cols)
{
    if (rows == 0)
        return ERR_OK;
    ASSERT(w->bulk_count < (int32_t)COUNT(w->bulks));
    w->bulks[w->bulk_count++] = (struct bulk){.stmt = stmt, .rows = rows, .cols = cols, .v = v};
    return ERR_OK;
}

static enum err put_past(struct runs_work *w, const struct run_row *row, int64_t evidence,
                         int32_t runs, const struct warning_past *past)
{
    uint8_t *bytes = arena_new(w->arena, uint8_t, WARNING_PAST_BYTES_MAX);
    struct value *v = arena_new(w->arena, struct value, 6);

    if (!bytes || !v)
        return ERR_NOMEM;
    size_t n = warning_past_encode(past, bytes);
    const struct value row_values[] = {
        V_S(row->course), V_I(row->ends),     V_I(evidence),
        V_I(runs),        V_I(past->rows[0]), V_B(((struct str){(const char *)bytes, n}))};

    memcpy(v, row_values, sizeof row_values);
    return put(w, STMT_COURSE_PAST_PUT, v, 1, COUNT(row_values));
}

static enum err learn_from(struct runs_work *w, const struct run_row *row, struct arena *arena,
                           const struct rows *ended, int64_t evidence)
{
    struct warning_run *runs[RUNS_TAUGHT_MAX];
    struct warning_past past;
    struct arena scratch;
    int32_t n = 0;
    enum err e = ERR_OK;

    for (int32_t i = 0; e == ERR_OK && i < ended->count; i++) {
        struct loaded *l = arena_new(arena, struct loaded, 1);

        if (!l)
            return ERR_NOMEM;
        l->row = row_of(row_at(ended, i), row->course);
        e = load_outline(w, arena, l);
        if (e == ERR_OK)
            e = load_rest(w, arena, l);
        if (e == ERR_OK && is_judged(l))
            runs[n++] = &l->run;
    }
    if (e != ERR_OK)
        return e;
    if (n == 0) {
        struct value *key = arena_new(w->arena, struct value, 2);
        if (!key)
            return ERR_NOMEM;
        key[0] = V_S(row->course);
        key[1] = V_I(row->ends);
        return put(w, STMT_COURSE_PAST_DROP, key, 1, 2);
    }
    arena_init(&scratch, ARENA_MAX);
    e = warning_past_learn(&scratch, runs, n, &past);
    arena_fini(&scratch);
    return e == ERR_OK ? put_past(w, row, evidence, n, &past) : e;
}

/* Of this run and those of the course that ended before: anew when any of them is not what it was.
 */
static enum err learn(struct runs_work *w, const struct loaded *l, const struct pasts *pasts)
{
    const struct value args[] = {V_S(l->row.course), V_I(l->row.ends), V_I(RUNS_TAUGHT_MAX)};
    struct query q = {.stmt = STMT_COURSE_ENDED, .args = args, .arg_count = COUNT(args)};
    uint64_t h = 0;
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    enum err e = store_read(w->conn, &arena, &q, 1, w->deadline_us);
    for (int32_t i = 0; e == ERR_OK && i < q.rows.count; i++) {
        const struct run_row r = row_of(row_at(&q.rows, i), l->row.course);
        bool own = str_eq(r.run, l->row.run);
        h = mix(XXH3_64bits_withSeed(r.run.p, r.run.n, h), own ? l->evidence : r.evidence);
    }
    int64_t evidence = (int64_t)(h & INT64_MAX);
    bool known = false;
    for (int32_t i = 0; i < pasts->count; i++)
        known |= pasts->of[i].ends == l->row.ends && pasts->of[i].evidence == evidence;
    if (e == ERR_OK && !known)
        e = learn_from(w, &l->row, &arena, &q.rows, evidence);
    arena_fini(&arena);
    return e;
}

/* ---- forecasts ---- */

struct answer {
    struct run_marks marks;
    struct warning_forecast now; /* risk NaN: none */
    int32_t fitted_on, past_learners, others;
};

static enum err forecast_member(const struct warning_run *r, int32_t member, int32_t day,
                                const struct warning_model *m, const struct warning_course *course,
                                struct warning_forecast *ret, double *ret_bare)
{
    struct warning_forecast bare;
    double x[WARNING_INPUTS], record;
    enum err e = warning_run_read(r, member, day, x);

    if (e != ERR_OK)
        return e;
    record = x[WARNING_IN_RECORD];
    x[WARNING_IN_RECORD] = 0;
    e = warning_forecast(&warning_default, NULL, x, day, &bare);
    x[WARNING_IN_RECORD] = record;
    if (e == ERR_OK)
        e = warning_forecast(m, course, x, day, ret);
    *ret_bare = bare.risk;
    return e;
}

static int32_t nearest(int32_t day)
{
    int32_t i = 0;

    while (i + 1 < warning_default.landmark_count && warning_default.landmarks[i + 1].day <= day)
        i++;
    return i;
}

/* mark: the landmark's number; -1: the day of the look. */
static enum err forecast_day(struct loaded *l, const struct pasts *pasts, int32_t day, int32_t mark,
                             struct answer *answers)
{
    const struct warning_past *past = past_before(pasts, l->row.begins + day);
    struct warning_course course = past->sums;
    struct warning_model m;
    struct arena scratch;
    int32_t i = nearest(day);

    if (day < warning_default.landmarks[0].day || l->run.piece_count == 0 ||
        counted_on(&l->run, day) < RUNS_MEMBERS_NEEDED)
        return ERR_OK;
    arena_init(&scratch, ARENA_MAX);
    enum err e = warning_run_cohort(&scratch, &l->run, day);
    arena_fini(&scratch);
    warning_past_model(past, &m);
    warning_run_left(&l->run, day, &course.began, &course.left);
    for (int32_t k = 0; e == ERR_OK && k < l->run.member_count; k++) {
        struct answer *a = &answers[k];
        struct warning_forecast f;
        double bare;

        if (!warning_run_present(&l->run.members[k], day))
            continue;
        e = forecast_member(&l->run, k, day, &m, &course, &f, &bare);
        if (e == ERR_OK && mark >= 0) {
            a->marks.risk[mark] = f.risk;
            a->marks.bare[mark] = bare;
        } else if (e == ERR_OK) {
            a->now = f;
            a->fitted_on = m.landmarks[i].rows;
            a->past_learners = past->rows[i];
            a->others = l->run.members[k].others;
        }
    }
    return e;
}

static enum err put_answers(struct runs_work *w, const struct loaded *l, int32_t day,
                            const struct answer *answers)
{
    enum { COLS = 16 };
    int32_t n = l->run.member_count;
    struct value *v = arena_new(w->arena, struct value, (size_t)n * COLS + 1);
    struct value *key = arena_new(w->arena, struct value, 1);

    if (!v || !key)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++) {
        const struct answer *a = &answers[i];
        bool some = !isnan(a->now.risk);
        struct str marks = marks_print(&a->marks, w->arena);
        struct value *to = v + (size_t)i * COLS;

        if (!marks.p)
            return ERR_NOMEM;
        *to++ = V_I(l->ids[i]);
        *to++ = V_S(l->row.run);
        *to++ = V_I(day);
        *to++ = some ? V_I(llround(a->now.risk * 1e6)) : V_N;
        for (int k = 0; k < WARNING_REASONS; k++)
            *to++ = some ? V_D(a->now.reasons[k]) : V_N;
        *to++ = V_I(l->run.piece_count);
        *to++ = V_I(a->fitted_on);
        *to++ = V_I(a->past_learners);
        *to++ = V_I(a->others);
        *to++ = V_S(marks);
        *to++ = V_I(w->now_us);
    }
    *key = V_S(l->row.run);
    enum err e = put(w, STMT_RUN_RISKS_PUT, v, n, COLS);
    return e == ERR_OK ? put(w, STMT_RUN_RISKS_SWEEP, key, 1, 1) : e;
}

static enum err forecast(struct runs_work *w, struct loaded *l, const struct pasts *pasts,
                         int32_t day)
{
    struct answer *answers = arena_new(w->arena, struct answer, (size_t)l->run.member_count + 1);
    enum err e = answers ? load_rest(w, w->arena, l) : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < l->run.member_count; i++) {
        marks_none(&answers[i].marks);
        answers[i].now.risk = NAN;
    }
    for (int32_t i = 0; e == ERR_OK && i < warning_default.landmark_count; i++)
        if (warning_default.landmarks[i].day <= day)
            e = forecast_day(l, pasts, warning_default.landmarks[i].day, i, answers);
    if (e == ERR_OK)
        e = forecast_day(l, pasts, day, -1, answers);
    return e == ERR_OK ? put_answers(w, l, day, answers) : e;
}

/* ---- a look ---- */

static int64_t next_look(const struct runs_work *w)
{
    int64_t today = w->now_us / US_PER_DAY, at = today * US_PER_DAY + w->minute * US_PER_MINUTE;

    return at > w->now_us ? at : at + US_PER_DAY;
}

/* The first bulk: whoever comes second changes nothing. l NULL: the look failed. */
static enum err claim(struct runs_work *w, const struct run_row *row, int64_t next_at,
                      int64_t stage, const struct loaded *l, int32_t day)
{
    struct value *v = arena_new(w->arena, struct value, 10);
    int32_t began = 0, gone = 0;

    if (!v)
        return ERR_NOMEM;
    if (l)
        warning_run_left(&l->run, day, &began, &gone);
    const struct value claim_values[] = {
        V_S(row->run),        V_I(row->due_at),
        V_I(row->stage),      V_I(next_at),
        V_I(stage),           l ? V_I(l->evidence) : V_N,
        l ? V_I(day) : V_N,   l ? V_I(counted_on(&l->run, day)) : V_N,
        l ? V_I(began) : V_N, l ? V_I(gone) : V_N};

    memcpy(v, claim_values, sizeof claim_values);
    return put(w, STMT_RUN_CLAIM, v, 1, COUNT(claim_values));
}

static enum err look(struct runs_work *w, const struct run_row *row)
{
    int32_t today = runs_today(w->now_us),
            day = (today < row->ends ? today : row->ends) - row->begins;
    struct loaded l = {.row = *row};
    struct pasts pasts;
    enum err e = load_outline(w, w->arena, &l);

    if (e == ERR_OK)
        e = read_pasts(w, w->arena, row->course, &pasts);
    if (e == ERR_OK)
        e = claim(w, row, row->stage == 0 ? row->due_at : next_look(w), 1, &l, day);
    if (e == ERR_OK &&
        (row->stage == 0 || l.evidence != row->evidence || day != row->day || row->due_at == 0))
        e = forecast(w, &l, &pasts, day);
    if (e == ERR_OK && row->stage > 0 && today > row->ends)
        e = learn(w, &l, &pasts);
    return e;
}

enum err runs_compute(struct runs_work *w)
{
    const struct value now = V_I(w->now_us);
    struct query q = {.stmt = STMT_RUN_DUE, .args = &now, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(w->conn, w->arena, &q, 1, w->deadline_us);

    w->run = (struct str){NULL, 0};
    w->bulk_count = 0;
    if (e != ERR_OK || q.rows.count == 0)
        return e;
    const struct value *v = row_at(&q.rows, 0);
    struct run_row row = {.run = value_str(&v[0]),
                          .course = value_str(&v[1]),
                          .begins = (int32_t)value_i64(&v[2], 0),
                          .ends = (int32_t)value_i64(&v[3], 0),
                          .due_at = value_i64(&v[4], 0),
                          .stage = value_i64(&v[5], 0),
                          .evidence = value_i64(&v[6], -1),
                          .day = value_i64(&v[7], INT64_MIN)};
    w->run = row.run;
    e = look(w, &row);
    if (e == ERR_OK || e == ERR_STORE_DOWN || e == ERR_BUSY || e == ERR_NOT_READY)
        return e;
    w->bulk_count = 0; /* the others must not wait for this one */
    enum err late = claim(w, &row, w->now_us + RETRY_US, row.stage, NULL, 0);
    return late == ERR_OK ? e : late;
}

enum err runs_write(struct runs_work *w, struct store_conn *writer)
{
    if (w->bulk_count == 0)
        return ERR_OK;
    enum err e = store_write(writer, w->bulks, 1);

    if (e == ERR_OK && w->bulks[0].changed == 0)
        return ERR_CONFLICT;
    return e == ERR_OK && w->bulk_count > 1 ? store_write(writer, w->bulks + 1, w->bulk_count - 1)
                                            : e;
}

/* ---- by ingest's writer ---- */

struct writing {
    struct ingest_task task;
    struct runs_work *work;
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done; /* guarded by lock */
    enum err err;
};

static enum err task_run(struct ingest_task *task, struct store_conn *conn)
{
    return runs_write(((struct writing *)task->user)->work, conn);
}

static void task_done(struct ingest_task *task, enum err e)
{
    struct writing *t = task->user;

    pthread_mutex_lock(&t->lock);
    t->err = e;
    t->done = true;
    pthread_cond_signal(&t->told);
    pthread_mutex_unlock(&t->lock);
}

static enum err write_through(struct ingest *ingest, struct runs_work *w)
{
    struct writing t = {
        .work = w, .lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};

    t.task = (struct ingest_task){.run = task_run, .done = task_done, .user = &t};
    enum err e = ingest_submit_task(ingest, &t.task);
    if (e == ERR_OK) {
        pthread_mutex_lock(&t.lock);
        while (!t.done)
            pthread_cond_wait(&t.told, &t.lock);
        e = t.err;
        pthread_mutex_unlock(&t.lock);
    }
    pthread_mutex_destroy(&t.lock);
    pthread_cond_destroy(&t.told);
    return e;
}

enum err runs_look(struct store_conn *conn, struct ingest *ingest, int32_t minute,
                   int64_t deadline_us, bool *ret_looked)
{
    struct arena arena;
    struct runs_work w = {.conn = conn,
                          .arena = &arena,
                          .now_us = clock_us(),
                          .deadline_us = deadline_us,
                          .minute = minute};

    arena_init(&arena, ARENA_MAX);
    enum err e = runs_compute(&w);
    *ret_looked = w.run.p != NULL && (e == ERR_OK || w.bulk_count > 0);
    if (e != ERR_OK && w.bulk_count > 0)
        log_event(LOG_WARN, "night.run_failed", LOG_C("error", err_code(e)),
                  LOG_C("detail", store_conn_detail(conn)));
    if (w.bulk_count > 0) {
        enum err wrote = write_through(ingest, &w);
        e = wrote == ERR_CONFLICT ? ERR_OK : wrote;
        *ret_looked = *ret_looked && e == ERR_OK;
    }
    arena_fini(&arena);
    return e;
}
