#include "ingest/sums_rows.h"

#include "base/assert.h"

#include <stdlib.h>

enum { SCRATCH_MAX = 1 << 30, LOCAL_HOURS = 24 };

enum err sums_new(struct sums **ret)
{
    struct sums *s = calloc(1, sizeof *s);

    if (!s)
        return ERR_NOMEM;
    arena_init(&s->arena, SCRATCH_MAX);
    *ret = s;
    return ERR_OK;
}

void sums_free(struct sums *s)
{
    if (!s)
        return;
    arena_fini(&s->arena);
    free(s->learners);
    free(s);
}

void sums_begin(struct sums *s)
{
    const struct {
        struct table *t;
        size_t size;
    } tables[] = {
        {&s->by_id, sizeof(struct learner_ref)},
        {&s->days, sizeof(struct sum_row)},
        {&s->hours, sizeof(struct sum_row)},
        {&s->lengths, sizeof(struct sum_row)},
        {&s->topics, sizeof(struct sum_row)},
        {&s->totals, sizeof(struct sum_row)},
        {&s->audits, sizeof(struct sum_row)},
        {&s->objectives, sizeof(struct sum_row)},
        {&s->searches, sizeof(struct sum_row)},
        {&s->sessions, sizeof(struct session_row)},
        {&s->session_objectives, sizeof(struct session_objective_row)},
        {&s->missions, sizeof(struct mission_row)},
        {&s->mission_objectives, sizeof(struct mission_objective_row)},
        {&s->cards, sizeof(struct card_row)},
        {&s->run_work, sizeof(struct run_work_row)},
        {&s->session_topics, sizeof(struct topic_row)},
        {&s->loads, sizeof(struct load_row)},
    };

    arena_clear(&s->arena);
    s->failed = false;
    s->learner_count = 0;
    for (size_t i = 0; i < COUNT(tables); i++)
        table_init(tables[i].t, &s->arena, tables[i].size, &s->failed);
}

struct row_key sums_id_key(int64_t learner_id)
{
    return (struct row_key){.learner = (int32_t)(learner_id & INT32_MAX),
                            .num = (int32_t)(learner_id >> 31)};
}

int32_t sums_learner(struct sums *s, int64_t learner_id, const struct zone *zone)
{
    struct row_key key = sums_id_key(learner_id);
    bool made;
    struct learner_ref *ref = table_row(&s->by_id, &key, &made);

    if (!made || s->failed)
        return ref->index;
    if (s->learner_count == s->learner_room) {
        int32_t room = s->learner_room ? s->learner_room * 2 : 16;
        struct sums_learner *more = realloc(s->learners, (size_t)room * sizeof *more);
        if (!more) {
            s->failed = true;
            return 0;
        }
        s->learners = more;
        s->learner_room = room;
    }
    ref->index = s->learner_count++;
    s->learners[ref->index] = (struct sums_learner){.id = learner_id, .zone = zone};
    return ref->index;
}

struct sum_row *sums_row(struct table *t, int32_t learner, int32_t num, struct str text)
{
    struct row_key key = {.learner = learner, .num = num, .a = text};
    return table_row(t, &key, NULL);
}

struct sum_row *sums_day(struct sums *s, int32_t learner, int32_t day)
{
    return sums_row(&s->days, learner, day, NO_TEXT);
}

struct sum_row *sums_hour(struct sums *s, int32_t learner, int32_t slot)
{
    return sums_row(&s->hours, learner, slot, NO_TEXT);
}

int32_t sums_slot(const struct civil *c)
{
    return c->weekday * LOCAL_HOURS + c->hour;
}

struct sum_row *sums_topic(struct sums *s, int32_t learner, int32_t kind, struct str name)
{
    struct row_key key = {.learner = learner, .num = kind, .a = name};
    bool made;
    struct sum_row *r = table_row(&s->topics, &key, &made);

    if (made) {
        r->v[TOPIC_FIRST] = INT64_MAX;
        r->v[TOPIC_LAST] = INT64_MIN;
    }
    return r;
}

struct sum_row *sums_total(struct sums *s, int32_t learner)
{
    struct sums_learner *l = &s->learners[learner];

    if (!l->total) {
        l->total = sums_row(&s->totals, learner, 0, NO_TEXT);
        l->total->v[TOTAL_VERSION] = 1;
        l->total->v[TOTAL_FIRST] = INT64_MAX;
        l->total->v[TOTAL_LAST] = INT64_MIN;
    }
    return l->total;
}

struct session_row *sums_session(struct sums *s, int32_t learner, struct str session)
{
    struct row_key key = {.learner = learner, .a = session};
    bool made;
    struct session_row *r = table_row(&s->sessions, &key, &made);

    if (made)
        session_none(r);
    return r;
}

/* Study time from an instant on, split at local hours. (Where the offset changes inside of an hour,
 * as in St. John's before 2011, the rest of that hour goes to the hour in which the piece began.)
 */
void sums_credit(struct sums *s, int32_t learner, int64_t start, int64_t ms, int64_t sign)
{
    const struct zone *zone = s->learners[learner].zone;

    for (int64_t done = 0; done < ms;) {
        struct civil c = civil_at(zone, start + done * US_PER_MS);
        int64_t left_us = US_PER_HOUR - c.minute * US_PER_MINUTE - c.second * US_PER_S - c.us;
        int64_t piece = (left_us + US_PER_MS - 1) / US_PER_MS; /* 1 at least */
        if (piece > ms - done)
            piece = ms - done;
        struct sum_row *day = sums_day(s, learner, c.epoch_day);
        day->v[DAY_STUDY] += sign * piece;
        day->v[DAY_NIGHT + c.hour / 6] += sign * piece;
        sums_hour(s, learner, sums_slot(&c))->v[HOUR_STUDY] += sign * piece;
        done += piece;
    }
}
