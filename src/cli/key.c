/* key - `doppel key create`, `list`, `revoke`. */
#include "auth/auth.h"
#include "base/assert.h"
#include "base/civil.h"
#include "base/clock.h"
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEY_ARENA_MAX = 16 << 20 };

/* "30d", "12h", "90min", "45s", a date, or a time. */
static bool expiry_read(struct str text, int64_t now_us, int64_t *ret)
{
    static const struct {
        struct str unit;
        int64_t us;
    } units[] = {
        {{"d", 1}, US_PER_DAY},
        {{"h", 1}, US_PER_HOUR},
        {{"min", 3}, US_PER_MINUTE},
        {{"s", 1}, US_PER_S},
    };
    int64_t n, sum;
    int32_t day;

    for (size_t i = 0; i < COUNT(units); i++) {
        struct str digits = text;

        if (!str_ends(text, units[i].unit))
            continue;
        digits.n -= units[i].unit.n;
        if (str_to_i64(digits, &n) == ERR_OK && n > 0 &&
            !__builtin_mul_overflow(n, units[i].us, &sum) &&
            !__builtin_add_overflow(sum, now_us, ret))
            return *ret <= TIME_MAX;
    }
    if (date_parse(text, &day) == ERR_OK)
        *ret = (int64_t)day * US_PER_DAY;
    else if (time_parse(text, ret) != ERR_OK)
        return false;
    return *ret > now_us && *ret <= TIME_MAX;
}

/* UTF-8 without control characters: the list of keys goes to terminals, and no call can name a
 * learner that has any. */
static bool is_label(struct str s, size_t min, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n >= min && s.n <= max && utf8_valid(s);
}

static int spec_read(const struct command_call *call, int64_t now_us, struct key_spec *ret)
{
    const char *scope = command_option(call, "scope"), *learner = command_option(call, "learner");
    const char *name = command_option(call, "name"), *expires = command_option(call, "expires");
    struct key_spec spec = {
        .learner = str_from(learner),
        .name = name ? str_from(name) : STR(""),
        .expires_at = TIME_NONE,
    };

    if (!scope)
        return command_misused(call->command,
                               "needs --scope: ingest, read, write, admin, with commas");
    if (scopes_parse(str_from(scope), &spec.scopes) != ERR_OK)
        return command_misused(
            call->command, "--scope takes ingest, read, write, admin, with commas; not \"%.64s\"",
            scope);
    if (learner && !is_label(spec.learner, 1, KEY_LEARNER_MAX))
        return command_misused(call->command, "--learner must be 1 to %d bytes of plain UTF-8",
                               KEY_LEARNER_MAX);
    if (!is_label(spec.name, 0, KEY_NAME_MAX))
        return command_misused(call->command, "--name must be at most %d bytes of plain UTF-8",
                               KEY_NAME_MAX);
    if (expires && !expiry_read(str_from(expires), now_us, &spec.expires_at))
        return command_misused(call->command,
                               "--expires takes 30d, 12h, 90min, or a date or time to come; not "
                               "\"%.64s\"",
                               expires);
    *ret = spec;
    return EXIT_SUCCESS;
}

/* The store and a connection; says what is wrong. */
static int open_both(const struct command_call *call, enum store_access access, struct store **ret,
                     struct store_conn **ret_conn)
{
    int code = command_store(call, access == STORE_WRITER ? SCHEMA_MIGRATE : SCHEMA_CURRENT, ret);

    if (code != EXIT_SUCCESS)
        return code;
    store_announce(*ret, false); /* no kept answer is made of keys */
    enum err e = store_connect(*ret, access, ret_conn);

    if (e != ERR_OK) {
        store_close(*ret);
        return command_failed(call->command, "cannot connect to the database: %s", err_text(e));
    }
    return EXIT_SUCCESS;
}

int cmd_key_create(const struct command_call *call)
{
    int64_t now_us = clock_us();
    struct key_spec spec;
    struct store *store;
    struct store_conn *conn;
    char text[KEY_TEXT_MAX + 1];
    int code = spec_read(call, now_us, &spec);

    if (code == EXIT_SUCCESS)
        code = open_both(call, STORE_WRITER, &store, &conn);
    if (code != EXIT_SUCCESS)
        return code;
    enum err e = store_begin(conn);

    if (e == ERR_OK) {
        e = key_create(conn, &spec, now_us, text);
        if (e == ERR_OK)
            e = store_commit(conn);
        else
            store_rollback(conn);
    }
    if (e == ERR_OK) {
        strncat(text, "\n", 1);
        code = command_print(call->command, str_from(text));
    } else {
        code = command_failed(call->command, "the key was not made: %s", err_text(e));
    }
    store_disconnect(conn);
    store_close(store);
    return code;
}

static const char *state_of(const struct value *row, int64_t now_us)
{
    if (value_i64(&row[6], TIME_NONE) != TIME_NONE)
        return "revoked";
    return value_i64(&row[5], TIME_MAX) <= now_us ? "expired" : "active";
}

static void time_column(const struct value *v, const char *if_null, struct buf *out)
{
    char text[TIME_TEXT_MAX];

    if (v->type == V_NULL)
        buf_printf(out, "%-26s", if_null);
    else if (time_print(value_i64(v, 0), text) > 0)
        buf_printf(out, "%-26s", text);
}

static void keys_print(const struct rows *rows, int64_t now_us, struct arena *arena,
                       struct buf *out)
{
    buf_printf(out, "%-16s %-9s %-24s %-20s %-26s%-26s%s\n", "ID", "STATE", "SCOPES", "LEARNER",
               "CREATED", "EXPIRES", "NAME");
    for (int32_t i = 0; i < rows->count; i++) {
        const struct value *row = row_at(rows, i);
        struct str id = value_str(&row[0]), learner = value_str(&row[2]), name = value_str(&row[3]);
        struct str scopes = scopes_print((uint32_t)value_i64(&row[1], 0), arena);

        buf_printf(out, "%-16.*s %-9s %-24.*s %-20.*s ", STR_ARG(id), state_of(row, now_us),
                   STR_ARG(scopes), learner.p ? (int)learner.n : 3, learner.p ? learner.p : "any");
        time_column(&row[4], "", out);
        time_column(&row[5], "never", out);
        buf_printf(out, STR_FMT "\n", STR_ARG(name));
    }
}

int cmd_key_list(const struct command_call *call)
{
    struct store *store;
    struct store_conn *conn;
    int code = open_both(call, STORE_READER, &store, &conn);

    if (code != EXIT_SUCCESS)
        return code;
    struct query query = {.stmt = STMT_CLI_KEYS};
    struct arena arena;
    struct buf out;

    arena_init(&arena, KEY_ARENA_MAX);
    buf_init(&out, KEY_ARENA_MAX);
    enum err e = store_read(conn, &arena, &query, 1, 0);

    if (e == ERR_OK) {
        keys_print(&query.rows, clock_us(), &arena, &out);
        code = command_print(call->command, buf_view(&out));
    } else {
        code = command_failed(call->command, "cannot read the keys: %s", err_text(e));
    }
    buf_fini(&out);
    arena_fini(&arena);
    store_disconnect(conn);
    store_close(store);
    return code;
}

int cmd_key_revoke(const struct command_call *call)
{
    struct store *store;
    struct store_conn *conn;
    int code = open_both(call, STORE_WRITER, &store, &conn);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = store_begin(conn);

    if (e == ERR_OK) {
        e = key_revoke(conn, str_from(call->args.operands[0]), clock_us());
        if (e == ERR_OK)
            e = store_commit(conn);
        else
            store_rollback(conn);
    }
    if (e == ERR_NOT_FOUND)
        code = command_failed(call->command, "there is no key \"%.64s\"; see doppel key list",
                              call->args.operands[0]);
    else if (e != ERR_OK)
        code = command_failed(call->command, "the key was not revoked: %s", err_text(e));
    store_disconnect(conn);
    store_close(store);
    return code;
}
