#include "night/struggle.h"

#include "base/hash.h"
#include "night/weights.h"

enum { WORDS = (1 << STRUGGLE_BITS) / 64 };
enum { IDLE_DAYS = 30 }; /* who has not answered for so long gets forecasts on demand only */

static uint64_t id_of(struct str s, uint64_t family)
{
    uint64_t h = hash_stable(s.p, s.n) ^ family;
    return h ? h : 1;
}

uint64_t struggle_item_id(struct str item)
{
    return id_of(item, 0);
}

uint64_t struggle_objective_id(struct str objective)
{
    return id_of(objective, UINT64_C(0x6f626a6563746976));
}

struct str struggle_prediction_id(struct arena *arena, int32_t day, struct str objective)
{
    return arena_printf(arena, "%d-%016llx", (int)day,
                        (unsigned long long)struggle_objective_id(objective));
}

bool struggle_prediction_parse(struct str name, int32_t *ret_day, uint64_t *ret_objective)
{
    enum { HEX = 16, DAY_MAX = 7 };
    size_t days = name.n - HEX - 1;
    int64_t day = 0;
    uint64_t id = 0;

    if (name.n <= HEX + 1 || days > DAY_MAX || name.p[days] != '-')
        return false;
    for (size_t i = 0; i < days; i++) {
        if (name.p[i] < '0' || name.p[i] > '9')
            return false;
        day = day * 10 + (name.p[i] - '0');
    }
    for (size_t i = days + 1; i < name.n; i++) {
        char c = name.p[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            return false;
        id = id << 4 | (uint64_t)digit;
    }
    *ret_day = (int32_t)day;
    *ret_objective = id;
    return true;
}

/* Which of the features' slots are not loaded yet: a bit each; from here on they count as loaded.
 */
static enum err find_missing(struct struggle_run *run, const struct struggle_features *f,
                             int32_t count, uint64_t *missing, size_t *ret_n)
{
    *ret_n = 0;
    for (int32_t i = 0; i < count; i++)
        for (int32_t k = 0; k < f[i].n; k++) {
            uint32_t slot = f[i].slot[k];
            uint64_t *word = &run->loaded[slot / 64], bit = UINT64_C(1) << slot % 64;

            if (*word & bit)
                continue;
            if (struggle_slot_claim(run->model, slot) != ERR_OK)
                return ERR_NOMEM;
            *word |= bit;
            missing[slot / 64] |= bit;
            ++*ret_n;
        }
    return ERR_OK;
}

enum err struggle_load(struct struggle_run *run, const struct struggle_features *f, int32_t count,
                       uint32_t **ret_slots, int32_t *ret_count)
{
    uint64_t *missing = arena_new(run->w->arena, uint64_t, WORDS);
    size_t n, distinct = 0;

    if (!missing || find_missing(run, f, count, missing, &n) != ERR_OK)
        return ERR_NOMEM;
    uint32_t *slots = arena_new(run->w->arena, uint32_t, n + 1);
    if (!slots)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < WORDS; i++)
        for (uint64_t left = missing[i]; left; left &= left - 1)
            slots[distinct++] = 64 * i + (uint32_t)__builtin_ctzll(left);
    *ret_slots = slots;
    *ret_count = (int32_t)distinct;
    enum err e = weights_catch_up(run->weights, run->w->conn, run->learnt);
    return e == ERR_OK ? weights_load(run->weights, slots, *ret_count, run->model) : e;
}

enum err night_struggle(struct night_work *w)
{
    struct struggle_run run = {.w = w, .weights = w->weights, .outlook = outlook_initial};
    struct weights *own = NULL;
    enum err e = mind_new(&run.mind);

    strmap_init(&run.made, w->arena);
    run.loaded = arena_new(w->arena, uint64_t, WORDS);
    if (e == ERR_OK && !run.loaded)
        e = ERR_NOMEM;
    if (e == ERR_OK && !run.weights) {
        e = weights_new(STRUGGLE_BITS, &own);
        run.weights = own;
    }
    if (e == ERR_OK)
        e = struggle_model_sparse_new(STRUGGLE_BITS, STRUGGLE_FULL, &run.model);
    if (e == ERR_OK)
        e = struggle_catch_up(&run);
    if (e == ERR_OK && !w->more && (w->asked || run.at >= w->now_us - IDLE_DAYS * US_PER_DAY))
        e = struggle_look_ahead(&run);
    struggle_model_free(run.model);
    mind_free(run.mind);
    weights_free(own);
    return e;
}
