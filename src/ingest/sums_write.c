/* sums_write - a group's rows meet those of the store: read, merged, written. */
#include "base/assert.h"
#include "ingest/audits.h"
#include "ingest/sums_rows.h"

#include <stdlib.h>

/* NULL: out of memory, or nothing to write. */
static struct value *bulk_add(struct writing *w, enum stmt stmt, int32_t rows, int32_t cols)
{
    if (rows == 0 || w->s->failed)
        return NULL;
    struct value *v = arena_new(&w->s->arena, struct value, (size_t)rows * (size_t)cols);
    if (!v) {
        w->s->failed = true;
        return NULL;
    }
    ASSERT(w->count < (int32_t)COUNT(w->bulks));
    w->bulks[w->count++] = (struct bulk){.stmt = stmt, .rows = rows, .cols = cols, .v = v};
    return v;
}

/* The next row of the bulk that was added last is that learner's. */
static struct value learner_value(struct writing *w, int32_t learner)
{
    struct sums_learner *l = &w->s->learners[learner];

    l->wrote |= stmt_writes(w->bulks[w->count - 1].stmt);
    return V_I(l->id);
}

uint32_t sums_wrote(const struct sums *s, int32_t learner)
{
    return s->learners[learner].wrote;
}

/* ---- the rows before, and after ---- */

/* Asks for the rows that the group touches; the table's rows from number `first` on. */
static void ask_rows(struct writing *w, const struct table *t, int32_t first,
                     const struct row_form *form)
{
    struct value *v = bulk_add(w, form->read, t->count - first, 1 + form->keys);

    if (!v)
        return;
    w->bulks[w->count - 1].arena = &w->s->arena;
    for (int32_t i = first; i < t->count; i++, v += 1 + form->keys)
        row_key_values(form, t->rows[i], w->s->learners[t->rows[i]->learner].id, v);
}

/* Takes what there was and what is new together; head.before is what there was. */
static enum err merge_rows(struct sums *s, const struct writing *w, const struct table *t,
                           const struct row_form *form)
{
    const struct rows *rows = NULL;

    for (int32_t i = 0; i < w->count; i++)
        rows = w->bulks[i].stmt == form->read ? &w->bulks[i].given : rows;
    for (int32_t i = 0; rows && i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        struct row_head *before = arena_alloc(&s->arena, form->size, _Alignof(max_align_t));
        if (!before)
            return ERR_NOMEM;
        row_load(form, v, before);
        struct row_key id = sums_id_key(value_i64(&v[0], 0));
        const struct learner_ref *ref = table_find(&s->by_id, &id);
        ASSERT(ref);
        before->key.learner = ref->index;
        struct row_head *now = table_find(t, &before->key);
        ASSERT(now);
        now->before = before;
        form->merge(now, before);
    }
    return ERR_OK;
}

/* A card is new to the session of its first review; a late, earlier one moves it. */
static void move_new_cards(struct sums *s)
{
    for (int32_t i = 0; i < s->cards.count; i++) {
        const struct card_row *now = (const struct card_row *)s->cards.rows[i];
        const struct card_row *before = now->head.before;
        int32_t learner = now->head.key.learner;

        if (before && before->first_at == now->first_at && str_eq(before->first_id, now->first_id))
            continue;
        if (before && before->first_session.p)
            sums_session(s, learner, before->first_session)->new_cards--;
        if (now->first_session.p)
            sums_session(s, learner, now->first_session)->new_cards++;
    }
}

static void count_objectives(struct sums *s)
{
    for (int32_t i = 0; i < s->session_objectives.count; i++) {
        const struct session_objective_row *now =
            (const struct session_objective_row *)s->session_objectives.rows[i];
        const struct session_objective_row *before = now->head.before;
        struct session_row *r = sums_session(s, now->head.key.learner, now->head.key.a);

        r->objectives_total += !before;
        r->objectives_done +=
            now->completed_at != TIME_NONE && (!before || before->completed_at == TIME_NONE);
    }
}

/* Minutes [0,10) [10,20) [20,30) [30,40) [40,50) [50,60) [60,90) [90,..). */
static int32_t bucket_of(int64_t ms)
{
    int64_t minutes = ms / 60000;
    return minutes < 60 ? (int32_t)(minutes / 10) : minutes < 90 ? 6 : 7;
}

/* A session's part in the sums, added (sign 1) or taken away (-1). */
static void contribute(struct sums *s, const struct session_row *r, int64_t sign, bool placed_anew)
{
    int32_t learner = r->head.key.learner;
    int64_t ms = session_study_ms(&r->facts), start = session_start(&r->facts);
    bool completed = r->facts.completed_at != TIME_NONE;

    if (placed_anew) {
        int64_t *total = sums_total(s, learner)->v;
        total[TOTAL_SESSIONS] += sign;
        total[TOTAL_COMPLETED] += sign * completed;
        total[TOTAL_STUDY] += sign * ms;
    }
    if (r->facts.untimed)
        return;
    struct sum_row *length = sums_row(&s->lengths, learner, bucket_of(ms), NO_TEXT);
    length->v[LENGTH_SESSIONS] += sign;
    length->v[LENGTH_COMPLETED] += sign * completed;
    length->v[LENGTH_STUDY] += sign * ms;
    length->v[LENGTH_ANSWERS] += sign * r->answers;
    length->v[LENGTH_CORRECT] += sign * r->correct;
    length->v[LENGTH_REVIEWS] += sign * r->reviews;
    length->v[LENGTH_RECALLED] += sign * r->recalled;
    if (r->objectives_total > 0) {
        int64_t done =
            r->objectives_done < r->objectives_total ? r->objectives_done : r->objectives_total;
        length->v[LENGTH_PLANNED] += sign;
        length->v[LENGTH_PLAN_DONE] += sign * (INT64_C(1000000) * done / r->objectives_total);
    }
    if (!placed_anew)
        return;
    struct civil c = civil_at(s->learners[learner].zone, start);
    struct sum_row *day = sums_day(s, learner, c.epoch_day);
    struct sum_row *hour = sums_hour(s, learner, sums_slot(&c));
    day->v[DAY_SESSIONS] += sign;
    day->v[DAY_COMPLETED] += sign * completed;
    hour->v[HOUR_SESSIONS] += sign;
    hour->v[HOUR_COMPLETED] += sign * completed;
    sums_credit(s, learner, start, ms, sign);
}

static bool same_place(const struct session_row *a, const struct session_row *b)
{
    return a->facts.untimed == b->facts.untimed &&
           session_start(&a->facts) == session_start(&b->facts) &&
           session_study_ms(&a->facts) == session_study_ms(&b->facts) &&
           (a->facts.completed_at == TIME_NONE) == (b->facts.completed_at == TIME_NONE);
}

static void contribute_all(struct sums *s)
{
    for (int32_t i = 0; i < s->sessions.count && !s->failed; i++) {
        const struct session_row *now = (const struct session_row *)s->sessions.rows[i];
        const struct session_row *before = now->head.before;
        bool anew = !before || !same_place(before, now);
        if (before)
            contribute(s, before, -1, anew);
        contribute(s, now, 1, anew);
    }
}

/* ---- writing ---- */

static void write_rows(struct writing *w, const struct table *t, const struct row_form *form)
{
    int32_t cols = 1 + form->keys + form->column_count;
    struct value *v = bulk_add(w, form->put, t->count, cols);

    for (int32_t i = 0; v && i < t->count; i++, v += cols)
        row_values(form, t->rows[i], learner_value(w, t->rows[i]->learner).i, v);
}

struct sum_form {
    enum stmt add, drop; /* drop: STMT_COUNT, such rows never become empty */
    int32_t columns;
    bool num, text; /* in the key */
};

static const struct sum_form day_form = {STMT_INGEST_DAYS_ADD, STMT_INGEST_DAYS_DROP, DAY_COLUMNS,
                                         true, false};
static const struct sum_form hour_form = {STMT_INGEST_HOURS_ADD, STMT_INGEST_HOURS_DROP,
                                          HOUR_COLUMNS, true, false};
static const struct sum_form length_form = {STMT_INGEST_LENGTHS_ADD, STMT_INGEST_LENGTHS_DROP,
                                            LENGTH_COLUMNS, true, false};
static const struct sum_form topic_form = {STMT_INGEST_TOPICS_ADD, STMT_COUNT, TOPIC_COLUMNS, true,
                                           true};
static const struct sum_form total_form = {STMT_INGEST_TOTALS_ADD, STMT_COUNT, TOTAL_COLUMNS, false,
                                           false};

static const struct sum_form audit_form = {STMT_INGEST_AUDITS_ADD, STMT_INGEST_AUDITS_DROP,
                                           AUDIT_COLUMNS, true, false};

static const struct sum_form objective_form = {STMT_INGEST_OBJECTIVES_ADD, STMT_COUNT,
                                               OBJECTIVE_COLUMNS, false, true};

static const struct sum_form search_form = {STMT_INGEST_SEARCHES_ADD, STMT_COUNT, SEARCH_COLUMNS,
                                            true, true};

static bool any(const struct sum_row *r, int32_t columns, bool below_zero)
{
    for (int32_t i = 0; i < columns; i++)
        if (below_zero ? r->v[i] < 0 : r->v[i] != 0)
            return true;
    return false;
}

/* Minima and maxima that nothing was told of are NULL; sums never come near these. */
static struct value sum_value(int64_t v)
{
    return v == INT64_MAX || v == INT64_MIN ? V_N : V_I(v);
}

static struct value *put_key(struct value *v, struct writing *w, const struct sum_form *form,
                             const struct row_key *key)
{
    *v++ = learner_value(w, key->learner);
    if (form->num)
        *v++ = V_I(key->num);
    if (form->text)
        *v++ = V_S(key->a);
    return v;
}

/* A part that was taken away and put back leaves rows without a change: those are not written. */
static void write_sums(struct writing *w, const struct table *t, const struct sum_form *form)
{
    int32_t changed = 0, lessened = 0, keys = 1 + form->num + form->text;

    for (int32_t i = 0; i < t->count; i++) {
        const struct sum_row *r = (const struct sum_row *)t->rows[i];
        changed += any(r, form->columns, false);
        lessened += form->drop != STMT_COUNT && any(r, form->columns, true);
    }
    struct value *v = bulk_add(w, form->add, changed, keys + form->columns);
    for (int32_t i = 0; v && i < t->count; i++) {
        const struct sum_row *r = (const struct sum_row *)t->rows[i];
        if (!any(r, form->columns, false))
            continue;
        v = put_key(v, w, form, &r->key);
        for (int32_t k = 0; k < form->columns; k++)
            *v++ = sum_value(r->v[k]);
    }
    v = bulk_add(w, form->drop, lessened, keys);
    for (int32_t i = 0; v && i < t->count; i++)
        if (any((const struct sum_row *)t->rows[i], form->columns, true))
            v = put_key(v, w, form, t->rows[i]);
}

static void write_loads(struct writing *w)
{
    const struct table *t = &w->s->loads;
    struct value *v = bulk_add(w, STMT_INGEST_LOADS_ADD, t->count, 7);

    for (int32_t i = 0; v && i < t->count; i++) {
        const struct load_row *r = (const struct load_row *)t->rows[i];
        *v++ = learner_value(w, r->key.learner);
        *v++ = V_I(r->at);
        *v++ = V_S(r->key.a);
        *v++ = v_text(r->session);
        *v++ = V_D(r->score);
        *v++ = v_real(r->confidence);
        *v++ = V_S(r->indicators);
    }
}

/* ---- topics of sessions ---- */

static int by_session(const void *x, const void *y)
{
    const struct row_key *a = *(struct row_key *const *)x, *b = *(struct row_key *const *)y;
    int order = (a->learner > b->learner) - (a->learner < b->learner);

    if (order == 0)
        order = str_cmp(a->a, b->a);
    if (order == 0)
        order = (a->num > b->num) - (a->num < b->num);
    return order ? order : str_cmp(a->b, b->b);
}

/* One that gives way may not be among the group's. Its times lie within the session's, so those of
 * the session, turned round, move neither its first nor its last. */
static void count_topic(struct sums *s, const struct session_row *r, const struct topic *t,
                        int64_t sign)
{
    int64_t *v = sums_topic(s, r->head.key.learner, (int32_t)t->kind, t->name)->v;

    v[TOPIC_SESSIONS] += sign;
    if (r->facts.last_at < v[TOPIC_FIRST])
        v[TOPIC_FIRST] = r->facts.last_at;
    if (r->facts.first_at > v[TOPIC_LAST])
        v[TOPIC_LAST] = r->facts.first_at;
}

/* Those that came, and those that gave way where there were too many. */
static void count_topics(struct sums *s, const struct session_row *r, struct str before)
{
    struct str now = r->topics;
    struct topic old, new;
    bool is_old = topics_next(&before, &old), is_new = topics_next(&now, &new);

    while (is_old || is_new) {
        int order = !is_old ? 1 : !is_new ? -1 : topic_cmp(&old, &new);
        if (order != 0)
            count_topic(s, r, order < 0 ? &old : &new, order < 0 ? -1 : 1);
        if (order <= 0)
            is_old = topics_next(&before, &old);
        if (order >= 0)
            is_new = topics_next(&now, &new);
    }
}

static enum err add_topics(struct sums *s, const struct row_key *first, const struct topic *topics,
                           int32_t count)
{
    struct session_row *r = sums_session(s, first->learner, first->a);
    struct str before = r->topics;

    enum err e = topics_add(&s->arena, before, topics, count, &r->topics);
    if (e == ERR_OK)
        count_topics(s, r, before);
    return e;
}

static enum err merge_topics(struct sums *s)
{
    int32_t n = s->session_topics.count, done = 0;
    enum err e = ERR_OK;

    if (n == 0)
        return ERR_OK;
    struct row_key **rows = arena_new(&s->arena, struct row_key *, (size_t)n);
    struct topic *topics = arena_new(&s->arena, struct topic, (size_t)n);
    if (!rows || !topics)
        return ERR_NOMEM;
    memcpy(rows, s->session_topics.rows, (size_t)n * sizeof(struct row_key *));
    qsort(rows, (size_t)n, sizeof(struct row_key *), by_session);
    for (int32_t i = 0; e == ERR_OK && i < n; i++) {
        bool last = i + 1 == n || rows[i]->learner != rows[i + 1]->learner ||
                    !str_eq(rows[i]->a, rows[i + 1]->a);
        topics[i] = (struct topic){(enum topic_kind)rows[i]->num, rows[i]->b};
        if (!last)
            continue;
        e = add_topics(s, rows[i], topics + done, i + 1 - done);
        done = i + 1;
    }
    return e;
}

/* ---- what is remembered ---- */

static void add_audit(void *user, int32_t learner, double p, bool remembered, int sign)
{
    struct audit_bin one = audit_outcome(p, remembered);
    int64_t *v = sums_row(&((struct sums *)user)->audits, learner,
                          AUDIT_RECALL * AUDIT_SLOTS + audit_bin_of(p), NO_TEXT)
                     ->v;

    v[AUDIT_N] += sign * one.n;
    v[AUDIT_YES] += sign * one.yes;
    v[AUDIT_P] += sign * one.p_micro;
    v[AUDIT_SQUARE] += sign * one.square_micro;
    v[AUDIT_BRIER] += sign * one.brier_micro;
    v[AUDIT_LOSS] += sign * one.loss_micro;
}

static struct card_owner card_owner(void *user, int32_t learner)
{
    const struct sums_learner *l = &((const struct sums *)user)->learners[learner];

    return (struct card_owner){l->id, l->zone};
}

static enum err remember_cards(struct sums *s, struct store_conn *conn)
{
    const struct card_work work = {.conn = conn,
                                   .arena = &s->arena,
                                   .cards = &s->cards,
                                   .user = s,
                                   .owner = card_owner,
                                   .forecast = add_audit};
    return s->cards.count ? cards_remember(&work) : ERR_OK;
}

/* Everything that the group is known to touch, in one round trip; then the sessions that late
 * reviews took new cards from, which hardly ever are others. */
static enum err read_and_merge(struct sums *s, struct store_conn *conn, struct bulk *behind)
{
    static const struct {
        uint32_t table; /* offset */
        const struct row_form *form;
    } reads[] = {
        {offsetof(struct sums, cards), &card_form},
        {offsetof(struct sums, sessions), &session_form},
        {offsetof(struct sums, session_objectives), &session_objective_form},
        {offsetof(struct sums, missions), &mission_form},
        {offsetof(struct sums, mission_objectives), &mission_objective_form},
        {offsetof(struct sums, run_work), &run_work_form},
    };
    struct writing *w = &s->asked, late = {.s = s};

    *w = (struct writing){.s = s};
    for (size_t i = 0; i < COUNT(reads); i++)
        ask_rows(w, (struct table *)(void *)((char *)s + reads[i].table), 0, reads[i].form);
    enum err e = s->failed ? ERR_NOMEM : store_write_ahead(conn, w->bulks, w->count);
    if (e == ERR_OK && behind)
        e = store_write_ahead(conn, behind, 1);
    if (e == ERR_OK && w->count > 0)
        e = store_catch_up(conn, &w->bulks[w->count - 1]);
    for (size_t i = 0; e == ERR_OK && i < COUNT(reads); i++)
        e = merge_rows(s, w, (struct table *)(void *)((char *)s + reads[i].table), reads[i].form);
    if (e != ERR_OK)
        return e;
    int32_t sessions = s->sessions.count;
    e = merge_topics(s);
    move_new_cards(s);
    count_objectives(s);
    ask_rows(&late, &s->sessions, sessions, &session_form);
    if (e == ERR_OK && s->failed)
        e = ERR_NOMEM;
    if (e != ERR_OK || late.count == 0)
        return e;
    e = store_write(conn, late.bulks, late.count);
    return e == ERR_OK ? merge_rows(s, &late, &s->sessions, &session_form) : e;
}

enum err sums_write_ahead(struct sums *s, struct store_conn *conn, struct bulk *behind)
{
    struct writing *w = &s->written;

    enum err e = read_and_merge(s, conn, behind);
    if (e == ERR_OK)
        e = remember_cards(s, conn);
    if (e != ERR_OK)
        return e;
    contribute_all(s);
    *w = (struct writing){.s = s};
    write_rows(w, &s->sessions, &session_form);
    write_rows(w, &s->session_objectives, &session_objective_form);
    write_rows(w, &s->missions, &mission_form);
    write_rows(w, &s->mission_objectives, &mission_objective_form);
    write_rows(w, &s->cards, &card_form);
    write_rows(w, &s->run_work, &run_work_form);
    write_loads(w);
    write_sums(w, &s->days, &day_form);
    write_sums(w, &s->hours, &hour_form);
    write_sums(w, &s->lengths, &length_form);
    write_sums(w, &s->topics, &topic_form);
    write_sums(w, &s->totals, &total_form);
    write_sums(w, &s->audits, &audit_form);
    write_sums(w, &s->objectives, &objective_form);
    write_sums(w, &s->searches, &search_form);
    return s->failed ? ERR_NOMEM : store_write_ahead(conn, w->bulks, w->count);
}

enum err sums_write(struct sums *s, struct store_conn *conn)
{
    enum err e = sums_write_ahead(s, conn, NULL);

    return e == ERR_OK ? store_catch_up(conn, NULL) : e;
}
