#include "import/table.h"

#include "base/assert.h"
#include "base/buf.h"
#include "import/intake.h"
#include "import/lookup.h"
#include "json/writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
    PARTS_MAX = 64,
    SKIPS_MAX = 16,
    JOINS_MAX = 4,
    PAIRS_MAX = 64,
    ARGV_MAX = 256,
    ROW_BYTES_MAX = 4 << 20,
};

enum target {
    T_ID,
    T_LEARNER,
    T_TIME,
    T_ORIGIN,
    T_KIND,
    T_ITEM,
    T_SKILLS,
    T_CORRECT,
    T_SCORE,
    T_RATING,
    T_DURATION,
    T_LATENCY,
    T_CONFIDENCE,
    T_SESSION,
    T_MODALITY,
    T_COURSE,
    T_OBJECTIVE,
    T_MISSION,
    T_DATA,
    T_COUNT
};

static const char *const target_names[T_COUNT] = {
    "id",       "learner", "time",      "origin",   "kind",    "item",       "skills",
    "correct",  "score",   "rating",    "duration", "latency", "confidence", "session",
    "modality", "course",  "objective", "mission",  "data.",
};

/* clang-format off */
const struct args_option table_options[] = {
    {"preset", "NAME", "A known layout: gervet dkvmn cloze datashop-step datashop-transaction swahili moodle moodle-grades oulad-assessments oulad-registrations oulad-withdrawals oulad-results anki-reviews. Options given besides win over its own."},
    {"map", "FIELD=COLUMN", "The column (name, or number from 1) of a field: id learner time origin kind item skills correct score rating duration latency confidence session modality course objective mission data.NAME. COLUMN may be =TEXT, the same for all rows. A field given twice is joined, skills are added."},
    {"learner", "NAME", "All rows are this learner's: --map learner==NAME."},
    {"kind", "KIND", "What the rows are when no kind column says: answer, review, activity, grade …"},
    {"kind-values", "LIST", "What the values of the kind column stand for: STUDY=study,TEST=answer."},
    {"correct-values", "LIST", "What is right (1) and wrong (0): CORRECT=1,INCORRECT=0."},
    {"rating-values", "LIST", "What the ratings 1 to 4 are called: again=1,hard=2,good=3,easy=4."},
    {"data-values", "LIST", "What values of data.NAME columns stand for: Masters=DEGREE,None=NONE."},
    {"score-scale", "NUMBER", "The score of full marks (default 1)."},
    {"time-format", "FORMS", "Forms of times with '|' between: rfc3339 unix unixms days hours seconds ms, or a pattern of %Y %y %m %b %d %H %I %p %M %S %f %z."},
    {"time-zone", "ZONE", "IANA zone of times that name none (default UTC)."},
    {"time-origin", "DAY", "The day from which days, hours, seconds and ms count."},
    {"origin-values", "LIST", "The same by the origin column: 2013B=2013-02-01,2013J=2013-10-01."},
    {"time-is", "end|start", "What the time tells: the end of what happened (default), or its start."},
    {"untimed", NULL, "The source has no clock: keep the order, credit no day and hour."},
    {"duration-unit", "s|ms|min", "Unit of durations (default s)."},
    {"latency-unit", "s|ms|min", "Unit of latencies (default ms)."},
    {"skip", "COLUMN=VALUE", "Leave out rows with this value; may be given several times."},
    {"missing", "LIST", "Values that mean none (default NA,NULL,NaN,.)."},
    {"skills-file", "FILE", "Skills of items: a table whose first two columns are item and skill. Replaces the mapped ones."},
    {"list-separator", "TEXT", "What stands between the skills of one column (default: one skill)."},
    {"glue", "TEXT", "What joins the parts of a field (default /)."},
    {"join", "FILE:COLUMNS", "Add the columns of another table's row with equal COLUMNS (names with commas)."},
    {"layout", "rows|triples", "rows: a record each (default); triples: three lines a learner."},
    {"separator", "CHARACTER", "tab, comma, semicolon, pipe, or any other character; else told from the first line."},
    {"no-quotes", NULL, "Quotation marks are ordinary characters."},
    {"no-header", NULL, "The first record is data; columns have numbers."},
    {"encoding", "utf8|latin1", "Encoding of the text (default utf8)."},
    INTAKE_OPTIONS,
    {NULL, NULL, NULL},
};
/* clang-format on */

struct part {
    enum target target;
    struct str name;   /* of data.NAME */
    struct str column; /* as given */
    bool constant;
    int32_t join, index; /* join -1: the record itself */
};

struct pair {
    struct str from, to;
};
struct dictionary {
    struct pair pairs[PAIRS_MAX];
    int32_t count;
};

struct skip {
    struct part part;
    struct str value, text;
};

struct join {
    struct lookup *table;
    int32_t key[LOOKUP_KEYS_MAX]; /* columns of the record */
    bool looked;
    const struct lookup_row *row; /* of the record at hand */
};

struct table {
    struct args args;
    char *argv[ARGV_MAX];
    const struct preset *preset;
    struct csv_format format;
    bool header, triples, untimed, time_is_start;
    struct part parts[PARTS_MAX];
    int32_t part_count;
    bool has[T_COUNT];
    struct skip skips[SKIPS_MAX];
    int32_t skip_count;
    struct join joins[JOINS_MAX];
    int32_t join_count;
    struct dictionary kinds, corrects, ratings, origins, missing, values;
    struct lookup *skills_file;
    struct timeform time;
    int32_t origin_day; /* INT32_MIN: none */
    double score_scale, duration_ms, latency_ms;
    struct str glue, list_separator;
    enum event_kind kind;
    struct arena arena; /* of the row at hand */
    struct str skills[EVENT_SKILLS_MAX];
    struct buf data;
};

/* ---- options ---- */

static enum err misused(char *detail, const char *option, struct str value, const char *reason)
{
    snprintf(detail, ARGS_DETAIL_MAX, "--%s \"%.*s\": %s", option,
             (int)(value.n < 100 ? value.n : 100), value.p ? value.p : "", reason);
    return ERR_RANGE;
}

/* The preset's options in front of the given ones. */
static enum err merge_args(struct table *t, const struct args *given, char *detail)
{
    const char *name = args_get(table_options, given, "preset");
    int argc = 0;

    t->args = *given;
    if (!name)
        return ERR_OK;
    t->preset = presets;
    while (t->preset->name && strcmp(t->preset->name, name) != 0)
        t->preset++;
    if (!t->preset->name)
        return misused(detail, "preset", str_from(name), "no such preset (doppel help import csv)");
    while (t->preset->args[argc]) {
        t->argv[argc] = (char *)(uintptr_t)t->preset->args[argc]; /* reordered, not written to */
        argc++;
    }
    enum err e = args_parse(table_options, argc, t->argv, &t->args, detail);

    if (e != ERR_OK)
        return e;
    t->args.operands = given->operands, t->args.operand_count = given->operand_count;
    for (int i = 0; i < given->given_count; i++) {
        if (t->args.given_count == ARGS_GIVEN_MAX)
            return misused(detail, "preset", str_from(name), "too many options");
        t->args.given[t->args.given_count++] = given->given[i];
        t->args.value[given->given[i].row] = given->given[i].value;
    }
    return ERR_OK;
}

static struct str option(const struct table *t, const char *name)
{
    return str_from(args_get(table_options, &t->args, name));
}

/* "A=1,B=0"; without '=' the word stands for itself. */
static enum err read_dictionary(const struct table *t, const char *name, const char *def,
                                struct dictionary *ret, char *detail)
{
    struct str text = option(t, name);

    if (!text.p)
        text = str_from(def);
    while (text.p) {
        struct str to = str_cut(&text, ','), whole = to, from = str_trim(str_cut(&to, '='));

        if (ret->count == PAIRS_MAX)
            return misused(detail, name, whole, "more than 64 values");
        ret->pairs[ret->count++] = (struct pair){from, to.p ? str_trim(to) : from};
    }
    return ERR_OK;
}

static const struct str *translate(const struct dictionary *d, struct str s)
{
    for (int32_t i = 0; i < d->count; i++)
        if (str_eq(d->pairs[i].from, s))
            return &d->pairs[i].to;
    return NULL;
}

/* FIELD=COLUMN */
static enum err read_part(struct str text, struct part *ret, char *detail)
{
    struct str column = text, field = str_cut(&column, '=');
    int target = 0;

    while (target < T_DATA && !str_eq(field, str_from(target_names[target])))
        target++;
    if (target == T_DATA && (!str_starts(field, STR("data.")) || field.n == 5))
        return misused(detail, "map", text, "no such field");
    if (!column.n)
        return misused(detail, "map", text, "needs FIELD=COLUMN");
    *ret = (struct part){.target = (enum target)target, .column = column, .join = -1, .index = -1};
    if (target == T_DATA)
        ret->name = (struct str){field.p + 5, field.n - 5};
    if (column.p[0] == '=')
        ret->constant = true, ret->column = (struct str){column.p + 1, column.n - 1};
    return ERR_OK;
}

/* What the user maps himself replaces the preset's parts of that field. */
static void replace_parts(struct table *t, const struct part *by, int32_t preset_parts)
{
    for (int32_t i = 0; i < preset_parts; i++)
        if (t->parts[i].target == by->target && str_eq(t->parts[i].name, by->name))
            t->parts[i].target = T_COUNT;
}

static enum err read_parts(struct table *t, int user_given, char *detail)
{
    struct str learner = option(t, "learner");
    int preset_given = t->args.given_count - user_given, cursor = 0;
    int32_t preset_parts = 0;
    const char *text;

    while ((text = args_each(table_options, &t->args, "map", &cursor))) {
        struct part part;
        enum err e = read_part(str_from(text), &part, detail);

        if (e != ERR_OK)
            return e;
        if (t->part_count == PARTS_MAX)
            return misused(detail, "map", str_from(text), "more than 64 maps");
        if (cursor <= preset_given)
            preset_parts = t->part_count + 1;
        else
            replace_parts(t, &part, preset_parts);
        t->parts[t->part_count++] = part;
    }
    if (learner.p) {
        struct part part = {.target = T_LEARNER, .column = learner, .constant = true, .join = -1};

        replace_parts(t, &part, t->part_count);
        if (t->part_count == PARTS_MAX)
            return misused(detail, "map", learner, "more than 64 maps");
        t->parts[t->part_count++] = part;
    }
    for (int32_t i = 0; i < t->part_count; i++)
        if (t->parts[i].target != T_COUNT)
            t->has[t->parts[i].target] = true;
    return ERR_OK;
}

static enum err read_skips(struct table *t, char *detail)
{
    int cursor = 0;
    const char *text;

    while ((text = args_each(table_options, &t->args, "skip", &cursor))) {
        struct str value = str_from(text), whole = value, column = str_cut(&value, '=');

        if (!value.p || !column.n)
            return misused(detail, "skip", whole, "needs COLUMN=VALUE");
        if (t->skip_count == SKIPS_MAX)
            return misused(detail, "skip", whole, "more than 16 rules");
        t->skips[t->skip_count++] = (struct skip){
            .part = {.column = column, .join = -1, .index = -1}, .value = value, .text = whole};
    }
    return ERR_OK;
}

static enum err read_joins(struct table *t, char *detail)
{
    struct csv_format format = {.quotes = t->format.quotes, .latin1 = t->format.latin1};
    const char *text, *skills = args_get(table_options, &t->args, "skills-file");
    int cursor = 0;

    while ((text = args_each(table_options, &t->args, "join", &cursor))) {
        const char *colon = strrchr(text, ':');
        char path[4096];

        if (!colon || colon == text || !colon[1] || colon - text >= (ptrdiff_t)sizeof path)
            return misused(detail, "join", str_from(text), "needs FILE:COLUMNS");
        if (t->join_count == JOINS_MAX)
            return misused(detail, "join", str_from(text), "more than 4 joins");
        snprintf(path, sizeof path, "%.*s", (int)(colon - text), text);
        enum err e =
            lookup_new(path, str_from(colon + 1), format, &t->joins[t->join_count].table, detail);

        if (e != ERR_OK)
            return e;
        t->join_count++;
    }
    return skills ? lookup_new(skills, (struct str){NULL, 0}, format, &t->skills_file, detail)
                  : ERR_OK;
}

static enum err read_separator(struct table *t, char *detail)
{
    static const struct {
        const char *word;
        char c;
    } words[] = {{"tab", '\t'}, {"comma", ','}, {"semicolon", ';'}, {"pipe", '|'}, {"auto", 0}};
    struct str s = option(t, "separator");

    for (size_t i = 0; s.p && i < COUNT(words); i++)
        if (str_eq(s, str_from(words[i].word))) {
            t->format.separator = words[i].c;
            return ERR_OK;
        }
    if (s.p && (s.n != 1 || s.p[0] == '"' || s.p[0] == '\n' || s.p[0] == '\r'))
        return misused(detail, "separator", s, "tab, comma, semicolon, pipe or one character");
    t->format.separator = s.p ? s.p[0] : 0;
    return ERR_OK;
}

/* One of two words; absent is the first. */
static enum err read_word(const struct table *t, const char *name, const char *first,
                          const char *second, bool *ret_second, char *detail)
{
    struct str s = option(t, name);

    *ret_second = s.p && str_eq(s, str_from(second));
    if (!s.p || *ret_second || str_eq(s, str_from(first)))
        return ERR_OK;
    snprintf(detail, ARGS_DETAIL_MAX, "--%s is %s or %s", name, first, second);
    return ERR_RANGE;
}

static enum err read_unit(const struct table *t, const char *name, double def, double *ret,
                          char *detail)
{
    struct str s = option(t, name);

    *ret = !s.p                    ? def
           : str_eq(s, STR("s"))   ? 1000
           : str_eq(s, STR("ms"))  ? 1
           : str_eq(s, STR("min")) ? 60000
                                   : 0;
    return *ret > 0 ? ERR_OK : misused(detail, name, s, "s, ms or min");
}

static enum err read_time(struct table *t, char *detail)
{
    struct str forms = option(t, "time-format"), name = option(t, "time-zone"), bad;
    struct str origin = option(t, "time-origin");
    const struct zone *zone = zone_utc();

    if (name.p && zone_get(name, &zone) != ERR_OK)
        return misused(detail, "time-zone", name, "no such IANA zone here");
    if (!forms.p)
        forms = STR("rfc3339|%Y-%m-%d %H:%M:%S|%Y-%m-%dT%H:%M:%S|%Y-%m-%d %H:%M|%Y-%m-%d");
    if (timeform_init(&t->time, forms, zone, &bad) != ERR_OK)
        return misused(detail, "time-format", bad, "not a form of time");
    t->origin_day = INT32_MIN;
    if (origin.p && date_parse(origin, &t->origin_day) != ERR_OK)
        return misused(detail, "time-origin", origin, "YYYY-MM-DD");
    if (timeform_needs_origin(&t->time) && !origin.p && !t->has[T_ORIGIN])
        return misused(detail, "time-format", forms, "needs --time-origin or --map origin=COLUMN");
    for (int32_t i = 0; i < t->origins.count; i++) {
        int32_t day;

        if (date_parse(t->origins.pairs[i].to, &day) != ERR_OK)
            return misused(detail, "origin-values", t->origins.pairs[i].to, "YYYY-MM-DD");
    }
    return ERR_OK;
}

static enum err read_kind(struct table *t, char *detail)
{
    struct str kind = option(t, "kind");

    t->kind = kind.p ? event_kind_find(kind) : t->has[T_KIND] ? EVENT_NONE : EVENT_ANSWER;
    if (kind.p && t->kind == EVENT_NONE)
        return misused(detail, "kind", kind, "no such kind of event");
    for (int32_t i = 0; i < t->kinds.count; i++)
        if (event_kind_find(t->kinds.pairs[i].to) == EVENT_NONE)
            return misused(detail, "kind-values", t->kinds.pairs[i].to, "no such kind of event");
    return ERR_OK;
}

static enum err read_dictionaries(struct table *t, char *detail)
{
    enum err e = read_dictionary(t, "kind-values", NULL, &t->kinds, detail);

    if (e == ERR_OK)
        e = read_dictionary(t, "correct-values", NULL, &t->corrects, detail);
    if (e == ERR_OK)
        e = read_dictionary(t, "rating-values", NULL, &t->ratings, detail);
    if (e == ERR_OK)
        e = read_dictionary(t, "origin-values", NULL, &t->origins, detail);
    if (e == ERR_OK)
        e = read_dictionary(t, "data-values", NULL, &t->values, detail);
    if (e == ERR_OK)
        e = read_dictionary(t, "missing", "NA,NULL,NaN,.", &t->missing, detail);
    for (int32_t i = 0; e == ERR_OK && i < t->corrects.count; i++)
        if (!str_eq(t->corrects.pairs[i].to, STR("0")) &&
            !str_eq(t->corrects.pairs[i].to, STR("1")))
            e = misused(detail, "correct-values", t->corrects.pairs[i].to, "0 or 1");
    return e;
}

static enum err read_numbers(struct table *t, char *detail)
{
    struct str scale = option(t, "score-scale");

    t->score_scale = 1;
    if (scale.p && (str_to_f64(scale, &t->score_scale) != ERR_OK || !(t->score_scale > 0)))
        return misused(detail, "score-scale", scale, "a number above 0");
    enum err e = read_unit(t, "duration-unit", 1000, &t->duration_ms, detail);

    return e == ERR_OK ? read_unit(t, "latency-unit", 1, &t->latency_ms, detail) : e;
}

static enum err read_all(struct table *t, int user_given, char *detail)
{
    enum err e = read_separator(t, detail);

    t->format.quotes = !option(t, "no-quotes").p;
    t->header = !option(t, "no-header").p;
    t->untimed = option(t, "untimed").p != NULL;
    t->list_separator = option(t, "list-separator");
    t->glue = option(t, "glue").p ? option(t, "glue") : STR("/");
    if (e == ERR_OK)
        e = read_word(t, "encoding", "utf8", "latin1", &t->format.latin1, detail);
    if (e == ERR_OK)
        e = read_word(t, "layout", "rows", "triples", &t->triples, detail);
    if (e == ERR_OK)
        e = read_word(t, "time-is", "end", "start", &t->time_is_start, detail);
    if (e == ERR_OK)
        e = read_parts(t, user_given, detail);
    if (e == ERR_OK)
        e = read_dictionaries(t, detail);
    if (e == ERR_OK)
        e = read_numbers(t, detail);
    if (e == ERR_OK)
        e = read_time(t, detail);
    if (e == ERR_OK)
        e = read_kind(t, detail);
    if (e == ERR_OK)
        e = read_skips(t, detail);
    if (e == ERR_OK && !t->has[T_LEARNER])
        e = misused(detail, "map", STR("learner"), "which column is it? (or --learner NAME)");
    if (e == ERR_OK && !t->has[T_TIME] && !t->untimed)
        e = misused(detail, "map", STR("time"), "which column is it? (or --untimed)");
    return e == ERR_OK ? read_joins(t, detail) : e;
}

enum err table_new(const struct args *args, struct table **ret, char *ret_detail)
{
    struct table *t = calloc(1, sizeof *t);

    if (!t) {
        snprintf(ret_detail, ARGS_DETAIL_MAX, "out of memory");
        return ERR_NOMEM;
    }
    arena_init(&t->arena, ROW_BYTES_MAX);
    buf_init(&t->data, EVENT_DATA_MAX);
    enum err e = merge_args(t, args, ret_detail);

    if (e == ERR_OK)
        e = read_all(t, args->given_count, ret_detail);
    if (e != ERR_OK) {
        table_free(t);
        return e;
    }
    *ret = t;
    return ERR_OK;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (int32_t i = 0; i < t->join_count; i++)
        lookup_free(t->joins[i].table);
    lookup_free(t->skills_file);
    buf_fini(&t->data);
    arena_fini(&t->arena);
    free(t);
}

const struct args *table_args(const struct table *t)
{
    return &t->args;
}

struct csv_format table_format(const struct table *t)
{
    return t->format;
}

bool table_has_header(const struct table *t)
{
    return t->header && !t->triples;
}

bool table_is_triples(const struct table *t)
{
    return t->triples;
}

/* ---- binding ---- */

static int32_t column_of(const struct str *columns, int32_t count, struct str name)
{
    for (int32_t i = 0; i < count; i++)
        if (str_eq(str_trim(columns[i]), name))
            return i;
    return -1;
}

static enum err bind_part(const struct table *t, const struct csv_record *header, struct part *part,
                          char *detail)
{
    int64_t number;

    if (part->constant || part->target == T_COUNT)
        return ERR_OK;
    part->join = -1;
    part->index = column_of(header->fields, header->count, part->column);
    for (int32_t j = 0; part->index < 0 && j < t->join_count; j++) {
        part->index =
            column_of(t->joins[j].table->columns, t->joins[j].table->column_count, part->column);
        part->join = part->index < 0 ? -1 : j;
    }
    if (part->index < 0 && str_to_i64(part->column, &number) == ERR_OK && number >= 1 &&
        number <= CSV_FIELDS_MAX)
        part->index = (int32_t)number - 1;
    if (part->index >= 0)
        return ERR_OK;
    snprintf(detail, ARGS_DETAIL_MAX, "there is no column \"%.*s\"",
             (int)(part->column.n < 100 ? part->column.n : 100), part->column.p);
    return ERR_RANGE;
}

enum err table_bind(struct table *t, const struct csv_record *header, char *ret_detail)
{
    enum err e = ERR_OK;

    for (int32_t i = 0; e == ERR_OK && i < t->part_count; i++)
        e = bind_part(t, header, &t->parts[i], ret_detail);
    for (int32_t i = 0; e == ERR_OK && i < t->skip_count; i++)
        e = bind_part(t, header, &t->skips[i].part, ret_detail);
    for (int32_t j = 0; e == ERR_OK && j < t->join_count; j++) {
        const struct lookup *l = t->joins[j].table;

        for (int32_t k = 0; e == ERR_OK && k < l->key_count; k++) {
            t->joins[j].key[k] = column_of(header->fields, header->count, l->columns[l->key[k]]);
            if (t->joins[j].key[k] < 0)
                e = misused(ret_detail, "join", l->columns[l->key[k]],
                            "the imported file has no such column");
        }
    }
    return e;
}

/* ---- reading a record ---- */

static const struct str *fields_of(struct table *t, const struct csv_record *r, int32_t join,
                                   int32_t *ret_count)
{
    if (join < 0) {
        *ret_count = r->count;
        return r->fields;
    }
    struct join *j = &t->joins[join];

    if (!j->looked) {
        struct str values[LOOKUP_KEYS_MAX];

        for (int32_t k = 0; k < j->table->key_count; k++)
            values[k] = j->key[k] < r->count ? str_trim(r->fields[j->key[k]]) : STR("");
        j->row = lookup_get(j->table, values);
        j->looked = true;
    }
    *ret_count = j->row ? j->table->column_count : 0;
    return j->row ? j->row->fields : NULL;
}

/* The text as it is, blanks at its ends taken off; {NULL,0} when the record is too short. */
static struct str plain(struct table *t, const struct csv_record *r, const struct part *part)
{
    int32_t count;

    if (part->constant)
        return part->column;
    const struct str *fields = fields_of(t, r, part->join, &count);

    return part->index < count && fields[part->index].p ? str_trim(fields[part->index])
                                                        : (struct str){NULL, 0};
}

static struct str value(struct table *t, const struct csv_record *r, const struct part *part)
{
    struct str s = plain(t, r, part);

    if (!s.n || (!part->constant && translate(&t->missing, s)))
        return (struct str){NULL, 0};
    return s;
}

/* All parts of a field with the glue between; {NULL,0}: none has a value. */
static struct str field(struct table *t, const struct csv_record *r, enum target target)
{
    struct str all = {NULL, 0};

    for (int32_t i = 0; t->has[target] && i < t->part_count; i++) {
        if (t->parts[i].target != target)
            continue;
        struct str s = value(t, r, &t->parts[i]);

        if (s.p && all.p)
            s = arena_printf(&t->arena, STR_FMT STR_FMT STR_FMT, STR_ARG(all), STR_ARG(t->glue),
                             STR_ARG(s));
        all = s.p ? s : all;
    }
    return all;
}

static void add_skill(struct table *t, struct event *e, struct str s)
{
    s = str_trim(s);
    if (!s.n || e->skill_count == EVENT_SKILLS_MAX)
        return;
    for (int32_t i = 0; i < e->skill_count; i++)
        if (str_eq(t->skills[i], s))
            return;
    t->skills[e->skill_count++] = s;
}

static void add_skills(struct table *t, struct event *e, struct str s)
{
    const struct str sep = t->list_separator;

    while (sep.n && s.n) {
        const char *at = memmem(s.p, s.n, sep.p, sep.n);

        if (!at)
            break;
        add_skill(t, e, (struct str){s.p, (size_t)(at - s.p)});
        s.n -= (size_t)(at - s.p) + sep.n;
        s.p = at + sep.n;
    }
    add_skill(t, e, s);
}

static void read_skills(struct table *t, const struct csv_record *r, struct event *e)
{
    const struct lookup_row *row = NULL;

    if (t->skills_file && e->item.p)
        row = lookup_get(t->skills_file, &e->item);
    for (; row && t->skills_file->column_count > 1; row = row->next)
        if (row->fields[1].p)
            add_skill(t, e, row->fields[1]);
    for (int32_t i = 0; !t->skills_file && i < t->part_count; i++)
        if (t->parts[i].target == T_SKILLS) {
            struct str s = value(t, r, &t->parts[i]);

            if (s.p)
                add_skills(t, e, s);
        }
    e->skills = e->skill_count ? t->skills : NULL;
}

/* A number as RFC 8259 writes it may stand as it is. */
static bool json_number(struct str s)
{
    size_t i = s.n && s.p[0] == '-', first = i;
    double v;

    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
        i++;
    if (i == first || (s.p[first] == '0' && i > first + 1))
        return false;
    if (i < s.n && s.p[i] == '.') {
        size_t dot = i++;

        while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
            i++;
        if (i == dot + 1)
            return false;
    }
    return i == s.n && str_to_f64(s, &v) == ERR_OK;
}

static bool read_data(struct table *t, const struct csv_record *r, struct event *e)
{
    struct json_writer w;

    if (!t->has[T_DATA])
        return true;
    buf_clear(&t->data);
    json_writer_init(&w, &t->data);
    json_object(&w);
    for (int32_t i = 0; i < t->part_count; i++) {
        struct str s = t->parts[i].target == T_DATA ? value(t, r, &t->parts[i]) : (struct str){0};

        if (!s.p)
            continue;
        const struct str *known = translate(&t->values, s);
        s = known ? *known : s;
        json_name(&w, t->parts[i].name);
        if (json_number(s))
            json_raw(&w, s);
        else if (str_eq_nocase(s, STR("true")) || str_eq_nocase(s, STR("false")))
            json_bool(&w, s.n == 4);
        else
            json_str(&w, s);
    }
    json_object_end(&w);
    if (t->data.n > 2 && !t->data.failed)
        e->data = buf_view(&t->data);
    return !t->data.failed;
}

static bool bad(struct table_row *ret, const char *what, const char *reason, struct str s)
{
    snprintf(ret->field, sizeof ret->field, "%s", what);
    snprintf(ret->reason, sizeof ret->reason, "%s%s%.*s%s", reason, s.p ? " \"" : "",
             (int)(s.n < 40 ? s.n : 40), s.p ? s.p : "", s.p ? "\"" : "");
    return false;
}

/* Milliseconds. What cannot be is left out of the event rather than the event out of the history.
 */
static int64_t span_ms(struct table_row *ret, const char *what, struct str s, double unit_ms)
{
    double v;

    if (!s.p)
        return -1;
    if (str_to_f64(s, &v) == ERR_OK && v >= 0 && v * unit_ms <= EVENT_DURATION_MS_MAX)
        return llround(v * unit_ms);
    snprintf(ret->note, sizeof ret->note, "%s: not a time between 0 and a day", what);
    return -1;
}

static int read_correct(const struct table *t, struct str s)
{
    static const char *const right[] = {"1", "true", "t", "yes", "y", "correct", "right", "1.0"};
    static const char *const wrong[] = {"0", "false", "f", "no", "n", "incorrect", "wrong", "0.0"};
    const struct str *to = translate(&t->corrects, s);

    if (to)
        return to->p[0] == '1';
    for (size_t i = 0; !t->corrects.count && i < COUNT(right); i++) {
        if (str_eq_nocase(s, str_from(right[i])))
            return 1;
        if (str_eq_nocase(s, str_from(wrong[i])))
            return 0;
    }
    return -1;
}

static bool has_outcome(enum event_kind k)
{
    return k == EVENT_ANSWER || k == EVENT_ASSESSMENT || k == EVENT_GRADE;
}

static bool read_outcome(struct table *t, const struct csv_record *r, struct table_row *ret)
{
    struct event *e = &ret->event;
    struct str correct = field(t, r, T_CORRECT), score = field(t, r, T_SCORE);
    struct str rating = field(t, r, T_RATING), confidence = field(t, r, T_CONFIDENCE);
    const struct str *to = rating.p ? translate(&t->ratings, rating) : NULL;
    int64_t n;

    if (correct.p) {
        e->correct = (int8_t)read_correct(t, correct);
        if (e->correct < 0 && has_outcome(e->kind))
            return bad(ret, "correct", "neither right nor wrong:", correct);
    }
    if (score.p && has_outcome(e->kind)) {
        if (str_to_f64(score, &e->score) != ERR_OK)
            return bad(ret, "score", "not a number:", score);
        e->score /= t->score_scale;
    }
    if (rating.p) {
        rating = to ? *to : rating;
        if (str_to_i64(rating, &n) != ERR_OK || n < 1 || n > 4)
            return bad(ret, "rating", "not 1 to 4:", rating);
        e->rating = (int8_t)n;
    }
    if (confidence.p && (str_to_f64(confidence, &e->confidence) != ERR_OK ||
                         !(e->confidence >= 0) || e->confidence > 1)) {
        e->confidence = (double)NAN;
        snprintf(ret->note, sizeof ret->note, "confidence: not a number between 0 and 1");
    }
    return true;
}

static bool read_at(struct table *t, const struct csv_record *r, struct table_row *ret)
{
    struct event *e = &ret->event;
    struct str text = field(t, r, T_TIME), origin = field(t, r, T_ORIGIN);
    int32_t origin_day = t->origin_day;
    bool clock = false;

    e->untimed = t->untimed;
    if (!t->has[T_TIME])
        return true; /* untimed altogether */
    if (!text.p)
        return bad(ret, "time", "is missing", text);
    if (t->has[T_ORIGIN]) {
        const struct str *day = origin.p ? translate(&t->origins, origin) : NULL;

        if (!origin.p || date_parse(day ? *day : origin, &origin_day) != ERR_OK)
            return bad(ret, "origin", "not a day:", origin);
    }
    enum err err = timeform_parse(&t->time, text, origin_day, &e->at, &clock);

    if (err != ERR_OK)
        return bad(ret, "time",
                   err == ERR_RANGE ? "outside of the calendar:" : "not in the form:", text);
    /* A day without an hour: the day's start would be taken for midnight's study. */
    e->untimed |= !clock;
    if (t->time_is_start)
        e->at += US_PER_MS * (e->duration_ms > 0  ? e->duration_ms
                              : e->latency_ms > 0 ? e->latency_ms
                                                  : 0);
    return true;
}

static bool read_event(struct table *t, const struct csv_record *r, struct table_row *ret)
{
    struct event *e = &ret->event;
    struct str kind = field(t, r, T_KIND);
    const struct str *to = kind.p ? translate(&t->kinds, kind) : NULL;

    e->kind = to ? event_kind_find(*to) : kind.p ? event_kind_find(kind) : EVENT_NONE;
    if (e->kind == EVENT_NONE)
        e->kind = t->kind;
    if (e->kind == EVENT_NONE)
        return bad(ret, "kind", "unknown value", kind);
    e->id = field(t, r, T_ID);
    e->learner = field(t, r, T_LEARNER);
    e->item = field(t, r, T_ITEM);
    e->session = field(t, r, T_SESSION);
    e->modality = field(t, r, T_MODALITY);
    e->course = field(t, r, T_COURSE);
    e->objective = field(t, r, T_OBJECTIVE);
    e->mission = field(t, r, T_MISSION);
    e->duration_ms = span_ms(ret, "duration", field(t, r, T_DURATION), t->duration_ms);
    e->latency_ms = span_ms(ret, "latency", field(t, r, T_LATENCY), t->latency_ms);
    if (!e->learner.p)
        return bad(ret, "learner", "is missing", e->learner);
    if (!read_outcome(t, r, ret) || !read_at(t, r, ret))
        return false;
    read_skills(t, r, e);
    if (!read_data(t, r, e))
        return bad(ret, "data", "larger than 8 KiB", (struct str){NULL, 0});
    return true;
}

enum err table_read(struct table *t, const struct csv_record *record, struct table_row *ret,
                    enum table_verdict *ret_verdict)
{
    arena_clear(&t->arena);
    for (int32_t j = 0; j < t->join_count; j++)
        t->joins[j].looked = false;
    event_init(&ret->event);
    ret->field[0] = ret->reason[0] = ret->note[0] = 0;
    for (int32_t i = 0; i < t->skip_count; i++) {
        const struct skip *skip = &t->skips[i];

        if (str_eq(plain(t, record, &skip->part), skip->value)) {
            snprintf(ret->reason, sizeof ret->reason, "%.*s",
                     (int)(skip->text.n < 100 ? skip->text.n : 100), skip->text.p);
            *ret_verdict = TABLE_SKIP;
            return ERR_OK;
        }
    }
    *ret_verdict = read_event(t, record, ret) ? TABLE_EVENT : TABLE_REFUSE;
    return ERR_OK;
}
