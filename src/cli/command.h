/* command - the commands as one table: running, help, man page and completion come from its rows.
 *
 * Exit codes: EXIT_SUCCESS; EXIT_FAILURE, the work could not be done; EXIT_USAGE, the command line
 * or a setting is wrong. What a command is asked for goes to standard output, everything else to
 * standard error, an error as one line. */
#pragma once
#include "base/args.h"
#include "cli/config.h"
#include "store/store.h"

enum { EXIT_USAGE = 2 };

struct command;

struct command_call {
    const struct command *command;
    struct config *config; /* NULL when the command takes no settings */
    struct args args;
};

struct command {
    const char *group;    /* "key" of `doppel key create`; NULL: the name stands alone */
    const char *name;     /* NULL ends the table */
    const char *operands; /* "LEARNER", "[FILE...]"; "" for none */
    const char *summary;  /* one line, without a full stop */
    const char *about;    /* further paragraphs, or NULL */
    const struct args_option *options; /* NULL: none of its own */
    int operands_min, operands_max;
    bool settings; /* settings and --config are options, too */
    int (*run)(const struct command_call *call);
    const void *data; /* the command's own */
};

/* The whole table, importers included; the list ends in NULL and lives as long as the process. */
const struct command *const *commands_all(void);
const struct command *command_find(struct str group, struct str name);
enum { COMMAND_NAME_MAX = 64 };
void command_name(const struct command *c, char ret[COMMAND_NAME_MAX]); /* "key create" */

/* Runs argv[1]…; returns the exit code. */
int command_main(int argc, char **argv);

/* For the commands: one line to standard error, and the exit code to return. */
int command_misused(const struct command *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
int command_failed(const struct command *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The value of an option of the call's own row. */
const char *command_option(const struct command_call *call, const char *name);
/* All of the text to standard output; EXIT_FAILURE when it does not take it. */
int command_print(const struct command *c, struct str text);

/* The database of the settings; its commits are announced (store_announce). Says what is wrong and
 * returns other than EXIT_SUCCESS. `schema`: what of a schema that is behind. */
enum command_schema {
    SCHEMA_ANY,     /* open only */
    SCHEMA_CURRENT, /* it must be current */
    SCHEMA_MIGRATE, /* bring it up to date, if the setting `migrate` lets us */
};
int command_store(const struct command_call *call, enum command_schema schema, struct store **ret);
struct store_options config_store_options(const struct config *c);
/* Structured logs to standard error, as the settings say. */
void config_log(const struct config *c);

/* One file each. */
int cmd_help(const struct command_call *call);
int cmd_version(const struct command_call *call);
int cmd_serve(const struct command_call *call);
int cmd_import(const struct command_call *call);
int cmd_simulate(const struct command_call *call);
int cmd_rebuild(const struct command_call *call);
int cmd_migrate(const struct command_call *call);
int cmd_key_create(const struct command_call *call);
int cmd_key_list(const struct command_call *call);
int cmd_key_revoke(const struct command_call *call);
int cmd_config(const struct command_call *call);
int cmd_check(const struct command_call *call);
int cmd_doctor(const struct command_call *call);
int cmd_export(const struct command_call *call);
int cmd_erase(const struct command_call *call);
int cmd_backup(const struct command_call *call);
int cmd_cache_stats(const struct command_call *call);
int cmd_cache_invalidate(const struct command_call *call);
int cmd_cache_warm(const struct command_call *call);
int cmd_audit(const struct command_call *call);
int cmd_evaluate(const struct command_call *call);
int cmd_openapi(const struct command_call *call);
int cmd_completion(const struct command_call *call);
int cmd_man(const struct command_call *call);
