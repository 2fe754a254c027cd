/* mind - all that struggle.h needs to know of one learner, in bounded memory, and as stored bytes.
 *
 * Counts of what the learner did overall, on items and on skills, and the latest answers. When a
 * table is full, what was met least recently makes room: a forecast then takes it for new. What a
 * mind holds follows from the learner's answers in order alone, and not from what anybody else did,
 * so it can always be made again from the log; what all learners share are the model's weights.
 *
 * The bytes are little-endian, begin with a version, and are the same for the same mind. */
#pragma once
#include "twin/struggle.h"

#include <stddef.h>

enum {
    MIND_VERSION = 1,
    MIND_ITEMS_MAX = 1000,
    MIND_SKILLS_MAX = 500,
    MIND_COUNT_BYTES = 46,
    MIND_BYTES_MAX = 4 + 4 + 4 + 4 + MIND_COUNT_BYTES + STRUGGLE_BEFORE * 17 +
                     (MIND_ITEMS_MAX + MIND_SKILLS_MAX) * (8 + MIND_COUNT_BYTES),
    MIND_SKILLS_BYTES_MAX = MIND_BYTES_MAX - MIND_ITEMS_MAX * (8 + MIND_COUNT_BYTES),
};

struct mind;                                     /* some 130 KiB */
MUST_CHECK enum err mind_new(struct mind **ret); /* knows nothing; ERR_NOMEM */
void mind_free(struct mind *m);                  /* NULL is fine */
void mind_clear(struct mind *m);

/* What struggle_read() asks for before an answer. Ids are not 0; the counts are borrowed until the
 * next mind_answer(). skill_count: 0..STRUGGLE_SKILLS_MAX. */
void mind_question(const struct mind *m, uint64_t item, const uint64_t *skills, int32_t skill_count,
                   int64_t now_s, struct struggle_question *ret);
/* The question was answered; `shown`: the answer was shown, which counts as seen and known.
 * latency_s < 0: not timed. */
void mind_answer(struct mind *m, const struct struggle_question *q, bool right, bool shown,
                 double latency_s);

uint32_t mind_answers(const struct mind *m); /* how many it was told */

/* Returns the bytes used, at most MIND_BYTES_MAX, for which there must be room. */
size_t mind_encode(const struct mind *m, uint8_t *out);
/* The same of a mind without its items, for those who read skills only: MIND_SKILLS_BYTES_MAX. */
size_t mind_skills_encode(const struct mind *m, uint8_t *out);
/* What a mind's bytes say of single skills, without making it: they lie in the order of their ids.
 */
struct mind_skills {
    const uint8_t *p; /* within the bytes */
    uint32_t count, index;
};
/* ERR_RANGE: not such bytes, as far as their head tells. */
MUST_CHECK enum err mind_skills_find(const uint8_t *bytes, size_t n, struct mind_skills *ret);
/* Zeros when it was never met, or is none that a mind has. */
void mind_skill(const struct mind_skills *s, uint64_t id, struct struggle_count *ret);
/* ERR_RANGE: not such bytes, or numbers that no mind has; *m knows nothing then. */
MUST_CHECK enum err mind_decode(struct mind *m, const uint8_t *bytes, size_t n);
