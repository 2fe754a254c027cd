/* personalization - how a learner's study is fitted to what is known of it: what is in force, what
 * the learner wants, and the day's choice. The rows of the family stand at the end. */
#include "api/personalization.h"

#include "api/call.h"
#include "base/assert.h"
#include "json/reader.h"

#include <math.h>

enum {
    FEATURES_MAX = 32,
    FEATURE_MAX = 64,
    FEATURES_TEXT_MAX = 8192,
    TOPIC_MAX = 128,
    DATE_MAX = 40,
    DIFFICULTY_MAX = 64,
};

/* ---- GET config ---- */

struct provenance {
    bool preferred, enough;
    struct str choice;
};
static const struct field provenance_fields[] = {
    FIELD(F_BOOL, struct provenance, preferred, "preference", .doc = "does the learner want it?"),
    FIELD(F_BOOL, struct provenance, enough, "dataQuality",
          .doc = "is there enough data for the level that the learner wants?"),
    FIELD(F_STR, struct provenance, choice, "choice",
          .doc = "how the variant came: drawn, frozen, held out, or none yet"),
    FIELD_END,
};

struct block {
    bool enabled;
    struct str strategy, parameters;
    double confidence;
    int32_t variant;
    struct str decision;
    double propensity, improves;
    double mean;
    int64_t n;
    struct provenance provenance;
};
static const struct field block_fields[] = {
    FIELD(F_BOOL, struct block, enabled, "enabled",
          .doc = "is it in force: wanted, and enough data?"),
    FIELD(F_STR, struct block, strategy, "strategy", .doc = "what it goes by, or default"),
    FIELD(F_JSON, struct block, parameters, "parameters",
          .doc = "an object of what is recommended; empty where not enabled"),
    FIELD(F_F64, struct block, confidence, "confidence", .min = 0, .max = 1,
          .doc = "the data quality; 0 where not enabled"),
    FIELD(F_ENUM, struct block, variant, "strategyVariant", .flags = FIELD_NULLABLE,
          .names = personal_variant_names,
          .doc = "drawn by lot; Conservative is the control; null: none was drawn yet"),
    FIELD(F_STR, struct block, decision, "decisionId", .flags = FIELD_NULLABLE,
          .doc = "of the day's choice, for POST personalization/outcomes"),
    FIELD(F_F64, struct block, propensity, "propensity", .flags = FIELD_NULLABLE,
          .doc = "the chance with which it was drawn, 0 to 1"),
    FIELD(F_F64, struct block, improves, "probabilityImproves", .flags = FIELD_NULLABLE,
          .doc = "posterior chance that the variant is better than the control; null for that"),
    FIELD(F_F64, struct block, mean, "meanReward", .flags = FIELD_NULLABLE,
          .doc = "posterior mean of the variant's reward, 0 to 1; null before any"),
    FIELD(F_I64, struct block, n, "n", .doc = "rewards of the variant that it rests on"),
    FIELD(F_OBJECT, struct block, provenance, "provenance", .sub = provenance_fields,
          .size = sizeof(struct provenance), .doc = "why it is so"),
    FIELD_END,
};

struct blocks {
    struct block blocks[PERSONAL_CONTEXTS];
};
static const struct field config_fields[] = {
    FIELD(F_OBJECT, struct blocks, blocks[PERSONAL_MISSION], "missionPersonalization",
          .sub = block_fields, .size = sizeof(struct block), .doc = "of missions"),
    FIELD(F_OBJECT, struct blocks, blocks[PERSONAL_CONTENT], "contentPersonalization",
          .sub = block_fields, .size = sizeof(struct block), .doc = "of what is studied"),
    FIELD(F_OBJECT, struct blocks, blocks[PERSONAL_ASSESSMENT], "assessmentPersonalization",
          .sub = block_fields, .size = sizeof(struct block), .doc = "of questions"),
    FIELD(F_OBJECT, struct blocks, blocks[PERSONAL_SESSION], "sessionPersonalization",
          .sub = block_fields, .size = sizeof(struct block), .doc = "of sessions"),
    FIELD_END,
};
struct config_reply {
    struct blocks config;
    double quality;
    int64_t analyzed_at;
    struct str message, reason;
    const struct needed *needed;
    double coverage;
};
static const struct field config_reply[] = {
    FIELD(F_OBJECT, struct config_reply, config, "config", .sub = config_fields,
          .size = sizeof(struct blocks), .doc = "what is in force"),
    FIELD(F_F64, struct config_reply, quality, "dataQualityScore", .flags = FIELD_NULLABLE,
          .doc = "as in the learning profile, 0 to 1; null: nothing may be analysed"),
    FIELD(F_TIME, struct config_reply, analyzed_at, "lastAnalyzedAt", .flags = FIELD_NULLABLE,
          .doc = "now: each call works it out anew"),
    FIELD(F_F64, struct config_reply, coverage, "sourceCoverage", .flags = FIELD_NULLABLE,
          .doc = "0.5 to 1: how many of patterns, forecasts, plans and load are known"),
    FIELD(F_STR, struct config_reply, message, "message", .flags = FIELD_NULLABLE,
          .doc = "where nothing is in force"),
    FIELD(F_STR, struct config_reply, reason, "reason", .flags = FIELD_NULLABLE, .doc = "the same"),
    FIELD(F_OBJECT, struct config_reply, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD_END,
};

static const struct needed *quality_needed(struct api_call *c, const struct personal_view *v)
{
    struct needed n = NEEDED_NONE;

    n.weeks = v->gate.weeks < STUDY_WEEKS_NEEDED ? STUDY_WEEKS_NEEDED - v->gate.weeks : 0;
    n.sessions = v->gate.sessions < 50 ? 50 - v->gate.sessions : 0;
    n.graded = v->gate.graded < 200 ? 200 - v->gate.graded : 0;
    return needed_new(c->arena, n);
}

/* Nothing chosen: the balanced variant's parameters, which no lot has confirmed. */
static enum err block_fill(struct api_call *c, const struct personal_view *v,
                           enum personal_context context, const struct personal_params *params,
                           struct block *b)
{
    enum personal_verdict verdict = personal_verdict(v, context);
    const struct personal_config *config = &v->g.configs[context];
    const struct personal_row *row = personal_choice_of(&v->g, v->l.today, context);
    enum personal_variant variant = !config->active ? PERSONAL_BALANCED
                                    : row           ? row->choice.variant
                                                    : config->variant;

    *b = (struct block){.strategy = STR("default"),
                        .parameters = STR("{}"),
                        .variant = -1,
                        .propensity = NAN,
                        .improves = NAN,
                        .mean = NAN,
                        .provenance = {personal_wanted(&v->g.preferences, context),
                                       verdict == VERDICT_OPEN, STR("none yet")}};
    if (verdict != VERDICT_OPEN)
        return ERR_OK;
    b->enabled = true;
    b->strategy = str_from(personal_strategies[context]);
    b->confidence = round_to(v->gate.quality, 4);
    if (config->active) {
        const struct bandit *bandit = &v->g.bandits[context];
        const struct bandit_arm *arm = &bandit->arms[variant];

        b->variant = (int32_t)variant;
        b->improves = round_to(personal_improves(bandit, variant), 4);
        b->n = arm->rewards;
        b->mean = arm->rewards > 0 ? round_to(arm->a / (arm->a + arm->b), 4) : (double)NAN;
        b->provenance.choice = config->held_out ? STR("held out")
                               : bandit->frozen ? STR("frozen")
                                                : STR("drawn");
    }
    if (row && config->active) {
        b->decision = personal_choice_id(c->arena, row->day, context);
        b->propensity = row->choice.propensity;
        if (!b->decision.p)
            return ERR_NOMEM;
    }
    return personal_parameters(c, v, context, variant, params, &b->parameters);
}

static enum err get_config(struct api_call *c)
{
    struct personal_view *v = arena_new(c->arena, struct personal_view, 1);
    struct config_reply *r = arena_new(c->arena, struct config_reply, 1);
    enum personal_verdict verdict = VERDICT_OPEN;
    bool any = false;
    enum err e = v && r ? personal_view_read(c, v) : ERR_NOMEM;

    for (int i = 0; e == ERR_OK && i < PERSONAL_CONTEXTS; i++) {
        enum personal_context context = (enum personal_context)i;
        const struct personal_params none = {.minutes = NAN};

        e = block_fill(c, v, context, &none, &r->config.blocks[i]);
        any |= r->config.blocks[i].enabled;
        if (personal_verdict(v, context) > verdict)
            verdict = personal_verdict(v, context);
    }
    if (e != ERR_OK)
        return e;
    r->quality = v->l.analysis ? round_to(v->gate.quality, 4) : (double)NAN;
    r->coverage =
        v->l.analysis ? personal_plan(&v->known, PERSONAL_BALANCED).coverage : (double)NAN;
    r->analyzed_at = v->l.analysis ? c->now_us : TIME_NONE;
    if (!any) {
        r->message = r->reason = personal_verdict_text(c->arena, v, verdict);
        if (verdict >= VERDICT_THIN)
            r->needed = quality_needed(c, v);
    }
    c->reply = r;
    return any || r->message.p ? ERR_OK : ERR_NOMEM;
}

/* ---- preferences ---- */

struct preferences_shown {
    int32_t level;
    bool on[PERSONAL_CONTEXTS], auto_adapt;
    struct list disabled;
    int64_t version, updated_at;
};
static const struct field preferences_fields[] = {
    FIELD(F_ENUM, struct preferences_shown, level, "personalizationLevel",
          .names = personal_level_names, .doc = "how little data is enough; NONE: nothing"),
    FIELD(F_BOOL, struct preferences_shown, on[PERSONAL_MISSION], "missionPersonalizationEnabled",
          .doc = "missions"),
    FIELD(F_BOOL, struct preferences_shown, on[PERSONAL_CONTENT], "contentPersonalizationEnabled",
          .doc = "what is studied"),
    FIELD(F_BOOL, struct preferences_shown, on[PERSONAL_ASSESSMENT],
          "assessmentPersonalizationEnabled", .doc = "questions"),
    FIELD(F_BOOL, struct preferences_shown, on[PERSONAL_SESSION], "sessionPersonalizationEnabled",
          .doc = "sessions"),
    FIELD(F_BOOL, struct preferences_shown, auto_adapt, "autoAdaptEnabled",
          .doc = "may choices vary and be learnt from? False: the best so far, always"),
    FIELD(F_LIST, struct preferences_shown, disabled, "disabledFeatures", .item = F_STR,
          .size = sizeof(struct str),
          .doc = "contexts (mission, ..) or parameters (optimalStudyTimes, ..) not wanted"),
    FIELD(F_I64, struct preferences_shown, version, "version",
          .doc = "raised by each change; 0: never changed"),
    FIELD(F_TIME, struct preferences_shown, updated_at, "updatedAt", .flags = FIELD_NULLABLE,
          .doc = "last change; null: never"),
    FIELD_END,
};
struct preferences_reply {
    struct preferences_shown preferences;
    struct str message;
};
static const struct field preferences_reply[] = {
    FIELD(F_OBJECT, struct preferences_reply, preferences, "preferences", .sub = preferences_fields,
          .size = sizeof(struct preferences_shown), .doc = "what the learner wants"),
    FIELD(F_STR, struct preferences_reply, message, "message", .flags = FIELD_NULLABLE | FIELD_OMIT,
          .doc = "of a change"),
    FIELD_END,
};

struct preferences_body {
    struct str user_id;
    int32_t level;
    bool on[PERSONAL_CONTEXTS], auto_adapt;
    struct list disabled;
    int64_t version;
    struct {
        bool level, on[PERSONAL_CONTEXTS], auto_adapt, disabled, version;
    } given;
};
#define GIVEN(member) .seen = 1 + (uint32_t)offsetof(struct preferences_body, given.member)
static const struct field preferences_body[] = {
    FIELD_USER_ID(struct preferences_body),
    FIELD(F_ENUM, struct preferences_body, level, "personalizationLevel",
          .names = personal_level_names, GIVEN(level),
          .doc = "sets the switches that are not named beside it; NONE sets all of them off"),
    FIELD(F_BOOL, struct preferences_body, on[PERSONAL_MISSION], "missionPersonalizationEnabled",
          GIVEN(on[PERSONAL_MISSION]), .doc = "missions"),
    FIELD(F_BOOL, struct preferences_body, on[PERSONAL_CONTENT], "contentPersonalizationEnabled",
          GIVEN(on[PERSONAL_CONTENT]), .doc = "what is studied"),
    FIELD(F_BOOL, struct preferences_body, on[PERSONAL_ASSESSMENT],
          "assessmentPersonalizationEnabled", GIVEN(on[PERSONAL_ASSESSMENT]), .doc = "questions"),
    FIELD(F_BOOL, struct preferences_body, on[PERSONAL_SESSION], "sessionPersonalizationEnabled",
          GIVEN(on[PERSONAL_SESSION]), .doc = "sessions"),
    FIELD(F_BOOL, struct preferences_body, auto_adapt, "autoAdaptEnabled", GIVEN(auto_adapt),
          .doc = "may choices vary and be learnt from?"),
    FIELD(F_LIST, struct preferences_body, disabled, "disabledFeatures", .item = F_STR,
          .size = sizeof(struct str), .max = FEATURES_MAX, GIVEN(disabled),
          .doc = "all that is not wanted, of at most 64 bytes each"),
    FIELD(F_I64, struct preferences_body, version, "version", .max = 1e9, GIVEN(version),
          .doc = "of the preferences as they were read; left out: whatever they are"),
    FIELD_END,
};

static enum err preferences_show(struct api_call *c, const struct personal_preferences *p,
                                 struct preferences_shown *r)
{
    struct str *names = arena_new(c->arena, struct str, FEATURES_MAX);
    struct json_reader reader;
    int32_t n = 0;

    if (!names)
        return ERR_NOMEM;
    json_reader_init(&reader, p->disabled_features, c->arena, 2);
    if (json_array_begin(&reader))
        while (n < FEATURES_MAX && json_next_item(&reader) && json_read_str(&reader, &names[n]))
            n++;
    *r = (struct preferences_shown){.level = (int32_t)p->level,
                                    .auto_adapt = p->auto_adapt,
                                    .disabled = {names, n},
                                    .version = p->version,
                                    .updated_at = p->updated_at};
    for (int i = 0; i < PERSONAL_CONTEXTS; i++)
        r->on[i] = p->on[i];
    return ERR_OK;
}

static enum err get_preferences(struct api_call *c)
{
    const struct value id[] = {V_S(c->learner)};
    struct query q[2] = {[1] = {.stmt = STMT_PERSONAL_SETTINGS, .args = id, .arg_count = 1}};
    struct preferences_reply *r = arena_new(c->arena, struct preferences_reply, 1);
    struct personal_preferences p;
    struct learner l;
    enum err e = r ? learner_read(c, q, 2, &l) : ERR_NOMEM;

    if (e != ERR_OK)
        return e;
    personal_preferences_of(c->arena, row_at(&q[1].rows, 0), &p);
    if (c->x->request.method == HTTP_PATCH)
        r->message = STR("The preferences are updated.");
    c->reply = r;
    return preferences_show(c, &p, &r->preferences);
}

static enum err features_print(struct api_call *c, const struct list *names, struct str *ret)
{
    const struct str *s = names->p;
    struct json_writer w;
    struct buf b;

    buf_init(&b, FEATURES_TEXT_MAX);
    json_writer_init(&w, &b);
    json_array(&w);
    for (int32_t i = 0; i < names->n; i++)
        json_str(&w, s[i]);
    json_array_end(&w);
    *ret = b.failed ? (struct str){NULL, 0} : arena_str(c->arena, buf_view(&b));
    buf_fini(&b);
    return ret->p ? ERR_OK : ERR_NOMEM;
}

static void preferences_merge(const struct preferences_body *in, struct personal_preferences *p)
{
    if (in->given.level)
        p->level = (enum personal_level)in->level;
    for (int i = 0; i < PERSONAL_CONTEXTS; i++) {
        if (in->given.level)
            p->on[i] = personal_preset(p->level, (enum personal_context)i);
        if (in->given.on[i] && p->level != PERSONAL_NONE)
            p->on[i] = in->on[i];
    }
    if (in->given.auto_adapt)
        p->auto_adapt = in->auto_adapt;
}

static enum err preferences_write(struct store_conn *conn, const struct personal_ground *g,
                                  const struct personal_preferences *p, int64_t now_us,
                                  struct personal_writes *w)
{
    const struct value v[] = {V_I(g->learner_id),
                              V_S(str_from(personal_level_names[p->level])),
                              V_I(p->on[PERSONAL_MISSION]),
                              V_I(p->on[PERSONAL_CONTENT]),
                              V_I(p->on[PERSONAL_ASSESSMENT]),
                              V_I(p->on[PERSONAL_SESSION]),
                              V_I(p->auto_adapt),
                              V_S(p->disabled_features),
                              V_I(p->version),
                              V_I(now_us)};
    struct bulk bulk = {.stmt = STMT_PERSONAL_PREFERENCES_PUT, .rows = 1, .cols = COUNT(v), .v = v};
    enum err e = store_write(conn, &bulk, 1);

    if (e == ERR_OK && bulk.changed == 0)
        return ERR_CONFLICT;
    return e == ERR_OK && w->count > 0 ? store_write(conn, w->bulks, w->count) : e;
}

static enum err preferences_run(struct api_call *c, struct store_conn *conn)
{
    const struct preferences_body *in = c->in;
    struct personal_writes w = {.arena = c->arena};
    struct personal_ground g, now;
    struct learner l;
    enum err e = personal_hold(c, conn);

    if (e == ERR_OK)
        e = personal_ground_read(c, conn, 0, -1, &l, &g);
    if (e != ERR_OK)
        return e;
    if (in->given.version && in->version != g.preferences.version)
        return api_refuse(c, ERR_CONFLICT, "VERSION_CONFLICT", "The preferences' version is %lld.",
                          (long long)g.preferences.version);
    now = g;
    preferences_merge(in, &now.preferences);
    if (in->given.disabled) {
        e = features_print(c, &in->disabled, &now.preferences.disabled_features);
        if (e == ERR_OK)
            personal_features(c->arena, &now.preferences);
    }
    for (int i = 0; e == ERR_OK && i < PERSONAL_CONTEXTS; i++)
        if (!personal_wanted(&now.preferences, (enum personal_context)i))
            e = personal_put_off(&w, &g, (enum personal_context)i, c->now_us,
                                 "The learner's preferences switch it off.");
    return e == ERR_OK ? preferences_write(conn, &g, &now.preferences, c->now_us, &w) : e;
}

static enum err patch_preferences(struct api_call *c)
{
    const struct preferences_body *in = c->in;
    const struct str *names = in->disabled.p;
    bool any = in->given.level || in->given.auto_adapt || in->given.disabled;

    for (int i = 0; i < PERSONAL_CONTEXTS; i++)
        any |= in->given.on[i];
    if (!any)
        return api_bad_field(c, "", "missing", "must name at least one preference to change");
    for (int32_t i = 0; i < in->disabled.n; i++)
        if (names[i].n == 0 || names[i].n > FEATURE_MAX)
            return api_bad_field(c, "disabledFeatures", "invalid_value",
                                 "must have names of 1 to %d bytes", FEATURE_MAX);
    return api_change(c, preferences_run, get_preferences);
}

/* ---- POST apply ---- */

struct apply_params {
    struct str date, topic, difficulty;
    double minutes;
};
static const struct field apply_params[] = {
    FIELD(F_STR, struct apply_params, date, "missionDate", .flags = FIELD_NULLABLE, .max = DATE_MAX,
          .doc = "a date or a time; given back with the parameters"),
    FIELD(F_STR, struct apply_params, topic, "topicId", .flags = FIELD_NULLABLE, .max = TOPIC_MAX,
          .doc = "given back with the parameters"),
    FIELD(F_JSON, struct apply_params, difficulty, "currentDifficulty", .flags = FIELD_NULLABLE,
          .doc = "a number or a text of at most 64 bytes; given back with the parameters"),
    FIELD(F_F64, struct apply_params, minutes, "sessionDuration", .flags = FIELD_NULLABLE, .min = 1,
          .max = 720, .doc = "minutes that the session shall take; a high load shortens it"),
    FIELD_END,
};
struct apply_in {
    struct str user_id;
    int32_t context;
    struct apply_params params;
    int32_t today;
};
static const struct field apply_body[] = {
    FIELD_USER_ID(struct apply_in),
    FIELD(F_ENUM, struct apply_in, context, "context", .flags = FIELD_REQUIRED,
          .names = personal_context_names, .doc = "what is to be personalised"),
    FIELD(F_OBJECT, struct apply_in, params, "params", .sub = apply_params,
          .size = sizeof(struct apply_params), .doc = "of the moment"),
    FIELD_END,
};
struct apply_reply {
    bool applied;
    int32_t context;
    struct block config;
    double confidence, quality;
    struct str message;
    struct list warnings;
    struct str reason;
    const struct needed *needed;
};
static const struct field apply_reply[] = {
    FIELD(F_BOOL, struct apply_reply, applied, "personalizationApplied", .doc = "is it in force?"),
    FIELD(F_ENUM, struct apply_reply, context, "context", .names = personal_context_names,
          .doc = "as asked"),
    FIELD(F_OBJECT, struct apply_reply, config, "config", .sub = block_fields,
          .size = sizeof(struct block), .doc = "the day's choice, and what it recommends"),
    FIELD(F_F64, struct apply_reply, confidence, "confidence", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "the data quality; null: not applied"),
    FIELD(F_F64, struct apply_reply, quality, "dataQualityScore", .flags = FIELD_NULLABLE, .min = 0,
          .max = 1, .doc = "the same; null: nothing may be analysed"),
    FIELD(F_STR, struct apply_reply, message, "message", .doc = "what was done, or why not"),
    FIELD(F_LIST, struct apply_reply, warnings, "warnings", .item = F_STR,
          .size = sizeof(struct str), .doc = "what is not known of the learner"),
    FIELD(F_STR, struct apply_reply, reason, "reason", .flags = FIELD_NULLABLE,
          .doc = "why it was not applied"),
    FIELD(F_OBJECT, struct apply_reply, needed, "needed", .flags = FIELD_NULLABLE | FIELD_POINTER,
          .sub = needed_fields, .size = sizeof(struct needed), .doc = "what is missing"),
    FIELD_END,
};

static enum err apply_warnings(struct api_call *c, const struct personal_known *k, struct list *ret)
{
    enum { SOURCES = 4 };
    const struct {
        bool known;
        const char *text;
    } sources[SOURCES] = {
        {k->patterns, "No patterns of the learner are known."},
        {k->forecasts > 0, "No struggle is forecast."},
        {k->planned > 0 || !isnan(k->planned_minutes), "No planned sessions are known."},
        {k->load, "No load was measured in the last seven days."},
    };
    struct str *texts = arena_new(c->arena, struct str, SOURCES + 1);
    int32_t n = 0;

    if (!texts)
        return ERR_NOMEM;
    for (int i = 0; i < SOURCES; i++)
        if (!sources[i].known)
            texts[n++] = str_from(sources[i].text);
    if (n == SOURCES)
        texts[n++] = STR("Nothing is known to go by: these are defaults.");
    *ret = (struct list){texts, n};
    return ERR_OK;
}

static enum err apply_show(struct api_call *c, const struct personal_view *v)
{
    const struct apply_in *in = c->in;
    enum personal_context context = (enum personal_context)in->context;
    enum personal_verdict verdict = personal_verdict(v, context);
    struct apply_reply *r = arena_new(c->arena, struct apply_reply, 1);
    const struct personal_params params = {in->params.date, in->params.topic, in->params.difficulty,
                                           in->params.minutes};

    if (!r)
        return ERR_NOMEM;
    r->context = in->context;
    r->applied = verdict == VERDICT_OPEN;
    r->quality = v->l.analysis ? round_to(v->gate.quality, 4) : (double)NAN;
    r->confidence = r->applied ? r->quality : (double)NAN;
    r->message = personal_verdict_text(c->arena, v, verdict);
    if (!r->applied)
        r->reason = r->message;
    if (verdict >= VERDICT_THIN)
        r->needed = quality_needed(c, v);
    enum err e = block_fill(c, v, context, &params, &r->config);
    if (e == ERR_OK && v->l.analysis)
        e = apply_warnings(c, &v->known, &r->warnings);
    c->reply = r;
    return e != ERR_OK || r->message.p ? e : ERR_NOMEM;
}

static enum err view_new(struct api_call *c, struct personal_view **ret)
{
    struct personal_view *v = arena_new(c->arena, struct personal_view, 1);
    enum err e = v ? personal_view_read(c, v) : ERR_NOMEM;

    *ret = v;
    return e;
}

static enum err applied(struct api_call *c)
{
    struct personal_view *v;
    enum err e = view_new(c, &v);

    return e == ERR_OK ? apply_show(c, v) : e;
}

int64_t personal_holdout_percent(const struct api_call *c)
{
    return c->api->config->personalization_holdout;
}

/* Somebody else may have drawn for today meanwhile: that choice stands. */
static enum err apply_run(struct api_call *c, struct store_conn *conn)
{
    const struct apply_in *in = c->in;
    enum personal_context context = (enum personal_context)in->context;
    double holdout = (double)personal_holdout_percent(c) / 100;
    struct personal_writes w = {.arena = c->arena};
    struct personal_ground g;
    struct learner l;
    enum err e = personal_hold(c, conn);

    if (e == ERR_OK)
        e = personal_ground_read(c, conn, 0, -1, &l, &g);
    if (e != ERR_OK || !l.analysis || !personal_wanted(&g.preferences, context))
        return e; /* what comes after says so */
    const struct personal_row *row = personal_choice_of(&g, in->today, context);
    struct personal_lot lot = personal_draw(&g, c->learner, context, in->today, holdout);
    if (row) {
        lot.variant = row->choice.variant;
        lot.propensity = row->choice.propensity;
        lot.control = row->control;
        lot.learnable = row->choice.learnable;
    }
    e = personal_put_lot(&w, &g, &lot, in->today, c->now_us, true);
    return e == ERR_OK ? store_write(conn, w.bulks, w.count) : e;
}

static enum err apply_check(struct api_call *c, const struct apply_params *p)
{
    int32_t day;
    int64_t at;

    if (p->date.p && date_parse(p->date, &day) != ERR_OK && time_parse(p->date, &at) != ERR_OK)
        return api_bad_field(c, "params.missionDate", "invalid_format", "must be a date or a time");
    if (p->difficulty.p &&
        (p->difficulty.n > DIFFICULTY_MAX || !memchr("\"-0123456789", p->difficulty.p[0], 12)))
        return api_bad_field(c, "params.currentDifficulty", "invalid_type",
                             "must be a number or a text of at most %d bytes", DIFFICULTY_MAX);
    return ERR_OK;
}

static enum err post_apply(struct api_call *c)
{
    struct apply_in *in = c->in;
    enum personal_context context = (enum personal_context)in->context;
    struct personal_view *v;
    enum err e = apply_check(c, &in->params);

    if (e == ERR_OK)
        e = view_new(c, &v);
    if (e != ERR_OK)
        return e;
    in->today = v->l.today;
    if (personal_verdict(v, context) != VERDICT_OPEN ||
        (v->g.configs[context].active && personal_choice_of(&v->g, v->l.today, context)))
        return apply_show(c, v);
    return api_change(c, apply_run, applied);
}

#define ONE(e) (UINT64_C(1) << (e))
#define PERSONAL_GET                                                                              \
    .method = HTTP_GET, .tag = "personalization", .scopes = SCOPE_READ, .learner = LEARNER_QUERY, \
    .run = RUN_SMALL, .round_trips = 1, .errors = ONE(ERR_NOT_FOUND)
#define PERSONAL_WRITE                                                        \
    .tag = "personalization", .scopes = SCOPE_WRITE, .learner = LEARNER_BODY, \
    .envelope = ENVELOPE_DATA, .run = RUN_SMALL, .errors = ONE(ERR_NOT_FOUND) | ONE(ERR_CONFLICT)
#define PERSONAL "/api/personalization/"

const struct endpoint endpoints_personalization[] = {
    {PERSONAL_GET, .path = PERSONAL "config", .id = "get_personalization_config",
     .summary = "What of a learner's study is personalised now, and by what", .reply = config_reply,
     .envelope = ENVELOPE_DATA, .cache = {.fresh_s = 120, .stale_s = 600}, .handler = get_config},
    {PERSONAL_GET, .path = PERSONAL "preferences", .id = "get_personalization_preferences",
     .summary = "What the learner wants to be personalised", .reply = preferences_reply,
     .envelope = ENVELOPE_DATA, .cache = {.fresh_s = 300, .stale_s = 600, .settled = true},
     .handler = get_preferences},
    {PERSONAL_WRITE, .method = HTTP_PATCH, .path = PERSONAL "preferences",
     .id = "update_personalization_preferences",
     .summary = "Change what the learner wants; NONE ends all personalisation",
     .body = preferences_body, .in_size = sizeof(struct preferences_body),
     .reply = preferences_reply, .round_trips = 1, .handler = patch_preferences},
    {PERSONAL_WRITE, .method = HTTP_POST, .path = PERSONAL "apply", .id = "apply_personalization",
     .summary = "Draw the day's variant for a context, or give the one that was drawn",
     .body = apply_body, .in_size = sizeof(struct apply_in), .reply = apply_reply, .round_trips = 2,
     .handler = post_apply},
    {PERSONAL_WRITE, .method = HTTP_POST, .path = PERSONAL "outcomes",
     .id = "tell_personalization_outcome",
     .summary = "Tell what came of a choice; the same id again changes nothing",
     .body = personal_outcome_body, .in_size = sizeof(struct personal_outcome_in),
     .reply = personal_outcome_reply, .round_trips = 1, .handler = post_personal_outcome},
    {PERSONAL_GET, .path = PERSONAL "effectiveness", .id = "get_personalization_effectiveness",
     .summary = "What personalisation brings the learner, by the days that the lot gave it",
     .query = effectiveness_query, .in_size = sizeof(struct effectiveness_query),
     .reply = effectiveness_reply, .envelope = ENVELOPE_DATA,
     .cache = {.fresh_s = 300, .stale_s = 1800}, .handler = get_effectiveness},
    {PERSONAL_GET, .path = PERSONAL "history", .id = "get_personalization_history",
     .summary = "What changed in a learner's personalisation, the newest first",
     .query = personal_history_query, .in_size = sizeof(struct personal_history_query),
     .reply = personal_history_reply, .envelope = ENVELOPE_FLAT,
     .cache = {.fresh_s = 300, .stale_s = 600, .settled = true}, .handler = get_personal_history},
    {.method = HTTP_GET,
     .path = PERSONAL "trial",
     .id = "get_personalization_trial",
     .tag = "personalization",
     .summary = "Learners who are personalised beside those who are held out",
     .scopes = SCOPE_ADMIN,
     .reply = personal_trial_reply,
     .run = RUN_WORKER,
     .round_trips = 1,
     .cache = {.why_none = "for administrators, and rarely asked"},
     .handler = get_personal_trial},
    {.path = NULL},
};
