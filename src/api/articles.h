/* articles - short texts on how learning works, in our own words, each with the papers that it
 * rests on. Plain text: what shows them need not trust it. */
#pragma once
#include "base/str.h"

#include <stdint.h>

/* The learner's own numbers that stand beside a text. */
enum article_figure {
    FIGURE_HALF_LIFE = 1,     /* days until half of a card is forgotten */
    FIGURE_RECALL = 2,        /* reviews recalled in the last 30 days */
    FIGURE_ANSWERS = 4,       /* answers right in the last 30 days */
    FIGURE_DAYS = 8,          /* with study, of the last 30 */
    FIGURE_HOUR = 16,         /* the best hour, where one is found */
    FIGURE_LENGTH = 32,       /* of sessions */
    FIGURE_LOAD = 64,         /* told load of the last 30 days */
    FIGURE_CALIBRATION = 128, /* confidence against score */
    FIGURE_MIX = 256,         /* objectives in a session */
};

struct article_source {
    const char *authors, *title, *where, *doi;
    int32_t year;
};

enum { ARTICLE_PARAGRAPHS = 5, ARTICLE_SOURCES = 4, ARTICLE_TAGS = 4 };
struct article {
    const char *slug, *title, *category, *summary;
    const char *paragraphs[ARTICLE_PARAGRAPHS]; /* fewer: NULL */
    struct article_source sources[ARTICLE_SOURCES];
    const char *tags[ARTICLE_TAGS];
    uint32_t figures;  /* bits */
    uint32_t patterns; /* kinds of patterns that belong to it: a bit each */
};
extern const struct article articles[];              /* ends in a NULL slug */
const struct article *article_find(struct str slug); /* NULL: none */
int32_t article_minutes(const struct article *a);    /* at 200 words a minute, 1 at least */
