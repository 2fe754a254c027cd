/* catalog - what there is to learn, from lines like {"type":"objective","objective":"o1",…}.
 *
 * A thing that is there already is changed to what the line says; members that the line leaves out
 * stay as they are. Lines of one type that follow each other go into one transaction; when the
 * database refuses one (it names a thing that is not there), its lines are tried one by one. */
#include "import/importers.h"

#include "base/assert.h"
#include "base/clock.h"
#include "json/field.h"
#include "json/reader.h"

#include <math.h>
#include <stdlib.h>

/* clang-format off */
const struct args_option catalog_options[] = {
    {"prefix", "TEXT", "Put this before every identifier."},
    {"dry-run", NULL, "Read and check everything, store nothing."},
    {NULL, NULL, NULL},
};
/* clang-format on */

enum {
    LINE_BYTES_MAX = 1 << 20,
    BATCH_MAX = 500,
    ARGS_MAX = 8,
    BATCH_BYTES_MAX = 64 << 20,
    RUN_DAYS_MAX = 3650
};

struct line {
    struct str type, course, lecture, objective, prerequisite, skill, item, learner, zone, run,
        piece;
    struct str name, title, code, term, color, front, back, item_type, complexity;
    double strength, weight;
    int32_t begins, ends, due, days; /* INT32_MIN: not told */
    bool high_yield, have_high_yield, quiz, have_quiz;
};

#define ID .min = 1, .max = EVENT_ID_MAX
static const struct field line_fields[] = {
    FIELD(F_STR, struct line, type, "type", .flags = FIELD_REQUIRED),
    FIELD(F_STR, struct line, course, "course", ID),
    FIELD(F_STR, struct line, lecture, "lecture", ID),
    FIELD(F_STR, struct line, objective, "objective", ID),
    FIELD(F_STR, struct line, prerequisite, "prerequisite", ID),
    FIELD(F_STR, struct line, skill, "skill", ID),
    FIELD(F_STR, struct line, item, "item", ID),
    FIELD(F_STR, struct line, learner, "learner", ID),
    FIELD(F_STR, struct line, run, "run", ID),
    FIELD(F_STR, struct line, piece, "piece", ID),
    FIELD(F_DATE, struct line, begins, "begins", .flags = FIELD_NULLABLE),
    FIELD(F_DATE, struct line, ends, "ends", .flags = FIELD_NULLABLE),
    FIELD(F_I32, struct line, due, "dueDay", .flags = FIELD_NULLABLE, .min = -RUN_DAYS_MAX,
          .max = RUN_DAYS_MAX),
    FIELD(F_I32, struct line, days, "days", .flags = FIELD_NULLABLE, .min = 1, .max = RUN_DAYS_MAX),
    FIELD(F_F64, struct line, weight, "weight", .min = 0, .max = 100, .def = "0"),
    FIELD(F_BOOL, struct line, quiz, "quiz", .seen = 1 + offsetof(struct line, have_quiz)),
    FIELD(F_STR, struct line, zone, "zone", .min = 1, .max = 64),
    FIELD(F_STR, struct line, name, "name", .min = 1, .max = 500),
    FIELD(F_STR, struct line, title, "title", .min = 1, .max = 500),
    FIELD(F_STR, struct line, code, "code", .max = 100),
    FIELD(F_STR, struct line, term, "term", .max = 100),
    FIELD(F_STR, struct line, color, "color", .max = 50),
    FIELD(F_STR, struct line, front, "front", .max = 100000),
    FIELD(F_STR, struct line, back, "back", .max = 100000),
    FIELD(F_STR, struct line, item_type, "itemType", .max = 50),
    FIELD(F_STR, struct line, complexity, "complexity", .max = 50),
    FIELD(F_F64, struct line, strength, "strength", .max = 1, .def = "1"),
    FIELD(F_BOOL, struct line, high_yield, "highYield",
          .seen = 1 + offsetof(struct line, have_high_yield)),
    FIELD_END,
};

/* What a statement takes of a line, in its order. */
enum member {
    M_END,
    M_TEXT,
    M_NEEDED,
    M_ID,
    M_STRENGTH,
    M_WEIGHT,
    M_HIGH_YIELD,
    M_QUIZ,
    M_DAY,
    M_NOW
};
struct type {
    const char *name;
    enum stmt stmt;
    struct {
        enum member member;
        uint32_t offset;
        const char *name;
    } args[ARGS_MAX + 1];
    int32_t keys; /* the first of the arguments */
    bool learner; /* stored by learner_put(): a changed zone changes the sums */
};

#define TEXT(m, n)                          \
    {                                       \
        M_TEXT, offsetof(struct line, m), n \
    }
#define NEEDED(m, n)                          \
    {                                         \
        M_NEEDED, offsetof(struct line, m), n \
    }
#define DAY(m, n)                          \
    {                                      \
        M_DAY, offsetof(struct line, m), n \
    }
#define IDENT(m, n)                       \
    {                                     \
        M_ID, offsetof(struct line, m), n \
    }
/* clang-format off */
static const struct type types[] = {
    {"course", STMT_IMPORT_COURSE, {IDENT(course, "course"), NEEDED(name, "name"), TEXT(code, "code"), TEXT(term, "term"),
                                    TEXT(color, "color"), {M_NOW, 0, ""}}, 1, false},
    {"lecture", STMT_IMPORT_LECTURE, {IDENT(lecture, "lecture"), TEXT(course, "course"), NEEDED(title, "title"),
                                      {M_NOW, 0, ""}}, 1, false},
    {"objective", STMT_IMPORT_OBJECTIVE, {IDENT(objective, "objective"), TEXT(course, "course"), TEXT(lecture, "lecture"),
                                          NEEDED(name, "name"), TEXT(complexity, "complexity"),
                                          {M_HIGH_YIELD, 0, ""}, {M_NOW, 0, ""}}, 1, false},
    {"prerequisite", STMT_IMPORT_PREREQUISITE, {IDENT(objective, "objective"), IDENT(prerequisite, "prerequisite"),
                                                {M_STRENGTH, 0, ""}}, 2, false},
    {"skill", STMT_IMPORT_SKILL, {IDENT(skill, "skill"), NEEDED(name, "name"), {M_NOW, 0, ""}}, 1, false},
    {"item", STMT_IMPORT_ITEM, {IDENT(item, "item"), TEXT(course, "course"), TEXT(lecture, "lecture"),
                                TEXT(objective, "objective"), TEXT(item_type, "itemType"), TEXT(front, "front"),
                                TEXT(back, "back"), {M_NOW, 0, ""}}, 1, false},
    {"itemSkill", STMT_IMPORT_ITEM_SKILL, {IDENT(item, "item"), IDENT(skill, "skill")}, 2, false},
    {"run", STMT_IMPORT_RUN, {IDENT(run, "run"), IDENT(course, "course"), DAY(begins, "begins"), DAY(ends, "ends")}, 1, false},
    {"piece", STMT_IMPORT_PIECE, {IDENT(run, "run"), IDENT(piece, "piece"), DAY(due, "dueDay"), {M_WEIGHT, 0, ""},
                                  {M_QUIZ, 0, ""}}, 2, false},
    {"learner", (enum stmt)0, {IDENT(learner, "learner"), NEEDED(zone, "zone")}, 1, true},
};
/* clang-format on */

struct batch {
    const struct import_context *ctx;
    struct str prefix;
    bool dry_run;
    int64_t now;
    struct arena arena;
    const struct type *type; /* of all its lines */
    struct value values[BATCH_MAX * ARGS_MAX];
    int64_t lines[BATCH_MAX];
    int32_t count, cols;
    int64_t rows, taken, refused;
    int64_t first_bad[8];
    char reasons[8][160];
    int32_t reason_count;
};

static void refuse(struct batch *b, int64_t line, const char *field, const char *reason)
{
    b->refused++;
    if (b->reason_count == (int32_t)COUNT(b->reasons))
        return;
    b->first_bad[b->reason_count] = line;
    snprintf(b->reasons[b->reason_count++], sizeof b->reasons[0], "%.40s%s%.100s", field,
             *field ? ": " : "", reason);
}

static enum err put_learners(struct batch *b, int32_t first, int32_t count)
{
    enum err e = ERR_OK;
    int64_t id;

    for (int32_t i = first; i < first + count && e == ERR_OK; i++) {
        const struct value *v = b->values + (size_t)i * (size_t)b->cols;

        e = learner_put(b->ctx->conn, v[0].s, v[1].s, b->now, &id);
    }
    return e;
}

static enum err store_rows(struct batch *b, int32_t first, int32_t count)
{
    struct bulk bulk = {.stmt = b->type->stmt,
                        .rows = count,
                        .cols = b->cols,
                        .v = b->values + (size_t)first * (size_t)b->cols};
    enum err e = store_begin(b->ctx->conn);

    if (e != ERR_OK)
        return e;
    e = b->type->learner ? put_learners(b, first, count) : store_write(b->ctx->conn, &bulk, 1);
    if (e == ERR_OK)
        e = store_commit(b->ctx->conn);
    if (e != ERR_OK)
        store_rollback(b->ctx->conn);
    return e;
}

/* The store is there and has room: then it was the row. */
static bool rows_fault(enum err e)
{
    return e != ERR_STORE_DOWN && e != ERR_STORAGE_FULL && e != ERR_BUSY && e != ERR_NOMEM &&
           e != ERR_IO;
}

static enum err flush(struct batch *b)
{
    enum err e = b->count && !b->dry_run ? store_rows(b, 0, b->count) : ERR_OK;

    if (e == ERR_OK)
        b->taken += b->count;
    else if (!rows_fault(e))
        return e;
    for (int32_t i = 0; e != ERR_OK && i < b->count; i++) {
        enum err e2 = store_rows(b, i, 1);

        if (e2 == ERR_OK)
            b->taken++;
        else if (rows_fault(e2))
            refuse(b, b->lines[i], "",
                   "names something that is not there, or a value that is not allowed");
        else
            return e2;
    }
    b->count = 0;
    arena_clear(&b->arena);
    return b->ctx->stop && *b->ctx->stop ? ERR_CANCELLED : ERR_OK;
}

static bool is_reference(const char *name)
{
    static const char *const names[] = {"course", "lecture", "objective", "prerequisite", "skill",
                                        "item",   "learner", "run",       "piece"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static struct str text_of(const struct line *l, uint32_t offset)
{
    return *(const struct str *)(const void *)((const char *)l + offset);
}

/* NULL, or the name of the member that is missing. ERR_NOMEM goes by `failed`. */
static const char *bind(struct batch *b, const struct type *type, const struct line *l,
                        struct value *v, bool *failed)
{
    for (int32_t i = 0; type->args[i].member != M_END; i++) {
        struct str s = {NULL, 0};

        switch (type->args[i].member) {
        case M_NOW:
            v[i] = V_I(b->now);
            continue;
        case M_STRENGTH:
            v[i] = V_D(l->strength);
            continue;
        case M_WEIGHT:
            v[i] = V_D(l->weight);
            continue;
        case M_QUIZ:
            v[i] = V_I(l->have_quiz && l->quiz);
            continue;
        case M_DAY:
            v[i] = V_I(*(const int32_t *)(const void *)((const char *)l + type->args[i].offset));
            if (v[i].i == INT32_MIN)
                return type->args[i].name;
            continue;
        case M_HIGH_YIELD:
            v[i] = l->have_high_yield ? V_I(l->high_yield) : V_N;
            continue;
        default:
            break;
        }
        s = text_of(l, type->args[i].offset);
        if (type->args[i].member != M_TEXT && !s.n)
            return type->args[i].name;
        if (s.p && is_reference(type->args[i].name))
            s = arena_printf(&b->arena, STR_FMT STR_FMT, STR_ARG(b->prefix), STR_ARG(s));
        else if (s.p)
            s = arena_str(&b->arena, s);
        *failed |= text_of(l, type->args[i].offset).p && !s.p;
        v[i] = v_text(s);
    }
    return NULL;
}

static int32_t args_of(const struct type *type)
{
    int32_t n = 0;

    while (type->args[n].member != M_END)
        n++;
    return n;
}

static bool same_key(const struct batch *b, const struct value *v)
{
    for (int32_t r = 0; r < b->count; r++) {
        int32_t k = 0;

        while (k < b->type->keys && str_eq(b->values[r * b->cols + k].s, v[k].s))
            k++;
        if (k == b->type->keys)
            return true;
    }
    return false;
}

static enum err take_line(struct batch *b, const struct line *l, int64_t number)
{
    struct value v[ARGS_MAX];
    const struct type *type = types;
    bool failed = false;

    while (type < types + COUNT(types) && !str_eq(l->type, str_from(type->name)))
        type++;
    if (type == types + COUNT(types)) {
        refuse(b, number, "type",
               "not course, lecture, objective, prerequisite, skill, item, itemSkill, run, piece, "
               "learner");
        return ERR_OK;
    }
    if (b->type != type || b->count == BATCH_MAX) {
        enum err e = flush(b);

        if (e != ERR_OK)
            return e;
        b->type = type, b->cols = args_of(type);
    }
    const char *missing = bind(b, type, l, v, &failed);

    if (missing) {
        refuse(b, number, missing, "is missing");
        return ERR_OK;
    }
    if (failed)
        return ERR_NOMEM;
    if (same_key(b, v)) { /* one statement may not change a row twice */
        enum err e = flush(b);

        if (e != ERR_OK)
            return e;
        if (bind(b, type, l, v, &failed) || failed)
            return ERR_NOMEM;
    }
    memcpy(b->values + (size_t)b->count * (size_t)b->cols, v, (size_t)b->cols * sizeof *v);
    b->lines[b->count++] = number;
    return ERR_OK;
}

static enum err read_lines(struct batch *b, struct source *s)
{
    struct arena arena;
    struct str text;
    enum err e = ERR_OK;

    arena_init(&arena, 4 * LINE_BYTES_MAX);
    while (e == ERR_OK && (e = source_line(s, LINE_BYTES_MAX, &text)) != ERR_EOF) {
        struct field_error error = {.path = ""};
        struct json_reader r;
        struct line l = {.strength = 1,
                         .begins = INT32_MIN,
                         .ends = INT32_MIN,
                         .due = INT32_MIN,
                         .days = INT32_MIN};

        b->rows += e == ERR_OK || e == ERR_TOO_LARGE;
        if (e == ERR_TOO_LARGE) {
            refuse(b, s->line, "", "the line is longer than 1 MiB");
            e = ERR_OK;
            continue;
        }
        if (e != ERR_OK || !str_trim(text).n)
            continue;
        json_reader_init(&r, text, &arena, 8);
        enum err bad = fields_read_json(line_fields, &r, &arena, &l, NULL, &error);

        if (bad == ERR_OK)
            bad = json_end(&r);
        if (l.ends == INT32_MIN && l.begins != INT32_MIN && l.days != INT32_MIN)
            l.ends = l.begins + l.days;
        if (bad == ERR_NOMEM)
            e = bad;
        else if (bad != ERR_OK)
            refuse(b, s->line, error.path,
                   *error.reason ? error.reason
                   : r.reason    ? r.reason
                                 : "not one JSON object");
        else
            e = take_line(b, &l, s->line);
        arena_clear(&arena);
    }
    arena_fini(&arena);
    return e == ERR_EOF ? flush(b) : e;
}

static enum err catalog_file(const struct import_file *f, char *ret_detail)
{
    struct batch *b = calloc(1, sizeof *b);

    if (!b)
        return ERR_NOMEM;
    b->ctx = f->ctx;
    b->now = clock_us();
    b->dry_run = args_get(catalog_options, f->args, "dry-run") != NULL;
    b->prefix = str_from(args_get(catalog_options, f->args, "prefix"));
    if (!b->prefix.p)
        b->prefix = STR("");
    arena_init(&b->arena, BATCH_BYTES_MAX);
    enum err e = read_lines(b, f->source);

    if (f->ctx->out) {
        fprintf(f->ctx->out, "%s: %lld rows%s\n  %s: %lld\n", f->path, (long long)b->rows,
                e == ERR_OK ? "" : ", NOT complete", b->dry_run ? "would be taken" : "taken",
                (long long)b->taken);
        if (b->refused)
            fprintf(f->ctx->out, "  refused: %lld\n", (long long)b->refused);
        for (int32_t i = 0; i < b->reason_count; i++)
            fprintf(f->ctx->out, "    line %lld: %s\n", (long long)b->first_bad[i], b->reasons[i]);
    }
    if (e != ERR_OK)
        snprintf(ret_detail, ARGS_DETAIL_MAX, "%.120s: behind line %lld: %s", f->path,
                 (long long)f->source->line, err_text(e));
    arena_fini(&b->arena);
    free(b);
    return e;
}

enum err import_catalog(const struct importer *self, const struct import_context *ctx,
                        const struct args *args, char *ret_detail)
{
    return import_each(self, ctx, args, NULL, catalog_file, ret_detail);
}
