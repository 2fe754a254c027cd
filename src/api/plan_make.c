/* What is planned for one session: made of what the learner has to do, and kept. */
#include "api/plan_make.h"

#include "api/mission_make.h"
#include "base/assert.h"
#include "base/buf.h"
#include "night/retained.h"
#include "json/writer.h"

#include <math.h>
#include <stdlib.h>

enum {
    AHEAD_DAYS = 90,
    BEHIND_DAYS = 1,
    PLANS_KEPT = 500,
    CANCELLED_KEPT_DAYS = 7,
    DUE_MAX = 5000,
    MISSION_OBJECTIVES_MAX = 200,
    CONTENT_MAX = 256 * 1024,
};
#define CARD_MINUTES 2.0 /* a review takes, until the learner's own pace is known */
#define CARD_MINUTES_WEIGHT 20.0

/* ---- the plan in full ---- */

static const char *const kind_names[] = {"review", "learn", "practice", "break", NULL};
static const char *const phase_names[] = {"warmup", "focus", "cooldown", NULL};
static const char *const stage_names[] = {"warmUp", "peak", "windDown", NULL};

struct item {
    int32_t kind, phase;
    struct str id, title;
    int64_t start, minutes, cards;
    double difficulty;
    struct list objectives, card_ids, reasons;
};
static const struct field item_fields[] = {
    FIELD(F_ENUM, struct item, kind, "type", .names = kind_names, .doc = "what to do"),
    FIELD(F_STR, struct item, id, "id", .flags = FIELD_NULLABLE,
          .doc = "objective, the first of several; null: a break, or cards of none"),
    FIELD(F_STR, struct item, id, "contentId", .flags = FIELD_NULLABLE,
          .doc = "the same under another name"),
    FIELD(F_STR, struct item, title, "title", .flags = FIELD_NULLABLE,
          .doc = "of the objective; null: not in the catalogue"),
    FIELD(F_I64, struct item, start, "startMinute", .doc = "from the session's start"),
    FIELD(F_I64, struct item, minutes, "duration", .doc = "minutes"),
    FIELD(F_I64, struct item, minutes, "estimatedDuration", .doc = "the same"),
    FIELD(F_ENUM, struct item, phase, "phase", .names = phase_names, .doc = "part of the session"),
    FIELD(F_ENUM, struct item, phase, "stage", .names = stage_names,
          .doc = "the same under another name"),
    FIELD(F_F64, struct item, difficulty, "difficulty", .flags = FIELD_NULLABLE, .min = 1,
          .max = 10, .doc = "of its cards, or of the objective to this learner; null: a break"),
    FIELD(F_I64, struct item, cards, "cardCount", .doc = "cards to review"),
    FIELD(F_LIST, struct item, objectives, "objectiveIds", .item = F_STR,
          .size = sizeof(struct str), .doc = "all that it touches: reviews of several are mixed"),
    FIELD(F_LIST, struct item, card_ids, "cards", .item = F_STR, .size = sizeof(struct str),
          .doc = "these, the most forgotten first"),
    FIELD(F_LIST, struct item, reasons, "reasons", .item = F_STR, .size = sizeof(struct str),
          .doc = "why it was chosen"),
    FIELD_END,
};

struct phases {
    int64_t warm_up, peak, wind_down;
};
static const struct field phases_fields[] = {
    FIELD(F_I64, struct phases, warm_up, "warmUp", .doc = "minutes"),
    FIELD(F_I64, struct phases, peak, "peak", .doc = "minutes"),
    FIELD(F_I64, struct phases, wind_down, "windDown", .doc = "minutes"),
    FIELD_END,
};
static const struct field breakdown_fields[] = {
    FIELD(F_I64, struct phases, warm_up, "warmup", .doc = "minutes"),
    FIELD(F_I64, struct phases, peak, "focus", .doc = "minutes"),
    FIELD(F_I64, struct phases, wind_down, "cooldown", .doc = "minutes"),
    FIELD_END,
};

struct sequence {
    struct list items;
    int64_t total, study;
    struct phases aims, phases;
    struct str reason;
};
static const struct field sequence_fields[] = {
    FIELD(F_LIST, struct sequence, items, "sequence", .sub = item_fields,
          .size = sizeof(struct item), .max = PLAN_ITEMS_MAX, .doc = "in order, breaks included"),
    FIELD(F_I64, struct sequence, total, "totalDuration", .doc = "minutes of all of it"),
    FIELD(F_I64, struct sequence, study, "studyDuration", .doc = "without breaks"),
    FIELD(F_OBJECT, struct sequence, aims, "phases", .sub = phases_fields,
          .size = sizeof(struct phases), .doc = "the shape aimed at"),
    FIELD(F_OBJECT, struct sequence, phases, "phaseBreakdown", .sub = breakdown_fields,
          .size = sizeof(struct phases), .doc = "and what it came to"),
    FIELD(F_STR, struct sequence, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it does not fill the time"),
    FIELD_END,
};

struct breaks {
    struct list at, minutes;
    int64_t total;
    struct str reasoning;
};
static const struct field breaks_fields[] = {
    FIELD(F_LIST, struct breaks, at, "breakIntervals", .item = F_I32, .size = sizeof(int32_t),
          .max = PLAN_BREAKS_MAX, .doc = "minutes from the start"),
    FIELD(F_LIST, struct breaks, minutes, "breakDurations", .item = F_I32, .size = sizeof(int32_t),
          .max = PLAN_BREAKS_MAX, .doc = "minutes each"),
    FIELD(F_I64, struct breaks, total, "totalBreakTime", .doc = "minutes; part of the duration"),
    FIELD(F_STR, struct breaks, reasoning, "reasoning", .doc = "why then"),
    FIELD_END,
};
struct one_break {
    int64_t minute, minutes;
    struct str reason;
};
static const struct field one_break_fields[] = {
    FIELD(F_I64, struct one_break, minute, "minute", .doc = "from the start"),
    FIELD(F_I64, struct one_break, minutes, "duration", .doc = "minutes"),
    FIELD(F_STR, struct one_break, reason, "reason", .doc = "why"),
    FIELD_END,
};

struct reasoning {
    struct list time, duration, content, intensity;
};
static const struct field reasoning_fields[] = {
    FIELD(F_LIST, struct reasoning, time, "timeSelection", .item = F_STR,
          .size = sizeof(struct str), .doc = "of the time"),
    FIELD(F_LIST, struct reasoning, duration, "durationLogic", .item = F_STR,
          .size = sizeof(struct str), .doc = "of the length"),
    FIELD(F_LIST, struct reasoning, content, "contentSequencing", .item = F_STR,
          .size = sizeof(struct str), .doc = "of what there is to do"),
    FIELD(F_LIST, struct reasoning, intensity, "intensityFactors", .item = F_STR,
          .size = sizeof(struct str), .doc = "of the intensity"),
    FIELD_END,
};

struct duration_range {
    int64_t low, high;
};
static const struct field duration_range_fields[] = {
    FIELD(F_I64, struct duration_range, low, "min", .doc = "minutes"),
    FIELD(F_I64, struct duration_range, high, "max", .doc = "minutes"),
    FIELD_END,
};

struct plan {
    struct str id, user_id, mission;
    int64_t start, end, minutes, asked;
    bool limited;
    int32_t intensity;
    int64_t recommended;
    struct duration_range range;
    struct sequence content;
    struct breaks breaks;
    struct list break_list;
    struct chance chance;
    struct reasoning reasoning;
    struct strain strain;
    struct list replaces;
    int64_t created_at;
};
static const struct field plan_fields[] = {
    FIELD(F_STR, struct plan, id, "id", .doc = "of the plan"),
    FIELD(F_STR, struct plan, mission, "missionId", .flags = FIELD_NULLABLE,
          .doc = "what it works on first; null: there is no open mission"),
    FIELD(F_STR, struct plan, user_id, "userId", .doc = "learner"),
    FIELD(F_TIME, struct plan, start, "startTime", .doc = "as asked"),
    FIELD(F_TIME, struct plan, end, "endTime", .doc = "startTime + duration"),
    FIELD(F_I64, struct plan, minutes, "duration", .doc = "minutes, breaks included"),
    FIELD(F_I64, struct plan, asked, "requestedDuration",
          .doc = "as asked, or as recommended; strain may have made it shorter"),
    FIELD(F_BOOL, struct plan, limited, "limited", .doc = "shorter than asked, by load or burnout"),
    FIELD(F_ENUM, struct plan, intensity, "intensity", .names = plan_intensity_names,
          .doc = "as asked, as far as load and burnout allow"),
    FIELD(F_I64, struct plan, recommended, "recommendedDuration",
          .doc = "for this work at this hour, strain not looked at"),
    FIELD(F_OBJECT, struct plan, range, "recommendedRange", .sub = duration_range_fields,
          .size = sizeof(struct duration_range), .doc = "a fifth less and more"),
    FIELD(F_OBJECT, struct plan, content, "contentSequence", .sub = sequence_fields,
          .size = sizeof(struct sequence), .doc = "what to do"),
    FIELD(F_OBJECT, struct plan, breaks, "breaks", .sub = breaks_fields,
          .size = sizeof(struct breaks), .doc = "when to rest"),
    FIELD(F_LIST, struct plan, break_list, "breakList", .sub = one_break_fields,
          .size = sizeof(struct one_break), .max = PLAN_BREAKS_MAX, .doc = "the same one by one"),
    FIELD(F_F64, struct plan, chance.value, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "chance that a session of this length is completed; see completion"),
    FIELD(F_OBJECT, struct plan, chance, "completion", .sub = chance_fields,
          .size = sizeof(struct chance), .doc = "the same, with what it rests on"),
    FIELD(F_OBJECT, struct plan, reasoning, "reasoning", .sub = reasoning_fields,
          .size = sizeof(struct reasoning), .doc = "why, for people"),
    FIELD(F_OBJECT, struct plan, strain, "strain", .sub = strain_fields,
          .size = sizeof(struct strain), .doc = "load and burnout, as they were then"),
    FIELD(F_LIST, struct plan, replaces, "replaces", .item = F_STR, .size = sizeof(struct str),
          .doc = "plans of the same time, which it cancelled"),
    FIELD(F_TIME, struct plan, created_at, "createdAt", .doc = "when it was made"),
    FIELD_END,
};

/* ---- making ---- */

struct made {
    struct plan plan;
};
const struct field plan_made_reply[] = {
    FIELD(F_OBJECT, struct made, plan, "plan", .sub = plan_fields, .size = sizeof(struct plan),
          .doc = "as it is kept"),
    FIELD(F_F64, struct made, plan.chance.value, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "as in the plan"),
    FIELD_END,
};

const struct field plan_make_body[] = {
    FIELD_USER_ID(struct plan_make_in),
    FIELD(F_STR, struct plan_make_in, mission, "missionId", .flags = FIELD_NULLABLE, .min = 1,
          .max = EVENT_ID_MAX, .doc = "left out: the latest one that is open, if any"),
    FIELD(F_TIME, struct plan_make_in, start, "startTime", .flags = FIELD_REQUIRED,
          .doc = "from yesterday to in 90 days"),
    FIELD(F_F64, struct plan_make_in, duration, "duration", .flags = FIELD_NULLABLE,
          .min = PLAN_MINUTES_MIN, .max = PLAN_MINUTES_MAX,
          .doc = "minutes, breaks included; left out: as recommended"),
    FIELD(F_ENUM, struct plan_make_in, intensity, "intensity", .flags = FIELD_NULLABLE,
          .names = plan_intensity_names, .doc = "at most; left out: MEDIUM, or less under strain"),
    FIELD_END,
};

struct due_card {
    int32_t objective;
    double recall;
    struct str item;
};

/* What the plan may be made of. */
struct stock {
    struct material m;
    struct plan_objective *objectives;
    int32_t count;
    struct due_card *due; /* by objective, then the most forgotten first */
    int32_t due_count;
    int32_t mission_objectives, mission_open;
    struct str mission;
};

static int by_objective(const void *pa, const void *pb)
{
    const struct due_card *a = pa, *b = pb;

    if (a->objective != b->objective)
        return a->objective < b->objective ? -1 : 1;
    if (a->recall < b->recall || a->recall > b->recall)
        return a->recall < b->recall ? -1 : 1;
    return str_cmp(a->item, b->item);
}

static int by_candidate_id(const void *pa, const void *pb)
{
    return str_cmp(((const struct mission_candidate *)pa)->id,
                   ((const struct mission_candidate *)pb)->id);
}

static int32_t find_known(const struct material *m, struct str id)
{
    struct mission_candidate key = {.id = id};
    const struct mission_candidate *at =
        m->count > 0 && id.p
            ? bsearch(&key, m->of, (size_t)m->count, sizeof *m->of, by_candidate_id)
            : NULL;

    return at ? (int32_t)(at - m->of) : -1;
}

/* The mission's open objectives come first; one that the learner never met is added. */
static void stock_mission(const struct rows *rows, struct stock *s)
{
    for (int32_t i = 0; i < rows->count; i++) {
        struct columns v = columns_of(rows, i);
        struct str id = column_str(&v), name = column_str(&v), complexity = column_str(&v);
        bool high_yield = column_bool(&v);
        struct str course = column_str(&v);
        bool open = column_time(&v) == TIME_NONE;
        int32_t at = find_known(&s->m, id);

        s->mission_objectives++;
        s->mission_open += open;
        if (at < 0) {
            at = s->count++;
            s->m.texts[at] = name;
            s->m.complexities[at] = complexity;
            s->objectives[at] = (struct plan_objective){
                .of = {.id = id,
                       .course = course,
                       .complexity = str_eq(complexity, STR("BASIC"))      ? 0
                                     : str_eq(complexity, STR("ADVANCED")) ? 2
                                                                           : 1,
                       .high_yield = high_yield,
                       .mastery = {.probability = mastery_prior_default.mean}},
                .exam_days = NAN};
        }
        s->objectives[at].in_mission = open;
    }
}

static void stock_exams(const struct orchestra *o, int32_t day, struct stock *s)
{
    const struct exam *exams = o->exams.p;

    for (int32_t i = 0; i < s->count; i++)
        for (int32_t k = 0; k < o->exams.n; k++) {
            struct plan_objective *p = &s->objectives[i];
            double days = exams[k].day - day;
            if (days >= 0 && (isnan(p->exam_days) || days < p->exam_days) &&
                (!exams[k].course.p || (p->of.course.p && str_eq(p->of.course, exams[k].course))))
                p->exam_days = days;
        }
}

/* Cards that belong to no objective known here share a place of their own. */
static enum err stock_due(struct api_call *c, const struct rows *rows,
                          const struct retained *retained, int32_t day, struct stock *s)
{
    int32_t rest = s->count;

    s->due = arena_new(c->arena, struct due_card, (size_t)rows->count + 1);
    if (!s->due)
        return ERR_NOMEM;
    s->objectives[rest] = (struct plan_objective){.cards_only = true, .exam_days = NAN};
    for (int32_t i = 0; i < s->m.count; i++)
        s->objectives[i].of.due = 0, s->objectives[i].of.forgotten = 0;
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *v = row_at(rows, i), *behind = v + 1 + RETAINED_COLUMNS;
        int32_t at = find_known(&s->m, value_str(&v[0]));
        struct due_card *d = &s->due[s->due_count++];
        *d =
            (struct due_card){at >= 0 ? at : rest, retained_card(retained, &v[1], day, NULL).recall,
                              value_str(&behind[0])};
        struct plan_objective *o = &s->objectives[d->objective];
        o->of.due++;
        o->of.forgotten += 1 - d->recall;
        o->due_difficulty += (double)value_i64(&behind[1], 0) / 1e6;
    }
    s->count += s->objectives[rest].of.due > 0;
    for (int32_t i = 0; i < s->count; i++)
        if (s->objectives[i].of.due > 0)
            s->objectives[i].due_difficulty /= s->objectives[i].of.due;
    qsort(s->due, (size_t)s->due_count, sizeof *s->due, by_objective);
    return ERR_OK;
}

static enum err stock_read(struct api_call *c, int32_t day, struct stock *s)
{
    const struct plan_make_in *in = c->in;
    const struct value mission[] = {V_S(c->learner), v_text(in->mission)};
    struct query q[MAKE_QUERIES + 2];
    struct retained retained;
    struct make_args args;

    *s = (struct stock){.count = 0};
    mission_make_queries(c, day, &args, q);
    q[MAKE_DUE].stmt = STMT_PLAN_DUE;
    args.due[2] = V_I(DUE_MAX);
    q[MAKE_QUERIES] =
        (struct query){.stmt = STMT_PLAN_MISSION, .args = mission, .arg_count = 2, .rows_max = 1};
    q[MAKE_QUERIES + 1] =
        (struct query){.stmt = STMT_PLAN_MISSION_OBJECTIVES, .args = mission, .arg_count = 2};
    enum err e = store_read(c->conn, c->arena, q, COUNT(q), c->deadline_us);
    if (e != ERR_OK)
        return e;
    if (in->mission.p && q[MAKE_QUERIES].rows.count == 0)
        return api_refuse(c, ERR_NOT_FOUND, "MISSION_NOT_FOUND", "There is no such mission.");
    if (q[MAKE_QUERIES].rows.count > 0)
        s->mission = value_str(row_at(&q[MAKE_QUERIES].rows, 0));
    e = mission_material(c, q, day, MISSION_OBJECTIVES_MAX + 1, &s->m);
    if (e != ERR_OK)
        return e;
    size_t room = (size_t)s->m.count + MISSION_OBJECTIVES_MAX + 2;
    s->objectives = arena_new(c->arena, struct plan_objective, room);
    if (!s->objectives)
        return ERR_NOMEM;
    s->count = s->m.count;
    for (int32_t i = 0; i < s->count; i++)
        s->objectives[i] = (struct plan_objective){.of = s->m.of[i], .exam_days = NAN};
    stock_mission(&q[MAKE_QUERIES + 1].rows, s);
    stock_exams(&in->o, day, s);
    retained_read(&q[MAKE_RETAINED].rows, &retained);
    e = stock_due(c, &q[MAKE_DUE].rows, &retained, day, s);
    /* The limit leaves room for a mission's strangers; what is over it is left out. */
    if (s->count > MISSION_CANDIDATES_MAX)
        s->count = MISSION_CANDIDATES_MAX;
    return e;
}

/* ---- its parts ---- */

static enum err texts_new(struct api_call *c, struct list *l)
{
    l->p = arena_new(c->arena, struct str, 8);
    l->n = 0;
    return l->p ? ERR_OK : ERR_NOMEM;
}

static void say(struct list *l, struct str text)
{
    ASSERT(l->n < 8);
    if (text.p)
        ((struct str *)l->p)[l->n++] = text;
}

static double card_minutes(const struct learner *l)
{
    double graded = (double)learner_graded(l),
           minutes = (double)learner_totals(l)->study_ms / 60000;
    double own = (CARD_MINUTES * CARD_MINUTES_WEIGHT + minutes) / (CARD_MINUTES_WEIGHT + graded);

    return fmax(0.1, fmin(CARD_MINUTES, own));
}

static bool best_hour(const struct slots_input *s, int32_t hour)
{
    if (s->best_from < 0)
        return false;
    return s->best_from <= s->best_to ? hour >= s->best_from && hour <= s->best_to
                                      : hour >= s->best_from || hour <= s->best_to;
}

static void choose_length(struct api_call *c, const struct stock *s, struct plan *p)
{
    const struct plan_make_in *in = c->in;
    const struct orchestra *o = &in->o;
    int32_t complexity = !s->mission.p               ? 1
                         : s->mission_objectives > 3 ? 2
                         : s->mission_objectives > 1 ? 1
                                                     : 0;
    bool best = best_hour(&o->slots, civil_at(o->l.zone, in->start).hour);
    struct plan_length l = plan_length_of(o->usual_minutes, complexity, best, o->week_hours);

    p->recommended = l.minutes;
    p->range = (struct duration_range){l.low, l.high};
    if (!isnan(in->duration)) {
        p->asked = llround(in->duration);
        say(&p->reasoning.duration, STR("The length is the one asked for."));
    } else if (o->measures[ADAPT_DURATION] != INT64_MIN) {
        p->asked = o->measures[ADAPT_DURATION];
        say(&p->reasoning.duration, STR("The length is the one that the learner asked for."));
    } else {
        p->asked = l.minutes;
        say(&p->reasoning.duration,
            isnan(o->usual_minutes)
                ? STR("Nothing is known yet of how long a session goes well: 45 minutes are usual.")
                : arena_printf(c->arena, "Sessions of about %.0f minutes go well.",
                               o->usual_minutes));
    }
    p->minutes = plan_minutes_of(&o->limits, (int32_t)p->asked);
    p->limited = p->minutes < p->asked;
    if (p->limited)
        say(&p->reasoning.duration, STR("Load or burnout risk makes it shorter."));
    if (best)
        say(&p->reasoning.time, STR("The learner does best at this time of day."));
    else if (o->slots.best_from >= 0)
        say(&p->reasoning.time,
            arena_printf(c->arena, "The learner does best from %02d:00 to %02d:00.",
                         o->slots.best_from, (o->slots.best_to + 1) % 24));
    say(&p->reasoning.time, STR("Nothing firm stands in the calendar."));
}

static void choose_intensity(struct api_call *c, struct plan *p)
{
    const struct plan_make_in *in = c->in;
    const struct orchestra *o = &in->o;
    struct str texts[4];
    int64_t asked = in->intensity >= 0                          ? in->intensity
                    : o->measures[ADAPT_INTENSITY] != INT64_MIN ? o->measures[ADAPT_INTENSITY]
                                                                : PLAN_MEDIUM;

    p->intensity =
        asked < (int64_t)o->limits.intensity ? (int32_t)asked : (int32_t)o->limits.intensity;
    int32_t n = orchestra_strain_texts(c, o, texts);
    for (int32_t i = 0; i < n; i++)
        say(&p->reasoning.intensity, texts[i]);
    if (n == 0)
        say(&p->reasoning.intensity, isnan(o->load.score)
                                         ? STR("No load is known that would speak against it.")
                                         : STR("Load and burnout risk allow it."));
}

static enum err choose_breaks(struct api_call *c, struct plan *p, struct plan_breaks *b)
{
    const struct plan_make_in *in = c->in;
    const struct orchestra *o = &in->o;
    int32_t more = o->limits.more_breaks + (p->intensity == PLAN_LOW && !o->limits.more_breaks);
    struct one_break *list = arena_new(c->arena, struct one_break, PLAN_BREAKS_MAX);
    int32_t *at = arena_new(c->arena, int32_t, PLAN_BREAKS_MAX);
    int32_t *minutes = arena_new(c->arena, int32_t, PLAN_BREAKS_MAX);

    if (!list || !at || !minutes)
        return ERR_NOMEM;
    plan_breaks_make((int32_t)p->asked, o->stretch, 0, b);
    plan_breaks_make((int32_t)p->minutes, o->stretch, more > 0 ? b->count + more : 0, b);
    p->breaks.reasoning =
        more > 0 ? STR("Strain asks for more breaks than usual.")
        : isnan(o->stretch)
            ? STR("A break each 25 minutes, until the learner's own span is known.")
            : arena_printf(c->arena, "Attention lasts about %.0f minutes.", o->stretch / 0.9);
    for (int32_t i = 0; i < b->count; i++) {
        at[i] = b->at[i];
        minutes[i] = b->minutes[i];
        list[i] = (struct one_break){b->at[i], b->minutes[i], p->breaks.reasoning};
    }
    p->breaks.at = (struct list){at, b->count};
    p->breaks.minutes = (struct list){minutes, b->count};
    p->breaks.total = b->total;
    p->break_list = (struct list){list, b->count};
    return ERR_OK;
}

static enum err item_reasons(struct api_call *c, const struct plan_objective *o, uint32_t bits,
                             struct item *r)
{
    enum err e = texts_new(c, &r->reasons);

    if (e != ERR_OK)
        return e;
    if (o->in_mission)
        say(&r->reasons, STR("It is part of the mission."));
    if (o->exam_days < MISSION_EXAM_DAYS)
        say(&r->reasons, arena_printf(c->arena, "An exam comes in %.0f days.", o->exam_days));
    if (bits & MISSION_DUE)
        say(&r->reasons, STR("Its cards are due."));
    if (bits & MISSION_WEAK_AREA)
        say(&r->reasons, STR("It has not gone well so far."));
    if (bits & MISSION_NEW)
        say(&r->reasons, STR("It is new."));
    if (bits & MISSION_HIGH_YIELD)
        say(&r->reasons, STR("It is of high yield."));
    if (bits & MISSION_OPENS)
        say(&r->reasons, STR("Something later builds on it."));
    if (bits & MISSION_KEEPS)
        say(&r->reasons, STR("Practice keeps it fresh."));
    return ERR_OK;
}

/* All cards of the plan, in the order in which they are reviewed. */
static struct str *cards_in_order(struct api_call *c, const struct stock *s,
                                  const struct plan_content *content)
{
    struct str *ids = arena_new(c->arena, struct str, (size_t)s->due_count + 1);
    int32_t n = 0;

    for (int32_t i = 0; ids && i < content->part_count; i++) {
        const struct plan_part *part = &content->parts[i];
        int32_t low = 0, high = s->due_count; /* its first card */
        while (low < high) {
            int32_t mid = low + (high - low) / 2;
            if (s->due[mid].objective < part->objective)
                low = mid + 1;
            else
                high = mid;
        }
        for (int32_t k = 0; k < part->cards; k++)
            ids[n++] = s->due[low + k].item;
    }
    return ids;
}

/* The objectives whose cards an item reviews. */
static enum err item_objectives(struct api_call *c, const struct stock *s,
                                const struct plan_content *content, const struct plan_item *from,
                                struct item *r)
{
    struct str *ids = arena_new(c->arena, struct str, (size_t)content->part_count + 1);
    int32_t n = 0, at = 0;

    if (!ids)
        return ERR_NOMEM;
    for (int32_t i = 0; i < content->part_count; at += content->parts[i++].cards) {
        const struct plan_objective *o = &s->objectives[content->parts[i].objective];
        if (at < from->first_card + from->cards &&
            at + content->parts[i].cards > from->first_card && !o->cards_only)
            ids[n++] = o->of.id;
    }
    if (from->cards == 0 && r->id.p)
        ids[n++] = r->id;
    r->objectives = (struct list){ids, n};
    return ERR_OK;
}

static enum err show_item(struct api_call *c, const struct stock *s,
                          const struct plan_content *content, const struct plan_item *from,
                          struct str *cards, struct item *r)
{
    *r = (struct item){.kind = (int32_t)from->kind,
                       .phase = (int32_t)from->phase,
                       .start = from->start,
                       .minutes = from->minutes,
                       .cards = from->cards,
                       .card_ids = {cards + from->first_card, from->cards},
                       .difficulty = isnan(from->difficulty) ? NAN : round_to(from->difficulty, 1)};
    if (from->objective < 0)
        return ERR_OK;
    const struct plan_objective *o = &s->objectives[from->objective];
    if (!o->cards_only) {
        r->id = o->of.id;
        r->title = s->m.texts[from->objective];
    }
    enum err e = item_objectives(c, s, content, from, r);
    return e == ERR_OK ? item_reasons(c, o, from->reasons, r) : e;
}

static enum err show_content(struct api_call *c, const struct stock *s,
                             const struct plan_content *content, struct plan *p)
{
    struct item *items = arena_new(c->arena, struct item, (size_t)content->count + 1);
    struct str *cards = cards_in_order(c, s, content);
    int32_t aims[PLAN_PHASES];
    enum err e = items && cards ? ERR_OK : ERR_NOMEM;

    for (int32_t i = 0; e == ERR_OK && i < content->count; i++)
        e = show_item(c, s, content, &content->items[i], cards, &items[i]);
    plan_phases_of((int32_t)p->minutes, aims);
    struct sequence *q = &p->content;
    *q = (struct sequence){.items = {items, content->count},
                           .total = content->minutes,
                           .study = content->minutes,
                           .aims = {aims[0], aims[1], aims[2]},
                           .phases = {content->phases[0], content->phases[1], content->phases[2]}};
    for (int32_t i = 0; i < content->count; i++)
        q->study -= content->items[i].kind == PLAN_BREAK ? content->items[i].minutes : 0;
    if (content->count == 0)
        q->reason = STR("Nothing is known to work on: no course with objectives and no card was "
                        "studied yet.");
    return e;
}

static enum err choose_content(struct api_call *c, const struct stock *s,
                               const struct plan_breaks *b, struct plan *p)
{
    const struct plan_make_in *in = c->in;
    struct plan_content *content = arena_new(c->arena, struct plan_content, 1);
    const struct plan_input input = {.objectives = s->objectives,
                                     .count = s->count,
                                     .needs = s->m.needs,
                                     .needs_count = s->m.needs_count,
                                     .minutes = (int32_t)p->minutes,
                                     .breaks = b,
                                     .card_minutes = card_minutes(&in->o.l),
                                     .easy = in->o.limits.easy};
    enum err e = content ? plan_fill(&input, content) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    if (s->due_count > 0)
        say(&p->reasoning.content, arena_printf(c->arena, "%d card%s due by then.", s->due_count,
                                                s->due_count == 1 ? " is" : "s are"));
    if (s->mission_open > 0)
        say(&p->reasoning.content, STR("The mission's open objectives come before others."));
    if (input.easy)
        say(&p->reasoning.content, STR("Nothing new, because of the strain."));
    say(&p->reasoning.content,
        STR("Easy reviews first, then what brings most a minute, prerequisites before what needs "
            "them; the harder reviews last."));
    return show_content(c, s, content, p);
}

/* Firm busy times of calendars refuse; plans of the same time are replaced. */
static enum err heed_calendar(struct api_call *c, struct plan *p)
{
    const struct plan_make_in *in = c->in;
    const struct orchestra *o = &in->o;
    struct str *ids = arena_new(c->arena, struct str, (size_t)o->taken_count + 1);
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
    int32_t n = 0;

    if (!ids)
        return ERR_NOMEM;
    for (int32_t i = 0; i < o->taken_count; i++) {
        const struct slots_busy *t = &o->taken[i];
        if (t->soft || t->end <= p->start || t->start >= p->end)
            continue;
        if (!o->taken_by[i]) {
            ids[n++] = o->plan_ids[i];
            continue;
        }
        time_print(t->start, from);
        time_print(t->end, to);
        return api_refuse(c, ERR_CONFLICT, "CALENDAR_CONFLICT",
                          "The calendar holds something from %s to %s; see "
                          "/api/orchestration/recommendations for free times.",
                          from, to);
    }
    p->replaces = (struct list){ids, n};
    return ERR_OK;
}

static enum err content_print(struct api_call *c, const struct plan *p, struct str *ret)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, CONTENT_MAX);
    json_writer_init(&w, &b);
    fields_write_json(plan_fields, &w, p);
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static enum err plan_write(struct api_call *c, struct store_conn *conn)
{
    const struct plan_make_in *in = c->in;
    const struct plan *p = &in->shown->plan;
    const struct value owner = V_I(in->o.l.learner_id), now = V_I(c->now_us);
    const struct value add[] = {owner,
                                V_S(p->id),
                                v_text(p->mission),
                                V_I(p->start),
                                V_I(p->end),
                                V_I(p->asked),
                                V_S(str_from(plan_intensity_names[p->intensity])),
                                v_real(p->chance.value),
                                now,
                                V_S(in->content)};
    const struct value planned[] = {
        owner, V_S(p->id), V_I(p->start), V_I(p->end), V_S(STR("Study session")), now};
    const struct value displace[] = {owner, V_S(p->id), V_I(p->start), V_I(p->end), now};
    const struct value apply[] = {owner, V_I(p->start), now};
    const struct value trim[] = {owner, V_I(PLANS_KEPT)};
    const struct value old[] = {owner, V_I(c->now_us - CANCELLED_KEPT_DAYS * US_PER_DAY)};
    struct bulk bulks[] = {
        {.stmt = STMT_SESSION_PLAN_ADD, .rows = 1, .cols = COUNT(add), .v = add},
        {.stmt = STMT_PLANNED_SESSION_ADD, .rows = 1, .cols = COUNT(planned), .v = planned},
        {.stmt = STMT_PLANNED_SESSION_DISPLACE, .rows = 1, .cols = 5, .v = displace},
        {.stmt = STMT_SCHEDULE_SLOT_APPLY, .rows = 1, .cols = 3, .v = apply},
        {.stmt = STMT_SESSION_PLAN_TRIM, .rows = 1, .cols = 2, .v = trim},
        {.stmt = STMT_PLANNED_SESSION_TRIM, .rows = 1, .cols = 2, .v = old}};

    return store_write(conn, bulks, COUNT(bulks));
}

static enum err plan_written(struct api_call *c)
{
    const struct plan_make_in *in = c->in;

    c->reply = in->shown;
    return ERR_OK;
}

static enum err plan_start(struct api_call *c, struct plan *p)
{
    const struct plan_make_in *in = c->in;
    struct list *texts[] = {&p->reasoning.time, &p->reasoning.duration, &p->reasoning.content,
                            &p->reasoning.intensity};
    enum err e = ERR_OK;

    for (size_t i = 0; e == ERR_OK && i < COUNT(texts); i++)
        e = texts_new(c, texts[i]);
    p->id = orchestra_id(c, 'p');
    p->user_id = c->learner;
    p->start = in->start;
    p->created_at = c->now_us;
    p->strain = orchestra_strain(&in->o);
    return p->id.p ? e : ERR_NOMEM;
}

enum err post_session_plan(struct api_call *c)
{
    struct plan_make_in *in = c->in;
    struct plan_breaks breaks;
    struct stock stock;

    if (in->start < c->now_us - BEHIND_DAYS * US_PER_DAY ||
        in->start > c->now_us + AHEAD_DAYS * US_PER_DAY)
        return api_bad_field(c, "startTime", "invalid_value",
                             "must lie between yesterday and in %d days", AHEAD_DAYS);
    in->shown = arena_new(c->arena, struct made, 1);
    enum err e = in->shown ? orchestra_read(c, in->start, &in->o) : ERR_NOMEM;
    if (e == ERR_OK && !in->o.l.analysis)
        return api_refuse(c, ERR_FORBIDDEN, "ANALYSIS_DISABLED", STR_FMT, STR_ARG(reason_disabled));
    if (e == ERR_OK)
        e = stock_read(c, civil_at(in->o.l.zone, in->start).epoch_day, &stock);
    if (e != ERR_OK)
        return e;
    struct plan *p = &in->shown->plan;
    e = plan_start(c, p);
    if (e != ERR_OK)
        return e;
    p->mission = stock.mission;
    choose_length(c, &stock, p);
    p->end = p->start + p->minutes * US_PER_MINUTE;
    choose_intensity(c, p);
    p->chance = orchestra_chance(c, &in->o, (int32_t)p->minutes);
    e = heed_calendar(c, p);
    if (e == ERR_OK)
        e = choose_breaks(c, p, &breaks);
    if (e == ERR_OK)
        e = choose_content(c, &stock, &breaks, p);
    if (e == ERR_OK)
        e = content_print(c, p, &in->content);
    return e == ERR_OK ? api_change(c, plan_write, plan_written) : e;
}
