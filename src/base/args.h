/* args - the options of a command as rows: parsing, help, man page and completion come from them.
 *
 * Options are long: --name VALUE, --name=VALUE, or a switch --name. A value that itself starts with
 * "--" must be attached with '='. "--" ends the options; "-" is an operand. */
#pragma once
#include "base/str.h"

struct args_option {
    const char *name;  /* without the dashes; NULL ends the table */
    const char *value; /* what its value is called, "FILE"; NULL: a switch */
    const char *text;  /* one sentence */
};

enum { ARGS_OPTIONS_MAX = 48, ARGS_GIVEN_MAX = 128, ARGS_DETAIL_MAX = 300 };

struct args {
    const char *value[ARGS_OPTIONS_MAX]; /* by row: NULL not given; "" a switch that was */
    struct args_given {
        int row;
        const char *value;
    } given[ARGS_GIVEN_MAX]; /* every occurrence, in order */
    int given_count;
    const char *const *operands;         /* the rest, in order; in place of the first of argv */
    int operand_count;
};

/* argv holds what follows the command's name; it is reordered. args_get() of an option given twice is
 * its last value; args_each() gives them all. ERR_RANGE: an unknown option, a missing or a
 * superfluous value, more than ARGS_GIVEN_MAX options; ret_detail (at least ARGS_DETAIL_MAX bytes)
 * says which, and the nearest name there is. */
MUST_CHECK enum err args_parse(const struct args_option *options, int argc, char **argv,
                               struct args *ret, char *ret_detail);
/* The option's value by name: NULL when it was not given. Asking for a name without a row is a bug.
 */
const char *args_get(const struct args_option *options, const struct args *args, const char *name);
/* The option's next value; *cursor starts at 0. NULL: no more. */
const char *args_each(const struct args_option *options, const struct args *args, const char *name,
                      int *cursor);

/* How many letters must change to make one of the other (Levenshtein), '-' and '_' being equal; for
 * "did you mean". Texts above 64 bytes are far from everything (INT32_MAX). */
int args_distance(struct str a, struct str b);
