#include "api/pattern_row.h"

#include "base/assert.h"

#include <math.h>

#define ABSENT .flags = FIELD_NULLABLE | FIELD_OMIT
static const struct field shown_fields[] = {
    FIELD(F_I32, struct pattern_shown, hour, "hourOfDay", ABSENT, .min = 0, .max = 23,
          .doc = "the best local hour"),
    FIELD(F_I32, struct pattern_shown, hour, "peakTime", ABSENT, .min = 0, .max = 23,
          .doc = "the same under another name"),
    FIELD(F_OBJECT, struct pattern_shown, hour_interval, "hourInterval",
          .flags = FIELD_NULLABLE | FIELD_OMIT | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval),
          .doc = "95 %, of the hour; 9.5 is between 9 and 10, low > high runs over midnight"),
    FIELD(F_I32, struct pattern_shown, start_hour, "startHour", ABSENT, .min = 0, .max = 23,
          .doc = "first local hour of the window"),
    FIELD(F_I32, struct pattern_shown, end_hour, "endHour", ABSENT, .min = 1, .max = 24,
          .doc = "hour at which it ends"),
    FIELD(F_F64, struct pattern_shown, minutes, "recommendedDuration", ABSENT,
          .doc = "minutes of a session"),
    FIELD(F_F64, struct pattern_shown, minutes, "optimalDuration", ABSENT,
          .doc = "the same under another name"),
    FIELD(F_STR, struct pattern_shown, modality, "topContentType", ABSENT,
          .doc = "modality that goes best"),
    FIELD(F_STR, struct pattern_shown, modality, "preferredType", ABSENT,
          .doc = "the same under another name"),
    FIELD(F_F64, struct pattern_shown, effect, "effect", ABSENT,
          .doc = "log odds of success against the rest of the learner's work"),
    FIELD(F_OBJECT, struct pattern_shown, effect_interval, "effectInterval",
          .flags = FIELD_NULLABLE | FIELD_OMIT | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %"),
    FIELD(F_OBJECT, struct pattern_shown, interval, "interval",
          .flags = FIELD_NULLABLE | FIELD_OMIT | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, of the minutes"),
    FIELD(F_F64, struct pattern_shown, p, "pValue", ABSENT, .min = 0, .max = 1,
          .doc = "of the test that anything differs"),
    FIELD(F_F64, struct pattern_shown, bayes_factor, "bayesFactor", ABSENT,
          .doc = "for an effect against none"),
    FIELD_END,
};

const struct field pattern_row_fields[] = {
    FIELD(F_STR, struct pattern_row, id, "id", .doc = "of the pattern, one learner's"),
    FIELD(F_STR, struct pattern_row, user_id, "userId", .doc = "learner"),
    FIELD(F_ENUM, struct pattern_row, kind, "patternType", .names = pattern_kind_names,
          .doc = "what is lasting"),
    FIELD(F_STR, struct pattern_row, name, "patternName", .doc = "for people"),
    FIELD(F_OBJECT, struct pattern_row, data, "patternData", .sub = shown_fields,
          .size = sizeof(struct pattern_shown), .doc = "what was found of it last"),
    FIELD(F_OBJECT, struct pattern_row, data, "metadata", .sub = shown_fields,
          .size = sizeof(struct pattern_shown), .doc = "the same under another name"),
    FIELD(F_F64, struct pattern_row, confidence, "confidence", .min = 0, .max = 1,
          .flags = FIELD_NULLABLE,
          .doc = "probability that it exists and still holds; null: its data was erased"),
    FIELD(F_LIST, struct pattern_row, evidence, "evidence", .item = F_STR,
          .size = sizeof(struct str), .doc = "what speaks for it"),
    FIELD(F_I64, struct pattern_row, occurrences, "occurrenceCount",
          .doc = "analyses whose new data spoke for it"),
    FIELD(F_I64, struct pattern_row, n, "n", .doc = "answers and reviews behind it"),
    FIELD(F_BOOL, struct pattern_row, present, "present", .doc = "does it hold now?"),
    FIELD(F_TIME, struct pattern_row, first_at, "firstDetectedAt", .doc = "for the first time"),
    FIELD(F_TIME, struct pattern_row, first_at, "firstSeenAt", .doc = "the same"),
    FIELD(F_TIME, struct pattern_row, appeared_at, "detectedAt", .flags = FIELD_NULLABLE,
          .doc = "when it appeared last"),
    FIELD(F_TIME, struct pattern_row, seen_at, "lastSeenAt", .flags = FIELD_NULLABLE,
          .doc = "when new data last spoke for it"),
    FIELD_END,
};

static int64_t time_or_none(int64_t at)
{
    return at > 0 ? at : TIME_NONE;
}

static struct str name_of(struct arena *arena, const struct pattern_row *p)
{
    const struct pattern_shown *d = &p->data;

    switch ((enum pattern_kind)p->kind) {
    case PATTERN_STUDY_TIME:
        return arena_printf(arena, "Best around %02d:00", d->hour);
    case PATTERN_PEAK:
        return arena_printf(arena, "At its best from %02d:00 to %02d:00", d->start_hour,
                            d->end_hour);
    case PATTERN_DURATION:
        return arena_printf(arena, "Sessions of about %.0f minutes go best", d->minutes);
    case PATTERN_CONTENT:
        return arena_printf(arena, "Goes best with " STR_FMT, STR_ARG(d->modality));
    case PATTERN_ATTENTION:
        return arena_printf(arena, "Attention lasts about %.0f minutes", d->minutes);
    case PATTERN_FORGETTING:
    case PATTERN_KINDS:
        break;
    }
    return p->slot == 0 ? STR("Remembers longer than forecast")
                        : STR("Forgets sooner than forecast");
}

static enum err evidence_make(struct arena *arena, struct pattern_row *p)
{
    struct str *s = arena_new(arena, struct str, 3);
    int32_t n = 0;

    if (!s)
        return ERR_NOMEM;
    s[n++] = arena_printf(arena, "%lld answers and reviews, each against a forecast made before it",
                          (long long)p->n);
    if (!isnan(p->data.effect))
        s[n++] = arena_printf(arena, "odds of success %.2f times those of the rest",
                              exp(p->data.effect));
    if (!isnan(p->data.p))
        s[n++] =
            arena_printf(arena, "chance alone does as much in %.1f of 100 cases", 100 * p->data.p);
    for (int32_t i = 0; i < n; i++)
        if (!s[i].p)
            return ERR_NOMEM;
    p->evidence = (struct list){s, n};
    return ERR_OK;
}

enum err pattern_row_read(struct api_call *c, struct columns v, struct pattern_row *p)
{
    struct interval value, effect;
    double middle;

    *p = (struct pattern_row){.user_id = c->learner};
    struct pattern_shown *d = &p->data;
    p->id = column_str(&v);
    p->kind = (int32_t)column_i64(&v, 0);
    p->slot = (int32_t)column_i64(&v, 0);
    p->slot_last = (int32_t)column_i64(&v, 0);
    p->label = column_str(&v);
    p->present = column_bool(&v);
    p->appeared_at = time_or_none(column_i64(&v, 0));
    p->seen_at = time_or_none(column_i64(&v, 0));
    p->vanished_at = time_or_none(column_i64(&v, 0));
    p->occurrences = column_i64(&v, 0);
    middle = column_f64(&v);
    value.low = column_f64(&v);
    value.high = column_f64(&v);
    d->effect = column_f64(&v);
    effect.low = column_f64(&v);
    effect.high = column_f64(&v);
    d->p = column_f64(&v);
    d->bayes_factor = column_f64(&v);
    p->n = column_i64(&v, 0);
    p->confidence = column_f64(&v);
    p->first_at = column_i64(&v, 0);

    bool hour = p->kind == PATTERN_STUDY_TIME, window = p->kind == PATTERN_PEAK;
    bool minutes = p->kind == PATTERN_DURATION || p->kind == PATTERN_ATTENTION;
    d->hour = hour ? p->slot : INT32_MIN;
    d->start_hour = hour || window ? p->slot : INT32_MIN;
    d->end_hour = hour || window ? p->slot_last + 1 : INT32_MIN;
    d->minutes = minutes ? middle : NAN;
    d->modality = p->kind == PATTERN_CONTENT ? p->label : (struct str){NULL, 0};
    d->effect_interval = interval_new(c->arena, effect);
    d->hour_interval = hour ? interval_new(c->arena, value) : NULL;
    d->interval = minutes ? interval_new(c->arena, value) : NULL;
    p->name = name_of(c->arena, p);
    return p->name.p ? evidence_make(c->arena, p) : ERR_NOMEM;
}

enum err pattern_rows_read(struct api_call *c, const struct rows *rows,
                           struct pattern_row **ret_rows)
{
    struct pattern_row *p = arena_new(c->arena, struct pattern_row, (size_t)rows->count + 1);
    enum err e = p ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < rows->count; i++)
        e = pattern_row_read(c, columns_of(rows, i), &p[i]);
    if (e == ERR_OK)
        *ret_rows = p;
    return e;
}

double pattern_gain(const struct pattern_row *p, double mean)
{
    double odds = mean / (1 - mean) * exp(fabs(p->data.effect));

    return isnan(odds) || p->kind == PATTERN_FORGETTING ? NAN : odds / (1 + odds) - mean;
}

struct pattern_words pattern_words(struct arena *arena, const struct pattern_row *p)
{
    const struct pattern_shown *d = &p->data;
    struct pattern_words w = {.title = p->name};

    w.description = arena_printf(
        arena,
        "Over %lld answers and reviews the odds of success there are %.2f times those of the "
        "rest of the work, the learner's level at the time being allowed for.",
        (long long)p->n, exp(d->effect));
    switch ((enum pattern_kind)p->kind) {
    case PATTERN_STUDY_TIME:
    case PATTERN_PEAK:
        w.insight_type = w.recommendation_type = "STUDY_TIME_OPTIMIZATION";
        w.category = "TIMING";
        w.action = arena_printf(arena, "Put the hardest work between %02d:00 and %02d:00.",
                                d->start_hour, d->end_hour);
        break;
    case PATTERN_DURATION:
    case PATTERN_ATTENTION:
        w.insight_type = "SESSION_LENGTH_ADJUSTMENT";
        w.recommendation_type = "SESSION_DURATION_ADJUSTMENT";
        w.category = "DURATION";
        w.action = arena_printf(arena, "Plan sessions of about %.0f minutes.", d->minutes);
        break;
    case PATTERN_CONTENT:
        w.insight_type = "CONTENT_PREFERENCE";
        w.recommendation_type = "CONTENT_TYPE_BALANCE";
        w.category = "CONTENT";
        w.action = arena_printf(arena, "Use " STR_FMT " more often for what is hard.",
                                STR_ARG(d->modality));
        break;
    case PATTERN_FORGETTING:
    case PATTERN_KINDS:
        w.insight_type = w.recommendation_type = "RETENTION_STRATEGY";
        w.category = "STRATEGY";
        w.description = arena_printf(
            arena,
            "Over %lld reviews the odds of remembering are %.2f times those of the published "
            "forgetting curve.",
            (long long)p->n, exp(d->effect));
        w.action = p->slot == 0 ? STR("Reviews may come a little later than scheduled.")
                                : STR("Let reviews come a little sooner than scheduled.");
        break;
    }
    return w;
}

enum err patterns_view_read(struct api_call *c, struct patterns_view *v, int32_t more)
{
    const struct value id[] = {V_S(c->learner)};

    v->q[1] = (struct query){.stmt = STMT_ANALYSIS_OF_LEARNER, .args = id, .arg_count = 1};
    v->q[2] = (struct query){.stmt = STMT_PATTERNS_OF_LEARNER, .args = id, .arg_count = 1};
    enum err e = learner_read(c, v->q, 3 + more, &v->l);
    if (e != ERR_OK)
        return e;
    v->analysed_at = v->asked_at = TIME_NONE;
    if (v->q[1].rows.count > 0) {
        struct columns a = columns_of(&v->q[1].rows, 0);
        v->analysed_at = column_time(&a);
        int64_t then = column_i64(&a, -1);
        v->asked_at = column_time(&a);
        v->unchanged = column_i64(&a, 0) == then;
    }
    v->count = v->q[2].rows.count;
    return pattern_rows_read(c, &v->q[2].rows, &v->patterns);
}

struct str patterns_reason(const struct patterns_view *v, struct arena *arena,
                           const struct needed **needed)
{
    int64_t sessions = RHYTHM_SESSIONS_NEEDED - learner_totals(&v->l)->sessions;
    int64_t graded = RHYTHM_OUTCOMES_NEEDED - learner_graded(&v->l);

    if (!v->l.analysis)
        return reason_disabled;
    if (sessions > 0 || graded > 0) {
        struct needed n = NEEDED_NONE;
        n.sessions = sessions > 0 ? sessions : INT64_MIN;
        n.graded = graded > 0 ? graded : INT64_MIN;
        *needed = needed_new(arena, n);
        return STR("There is too little to tell a pattern from chance.");
    }
    if (v->analysed_at == TIME_NONE)
        return STR(
            "No analysis was made yet: the next night brings one, or one that is asked for.");
    return STR("Nothing lasting was found: what differs is no more than chance makes it.");
}
