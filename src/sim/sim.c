#include "sim/sim.h"

#include "base/assert.h"
#include "sim/life.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* clang-format off */
const struct args_option sim_options[] = {
    {"learners", "N", "How many learners (default 30)."},
    {"days", "D", "How many days (default 60)."},
    {"seed", "S", "The seed: the same options with the same seed give the same bytes (default 1)."},
    {"out", "FILE", "Where the events go, one JSON object a line (default -: standard output)."},
    {"truth", "FILE", "Where what is true of each learner goes, as JSON."},
    {"catalog", "FILE", "Where courses, objectives, items and the learners' zones go, for doppel import catalog."},
    {"start", "DATE", "The first day (default 2025-01-06)."},
    {"zone", "NAME", "All learners' IANA zone (default: several)."},
    {"learner-prefix", "TEXT", "What the learners' ids begin with (default sim-)."},
    {"without", "EFFECTS", "What nobody has, by commas: hour, fatigue, modality, overload, burnout."},
    {NULL, NULL, NULL},
};
/* clang-format on */

struct files {
    FILE *out, *truth, *catalog;
};

static enum err bad(char *detail, const char *option, const char *value, const char *should)
{
    snprintf(detail, ARGS_DETAIL_MAX, "--%s \"%.64s\": %s", option, value, should);
    return ERR_RANGE;
}

static enum err read_number(const struct args *args, const char *name, int64_t max, int32_t *ret,
                            char *detail)
{
    const char *text = args_get(sim_options, args, name);
    int64_t n;

    if (!text)
        return ERR_OK;
    if (str_to_i64(str_from(text), &n) != ERR_OK || n < 1 || n > max) {
        char should[64];

        snprintf(should, sizeof should, "a number from 1 to %" PRId64, max);
        return bad(detail, name, text, should);
    }
    *ret = (int32_t)n;
    return ERR_OK;
}

static bool plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return utf8_valid(s) && s.n <= 64;
}

static enum err read_without(const char *text, uint32_t *ret, char *detail)
{
    struct str rest = str_from(text);

    while (rest.p) {
        struct str name = str_cut(&rest, ',');
        int32_t i = 0;

        while (sim_effect_names[i] && !str_eq(name, str_from(sim_effect_names[i])))
            i++;
        if (!sim_effect_names[i])
            return bad(detail, "without", text, "of hour, fatigue, modality, overload, burnout");
        *ret |= 1u << i;
    }
    return ERR_OK;
}

static enum err read_options(const struct args *args, struct sim_options *o, char *detail)
{
    const char *seed = args_get(sim_options, args, "seed");
    const char *start = args_get(sim_options, args, "start");
    const char *zone = args_get(sim_options, args, "zone");
    const char *prefix = args_get(sim_options, args, "learner-prefix");
    const char *without = args_get(sim_options, args, "without");
    enum err e = read_number(args, "learners", SIM_LEARNERS_MAX, &o->learners, detail);

    if (e == ERR_OK)
        e = read_number(args, "days", SIM_DAYS_MAX, &o->days, detail);
    if (e != ERR_OK)
        return e;
    if (seed) {
        int64_t n;

        if (str_to_i64(str_from(seed), &n) != ERR_OK || n < 0)
            return bad(detail, "seed", seed, "a whole number from 0");
        o->seed = (uint64_t)n;
    }
    if (start &&
        (date_parse(str_from(start), &o->start_day) != ERR_OK ||
         o->start_day < TIME_MIN / US_PER_DAY || o->start_day + o->days > TIME_MAX / US_PER_DAY))
        return bad(detail, "start", start, "YYYY-MM-DD, from 1990 to 2099");
    if (zone && zone_get(str_from(zone), &o->zone) != ERR_OK)
        return bad(detail, "zone", zone, "no such IANA zone here");
    if (prefix) {
        o->learner_prefix = str_from(prefix);
        if (!plain(o->learner_prefix))
            return bad(detail, "learner-prefix", prefix, "at most 64 bytes, no quotes");
    }
    if (without && (e = read_without(without, &o->without, detail)) != ERR_OK)
        return e;
    if (args->operand_count)
        return bad(detail, "out", args->operands[0],
                   "files are given by --out, --truth, --catalog");
    return ERR_OK;
}

static enum err open_file(const char *path, FILE **ret, char *detail)
{
    if (!path)
        return ERR_OK;
    *ret = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (*ret)
        return ERR_OK;
    snprintf(detail, ARGS_DETAIL_MAX, "%.200s: %s", path, strerror(errno));
    return ERR_IO;
}

static enum err close_file(FILE *f, enum err e)
{
    if (!f)
        return e;
    bool failed = fflush(f) != 0 || ferror(f);

    if (f != stdout)
        failed |= fclose(f) != 0;
    return e == ERR_OK && failed ? ERR_IO : e;
}

static enum err simulate(const struct sim_world *w, const struct files *files)
{
    struct sim_tally *tally = malloc(sizeof *tally);
    struct sim_out out;
    struct buf scratch;
    enum err e = tally ? ERR_OK : ERR_NOMEM;

    sim_out_init(&out, files->out, w);
    buf_init(&scratch, 1024);
    if (files->catalog)
        sim_catalog(files->catalog, w);
    if (files->truth)
        sim_truth_begin(files->truth, w);
    for (int32_t i = 0; i < w->o.learners && e == ERR_OK; i++) {
        struct sim_learner learner;
        struct rng rng;

        sim_learner_init(&learner, w, i, &rng);
        if (files->catalog)
            sim_catalog_learner(files->catalog, w, &learner, &scratch);
        e = sim_live(w, &learner, &rng, &out, tally);
        if (e == ERR_OK && files->truth)
            sim_truth_learner(files->truth, w, &learner, tally, &scratch);
    }
    if (e == ERR_OK)
        e = sim_out_flush(&out);
    if (files->truth)
        sim_truth_end(files->truth, out.events);
    buf_fini(&scratch);
    sim_out_fini(&out);
    free(tally);
    return e;
}

enum err sim_run(const struct args *args, char *ret_detail)
{
    struct sim_options o = {.learners = 30,
                            .days = 60,
                            .seed = 1,
                            .start_day = civil_epoch_day(2025, 1, 6),
                            .learner_prefix = STR("sim-")};
    struct files files = {0};
    struct sim_world *w = NULL;
    const char *path = args_get(sim_options, args, "out");

    *ret_detail = 0;
    enum err e = read_options(args, &o, ret_detail);

    if (e != ERR_OK)
        return e;
    w = malloc(sizeof *w);
    e = w ? sim_world_init(w, &o) : ERR_NOMEM;
    if (e == ERR_NOT_FOUND)
        snprintf(ret_detail, ARGS_DETAIL_MAX,
                 "this machine has no time zone rules (package tzdata)");
    if (e == ERR_OK)
        e = open_file(path ? path : "-", &files.out, ret_detail);
    if (e == ERR_OK)
        e = open_file(args_get(sim_options, args, "truth"), &files.truth, ret_detail);
    if (e == ERR_OK)
        e = open_file(args_get(sim_options, args, "catalog"), &files.catalog, ret_detail);
    if (e == ERR_OK)
        e = simulate(w, &files);
    e = close_file(files.catalog, close_file(files.truth, close_file(files.out, e)));
    free(w);
    if (e != ERR_OK && !*ret_detail)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "writing: %s", err_text(e));
    return e == ERR_NOT_FOUND ? ERR_IO : e;
}
