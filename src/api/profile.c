#include "api/profile.h"

#include "api/learner.h"
#include "twin/memory_fit.h"
#include "twin/study.h"

#include <math.h>

enum { MODALITIES_MAX = 100, PRINTED_MAX = 256 * 1024 };

struct study_slot {
    int32_t day, start_hour, end_hour;
    double effectiveness;
    const struct interval *interval;
    int64_t n;
};
static const struct field study_slot_fields[] = {
    FIELD(F_I32, struct study_slot, day, "dayOfWeek", .min = 0, .max = 6, .doc = "0 = Sunday"),
    FIELD(F_I32, struct study_slot, start_hour, "startHour", .min = 0, .max = 23,
          .doc = "first local hour"),
    FIELD(F_I32, struct study_slot, end_hour, "endHour", .min = 1, .max = 24,
          .doc = "hour at which it ends"),
    FIELD(F_F64, struct study_slot, effectiveness, "effectiveness", .min = 0, .max = 1,
          .doc = "share right there, pooled towards the learner's mean"),
    FIELD(F_OBJECT, struct study_slot, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 % interval of the effectiveness"),
    FIELD(F_I64, struct study_slot, n, "n", .doc = "answers and reviews behind it"),
    FIELD_END,
};

struct modality {
    struct str name;
    double share, minutes, success;
    const struct interval *interval;
    int64_t n;
};
static const struct field modality_fields[] = {
    FIELD(F_STR, struct modality, name, "modality", .doc = "such as text, video, quiz"),
    FIELD(F_F64, struct modality, share, "share", .min = 0, .max = 1,
          .doc = "share of the time that names a modality: what is used, not what helps"),
    FIELD(F_F64, struct modality, minutes, "minutes", .doc = "time studied"),
    FIELD(F_F64, struct modality, success, "successRate", .flags = FIELD_NULLABLE,
          .doc = "share of right answers and successful reviews; null without any"),
    FIELD(F_OBJECT, struct modality, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "its 95 % Wilson interval"),
    FIELD(F_I64, struct modality, n, "n", .doc = "answers and reviews"),
    FIELD_END,
};

/* A number with what it rests on. */
struct estimate {
    double value;
    const struct interval *interval;
    int64_t n;
    struct str method, reason;
    const struct needed *needed;
};
static const struct field estimate_fields[] = {
    FIELD(F_F64, struct estimate, value, "value", .flags = FIELD_NULLABLE,
          .doc = "the estimate; null: see the reason"),
    FIELD(F_OBJECT, struct estimate, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 % interval of what the method compares"),
    FIELD(F_I64, struct estimate, n, "n", .doc = "observations behind it"),
    FIELD(F_STR, struct estimate, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct estimate, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no value"),
    FIELD(F_OBJECT, struct estimate, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

/* What older clients read. */
struct curve {
    double initial, decay, half_life;
    int64_t fitted_at;
};
static const struct field curve_fields[] = {
    FIELD(F_F64, struct curve, initial, "initialRetention", .min = 0.5, .max = 1,
          .doc = "recall on the day of a review, by the exponential curve"),
    FIELD(F_F64, struct curve, decay, "decayRate", .doc = "a day"),
    FIELD(F_F64, struct curve, half_life, "stabilityFactor",
          .doc = "half-life in days: ln 2 / decayRate"),
    FIELD(F_TIME, struct curve, fitted_at, "fittedAt", .doc = "when it was worked out"),
    FIELD_END,
};

struct estimates {
    struct estimate average, optimal, times, curve, style;
};
#define ESTIMATE(member, name_, doc_)                                        \
    FIELD(F_OBJECT, struct estimates, member, name_, .sub = estimate_fields, \
          .size = sizeof(struct estimate), .doc = doc_)
static const struct field estimates_fields[] = {
    ESTIMATE(average, "averageSessionDuration", "minutes; interval of the mean"),
    ESTIMATE(optimal, "optimalSessionDuration",
             "minutes; interval of what the method names: minutes, or the success at that length"),
    ESTIMATE(times, "preferredStudyTimes", "how many hours were compared; see the list"),
    ESTIMATE(curve, "personalizedForgettingCurve", "half-life in days"),
    ESTIMATE(style, "learningStyleProfile", "never estimated"),
    FIELD_END,
};

struct profile {
    struct list times, preferences, modalities;
    double average, optimal, quality;
    struct str style; /* always null; see the estimates */
    const struct curve *curve;
    int64_t analyzed_at;
    struct str quality_formula;
    struct estimates estimates;
};
static const struct field profile_fields[] = {
    FIELD(F_LIST, struct profile, times, "preferredStudyTimes", .sub = study_slot_fields,
          .size = sizeof(struct study_slot),
          .doc = "hours that are clearly better than the learner's mean; often none"),
    FIELD(F_F64, struct profile, average, "averageSessionDuration", .flags = FIELD_NULLABLE,
          .doc = "minutes"),
    FIELD(F_F64, struct profile, optimal, "optimalSessionDuration", .flags = FIELD_NULLABLE,
          .doc = "minutes until results fall, or of the length with clearly more success"),
    FIELD(F_MAP, struct profile, preferences, "contentPreferences", .item = F_F64,
          .doc = "share of the time by modality; adds up to 1"),
    FIELD(F_LIST, struct profile, modalities, "modalities", .sub = modality_fields,
          .size = sizeof(struct modality), .doc = "use and success by modality"),
    FIELD(F_JSON, struct profile, style, "learningStyleProfile", .flags = FIELD_NULLABLE,
          .doc = "null: see estimates.learningStyleProfile.reason"),
    FIELD(F_OBJECT, struct profile, curve, "personalizedForgettingCurve",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = curve_fields,
          .size = sizeof(struct curve),
          .doc = "an exponential in place of FSRS's curve, mean of the learner's cards; null: see "
                 "estimates.personalizedForgettingCurve.reason"),
    FIELD(F_TIME, struct profile, analyzed_at, "lastAnalyzedAt",
          .doc = "the profile is made anew by every call"),
    FIELD(F_F64, struct profile, quality, "dataQualityScore", .min = 0, .max = 1,
          .doc = "see dataQualityFormula"),
    FIELD(F_STR, struct profile, quality_formula, "dataQualityFormula",
          .doc = "how the data quality is computed"),
    FIELD(F_OBJECT, struct profile, estimates, "estimates", .sub = estimates_fields,
          .size = sizeof(struct estimates), .doc = "certainty, method and gaps of each estimate"),
    FIELD_END,
};

struct requirements {
    int64_t weeks_needed, sessions_needed, reviews_needed;
    int64_t weeks, sessions, reviews;
};
static const struct field requirements_fields[] = {
    FIELD(F_I64, struct requirements, weeks_needed, "weeksNeeded", .doc = "weeks still missing"),
    FIELD(F_I64, struct requirements, sessions_needed, "sessionsNeeded",
          .doc = "sessions still missing"),
    FIELD(F_I64, struct requirements, reviews_needed, "reviewsNeeded",
          .doc = "answers and reviews still missing"),
    FIELD(F_I64, struct requirements, weeks, "currentWeeks",
          .doc = "whole weeks since the first event"),
    FIELD(F_I64, struct requirements, sessions, "currentSessions", .doc = "sessions so far"),
    FIELD(F_I64, struct requirements, reviews, "currentReviews",
          .doc = "answers and reviews so far"),
    FIELD_END,
};

struct learning_profile {
    const struct profile *profile;
    bool insufficient;
    struct str reason;
    struct requirements requirements;
};
const struct field learning_profile_fields[] = {
    FIELD(F_OBJECT, struct learning_profile, profile, "profile",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = profile_fields,
          .size = sizeof(struct profile), .doc = "null where the learner does not allow analysis"),
    FIELD(F_BOOL, struct learning_profile, insufficient, "insufficientData",
          .doc = "is there less than six weeks, 20 sessions and 50 graded items?"),
    FIELD(F_STR, struct learning_profile, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no profile"),
    FIELD(F_OBJECT, struct learning_profile, requirements, "dataRequirements",
          .sub = requirements_fields, .size = sizeof(struct requirements),
          .doc = "what there is and what is missing"),
    FIELD_END,
};

static enum err fill_times(struct api_call *c, const struct rows *hours, struct profile *p)
{
    struct share cells[STUDY_SLOTS] = {{0, 0}};
    int64_t sessions[STUDY_SLOTS] = {0};
    struct study_window found[STUDY_WINDOWS_MAX];
    struct study_surface surface;
    int32_t compared = 0;

    for (int32_t i = 0; i < hours->count; i++) {
        struct columns v = columns_of(hours, i);
        int64_t slot = column_i64(&v, 0);
        column_i64(&v, 0); /* study_ms */
        sessions[slot] = column_i64(&v, 0);
        cells[slot].n = (double)column_i64(&v, 0);
        cells[slot].k = (double)column_i64(&v, 0);
        compared += cells[slot].n >= STUDY_CELL_NEEDED;
    }
    study_surface(cells, &surface);
    int32_t n = study_windows(cells, sessions, &surface, found);
    struct study_slot *slots = arena_new(c->arena, struct study_slot, STUDY_WINDOWS_MAX);
    if (!slots)
        return ERR_NOMEM;
    for (int32_t i = 0; i < n; i++)
        slots[i] = (struct study_slot){
            .day = found[i].day,
            .start_hour = found[i].start_hour,
            .end_hour = found[i].end_hour + 1,
            .effectiveness = round_to(found[i].rate, 4),
            .interval = interval_new(c->arena, found[i].interval),
            .n = found[i].n,
        };
    p->times = (struct list){slots, n};
    p->estimates.times = (struct estimate){
        .value = compared > 0 ? compared : (double)NAN,
        .n = (int64_t)surface.pool.n,
        .method = STR("success by hour of the week, partially pooled; interval above the mean"),
        .reason = n > 0          ? (struct str){NULL, 0}
                  : compared < 2 ? STR("Too few hours have ten graded answers.")
                                 : STR("No hour is clearly better than the learner's mean."),
    };
    return ERR_OK;
}

void study_lengths_read(const struct rows *rows, struct study_length ret[STUDY_LENGTHS])
{
    memset(ret, 0, STUDY_LENGTHS * sizeof *ret);
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct study_length *b = &ret[column_i64(&v, 0)];
        b->sessions = column_i64(&v, 0);
        column_i64(&v, 0); /* completed */
        b->study_ms = column_i64(&v, 0);
        b->graded = column_i64(&v, 0);
        b->succeeded = column_i64(&v, 0);
    }
}

static void fill_lengths(struct api_call *c, const struct rows *rows, struct profile *p)
{
    struct study_length buckets[STUDY_LENGTHS];

    study_lengths_read(rows, buckets);
    struct mean_estimate mean = study_length_mean(buckets);
    p->average = round_to(mean.mean, 1);
    p->estimates.average = (struct estimate){
        .value = p->average,
        .interval = interval_new(c->arena, mean.interval),
        .n = mean.n,
        .method = STR("mean of all session lengths, Student's t interval"),
        .reason = mean.n > 0 ? (struct str){NULL, 0} : STR("There is no session yet."),
    };
    struct study_length_choice best = study_length_best(buckets);
    p->optimal = round_to(best.minutes, 0);
    p->estimates.optimal = (struct estimate){
        .value = p->optimal,
        .interval = interval_new(c->arena, best.interval),
        .n = best.n,
        .method = STR("success by session length, partially pooled; interval above the mean"),
        .reason = best.bucket >= 0                 ? (struct str){NULL, 0}
                  : best.n < 2 * STUDY_CELL_NEEDED ? STR("Too few graded answers in sessions.")
                                                   : STR("No session length is clearly better than "
                                                         "the mean."),
    };
    struct needed needed = NEEDED_NONE;
    needed.graded = 2 * STUDY_CELL_NEEDED - best.n;
    if (best.bucket < 0 && needed.graded > 0)
        p->estimates.optimal.needed = needed_new(c->arena, needed);
}

/* Where the night found after how long results fall, that decides: lengths with more success would
 * be those that end before it. */
static void fill_fatigue(struct api_call *c, const struct rows *rows, struct profile *p)
{
    enum { ONSET = 13, LOW, HIGH, P, N };
    const struct value *v = rows->count > 0 ? row_at(rows, 0) : NULL;
    double onset = v ? value_f64(&v[ONSET], NAN) : (double)NAN;

    if (isnan(onset))
        return;
    p->optimal = round_to(onset, 0);
    p->estimates.optimal = (struct estimate){
        .value = p->optimal,
        .interval = interval_new(
            c->arena, (struct interval){value_f64(&v[LOW], NAN), value_f64(&v[HIGH], NAN)}),
        .n = value_i64(&v[N], 0),
        .method = STR("minutes until results fall; interval of these"),
    };
}

static enum err fill_modalities(struct api_call *c, const struct rows *rows, struct profile *p)
{
    size_t n = (size_t)rows->count;
    struct modality *m = arena_new(c->arena, struct modality, n);
    struct map_entry *shares = arena_new(c->arena, struct map_entry, n);
    double total = 0;

    if (n > 0 && (!m || !shares))
        return ERR_NOMEM;
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        m[i].name = column_str(&v);
        column_str(&v);
        column_str(&v);
        double ms = (double)column_i64(&v, 0);
        column_i64(&v, 0); /* sessions */
        m[i].n = column_i64(&v, 0);
        double k = (double)column_i64(&v, 0);
        m[i].success = m[i].n > 0 ? k / (double)m[i].n : (double)NAN;
        if (m[i].n > 0)
            m[i].interval = interval_new(c->arena, stats_wilson(k, (double)m[i].n, STATS_Z95));
        m[i].minutes = round_to(ms / 60000, 1);
        m[i].share = ms;
        total += ms;
    }
    int32_t used = 0;
    for (int32_t i = 0; i < rows->count; i++) {
        m[i].share = total > 0 ? m[i].share / total : 0;
        if (m[i].share > 0)
            shares[used++] = (struct map_entry){m[i].name, &m[i].share};
    }
    p->modalities = (struct list){m, rows->count};
    p->preferences = (struct list){shares, used};
    return ERR_OK;
}

static enum err fill_curve(struct api_call *c, const struct rows *rows, int64_t reviews,
                           struct profile *p)
{
    struct needed needed = NEEDED_NONE;

    p->estimates.curve = (struct estimate){
        .value = NAN,
        .method =
            STR("FSRS-6 fitted to the learner at each decay that it may have, averaged; least "
                "squares through its cards' mean recall"),
    };
    if (rows->count == 0) {
        needed.graded = MEMORY_FIT_JUDGED_MIN - reviews;
        p->estimates.curve.reason =
            needed.graded > 0
                ? STR("Too few cards were reviewed.")
                : STR("It is worked out at night, from cards that were reviewed again "
                      "a day or more after their last review.");
        if (needed.graded > 0)
            p->estimates.curve.needed = needed_new(c->arena, needed);
        return ERR_OK;
    }
    struct columns v = columns_of(rows, 0);
    struct curve *curve = arena_new(c->arena, struct curve, 1);
    if (!curve)
        return ERR_NOMEM;
    curve->fitted_at = column_i64(&v, 0);
    p->estimates.curve.n = column_i64(&v, 0);
    column_f64(&v); /* losses */
    column_f64(&v);
    curve->initial = round_to(column_f64(&v), 4);
    double decay = column_f64(&v);
    curve->decay = round_to(decay, 6);
    curve->half_life = round_to(log(2) / decay, 2);
    column_i64(&v, 0); /* cards */
    double low = column_f64(&v), high = column_f64(&v);
    p->estimates.curve.interval =
        interval_new(c->arena, (struct interval){log(2) / high, log(2) / low});
    p->estimates.curve.value = curve->half_life;
    p->curve = curve;
    return ERR_OK;
}

static enum err fill_profile(struct api_call *c, const struct query *q, double quality,
                             const struct learner *l, struct learning_profile *r)
{
    struct profile *p = arena_new(c->arena, struct profile, 1);

    if (!p)
        return ERR_NOMEM;
    p->analyzed_at = c->now_us;
    p->quality = round_to(quality, 4);
    p->quality_formula = STR("mean of min(1, weeks/6), min(1, sessions/50), min(1, graded/200)");
    p->estimates.style = (struct estimate){
        .value = NAN,
        .method = STR("none"),
        .reason = STR("Teaching by style has not been shown to help; see success by modality."),
    };
    r->profile = p;
    enum err e = fill_times(c, &q[1].rows, p);
    if (e != ERR_OK)
        return e;
    fill_lengths(c, &q[2].rows, p);
    fill_fatigue(c, &q[5].rows, p);
    e = fill_curve(c, &q[4].rows, learner_totals(l)->reviews, p);
    if (e != ERR_OK)
        return e;
    return fill_modalities(c, &q[3].rows, p);
}

enum err get_learning_profile(struct api_call *c)
{
    const struct value args[] = {V_S(c->learner), V_I(MODALITIES_MAX)};
    struct query q[6] = {
        [1] = {.stmt = STMT_STUDY_HOURS, .args = args, .arg_count = 1},
        [2] = {.stmt = STMT_STUDY_LENGTHS, .args = args, .arg_count = 1},
        [3] = {.stmt = STMT_TOPIC_MODALITIES, .args = args, .arg_count = 2},
        [4] = {.stmt = STMT_MEMORY_FIT_OF_LEARNER, .args = args, .arg_count = 1},
        [5] = {.stmt = STMT_STRESS_PROFILE, .args = args, .arg_count = 1},
    };
    struct learning_profile *r = arena_new(c->arena, struct learning_profile, 1);
    struct learner l;

    if (!r)
        return ERR_NOMEM;
    enum err e = learner_read(c, q, 6, &l);
    if (e != ERR_OK)
        return e;
    struct study_gate g = study_gate(learner_totals(&l)->first_at, c->now_us,
                                     learner_totals(&l)->sessions, learner_graded(&l));
    c->reply = r;
    r->insufficient = !g.sufficient;
    r->requirements = (struct requirements){g.weeks_more, g.sessions_more, g.graded_more,
                                            g.weeks,      g.sessions,      g.graded};
    if (!l.analysis) {
        r->reason = reason_disabled;
        return ERR_OK;
    }
    return fill_profile(c, q, g.quality, &l, r);
}

enum err learning_profile_print(struct api_call *c, struct str *ret)
{
    struct json_writer w;
    struct buf text;
    enum err e = get_learning_profile(c);

    if (e != ERR_OK)
        return e;
    const struct learning_profile *r = c->reply;
    buf_init(&text, PRINTED_MAX);
    json_writer_init(&w, &text);
    if (r->profile)
        fields_write_json(profile_fields, &w, r->profile);
    else
        json_null(&w);
    *ret = text.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&text));
    buf_fini(&text);
    return ret->p ? ERR_OK : ERR_NOMEM;
}
