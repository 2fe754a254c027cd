/* commands - the table of commands. */
#include "base/assert.h"
#include "cli/command.h"
#include "import/import.h"
#include "sim/sim.h"

#include <stdio.h>

enum { COMMANDS_MAX = 64 };

static const struct args_option rebuild_options[] = {
    {"learner", "ID", "Only this learner."},
    {"verify", NULL, "Change nothing; fail if anything stored differs from what the log gives."},
    {NULL, NULL, NULL},
};
static const struct args_option migrate_options[] = {
    {"status", NULL, "Print the versions only; fail if the schema is not current."},
    {NULL, NULL, NULL},
};
static const struct args_option key_create_options[] = {
    {"scope", "SCOPES", "What the key may do, with commas: ingest, read, write, admin."},
    {"learner", "ID", "The key speaks for this learner only."},
    {"name", "TEXT", "What the key is for, as `key list` shows it."},
    {"expires", "WHEN", "After 30d, 12h, 90min, or at 2030-01-01 or an RFC 3339 time; else never."},
    {NULL, NULL, NULL},
};
static const struct args_option config_options[] = {
    {"default", NULL, "Print a commented file with every default instead."},
    {NULL, NULL, NULL},
};
static const struct args_option export_options[] = {
    {"out", "FILE", "Where to; `-` for standard output."},
    {NULL, NULL, NULL},
};
static const struct args_option evaluate_options[] = {
    {"resamples", "N", "Bootstrap resamples for the intervals (default 200; 0 for none)."},
    {"csv", "OPTION",
     "FOLDER is one table of answers, read by this option of `import csv`: --csv=preset=gervet, "
     "--csv=map=item=problem. May be given several times."},
    {"weights", NULL, "Of whole courses: print the fitted weights, as C, instead."},
    {NULL, NULL, NULL},
};
/* clang-format off: rows that three tables share */
#define SERVER_OPTIONS                                                                            \
    {"server", "URL", "http://HOST:PORT, https://HOST or unix:PATH; else the setting `listen`."}, \
    {                                                                                             \
        "api-key", "KEY", "A key with the scope admin; better in the variable DOPPEL_KEY."        \
    }
/* clang-format on */
#define SERVER_ABOUT                                                                        \
    "Asks a running server; one with --dev needs no key. Prints tab-separated lines, name " \
    "and value."
static const struct args_option server_options[] = {SERVER_OPTIONS, {NULL, NULL, NULL}};
static const struct args_option cache_invalidate_options[] = {
    SERVER_OPTIONS,
    {"key", "KEY", "What Cache-Status names to administrators. May be given several times."},
    {"tag", "TAG",
     "learner:ID, course:ID, endpoint:OPERATION_ID, or all. May be given several times."},
    {"pattern", "PATTERN", "All keys that match: * any run of characters, ? any one."},
    {"all", NULL, "Everything."},
    {NULL, NULL, NULL},
};
static const struct args_option erase_options[] = {
    {"yes", NULL, "Really: this cannot be undone."},
    {NULL, NULL, NULL},
};

/* clang-format off: a table reads better in its own columns */
static const struct command commands[] = {
    {.name = "help",
     .operands = "[COMMAND...]",
     .operands_max = 2,
     .run = cmd_help,
     .summary = "Explain a command, or list them all",
     .about = "`doppel help settings` lists every setting."},
    {.name = "version", .operands = "", .run = cmd_version, .summary = "Print the version"},
    {.name = "serve",
     .operands = "",
     .settings = true,
     .run = cmd_serve,
     .summary = "Take events in and answer over HTTP",
     .about = "Prints one line on standard output once it listens, and logs to standard error. "
              "SIGTERM or SIGINT stop it gracefully, a second one at once; SIGHUP forgets "
              "remembered keys, so that revoked ones end now."},
    {.name = "simulate",
     .operands = "",
     .options = sim_options,
     .run = cmd_simulate,
     .summary = "Write the events of an invented class",
     .about = "The class has a known truth, so that estimates can be judged by it. The same "
              "options give the same bytes."},
    {.name = "rebuild",
     .operands = "",
     .options = rebuild_options,
     .settings = true,
     .run = cmd_rebuild,
     .summary = "Recompute everything derived from the event log"},
    {.name = "migrate",
     .operands = "",
     .options = migrate_options,
     .settings = true,
     .run = cmd_migrate,
     .summary = "Bring the database's schema up to date",
     .about = "Migrations only go forward, each in a transaction of its own."},
    {.group = "key",
     .name = "create",
     .operands = "",
     .options = key_create_options,
     .settings = true,
     .run = cmd_key_create,
     .summary = "Make an API key and print it",
     .about = "Only a hash of the key is stored: it cannot be shown again."},
    {.group = "key",
     .name = "list",
     .operands = "",
     .settings = true,
     .run = cmd_key_list,
     .summary = "List the API keys"},
    {.group = "key",
     .name = "revoke",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .settings = true,
     .run = cmd_key_revoke,
     .summary = "End an API key",
     .about = "A running server believes keys for as long as the setting key_cache says; "
              "SIGHUP makes it forget them at once."},
    {.name = "config",
     .operands = "",
     .options = config_options,
     .settings = true,
     .run = cmd_config,
     .summary = "Print every setting, its value, and where that came from"},
    {.name = "check",
     .operands = "[FILE]",
     .operands_max = 1,
     .settings = true,
     .run = cmd_check,
     .summary = "Check a configuration without running it"},
    {.name = "doctor",
     .operands = "",
     .settings = true,
     .run = cmd_doctor,
     .summary = "Examine the installation and say what is wrong"},
    {.name = "export",
     .operands = "LEARNER",
     .operands_min = 1,
     .operands_max = 1,
     .options = export_options,
     .settings = true,
     .run = cmd_export,
     .summary = "Write all that is stored about a learner, as JSON"},
    {.name = "erase",
     .operands = "LEARNER",
     .operands_min = 1,
     .operands_max = 1,
     .options = erase_options,
     .settings = true,
     .run = cmd_erase,
     .summary = "Delete all that is stored about a learner"},
    {.name = "backup",
     .operands = "FILE",
     .operands_min = 1,
     .operands_max = 1,
     .settings = true,
     .run = cmd_backup,
     .summary = "Copy the SQLite database, also while it is served",
     .about = "The copy appears under its name only when it is whole and on disk. For "
              "PostgreSQL use pg_dump."},
    {.group = "cache",
     .name = "stats",
     .operands = "",
     .options = server_options,
     .settings = true,
     .run = cmd_cache_stats,
     .summary = "Say what a server keeps, and how often that served",
     .about = SERVER_ABOUT},
    {.group = "cache",
     .name = "invalidate",
     .operands = "",
     .options = cache_invalidate_options,
     .settings = true,
     .run = cmd_cache_invalidate,
     .summary = "Drop kept answers of a server",
     .about = "Hardly ever needed: writes, imports and erasures make answers void by "
              "themselves. " SERVER_ABOUT},
    {.group = "cache",
     .name = "warm",
     .operands = "[LEARNER...]",
     .operands_max = 1000,
     .options = server_options,
     .settings = true,
     .run = cmd_cache_warm,
     .summary = "Let a server make answers before they are asked for",
     .about = "Of these learners, or of those who studied last; for callers with rights like those "
              "seen within a day. " SERVER_ABOUT},
    {.name = "evaluate",
     .operands = "FOLDER",
     .operands_min = 1,
     .operands_max = 1,
     .options = evaluate_options,
     .run = cmd_evaluate,
     .summary = "Judge the learner models on a data set",
     .about = "FOLDER holds one set, or folders that do; the layout is known by the files. Prints "
              "tab-separated lines: set split model metric value low high n. docs/models.md says "
              "what they mean."},
    {.name = "audit",
     .operands = "",
     .settings = true,
     .run = cmd_audit,
     .summary = "Say how good this server's own forecasts were",
     .about =
         "Over all learners; each forecast was made before its outcome was known. Prints lines "
         "like those of evaluate, with a plain share as the model to beat."},
    {.name = "openapi",
     .operands = "",
     .run = cmd_openapi,
     .summary = "Print the OpenAPI 3.1 document of the HTTP interface"},
    {.name = "completion",
     .operands = "bash|zsh|fish",
     .operands_min = 1,
     .operands_max = 1,
     .run = cmd_completion,
     .summary = "Print the completion script for a shell"},
    {.name = "man", .operands = "", .run = cmd_man, .summary = "Print the manual page, as roff"},
    {.name = NULL},
};
/* clang-format on */

/* `import csv` and its like come from the importers' own rows. */
static struct command import_command(const struct importer *row)
{
    return (struct command){
        .group = "import",
        .name = row->name,
        .operands = row->operands,
        .summary = row->summary,
        .about = row->about,
        .options = row->options,
        .operands_min = 1,
        .operands_max = INT32_MAX,
        .settings = true,
        .run = cmd_import,
        .data = row,
    };
}

const struct command *const *commands_all(void)
{
    static struct command made[COMMANDS_MAX];
    static const struct command *all[COMMANDS_MAX + 1];
    int n = 0;

    if (all[0])
        return all;
    for (const struct command *c = commands; c->name; c++) {
        ASSERT(n < COMMANDS_MAX);
        all[n++] = c;
        for (const struct importer *i = importers; c->run == cmd_serve && i->name; i++) {
            ASSERT(n < COMMANDS_MAX);
            made[n] = import_command(i);
            all[n] = &made[n];
            n++;
        }
    }
    return all;
}
