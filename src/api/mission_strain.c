#include "api/mission_strain.h"

#include <math.h>

void mission_strain_queries(struct api_call *c, struct mission_strain_args *a,
                            struct query q[MISSION_STRAIN_QUERIES])
{
    burnout_queries(c, &a->burnout, q);
    load_now_queries(c, &a->load, q + BURNOUT_QUERIES);
    a->rest[0] = V_S(c->learner);
    q[MISSION_STRAIN_QUERIES - 1] =
        (struct query){.stmt = STMT_RELIEF_REST, .args = a->rest, .arg_count = 1, .rows_max = 1};
}

enum err mission_strain_read(struct api_call *c, const struct query q[MISSION_STRAIN_QUERIES],
                             const struct learner *l, struct mission_strain *ret)
{
    struct columns rest = columns_of(&q[MISSION_STRAIN_QUERIES - 1].rows, 0);
    struct burnout_result burnout;
    struct load_now load;

    *ret = (struct mission_strain){
        .zone = l->zone, .today = l->today, .load = NAN, .rest_until = TIME_NONE};
    if (!l->analysis)
        return ERR_OK;
    ret->rest_until = column_time(&rest);
    enum err e = burnout_read(c, q, l, &burnout);
    if (e == ERR_OK)
        e = load_now_read(c, q + BURNOUT_QUERIES, l, &load);
    if (e != ERR_OK)
        return e;
    if (burnout.sufficient)
        ret->burnout = burnout.level;
    if (load.age_s >= 0 && load.age_s <= LOAD_HOLDS_S)
        ret->load = load.score;
    return ERR_OK;
}

enum err mission_strain_limits(struct api_call *c, const struct mission_strain *s, int32_t day,
                               int32_t asked, struct plan_day *ret, struct list *ret_texts)
{
    struct str *texts = arena_new(c->arena, struct str, MISSION_LIMITS_MAX);
    int32_t ahead = day - s->today, n = 0;
    bool rest = s->rest_until != TIME_NONE && civil_day_start(s->zone, day) < s->rest_until;
    double load = ahead == 0 ? s->load : NAN;
    enum burnout_level burnout = ahead < plan_recovery_days(s->burnout) ? s->burnout : BURNOUT_LOW;

    if (!texts)
        return ERR_NOMEM;
    plan_day_of(load, burnout, rest, asked, ret);
    if (rest)
        texts[n++] = arena_printf(c->arena,
                                  "Days of rest were agreed on: reviews alone, %d minutes "
                                  "at most.",
                                  PLAN_RECOVERY_MINUTES);
    if (burnout >= BURNOUT_HIGH)
        texts[n++] =
            arena_printf(c->arena, "Burnout risk is %s: reviews alone, %d minutes at most.",
                         burnout_level_names[burnout], PLAN_RECOVERY_MINUTES);
    else if (burnout > BURNOUT_LOW)
        texts[n++] = STR("Burnout risk is MEDIUM: less time, and nothing advanced.");
    if (plan_load_level(load) == PLAN_HIGH)
        texts[n++] = arena_printf(
            c->arena, "Load is at %.0f: less time, nothing new, nothing advanced.", load);
    for (int32_t i = 0; i < n; i++)
        if (!texts[i].p)
            return ERR_NOMEM;
    *ret_texts = (struct list){texts, n};
    return ERR_OK;
}
