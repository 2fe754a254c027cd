#include "sim/world.h"

#include "base/assert.h"

const char *const sim_modalities[SIM_MODALITIES] = {"text", "video", "audio", "interactive"};
const char *const sim_effect_names[] = {"hour", "fatigue", "modality", "overload", "burnout", NULL};
const char *const sim_course_names[SIM_COURSES] = {"Anatomy", "Pharmacology"};

static const struct str zone_names[SIM_ZONES] = {
    STR("Europe/Berlin"),    STR("America/New_York"),
    STR("Europe/London"),    STR("America/Los_Angeles"),
    STR("Asia/Kolkata"),     STR("Asia/Tokyo"),
    STR("Australia/Sydney"), STR("America/Sao_Paulo"),
    STR("Africa/Nairobi"),   STR("UTC"),
};

/* Streams of the seed: one for the world, one for each learner. */
enum { STREAM_WORLD = 1, STREAM_LEARNERS = 1000 };

static int32_t between(struct rng *r, int32_t low, int32_t high) /* inclusive */
{
    return low + (int32_t)rng_below(r, (uint64_t)(high - low + 1));
}

static bool chance(struct rng *r, int32_t permille)
{
    return between(r, 0, 999) < permille;
}

static int32_t clamp(int32_t v, int32_t low, int32_t high)
{
    return v < low ? low : v > high ? high : v;
}

static int32_t normal_milli(struct rng *r, int32_t mean, int32_t sd)
{
    return mean + (int32_t)exact_round(exact_normal(r) * sd);
}

static void make_exams(struct sim_world *w)
{
    int32_t days = w->o.days;

    for (int32_t c = 0; c < SIM_COURSES; c++) {
        if (days >= 28)
            w->exams[w->exam_count++] = (struct sim_exam){c, days / 2 + 2 * c, false};
        if (days >= 14)
            w->exams[w->exam_count++] = (struct sim_exam){c, days - 4 + 2 * c, true};
    }
}

enum err sim_world_init(struct sim_world *w, const struct sim_options *o)
{
    struct rng rng;

    *w = (struct sim_world){.o = *o};
    for (int i = 0; i < SIM_ZONES; i++) {
        w->zones[i] = o->zone;
        if (!o->zone && zone_get(zone_names[i], &w->zones[i]) != ERR_OK)
            return ERR_NOT_FOUND;
    }
    rng_fork(&rng, o->seed, STREAM_WORLD);
    for (int32_t i = 0; i < SIM_ALL_OBJECTIVES; i++) {
        struct sim_objective *x = &w->objectives[i];
        int32_t place = i % SIM_COURSE_OBJECTIVES;

        if (place > 0 && chance(&rng, 600))
            x->prerequisites[x->prerequisite_count++] = i - 1;
        if (place > 2 && chance(&rng, 250))
            x->prerequisites[x->prerequisite_count++] = i - between(&rng, 2, place);
        for (int32_t k = 0; k < x->prerequisite_count; k++)
            x->strength_centi[k] = between(&rng, 40, 100);
    }
    for (int32_t i = 0; i < SIM_ALL_ITEMS; i++) {
        int32_t objective = i / SIM_ITEMS, course = objective / SIM_COURSE_OBJECTIVES;
        int32_t other =
            course * SIM_COURSE_OBJECTIVES + between(&rng, 0, SIM_COURSE_OBJECTIVES - 1);

        w->difficulty[i] = clamp(normal_milli(&rng, 0, 1000), -3000, 3000);
        w->second_skill[i] = chance(&rng, 200) && other != objective ? other : -1;
    }
    for (int32_t i = 0; i < SIM_ALL_CARDS; i++)
        w->card_ease[i] = clamp(normal_milli(&rng, 1000, 250), 400, 1800);
    make_exams(w);
    return ERR_OK;
}

/* What the estimates of the program are to find, or not to find. */
static void make_effects(struct sim_learner *l, const struct sim_world *w, struct rng *r)
{
    int32_t days = w->o.days;

    if (chance(r, 650))
        l->hour_effect = between(r, 300, 1000);
    if (chance(r, 750)) {
        l->fatigue_minute = between(r, 20, 60);
        l->fatigue_slope = between(r, 15, 50);
    }
    if (chance(r, 200)) {
        l->modality = between(r, 0, SIM_MODALITIES - 1);
        l->modality_effect = between(r, 400, 900);
    }
    for (int i = 0; i < SIM_EPISODES_MAX; i++) {
        int32_t first = between(r, 0, days - 1), length = between(r, 4, 10);
        const struct sim_episode *before = l->overload;

        if (!chance(r, 300) || days < 21 || first + length > days)
            continue;
        if (l->overload_count && first <= before->last_day + 3 &&
            first + length + 3 >= before->first_day)
            continue; /* two episodes stay apart */
        l->overload[l->overload_count++] = (struct sim_episode){first, first + length - 1};
    }
    if (chance(r, 120) && days >= 42)
        l->burnout_day = between(r, days / 5, days * 3 / 5);
}

/* Taken away after the making, so that all else of the learner is as it would have been. */
static void take_away(struct sim_learner *l, uint32_t without)
{
    if (without & 1u << SIM_HOUR)
        l->hour_effect = 0;
    if (without & 1u << SIM_FATIGUE)
        l->fatigue_minute = l->fatigue_slope = 0;
    if (without & 1u << SIM_MODALITY) {
        l->modality = -1;
        l->modality_effect = 0;
    }
    if (without & 1u << SIM_OVERLOAD)
        l->overload_count = 0;
    if (without & 1u << SIM_BURNOUT)
        l->burnout_day = -1;
}

void sim_learner_init(struct sim_learner *l, const struct sim_world *w, int32_t number,
                      struct rng *r)
{
    rng_fork(r, w->o.seed, STREAM_LEARNERS + (uint64_t)number);
    *l = (struct sim_learner){.number = number, .modality = -1, .burnout_day = -1};
    l->zone = w->zones[between(r, 0, SIM_ZONES - 1)];
    l->no_effect = chance(r, 200);
    l->ability = clamp(normal_milli(r, 300, 800), -2000, 2500);
    l->learning = between(r, 150, 600);
    int32_t type = between(r, 0, 99);

    l->chronotype = type < 30 ? "morning" : type < 65 ? "intermediate" : "evening";
    l->usual_hour = type < 30   ? between(r, 7, 10)
                    : type < 65 ? between(r, 12, 16)
                                : between(r, 18, 21);
    l->best_hour = clamp(l->usual_hour + between(r, -2, 2), 0, 23);
    l->session_minutes = between(r, 25, 70);
    int32_t zeal = between(r, 550, 950);

    for (int d = 0; d < 7; d++)
        l->study_permille[d] = clamp(zeal + between(r, -150, 100) - (d == 6 ? 150 : 0), 100, 980);
    l->latency_milli = clamp(normal_milli(r, 9200, 250), 8300, 10200); /* about 10 s */
    l->load = between(r, 25, 50);
    l->stability_milli = clamp(normal_milli(r, 1000, 300), 300, 2000);
    l->stability_growth = between(r, 700, 1800);
    l->completes_permille = between(r, 800, 980);
    if (!l->no_effect)
        make_effects(l, w, r);
    take_away(l, w->o.without);
}

int32_t sim_hour_effect(const struct sim_learner *l, int32_t hour)
{
    return (int32_t)exact_round(l->hour_effect * exact_cos_turn((hour - l->best_hour) / 24.0));
}

int32_t sim_fatigue(const struct sim_learner *l, int32_t minute)
{
    if (!l->fatigue_minute || minute <= l->fatigue_minute)
        return 0;
    return -clamp((minute - l->fatigue_minute) * l->fatigue_slope, 0, 2500);
}

bool sim_overloaded(const struct sim_learner *l, int32_t day)
{
    for (int32_t i = 0; i < l->overload_count; i++)
        if (day >= l->overload[i].first_day && day <= l->overload[i].last_day)
            return true;
    return false;
}

int32_t sim_burnout(const struct sim_world *w, const struct sim_learner *l, int32_t day)
{
    if (l->burnout_day < 0 || day < l->burnout_day)
        return 0;
    return (day - l->burnout_day) * 1000 / (w->o.days - l->burnout_day);
}
