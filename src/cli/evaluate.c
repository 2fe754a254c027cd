/* evaluate - how good the models' forecasts are, on data that anybody can have. */
#include "cli/command.h"
#include "eval/score.h"
#include "eval/sets.h"

enum { RESAMPLES_DEFAULT = 200 };

int cmd_evaluate(const struct command_call *call)
{
    const char *resamples = command_option(call, "resamples");
    char detail[ARGS_DETAIL_MAX] = "";
    int64_t n = RESAMPLES_DEFAULT;

    if (resamples && (str_to_i64(str_from(resamples), &n) != ERR_OK || n < 0 || n == 1 ||
                      n > SCORE_RESAMPLES_MAX))
        return command_misused(call->command, "--resamples \"%.40s\": 0, or 2 to %d", resamples,
                               SCORE_RESAMPLES_MAX);
    const struct sets_options options = {.resamples = (int32_t)n, .out = stdout, .weights = command_option(call, "weights") != NULL};

    if (!options.weights)
        fputs("set\tsplit\tmodel\tmetric\tvalue\tlow\thigh\tn\n", stdout);
    enum err e = sets_evaluate(call->args.operands[0], &options, detail);

    if (e != ERR_OK)
        return command_failed(call->command, "%s", *detail ? detail : err_text(e));
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_failed(call->command, "standard output does not take the figures");
    return EXIT_SUCCESS;
}
