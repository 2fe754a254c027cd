/* help - `doppel help`, `version`: the table of commands as text for a terminal. */
#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>

#include <libpq-fe.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

enum { HELP_MAX = 256 * 1024, COLUMN = 30, WIDTH = 80 };

/* The text, wrapped, each line behind `indent` blanks; `used` columns of the first line are taken.
 */
static void wrap(struct buf *out, struct str text, int indent, int used)
{
    int column = used;

    if (used > 0 && used > indent - 2) {
        buf_putc(out, '\n');
        column = 0;
    }
    buf_printf(out, "%*s", indent - column, "");
    column = indent;
    while (text.p) {
        struct str word = str_cut(&text, ' ');

        if (column > indent && column + 1 + (int)word.n > WIDTH) {
            buf_printf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            buf_putc(out, ' ');
            column++;
        }
        buf_str(out, word);
        column += (int)word.n;
    }
    buf_putc(out, '\n');
}

static void help_all(struct buf *out)
{
    buf_printf(out, "doppel - an adaptive-learning server\n\n"
                    "usage: doppel COMMAND [OPTION...]\n\n");
    for (const struct command *const *c = commands_all(); *c; c++) {
        char name[COMMAND_NAME_MAX];
        size_t start = out->n;

        command_name(*c, name);
        buf_printf(out, "  %s%s%s", name, *(*c)->operands ? " " : "", (*c)->operands);
        wrap(out, str_from((*c)->summary), COLUMN, (int)(out->n - start));
    }
    buf_printf(out,
               "\ndoppel help COMMAND explains one, doppel help settings lists the settings.\n");
}

static void help_options(const struct args_option *options, struct buf *out)
{
    for (; options && options->name; options++) {
        size_t start = out->n;

        buf_printf(out, "  --%s%s%s", options->name, options->value ? " " : "",
                   options->value ? options->value : "");
        wrap(out, str_from(options->text), COLUMN, (int)(out->n - start));
    }
}

static void help_command(const struct command *c, struct buf *out)
{
    char name[COMMAND_NAME_MAX];
    bool options = c->options && c->options->name;

    command_name(c, name);
    buf_printf(out, "usage: doppel %s%s%s%s\n\n", name,
               options || c->settings ? " [OPTION...]" : "", *c->operands ? " " : "", c->operands);
    wrap(out, str_from(c->summary), 0, 0);
    if (c->about) {
        buf_putc(out, '\n');
        wrap(out, str_from(c->about), 0, 0);
    }
    if (options)
        buf_printf(out, "\noptions:\n");
    help_options(c->options, out);
    if (c->settings)
        buf_printf(out,
                   "\nEvery setting is an option too, and --config FILE: doppel help settings\n");
    buf_putc(out, '\n');
}

static void help_settings(struct buf *out)
{
    buf_printf(out, "Settings. --head-timeout 10s, DOPPEL_HEAD_TIMEOUT=10s and the line\n"
                    "`head_timeout = 10s` of the file say the same; the flag wins, then the\n"
                    "variable. The file is --config FILE, $DOPPEL_CONFIG, or\n" CONFIG_FILE_DEFAULT
                    ". What holds now: doppel config.\n");
    for (int s = 0; s < SETTING_COUNT; s++) {
        const struct setting_info *info = config_info((enum setting)s);
        const char *section = config_section((enum setting)s);

        if (section)
            buf_printf(out, "\n%s\n", section);
        size_t start = out->n;

        buf_printf(out, "  %s", info->name);
        int used = (int)(out->n - start);
        struct buf text;

        buf_init(&text, 4096);
        buf_printf(&text, "%s", info->text);
        if (*info->def)
            buf_printf(&text, " [%s]", info->def);
        wrap(out, buf_view(&text), COLUMN, used);
        buf_fini(&text);
    }
}

/* `help key`: the group's commands, one after the other. */
static bool help_group(struct str group, struct buf *out)
{
    bool found = false;

    for (const struct command *const *c = commands_all(); *c; c++) {
        if (!(*c)->group || !str_eq(str_from((*c)->group), group))
            continue;
        help_command(*c, out);
        found = true;
    }
    return found;
}

static bool help_on(const struct command_call *call, struct buf *out)
{
    struct str first = str_from(call->args.operands[0]);
    const struct command *c = command_find((struct str){NULL, 0}, first);

    if (call->args.operand_count == 2)
        c = command_find(first, str_from(call->args.operands[1]));
    if (c)
        help_command(c, out);
    else if (call->args.operand_count == 1 && str_eq(first, STR("settings")))
        help_settings(out);
    else
        return call->args.operand_count == 1 && help_group(first, out);
    return true;
}

int cmd_help(const struct command_call *call)
{
    struct buf out;
    int code;

    buf_init(&out, HELP_MAX);
    if (call->args.operand_count == 0)
        help_all(&out);
    if (call->args.operand_count > 0 && !help_on(call, &out))
        code = command_misused(call->command, "there is no command \"%.64s\"; see doppel help",
                               call->args.operands[call->args.operand_count - 1]);
    else
        code = command_print(call->command, buf_view(&out));
    buf_fini(&out);
    return code;
}

int cmd_version(const struct command_call *call)
{
    struct buf out;

    buf_init(&out, 1024);
    buf_printf(&out, "doppel " DOPPEL_VERSION "\nSQLite %s, libpq %d.%d, %s\n",
               sqlite3_libversion(), PQlibVersion() / 10000, PQlibVersion() % 10000,
               OpenSSL_version(OPENSSL_VERSION));
    int code = command_print(call->command, buf_view(&out));

    buf_fini(&out);
    return code;
}
