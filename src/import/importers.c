#include "import/importers.h"

#include "base/assert.h"
#include "base/clock.h"
#include "json/reader.h"

#include <stdlib.h>

/* clang-format off */
const struct importer importers[] = {
    {"events", "FILE...", "Native events, one JSON object a line (docs/events.md).",
     "FILE is plain or gzip; - is standard input. Events that are refused are listed with their reason.",
     events_options, import_events},
    {"csv", "FILE...", "Tables of any layout: comma, tab, quoted or not, plain or gzip.",
     "--map names the column of each field; --preset knows some layouts. FILE may be - for standard input.",
     table_options, import_csv},
    {"anki", "FILE...", "Anki: a collection (collection.anki2, .anki21, .apkg, .colpkg) or a review log as CSV.",
     "One person's reviews: --learner names whose (default: the file's name).",
     anki_options, import_anki},
    {"supermemo", "FILE...", "SuperMemo's repetition history as text.",
     "One person's repetitions: --learner names whose (default: the file's name).",
     supermemo_options, import_supermemo},
    {"catalog", "FILE...", "Courses, lectures, objectives, prerequisites, skills, items, and learners' zones, one JSON object a line.",
     "What an object names must stand before it in the file, or be stored already.",
     catalog_options, import_catalog},
    {.name = NULL},
};
/* clang-format on */

enum err import_each(const struct importer *self, const struct import_context *ctx,
                     const struct args *args, void *user,
                     enum err (*fn)(const struct import_file *f, char *ret_detail),
                     char *ret_detail)
{
    enum err e = ERR_OK;

    *ret_detail = 0;
    if (args->operand_count == 0) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "which file? (- is standard input)");
        return ERR_RANGE;
    }
    for (int i = 0; i < args->operand_count && e == ERR_OK; i++) {
        struct import_file f = {self, ctx, args, args->operands[i], NULL, user};

        e = source_open(f.path, &f.source, ret_detail);
        if (e == ERR_OK)
            e = fn(&f, ret_detail);
        source_close(f.source);
    }
    return e;
}

/* ---- csv ---- */

/* The next three lines, as records of (learner, skill, correct). */
struct triples {
    struct source *source;
    char number[24];
    struct str skills, answers;
    char *copy; /* of the line of skills: the window moves on with the next line */
    int64_t learner, line;
};

static int64_t values_in(struct str s)
{
    int64_t n = s.n > 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == ',' && i + 1 < s.n; /* some files end in a comma */
    return n;
}

static enum err triples_next(struct triples *t, const char **ret_reason)
{
    struct str count, line;
    int64_t n;
    enum err e = source_line(t->source, 64, &count);

    free(t->copy);
    t->copy = NULL;
    *ret_reason = NULL;
    if (e != ERR_OK)
        return e == ERR_TOO_LARGE ? ERR_SYNTAX : e;
    t->line = t->source->line;
    t->learner++;
    if (str_to_i64(str_trim(count), &n) != ERR_OK || n < 0)
        return ERR_SYNTAX; /* out of step: nothing behind it can be trusted */
    e = source_line(t->source, CSV_RECORD_MAX, &line);
    if (e != ERR_OK)
        return ERR_SYNTAX;
    t->copy = malloc(line.n + 1);
    if (!t->copy)
        return ERR_NOMEM;
    memcpy(t->copy, line.p, line.n);
    t->skills = (struct str){t->copy, line.n};
    e = source_line(t->source, CSV_RECORD_MAX, &t->answers);
    if (e != ERR_OK)
        return ERR_SYNTAX;
    if (values_in(t->skills) != n || values_in(t->answers) != n)
        *ret_reason = "the three lines do not have as many values as the first says";
    return ERR_OK;
}

static enum err take_record(struct table *t, const struct csv_record *r, struct intake *in)
{
    struct table_row row;
    enum table_verdict verdict;
    enum err e = table_read(t, r, &row, &verdict);

    intake_row(in);
    if (e != ERR_OK)
        return e;
    if (verdict == TABLE_SKIP)
        intake_skip(in, r->line, "%s", row.reason);
    else if (verdict == TABLE_REFUSE)
        intake_refuse(in, r->line, r->raw, row.field, row.reason);
    if (verdict != TABLE_EVENT)
        return ERR_OK;
    if (*row.note)
        intake_note(in, r->line, "%s", row.note);
    return intake_add(in, &row.event, r->line);
}

static enum err read_triples(struct table *t, struct source *s, struct intake *in, char *ret_detail)
{
    static const struct str names[] = {STR("learner"), STR("skill"), STR("correct")};
    struct csv_record r = {.fields = names, .count = COUNT(names)};
    struct triples block = {.source = s};
    const char *reason;
    enum err e = table_bind(t, &r, ret_detail);

    while (e == ERR_OK && (e = triples_next(&block, &reason)) == ERR_OK) {
        struct str fields[3];

        r = (struct csv_record){.fields = fields, .count = COUNT(fields), .line = block.line};
        fields[0] = (struct str){block.number, (size_t)snprintf(block.number, sizeof block.number,
                                                                "%lld", (long long)block.learner)};
        if (reason) {
            intake_row(in);
            intake_refuse(in, block.line, (struct str){NULL, 0}, "", reason);
            continue;
        }
        while (block.skills.n && block.answers.n && e == ERR_OK) {
            fields[1] = str_cut(&block.skills, ',');
            fields[2] = str_cut(&block.answers, ',');
            e = take_record(t, &r, in);
        }
    }
    free(block.copy);
    if (e == ERR_SYNTAX)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "line %lld: not three lines a learner",
                 (long long)s->line);
    return e;
}

enum err read_table(struct table *t, struct source *s, struct intake *in, char *ret_detail)
{
    const char *reason = "";
    struct csv_record r = {.line = 1};
    enum err e = ERR_OK;

    if (table_is_triples(t))
        return read_triples(t, s, in, ret_detail);
    struct csv *csv = calloc(1, sizeof *csv);

    if (!csv)
        return ERR_NOMEM;
    csv_init(csv, s, table_format(t));
    if (table_has_header(t))
        e = csv_next(csv, &r, &reason);
    if (e == ERR_RANGE)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "line %lld: %s", (long long)r.line, reason);
    if (e == ERR_OK)
        e = table_bind(t, &r, ret_detail);
    while (e == ERR_OK) {
        e = csv_next(csv, &r, &reason);
        if (e == ERR_OK) {
            e = take_record(t, &r, in);
        } else if (e == ERR_RANGE) {
            intake_row(in);
            intake_refuse(in, r.line, (struct str){NULL, 0}, "", reason);
            e = ERR_OK;
        }
    }
    if (e == ERR_SYNTAX && !*ret_detail)
        snprintf(ret_detail, ARGS_DETAIL_MAX,
                 "behind line %lld: the gzip stream is broken or cut off", (long long)csv->line);
    csv_fini(csv);
    free(csv);
    return e;
}

static enum err csv_file(const struct import_file *f, char *ret_detail)
{
    struct table *t = NULL;
    struct intake *in = NULL;
    enum err e = table_new(f->args, &t, ret_detail);

    if (e != ERR_OK)
        return e;
    struct str stem = source_stem(f->path);
    struct intake_options o = {
        .importer = f->self->name,
        .name = f->path,
        .key = intake_key(f->self->name, table_options, table_args(t), f->source),
        /* Without times, only the file tells one of a learner's rows from another's. */
        .origin = args_get(table_options, table_args(t), "untimed") ? stem : STR(""),
    };

    e = intake_read_options(table_options, table_args(t), &o, ret_detail);
    if (e == ERR_OK)
        e = intake_new(f->ctx, &o, f->source, &in, ret_detail);
    if (e == ERR_OK)
        e = intake_end(in, read_table(t, f->source, in, ret_detail), ret_detail);
    intake_free(in);
    table_free(t);
    return e;
}

enum err import_csv(const struct importer *self, const struct import_context *ctx,
                    const struct args *args, char *ret_detail)
{
    return import_each(self, ctx, args, NULL, csv_file, ret_detail);
}

/* ---- events ---- */

/* clang-format off */
const struct args_option events_options[] = {
    INTAKE_OPTIONS,
    {NULL, NULL, NULL},
};
/* clang-format on */

enum { EVENT_LINE_MAX = 1 << 20, EVENT_ARENA_MAX = 4 << 20, EVENT_DEPTH_MAX = 32 };

static enum err take_event_line(struct str line, int64_t number, const struct event_rules *rules,
                                struct arena *arena, struct intake *in)
{
    struct json_reader r;
    struct event event;
    struct event_error error = {0};
    int32_t unknown = 0;

    intake_row(in);
    json_reader_init(&r, line, arena, EVENT_DEPTH_MAX);
    enum err e = event_read(&r, arena, rules, &event, &unknown, &error);

    if (e == ERR_OK && (e = json_end(&r)) != ERR_OK)
        error.field = (struct field_error){.reason = ""};
    if (e == ERR_SYNTAX || (e != ERR_OK && json_failed(&r) && !*error.field.reason))
        intake_refuse(in, number, line, "", r.reason ? r.reason : "not one JSON object");
    else if (e == ERR_NOMEM)
        return e;
    else if (e != ERR_OK)
        intake_refuse(in, number, line, error.field.path, error.field.reason);
    if (e == ERR_OK && unknown)
        intake_note(in, number, "unknown members");
    return e == ERR_OK ? intake_add(in, &event, number) : ERR_OK;
}

enum err read_events(struct source *s, struct intake *in, const struct event_rules *rules)
{
    struct arena arena;
    struct str line;
    enum err e = ERR_OK;

    arena_init(&arena, EVENT_ARENA_MAX);
    while (e == ERR_OK) {
        e = source_line(s, EVENT_LINE_MAX, &line);
        if (e == ERR_TOO_LARGE) {
            intake_row(in);
            intake_refuse(in, s->line, (struct str){NULL, 0}, "", "the line is longer than 1 MiB");
            e = ERR_OK;
        } else if (e == ERR_OK && str_trim(line).n) {
            e = take_event_line(line, s->line, rules, &arena, in);
            arena_clear(&arena);
        }
    }
    arena_fini(&arena);
    return e;
}

static enum err events_file(const struct import_file *f, char *ret_detail)
{
    struct event_rules rules = {.now_us = clock_us(), .future_max_us = f->ctx->future_max_us};
    struct intake *in = NULL;
    struct intake_options o = {
        .importer = f->self->name,
        .name = f->path,
        .key = intake_key(f->self->name, events_options, f->args, f->source),
    };
    enum err e = intake_read_options(events_options, f->args, &o, ret_detail);

    if (e == ERR_OK)
        e = intake_new(f->ctx, &o, f->source, &in, ret_detail);
    if (e == ERR_OK)
        e = intake_end(in, read_events(f->source, in, &rules), ret_detail);
    intake_free(in);
    return e;
}

enum err import_events(const struct importer *self, const struct import_context *ctx,
                       const struct args *args, char *ret_detail)
{
    return import_each(self, ctx, args, NULL, events_file, ret_detail);
}
