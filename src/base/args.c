#include "base/args.h"

#include "base/assert.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 64 };

static char fold(char c)
{
    return c == '_' ? '-' : c;
}

int args_distance(struct str a, struct str b)
{
    int row[NAME_MAX_BYTES + 1];

    if (a.n > NAME_MAX_BYTES || b.n > NAME_MAX_BYTES)
        return INT32_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= a.n; i++) {
        int diagonal = row[0];

        row[0] = (int)i;
        for (size_t j = 1; j <= b.n; j++) {
            int best = diagonal + (fold(a.p[i - 1]) != fold(b.p[j - 1]));

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[b.n];
}

static int find(const struct args_option *options, struct str name)
{
    for (int i = 0; options && options[i].name; i++) {
        ASSERT(i < ARGS_OPTIONS_MAX);
        if (str_eq(name, str_from(options[i].name)))
            return i;
    }
    return -1;
}

static enum err unknown(const struct args_option *options, struct str name, char *ret_detail)
{
    const char *nearest = NULL;
    int best = INT32_MAX, shown = name.n < NAME_MAX_BYTES ? (int)name.n : NAME_MAX_BYTES;

    for (int i = 0; options && options[i].name; i++) {
        int d = args_distance(name, str_from(options[i].name));

        if (d < best)
            best = d, nearest = options[i].name;
    }
    /* Farther than a third of the word is another word. */
    if (nearest && best <= 1 + (int)name.n / 3)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "unknown option --%.*s; did you mean --%s?", shown,
                 name.p, nearest);
    else
        snprintf(ret_detail, ARGS_DETAIL_MAX, "unknown option --%.*s", shown, name.p);
    return ERR_RANGE;
}

enum err args_parse(const struct args_option *options, int argc, char **argv, struct args *ret,
                    char *ret_detail)
{
    struct args args = {.operands = (const char *const *)argv};

    for (int i = 0; i < argc; i++) {
        struct str rest = str_from(argv[i]);

        if (str_eq(rest, STR("--"))) {
            for (i++; i < argc; i++)
                argv[args.operand_count++] = argv[i];
            break;
        }
        if (rest.n >= 2 && rest.p[0] == '-' && rest.p[1] != '-') {
            snprintf(ret_detail, ARGS_DETAIL_MAX, "unknown option %.64s; options are long: --name",
                     argv[i]);
            return ERR_RANGE;
        }
        if (rest.n < 2 || rest.p[0] != '-') {
            argv[args.operand_count++] = argv[i]; /* operand_count <= i: that slot has been read */
            continue;
        }
        rest.p += 2, rest.n -= 2;
        struct str name = str_cut(&rest, '=');
        int row = find(options, name);

        if (row < 0)
            return unknown(options, name, ret_detail);
        if (!options[row].value && rest.p) {
            snprintf(ret_detail, ARGS_DETAIL_MAX, "--%s takes no value", options[row].name);
            return ERR_RANGE;
        }
        if (options[row].value && !rest.p) {
            if (i + 1 >= argc || strncmp(argv[i + 1], "--", 2) == 0) {
                snprintf(ret_detail, ARGS_DETAIL_MAX, "--%s needs a value: --%s %s",
                         options[row].name, options[row].name, options[row].value);
                return ERR_RANGE;
            }
            rest = str_from(argv[++i]);
        }
        args.value[row] = options[row].value ? rest.p : "";
        if (args.given_count == ARGS_GIVEN_MAX) {
            snprintf(ret_detail, ARGS_DETAIL_MAX, "more than %d options", (int)ARGS_GIVEN_MAX);
            return ERR_RANGE;
        }
        args.given[args.given_count++] = (struct args_given){row, args.value[row]};
    }
    *ret = args;
    return ERR_OK;
}

const char *args_get(const struct args_option *options, const struct args *args, const char *name)
{
    int row = find(options, str_from(name));

    ASSERT(row >= 0);
    return args->value[row];
}

const char *args_each(const struct args_option *options, const struct args *args, const char *name,
                      int *cursor)
{
    int row = find(options, str_from(name));

    ASSERT(row >= 0);
    while (*cursor < args->given_count) {
        const struct args_given *given = &args->given[(*cursor)++];

        if (given->row == row)
            return given->value;
    }
    return NULL;
}
