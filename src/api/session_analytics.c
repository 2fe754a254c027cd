#include "api/session_compare.h"

#include <math.h>

struct analysed {
    int64_t index;
    struct str id, text, complexity;
    double spent, estimated, delta; /* minutes */
    int64_t self_assessment, confidence;
};
static const struct field analysed_fields[] = {
    FIELD(F_I64, struct analysed, index, "index", .doc = "place among the session's objectives"),
    FIELD(F_STR, struct analysed, id, "objectiveId", .doc = "objective"),
    FIELD(F_STR, struct analysed, text, "objective", .flags = FIELD_NULLABLE,
          .doc = "what is to be learned; null: not in the catalogue"),
    FIELD(F_STR, struct analysed, complexity, "complexity", .flags = FIELD_NULLABLE,
          .doc = "BASIC, INTERMEDIATE or ADVANCED"),
    FIELD(F_F64, struct analysed, spent, "timeSpentMinutes", .flags = FIELD_NULLABLE,
          .doc = "null: not completed"),
    FIELD(F_F64, struct analysed, estimated, "estimatedMinutes", .flags = FIELD_NULLABLE,
          .doc = "as planned; null: not planned"),
    FIELD(F_F64, struct analysed, delta, "deltaMinutes", .flags = FIELD_NULLABLE,
          .doc = "spent beyond the estimate; below 0: spared"),
    FIELD(F_I64, struct analysed, self_assessment, "selfAssessment", .flags = FIELD_NULLABLE,
          .doc = "how well it is understood, 1 to 5"),
    FIELD(F_I64, struct analysed, confidence, "confidenceRating", .flags = FIELD_NULLABLE,
          .doc = "how sure the learner is, 1 to 5"),
    FIELD_END,
};

struct graded_sum {
    int64_t reviewed, answered;
    double accuracy;
    const struct interval *interval;
};
static const struct field graded_sum_fields[] = {
    FIELD(F_I64, struct graded_sum, reviewed, "reviewed", .doc = "cards reviewed"),
    FIELD(F_I64, struct graded_sum, answered, "answered", .doc = "questions answered"),
    FIELD(F_F64, struct graded_sum, accuracy, "accuracy", .flags = FIELD_NULLABLE, .min = 0,
          .max = 100, .doc = "percent recalled or right, of both; null without any"),
    FIELD(F_OBJECT, struct graded_sum, interval, "accuracyInterval",
          .flags = FIELD_NULLABLE | FIELD_POINTER, .sub = interval_fields,
          .size = sizeof(struct interval), .doc = "95 %, Wilson, in percent"),
    FIELD_END,
};

struct time_sum {
    double actual, estimated, delta, percent;
    int64_t n;
};
static const struct field time_sum_fields[] = {
    FIELD(F_F64, struct time_sum, actual, "totalActualMinutes",
          .doc = "told with the objectives completed"),
    FIELD(F_F64, struct time_sum, estimated, "totalEstimatedMinutes", .doc = "of the whole plan"),
    FIELD(F_F64, struct time_sum, delta, "deltaMinutes", .flags = FIELD_NULLABLE,
          .doc = "actual beyond the estimate, of those that have both"),
    FIELD(F_F64, struct time_sum, percent, "deltaPercent", .flags = FIELD_NULLABLE,
          .doc = "the same, of their estimate"),
    FIELD(F_I64, struct time_sum, n, "n", .doc = "objectives that have both"),
    FIELD_END,
};

struct session_analytics {
    struct list objectives;
    struct graded_sum cards;
    struct time_sum time;
    struct list insights;
    struct calibration calibration;
};
const struct field session_analytics_reply[] = {
    FIELD(F_LIST, struct session_analytics, objectives, "objectives", .sub = analysed_fields,
          .size = sizeof(struct analysed), .doc = "the session's plan, and what came of it"),
    FIELD(F_OBJECT, struct session_analytics, cards, "cards", .sub = graded_sum_fields,
          .size = sizeof(struct graded_sum), .doc = "reviews and answers"),
    FIELD(F_OBJECT, struct session_analytics, time, "timeBreakdown", .sub = time_sum_fields,
          .size = sizeof(struct time_sum), .doc = "time against the plan"),
    FIELD(F_LIST, struct session_analytics, insights, "insights", .item = F_STR,
          .size = sizeof(struct str), .doc = "what stands out, for people"),
    FIELD(F_OBJECT, struct session_analytics, calibration, "calibrationMetrics",
          .sub = calibration_fields, .size = sizeof(struct calibration),
          .doc = "confidence against score, of the first 500 reviews and answers"),
    FIELD_END,
};

static double minutes_or_nan(int64_t v, double unit)
{
    return v == INT64_MIN ? (double)NAN : (double)v / unit;
}

static enum err analyse_plan(struct api_call *c, const struct list *plan,
                             struct session_analytics *r)
{
    struct analysed *a = arena_new(c->arena, struct analysed, (size_t)plan->n + 1);
    double estimated = 0, delta = 0;

    if (!a)
        return ERR_NOMEM;
    for (int32_t i = 0; i < plan->n; i++) {
        const struct planned_objective *p = (const struct planned_objective *)plan->p + i;
        a[i] = (struct analysed){.index = i, .id = p->id};
        if (p->info) {
            a[i].text = p->info->text;
            a[i].complexity = p->info->complexity;
        }
        double spent = minutes_or_nan(p->time_spent_ms, 60000);
        a[i].estimated = minutes_or_nan(p->estimated_minutes, 1);
        a[i].spent = round_to(spent, 1);
        a[i].delta = round_to(spent - a[i].estimated, 1);
        a[i].self_assessment = p->self_assessment;
        a[i].confidence = p->confidence;
        r->time.actual += isnan(spent) ? 0 : spent;
        r->time.estimated += isnan(a[i].estimated) ? 0 : a[i].estimated;
        if (isnan(spent) || isnan(a[i].estimated))
            continue;
        r->time.n++;
        estimated += a[i].estimated;
        delta += spent - a[i].estimated;
    }
    r->time.actual = round_to(r->time.actual, 1);
    r->time.delta = r->time.n > 0 ? round_to(delta, 1) : (double)NAN;
    r->time.percent = estimated > 0 ? round_to(100 * delta / estimated, 1) : (double)NAN;
    r->objectives = (struct list){a, plan->n};
    return ERR_OK;
}

enum { REMARKS_MAX = 8, CALIBRATION_MIN = 5 };
#define GAP_MIN 15.0     /* points between confidence and score */
#define OVERRUN_MIN 20.0 /* percent of the estimate */

static enum err remark(struct session_analytics *r, struct str text)
{
    if (!text.p)
        return ERR_NOMEM;
    if (r->insights.n < REMARKS_MAX)
        ((struct str *)r->insights.p)[r->insights.n++] = text;
    return ERR_OK;
}

/* The one objective that went furthest beyond its estimate. */
static const struct analysed *worst_overrun(const struct list *objectives)
{
    const struct analysed *a = objectives->p, *worst = NULL;

    for (int32_t i = 0; i < objectives->n; i++)
        if (a[i].delta > (worst ? worst->delta : 0))
            worst = &a[i];
    return worst;
}

static enum err remarks(struct api_call *c, struct session_analytics *r)
{
    const struct calibration *k = &r->calibration;
    const struct time_sum *t = &r->time;
    enum err e = ERR_OK;

    r->insights.p = arena_new(c->arena, struct str, REMARKS_MAX);
    if (!r->insights.p)
        return ERR_NOMEM;
    if (fabs(t->percent) >= OVERRUN_MIN)
        e = remark(r, arena_printf(c->arena, "The objectives took %.0f %% %s than estimated.",
                                   fabs(t->percent), t->percent > 0 ? "longer" : "less"));
    const struct analysed *worst = worst_overrun(&r->objectives);
    if (e == ERR_OK && worst && worst->delta >= 5) {
        struct str name = worst->text.p ? worst->text : worst->id;
        e = remark(r,
                   arena_printf(c->arena, "%.0f minutes beyond the estimate went to " STR_FMT ".",
                                worst->delta, STR_ARG(name)));
    }
    if (k->n < CALIBRATION_MIN || e != ERR_OK)
        return e;
    if (k->gap > GAP_MIN)
        e = remark(r,
                   arena_printf(c->arena, "Confidence and score lie %.0f points apart.", k->gap));
    if (e == ERR_OK && 2 * k->categories.over > k->n)
        e = remark(r, STR("More than half of the answers were overconfident."));
    if (e == ERR_OK && 2 * k->categories.under > k->n)
        e = remark(r, STR("More than half of the answers were underconfident."));
    return e;
}

enum err get_session_analytics(struct api_call *c)
{
    const struct session_path *in = c->in;
    const struct value args[] = {V_S(c->learner), V_S(in->id), V_I(GRADED_MAX)};
    struct query q[4] = {
        [1] = {.stmt = STMT_SESSION_ONE, .args = args, .arg_count = 2},
        [2] = {.stmt = STMT_SESSION_OBJECTIVE_LIST, .args = args, .arg_count = 2},
        [3] = {.stmt = STMT_SESSION_GRADED, .args = args, .arg_count = 3},
    };
    struct session_analytics *r = arena_new(c->arena, struct session_analytics, 1);
    struct session_row row;
    struct learner l;
    struct list plan;
    enum err e = learner_read(c, q, 4, &l);

    if (e != ERR_OK || !r)
        return e != ERR_OK ? e : ERR_NOMEM;
    if (q[1].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "SESSION_NOT_FOUND", "There is no such session.");
    e = session_row_read(c, columns_of(&q[1].rows, 0), &row);
    if (e == ERR_OK)
        e = planned_read(c, &q[2].rows, &plan);
    if (e == ERR_OK)
        e = analyse_plan(c, &plan, r);
    if (e != ERR_OK)
        return e;
    for (int32_t i = 0; i < q[3].rows.count; i++) {
        struct graded g = graded_read(columns_of(&q[3].rows, i));
        if (g.kind == EVENT_ANSWER)
            calibration_add(&r->calibration, &g);
    }
    calibration_end(&r->calibration, c->arena);
    int64_t n = row.answers + row.reviews, k = row.correct + row.recalled;
    struct interval interval = stats_wilson((double)k, (double)n, STATS_Z95);
    r->cards = (struct graded_sum){row.reviews, row.answers, round_to(100 * row.success, 0), NULL};
    if (n > 0)
        r->cards.interval =
            interval_new(c->arena, (struct interval){100 * interval.low, 100 * interval.high});
    c->reply = r;
    return remarks(c, r);
}
