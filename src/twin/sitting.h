/* sitting - answers one after the other, cut into sittings, with the strain of each.
 *
 * A sitting begins with its first answer, or with what the learner did before that: a session
 * opened, a page read (sittings_trace). It ends with a silence of SITTING_GAP_US. Its minutes are
 * those at work: pauses that were told are left out, and silences above SITTING_BREAK_US, of which
 * nobody knows what they were. What is kept of it: the mean and highest load
 * (strain.h), the outcomes with what was forecast of them, and the topic that most of it was about
 * (a majority vote after Boyer & Moore 1981: right whenever there is a majority).
 *
 * Only what was answered once the learner's normal was known (STRAIN_NEEDED) has a load.
 *
 * Whether load lowers success cannot be told from the same answers, because misses are part of the
 * load. So graded answers go by blocks of five: the load at the end of one stands against the
 * outcomes of the next, which the load does not know yet; then the next pair.
 *
 * For fatigue (rhythm.h) outcomes are counted against their forecasts by five-minute buckets of the
 * sitting's minutes, in the stratum of its length.
 *
 * For what suits the learner (text, video, ...) they are counted by the modality of each answer,
 * one part a sitting, since a sitting often has several.
 *
 * State is flat memory of fixed size; as bytes it takes what is not zero. Pure. */
#pragma once
#include "twin/rhythm.h"
#include "twin/strain.h"

enum {
    SITTING_VERSION = 4,
    SITTING_BLOCK = 5,
    SITTING_TOPIC_MAX = 128,
    SITTING_MODALITIES = 8, /* the first that are met; others are not counted */
    SITTING_MODALITY_MAX = 48,
    SITTING_BYTES_MAX = 10240,
};
#define SITTING_GAP_US (30 * US_PER_MINUTE)
/* Shorter silences are work, such as reading, which tires as answers do. */
#define SITTING_BREAK_US (10 * US_PER_MINUTE)
#define SITTING_SPENT_US (4 * US_PER_HOUR) /* what took longer than that counts as so long */

struct sitting {
    int64_t start, end;
    int64_t active_us;     /* without breaks */
    bool begun, paused;    /* begun: there is one; paused: until the next that is heard */
    int32_t answers;       /* one without any is not kept when it ends */
    int32_t graded, right; /* of these */
    double expected; /* sum of the forecasts; the learner's usual share where there was none */
    int32_t loaded;  /* answers at which the normal was known */
    double load_sum; /* over these */
    double load_max;
    int32_t after_n, after_right; /* outcomes of second blocks */
    double after_expected;
    double before_load; /* sum over these outcomes, of the load before their block */
    double block_load;  /* of the present pair of blocks; below 0: the normal was not known */
    int32_t vote;       /* 0: no topic */
    int32_t topic_n;
    char topic[SITTING_TOPIC_MAX];
};
/* Means; NaN where there is nothing to take one of. */
double sitting_load(const struct sitting *s);
double sitting_before(const struct sitting *s); /* load before the outcomes of sitting_after() */
double sitting_after(const struct sitting *s);  /* share right less the share forecast, -1..1 */

struct sittings {
    struct strain strain;
    struct sitting open;
    struct rhythm_part minutes[RHYTHM_BUCKETS]; /* of the open one */
    struct rhythm_part cells[RHYTHM_STRATA][RHYTHM_BUCKETS];
    struct sitting_modality {
        char name[SITTING_MODALITY_MAX];
        int32_t name_n;
        struct rhythm_part open; /* of the open sitting */
        struct rhythm_sum sum;   /* over those that have ended */
    } modalities[SITTING_MODALITIES];
    int32_t modality_count;
};
void sittings_init(struct sittings *s);

struct sitting_answer {
    struct strain_answer answer;
    struct str topic;    /* {NULL,0}: none; cut at SITTING_TOPIC_MAX */
    struct str modality; /* {NULL,0}: none; not counted above SITTING_MODALITY_MAX */
};
struct sitting_event {
    bool closed; /* a sitting has ended before this answer */
    struct sitting sitting;
    enum strain_change change; /* RECOVERED, BROKEN_OFF: `episode` */
    struct strain_episode episode;
};
/* Answers in order of time. */
void sittings_answer(struct sittings *s, const struct sitting_answer *a, struct sitting_event *ret);
/* What else the learner did, in order of time with the answers. spent_us: how long that took, up to
 * `at`; 0: not known. True where a sitting has ended before it. */
enum sitting_trace { SITTING_WORK /* or a session begins */, SITTING_PAUSE, SITTING_RESUME };
bool sittings_trace(struct sittings *s, enum sitting_trace what, int64_t at, int64_t spent_us,
                    struct sitting *ret);
/* Nothing more came until now_us: true where that ends the open sitting, if it had answers. */
bool sittings_rest(struct sittings *s, int64_t now_us, struct sitting *ret);

/* The cells that are not empty; returns how many. */
enum { SITTING_CELLS_MAX = RHYTHM_STRATA * RHYTHM_BUCKETS };
int32_t sittings_minutes(const struct sittings *s, struct rhythm_minutes ret[SITTING_CELLS_MAX]);
/* After how long results fall, over the sittings that have ended. */
void sittings_fatigue(const struct sittings *s, uint64_t seed, struct rhythm_fatigue *ret);

/* Bytes written, at most SITTING_BYTES_MAX; little-endian. */
size_t sittings_encode(const struct sittings *s, uint8_t out[SITTING_BYTES_MAX]);
/* ERR_RANGE: not what sittings_encode() wrote, or of another version. */
MUST_CHECK enum err sittings_decode(struct sittings *s, const uint8_t *p, size_t n);
