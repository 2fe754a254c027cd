#include "cli/config.h"

#include "base/args.h"
#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CONFIG_ARENA_MAX = 1 << 20,
    CONFIG_FILE_MAX = 1 << 20,
    VALUE_SHOWN_MAX = 80, /* of a wrong value in a message */
    NAME_TEXT_MAX = 64,
};

#define SECRET true
static const struct setting_info infos[SETTING_COUNT] = {
#define SECTION(text)
#define SETTING(name_, type_, unit_, def_, min_, max_, flags_, text_) \
    [CONFIG_##name_] = {                                              \
        .name = #name_,                                               \
        .unit = unit_,                                                \
        .def = def_,                                                  \
        .text = text_,                                                \
        .type = SETTING_##type_,                                      \
        .min = min_,                                                  \
        .max = max_,                                                  \
        .secret = flags_,                                             \
    },
#include "cli/config.def"
#undef SETTING
#undef SECTION
};

static const size_t offsets[SETTING_COUNT] = {
#define SECTION(text)
#define SETTING(name, type, unit, def, min, max, flags, text) \
    [CONFIG_##name] = offsetof(struct config, name),
#include "cli/config.def"
#undef SETTING
#undef SECTION
};

const struct setting_info *config_info(enum setting s)
{
    ASSERT(s < SETTING_COUNT);
    return &infos[s];
}

const char *config_section(enum setting s)
{
    const char *title = NULL;
    int row = 0;

#define SECTION(text) title = text;
#define SETTING(name, type, unit, def, min, max, flags, text) \
    if (row++ == (int)s)                                      \
        return title;                                         \
    title = NULL;
#include "cli/config.def"
#undef SETTING
#undef SECTION
    return title; /* NULL: the last row has cleared it */
}

static void *member(struct config *c, enum setting s)
{
    return (char *)c + offsets[s];
}

static const void *member_of(const struct config *c, enum setting s)
{
    return (const char *)c + offsets[s];
}

/* '-' and '_' are the same in names; capitals are not. */
static bool same_name(struct str given, const char *name)
{
    if (given.n != strlen(name))
        return false;
    for (size_t i = 0; i < given.n; i++)
        if (given.p[i] != name[i] && !(given.p[i] == '-' && name[i] == '_'))
            return false;
    return true;
}

static bool find(struct str name, enum setting *ret)
{
    for (int s = 0; s < SETTING_COUNT; s++) {
        if (same_name(name, infos[s].name)) {
            *ret = (enum setting)s;
            return true;
        }
    }
    return false;
}

const char *config_nearest(struct str name)
{
    const char *nearest = NULL;
    int best = INT32_MAX;

    for (int s = 0; s < SETTING_COUNT; s++) {
        int d = args_distance(name, str_from(infos[s].name));

        if (d < best)
            best = d, nearest = infos[s].name;
    }
    return best <= 1 + (int)(name.n / 3) ? nearest : NULL;
}

/* ---- values: text to number and back ---- */

struct unit {
    const char *name;
    int64_t factor;
};
static const struct unit units_bytes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {NULL, 0},
};
static const struct unit units_ms[] = {
    {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}, {"", 1}, {NULL, 0},
};
static const struct unit units_none[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum setting_type type)
{
    if (type == SETTING_BYTES)
        return units_bytes;
    return type == SETTING_MS ? units_ms : units_none;
}

/* Digits, perhaps blanks, a unit. False: not that, or too large for 64 bits. */
static bool number_read(struct str text, const struct unit *units, int64_t *ret)
{
    struct str digits = text;

    digits.n = 0;
    while (digits.n < text.n && text.p[digits.n] >= '0' && text.p[digits.n] <= '9')
        digits.n++;
    struct str unit = str_trim((struct str){text.p + digits.n, text.n - digits.n});
    int64_t number;

    if (digits.n == 0 || str_to_i64(digits, &number) != ERR_OK)
        return false;
    for (; units->name; units++)
        if (str_eq_nocase(unit, str_from(units->name)))
            return !__builtin_mul_overflow(number, units->factor, ret);
    return false;
}

static void number_print(int64_t v, enum setting_type type, struct buf *out)
{
    const struct unit *u = units_of(type);

    while (v == 0 ? u->factor != 1 : v % u->factor != 0)
        u++;
    buf_printf(out, "%" PRId64 "%s", v / u->factor, v ? u->name : "");
}

static bool word_at(struct str words, int place, struct str *ret)
{
    while (words.p) {
        *ret = str_cut(&words, '|');
        if (place-- == 0)
            return true;
    }
    return false;
}

/* What the value must be, for people. */
static void range_print(const struct setting_info *info, struct buf *out)
{
    switch (info->type) {
    case SETTING_INT:
        buf_printf(out, "a whole number from %" PRId64 " to %" PRId64, info->min, info->max);
        break;
    case SETTING_BYTES:
    case SETTING_MS:
        buf_printf(out, "%s from ", info->type == SETTING_MS ? "a time" : "a size");
        number_print(info->min, info->type, out);
        buf_printf(out, " to ");
        number_print(info->max, info->type, out);
        buf_printf(out, info->type == SETTING_MS ? " (units ms, s, min, h; without one: ms)"
                                                 : " (units KiB, MiB, GiB; without one: bytes)");
        break;
    case SETTING_BOOL:
        buf_printf(out, "true or false");
        break;
    case SETTING_WORD:
        buf_printf(out, "one of %s", info->text);
        break;
    case SETTING_TEXT:
        buf_printf(out, "text of %" PRId64 " to %" PRId64 " bytes", info->min, info->max);
        break;
    }
}

static enum err refuse(const struct setting_info *info, struct str value, char *ret_detail)
{
    struct buf range;

    buf_init(&range, 300);
    range_print(info, &range);
    if (info->secret) /* it may hold a password: the name must do */
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "%s must be " STR_FMT, info->name,
                 STR_ARG(buf_view(&range)));
    else
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "%s must be " STR_FMT ", not \"%.*s\"", info->name,
                 STR_ARG(buf_view(&range)),
                 value.n < VALUE_SHOWN_MAX ? (int)value.n : VALUE_SHOWN_MAX,
                 value.p ? value.p : "");
    buf_fini(&range);
    return ERR_RANGE;
}

static bool bool_read(struct str v, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < COUNT(yes); i++) {
        if (str_eq_nocase(v, str_from(yes[i])) || str_eq_nocase(v, str_from(no[i]))) {
            *ret = str_eq_nocase(v, str_from(yes[i]));
            return true;
        }
    }
    return false;
}

static bool text_store(struct config *c, struct str v, const struct setting_info *info,
                       struct str *ret)
{
    if (v.n < (size_t)info->min || v.n > (size_t)info->max || memchr(v.p, 0, v.n) || !utf8_valid(v))
        return false;
    struct str copy = arena_str(&c->arena, v);

    ASSERT(copy.p); /* bounded: a megabyte holds every setting from every source */
    *ret = copy;
    return true;
}

static bool value_store(struct config *c, enum setting s, struct str value)
{
    const struct setting_info *info = &infos[s];
    void *at = member(c, s);
    int64_t number;

    switch (info->type) {
    case SETTING_INT:
    case SETTING_BYTES:
    case SETTING_MS:
        if (!number_read(value, units_of(info->type), &number) || number < info->min ||
            number > info->max)
            return false;
        *(int64_t *)at = number;
        return true;
    case SETTING_BOOL:
        return bool_read(value, at);
    case SETTING_TEXT:
        return text_store(c, value, info, at);
    case SETTING_WORD: {
        struct str word;

        for (int i = 0; word_at(str_from(info->text), i, &word); i++) {
            if (str_eq(word, value)) {
                *(int *)at = i;
                return true;
            }
        }
        return false;
    }
    }
    return false;
}

/* ---- sources ---- */

enum err config_set(struct config *c, struct str name, struct str value,
                    struct config_origin origin, char *ret_detail)
{
    enum setting s;

    if (!find(name, &s)) {
        const char *nearest = config_nearest(name);

        snprintf(ret_detail, CONFIG_DETAIL_MAX, "there is no setting \"%.*s\"%s%s%s",
                 name.n < NAME_TEXT_MAX ? (int)name.n : NAME_TEXT_MAX, name.p ? name.p : "",
                 nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
        return ERR_RANGE;
    }
    if (!value_store(c, s, value))
        return refuse(&infos[s], value, ret_detail);
    c->origin[s] = origin;
    return ERR_OK;
}

void config_init(struct config *c)
{
    char detail[CONFIG_DETAIL_MAX];

    *c = (struct config){.file = {NULL, 0}};
    arena_init(&c->arena, CONFIG_ARENA_MAX);
    for (int s = 0; s < SETTING_COUNT; s++) {
        struct config_origin origin = {.source = CONFIG_FROM_DEFAULT};

        if (config_set(c, str_from(infos[s].name), str_from(infos[s].def), origin, detail) !=
            ERR_OK)
            UNREACHABLE(); /* a row of config.def contradicts itself */
    }
}

void config_fini(struct config *c)
{
    if (c)
        arena_fini(&c->arena);
}

/* "…" with \" and \\ inside, unquoted in place. */
static bool value_unquote(struct str *v, char *room)
{
    size_t n = 0, i = 1;

    for (; i < v->n && v->p[i] != '"'; i++) {
        if (v->p[i] == '\\' && i + 1 < v->n)
            i++;
        room[n++] = v->p[i];
    }
    if (i >= v->n)
        return false;
    struct str rest = str_trim((struct str){v->p + i + 1, v->n - i - 1});

    *v = (struct str){room, n};
    return rest.n == 0 || rest.p[0] == '#';
}

static void comment_cut(struct str *v)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->p[i] == '#' && (i == 0 || v->p[i - 1] == ' ' || v->p[i - 1] == '\t')) {
            v->n = i;
            break;
        }
    }
    *v = str_trim(*v);
}

static enum err line_read(struct config *c, struct str line, int32_t number, char *ret_detail)
{
    enum { LINE_MAX_BYTES = 16384 };
    char room[LINE_MAX_BYTES];
    struct str value = line, name = str_trim(str_cut(&value, '='));

    if (line.n > LINE_MAX_BYTES) {
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "the line is longer than %d bytes", LINE_MAX_BYTES);
        return ERR_RANGE;
    }
    if (!value.p) {
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "expected `name = value`");
        return ERR_RANGE;
    }
    value = str_trim(value);
    if (value.n && value.p[0] == '"') {
        if (!value_unquote(&value, room)) {
            snprintf(ret_detail, CONFIG_DETAIL_MAX,
                     "the quotes do not close, or text follows them");
            return ERR_RANGE;
        }
    } else {
        comment_cut(&value);
    }
    enum setting s;

    if (find(name, &s) && c->origin[s].source == CONFIG_FROM_FILE) {
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "%s was already set on line %" PRId32,
                 infos[s].name, c->origin[s].line);
        return ERR_RANGE;
    }
    return config_set(c, name, value,
                      (struct config_origin){.source = CONFIG_FROM_FILE, .line = number},
                      ret_detail);
}

enum err config_read(struct config *c, struct str file, struct str text, char *ret_detail)
{
    char detail[CONFIG_DETAIL_MAX];

    for (int32_t number = 1; text.p; number++) {
        struct str line = str_cut(&text, '\n');

        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = str_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (line_read(c, line, number, detail) != ERR_OK) {
            snprintf(ret_detail, CONFIG_DETAIL_MAX, STR_FMT ":%" PRId32 ": %.400s", STR_ARG(file),
                     number, detail);
            return ERR_RANGE;
        }
    }
    c->file = arena_str(&c->arena, file);
    return ERR_OK;
}

/* Reads at most CONFIG_FILE_MAX bytes; a pipe will do. */
static enum err read_all(int fd, struct buf *out)
{
    for (;;) {
        char *room = buf_reserve(out, 4096);

        if (!room)
            return ERR_TOO_LARGE;
        ssize_t n = read(fd, room, 4096);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        if (n == 0)
            return ERR_OK;
        out->n += (size_t)n;
    }
}

enum err config_read_file(struct config *c, const char *path, char *ret_detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        bool absent = errno == ENOENT;

        snprintf(ret_detail, CONFIG_DETAIL_MAX, "cannot read %.200s: %s", path, strerror(errno));
        return absent ? ERR_NOT_FOUND : ERR_IO;
    }
    struct buf text;

    buf_init(&text, CONFIG_FILE_MAX);
    enum err e = read_all(fd, &text);

    if (e != ERR_OK)
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "cannot read %.200s: %s", path,
                 e == ERR_IO ? strerror(errno) : "it is larger than a megabyte");
    close(fd);
    if (e == ERR_OK)
        e = config_read(c, str_from(path), buf_view(&text), ret_detail);
    buf_fini(&text);
    return e;
}

enum err config_read_env(struct config *c, char *const *environ_, char *ret_detail)
{
    char detail[CONFIG_DETAIL_MAX];

    for (int s = 0; s < SETTING_COUNT; s++) {
        char name[NAME_TEXT_MAX];
        int n = snprintf(name, sizeof name, "DOPPEL_%s=", infos[s].name);

        ASSERT(n > 0 && n < (int)sizeof name);
        for (char *p = name; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
        for (char *const *env = environ_; *env; env++) {
            if (strncmp(*env, name, (size_t)n) != 0)
                continue;
            if (config_set(c, str_from(infos[s].name), str_from(*env + n),
                           (struct config_origin){.source = CONFIG_FROM_ENV}, detail) != ERR_OK) {
                snprintf(ret_detail, CONFIG_DETAIL_MAX, "%.*s: %.500s", n - 1, name, detail);
                return ERR_RANGE;
            }
        }
    }
    return ERR_OK;
}

/* Is this argument a setting's flag? `--no-name` sets *ret_no; a value behind '=' goes to
 * *ret_value. */
static bool flag_match(const char *arg, enum setting *ret, bool *ret_no, struct str *ret_value)
{
    if (strncmp(arg, "--", 2) != 0)
        return false;
    struct str value = str_from(arg + 2), name = str_cut(&value, '=');

    *ret_value = value;
    *ret_no = false;
    if (find(name, ret))
        return true;
    if (!str_starts(name, STR("no-")))
        return false;
    *ret_no = true;
    return find((struct str){name.p + 3, name.n - 3}, ret) && infos[*ret].type == SETTING_BOOL;
}

static enum err flag_read(struct config *c, int argc, char **argv, int *i, enum setting s, bool no,
                          struct str value, char *ret_detail)
{
    const char *name = infos[s].name;
    struct config_origin origin = {.source = CONFIG_FROM_FLAG};

    if (no && value.p) {
        snprintf(ret_detail, CONFIG_DETAIL_MAX, "%.64s takes no value", argv[*i]);
        return ERR_RANGE;
    }
    if (infos[s].type == SETTING_BOOL && !value.p)
        value = no ? STR("false") : STR("true");
    if (!value.p) {
        if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
            snprintf(ret_detail, CONFIG_DETAIL_MAX, "%.64s needs a value", argv[*i]);
            return ERR_RANGE;
        }
        value = str_from(argv[++*i]);
    }
    return config_set(c, str_from(name), value, origin, ret_detail);
}

enum err config_read_flags(struct config *c, int *argc, char **argv, char *ret_detail)
{
    int kept = 0, i = 0;

    for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        enum setting s;
        struct str value;
        bool no;

        if (!flag_match(argv[i], &s, &no, &value)) {
            argv[kept++] = argv[i]; /* kept <= i: that slot has been read */
            continue;
        }
        enum err e = flag_read(c, *argc, argv, &i, s, no, value, ret_detail);

        if (e != ERR_OK)
            return e;
    }
    for (; i < *argc; i++)
        argv[kept++] = argv[i];
    *argc = kept;
    return ERR_OK;
}

/* Takes `--config FILE` out; *ret stays as it is without it. */
static enum err file_flag(int *argc, char **argv, const char **ret, char *ret_detail)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0) {
            *ret = argv[i] + 9;
        } else if (strcmp(argv[i], "--config") == 0) {
            if (i + 1 >= *argc) {
                snprintf(ret_detail, CONFIG_DETAIL_MAX, "--config needs a file's name");
                return ERR_RANGE;
            }
            *ret = argv[++i];
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return ERR_OK;
}

enum err config_load(struct config *c, int *argc, char **argv, char *ret_detail)
{
    const char *path = getenv("DOPPEL_CONFIG");
    enum err e = file_flag(argc, argv, &path, ret_detail);

    if (e != ERR_OK)
        return e;
    if (path && *path)
        e = config_read_file(c, path, ret_detail);
    else if (access(CONFIG_FILE_DEFAULT, F_OK) == 0)
        e = config_read_file(c, CONFIG_FILE_DEFAULT, ret_detail);
    if (e == ERR_OK)
        e = config_read_env(c, environ, ret_detail);
    return e == ERR_OK ? config_read_flags(c, argc, argv, ret_detail) : e;
}

/* ---- printing ---- */

/* "password=…" among a URL's parameters, up to the next '&'. */
static size_t parameter_mask(struct str v, size_t i, struct buf *out)
{
    static const char *const names[] = {"password=", "sslpassword=", "passwd="};

    for (size_t k = 0; k < COUNT(names); k++) {
        struct str rest = {v.p + i, v.n - i};

        if (!str_starts(rest, str_from(names[k])))
            continue;
        buf_printf(out, "%s***", names[k]);
        i += strlen(names[k]);
        while (i < v.n && v.p[i] != '&')
            i++;
        return i;
    }
    return i;
}

/* scheme://user:PASSWORD@host/…?password=PASSWORD: both masked, the rest shown. */
static void url_print(struct str v, struct buf *out)
{
    const char *slashes = memmem(v.p, v.n, "://", 3);
    size_t start = (size_t)(slashes - v.p) + 3, at = 0, secret = 0;

    /* To the slash only: libpq reads a password with '?' or '#' in it that was not escaped. */
    for (size_t i = start; i < v.n && v.p[i] != '/'; i++) {
        if (v.p[i] == '@')
            at = i; /* the last one: a password may hold '@' */
        if (!secret && strchr(":?#", v.p[i]))
            secret = i + 1;
    }
    if (secret && secret <= at) {
        buf_put(out, v.p, secret);
        buf_printf(out, "***");
    } else {
        buf_put(out, v.p, at);
    }
    for (size_t i = at; i < v.n; i++) {
        if (i > 0 && (v.p[i - 1] == '?' || v.p[i - 1] == '&'))
            i = parameter_mask(v, i, out);
        if (i < v.n)
            buf_putc(out, v.p[i]);
    }
}

static void text_print(const struct setting_info *info, struct str v, struct buf *out)
{
    if (memmem(v.p, v.n, "://", 3))
        url_print(v, out);
    else if (info->secret && v.n && !str_starts(v, STR("sqlite:")))
        buf_printf(out, "***");
    else
        buf_str(out, v);
}

/* As a config file would have it: in quotes where it would not read back without. */
static void text_quote(struct str v, struct buf *out)
{
    bool plain = memchr(v.p, '#', v.n) == NULL && !(v.n && v.p[0] == '"') && str_eq(str_trim(v), v);

    if (plain) {
        buf_str(out, v);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '"' || v.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, v.p[i]);
    }
    buf_putc(out, '"');
}

void config_value_print(const struct config *c, enum setting s, struct buf *out)
{
    const struct setting_info *info = &infos[s];
    const void *at = member_of(c, s);
    struct str word = {"", 0};

    switch (info->type) {
    case SETTING_INT:
    case SETTING_BYTES:
    case SETTING_MS:
        number_print(*(const int64_t *)at, info->type, out);
        break;
    case SETTING_BOOL:
        buf_printf(out, *(const bool *)at ? "true" : "false");
        break;
    case SETTING_WORD:
        if (!word_at(str_from(info->text), *(const int *)at, &word))
            UNREACHABLE();
        buf_str(out, word);
        break;
    case SETTING_TEXT: {
        struct buf shown;

        buf_init(&shown, 64 * 1024);
        text_print(info, *(const struct str *)at, &shown);
        text_quote(buf_view(&shown), out);
        buf_fini(&shown);
        break;
    }
    }
}

static void origin_print(const struct config *c, enum setting s, struct buf *out)
{
    switch (c->origin[s].source) {
    case CONFIG_FROM_DEFAULT:
        buf_printf(out, "default");
        break;
    case CONFIG_FROM_FILE:
        buf_printf(out, STR_FMT ":%" PRId32, STR_ARG(c->file), c->origin[s].line);
        break;
    case CONFIG_FROM_ENV:
        buf_printf(out, "DOPPEL_");
        for (const char *p = infos[s].name; *p; p++)
            buf_putc(out, (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
        break;
    case CONFIG_FROM_FLAG:
        buf_printf(out, "--");
        for (const char *p = infos[s].name; *p; p++)
            buf_putc(out, *p == '_' ? '-' : *p);
        break;
    }
}

void config_print(const struct config *c, struct buf *out)
{
    for (int s = 0; s < SETTING_COUNT; s++) {
        size_t start = out->n;

        buf_printf(out, "%s = ", infos[s].name);
        config_value_print(c, (enum setting)s, out);
        size_t width = out->n - start;

        buf_printf(out, "%*s # ", width < 44 ? (int)(44 - width) : 0, "");
        origin_print(c, (enum setting)s, out);
        buf_putc(out, '\n');
    }
}

void config_default_print(struct buf *out)
{
    struct config defaults;

    config_init(&defaults);
    buf_printf(out,
               "# Settings of doppel. Each is also a flag (--head-timeout 10s) and a variable\n"
               "# (DOPPEL_HEAD_TIMEOUT=10s); flags win over variables, variables over this file.\n"
               "# A line that begins with '#' is a comment; these are the defaults.\n");
    for (int s = 0; s < SETTING_COUNT; s++) {
        const struct setting_info *info = &infos[s];
        const char *section = config_section((enum setting)s);

        if (section)
            buf_printf(out, "\n# ---- %s ----\n", section);
        buf_printf(out, "\n# %s\n", info->text);
        if (info->type != SETTING_BOOL && info->type != SETTING_WORD &&
            info->type != SETTING_TEXT) {
            buf_printf(out, "# ");
            range_print(info, out);
            buf_putc(out, '\n');
        }
        buf_printf(out, "#%s = ", info->name);
        config_value_print(&defaults, (enum setting)s, out);
        buf_putc(out, '\n');
    }
    config_fini(&defaults);
}
