#include "cli/command.h"

#include "base/assert.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void command_name(const struct command *c, char ret[COMMAND_NAME_MAX])
{
    snprintf(ret, COMMAND_NAME_MAX, "%s%s%s", c->group ? c->group : "", c->group ? " " : "",
             c->name);
}

const struct command *command_find(struct str group, struct str name)
{
    for (const struct command *const *c = commands_all(); *c; c++)
        if (str_eq(str_from((*c)->name), name) &&
            ((*c)->group ? str_eq(str_from((*c)->group), group) : group.p == NULL))
            return *c;
    return NULL;
}

static bool is_group(const char *name)
{
    for (const struct command *const *c = commands_all(); *c; c++)
        if ((*c)->group && strcmp((*c)->group, name) == 0)
            return true;
    return false;
}

static void say(const struct command *c, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void say(const struct command *c, const char *fmt, va_list args)
{
    char name[COMMAND_NAME_MAX] = "", text[1024];

    if (c)
        command_name(c, name);
    vsnprintf(text, sizeof text, fmt, args);
    for (char *p = text; *p; p++)
        if (*p == '\n')
            *p = ' '; /* one line, whatever a library said */
    fprintf(stderr, "doppel%s%s: %s\n", *name ? " " : "", name, text);
}

int command_misused(const struct command *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(c, fmt, args);
    va_end(args);
    return EXIT_USAGE;
}

int command_failed(const struct command *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(c, fmt, args);
    va_end(args);
    return EXIT_FAILURE;
}

const char *command_option(const struct command_call *call, const char *name)
{
    return args_get(call->command->options, &call->args, name);
}

int command_print(const struct command *c, struct str text)
{
    if (fwrite(text.p, 1, text.n, stdout) != text.n || fflush(stdout) != 0)
        return command_failed(c, "cannot write to standard output: %s", strerror(errno));
    return EXIT_SUCCESS;
}

struct store_options config_store_options(const struct config *c)
{
    return (struct store_options){
        .url = c->database,
        .busy_timeout_ms = (int32_t)c->database_timeout,
        .connect_timeout_ms = (int32_t)c->connect_timeout,
        .statement_timeout_ms = (int32_t)c->database_timeout,
        .sqlite_cache_kib = (int32_t)(c->sqlite_cache / 1024),
        .sqlite_checkpoint_pages = (int32_t)c->sqlite_checkpoint_pages,
        .sqlite_full_sync = c->sqlite_full_sync,
    };
}

void config_log(const struct config *c)
{
    bool json = c->log_format == CONFIG_LOG_JSON ||
                (c->log_format == CONFIG_LOG_AUTO && !isatty(STDERR_FILENO));

    log_configure((enum log_level)c->log_level, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT,
                  STDERR_FILENO);
}

/* 0 when the schema is as wanted. */
static int schema_check(const struct command_call *call, enum command_schema schema,
                        struct store *store)
{
    char detail[CONFIG_DETAIL_MAX] = "";
    int32_t have = 0, want = 0;

    if (schema == SCHEMA_ANY)
        return EXIT_SUCCESS;
    if (schema == SCHEMA_MIGRATE && call->config->migrate) {
        enum err e = store_migrate(store, &have, &want, detail);

        if (e != ERR_OK)
            return command_failed(call->command, "cannot bring the schema up to date: %s",
                                  *detail ? detail : err_text(e));
        return EXIT_SUCCESS;
    }
    enum err e = store_schema(store, &have, &want);

    if (e != ERR_OK)
        return command_failed(call->command, "cannot read the schema's version: %s", err_text(e));
    if (have < want)
        return command_failed(
            call->command, "the database's schema is version %d and must be %d: run doppel migrate",
            (int)have, (int)want);
    if (have > want)
        return command_failed(call->command,
                              "the database's schema is version %d, newer than this program's %d",
                              (int)have, (int)want);
    return EXIT_SUCCESS;
}

int command_store(const struct command_call *call, enum command_schema schema, struct store **ret)
{
    struct store_options options = config_store_options(call->config);
    char detail[CONFIG_DETAIL_MAX] = "";
    struct store *store = NULL;
    enum err e = store_open(&options, &store, detail);

    if (e == ERR_RANGE)
        return command_misused(call->command, "setting database: %s", detail);
    if (e != ERR_OK)
        return command_failed(call->command, "cannot open the database: %s",
                              *detail ? detail : err_text(e));
    int code = schema_check(call, schema, store);

    if (code != EXIT_SUCCESS) {
        store_close(store);
        return code;
    }
    store_announce(store, true);
    *ret = store;
    return EXIT_SUCCESS;
}

/* "did you mean": the command nearest to the word. */
static int unknown_command(const char *group, const char *word)
{
    const char *nearest = NULL;
    int best = INT32_MAX;

    for (const struct command *const *c = commands_all(); *c; c++) {
        bool here = group ? (*c)->group && strcmp((*c)->group, group) == 0 : true;
        const char *name = group || !(*c)->group ? (*c)->name : (*c)->group;
        int d = here ? args_distance(str_from(word), str_from(name)) : INT32_MAX;

        if (d < best)
            best = d, nearest = name;
    }
    if (nearest && best <= 1 + (int)strlen(word) / 3)
        return command_misused(NULL, "there is no command \"%s%s%.64s\"; did you mean %s%s%s?",
                               group ? group : "", group ? " " : "", word, group ? group : "",
                               group ? " " : "", nearest);
    return command_misused(NULL, "there is no command \"%s%s%.64s\"; see doppel help",
                           group ? group : "", group ? " " : "", word);
}

/* `doppel key` alone: which there are. */
static int group_alone(const char *group)
{
    char names[300] = "";
    size_t n = 0;

    for (const struct command *const *c = commands_all(); *c; c++)
        if ((*c)->group && strcmp((*c)->group, group) == 0 && n < sizeof names)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", (*c)->name);
    return command_misused(NULL, "%s needs one of: %s; see doppel help %s", group, names, group);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int help_on(const struct command *c)
{
    const char *operands[] = {c->group ? c->group : c->name, c->name};
    struct command_call help = {
        .command = command_find((struct str){NULL, 0}, STR("help")),
        .args = {.operands = operands, .operand_count = c->group ? 2 : 1},
    };

    return cmd_help(&help);
}

static int run(const struct command *c, int argc, char **argv)
{
    struct config config;
    struct command_call call = {.command = c};
    char detail[CONFIG_DETAIL_MAX] = "";

    if (wants_help(argc, argv))
        return help_on(c);
    if (c->settings) {
        config_init(&config);
        call.config = &config;
        enum err e = config_load(&config, &argc, argv, detail);

        if (e != ERR_OK) {
            config_fini(&config);
            return command_misused(c, "%s", detail);
        }
        config_log(&config);
    }
    int code;

    if (args_parse(c->options, argc, argv, &call.args, detail) != ERR_OK) {
        /* A misspelt setting is an unknown option: it may be nearer to one of those. */
        const char *word = strstr(detail, "did you mean") ? NULL : strstr(detail, "--");
        const char *near = word && c->settings ? config_nearest(str_from(word + 2)) : NULL;

        code =
            command_misused(c, "%s%s%s", detail, near ? "; did you mean --" : "", near ? near : "");
    } else if (call.args.operand_count < c->operands_min) {
        code = command_misused(c, "needs %s; see doppel help %s", c->operands,
                               c->group ? c->group : c->name);
    } else if (call.args.operand_count > c->operands_max) {
        code = command_misused(c, "does not know what to do with \"%.64s\"",
                               call.args.operands[c->operands_max]);
    } else {
        code = c->run(&call);
    }
    if (c->settings)
        config_fini(&config);
    return code;
}

int command_main(int argc, char **argv)
{
    static char help[] = "help", version[] = "version";

    if (argc < 2) {
        fprintf(stderr, "doppel: which command? See doppel help\n");
        return EXIT_USAGE;
    }
    char *word = argv[1];

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = help;
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        word = version;
    const struct command *c = command_find((struct str){NULL, 0}, str_from(word));

    if (c)
        return run(c, argc - 2, argv + 2);
    if (!is_group(word))
        return unknown_command(NULL, word);
    if (argc > 2 && argv[2][0] != '-') {
        c = command_find(str_from(word), str_from(argv[2]));
        return c ? run(c, argc - 3, argv + 3) : unknown_command(word, argv[2]);
    }
    if (wants_help(argc - 2, argv + 2)) {
        const char *operands[] = {word};
        struct command_call call = {
            .command = command_find((struct str){NULL, 0}, STR("help")),
            .args = {.operands = operands, .operand_count = 1},
        };

        return cmd_help(&call);
    }
    return group_alone(word);
}
