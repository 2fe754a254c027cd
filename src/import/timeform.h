/* timeform - times as foreign files write them.
 *
 * A form is one of the words rfc3339, unix, unixms, days, hours, seconds, ms (the last four counted
 * from an origin), or a pattern: %Y %y %m %b %d %H %I %p %M %S %f %z and %%; blanks match blanks,
 * anything else itself. %S takes decimals; %y below 70 is in this century. Several forms stand with
 * '|' between them; the first that fits wins. */
#pragma once
#include "base/civil.h"

enum { TIMEFORM_FORMS_MAX = 8 };

struct timeform {
    struct str forms[TIMEFORM_FORMS_MAX];
    int32_t count;
    const struct zone *zone; /* of times that name none */
};

/* ERR_RANGE: a form is not one; *ret_bad is it. */
MUST_CHECK enum err timeform_init(struct timeform *t, struct str forms, const struct zone *zone,
                                  struct str *ret_bad);
/* Does any form count from an origin? */
bool timeform_needs_origin(const struct timeform *t);
/* origin_day: local days since 1970. *ret_clock: the text held an hour, not only a date.
 * ERR_SYNTAX: no form fits. ERR_RANGE: outside of the years 1 to 9999. */
MUST_CHECK enum err timeform_parse(const struct timeform *t, struct str text, int32_t origin_day,
                                   int64_t *ret_us, bool *ret_clock);
