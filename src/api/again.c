#include "api/again.h"

#include "api/call.h"
#include "api/warm.h"
#include "base/clock.h"

#include <stdlib.h>

enum {
    LEVELS = CACHE_UNASKED_MAX + 1,
    REMEMBERED = 256, /* answers whose fates count; older ones count half, a quarter, … */
    TRY_EACH = 64,    /* of so many learners one gets all his answers, probable or not */
    SORT_EACH = 256   /* learners */
};

/* How often was an answer asked for that was made in this way, at the beginning and later on. */
struct chance {
    int32_t made, used;
};
static const struct chance at_first[LEVELS] = {{4, 3}, {4, 2}, {4, 2}, {4, 1}};

struct again_row {
    const struct route *route;
    struct tag tag;
    struct chance chances[LEVELS];
    struct str keys[CLASSES_MAX]; /* but for the learner; p NULL: not made yet */
    uint64_t sum;                 /* of the stamp before the present learner's reads */
};

/* Touched by whoever has taken a learner: one at a time. */
struct again {
    struct work work;
    struct api *api;
    uint32_t turn;
    struct cached_class classes[CLASSES_MAX];
    int32_t class_count;
    int32_t row_count;
    struct again_row rows[];
};

/* One learner's turn. */
struct turn {
    struct again *g;
    struct http_loop *loop;
    struct store_conn *conn;
    struct str learner;
    struct tag tag;
    int64_t now_us;
    bool sharing, gone, known;
};

/* ---- keys ---- */

static void forget_classes(struct again *g)
{
    for (int32_t i = 0; i < g->row_count; i++)
        for (int32_t k = 0; k < CLASSES_MAX; k++) {
            free((char *)(uintptr_t)g->rows[i].keys[k].p);
            g->rows[i].keys[k] = (struct str){NULL, 0};
        }
    g->class_count = 0;
}

static bool has_class(const struct again *g, struct cached_class class)
{
    for (int32_t k = 0; k < g->class_count; k++)
        if (g->classes[k].scopes == class.scopes && g->classes[k].own == class.own)
            return true;
    return false;
}

/* Rights come and go rarely: when there is a new one all begin anew. */
static void look_at_classes(struct again *g)
{
    struct cached_class now[CLASSES_MAX];
    int32_t n = cached_classes(g->api, now);
    bool same = n == g->class_count;

    for (int32_t k = 0; same && k < n; k++)
        same = has_class(g, now[k]);
    if (same)
        return;
    forget_classes(g);
    memcpy(g->classes, now, sizeof now);
    g->class_count = n;
}

/* False: no memory. */
static bool key_make(const struct turn *t, struct again_row *row, int32_t class,
                     char text[CACHE_KEY_MAX], struct cache_key *ret)
{
    struct str *before = &row->keys[class];

    if (!before->p)
        *before = cached_key_before_learner(t->g->api, row->route, t->loop, t->g->classes[class]);
    if (!before->p || before->n + t->learner.n > CACHE_KEY_MAX)
        return false;
    memcpy(text, before->p, before->n);
    memcpy(text + before->n, t->learner.p, t->learner.n);
    *ret = cache_key_of((struct str){text, before->n + t->learner.n});
    return true;
}

/* ---- what is probable ---- */

static uint32_t worth(const struct again *g, const struct again_row *row)
{
    uint32_t bits = 0;

    if (g->turn % TRY_EACH == 0)
        return (1u << LEVELS) - 1;
    for (int32_t i = 0; i < LEVELS; i++)
        bits |= (uint32_t)(row->chances[i].used * 100 >=
                           row->chances[i].made * g->api->config->cache_ahead)
                << i;
    return bits;
}

static void learn(struct again_row *row, const struct cache_again *past)
{
    struct chance *c = &row->chances[past->unasked];

    if (!past->outdated || !past->ahead)
        return;
    c->made++;
    c->used += past->asked;
    if (c->made >= REMEMBERED) {
        c->made /= 2;
        c->used /= 2;
    }
}

static int64_t points(const struct again_row *row)
{
    return (int64_t)row->chances[0].used * REMEMBERED / row->chances[0].made;
}

static int by_chance(const void *pa, const void *pb)
{
    int64_t a = points(pa), b = points(pb);

    return (a < b) - (a > b);
}

/* ---- one learner ---- */

static void tags_of(const struct turn *t, const struct again_row *row, struct tag tags[2])
{
    tags[0] = t->tag;
    tags[1] = row->tag;
}

/* What is read from now on may be shared by flights whose stamps are of before, or equal to these.
 */
static void share(struct turn *t)
{
    struct again *g = t->g;

    store_share_end(t->conn);
    for (int32_t i = 0; i < g->row_count; i++) {
        struct stamp stamp;
        struct tag tags[2];

        tags_of(t, &g->rows[i], tags);
        stamp_take(g->api->tiers->generations, tags, 2, &stamp);
        g->rows[i].sum = stamp_add_up(&stamp, 0).sum;
    }
    t->now_us = clock_us();
    t->sharing = true;
    if (store_share_begin(t->conn) != ERR_OK)
        return; /* each reads for itself */
}

/* Who was erased leaves nothing. The handlers read the same, so it costs nothing to ask. */
static bool is_there(const struct turn *t)
{
    const struct value name = V_S(t->learner);
    struct query q = {.stmt = STMT_LEARNER_HEAD, .args = &name, .arg_count = 1, .rows_max = 1};
    struct arena arena;

    arena_init(&arena, 64 << 10);
    enum err e = store_read(t->conn, &arena, &q, 1, clock_mono_us() + US_PER_S);
    bool there = e == ERR_OK && q.rows.count == 1;
    arena_fini(&arena);
    return there;
}

static bool may_share(const struct again_row *row, const struct flight *flight)
{
    return stamp_add_up(flight_stamp(flight), 0).sum == row->sum;
}

/* The answer whose flight has begun. */
static void make(struct turn *t, struct again_row *row, int32_t class, struct cache_key key,
                 struct flight *flight)
{
    if (!t->sharing || !may_share(row, flight)) {
        share(t);
        t->gone = !is_there(t);
    }
    if (t->gone)
        flight_end(t->g->api->tiers->cache, flight, NULL, false, ERR_NOT_FOUND);
    else
        cached_again(t->g->api,
                     &(struct cached_again){.route = row->route,
                                            .loop = t->loop,
                                            .class = t->g->classes[class],
                                            .learner = t->learner,
                                            .key = key,
                                            .now_us = t->now_us,
                                            .flight = flight},
                     t->conn);
}

static void look(struct turn *t, struct again_row *row, int32_t class)
{
    struct tiers *tiers = t->g->api->tiers;
    char text[CACHE_KEY_MAX];
    struct cache_key key;
    struct tag tags[2];

    if (!key_make(t, row, class, text, &key))
        return;
    tags_of(t, row, tags);
    struct cache_lookup how = {.now_us = clock_mono_us(),
                               .age_max_us = INT64_MAX,
                               .early = 1,
                               .tags = tags,
                               .tag_count = 2};
    struct cache_again past = cache_again(tiers->cache, &key, &how, t->gone ? 0 : worth(t->g, row));

    t->known |= past.known;
    learn(row, &past);
    if (!past.flight)
        return;
    make(t, row, class, key, past.flight);
    if (t->gone)
        cache_again(tiers->cache, &key, &how, 0);
}

/* Calls for which there is no worker left come first. */
static bool is_wanted_elsewhere(const struct again *g)
{
    struct workers_stats s;

    workers_stats(g->api->workers, &s);
    return s.queued > 0 && s.busy >= s.threads;
}

static void make_all(struct again *g, struct str learner, struct store_conn *conn)
{
    struct turn t = {.g = g,
                     .loop = http_server_loop(atomic_load(&g->api->server), 0),
                     .conn = conn,
                     .learner = learner,
                     .tag = tag_of(TAG_LEARNER, learner)};

    if (g->turn++ % SORT_EACH == 0)
        qsort(g->rows, (size_t)g->row_count, sizeof g->rows[0], by_chance);
    look_at_classes(g);
    for (int32_t i = 0; i < g->row_count && !is_wanted_elsewhere(g); i++)
        for (int32_t k = 0; k < g->class_count; k++)
            if (warm_may_ask(g->rows[i].route->row, g->classes[k]))
                look(&t, &g->rows[i], k);
    store_share_end(conn);
    if (!t.known)
        ahead_unmark(g->api->tiers->ahead, t.tag.hash);
}

/* ---- the worker ---- */

static bool wake(void *user);

/* One learner after the other, and other work between them. */
static void run(struct work *work, void *context)
{
    struct again *g = (struct again *)((char *)work - offsetof(struct again, work));
    struct worker_context *ctx = context;
    char name[AHEAD_NAME_MAX];
    size_t n;

    if (!ahead_take(g->api->tiers->ahead, name, &n))
        return;
    if (ctx->conn && atomic_load(&g->api->server))
        make_all(g, (struct str){name, n}, ctx->conn);
    if (!wake(g))
        ahead_give_up(g->api->tiers->ahead);
}

static bool wake(void *user)
{
    struct again *g = user;

    g->work = (struct work){.fn = run};
    return workers_submit(g->api->workers, LANE_SLOW, &g->work) == ERR_OK;
}

enum err again_new(struct api *a, struct again **ret)
{
    struct again *g = calloc(1, sizeof *g + (size_t)a->route_count * sizeof(struct again_row));

    if (!g)
        return ERR_NOMEM;
    g->api = a;
    for (int32_t i = 0; i < a->route_count; i++) {
        if (!warm_is_possible(&a->routes[i]) || cached_in_l2(a, a->routes[i].row))
            continue;
        struct again_row *row = &g->rows[g->row_count++];
        row->route = &a->routes[i];
        row->tag = tag_of(TAG_ENDPOINT, str_from(a->routes[i].row->id));
        memcpy(row->chances, at_first, sizeof at_first);
    }
    *ret = g;
    ahead_listen(a->tiers->ahead, wake, g);
    return ERR_OK;
}

void again_free(struct again *g)
{
    if (!g)
        return;
    ahead_listen(g->api->tiers->ahead, NULL, NULL);
    forget_classes(g);
    free(g);
}
