#include "api/load_view.h"

#include <math.h>

enum { BASELINE_NEEDED = 20 /* observations before a baseline counts as learned */ };

const struct field load_indicator_fields[] = {
    FIELD(F_ENUM, struct load_shown, sign, "type", .names = load_sign_names, .doc = "what shows"),
    FIELD(F_ENUM, struct load_shown, severity, "severity", .names = load_severity_names,
          .doc = "how clearly"),
    FIELD(F_F64, struct load_shown, value, "value",
          .doc = "mean ms, error rate, share of time paused, relative drop, or minutes"),
    FIELD(F_F64, struct load_shown, contribution, "contribution", .min = 0, .max = 100,
          .doc = "the factor's own score, not weighted"),
    FIELD_END,
};

const struct field load_baseline_fields[] = {
    FIELD(F_STR, struct load_baseline, source, "source",
          .doc =
              "request; learned: the learner's own history; default: a constant, costs confidence"),
    FIELD(F_F64, struct load_baseline, ms, "avgResponseLatency",
          .doc = "ms; geometric mean when learned, and the sample is then compared by its own"),
    FIELD(F_STR, struct load_baseline, ms_source, "latencySource",
          .doc = "of avgResponseLatency: likewise; default, too, where hardly an answer told its "
                 "time"),
    FIELD(F_F64, struct load_baseline, performance, "baselinePerformance", .doc = "share right"),
    FIELD(F_I64, struct load_baseline, n, "n", .doc = "observations behind it; 0 for a constant"),
    FIELD_END,
};

struct load_baseline load_baseline_of(const struct learner *l)
{
    struct load_baseline b = {.source = STR("default"),
                              .ms_source = STR("default"),
                              .ms = LOAD_BASELINE_MS,
                              .performance = LOAD_BASELINE_PERFORMANCE};
    int64_t graded = learner_graded(l);

    if (learner_totals(l)->latency_n >= BASELINE_NEEDED) {
        b.ms = exp((double)learner_totals(l)->latency_log_micro / 1e6 /
                   (double)learner_totals(l)->latency_n);
        b.source = b.ms_source = STR("learned");
        b.n = learner_totals(l)->latency_n;
    }
    if (graded >= BASELINE_NEEDED && learner_succeeded(l) > 0) {
        b.performance = (double)learner_succeeded(l) / (double)graded;
        b.source = STR("learned");
        b.n = b.n > 0 && b.n < graded ? b.n : graded;
    }
    return b;
}

void load_indicators_write(struct json_writer *w, const struct load_result *r)
{
    json_array(w);
    for (int32_t i = 0; i < r->indicator_count; i++) {
        const struct load_indicator *s = &r->indicators[i];
        struct load_shown shown = {(int32_t)s->sign, (int32_t)s->severity, s->value,
                                   s->contribution};
        fields_write_json(load_indicator_fields, w, &shown);
    }
    json_array_end(w);
}

struct str load_indicators_json(struct arena *arena, const struct load_result *r)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, EVENT_DATA_MAX);
    json_writer_init(&w, &b);
    load_indicators_write(&w, r);
    struct str text = b.failed ? (struct str){NULL, 0} : arena_str(arena, buf_view(&b));
    buf_fini(&b);
    return text;
}

bool load_of_session(const struct session_row *s, const struct load_baseline *baseline,
                     struct load_result *ret)
{
    int64_t graded = s->answers + s->reviews;
    bool learned = str_eq(baseline->source, STR("learned"));

    if (graded < LOAD_GRADED_NEEDED || s->untimed)
        return false;
    struct load_input in = {
        .latency_n = (int32_t)(s->latency_n < INT32_MAX ? s->latency_n : INT32_MAX),
        .latency_ms =
            s->latency_n > 0 ? exp((double)s->latency_log_micro / 1e6 / (double)s->latency_n) : 0,
        .error_rate = 1 - s->success,
        .has_engagement = s->facts.started_at != TIME_NONE,
        .pauses = (double)s->facts.pauses,
        .pause_ms = (double)s->paused_ms,
        .minutes = (double)s->duration_ms / 60000,
        .has_baseline = learned,
        .baseline_ms = baseline->ms,
        .baseline_performance = baseline->performance,
    };
    load_calculate(&in, ret);
    return true;
}
