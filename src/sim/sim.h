/* sim - a class with known truth, as events: to judge estimates, and to show the program. */
#pragma once
#include "base/args.h"

/* Options of `doppel simulate`: --learners --days --seed --out --truth, and more. */
extern const struct args_option sim_options[];

/* Writes the events (NDJSON; "-" or nothing: standard output) and the truth. Same options, same
 * bytes. ERR_RANGE: an option. ERR_IO: a file. ret_detail: at least ARGS_DETAIL_MAX bytes, one
 * line. */
MUST_CHECK enum err sim_run(const struct args *args, char *ret_detail);
