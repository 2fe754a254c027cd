#include "eval/sheet.h"

#include "base/args.h"
#include "base/assert.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

enum err sheet_bad(struct sheet *s)
{
    snprintf(s->detail, ARGS_DETAIL_MAX, "%.100s line %" PRId64 ": not understood", s->file,
             s->record.line);
    return ERR_SYNTAX;
}

static enum err bind(struct sheet *s, const char *const *names)
{
    for (s->count = 0; names[s->count]; s->count++) {
        int32_t at = 0;

        ASSERT(s->count < SHEET_COLUMNS_MAX);
        while (at < s->record.count && !str_eq(s->record.fields[at], str_from(names[s->count])))
            at++;
        if (at == s->record.count) {
            snprintf(s->detail, ARGS_DETAIL_MAX, "%.100s: no column \"%.60s\"", s->file,
                     names[s->count]);
            return ERR_SYNTAX;
        }
        s->columns[s->count] = at;
    }
    return ERR_OK;
}

enum err sheet_open(struct sheet *s, const char *folder, const char *file, const char *const *names,
                    char *detail)
{
    char path[PATH_MAX];

    s->source = NULL;
    s->file = file;
    s->detail = detail;
    s->count = 0;
    if (snprintf(path, sizeof path, "%s/%s", folder, file) >= PATH_MAX)
        return ERR_NOT_FOUND;
    enum err e = source_open(path, &s->source, detail);

    if (e != ERR_OK)
        return e;
    csv_init(&s->csv, s->source, (struct csv_format){.quotes = true});
    e = sheet_next(s);
    return e == ERR_OK ? bind(s, names) : e == ERR_EOF ? sheet_bad(s) : e;
}

void sheet_close(struct sheet *s)
{
    if (!s->source)
        return;
    csv_fini(&s->csv);
    source_close(s->source);
}

enum err sheet_next(struct sheet *s)
{
    const char *reason;
    enum err e = csv_next(&s->csv, &s->record, &reason);

    if (e == ERR_RANGE)
        return sheet_bad(s);
    for (int32_t i = 0; e == ERR_OK && i < s->count; i++)
        if (s->columns[i] >= s->record.count)
            return sheet_bad(s);
    return e;
}

struct str sheet_text(const struct sheet *s, int32_t column)
{
    return s->record.fields[s->columns[column]];
}

bool sheet_number(const struct sheet *s, int32_t column, double *ret)
{
    struct str t = sheet_text(s, column);

    *ret = NAN;
    if (t.n == 0 || str_eq(t, STR("NA")))
        return true;
    return str_to_f64(t, ret) == ERR_OK && fabs(*ret) <= 1e15;
}
