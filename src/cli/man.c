/* man - `doppel man`: the manual page, as roff, from the tables of commands and settings. */
#include "cli/command.h"

#include <stdlib.h>

enum { MAN_MAX = 512 * 1024 };

/* One character beyond ASCII, which the oldest formatters read as Latin-1 unless it has a name. */
static void roff_wide(struct buf *out, const char *p, size_t n)
{
    uint32_t c = (unsigned char)p[0] & (0xffu >> (n + 1));

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    buf_printf(out, "\\[u%04X]", (unsigned)c);
}

/* Text as roff takes it: backslashes and dashes escaped, no line that begins with a control. */
static void roff(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        bool line_start = out->n == 0 || out->p[out->n - 1] == '\n';
        size_t wide = utf8_length((struct str){text.p + i, text.n - i});

        if (wide > 1) {
            roff_wide(out, text.p + i, wide);
            i += wide - 1;
            continue;
        }

        if (line_start && (text.p[i] == '.' || text.p[i] == '\''))
            buf_printf(out, "\\&");
        if (text.p[i] == '\\')
            buf_printf(out, "\\e");
        else if (text.p[i] == '-')
            buf_printf(out, "\\-");
        else if (text.p[i] == '`')
            buf_printf(out, "\\(ga");
        else
            buf_putc(out, text.p[i]);
    }
}

static void roff_c(struct buf *out, const char *text)
{
    roff(out, str_from(text));
}

static void man_options(const struct args_option *options, struct buf *out)
{
    for (; options && options->name; options++) {
        buf_printf(out, ".TP\n\\fB\\-\\-");
        roff_c(out, options->name);
        buf_printf(out, "\\fR");
        if (options->value) {
            buf_printf(out, " \\fI");
            roff_c(out, options->value);
            buf_printf(out, "\\fR");
        }
        buf_putc(out, '\n');
        roff_c(out, options->text);
        buf_putc(out, '\n');
    }
}

static void man_command(const struct command *c, struct buf *out)
{
    char name[COMMAND_NAME_MAX];

    command_name(c, name);
    buf_printf(out, ".SS \"doppel %s%s%s\"\n", name, *c->operands ? " " : "", c->operands);
    roff_c(out, c->summary);
    buf_printf(out, str_ends(str_from(c->summary), STR(".")) ? "\n" : ".\n");
    if (c->about) {
        roff_c(out, c->about);
        buf_putc(out, '\n');
    }
    man_options(c->options, out);
    if (c->settings)
        buf_printf(out, ".PP\nTakes the settings as options.\n");
}

static void man_settings(struct buf *out)
{
    buf_printf(out,
               ".SH SETTINGS\n"
               "Each setting is a flag (\\fB\\-\\-head\\-timeout 10s\\fR), a variable\n"
               "(\\fBDOPPEL_HEAD_TIMEOUT=10s\\fR) and a line of the configuration file\n"
               "(\\fBhead_timeout = 10s\\fR). The flag wins, then the variable, then the file.\n"
               "Sizes take KiB, MiB and GiB; times take ms, s, min and h.\n");
    for (int s = 0; s < SETTING_COUNT; s++) {
        const struct setting_info *info = config_info((enum setting)s);
        const char *section = config_section((enum setting)s);

        if (section)
            buf_printf(out, ".SS %s\n", section);
        buf_printf(out, ".TP\n\\fB%s\\fR", info->name);
        if (*info->def) {
            buf_printf(out, " (");
            roff_c(out, info->def);
            buf_putc(out, ')');
        }
        buf_putc(out, '\n');
        roff_c(out, info->text);
        buf_putc(out, '\n');
    }
}

static void man_end(struct buf *out)
{
    buf_printf(out, ".SH FILES\n.TP\n.I ");
    roff_c(out, CONFIG_FILE_DEFAULT);
    buf_printf(out,
               "\nRead when neither \\fB\\-\\-config\\fR \\fIFILE\\fR nor \\fBDOPPEL_CONFIG\\fR "
               "names another.\n"
               ".SH \"EXIT STATUS\"\n"
               ".TP\n.B 0\nThe work was done.\n"
               ".TP\n.B 1\nIt could not be done; one line on standard error says why.\n"
               ".TP\n.B 2\nThe command line or a setting is wrong.\n"
               ".SH SIGNALS\n"
               ".TP\n.B SIGTERM, SIGINT\nStop gracefully: requests under way are answered. "
               "Sent again: at once.\n"
               ".TP\n.B SIGHUP\nForget remembered API keys.\n");
}

int cmd_man(const struct command_call *call)
{
    struct buf out;

    buf_init(&out, MAN_MAX);
    buf_printf(&out,
               ".TH DOPPEL 1 \"\" \"doppel " DOPPEL_VERSION "\" \"User Commands\"\n"
               ".SH NAME\ndoppel \\- an adaptive\\-learning server\n"
               ".SH SYNOPSIS\n.B doppel\n.I COMMAND\n[\\fIOPTION\\fR...]\n"
               ".SH DESCRIPTION\n"
               "Doppel takes in what learners do, keeps a live behavioural twin of each, and\n"
               "answers questions about them over HTTP. It stores in SQLite or PostgreSQL.\n"
               ".SH COMMANDS\n");
    for (const struct command *const *c = commands_all(); *c; c++)
        man_command(*c, &out);
    man_settings(&out);
    man_end(&out);
    int code = command_print(call->command, buf_view(&out));

    buf_fini(&out);
    return code;
}
