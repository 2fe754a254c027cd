/* One table, three uses: reading JSON, reading a query, and what is published and printed. */
#include "test.h"

#include "base/buf.h"
#include "json/field.h"
#include "json/reader.h"
#include "json/writer.h"

enum { ARENA = 1 << 20, DEPTH = 16 };

struct point {
    int32_t x;
    double y;
};
struct inner {
    struct str label;
    bool on;
};
struct thing {
    bool flag, flag_given;
    int32_t small, nullable_small;
    int64_t large, nullable_large;
    double score, free_score;
    struct str name, any;
    int32_t colour, date;
    int64_t at;
    struct point point, *pointer;
    struct inner inner;
    struct list points, numbers, map, tags;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct field point_fields[] = {
    FIELD(F_I32, struct point, x, "x", .flags = FIELD_REQUIRED, .min = 0, .max = 9,
          .doc = "across"),
    FIELD(F_F64, struct point, y, "y", .min = -1, .max = 1, .def = "0.5"),
    FIELD_END,
};
static const struct field inner_fields[] = {
    FIELD(F_STR, struct inner, label, "label", .def = "none"),
    FIELD(F_BOOL, struct inner, on, "on", .def = "true"),
    FIELD_END,
};
static const struct field thing_fields[] = {
    FIELD(F_BOOL, struct thing, flag, "flag", .seen = 1 + offsetof(struct thing, flag_given)),
    FIELD(F_I32, struct thing, small, "small", .min = 1, .max = 100, .def = "7"),
    FIELD(F_I32, struct thing, nullable_small, "nullableSmall", .flags = FIELD_NULLABLE),
    FIELD(F_I64, struct thing, large, "large"),
    FIELD(F_I64, struct thing, nullable_large, "nullableLarge", .flags = FIELD_NULLABLE),
    FIELD(F_F64, struct thing, score, "score", .min = 0, .max = 1, .flags = FIELD_NULLABLE),
    FIELD(F_F64, struct thing, free_score, "freeScore", .min = 2),
    FIELD(F_STR, struct thing, name, "name", .min = 1, .max = 5, .flags = FIELD_NULLABLE),
    FIELD(F_JSON, struct thing, any, "any"),
    FIELD(F_ENUM, struct thing, colour, "colour", .names = colours),
    FIELD(F_DATE, struct thing, date, "date"),
    FIELD(F_TIME, struct thing, at, "at", .flags = FIELD_DATE_OK),
    FIELD(F_OBJECT, struct thing, point, "point", .sub = point_fields,
          .size = sizeof(struct point)),
    FIELD(F_OBJECT, struct thing, pointer, "pointer", .sub = point_fields,
          .flags = FIELD_POINTER | FIELD_NULLABLE, .size = sizeof(struct point)),
    FIELD(F_OBJECT, struct thing, inner, "inner", .sub = inner_fields, .flags = FIELD_FLAT,
          .size = sizeof(struct inner)),
    FIELD(F_LIST, struct thing, points, "points", .sub = point_fields, .size = sizeof(struct point),
          .max = 3),
    FIELD(F_LIST, struct thing, numbers, "numbers", .item = F_F64, .size = sizeof(double)),
    FIELD(F_MAP, struct thing, map, "map", .item = F_I32),
    FIELD(F_LIST, struct thing, tags, "tags", .item = F_STR, .min = 1, .max = 4),
    FIELD_END,
};

struct result {
    struct arena arena;
    struct thing t;
    struct field_error error;
    int32_t unknown;
    enum err e, end;
};

static struct result *read_json(const char *text)
{
    struct result *x = calloc(1, sizeof *x);
    struct json_reader r;

    arena_init(&x->arena, ARENA);
    json_reader_init(&r, str_from(text), &x->arena, DEPTH);
    x->e = fields_read_json(thing_fields, &r, &x->arena, &x->t, &x->unknown, &x->error);
    x->end = json_end(&r);
    return x;
}

static void done(struct result *x)
{
    arena_fini(&x->arena);
    free(x);
}

static void absent_members_get_their_default(void **state)
{
    (void)state;
    struct result *x = read_json("{}");

    assert_int_equal(x->e, ERR_OK);
    assert_false(x->t.flag || x->t.flag_given);
    assert_int_equal(x->t.small, 7);
    assert_int_equal(x->t.nullable_small, INT32_MIN);
    assert_int_equal(x->t.large, 0);
    assert_true(x->t.nullable_large == INT64_MIN);
    assert_true(isnan(x->t.score));
    assert_null(x->t.name.p);
    assert_null(x->t.any.p);
    assert_int_equal(x->t.colour, -1);
    assert_int_equal(x->t.date, INT32_MIN);
    assert_true(x->t.at == TIME_NONE);
    assert_true(x->t.point.y == 0.5); /* of a nested object that was not given */
    assert_null(x->t.pointer);
    assert_str(x->t.inner.label, "none");
    assert_true(x->t.inner.on);
    assert_int_equal(x->t.points.n, 0);
    done(x);
}

static void everything_is_read(void **state)
{
    (void)state;
    const char *text = "{\"flag\":true,\"small\":1e2,\"large\":-9223372036854775808,\"score\":0.25,"
                       "\"name\":\"\\u00e4b\",\"any\":[1, "
                       "{\"a\":null}],\"colour\":\"blue\",\"date\":\"2024-02-29\","
                       "\"at\":\"2025-10-20\",\"point\":{\"x\":3.0,\"y\":-1},\"pointer\":{\"x\":4},"
                       "\"extra\":{\"x\":[]},"
                       "\"label\":\"flat\",\"on\":false,\"points\":[{\"x\":0},{\"x\":9,\"z\":1}],"
                       "\"numbers\":[1,2.5],"
                       "\"map\":{\"k\":1,\"\\n\":2},\"tags\":[\"a\"],\"freeScore\":1e300}";
    struct result *x = read_json(text);
    struct thing *t = &x->t;

    assert_string_equal(x->error.reason, "");
    assert_int_equal(x->e, ERR_OK);
    assert_int_equal(x->end, ERR_OK);
    assert_int_equal(x->unknown, 2);
    assert_true(t->flag && t->flag_given);
    assert_int_equal(t->small, 100);
    assert_true(t->large == INT64_MIN);
    assert_true(t->score == 0.25 && t->free_score == 1e300);
    assert_str(t->name, "\xc3\xa4"
                        "b");
    assert_str(t->any, "[1, {\"a\":null}]");
    assert_ptr_equal(t->any.p, strstr(text, "[1, ")); /* borrowed */
    assert_int_equal(t->colour, 2);
    assert_int_equal(t->date, civil_epoch_day(2024, 2, 29));
    assert_true(t->at == civil_epoch_day(2025, 10, 20) * US_PER_DAY);
    assert_int_equal(t->point.x, 3);
    assert_int_equal(t->pointer->x, 4);
    assert_true(t->pointer->y == 0.5);
    assert_str(t->inner.label, "flat");
    assert_false(t->inner.on);
    assert_int_equal(t->points.n, 2);
    assert_int_equal(((struct point *)t->points.p)[1].x, 9);
    assert_true(((double *)t->numbers.p)[1] == 2.5);
    assert_int_equal(t->map.n, 2);
    assert_str(((struct map_entry *)t->map.p)[1].key, "\n");
    assert_int_equal(*(const int32_t *)((struct map_entry *)t->map.p)[1].value, 2);
    assert_str(((struct str *)t->tags.p)[0], "a");
    done(x);
}

static void null_is_a_value_where_it_may_be(void **state)
{
    (void)state;
    struct result *x = read_json("{\"nullableSmall\":null,\"nullableLarge\":null,\"score\":null,"
                                 "\"name\":null,\"pointer\":null,\"any\":null}");

    assert_int_equal(x->e, ERR_OK);
    assert_int_equal(x->t.nullable_small, INT32_MIN);
    assert_true(x->t.nullable_large == INT64_MIN);
    assert_true(isnan(x->t.score));
    assert_null(x->t.name.p);
    assert_null(x->t.pointer);
    assert_str(x->t.any, "null");
    done(x);
}

/* Each fault with where and what; the reader stands behind the object in every case. */
static void faults_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *code, *reason;
        double min, max;
    } cases[] = {
        {"[]", "", "invalid_type", "must be an object", 0, 0},
        {"7", "", "invalid_type", "must be an object", 0, 0},
        {"{\"flag\":1}", "flag", "invalid_type", "must be true or false", 0, 0},
        {"{\"flag\":null}", "flag", "invalid_type", "must be true or false", 0, 0},
        {"{\"small\":0}", "small", "too_small", "must be between 1 and 100", 1, 100},
        {"{\"small\":101}", "small", "too_big", "must be between 1 and 100", 1, 100},
        {"{\"small\":1e99}", "small", "too_big", "must be between 1 and 100", 1, 100},
        {"{\"small\":-99999999999999999999}", "small", "too_small", "must be between 1 and 100", 1,
         100},
        {"{\"small\":1.5}", "small", "invalid_type", "must be an integer", 0, 0},
        {"{\"small\":0.99999999999999999999999}", "small", "invalid_type", "must be an integer", 0,
         0},
        {"{\"small\":\"1\"}", "small", "invalid_type", "must be an integer", 0, 0},
        {"{\"nullableSmall\":2147483648}", "nullableSmall", "too_big",
         "must be between -2147483648 and 2147483647", INT32_MIN, INT32_MAX},
        {"{\"large\":9223372036854775808}", "large", "too_big",
         "must be between -9.22337203685478e+18 and 9.22337203685478e+18", -0x1p63, 0x1p63},
        {"{\"score\":1.0001}", "score", "too_big", "must be between 0 and 1", 0, 1},
        {"{\"score\":-0.1}", "score", "too_small", "must be between 0 and 1", 0, 1},
        {"{\"score\":true}", "score", "invalid_type", "must be a number", 0, 0},
        {"{\"freeScore\":1}", "freeScore", "too_small", "must be at least 2", 2, 0},
        {"{\"name\":\"\"}", "name", "too_small", "must have 1 to 5 bytes", 1, 5},
        {"{\"name\":\"123456\"}", "name", "too_big", "must have 1 to 5 bytes", 1, 5},
        {"{\"name\":\"a\\u0000\"}", "name", "invalid_value", "must not hold a NUL character", 0, 0},
        {"{\"name\":5}", "name", "invalid_type", "must be a text", 0, 0},
        {"{\"colour\":\"Red\"}", "colour", "invalid_value", "must be one of red, green, blue", 0,
         0},
        {"{\"date\":\"2025-02-30\"}", "date", "invalid_format", "must be a date like 2025-10-20", 0,
         0},
        {"{\"at\":\"yesterday\"}", "at", "invalid_format",
         "must be a time like 2025-10-20T14:30:00Z, or a date like 2025-10-20", 0, 0},
        {"{\"at\":\"2025-02-30\"}", "at", "invalid_format",
         "must be a time like 2025-10-20T14:30:00Z, or a date like 2025-10-20", 0, 0},
        {"{\"point\":{}}", "point.x", "missing", "is required", 0, 0},
        {"{\"point\":{\"x\":10}}", "point.x", "too_big", "must be between 0 and 9", 0, 9},
        {"{\"point\":[]}", "point", "invalid_type", "must be an object", 0, 0},
        {"{\"points\":[{\"x\":1},{\"x\":1,\"y\":5}]}", "points[1].y", "too_big",
         "must be between -1 and 1", -1, 1},
        {"{\"points\":[{\"x\":1},[]]}", "points[1]", "invalid_type", "must be an object", 0, 0},
        {"{\"points\":{}}", "points", "invalid_type", "must be an array", 0, 0},
        {"{\"points\":[{\"x\":1},{\"x\":1},{\"x\":1},{\"x\":1}]}", "points", "too_big",
         "must have at most 3 items", 0, 3},
        {"{\"tags\":[]}", "tags", "too_small", "must have 1 to 4 items", 1, 4},
        {"{\"tags\":[\"a\",7]}", "tags[1]", "invalid_type", "must be a text", 0, 0},
        {"{\"numbers\":[0,null]}", "numbers[1]", "invalid_type", "must be a number", 0, 0},
        {"{\"map\":{\"a\":1,\"b\":\"x\"}}", "map.b", "invalid_type", "must be an integer", 0, 0},
        {"{\"on\":3}", "on", "invalid_type", "must be true or false", 0, 0},
        /* the first of two, with what follows still read */
        {"{\"score\":7,\"small\":0,\"zzz\":[{}]}", "score", "too_big", "must be between 0 and 1", 0,
         1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct result *x = read_json(cases[i].text);

        if (strcmp(x->error.path, cases[i].path) || strcmp(x->error.code, cases[i].code) ||
            strcmp(x->error.reason, cases[i].reason))
            print_error("%s: %s, %s, %s\n", cases[i].text, x->error.path, x->error.code,
                        x->error.reason);
        assert_int_equal(x->e, ERR_RANGE);
        assert_int_equal(x->end, ERR_OK);
        assert_string_equal(x->error.path, cases[i].path);
        assert_string_equal(x->error.code, cases[i].code);
        assert_string_equal(x->error.reason, cases[i].reason);
        assert_true(x->error.min == cases[i].min && x->error.max == cases[i].max);
        done(x);
    }
}

static void broken_text_is_not_a_fields_fault(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "{\"flag\":tru}",
                                        "{\"small\":0,}",
                                        "{\"flag\":true,\"flag\":true}",
                                        "{\"score\":1e999}",
                                        "{\"points\":[{\"x\":1}",
                                        "{\"small\":0 x"};

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct result *x = read_json(texts[i]);

        assert_int_equal(x->e, ERR_SYNTAX);
        assert_int_equal(x->end, ERR_SYNTAX);
        assert_string_equal(x->error.path, "");
        assert_string_equal(x->error.code, "invalid_format");
        assert_true(strlen(x->error.reason) > 10);
        done(x);
    }
}

static void fails_cleanly_until_memory_is_enough(void **state)
{
    (void)state;
    const char *text =
        "{\"name\":\"\\u0061\",\"pointer\":{\"x\":1},\"points\":[{\"x\":1},{\"x\":2}],"
        "\"map\":{\"a\":1,\"b\":2},\"\\t\":0}";
    enum err e = ERR_NOMEM;
    int failures = 0;

    for (size_t cap = 0; e == ERR_NOMEM; cap++, failures++) {
        struct arena arena;
        struct thing t = {.flag = false};
        struct field_error error;
        struct json_reader r;

        arena_init(&arena, cap);
        json_reader_init(&r, str_from(text), &arena, DEPTH);
        e = fields_read_json(thing_fields, &r, &arena, &t, NULL, &error);
        arena_fini(&arena);
    }
    assert_int_equal(e, ERR_OK);
    assert_true(failures > 50);
}

static void a_long_path_is_cut_not_overrun(void **state)
{
    (void)state;
    char text[600] = "{\"map\":{\"";

    memset(text + strlen(text), 'k', 400);
    strncat(text, "\":\"x\"}}", 20);
    struct result *x = read_json(text);

    assert_int_equal(x->e, ERR_RANGE);
    assert_true(strlen(x->error.path) < sizeof x->error.path);
    assert_true(strncmp(x->error.path, "map.kkk", 7) == 0);
    done(x);
}

/* ---- queries ---- */

static enum err read_query(struct result *x, const char *text)
{
    struct query_pair *pairs;
    int32_t count;

    memset(x, 0, sizeof *x);
    arena_init(&x->arena, ARENA);
    enum err e = query_split(str_from(text), &x->arena, &pairs, &count);

    if (e == ERR_OK)
        e = fields_read_query(thing_fields, pairs, count, &x->arena, &x->t, &x->error);
    return e;
}

static void queries(void **state)
{
    (void)state;
    struct result x;

    assert_int_equal(
        read_query(&x,
                   "flag=1&small=9&score=0.5&name=a%20+b&colour=green&at=2025-10-20T00%3A00%3A00Z"
                   "&numbers=1,2,-3e2&tags=a,,b&unknown=%C3%A4&&label=x&any=%7B%7D"),
        ERR_OK);
    assert_true(x.t.flag && x.t.flag_given);
    assert_int_equal(x.t.small, 9);
    assert_str(x.t.name, "a  b");
    assert_int_equal(x.t.colour, 1);
    assert_int_equal(x.t.numbers.n, 3);
    assert_true(((double *)x.t.numbers.p)[2] == -300);
    assert_int_equal(x.t.tags.n, 3);
    assert_str(((struct str *)x.t.tags.p)[1], "");
    assert_str(x.t.inner.label, "x");
    assert_str(x.t.any, "{}");
    arena_fini(&x.arena);
    static const struct {
        const char *text, *path, *reason;
    } faults[] = {
        {"small=", "small", "must be an integer"},
        {"small=1.0", "small", "must be an integer"},
        {"small=99999999999999999999", "small", "must be between 1 and 100"},
        {"small=1&small=1", "small", "is given twice"},
        {"flag=yes", "flag", "must be true or false"},
        {"score=nan", "score", "must be a number"},
        {"numbers=1,x", "numbers[1]", "must be a number"},
        {"tags=a,b,c,d,e", "tags", "must have 1 to 4 items"},
        {"tags=", "tags", "must have 1 to 4 items"},
        {"any=%7B", "any", "must be JSON: expected a name"},
        {"at=2025-10-20+", "at",
         "must be a time like 2025-10-20T14:30:00Z, or a date like 2025-10-20"},
    };
    for (size_t i = 0; i < COUNT(faults); i++) {
        assert_int_equal(read_query(&x, faults[i].text), ERR_RANGE);
        assert_string_equal(x.error.path, faults[i].path);
        assert_string_equal(x.error.reason, faults[i].reason);
        arena_fini(&x.arena);
    }
    assert_int_equal(read_query(&x, "numbers="), ERR_OK); /* given, and empty */
    assert_int_equal(x.t.numbers.n, 0);
    arena_fini(&x.arena);
}

static void splitting(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a=%",   "a=%4",  "a=%G1",       "a=%4G",
                                        "%00=1", "a=%FF", "a=%ED%A0%80", "\xff"};
    struct arena arena;
    struct query_pair *pairs;
    int32_t n;

    arena_init(&arena, ARENA);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(query_split(str_from(wrong[i]), &arena, &pairs, &n), ERR_SYNTAX);
    assert_int_equal(query_split(STR(""), &arena, &pairs, &n), ERR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(query_split(STR("a=1;b=2&c&=d&e==f"), &arena, &pairs, &n), ERR_OK);
    assert_int_equal(n, 4);
    assert_str(pairs[0].value, "1;b=2");
    assert_str(pairs[1].name, "c");
    assert_str(pairs[1].value, "");
    assert_str(pairs[2].name, "");
    assert_str(pairs[3].value, "=f");
    char many[4 * QUERY_PAIRS_MAX + 8] = "";

    for (int i = 0; i < QUERY_PAIRS_MAX; i++)
        strncat(many, "a&", 3);
    assert_int_equal(query_split(str_from(many), &arena, &pairs, &n), ERR_OK);
    assert_int_equal(n, QUERY_PAIRS_MAX);
    strncat(many, "a", 2);
    assert_int_equal(query_split(str_from(many), &arena, &pairs, &n), ERR_RANGE);
    arena_fini(&arena);
}

/* ---- printing ---- */

static void assert_written(struct buf *b, const char *expected)
{
    assert_false(b->failed);
    assert_str(buf_view(b), expected);
    buf_fini(b);
}

static void printing(void **state)
{
    (void)state;
    struct buf b;
    struct json_writer w;
    struct point points[] = {{1, 0.5}, {2, NAN}};
    struct map_entry entries[] = {{STR("a\""), &points[0].x}, {STR("b"), &points[1].x}};
    struct thing t = {.flag = true,
                      .small = 5,
                      .nullable_small = INT32_MIN,
                      .large = INT64_MIN,
                      .nullable_large = INT64_MIN,
                      .score = NAN,
                      .free_score = 0.1,
                      .any = STR("[0]"),
                      .colour = 0,
                      .date = 0,
                      .at = 0,
                      .inner = {STR("in"), true},
                      .points = {points, 2},
                      .map = {entries, 2}};

    buf_init(&b, 4096);
    json_writer_init(&w, &b);
    fields_write_json(thing_fields, &w, &t);
    assert_written(
        &b, "{\"flag\":true,\"small\":5,\"nullableSmall\":null,\"large\":-9223372036854775808,"
            "\"nullableLarge\":null,\"score\":null,\"freeScore\":0.1,\"name\":null,\"any\":[0],"
            "\"colour\":\"red\",\"date\":\"1970-01-01\",\"at\":\"1970-01-01T00:00:00.000Z\","
            "\"point\":{\"x\":0,\"y\":0},\"pointer\":null,\"label\":\"in\",\"on\":true,"
            "\"points\":[{\"x\":1,\"y\":0.5},{\"x\":2,\"y\":null}],\"numbers\":[],"
            "\"map\":{\"a\\\"\":1,\"b\":2},\"tags\":[]}");
}

struct tongues {
    int32_t points, f1, plain, overall;
    struct point inner;
};
static const struct field inner_point_fields[] = {
    FIELD(F_I32, struct point, x, "xAxis"),
    FIELD_END,
};
static const struct field tongue_fields[] = {
    FIELD(F_I32, struct tongues, points, "dataPoints"),
    FIELD(F_I32, struct tongues, f1, "f1Score"),
    FIELD(F_I32, struct tongues, plain, "plain"),
    FIELD(F_I32, struct tongues, overall, "overallCTR"),
    FIELD(F_I32, struct tongues, overall, "NOT_STARTED"),
    FIELD(F_OBJECT, struct tongues, inner, "inner", .sub = inner_point_fields,
          .size = sizeof(struct point)),
    FIELD(F_OBJECT, struct tongues, inner, "innerToo", .sub = inner_point_fields,
          .size = sizeof(struct point)),
    FIELD_END,
};

static void names_in_snake_case(void **state)
{
    (void)state;
    const struct tongues t = {1, 2, 3, 4, {5, 0}};
    static const char *const want[] = {
        [NAMES_SNAKE] = "{\"data_points\":1,\"f1_score\":2,\"plain\":3,\"overall_ctr\":4,"
                        "\"NOT_STARTED\":4,\"inner\":{\"x_axis\":5},\"inner_too\":{\"x_axis\":5}}",
        [NAMES_BOTH] =
            "{\"dataPoints\":1,\"data_points\":1,\"f1Score\":2,\"f1_score\":2,\"plain\":3,"
            "\"overallCTR\":4,\"overall_ctr\":4,\"NOT_STARTED\":4,"
            "\"inner\":{\"xAxis\":5,\"x_axis\":5},\"innerToo\":{\"xAxis\":5},"
            "\"inner_too\":{\"x_axis\":5}}"};
    char out[FIELD_NAME_MAX];

    for (int names = NAMES_SNAKE; names <= NAMES_BOTH; names++) {
        struct json_writer w;
        struct buf b;
        buf_init(&b, 4096);
        json_writer_init(&w, &b);
        w.names = (enum json_names_as)names;
        fields_write_json(tongue_fields, &w, &t);
        assert_int_equal(w.names, names);
        assert_written(&b, want[names]);
    }
    assert_true(str_eq(field_name_from_snake(STR("data_points"), out), STR("dataPoints")));
    assert_true(str_eq(field_name_from_snake(STR("f1_score"), out), STR("f1Score")));
    assert_true(str_eq(field_name_from_snake(STR("_a__b_1_"), out), STR("_a_B_1_")));
    assert_true(str_eq(field_name_from_snake(STR(""), out), STR("")));
}

/* What is printed can be read again, to the same struct. */
static void printed_things_read_back(void **state)
{
    (void)state;
    struct result *x = read_json(
        "{\"flag\":true,\"small\":3,\"nullableSmall\":1,\"large\":2,\"nullableLarge\":3,"
        "\"score\":0.1,\"freeScore\":3.25,\"name\":\"n\",\"any\":{},\"colour\":\"red\","
        "\"date\":\"2025-01-01\",\"at\":\"2025-01-01T01:02:03.004Z\",\"point\":{\"x\":1},"
        "\"pointer\":{\"x\":2},\"points\":[{\"x\":3}],\"numbers\":[0.1],\"map\":{\"k\":4},"
        "\"tags\":[\"t\"]}");
    struct buf first, second;
    struct json_writer w;

    assert_int_equal(x->e, ERR_OK);
    buf_init(&first, 4096);
    json_writer_init(&w, &first);
    fields_write_json(thing_fields, &w, &x->t);
    buf_putc(&first, '\0');
    struct result *again = read_json(first.p);

    assert_int_equal(again->e, ERR_OK);
    buf_init(&second, 4096);
    json_writer_init(&w, &second);
    fields_write_json(thing_fields, &w, &again->t);
    assert_written(&second, first.p);
    buf_fini(&first);
    done(x);
    done(again);
}

struct omitting {
    double a;
    int64_t b;
    struct str c;
    struct list d;
    struct point *e, *flat;
};

static const struct field omitting_fields[] = {
    FIELD(F_F64, struct omitting, a, "a", .flags = FIELD_OMIT),
    FIELD(F_I64, struct omitting, b, "b", .flags = FIELD_OMIT),
    FIELD(F_STR, struct omitting, c, "c", .flags = FIELD_OMIT),
    FIELD(F_LIST, struct omitting, d, "d", .flags = FIELD_OMIT, .item = F_I32),
    FIELD(F_OBJECT, struct omitting, e, "e", .flags = FIELD_OMIT | FIELD_POINTER,
          .sub = point_fields),
    FIELD(F_OBJECT, struct omitting, flat, "flat", .flags = FIELD_FLAT | FIELD_POINTER,
          .sub = point_fields),
    FIELD_END,
};

static void what_may_be_left_out_is(void **state)
{
    (void)state;
    struct buf b;
    struct json_writer w;
    struct point p = {1, 2};
    struct omitting o = {NAN, INT64_MIN, {NULL, 0}, {NULL, 0}, NULL, NULL};

    buf_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object(&w);
    json_kv_bool(&w, "success", true);
    fields_write_members(omitting_fields, &w, &o);
    json_object_end(&w);
    assert_written(&b, "{\"success\":true}");
    o = (struct omitting){1, 2, STR(""), {&p, 0}, &p, &p};
    buf_init(&b, 4096);
    json_writer_init(&w, &b);
    fields_write_json(omitting_fields, &w, &o);
    assert_written(&b,
                   "{\"a\":1,\"b\":2,\"c\":\"\",\"d\":[],\"e\":{\"x\":1,\"y\":2},\"x\":1,\"y\":2}");
}

/* ---- the published schema ---- */

static void schemas(void **state)
{
    (void)state;
    struct buf b;
    struct json_writer w;

    buf_init(&b, 8192);
    json_writer_init(&w, &b);
    fields_write_schema(point_fields, &w, true);
    assert_written(&b, "{\"type\":\"object\",\"properties\":{"
                       "\"x\":{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":0,\"maximum\":"
                       "9,\"description\":\"across\"},"
                       "\"y\":{\"type\":\"number\",\"minimum\":-1,\"maximum\":1,\"default\":0.5}},"
                       "\"required\":[\"x\"]}");
    buf_init(&b, 8192);
    json_writer_init(&w, &b);
    fields_write_schema(omitting_fields, &w, false);
    assert_written(
        &b,
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"},"
        "\"b\":{\"type\":\"integer\",\"format\":\"int64\"},\"c\":{\"type\":\"string\"},"
        "\"d\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"format\":\"int32\"}},"
        "\"e\":{\"type\":\"object\",\"properties\":{"
        "\"x\":{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":0,\"maximum\":9,"
        "\"description\":\"across\"},"
        "\"y\":{\"type\":\"number\",\"minimum\":-1,\"maximum\":1}},\"required\":[\"x\",\"y\"],"
        "\"additionalProperties\":true},"
        "\"x\":{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":0,\"maximum\":9,"
        "\"description\":\"across\"},"
        "\"y\":{\"type\":\"number\",\"minimum\":-1,\"maximum\":1}},\"additionalProperties\":true}");
    static const struct {
        int field;
        const char *schema;
    } each[] = {
        {0, "{\"type\":\"boolean\"}"},
        {4, "{\"type\":[\"integer\",\"null\"],\"format\":\"int64\"}"},
        {6, "{\"type\":\"number\",\"minimum\":2}"},
        {7, "{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":5}"},
        {8, "{}"},
        {9, "{\"type\":\"string\",\"enum\":[\"red\",\"green\",\"blue\"]}"},
        {10, "{\"type\":\"string\",\"format\":\"date\"}"},
        {11, "{\"type\":\"string\",\"anyOf\":[{\"format\":\"date-time\"},{\"format\":\"date\"}]}"},
        {17, "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\",\"format\":"
             "\"int32\"}}"},
        {18, "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"minItems\":1,\"maxItems\":4}"},
    };
    for (size_t i = 0; i < COUNT(each); i++) {
        buf_init(&b, 4096);
        json_writer_init(&w, &b);
        field_write_schema(&thing_fields[each[i].field], &w, true);
        assert_written(&b, each[i].schema);
    }
    struct field nullable = {
        .type = F_ENUM, .flags = FIELD_NULLABLE, .names = colours, .def = "red"};

    buf_init(&b, 4096);
    json_writer_init(&w, &b);
    field_write_schema(&nullable, &w, true);
    assert_written(&b, "{\"type\":[\"string\",\"null\"],\"enum\":[\"red\",\"green\",\"blue\",null],"
                       "\"default\":\"red\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_members_get_their_default),
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(null_is_a_value_where_it_may_be),
        cmocka_unit_test(faults_are_named),
        cmocka_unit_test(broken_text_is_not_a_fields_fault),
        cmocka_unit_test(fails_cleanly_until_memory_is_enough),
        cmocka_unit_test(a_long_path_is_cut_not_overrun),
        cmocka_unit_test(queries),
        cmocka_unit_test(splitting),
        cmocka_unit_test(printing),
        cmocka_unit_test(names_in_snake_case),
        cmocka_unit_test(printed_things_read_back),
        cmocka_unit_test(what_may_be_left_out_is),
        cmocka_unit_test(schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
