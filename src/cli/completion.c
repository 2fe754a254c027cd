/* completion - `doppel completion SHELL`: a script for the shell, from the tables of commands and
 * settings. The words are written into the script, so that a key press runs nothing of ours. */
#include "cli/command.h"

#include <stdlib.h>

enum { COMPLETION_MAX = 512 * 1024 };

static void flag(struct buf *out, const char *name)
{
    for (const char *p = name; *p; p++)
        buf_putc(out, *p == '_' ? '-' : *p);
}

static void settings_words(struct buf *out)
{
    buf_printf(out, "--config");
    for (int s = 0; s < SETTING_COUNT; s++) {
        buf_printf(out, " --");
        flag(out, config_info((enum setting)s)->name);
    }
}

/* Is this the first row of its group, or a command that stands alone? */
static bool leads(const struct command *const *c)
{
    const struct command *const *first = commands_all();

    for (; (*c)->group && first < c; first++)
        if ((*first)->group && strcmp((*first)->group, (*c)->group) == 0)
            return false;
    return true;
}

static void first_words(struct buf *out)
{
    for (const struct command *const *c = commands_all(); *c; c++)
        if (leads(c))
            buf_printf(out, "%s%s", c == commands_all() ? "" : " ",
                       (*c)->group ? (*c)->group : (*c)->name);
}

static void group_words(struct buf *out, const char *group)
{
    bool any = false;

    for (const struct command *const *c = commands_all(); *c; c++) {
        if (!(*c)->group || strcmp((*c)->group, group) != 0)
            continue;
        buf_printf(out, "%s%s", any ? " " : "", (*c)->name);
        any = true;
    }
}

/* What may follow the command: its options, and the settings by the shell's variable. */
static void option_words(struct buf *out, const struct command *c)
{
    buf_printf(out, "--help");
    for (const struct args_option *o = c->options; o && o->name; o++)
        buf_printf(out, " --%s", o->name);
    if (strcmp(c->name, "completion") == 0)
        buf_printf(out, " bash zsh fish");
}

/* bash and zsh (by bashcompinit) share one function. */
static void bash(struct buf *out)
{
    buf_printf(out, "_doppel() {\n"
                    "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" words='' least=2\n"
                    "    local one=\"${COMP_WORDS[1]}\" two=\"${COMP_WORDS[2]}\" settings='");
    settings_words(out);
    buf_printf(out, "'\n    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='");
    first_words(out);
    buf_printf(out, "'\n    else\n        case \"$one\" in\n");
    for (const struct command *const *c = commands_all(); *c; c++) {
        if ((*c)->group)
            continue;
        buf_printf(out, "        %s) words='", (*c)->name);
        if (strcmp((*c)->name, "help") == 0)
            first_words(out);
        else
            option_words(out, *c);
        buf_printf(out, "'%s ;;\n", (*c)->settings ? "\" $settings\"" : "");
    }
    for (const struct command *const *c = commands_all(); *c; c++) {
        if (!(*c)->group || !leads(c))
            continue;
        buf_printf(out, "        %s)\n            words='", (*c)->group);
        group_words(out, (*c)->group);
        buf_printf(
            out,
            "'\n            least=3\n            [ \"$COMP_CWORD\" -gt 2 ] && case \"$two\" in\n");
        for (const struct command *const *k = c; *k; k++) {
            if (!(*k)->group || strcmp((*k)->group, (*c)->group) != 0)
                continue;
            buf_printf(out, "            %s) words='", (*k)->name);
            option_words(out, *k);
            buf_printf(out, "'%s ;;\n", (*k)->settings ? "\" $settings\"" : "");
        }
        buf_printf(out, "            esac ;;\n");
    }
    buf_printf(out, "        esac\n    fi\n"
                    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                    "    case \"$cur\" in\n"
                    "    -*) ;;\n"
                    "    *) [ \"$COMP_CWORD\" -ge $least ] && "
                    "COMPREPLY+=($(compgen -f -- \"$cur\")) ;;\n"
                    "    esac\n}\ncomplete -o filenames -F _doppel doppel\n");
}

static void zsh(struct buf *out)
{
    buf_printf(out, "#compdef doppel\nautoload -U +X bashcompinit && bashcompinit\n");
    bash(out);
}

/* Text in single quotes for fish: only ' and \ are special there. */
static void fish_text(struct buf *out, const char *text)
{
    buf_putc(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
    buf_putc(out, '\'');
}

static void fish_condition(struct buf *out, const struct command *c)
{
    if (c->group)
        buf_printf(out, "-n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s' ",
                   c->group, c->name);
    else
        buf_printf(out, "-n '__fish_seen_subcommand_from %s' ", c->name);
}

static void fish_command(struct buf *out, const struct command *const *at)
{
    const struct command *c = *at;

    if (leads(at)) {
        buf_printf(out, "complete -c doppel -n __fish_use_subcommand -f -a %s -d ",
                   c->group ? c->group : c->name);
        fish_text(out, c->group ? "commands on it" : c->summary);
        buf_putc(out, '\n');
    }
    if (c->group) {
        buf_printf(out, "complete -c doppel -n '__fish_seen_subcommand_from %s' -f -a %s -d ",
                   c->group, c->name);
        fish_text(out, c->summary);
        buf_putc(out, '\n');
    }
    for (const struct args_option *o = c->options; o && o->name; o++) {
        buf_printf(out, "complete -c doppel ");
        fish_condition(out, c);
        buf_printf(out, "-l %s%s -d ", o->name, o->value ? " -r" : "");
        fish_text(out, o->text);
        buf_putc(out, '\n');
    }
}

static void fish_settings(struct buf *out)
{
    buf_printf(out, "set -l with_settings");
    for (const struct command *const *c = commands_all(); *c; c++)
        if ((*c)->settings && leads(c))
            buf_printf(out, " %s", (*c)->group ? (*c)->group : (*c)->name);
    buf_putc(out, '\n');
    for (int s = 0; s < SETTING_COUNT; s++) {
        const struct setting_info *info = config_info((enum setting)s);

        buf_printf(out, "complete -c doppel -n \"__fish_seen_subcommand_from $with_settings\" -l ");
        flag(out, info->name);
        buf_printf(out, "%s -d ", info->type == SETTING_BOOL ? "" : " -r");
        fish_text(out, info->text);
        buf_putc(out, '\n');
    }
}

int cmd_completion(const struct command_call *call)
{
    const char *shell = call->args.operands[0];
    struct buf out;
    int code = EXIT_SUCCESS;

    buf_init(&out, COMPLETION_MAX);
    if (strcmp(shell, "bash") == 0) {
        bash(&out);
    } else if (strcmp(shell, "zsh") == 0) {
        zsh(&out);
    } else if (strcmp(shell, "fish") == 0) {
        for (const struct command *const *c = commands_all(); *c; c++)
            fish_command(&out, c);
        fish_settings(&out);
    } else {
        code = command_misused(call->command, "knows bash, zsh and fish, not \"%.64s\"", shell);
    }
    if (code == EXIT_SUCCESS)
        code = command_print(call->command, buf_view(&out));
    buf_fini(&out);
    return code;
}
