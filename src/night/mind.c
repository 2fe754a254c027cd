/* What the learner answered since the last run: forecast, judged, learnt. */
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "ingest/audits.h"
#include "ingest/event.h"
#include "night/strain.h"
#include "night/struggle.h"
#include "night/weights.h"
#include "json/reader.h"

#include <math.h>
#include <stdlib.h>

enum { OPEN_MAX = 2000, WEEK_COLS = 10 };

struct answer {
    int64_t at;
    struct str id, objective, item_name, modality;
    uint64_t item, skills[STRUGGLE_SKILLS_MAX];
    int32_t skill_count;
    bool tagged; /* the event itself said which skills */
    int64_t now_s;
    bool right, card;
    double latency_s;
};

/* A forecast of struggle whose time is not over, or not judged. */
struct pending {
    struct str prediction, objective, status;
    int64_t made_at, until_at, graded, wrong;
    double probability, width, x[OUTLOOK_INPUTS];
    bool treated, touched;
};

struct catching {
    struct struggle_run *run;
    struct answer *answers;
    int32_t count, first_new; /* those from first_new on were not learnt from before */
    bool cut;                 /* the log goes on behind them */
    struct struggle_features *features;
    double *forecasts; /* of right */
    struct pending *pending;
    int32_t pending_count;
    struct audit_bin bins[2][AUDIT_BINS]; /* AUDIT_ANSWER, AUDIT_STRUGGLE */
};

/* ---- reading ---- */

static enum err read_head(struct struggle_run *run)
{
    const struct value id = V_I(run->w->learner_id);
    struct query q = {.stmt = STMT_MIND_HEAD, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(run->w->conn, run->w->arena, &q, 1, run->w->deadline_us);

    if (e != ERR_OK || q.rows.count == 0)
        return e != ERR_OK ? e : ERR_NOT_FOUND;
    const struct value *v = row_at(&q.rows, 0);
    bool met = v[0].type != V_NULL;
    run->version = value_i64(&v[0], 0);
    run->at = value_i64(&v[1], INT64_MIN);
    run->id = met ? value_str(&v[2]) : STR("");
    run->taken = value_i64(&v[3], 0);
    run->known_at = value_i64(&v[4], INT64_MIN);
    run->known_id = met ? value_str(&v[5]) : STR("");
    run->graded = value_i64(&v[7], 0);
    run->shares = value_i64(&v[8], 0) != 0;
    if (met && mind_decode(run->mind, (const uint8_t *)v[6].s.p, v[6].s.n) == ERR_OK)
        return ERR_OK;
    run->at = INT64_MIN; /* none, or of another version: made anew from the log */
    run->id = STR("");
    run->taken = 0;
    return ERR_OK;
}

static void add_skill(struct answer *a, uint64_t id)
{
    for (int32_t i = 0; i < a->skill_count; i++)
        if (a->skills[i] == id)
            return;
    if (a->skill_count < STRUGGLE_SKILLS_MAX)
        a->skills[a->skill_count++] = id;
}

/* Written by this program; what it cannot read says nothing. */
static void read_skills(struct arena *arena, struct str text, struct answer *a)
{
    struct json_reader r;
    struct str s;

    if (!text.p)
        return;
    json_reader_init(&r, text, arena, 2);
    if (json_peek(&r) != JSON_ARRAY || !json_array_begin(&r))
        return;
    while (a->skill_count < STRUGGLE_SKILLS_MAX && json_next_item(&r) && json_read_str(&r, &s)) {
        add_skill(a, struggle_item_id(s));
        a->tagged = true;
    }
}

static void read_answer(struct arena *arena, const struct value *v, struct answer *a)
{
    bool untimed = value_i64(&v[3], 0) != 0;
    int64_t latency = value_i64(&v[9], -1);

    a->at = value_i64(&v[0], 0);
    a->id = value_str(&v[1]);
    a->item_name = value_str(&v[4]);
    a->item = struggle_item_id(a->item_name);
    a->objective = value_str(&v[10]);
    a->modality = value_str(&v[11]);
    if (a->objective.p)
        a->skills[a->skill_count++] = struggle_objective_id(a->objective);
    read_skills(arena, value_str(&v[5]), a);
    a->card = value_i64(&v[2], 0) == EVENT_REVIEW;
    if (a->card)
        a->right = value_i64(&v[8], 0) != 1;
    else
        a->right = value_i64(&v[6], value_f64(&v[7], 0) >= 0.5) != 0;
    a->now_s = untimed ? 0 : a->at / 1000000;
    a->latency_s = latency < 0 ? -1 : (double)latency / 1000;
}

/* The catalogue's skills of an item that answers came without any for. */
struct listed {
    uint64_t skills[STRUGGLE_SKILLS_MAX];
    int32_t count;
};

static int by_id(const void *pa, const void *pb)
{
    const uint64_t *a = pa, *b = pb;

    return (*a > *b) - (*a < *b);
}

static enum err read_listed(struct catching *c, struct strmap *by_item, struct listed *lists,
                            const struct value *keys, int32_t count)
{
    struct night_work *w = c->run->w;
    struct rows rows;
    enum err e = store_read_bulk(w->conn, w->arena, STMT_ITEM_SKILLS_OF, keys, count, 1, &rows);

    for (int32_t i = 0; e == ERR_OK && i < rows.count; i++) {
        const struct value *v = row_at(&rows, i);
        struct listed *l = strmap_get(by_item, value_str(&v[0]));

        if (l && l->count < STRUGGLE_SKILLS_MAX)
            l->skills[l->count++] = struggle_item_id(value_str(&v[1]));
    }
    /* rows come in any order: so that a mind made anew is the same */
    for (int32_t i = 0; e == ERR_OK && i < count; i++)
        qsort(lists[i].skills, (size_t)lists[i].count, sizeof *lists[i].skills, by_id);
    return e;
}

/* Where an event names no skills, those that the catalogue has now for its item. */
static enum err add_listed_skills(struct catching *c)
{
    struct arena *arena = c->run->w->arena;
    struct strmap by_item;
    struct listed *lists = arena_new(arena, struct listed, (size_t)c->count + 1);
    struct value *keys = arena_new(arena, struct value, (size_t)c->count + 1);
    int32_t count = 0;

    if (!lists || !keys)
        return ERR_NOMEM;
    strmap_init(&by_item, arena);
    for (int32_t i = 0; i < c->count; i++) {
        const struct answer *a = &c->answers[i];
        void **slot = a->tagged || !a->item_name.p ? NULL : strmap_slot(&by_item, a->item_name);

        if (a->tagged || !a->item_name.p)
            continue;
        if (!slot)
            return ERR_NOMEM;
        if (!*slot) {
            *slot = &lists[count];
            keys[count++] = V_S(a->item_name);
        }
    }
    if (count == 0)
        return ERR_OK;
    enum err e = read_listed(c, &by_item, lists, keys, count);
    for (int32_t i = 0; e == ERR_OK && i < c->count; i++) {
        struct answer *a = &c->answers[i];
        const struct listed *l =
            a->tagged || !a->item_name.p ? NULL : strmap_get(&by_item, a->item_name);

        for (int32_t k = 0; l && k < l->count; k++)
            add_skill(a, l->skills[k]);
    }
    return e;
}

static bool is_known(const struct struggle_run *run, const struct answer *a)
{
    return a->at < run->known_at || (a->at == run->known_at && str_cmp(a->id, run->known_id) <= 0);
}

static enum err read_answers(struct catching *c, const struct rows *rows)
{
    struct arena *arena = c->run->w->arena;

    c->answers = arena_new(arena, struct answer, (size_t)rows->count + 1);
    if (!c->answers)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct answer *a = &c->answers[i];

        read_answer(arena, row_at(rows, i), a);
        if (is_known(c->run, a))
            c->first_new = i + 1;
        else if (i - c->first_new == STRUGGLE_LEARN_MAX)
            break;
        c->count = i + 1;
    }
    c->cut = rows->more || c->count < rows->count;
    return ERR_OK;
}

static bool read_inputs(struct arena *arena, struct str text, double x[OUTLOOK_INPUTS])
{
    struct json_reader r;
    int n = 0;

    json_reader_init(&r, text, arena, 2);
    if (json_peek(&r) != JSON_ARRAY || !json_array_begin(&r))
        return false;
    while (n < OUTLOOK_INPUTS && json_next_item(&r) && json_read_f64(&r, &x[n]))
        n++;
    return n == OUTLOOK_INPUTS;
}

static int by_end(const void *pa, const void *pb)
{
    const struct pending *a = pa, *b = pb;

    return a->until_at != b->until_at ? (a->until_at > b->until_at ? 1 : -1)
                                      : str_cmp(a->prediction, b->prediction);
}

static enum err take_pending(struct catching *c, const struct rows *rows)
{
    struct arena *arena = c->run->w->arena;

    c->pending = arena_new(arena, struct pending, (size_t)rows->count + 1);
    if (!c->pending)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        struct pending *p = &c->pending[c->pending_count++];

        *p = (struct pending){.prediction = value_str(&v[0]),
                              .objective = value_str(&v[1]),
                              .made_at = value_i64(&v[2], 0),
                              .until_at = value_i64(&v[3], 0),
                              .probability = value_f64(&v[4], 0),
                              .status = value_str(&v[6]),
                              .treated = value_i64(&v[7], 0) != 0,
                              .graded = value_i64(&v[8], 0),
                              .wrong = value_i64(&v[9], 0),
                              .width = value_f64(&v[10], 0)};
        if (!read_inputs(arena, value_str(&v[5]), p->x))
            p->treated = true; /* judged, but nothing is learnt from it */
    }
    qsort(c->pending, (size_t)c->pending_count, sizeof *c->pending, by_end);
    return ERR_OK;
}

/* The objectives of the new answers, by struggle_objective_id(), in order. */
static uint64_t *answered(const struct catching *c, size_t *ret_n)
{
    int32_t most = c->count - c->first_new;
    uint64_t *ids = arena_new(c->run->w->arena, uint64_t, (size_t)most + 1);

    *ret_n = 0;
    for (int32_t i = c->first_new; ids && i < c->count; i++)
        if (c->answers[i].objective.p)
            ids[(*ret_n)++] = c->answers[i].skills[0];
    if (ids)
        qsort(ids, *ret_n, sizeof *ids, by_id);
    return ids;
}

/* Of the forecasts that are not judged (a learner has them for each objective and day), those that
 * this run may change: their time is over, or their objective was asked. */
static enum err read_pending(struct catching *c, const struct rows *open)
{
    struct night_work *w = c->run->w;
    struct value *keys = arena_new(w->arena, struct value, (size_t)open->count * 2 + 1);
    size_t count;
    uint64_t *ids = answered(c, &count);
    int32_t n = 0;
    struct rows rows = {0};
    enum err e = keys && ids ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < open->count; i++) {
        const struct value *v = row_at(open, i);
        int32_t day;
        uint64_t id;
        bool named = struggle_prediction_parse(value_str(&v[0]), &day, &id);

        if (named && value_i64(&v[1], 0) > w->now_us && !bsearch(&id, ids, count, sizeof id, by_id))
            continue;
        keys[2 * n] = V_I(w->learner_id);
        keys[2 * n++ + 1] = v[0];
    }
    if (e == ERR_OK && n > 0)
        e = store_read_bulk(w->conn, w->arena, STMT_PREDICTIONS_OF_KEYS, keys, n, 2, &rows);
    return e == ERR_OK ? take_pending(c, &rows) : e;
}

/* Today's forecasts that there are. */
static enum err read_made(struct struggle_run *run, const struct rows *rows)
{
    for (int32_t i = 0; i < rows->count; i++) {
        void **place = strmap_slot(&run->made, value_str(row_at(rows, i)));

        if (!place)
            return ERR_NOMEM;
        *place = run;
    }
    return ERR_OK;
}

static void read_shared(struct struggle_run *run, const struct rows *rows)
{
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        const uint8_t *bytes = (const uint8_t *)v[2].s.p;
        bool stack = str_eq(value_str(&v[0]), STR("stack"));
        enum err e = stack ? struggle_stack_decode(run->model, bytes, v[2].s.n)
                           : outlook_decode(&run->outlook, bytes, v[2].s.n);

        if (e == ERR_OK) /* else it begins anew */
            *(stack ? &run->learnt : &run->outcomes) = value_i64(&v[1], 0);
    }
}

/* Will answers come that were learnt from before? */
static bool is_replay(const struct struggle_run *run)
{
    return run->at < run->known_at ||
           (run->at == run->known_at && str_cmp(run->id, run->known_id) < 0);
}

static enum err read_rest(struct catching *c)
{
    struct struggle_run *run = c->run;
    struct night_work *w = run->w;
    const int32_t events_max = is_replay(run) ? STRUGGLE_REPLAY_MAX : STRUGGLE_LEARN_MAX + 1;
    const struct value events[] = {V_I(w->learner_id), V_I(run->at), V_S(run->id), V_I(events_max)};
    bool fresh = run->taken != run->graded;
    /* without new answers, those whose time is over are all that can change */
    const struct value open[] = {V_I(w->learner_id), V_I(fresh ? INT64_MAX : w->now_us),
                                 V_I(OPEN_MAX)};
    const struct value today[] = {V_I(w->learner_id), V_I(w->today)}, two = V_I(2);
    const int32_t ahead = w->days_ahead ? w->days_ahead : NIGHT_DAYS_AHEAD;
    const struct value objectives[] = {V_I(w->learner_id), V_I(w->today), V_I(w->today + ahead),
                                       V_I(STRUGGLE_OBJECTIVES_MAX)};
    struct query q[] = {
        {.stmt = STMT_STRUGGLE_SHARED_READ, .args = &two, .arg_count = 1},
        {.stmt = STMT_PREDICTIONS_OPEN, .args = open, .arg_count = COUNT(open)},
        {.stmt = STMT_PREDICTIONS_OF_DAY, .args = today, .arg_count = COUNT(today)},
        {.stmt = STMT_OUTLOOK_OBJECTIVES, .args = objectives, .arg_count = COUNT(objectives)},
        {.stmt = STMT_MIND_EVENTS, .args = events, .arg_count = 4},
    };
    enum err e = store_read(w->conn, w->arena, q, fresh ? 5 : 4, w->deadline_us);

    if (e != ERR_OK)
        return e;
    read_shared(run, &q[0].rows);
    e = read_made(run, &q[2].rows);
    run->objectives = q[3].rows;
    if (e == ERR_OK && fresh) {
        q[4].rows.more = q[4].rows.count == events_max;
        e = read_answers(c, &q[4].rows);
        if (e == ERR_OK)
            e = add_listed_skills(c);
    }
    return e == ERR_OK ? read_pending(c, &q[1].rows) : e;
}

/* ---- learning ---- */

static void question_of(const struct struggle_run *run, const struct answer *a,
                        struct struggle_question *q)
{
    mind_question(run->mind, a->item, a->skills, a->skill_count, a->now_s, q);
}

/* The mind goes on; what the answers looked like before them is kept. */
static enum err walk(struct catching *c)
{
    c->features = arena_new(c->run->w->arena, struct struggle_features, (size_t)c->count + 1);
    c->forecasts = arena_new(c->run->w->arena, double, (size_t)c->count + 1);
    if (!c->features || !c->forecasts)
        return ERR_NOMEM;
    for (int32_t i = 0; i < c->count; i++) {
        const struct answer *a = &c->answers[i];
        struct struggle_question q;

        question_of(c->run, a, &q);
        struggle_read(c->run->model, &q, &c->features[i]);
        mind_answer(c->run->mind, &q, a->right, false, a->latency_s);
    }
    return ERR_OK;
}

static void judge(struct catching *c, enum audit_model model, double p, bool yes)
{
    struct audit_bin one = audit_outcome(p, yes);

    audit_add(&c->bins[model - AUDIT_ANSWER][audit_bin_of(p)], &one, 1);
}

static void learn(struct catching *c)
{
    for (int32_t i = c->first_new; i < c->count; i++) {
        const struct struggle_features *f = &c->features[i];
        const struct answer *a = &c->answers[i];
        struct struggle_prediction p;

        struggle_predict(c->run->model, f, &p);
        c->forecasts[i] = p.probability;
        judge(c, AUDIT_ANSWER, p.probability, a->right);
        if (c->run->shares) {
            struggle_learn(c->run->model, f, &p, a->right);
            c->run->learned++;
        }
        for (int32_t k = 0; a->objective.p && a->now_s && k < c->pending_count; k++) {
            struct pending *open = &c->pending[k];

            if (a->at <= open->made_at || a->at > open->until_at ||
                !str_eq(a->objective, open->objective))
                continue;
            open->graded++;
            open->wrong += !a->right;
            open->touched = true;
        }
    }
}

/* ---- writing ---- */

/* All weights, where runs have left very much. What is written here may be older than what other
 * runs write meanwhile: those have higher numbers. */
static enum err put_whole(struct struggle_run *run)
{
    struct value *v, *number;
    int32_t rows;

    if (weights_tail(run->weights) < (run->w->asked ? WEIGHTS_TAIL_MAX : WEIGHTS_TAIL_NIGHT))
        return ERR_OK;
    enum err e = weights_whole(run->weights, run->w->arena, &v, &rows, &number);
    if (e == ERR_OK)
        e = night_put(run->w, STMT_LEARNT_WEIGHTS_DROP, number, 1, 1);
    return e == ERR_OK ? night_put(run->w, STMT_LEARNT_WEIGHTS_PUT_WHOLE, v, rows, 4) : e;
}

/* Behind put_shared(), whose number they get. */
static enum err put_weights(struct struggle_run *run)
{
    struct value *v;
    int32_t rows;
    enum err e = run->learned > 0 ? weights_moved(run->model, run->moved, run->moved_count,
                                                  run->w->arena, &v, &rows)
                                  : ERR_OK;

    if (e != ERR_OK || run->learned == 0)
        return e;
    e = night_put(run->w, STMT_LEARNT_WEIGHTS_ADD, v, rows, 3);
    return e == ERR_OK ? put_whole(run) : e;
}

static enum err put_shared(struct struggle_run *run)
{
    struct value *v = arena_new(run->w->arena, struct value, 6);
    uint8_t *stack = arena_new(run->w->arena, uint8_t, STRUGGLE_STACK_BYTES),
            *outlook = arena_new(run->w->arena, uint8_t, OUTLOOK_BYTES);
    int32_t n = 0;

    if (!v || !stack || !outlook)
        return ERR_NOMEM;
    if (run->learned > 0) {
        struggle_stack_encode(run->model, stack);
        v[n++] = V_S(STR("stack"));
        v[n++] = V_I(run->learned);
        v[n++] = V_B(((struct str){(const char *)stack, STRUGGLE_STACK_BYTES}));
    }
    if (run->judged > 0) {
        outlook_encode(&run->outlook, outlook);
        v[n++] = V_S(STR("outlook"));
        v[n++] = V_I(run->judged);
        v[n++] = V_B(((struct str){(const char *)outlook, OUTLOOK_BYTES}));
    }
    return night_put(run->w, STMT_STRUGGLE_SHARED_PUT, v, n / 3, 3);
}

static enum err put_audits(struct catching *c)
{
    struct value *v = arena_new(c->run->w->arena, struct value, (size_t)2 * AUDIT_BINS * 8);
    int32_t rows = 0;

    if (!v)
        return ERR_NOMEM;
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < AUDIT_BINS; i++) {
            const struct audit_bin *b = &c->bins[m][i];
            const struct value row[8] = {V_I(c->run->w->learner_id),
                                         V_I((AUDIT_ANSWER + m) * AUDIT_SLOTS + i),
                                         V_I(b->n),
                                         V_I(b->yes),
                                         V_I(b->p_micro),
                                         V_I(b->square_micro),
                                         V_I(b->brier_micro),
                                         V_I(b->loss_micro)};

            if (b->n > 0)
                memcpy(v + (size_t)8 * (size_t)rows++, row, sizeof row);
        }
    return night_put(c->run->w, STMT_INGEST_AUDITS_ADD, v, rows, 8);
}

static enum err put_mind(struct struggle_run *run)
{
    struct value *v = arena_new(run->w->arena, struct value, 10);
    uint8_t *bytes = arena_new(run->w->arena, uint8_t, MIND_BYTES_MAX),
            *skills = arena_new(run->w->arena, uint8_t, MIND_SKILLS_BYTES_MAX);

    if (!v || !bytes || !skills)
        return ERR_NOMEM;
    size_t n = mind_encode(run->mind, bytes), of_skills = mind_skills_encode(run->mind, skills);
    const struct value row[] = {V_I(run->w->learner_id),
                                V_I(run->version),
                                V_I(run->at),
                                V_S(run->id),
                                V_I(run->taken),
                                V_I(run->known_at),
                                V_S(run->known_id),
                                V_I(run->w->now_us),
                                V_B(((struct str){(const char *)skills, of_skills})),
                                V_B(((struct str){(const char *)bytes, n}))};
    _Static_assert(COUNT(row) == 10, "room for each");
    memcpy(v, row, sizeof row);
    run->w->guard = (struct bulk){.stmt = STMT_MIND_PUT, .rows = 1, .cols = COUNT(row), .v = v};
    return ERR_OK;
}

/* ---- forecasts whose time is over ---- */

static const char *verdict(double probability, bool struggled)
{
    if (struggled)
        return probability >= 0.5 ? "CONFIRMED" : "MISSED";
    return probability >= 0.5 ? "FALSE_POSITIVE" : "CONFIRMED";
}

/* Fills the row of predictions_tell; judges and learns where there is an outcome. A forecast that
 * was acted upon is judged by itself only: what was done may be why it did not come true. */
static void close_one(struct catching *c, const struct pending *p, struct value *v)
{
    struct struggle_run *run = c->run;
    bool told = p->graded >= OUTLOOK_GRADED_MIN;
    bool struggled = told && (double)(p->graded - p->wrong) < OUTLOOK_BAR * (double)p->graded;
    struct str status = p->status;

    if (str_eq(status, STR("PENDING")))
        status = told ? str_from(verdict(p->probability, struggled)) : STR("RESOLVED");
    if (told && !p->treated) {
        judge(c, AUDIT_STRUGGLE, p->probability, struggled);
        if (run->shares) {
            outlook_learn(&run->outlook, p->x, struggled);
            run->judged++;
        }
    }
    const struct value row[7] = {
        V_I(run->w->learner_id),     V_S(p->prediction), V_I(p->graded), V_I(p->wrong), V_S(status),
        told ? V_I(struggled) : V_N, V_I(run->w->now_us)};
    memcpy(v, row, sizeof row);
}

/* Adds a closed forecast, by its row of predictions_tell, to the rows of prediction_weeks_add. They
 * come in the order of their ends. Returns how many rows there are then. */
static int32_t count_week(const struct catching *c, const struct pending *p,
                          const struct value *told, struct value *weeks, int32_t n)
{
    int64_t week = p->until_at / (7 * US_PER_DAY);
    struct value *row = weeks + (size_t)WEEK_COLS * (size_t)(n > 0 ? n - 1 : 0);
    struct str status = value_str(&told[4]);
    int64_t struggled = value_i64(&told[5], -1);

    if (n == 0 || row[1].i != week) {
        row = weeks + (size_t)WEEK_COLS * (size_t)n++;
        row[0] = V_I(c->run->w->learner_id);
        row[1] = V_I(week);
        for (int k = 2; k < WEEK_COLS; k++)
            row[k] = V_I(0);
    }
    row[2].i++;
    row[3].i += str_eq(status, STR("CONFIRMED"));
    row[4].i += str_eq(status, STR("FALSE_POSITIVE"));
    row[5].i += str_eq(status, STR("MISSED"));
    row[6].i += struggled >= 0;
    row[7].i += struggled >= 0 && (p->probability >= 0.5) == (struggled == 1);
    row[8].i += llround(p->probability * 1e6);
    row[9].i += llround(p->width * 1e6);
    return n;
}

static enum err tell_pending(struct catching *c)
{
    enum { OVER_COLS = 7, COLS = 4 };
    struct night_work *w = c->run->w;
    size_t room = (size_t)c->pending_count;
    struct value *over = arena_new(w->arena, struct value, room * OVER_COLS + 1);
    struct value *counted = arena_new(w->arena, struct value, room * COLS + 1);
    struct value *weeks = arena_new(w->arena, struct value, room * WEEK_COLS + 1);
    int32_t n = 0, m = 0, of_weeks = 0;

    if (!over || !counted || !weeks)
        return ERR_NOMEM;
    for (int32_t i = 0; i < c->pending_count; i++) {
        const struct pending *p = &c->pending[i];
        const struct value row[COLS] = {V_I(w->learner_id), V_S(p->prediction), V_I(p->graded),
                                        V_I(p->wrong)};

        if (p->until_at <= w->now_us && !c->cut) {
            struct value *told = over + (size_t)OVER_COLS * (size_t)n++;

            close_one(c, p, told);
            of_weeks = count_week(c, p, told, weeks, of_weeks);
        } else if (p->touched)
            memcpy(counted + (size_t)COLS * (size_t)m++, row, sizeof row);
    }
    enum err e = night_put(w, STMT_PREDICTIONS_TELL, over, n, OVER_COLS);
    if (e == ERR_OK)
        e = night_put(w, STMT_PREDICTION_WEEKS_ADD, weeks, of_weeks, WEEK_COLS);
    return e == ERR_OK ? night_put(w, STMT_PREDICTIONS_COUNT, counted, m, COLS) : e;
}

/* ---- the run ---- */

/* The place moves on, or back to the beginning where answers came late or were taken away. What a
 * replay finds is taken as it is: one is enough, whatever the sums say. */
static void move_on(struct catching *c)
{
    struct struggle_run *run = c->run;
    bool replay = run->at < run->known_at || run->at == INT64_MIN;

    if (c->count > 0) {
        const struct answer *last = &c->answers[c->count - 1];

        run->at = last->at;
        run->id = last->id;
        if (!is_known(run, last)) {
            run->known_at = last->at;
            run->known_id = last->id;
        }
    }
    run->taken += c->count;
    run->w->more = c->cut;
    run->w->behind = run->graded > run->taken ? run->graded - run->taken : 0;
    if (replay && !c->cut)
        run->taken = run->graded;
    if (c->cut || run->taken == run->graded)
        return;
    mind_clear(run->mind);
    run->at = INT64_MIN;
    run->id = STR("");
    run->taken = 0;
    run->w->more = true;
    run->w->behind = run->graded;
}

/* Of the new ones, to be learnt from; then of the others, which are only forecast again. */
static enum err load_weights(struct catching *c)
{
    struct struggle_run *run = c->run;
    uint32_t *others;
    int32_t n;
    enum err e = struggle_load(run, c->features + c->first_new, c->count - c->first_new,
                               &run->moved, &run->moved_count);

    if (e == ERR_OK)
        e = struggle_load(run, c->features, c->first_new, &others, &n);
    for (int32_t i = 0; e == ERR_OK && i < c->first_new; i++) {
        struct struggle_prediction p;
        struggle_predict(run->model, &c->features[i], &p);
        c->forecasts[i] = p.probability;
    }
    return e;
}

/* Misses that were forecast are no strain. */
static enum err take_strain(struct catching *c, bool anew)
{
    struct strain_look *look;
    int64_t until = c->count > 0 ? c->answers[c->count - 1].at : c->run->at;
    enum err e = strain_begin(c->run->w, anew, c->run->at, until, &look);

    for (int32_t i = 0; e == ERR_OK && i < c->count; i++) {
        const struct answer *a = &c->answers[i];
        const struct sitting_answer one = {
            .answer = {a->at, a->latency_s > 0 ? a->latency_s : (double)NAN, (int8_t)a->right,
                       c->forecasts[i], a->card ? STRAIN_CARD : STRAIN_QUESTION},
            .topic = a->objective,
            .modality = a->modality};

        if (a->now_s)
            e = strain_take(look, &one, a->id);
    }
    return e == ERR_OK ? strain_finish(look, !c->cut) : e;
}

static enum err learn_and_put(struct catching *c)
{
    bool anew = c->run->at == INT64_MIN;
    enum err e = walk(c);

    if (e == ERR_OK)
        e = load_weights(c);
    if (e != ERR_OK)
        return e;
    learn(c);
    e = take_strain(c, anew);
    move_on(c);
    return e == ERR_OK ? put_mind(c->run) : e;
}

/* Forecasts are judged once: of two runs at once that had nothing to learn, one is kept, too. */
static enum err guard_judged(struct struggle_run *run)
{
    struct value *v = arena_new(run->w->arena, struct value, 2);

    if (!v)
        return ERR_NOMEM;
    v[0] = V_I(run->w->learner_id);
    v[1] = V_I(run->version);
    run->w->guard = (struct bulk){.stmt = STMT_MIND_TOUCH, .rows = 1, .cols = 2, .v = v};
    return ERR_OK;
}

enum err struggle_catch_up(struct struggle_run *run)
{
    struct catching *c = arena_new(run->w->arena, struct catching, 1);
    enum err e = c ? read_head(run) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    c->run = run;
    e = read_rest(c);
    if (e == ERR_OK && run->taken != run->graded)
        e = learn_and_put(c);
    int32_t before = run->w->bulk_count;
    if (e == ERR_OK)
        e = tell_pending(c);
    if (e == ERR_OK && run->w->bulk_count > before && run->w->guard.rows == 0 && run->version > 0)
        e = guard_judged(run);
    if (e == ERR_OK)
        e = put_audits(c);
    if (e == ERR_OK)
        e = put_shared(run);
    return e == ERR_OK ? put_weights(run) : e;
}
