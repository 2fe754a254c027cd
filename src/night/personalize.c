#include "night/personalize.h"

#include "base/assert.h"
#include "json/reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { FEATURES_DEPTH = 2 };
#define HOLDOUT_SALT UINT64_C(0x686f6c646f757431)

/* ---- names ---- */

int32_t personal_name(const char *const *names, struct str name)
{
    for (int32_t i = 0; names[i]; i++)
        if (str_eq(name, str_from(names[i])))
            return i;
    return -1;
}

static const char *const id_names[] = {"mission", "content", "assessment", "session", NULL};

struct str personal_choice_id(struct arena *arena, int32_t day, enum personal_context context)
{
    char date[DATE_TEXT_MAX];

    date_print(day, date);
    return arena_printf(arena, "%s-%s", date, id_names[context]);
}

enum err personal_choice_parse(struct str id, int32_t *ret_day, enum personal_context *ret_context)
{
    enum { DATE = 10 };

    if (id.n <= DATE + 1 || id.p[DATE] != '-' ||
        date_parse((struct str){id.p, DATE}, ret_day) != ERR_OK)
        return ERR_SYNTAX;
    int32_t context = personal_name(id_names, (struct str){id.p + DATE + 1, id.n - DATE - 1});
    if (context < 0)
        return ERR_SYNTAX;
    *ret_context = (enum personal_context)context;
    return ERR_OK;
}

/* ---- what is known ---- */

void personal_queries(struct personal_args *args, struct str learner, int64_t now_us,
                      int32_t first_day, int32_t last_day, struct query q[PERSONAL_QUERIES])
{
    int32_t utc_day = (int32_t)(now_us / US_PER_DAY);

    *args = (struct personal_args){
        .id = V_S(learner),
        .choices = {V_S(learner), V_I(utc_day - PERSONAL_CHOICES_DAYS), V_I(utc_day + 1)},
        .days = {V_S(learner), V_I(first_day), V_I(last_day)},
    };
    q[0] = (struct query){
        .stmt = STMT_PERSONAL_SETTINGS, .args = &args->id, .arg_count = 1, .rows_max = 1};
    q[1] = (struct query){.stmt = STMT_PERSONAL_CONFIGS, .args = &args->id, .arg_count = 1};
    q[2] = (struct query){.stmt = STMT_PERSONAL_CHOICES, .args = args->choices, .arg_count = 3};
    q[3] = (struct query){.stmt = STMT_PERSONAL_DAYS, .args = args->days, .arg_count = 3};
    q[4] = (struct query){.stmt = STMT_PERSONAL_TOTALS};
}

/* "mission" and "missionPersonalization", however capitalised, switch the context off. */
void personal_features(struct arena *arena, struct personal_preferences *p)
{
    struct json_reader r;

    for (int c = 0; c < PERSONAL_CONTEXTS; c++)
        p->off[c] = false;
    json_reader_init(&r, p->disabled_features, arena, FEATURES_DEPTH);
    if (!json_array_begin(&r))
        return;
    while (json_next_item(&r)) {
        static const struct str tail = {"Personalization", 15};
        struct str name;

        if (!json_read_str(&r, &name))
            return;
        if (name.n > tail.n && str_eq_nocase((struct str){name.p + name.n - tail.n, tail.n}, tail))
            name.n -= tail.n;
        for (int32_t c = 0; c < PERSONAL_CONTEXTS; c++)
            p->off[c] |= str_eq_nocase(name, str_from(id_names[c]));
    }
}

void personal_preferences_of(struct arena *arena, const struct value *row,
                             struct personal_preferences *p)
{
    const struct value *v = row + 3; /* behind the learner's own settings */
    int32_t level = personal_name(personal_level_names, value_str(&v[0]));

    *p = (struct personal_preferences){.level =
                                           level < 0 ? PERSONAL_MEDIUM : (enum personal_level)level,
                                       .auto_adapt = value_i64(&v[5], 1) != 0,
                                       .disabled_features = value_str(&v[6]),
                                       .version = value_i64(&v[7], 0),
                                       .updated_at = value_i64(&v[8], TIME_NONE)};
    for (int32_t c = 0; c < PERSONAL_CONTEXTS; c++)
        p->on[c] = value_i64(&v[1 + c], 1) != 0;
    if (!p->disabled_features.p)
        p->disabled_features = STR("[]");
    else
        personal_features(arena, p);
}

static void configs_of(const struct rows *rows, struct personal_ground *g)
{
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int32_t context = personal_name(personal_context_names, value_str(&v[0]));
        int32_t variant = personal_name(personal_variant_names, value_str(&v[1]));

        if (context < 0 || variant < 0)
            continue; /* of a later version */
        g->configs[context] = (struct personal_config){
            .known = true,
            .active = v[5].type == V_NULL,
            .held_out = value_i64(&v[2], 0) != 0,
            .variant = (enum personal_variant)variant,
            .day = (int32_t)value_i64(&v[3], 0),
            .activated_at = value_i64(&v[4], 0),
            .deactivated_at = value_i64(&v[5], TIME_NONE),
        };
    }
}

enum err personal_rows_of(struct arena *arena, const struct rows *rows, struct personal_row **ret,
                          int32_t *ret_count)
{
    struct personal_row *out = arena_new(arena, struct personal_row, (size_t)rows->count + 1);
    int32_t n = 0;

    if (!out)
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int32_t context = personal_name(personal_context_names, value_str(&v[1]));
        int32_t variant = personal_name(personal_variant_names, value_str(&v[2]));

        if (context < 0 || variant < 0)
            continue;
        out[n++] = (struct personal_row){
            .day = (int32_t)value_i64(&v[0], 0),
            .context = (enum personal_context)context,
            .control = value_f64(&v[4], 0),
            .made_at = value_i64(&v[7], 0),
            .choice = {(enum personal_variant)variant, value_f64(&v[3], 1),
                       value_i64(&v[5], 0) != 0, value_f64(&v[8], NAN),
                       value_i64(&v[9], TIME_NONE)},
        };
    }
    *ret = out;
    *ret_count = n;
    return ERR_OK;
}

static void priors_of(const struct rows *rows, struct personal_ground *g)
{
    struct personal_sum sums[PERSONAL_CONTEXTS][PERSONAL_VARIANTS] = {0};

    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i);
        int32_t context = personal_name(personal_context_names, value_str(&v[0]));
        int32_t variant = personal_name(personal_variant_names, value_str(&v[1]));

        if (context >= 0 && variant >= 0)
            sums[context][variant] = (struct personal_sum){
                .learners = value_i64(&v[2], 0),
                .n = value_i64(&v[3], 0),
                .weight = value_f64(&v[4], 0) / 1e6,
                .reward = value_f64(&v[5], 0) / 1e6,
            };
    }
    for (int c = 0; c < PERSONAL_CONTEXTS; c++)
        g->priors[c] = personal_prior_of(sums[c]);
}

/* One context's choices side by side; the bandit that they lead to. */
static enum err bandit_of(struct arena *arena, struct personal_ground *g,
                          enum personal_context context)
{
    size_t room = (size_t)g->row_count + 1;
    struct personal_choice *choices = arena_new(arena, struct personal_choice, room);
    int32_t *order = arena_new(arena, int32_t, room), n = 0;

    if (!choices || !order)
        return ERR_NOMEM;
    for (int32_t i = 0; i < g->row_count; i++)
        if (g->rows[i].context == context)
            choices[n++] = g->rows[i].choice;
    enum err e = personal_bandit(choices, n, order, &g->priors[context], &g->bandits[context]);
    g->bandits[context].frozen = !g->preferences.auto_adapt;
    return e == ERR_RANGE || e == ERR_CONFLICT ? ERR_IO : e; /* the database's checks forbid it */
}

enum err personal_ground_of(struct arena *arena, const struct query q[PERSONAL_QUERIES],
                            struct personal_ground *ret)
{
    if (q[0].rows.count == 0)
        return ERR_NOT_FOUND;
    const struct value *v = row_at(&q[0].rows, 0);
    *ret = (struct personal_ground){.learner_id = value_i64(&v[0], 0),
                                    .default_minutes = value_f64(&v[1], 50),
                                    .profiling = value_i64(&v[2], 0) != 0,
                                    .days = q[3].rows};
    personal_preferences_of(arena, v, &ret->preferences);
    configs_of(&q[1].rows, ret);
    priors_of(&q[4].rows, ret);
    enum err e = personal_rows_of(arena, &q[2].rows, &ret->rows, &ret->row_count);
    for (int c = 0; e == ERR_OK && c < PERSONAL_CONTEXTS; c++)
        e = bandit_of(arena, ret, (enum personal_context)c);
    return e;
}

static void day_add(struct personal_day *d, const struct value *v)
{
    d->reviews += value_i64(&v[1], 0);
    d->recalled += value_i64(&v[2], 0);
    d->answers += value_i64(&v[3], 0);
    d->correct += value_i64(&v[4], 0);
    d->sessions += value_i64(&v[5], 0);
    d->completed += value_i64(&v[6], 0);
    d->study_ms += value_i64(&v[7], 0);
}

/* The first row of that day or later. */
static int32_t first_row(const struct rows *days, int32_t day)
{
    int32_t low = 0, high = days->count;

    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (value_i64(row_at(days, middle), 0) < day)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct personal_day between(const struct rows *days, int32_t from, int32_t to)
{
    struct personal_day sum = {0};

    for (int32_t i = first_row(days, from); i < days->count && value_i64(row_at(days, i), 0) <= to;
         i++)
        day_add(&sum, row_at(days, i));
    return sum;
}

struct personal_day personal_day_at(const struct rows *days, int32_t day)
{
    return between(days, day, day);
}

struct personal_day personal_days_before(const struct rows *days, int32_t day)
{
    return between(days, day - PERSONAL_BASELINE_DAYS, day - 1);
}

bool personal_wanted(const struct personal_preferences *p, enum personal_context context)
{
    return p->level != PERSONAL_NONE && p->on[context] && !p->off[context];
}

/* ---- lots ---- */

struct personal_lot personal_draw(const struct personal_ground *g, struct str learner,
                                  enum personal_context context, int32_t day, double holdout)
{
    const struct personal_config *config = &g->configs[context];
    struct personal_lot lot = {.context = context};
    struct bandit b = g->bandits[context];
    double chances[BANDIT_ARMS_MAX];
    struct rng rng;

    lot.held_out =
        config->known ? config->held_out : bandit_held_out(learner, HOLDOUT_SALT, holdout);
    if (lot.held_out) {
        lot.variant = PERSONAL_CONSERVATIVE;
        lot.propensity = lot.control = 1;
        return lot;
    }
    bandit_propensities(&b, chances);
    rng_fork(&rng, XXH3_64bits_withSeed(learner.p, learner.n, (uint64_t)day),
             (uint64_t)context + 1);
    struct bandit_decision d = bandit_choose(&b, &rng);
    lot.variant = (enum personal_variant)d.arm;
    lot.propensity = d.propensity;
    lot.control = chances[PERSONAL_CONSERVATIVE];
    lot.learnable = d.learnable;
    return lot;
}

/* ---- rows ---- */

static enum err put(struct personal_writes *w, enum stmt stmt, const struct value *values,
                    int32_t cols)
{
    size_t bytes = (size_t)cols * sizeof *values;
    int32_t at = 0;

    while (at < w->count && w->bulks[at].stmt != stmt)
        at++;
    if (at == w->count) {
        ASSERT(w->count < PERSONAL_BULKS_MAX);
        w->bulks[w->count++] = (struct bulk){.stmt = stmt, .cols = cols};
    }
    struct bulk *b = &w->bulks[at];
    if ((b->rows & (b->rows - 1)) == 0) { /* 0, 1, 2, 4, ..: full */
        size_t room = b->rows > 0 ? 2 * (size_t)b->rows : 1;
        struct value *more = arena_new(w->arena, struct value, room * (size_t)cols);

        if (!more)
            return ERR_NOMEM;
        if (b->rows > 0)
            memcpy(more, w->values[at], (size_t)b->rows * bytes);
        b->v = w->values[at] = more;
    }
    memcpy(w->values[at] + (size_t)b->rows * (size_t)cols, values, bytes);
    b->rows++;
    return ERR_OK;
}

struct happened {
    const char *type, *reason;
    enum personal_context context;
    enum personal_variant variant;
    struct str id, old_value, new_value;
    double score; /* NaN: none */
};

static enum err put_event(struct personal_writes *w, const struct personal_ground *g,
                          int64_t now_us, const struct happened *h)
{
    const struct value v[] = {V_I(g->learner_id),
                              V_I(now_us),
                              V_S(h->id),
                              V_S(str_from(h->type)),
                              V_S(str_from(personal_context_names[h->context])),
                              V_S(str_from(personal_variant_names[h->variant])),
                              v_text(h->old_value),
                              v_text(h->new_value),
                              V_S(str_from(h->reason)),
                              v_real(h->score)};

    return h->id.p ? put(w, STMT_PERSONAL_EVENT_ADD, v, COUNT(v)) : ERR_NOMEM;
}

static struct str variant_json(struct arena *arena, enum personal_variant v)
{
    return arena_printf(arena, "{\"strategyVariant\":\"%s\"}", personal_variant_names[v]);
}

enum err personal_put_lot(struct personal_writes *w, const struct personal_ground *g,
                          const struct personal_lot *lot, int32_t day, int64_t now_us, bool asked)
{
    const struct personal_config *old = &g->configs[lot->context];
    const struct value id = V_I(g->learner_id);
    const struct value context = V_S(str_from(personal_context_names[lot->context]));
    const struct value variant = V_S(str_from(personal_variant_names[lot->variant]));
    const struct value choice[] = {id,
                                   V_I(day),
                                   context,
                                   variant,
                                   V_D(lot->propensity),
                                   V_D(lot->control),
                                   V_I(lot->learnable),
                                   V_S(asked ? STR("ASKED") : STR("NIGHT")),
                                   V_I(now_us)};
    const struct value config[] = {id, context, variant, V_I(lot->held_out), V_I(day), V_I(now_us)};
    enum err e = put(w, STMT_PERSONAL_CHOICE_ADD, choice, COUNT(choice));

    if (e == ERR_OK)
        e = put(w, STMT_PERSONAL_CONFIG_PUT, config, COUNT(config));
    if (e != ERR_OK || (old->known && old->active && old->variant == lot->variant))
        return e;
    struct str name = personal_choice_id(w->arena, day, lot->context);
    const struct happened h = {
        .type = "APPLIED",
        .reason = lot->held_out ? "The learner is held out for comparison."
                  : old->active ? "Another variant was drawn for the day."
                                : "Personalisation began.",
        .context = lot->context,
        .variant = lot->variant,
        .id = arena_printf(w->arena, STR_FMT "-applied-%lld", STR_ARG(name), (long long)now_us),
        .old_value = old->active ? variant_json(w->arena, old->variant) : (struct str){NULL, 0},
        .new_value = variant_json(w->arena, lot->variant),
        .score = NAN,
    };
    return put_event(w, g, now_us, &h);
}

static double mean_of(const struct bandit *b, enum personal_variant v)
{
    return b->arms[v].a / (b->arms[v].a + b->arms[v].b);
}

static struct str score_json(struct arena *arena, enum personal_variant v, double mean, int64_t n)
{
    return arena_printf(arena, "{\"strategyVariant\":\"%s\",\"meanReward\":%.4f,\"rewards\":%lld}",
                        personal_variant_names[v], mean, (long long)n);
}

enum err personal_put_reward(struct personal_writes *w, const struct personal_ground *g,
                             const struct personal_row *row, double reward, struct str outcome,
                             int64_t now_us)
{
    const struct value settle[] = {
        V_I(g->learner_id), V_I(row->day),   V_S(str_from(personal_context_names[row->context])),
        v_real(reward),     v_text(outcome), V_I(now_us)};
    enum personal_variant variant = row->choice.variant;
    struct bandit b = g->bandits[row->context];
    const struct bandit_decision d = {(int32_t)variant, row->choice.propensity,
                                      row->choice.learnable};
    double before = mean_of(&b, variant);
    enum err e = put(w, STMT_PERSONAL_SETTLE, settle, COUNT(settle));

    if (e != ERR_OK || isnan(reward) || !d.learnable)
        return e;
    b.frozen = false;
    if (bandit_reward(&b, &d, reward) != ERR_OK)
        return ERR_OK; /* settled meanwhile */
    int64_t n = b.arms[variant].rewards;
    struct str name = personal_choice_id(w->arena, row->day, row->context);
    const struct happened h = {
        .type = "EFFECTIVENESS_CHANGED",
        .reason = "An outcome was learnt from.",
        .context = row->context,
        .variant = variant,
        .id = arena_printf(w->arena, STR_FMT "-effectiveness", STR_ARG(name)),
        .old_value = score_json(w->arena, variant, before, n - 1),
        .new_value = score_json(w->arena, variant, mean_of(&b, variant), n),
        .score = 100 * mean_of(&b, variant),
    };
    return put_event(w, g, now_us, &h);
}

enum err personal_put_off(struct personal_writes *w, const struct personal_ground *g,
                          enum personal_context context, int64_t now_us, const char *reason)
{
    const struct personal_config *old = &g->configs[context];
    const struct value v[] = {V_I(g->learner_id), V_S(str_from(personal_context_names[context])),
                              V_I(now_us)};

    if (!old->active)
        return ERR_OK;
    enum err e = put(w, STMT_PERSONAL_CONFIG_OFF, v, COUNT(v));
    const struct happened h = {
        .type = "REMOVED",
        .reason = reason,
        .context = context,
        .variant = old->variant,
        .id = arena_printf(w->arena, "%s-removed-%lld", id_names[context], (long long)now_us),
        .old_value = variant_json(w->arena, old->variant),
        .score = NAN,
    };
    return e == ERR_OK ? put_event(w, g, now_us, &h) : e;
}

/* ---- the night ---- */

static enum err put_observed(struct personal_writes *w, const struct personal_ground *g,
                             const struct personal_row *row, const struct bandit_outcome *o,
                             int64_t now_us)
{
    struct str choice = personal_choice_id(w->arena, row->day, row->context);
    struct str id = arena_printf(w->arena, "observed-" STR_FMT, STR_ARG(choice));
    double reward = bandit_reward_of(o);
    const struct value v[] = {V_I(g->learner_id),
                              V_S(id),
                              V_I(now_us),
                              V_S(STR("SESSION_COMPLETED")),
                              V_S(str_from(personal_context_names[row->context])),
                              V_I(row->day),
                              V_I(1),
                              V_D(o->retention),
                              V_D(o->performance),
                              V_D(o->completion),
                              V_N,
                              V_N,
                              V_N,
                              V_N,
                              V_N,
                              V_D(reward),
                              V_I(now_us)};
    enum err e = id.p ? put(w, STMT_PERSONAL_OUTCOME_ADD, v, COUNT(v)) : ERR_NOMEM;

    return e == ERR_OK ? personal_put_reward(w, g, row, reward, id, now_us) : e;
}

/* Tells the choices of days that are over what came of them; the bandits hear of it at once. */
static enum err settle(struct night_work *w, struct personal_ground *g, struct personal_writes *out)
{
    bool changed = false;
    enum err e = ERR_OK;

    for (int32_t i = 0; e == ERR_OK && i < g->row_count; i++) {
        struct personal_row *row = &g->rows[i];
        struct bandit_outcome o;

        if (row->choice.settled_at != TIME_NONE || row->day >= w->today)
            continue;
        struct personal_day day = personal_day_at(&g->days, row->day);
        struct personal_day before = personal_days_before(&g->days, row->day);
        if (personal_outcome(&day, &before, &o)) {
            e = put_observed(out, g, row, &o, w->now_us);
            row->choice.reward = bandit_reward_of(&o);
        } else if (row->day < w->today - PERSONAL_WAIT_DAYS) {
            e = personal_put_reward(out, g, row, NAN, (struct str){NULL, 0}, w->now_us);
        } else {
            continue;
        }
        row->choice.settled_at = w->now_us;
        changed = true;
    }
    for (int c = 0; e == ERR_OK && changed && c < PERSONAL_CONTEXTS; c++)
        e = bandit_of(w->arena, g, (enum personal_context)c);
    return e;
}

static bool chosen_for(const struct personal_ground *g, int32_t day, enum personal_context context)
{
    for (int32_t i = g->row_count; i-- > 0 && g->rows[i].day >= day;)
        if (g->rows[i].day == day && g->rows[i].context == context)
            return true;
    return false;
}

/* Contexts that are in force get today's lot; those that the learner has switched off elsewhere do
 * not. Whether the data suffices is asked when the choice is used: it only grows. */
static enum err choose(struct night_work *w, struct personal_ground *g, struct personal_writes *out)
{
    enum err e = ERR_OK;

    if (!g->profiling || g->days.count == 0 ||
        value_i64(row_at(&g->days, g->days.count - 1), 0) < w->today - PERSONAL_IDLE_DAYS)
        return ERR_OK;
    for (int32_t i = 0; e == ERR_OK && i < PERSONAL_CONTEXTS; i++) {
        enum personal_context c = (enum personal_context)i;

        if (!g->configs[c].active || !personal_wanted(&g->preferences, c) ||
            chosen_for(g, w->today, c))
            continue;
        struct personal_lot lot = personal_draw(g, w->learner, c, w->today, 0);
        e = personal_put_lot(out, g, &lot, w->today, w->now_us, false);
    }
    return e;
}

/* The day on which personalisation first began; INT32_MAX: it has not. */
static int32_t began_on(const struct night_work *w, const struct personal_ground *g)
{
    int32_t day = INT32_MAX;

    for (int c = 0; c < PERSONAL_CONTEXTS; c++) {
        const struct personal_config *config = &g->configs[c];
        int32_t at = config->known ? civil_at(w->zone, config->activated_at).epoch_day : INT32_MAX;
        if (at < day)
            day = at;
    }
    return day;
}

/* Sums are written anew when they have changed, until the eight weeks are over. The day itself
 * counts among those after. */
static enum err keep_trial(const struct night_work *w, const struct personal_ground *g,
                           const struct rows *kept, struct personal_writes *out)
{
    const struct value *row = kept->count > 0 ? row_at(kept, 0) : NULL;
    int32_t began = row ? (int32_t)value_i64(&row[0], 0) : began_on(w, g);
    int32_t last = w->today - 1;
    bool held_out = false;

    if (began > last || last >= began + PERSONAL_TRIAL_DAYS)
        return ERR_OK;
    struct personal_day before = personal_days_before(&g->days, began);
    struct personal_day after = between(&g->days, began, last);
    int64_t graded = after.answers + after.reviews;
    if (row && graded == value_i64(&row[1], 0) && after.study_ms == value_i64(&row[2], 0))
        return ERR_OK;
    for (int c = 0; c < PERSONAL_CONTEXTS; c++)
        held_out |= g->configs[c].held_out;
    const struct value v[] = {V_I(g->learner_id),
                              V_I(began),
                              V_I(held_out),
                              V_I(before.answers + before.reviews),
                              V_I(before.correct + before.recalled),
                              V_I(before.study_ms),
                              V_I(graded),
                              V_I(after.correct + after.recalled),
                              V_I(after.study_ms)};
    return put(out, STMT_PERSONAL_TRIAL_PUT, v, COUNT(v));
}

enum err night_personalize(struct night_work *w)
{
    int32_t first = w->today - PERSONAL_CHOICES_DAYS - PERSONAL_BASELINE_DAYS;
    struct personal_writes out = {.arena = w->arena};
    const struct value id = V_I(w->learner_id);
    struct query q[PERSONAL_QUERIES + 1];
    struct personal_ground g;
    struct personal_args args;

    personal_queries(&args, w->learner, w->now_us, first, w->today, q);
    q[PERSONAL_QUERIES] =
        (struct query){.stmt = STMT_PERSONAL_TRIAL, .args = &id, .arg_count = 1, .rows_max = 1};
    enum err e = store_read(w->conn, w->arena, q, PERSONAL_QUERIES + 1, w->deadline_us);
    if (e == ERR_OK)
        e = personal_ground_of(w->arena, q, &g);
    if (e == ERR_OK)
        e = settle(w, &g, &out);
    if (e == ERR_OK)
        e = choose(w, &g, &out);
    if (e == ERR_OK)
        e = keep_trial(w, &g, &q[PERSONAL_QUERIES].rows, &out);
    for (int32_t i = 0; e == ERR_OK && i < out.count; i++)
        e = night_put(w, out.bulks[i].stmt, out.bulks[i].v, out.bulks[i].rows, out.bulks[i].cols);
    return e;
}

enum err night_personal_totals(struct night_work *w)
{
    const struct value args[] = {V_I(w->learner_id), V_I(w->today - PERSONAL_CHOICES_DAYS)};
    struct query q = {.stmt = STMT_PERSONAL_UNCOUNTED, .args = args, .arg_count = 2, .rows_max = 1};
    bool told = false;

    for (int32_t i = 0; i < w->bulk_count; i++)
        told |= w->bulks[i].stmt == STMT_PERSONAL_SETTLE;
    enum err e = told ? ERR_OK : store_read(w->conn, w->arena, &q, 1, w->deadline_us);
    if (e != ERR_OK || (!told && q.rows.count == 0))
        return e;
    struct value *key = arena_new(w->arena, struct value, COUNT(args));
    if (!key)
        return ERR_NOMEM;
    memcpy(key, args, sizeof args);
    e = night_put(w, STMT_PERSONAL_TOTALS_COUNT, key, 1, 2);
    if (e == ERR_OK)
        e = night_put(w, STMT_LEARNER_DROP_PERSONAL_COUNTED, key, 1, 1);
    return e == ERR_OK ? night_put(w, STMT_PERSONAL_COUNTED_PUT, key, 1, 2) : e;
}
