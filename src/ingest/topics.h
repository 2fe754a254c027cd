/* topics - what a session touched, as one text in its row.
 *
 * Each course, lecture, objective, skill and modality once, in the order of kind and name: a digit
 * for the kind, the name, and a line feed between one and the next (names hold no control
 * characters). Rows of their own would be sixteen a session, a tenth of what its events cost to
 * keep. */
#pragma once
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum topic_kind {
    TOPIC_COURSE = 1,
    TOPIC_LECTURE,
    TOPIC_OBJECTIVE,
    TOPIC_SKILL,
    TOPIC_MODALITY,
    TOPIC_KINDS
};

/* Of more only the first in order are kept, whatever came first: a session of hundreds of topics
 * must not be written again whole with each of its events. */
enum { SESSION_TOPICS_MAX = 256 };

struct topic {
    enum topic_kind kind;
    struct str name; /* 1..128 bytes */
};

int topic_cmp(const struct topic *a, const struct topic *b);
/* The first of the text, which is cut off. False: there is none. */
bool topics_next(struct str *text, struct topic *ret);
/* The text with those of `more`, which are in order and differ. ERR_NOMEM. */
MUST_CHECK enum err topics_add(struct arena *arena, struct str text, const struct topic *more,
                               int32_t count, struct str *ret);
const char *topic_kind_name(enum topic_kind kind);
