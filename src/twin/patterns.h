/* patterns - what is lasting in how a learner studies: found, kept while it lasts, let go.
 *
 * A finding is what the sums say now (rhythm.h does the work); a track is the life of one pattern,
 * keyed by kind and slot, stepped with each analysis. Evidence is a likelihood ratio throughout, so
 * that looking often does not inflate it.
 *
 * It appears when the global test finds the effect and its Bayes factor against none reaches
 * PATTERN_APPEARS. A Bayes factor is a test martingale under "no effect": however often one looks,
 * it gets that far by chance with probability 1 / PATTERN_APPEARS at most (Ville 1939; Gruenwald,
 * de Heide & Koolen 2024).
 *
 * It vanishes when the ratio of "none" against "half of what was found", on data since then,
 * reaches PATTERN_CHANGES in a CUSUM (Page 1954): a lasting effect is let go by mistake once in
 * that many steps or more (Lorden 1971). Once it has vanished, the data before is spent; it returns
 * when the ratio turned round reaches PATTERN_CHANGES, on later data again. Each change starts the
 * next one's evidence at nothing: that is the hysteresis. The dispersion being estimated, the two
 * guarantees are approximate.
 *
 * Each step's ratio is made of the data that came since the last: contrast = inside - outside, with
 * score U and information V, log ratio = c U - c^2 V / 2 for the claim c. No new data: nothing
 * moves, however often one asks.
 *
 * Confidence is the probability that the pattern exists (one in four before any data, then that
 * evidence, capped so that contrary data can always lower it) times the probability that it still
 * holds (prior odds of a change 1 : PATTERN_CHANGES): at the moment it vanishes the latter is one
 * half. Pure; a track is plain data with a version, kept by the caller. */
#pragma once
#include "twin/rhythm.h"

enum pattern_kind {
    PATTERN_STUDY_TIME, /* slot: the best hour */
    PATTERN_DURATION,   /* slot: length bucket, or PATTERN_BY_FATIGUE */
    PATTERN_CONTENT,    /* slot: modality */
    PATTERN_PEAK,       /* slot: first hour of the window */
    PATTERN_ATTENTION,  /* slot: 0 */
    PATTERN_FORGETTING, /* slot: 0 remembers longer than forecast, 1 shorter */
    PATTERN_KINDS
};
extern const char *const pattern_kind_names[]; /* "OPTIMAL_STUDY_TIME" .., NULL */

#define PATTERN_APPEARS 20.0
#define PATTERN_CHANGES 200.0
#define PATTERN_CONFIDENCE_MAX 0.99
enum { PATTERN_BY_FATIGUE = 100, PATTERN_TRACK_VERSION = 1 };

struct pattern_finding {
    enum pattern_kind kind;
    int32_t slot; /* -1: none */
    bool found;
    enum rhythm_reason reason; /* why not; RHYTHM_OK when found */
    int64_t needed, n;         /* needed: of what the reason says */
    /* Study time, peak: hours; duration, attention: minutes; content, forgetting: NaN. */
    double value;
    struct interval interval; /* 95 %, of the value; the peak's: first hour to end */
    double effect;            /* log odds: inside against outside, > 0 but for a shorter memory */
    struct interval effect_interval;
    double p, bayes_factor; /* NaN: too little to test */
};

/* *ret_peak: two or more hours in a row whose intervals lie above the learner's mean, around the
 * best one. */
void patterns_find_hours(const struct rhythm *hours, struct pattern_finding *ret_time,
                         struct pattern_finding *ret_peak);
void patterns_find_duration(const struct rhythm_fatigue *fatigue, const struct rhythm *lengths,
                            const int32_t *from_minutes, struct pattern_finding *ret);
void patterns_find_content(const struct rhythm *modalities, struct pattern_finding *ret);
void patterns_find_attention(const struct rhythm_fatigue *fatigue, struct pattern_finding *ret);
/* reviews: judged against a curve that is not the learner's own (FSRS with its published weights),
 * one rhythm_add() a session. */
void patterns_find_forgetting(const struct rhythm_sum *reviews, struct pattern_finding *ret);

/* What a track is stepped with: all data up to now. */
struct pattern_data {
    struct rhythm_part inside, outside;
    bool alone;        /* inside is compared with its forecasts; outside is not read */
    double dispersion; /* >= 1 */
};
/* first..last (around the clock when last < first) against the other slots. */
struct pattern_data patterns_data_slots(const struct rhythm_sum *slots, int32_t count,
                                        int32_t first, int32_t last, double dispersion);
/* Minutes before the onset against those from it on. */
struct pattern_data patterns_data_minutes(const struct rhythm_minutes *cells, int32_t count,
                                          double onset, double dispersion);

enum pattern_change { PATTERN_SAME, PATTERN_APPEARED, PATTERN_PERSISTED, PATTERN_VANISHED };

struct pattern_track {
    int32_t version;
    int32_t kind, slot;
    bool present, vanished_before;
    struct rhythm_part inside, outside;        /* up to where data has been used */
    double claim;                              /* log odds > 0; 0 before it first appears */
    double sign;                               /* 1; -1: the effect is a loss */
    double log_exists;                         /* evidence for it, log */
    double log_change;                         /* CUSUM towards the next change, log, >= 0 */
    int64_t appeared_at, seen_at, vanished_at; /* us; 0: never */
    int32_t occurrences; /* steps whose new data spoke for it; 1 when it appears */
};
void patterns_track_init(struct pattern_track *t, enum pattern_kind kind, int32_t slot);
/* finding: of the same kind; it lets the track appear only when its slot is the track's. NULL: none
 * was made now. Data that shrank (an erasure) starts the track anew. */
enum pattern_change patterns_step(struct pattern_track *t, const struct pattern_finding *finding,
                                  const struct pattern_data *data, int64_t now_us);
/* Is the finding about the track's pattern? Hours that lie near each other are: a best hour that
 * moves by one is no new pattern. Only where no track is the same, a new one is made. */
enum { PATTERN_NEAR_HOURS = 2 };
bool patterns_same(const struct pattern_track *t, const struct pattern_finding *finding);

/* 0..PATTERN_CONFIDENCE_MAX; NaN for a pattern that never appeared. */
double patterns_confidence(const struct pattern_track *t);
