/* stress - what makes the work hard for a learner, what it does to results, and what helps. All of
 * it was worked out in the night (night/strain.h) or by the answer that made the last forecasts. */
#include "api/pattern_row.h"
#include "api/strain.h"
#include "base/assert.h"
#include "night/strain.h"
#include "twin/study.h"

#include <math.h>

enum { STRESSORS_MAX = 5, STRESS_TYPES = 5, TEXTS = 3 };

/* Those of stress, then those of study (twin/patterns.h, in its order). */
static const char *const type_names[] = {"DIFFICULTY_INDUCED",
                                         "TIME_PRESSURE",
                                         "FATIGUE_BASED",
                                         "EXAM_PROXIMITY",
                                         "TOPIC_SPECIFIC",
                                         "OPTIMAL_STUDY_TIME",
                                         "SESSION_DURATION_PREFERENCE",
                                         "CONTENT_TYPE_PREFERENCE",
                                         "PERFORMANCE_PEAK",
                                         "ATTENTION_CYCLE",
                                         "FORGETTING_CURVE",
                                         NULL};
_Static_assert(COUNT(type_names) == STRESS_TYPES + PATTERN_KINDS + 1, "both sorts");

/* ---- a row of stress_patterns ---- */

struct found {
    struct str id, type, condition, topic;
    int64_t with_n, without_n, first_at, seen_at;
    double with_load, without_load, effect, p, p_adjusted;
    struct interval interval;
};

static struct found found_read(struct columns v)
{
    struct found f;

    f.id = column_str(&v);
    f.type = column_str(&v);
    f.condition = column_str(&v);
    f.topic = column_str(&v);
    f.with_n = column_i64(&v, 0);
    f.without_n = column_i64(&v, 0);
    f.with_load = column_f64(&v);
    f.without_load = column_f64(&v);
    f.effect = column_f64(&v);
    f.interval.low = column_f64(&v);
    f.interval.high = column_f64(&v);
    f.p = column_f64(&v);
    f.p_adjusted = column_f64(&v);
    f.first_at = column_i64(&v, 0);
    f.seen_at = column_i64(&v, 0);
    return f;
}

static bool is_coping(const struct found *f)
{
    return str_eq(f->type, STR("COPING"));
}

static struct str found_name(struct arena *arena, const struct found *f)
{
    static const struct {
        const char *condition, *name;
    } names[] = {
        {"long", "Load is higher in sittings of an hour and more"},
        {"night", "Load is higher from 22:00 to 05:00"},
        {"morning", "Load is higher from 05:00 to 12:00"},
        {"afternoon", "Load is higher from 12:00 to 17:00"},
        {"evening", "Load is higher from 17:00 to 22:00"},
        {"again", "Load is higher from the third sitting of a day on"},
        {"hard", "Load is higher where more misses were forecast than usual"},
        {"busy", "Load is higher on days with much to do"},
        {"deadline", "Load is higher in the week before the end of a goal"},
        {"WORKLOAD_REDUCTION", "Shorter missions"},
        {"BREAK_SCHEDULE_ADJUST", "Planned breaks"},
        {"CONTENT_SIMPLIFICATION", "Simpler content"},
        {"DIFFICULTY_REDUCTION", "Easier work"},
        {"MANDATORY_REST", "Rest"},
    };

    if (f->topic.p)
        return arena_printf(arena, "Load is higher with " STR_FMT, STR_ARG(f->topic));
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(f->condition, str_from(names[i].condition)))
            return str_from(names[i].name);
    return f->condition;
}

/* ---- GET analytics/stress-profile ---- */

struct stressor {
    struct str type, condition, topic, name, id;
    int64_t frequency;
    double confidence, severity, effect, p_adjusted;
    const struct interval *interval;
};
static const struct field stressor_fields[] = {
    FIELD(F_STR, struct stressor, type, "type", .doc = "kind of circumstance"),
    FIELD(F_STR, struct stressor, type, "stressorType", .doc = "the same"),
    FIELD(F_STR, struct stressor, id, "patternId", .doc = "in stress-patterns"),
    FIELD(F_STR, struct stressor, name, "name", .doc = "in words"),
    FIELD(F_STR, struct stressor, condition, "condition", .doc = "which circumstance"),
    FIELD(F_STR, struct stressor, topic, "objectiveId", .flags = FIELD_NULLABLE,
          .doc = "of a topic"),
    FIELD(F_I64, struct stressor, frequency, "frequency", .doc = "sittings with it"),
    FIELD(F_F64, struct stressor, severity, "severity", .min = 0, .max = 1,
          .doc = "mean load in these, as a share of 100"),
    FIELD(F_F64, struct stressor, confidence, "confidence", .min = 0, .max = 1,
          .doc = "1 less the one-sided p"),
    FIELD(F_F64, struct stressor, effect, "loadDifference", .doc = "against the other sittings"),
    FIELD(F_OBJECT, struct stressor, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval),
          .doc = "95 %, of the difference"),
    FIELD(F_F64, struct stressor, p_adjusted, "adjustedP", .doc = "over all that were looked at"),
    FIELD_END,
};

struct tolerance {
    double slope, p;
    int64_t n;
    struct str method, reason;
    const struct needed *needed;
};
static const struct field tolerance_fields[] = {
    FIELD(F_F64, struct tolerance, slope, "successPerTenPoints", .flags = FIELD_NULLABLE,
          .doc = "change of the share right, for each ten points of load above the tolerance"),
    FIELD(F_F64, struct tolerance, p, "p", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "by permutation"),
    FIELD(F_I64, struct tolerance, n, "n", .doc = "sittings"),
    FIELD(F_STR, struct tolerance, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct tolerance, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD(F_OBJECT, struct tolerance, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};
struct recovery {
    double minutes, low, high;
    int64_t episodes, recovered;
    struct str method, reason;
};
static const struct field recovery_fields[] = {
    FIELD(F_F64, struct recovery, minutes, "medianMinutes", .flags = FIELD_NULLABLE,
          .doc = "from overload back to normal"),
    FIELD(F_F64, struct recovery, low, "lowMinutes", .flags = FIELD_NULLABLE, .doc = "95 %"),
    FIELD(F_F64, struct recovery, high, "highMinutes", .flags = FIELD_NULLABLE,
          .doc = "95 %; null: not bounded by what was seen"),
    FIELD(F_I64, struct recovery, episodes, "episodes", .doc = "overloads that have ended"),
    FIELD(F_I64, struct recovery, recovered, "recovered",
          .doc = "of these, seen to the end; the others were broken off"),
    FIELD(F_STR, struct recovery, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct recovery, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no median"),
    FIELD_END,
};
struct fatigue {
    double minutes, low, high, pause, p;
    int64_t n;
    struct str method, reason;
};
static const struct field fatigue_fields[] = {
    FIELD(F_F64, struct fatigue, minutes, "onsetMinutes", .flags = FIELD_NULLABLE,
          .doc = "of a sitting, from which results fall"),
    FIELD(F_F64, struct fatigue, low, "lowMinutes", .flags = FIELD_NULLABLE, .doc = "95 %"),
    FIELD(F_F64, struct fatigue, high, "highMinutes", .flags = FIELD_NULLABLE,
          .doc = "95 %; null: not bounded by what was seen"),
    FIELD(F_F64, struct fatigue, pause, "breakAfterMinutes", .flags = FIELD_NULLABLE,
          .doc = "nine tenths of the onset"),
    FIELD(F_F64, struct fatigue, p, "p", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "that chance alone does as much"),
    FIELD(F_I64, struct fatigue, n, "n", .doc = "answers and reviews"),
    FIELD(F_STR, struct fatigue, method, "method", .doc = "how it is computed"),
    FIELD(F_STR, struct fatigue, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is none"),
    FIELD_END,
};

struct profile {
    bool exists;
    struct list stressors, coping;
    double tolerance, load, recovery_hours, confidence;
    int64_t analyzed_at, sittings, answers;
    struct tolerance tolerance_part;
    struct recovery recovery;
    struct fatigue fatigue;
    const struct strain_shown *now;
    struct str confidence_formula, coping_reason, reason;
    const struct needed *needed;
};
static const struct field profile_fields[] = {
    FIELD(F_BOOL, struct profile, exists, "profileExists", .doc = "was anything analysed yet?"),
    FIELD(F_LIST, struct profile, stressors, "primaryStressors", .sub = stressor_fields,
          .size = sizeof(struct stressor), .doc = "what goes with a higher load, at most 5"),
    FIELD(F_F64, struct profile, tolerance, "loadTolerance", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "load from which success falls; null: see tolerance.reason"),
    FIELD(F_F64, struct profile, load, "avgCognitiveLoad", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "mean over the answers of the sittings"),
    FIELD(F_F64, struct profile, recovery_hours, "avgRecoveryTime", .flags = FIELD_NULLABLE,
          .doc = "hours, median; null: see recovery.reason"),
    FIELD(F_LIST, struct profile, coping, "effectiveCopingStrategies", .item = F_STR,
          .size = sizeof(struct str), .doc = "what goes with a lower load"),
    FIELD(F_F64, struct profile, confidence, "profileConfidence", .min = 0, .max = 1,
          .doc = "see profileConfidenceFormula"),
    FIELD(F_STR, struct profile, confidence_formula, "profileConfidenceFormula",
          .doc = "how the confidence is computed"),
    FIELD(F_TIME, struct profile, analyzed_at, "lastAnalyzedAt",
          .flags = FIELD_NULLABLE | FIELD_OMIT, .doc = "absent: never"),
    FIELD(F_I64, struct profile, sittings, "sittings", .doc = "of five answers and more"),
    FIELD(F_I64, struct profile, answers, "n", .doc = "answers and reviews in these"),
    FIELD(F_OBJECT, struct profile, tolerance_part, "tolerance", .sub = tolerance_fields,
          .size = sizeof(struct tolerance), .doc = "behind loadTolerance"),
    FIELD(F_OBJECT, struct profile, recovery, "recovery", .sub = recovery_fields,
          .size = sizeof(struct recovery), .doc = "behind avgRecoveryTime"),
    FIELD(F_OBJECT, struct profile, fatigue, "fatigue", .sub = fatigue_fields,
          .size = sizeof(struct fatigue), .doc = "how long attention lasts"),
    FIELD(F_OBJECT, struct profile, now, "strain", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = strain_shown_fields, .size = sizeof(struct strain_shown), .doc = "of the moment"),
    FIELD(F_STR, struct profile, coping_reason, "copingReason", .flags = FIELD_NULLABLE,
          .doc = "why there is nothing that helps"),
    FIELD(F_STR, struct profile, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there is no profile"),
    FIELD(F_OBJECT, struct profile, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is still missing"),
    FIELD_END,
};

/* Half by how much data there is, and each other part by itself at most its share. */
static double confidence_of(double quality, int64_t sittings, int32_t patterns)
{
    return 0.5 * quality + 0.3 * fmin(1, (double)sittings / 100) + 0.2 * fmin(1, patterns / 10.0);
}

static enum err show_found(struct api_call *c, const struct rows *rows, struct profile *r)
{
    struct stressor *s = arena_new(c->arena, struct stressor, (size_t)rows->count + 1);
    struct str *coping = arena_new(c->arena, struct str, (size_t)rows->count + 1);

    if (!s || !coping)
        return ERR_NOMEM;
    r->stressors.p = s;
    r->coping.p = coping;
    for (int32_t i = 0; i < rows->count; i++) {
        struct found f = found_read(columns_of(rows, i));
        struct str name = found_name(c->arena, &f);

        if (!name.p)
            return ERR_NOMEM;
        if (is_coping(&f)) {
            coping[r->coping.n++] = name;
            continue;
        }
        if (r->stressors.n == STRESSORS_MAX)
            continue;
        s[r->stressors.n++] = (struct stressor){
            .type = f.type,
            .condition = f.condition,
            .topic = f.topic,
            .name = name,
            .id = f.id,
            .frequency = f.with_n,
            .confidence = round_to(1 - f.p, 6),
            .severity = round_to(f.with_load / 100, 4),
            .effect = round_to(f.effect, 2),
            .p_adjusted = round_to(f.p_adjusted, 6),
            .interval = interval_new(c->arena, f.interval),
        };
    }
    return ERR_OK;
}

static void show_tolerance(struct api_call *c, struct profile *r)
{
    struct tolerance *t = &r->tolerance_part;

    t->method = STR("load at the end of five answers against the success of the next five, less "
                    "what was forecast; a kink by least squares, by permutation");
    if (!isnan(r->tolerance))
        return;
    if (t->n < STRAIN_TOLERANCE_NEEDED) {
        struct needed needed = NEEDED_NONE;
        needed.sessions = STRAIN_TOLERANCE_NEEDED - t->n;
        t->needed = needed_new(c->arena, needed);
        t->reason = STR("Thirty sittings of ten answers and more are needed.");
        return;
    }
    t->reason = STR("Success does not clearly fall as the load rises.");
}

static void show_profile_row(struct api_call *c, const struct rows *rows, struct profile *r)
{
    if (rows->count > 0) {
        struct columns v = columns_of(rows, 0);

        r->exists = true;
        r->analyzed_at = column_time(&v);
        r->sittings = column_i64(&v, 0);
        r->answers = column_i64(&v, 0);
        r->load = round_to(column_f64(&v), 2);
        r->tolerance = column_f64(&v);
        r->tolerance_part.slope = round_to(column_f64(&v), 4);
        r->tolerance_part.p = column_f64(&v);
        r->tolerance_part.n = column_i64(&v, 0);
        r->recovery.minutes = round_to(column_f64(&v), 1);
        r->recovery.low = round_to(column_f64(&v), 1);
        r->recovery.high = round_to(column_f64(&v), 1);
        r->recovery.episodes = column_i64(&v, 0);
        r->recovery.recovered = column_i64(&v, 0);
        r->fatigue.minutes = round_to(column_f64(&v), 1);
        r->fatigue.low = round_to(column_f64(&v), 1);
        r->fatigue.high = round_to(column_f64(&v), 1);
        r->fatigue.p = column_f64(&v);
        r->fatigue.n = column_i64(&v, 0);
        r->fatigue.pause = round_to(0.9 * r->fatigue.minutes, 1);
    }
    show_tolerance(c, r);
    r->recovery_hours = round_to(r->recovery.minutes / 60, 2);
    r->recovery.method = STR("Kaplan-Meier median; overloads that a pause broke off are censored");
    if (isnan(r->recovery.minutes))
        r->recovery.reason = r->recovery.episodes == 0
                                 ? STR("No overload was seen that has ended.")
                                 : STR("Fewer than half of the overloads were seen to their end.");
    r->fatigue.method = STR("a change point in outcomes against their forecasts, by minutes of "
                            "sittings of like length");
    if (isnan(r->fatigue.minutes))
        r->fatigue.reason = isnan(r->fatigue.p)
                                ? STR("Too few answers at too few minutes of sittings.")
                                : STR("Results do not clearly fall within a sitting.");
}

static enum err get_profile(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner)};
    struct strain_args args;
    struct query q[3 + STRAIN_QUERIES] = {
        [1] = {.stmt = STMT_STRESS_PROFILE, .args = id, .arg_count = 1, .rows_max = 1},
        [2] = {.stmt = STMT_STRESS_PATTERNS_PRESENT, .args = id, .arg_count = 1},
    };
    struct profile *r = arena_new(c->arena, struct profile, 1);
    struct strain_shown *shown;
    struct strain_now now;
    struct learner l;

    strain_queries(c, &args, q + 3);
    enum err e = r ? learner_read(c, q, COUNT(q), &l) : ERR_NOMEM;
    if (e == ERR_OK)
        e = strain_now(c, q + 3, &now);
    if (e == ERR_OK)
        e = strain_show(c, &now, l.analysis, &shown);
    if (e != ERR_OK)
        return e;
    *r = (struct profile){.tolerance = NAN,
                          .load = NAN,
                          .recovery_hours = NAN,
                          .analyzed_at = TIME_NONE,
                          .tolerance_part = {.slope = NAN, .p = NAN},
                          .recovery = {.minutes = NAN, .low = NAN, .high = NAN},
                          .fatigue = {NAN, NAN, NAN, NAN, NAN, 0, {NULL, 0}, {NULL, 0}},
                          .now = shown,
                          .confidence_formula = STR("0.5 data quality + 0.3 min(1, sittings/100) + "
                                                    "0.2 min(1, patterns/10)")};
    c->reply = r;
    show_profile_row(c, &q[1].rows, r);
    e = show_found(c, &q[2].rows, r);
    if (r->exists) {
        struct study_gate g = study_gate(learner_totals(&l)->first_at, c->now_us,
                                         learner_totals(&l)->sessions, learner_graded(&l));
        r->confidence = round_to(confidence_of(g.quality, r->sittings, q[2].rows.count), 4);
    } else {
        struct needed needed = NEEDED_NONE;
        needed.graded = learner_graded(&l) < STRAIN_NEEDED ? STRAIN_NEEDED - learner_graded(&l) : 0;
        r->needed = l.analysis ? needed_new(c->arena, needed) : NULL;
        r->reason = !l.analysis ? reason_disabled
                                : STR("Sittings of five answers and more are looked at in the "
                                      "night after them.");
    }
    if (r->coping.n == 0)
        r->coping_reason = STR("Nothing that was taken on goes clearly with a lower load.");
    return e;
}

/* ---- GET analytics/stress-patterns ---- */

struct patterns_query {
    double confidence;
    int32_t type;
};
static const struct field patterns_query[] = {
    FIELD(F_F64, struct patterns_query, confidence, "minConfidence", .min = 0, .max = 1,
          .def = "0.6", .doc = "at least"),
    FIELD(F_ENUM, struct patterns_query, type, "patternType", .names = type_names,
          .doc = "only these; a kind of pattern of study is asked for here, too"),
    FIELD_END,
};

struct condition {
    struct str condition, topic;
};
static const struct field condition_fields[] = {
    FIELD(F_STR, struct condition, condition, "condition", .flags = FIELD_NULLABLE,
          .doc = "which circumstance"),
    FIELD(F_STR, struct condition, topic, "objectiveId", .flags = FIELD_NULLABLE,
          .doc = "of a topic"),
    FIELD_END,
};
struct response {
    double with_load, without_load, effect, recovery, severity, coping;
    const struct interval *interval;
};
static const struct field response_fields[] = {
    FIELD(F_F64, struct response, with_load, "load", .flags = FIELD_NULLABLE,
          .doc = "mean of the sittings with it"),
    FIELD(F_F64, struct response, without_load, "usualLoad", .flags = FIELD_NULLABLE,
          .doc = "of the others"),
    FIELD(F_F64, struct response, effect, "loadDifference", .flags = FIELD_NULLABLE,
          .doc = "of these"),
    FIELD(F_OBJECT, struct response, interval, "interval", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = interval_fields, .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_F64, struct response, severity, "impactSeverity", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "load as a share of 100"),
    FIELD(F_F64, struct response, recovery, "recoveryTime", .flags = FIELD_NULLABLE,
          .doc = "hours, median over all overloads of the learner"),
    FIELD(F_F64, struct response, coping, "copingEffectiveness", .flags = FIELD_NULLABLE,
          .doc = "points of load by which the best of what was taken on lowers it; over all"),
    FIELD_END,
};
struct pattern {
    struct str id, type, name;
    struct list evidence;
    double confidence, p, p_adjusted;
    int64_t detected_at, seen_at, occurrences;
    struct condition trigger;
    const struct response *response;
};
static const struct field pattern_fields[] = {
    FIELD(F_STR, struct pattern, id, "id", .doc = "of the pattern"),
    FIELD(F_STR, struct pattern, type, "patternType", .doc = "kind"),
    FIELD(F_STR, struct pattern, name, "patternName", .doc = "in words"),
    FIELD(F_LIST, struct pattern, evidence, "evidence", .item = F_STR, .size = sizeof(struct str),
          .doc = "what speaks for it"),
    FIELD(F_F64, struct pattern, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "1 less the one-sided p; of a pattern of study, its own"),
    FIELD(F_F64, struct pattern, p, "p", .flags = FIELD_NULLABLE, .min = 0, .max = 1,
          .doc = "one-sided"),
    FIELD(F_F64, struct pattern, p_adjusted, "adjustedP", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "over all that were looked at; at most 0.1 when it appeared"),
    FIELD(F_TIME, struct pattern, detected_at, "detectedAt", .flags = FIELD_NULLABLE,
          .doc = "when it appeared"),
    FIELD(F_TIME, struct pattern, seen_at, "lastSeenAt", .flags = FIELD_NULLABLE,
          .doc = "the last sitting with it"),
    FIELD(F_I64, struct pattern, occurrences, "occurrenceCount", .doc = "sittings with it"),
    FIELD(F_I64, struct pattern, occurrences, "frequency", .doc = "the same"),
    FIELD(F_OBJECT, struct pattern, trigger, "triggerConditions", .sub = condition_fields,
          .size = sizeof(struct condition), .doc = "what sets it off"),
    FIELD(F_OBJECT, struct pattern, response, "responseProfile",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = response_fields,
          .size = sizeof(struct response), .doc = "what it does; null for a pattern of study"),
    FIELD_END,
};

struct summary {
    int64_t total;
    double confidence;
    struct list types;
};
static const struct field summary_fields[] = {
    FIELD(F_I64, struct summary, total, "totalPatterns", .doc = "in this answer"),
    FIELD(F_F64, struct summary, confidence, "avgConfidence", .doc = "mean; 0 without patterns"),
    FIELD(F_MAP, struct summary, types, "patternTypeDistribution", .item = F_I64,
          .doc = "how many of each kind"),
    FIELD_END,
};
struct patterns {
    struct list patterns;
    struct summary summary;
    struct str reason;
};
static const struct field patterns_fields[] = {
    FIELD(F_LIST, struct patterns, patterns, "patterns", .sub = pattern_fields,
          .size = sizeof(struct pattern), .doc = "the surest first"),
    FIELD(F_OBJECT, struct patterns, summary, "summary", .sub = summary_fields,
          .size = sizeof(struct summary), .doc = "counts"),
    FIELD(F_STR, struct patterns, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why there are none"),
    FIELD_END,
};

/* Over the learner, for all patterns alike. */
struct overall {
    double recovery, coping;
};

static struct overall overall_of(const struct rows *profile, const struct rows *found)
{
    struct overall o = {(double)NAN, (double)NAN};

    if (profile->count > 0)
        o.recovery = round_to(value_f64(row_at(profile, 0) + 8, NAN) / 60, 2);
    for (int32_t i = 0; i < found->count; i++) {
        struct found f = found_read(columns_of(found, i));
        if (is_coping(&f))
            o.coping = fmax(o.coping, round_to(-f.effect, 2)); /* NaN gives way */
    }
    return o;
}

static enum err stress_pattern(struct api_call *c, const struct found *f, const struct overall *all,
                               struct pattern *p)
{
    struct response *r = arena_new(c->arena, struct response, 1);
    struct str *evidence = arena_new(c->arena, struct str, TEXTS);

    if (!r || !evidence)
        return ERR_NOMEM;
    *r = (struct response){round_to(f->with_load, 2),
                           round_to(f->without_load, 2),
                           round_to(f->effect, 2),
                           all->recovery,
                           round_to(f->with_load / 100, 4),
                           all->coping,
                           interval_new(c->arena, f->interval)};
    evidence[0] =
        arena_printf(c->arena, "mean load %.1f in %lld sittings with it, %.1f in %lld without",
                     f->with_load, (long long)f->with_n, f->without_load, (long long)f->without_n);
    evidence[1] = arena_printf(c->arena, "a difference of %.1f, %.1f to %.1f with 95 %%", f->effect,
                               f->interval.low, f->interval.high);
    evidence[2] = arena_printf(c->arena,
                               "chance alone does as much in %.2f of 100 cases, %.2f with all that "
                               "was looked at",
                               100 * f->p, 100 * f->p_adjusted);
    *p = (struct pattern){.id = f->id,
                          .type = f->type,
                          .name = found_name(c->arena, f),
                          .evidence = {evidence, TEXTS},
                          .confidence = round_to(1 - f->p, 6),
                          .p = round_to(f->p, 6),
                          .p_adjusted = round_to(f->p_adjusted, 6),
                          .detected_at = f->first_at,
                          .seen_at = f->seen_at,
                          .occurrences = f->with_n,
                          .trigger = {f->condition, f->topic},
                          .response = r};
    return evidence[0].p && evidence[1].p && evidence[2].p && p->name.p ? ERR_OK : ERR_NOMEM;
}

static enum err of_stress(struct api_call *c, const struct patterns_query *in,
                          const struct rows *rows, const struct rows *profile, struct patterns *r)
{
    const struct overall all = overall_of(profile, rows);
    struct pattern *p = arena_new(c->arena, struct pattern, (size_t)rows->count + 1);

    if (!p)
        return ERR_NOMEM;
    r->patterns.p = p;
    for (int32_t i = 0; i < rows->count; i++) {
        struct found f = found_read(columns_of(rows, i));

        if (is_coping(&f) || 1 - f.p < in->confidence ||
            (in->type >= 0 && !str_eq(f.type, str_from(type_names[in->type]))))
            continue;
        enum err e = stress_pattern(c, &f, &all, &p[r->patterns.n++]);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err of_study(struct api_call *c, const struct patterns_query *in,
                         const struct rows *rows, struct patterns *r)
{
    struct pattern *p = arena_new(c->arena, struct pattern, (size_t)rows->count + 1);
    struct pattern_row *all = NULL;
    enum err e = p ? pattern_rows_read(c, rows, &all) : ERR_NOMEM;

    r->patterns.p = p;
    for (int32_t i = 0; e == ERR_OK && i < rows->count; i++) {
        const struct pattern_row *one = &all[i];

        if (one->kind != in->type - STRESS_TYPES || !one->present ||
            !(one->confidence >= in->confidence))
            continue;
        p[r->patterns.n++] = (struct pattern){.id = one->id,
                                              .type = str_from(type_names[in->type]),
                                              .name = one->name,
                                              .evidence = one->evidence,
                                              .confidence = one->confidence,
                                              .p = one->data.p,
                                              .p_adjusted = NAN,
                                              .detected_at = one->appeared_at,
                                              .seen_at = one->seen_at,
                                              .occurrences = one->occurrences};
    }
    return e;
}

static enum err summarise(struct api_call *c, struct patterns *r)
{
    const struct pattern *p = r->patterns.p;
    struct map_entry *types = arena_new(c->arena, struct map_entry, (size_t)r->patterns.n + 1);
    int64_t *counts = arena_new(c->arena, int64_t, (size_t)r->patterns.n + 1);
    double sum = 0;
    int32_t n = 0;

    if (!types || !counts)
        return ERR_NOMEM;
    for (int32_t i = 0; i < r->patterns.n; i++) {
        int32_t at = 0;

        sum += p[i].confidence;
        while (at < n && !str_eq(types[at].key, p[i].type))
            at++;
        if (at == n) {
            counts[n] = 0;
            types[n++] = (struct map_entry){p[i].type, &counts[at]};
        }
        counts[at]++;
    }
    r->summary = (struct summary){
        r->patterns.n, r->patterns.n ? round_to(sum / r->patterns.n, 4) : 0, {types, n}};
    return ERR_OK;
}

static enum err get_patterns(struct api_call *c)
{
    const struct patterns_query *in = c->in;
    const struct value id[] = {V_S(c->learner)};
    struct query q[] = {
        [1] = {.stmt = STMT_STRESS_PATTERNS_PRESENT, .args = id, .arg_count = 1},
        [2] = {.stmt = STMT_STRESS_PROFILE, .args = id, .arg_count = 1, .rows_max = 1},
        [3] = {.stmt = STMT_PATTERNS_OF_LEARNER, .args = id, .arg_count = 1},
    };
    bool study = in->type >= STRESS_TYPES;
    struct patterns *r = arena_new(c->arena, struct patterns, 1);
    struct learner l;
    enum err e = r ? learner_read(c, q, study ? 4 : 3, &l) : ERR_NOMEM;

    if (e == ERR_OK)
        e = study ? of_study(c, in, &q[3].rows, r) : of_stress(c, in, &q[1].rows, &q[2].rows, r);
    if (e != ERR_OK)
        return e;
    if (!l.analysis)
        r->patterns.n = 0;
    if (r->patterns.n == 0)
        r->reason = !l.analysis ? reason_disabled
                    : q[2].rows.count == 0 && !study
                        ? STR("Sittings are looked at in the night after them.")
                        : STR("Nothing was found that is more than chance.");
    c->reply = r;
    return summarise(c, r);
}

#define STRESS                                                                      \
    .tag = "load", .envelope = ENVELOPE_FLAT, .method = HTTP_GET, .run = RUN_SMALL, \
    .round_trips = 1, .scopes = SCOPE_READ, .learner = LEARNER_QUERY,               \
    .errors = UINT64_C(1) << ERR_NOT_FOUND

const struct endpoint endpoints_stress[] = {
    {STRESS, .path = "/api/analytics/stress-profile", .id = "get_stress_profile",
     .summary = "What makes work hard, what load is borne, how soon it is got over",
     .reply = profile_fields, .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_profile},
    {STRESS, .path = "/api/analytics/stress-patterns", .id = "get_stress_patterns",
     .summary = "Circumstances that go with a higher load", .query = patterns_query,
     .in_size = sizeof(struct patterns_query), .reply = patterns_fields,
     .cache = {.fresh_s = 600, .stale_s = 3600}, .handler = get_patterns},
    {.path = NULL},
};
