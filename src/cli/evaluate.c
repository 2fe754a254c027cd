/* evaluate - how good the models' forecasts are, on data that anybody can have. */
#include "cli/command.h"
#include "eval/score.h"
#include "eval/sets.h"

enum { RESAMPLES_DEFAULT = 200, OPTION_BYTES_MAX = 1024 };

/* The options of `import csv` come without their dashes. */
static enum err evaluate(const struct command_call *call, const struct sets_options *options,
                         char *detail)
{
    static char texts[SETS_OPTIONS_MAX][OPTION_BYTES_MAX];
    const char *given[SETS_OPTIONS_MAX], *value;
    int32_t count = 0;
    int cursor = 0;

    while ((value = args_each(call->command->options, &call->args, "csv", &cursor)) != NULL) {
        if (count == SETS_OPTIONS_MAX ||
            snprintf(texts[count], OPTION_BYTES_MAX, "--%s", value) >= OPTION_BYTES_MAX) {
            snprintf(detail, ARGS_DETAIL_MAX, "--csv: at most %d of at most %d bytes",
                     SETS_OPTIONS_MAX, OPTION_BYTES_MAX - 3);
            return ERR_RANGE;
        }
        given[count] = texts[count];
        count++;
    }
    return count ? sets_evaluate_table(call->args.operands[0], given, count, options, detail)
                 : sets_evaluate(call->args.operands[0], options, detail);
}

int cmd_evaluate(const struct command_call *call)
{
    const char *resamples = command_option(call, "resamples");
    char detail[ARGS_DETAIL_MAX] = "";
    int64_t n = RESAMPLES_DEFAULT;

    if (resamples && (str_to_i64(str_from(resamples), &n) != ERR_OK || n < 0 || n == 1 ||
                      n > SCORE_RESAMPLES_MAX))
        return command_misused(call->command, "--resamples \"%.40s\": 0, or 2 to %d", resamples,
                               SCORE_RESAMPLES_MAX);
    const struct sets_options options = {
        .resamples = (int32_t)n, .out = stdout, .weights = command_option(call, "weights") != NULL};

    if (!options.weights)
        fputs("set\tsplit\tmodel\tmetric\tvalue\tlow\thigh\tn\n", stdout);
    enum err e = evaluate(call, &options, detail);

    if (e == ERR_RANGE && *detail)
        return command_misused(call->command, "%s", detail);
    if (e != ERR_OK)
        return command_failed(call->command, "%s", *detail ? detail : err_text(e));
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_failed(call->command, "standard output does not take the figures");
    return EXIT_SUCCESS;
}
