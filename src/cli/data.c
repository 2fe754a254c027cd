/* data - commands on what is stored: rebuild, migrate, export, erase, backup. */
#include "api/export.h"
#include "base/civil.h"
#include "base/clock.h"
#include "cli/command.h"
#include "ingest/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The store, its schema current, and the one writing connection. */
static int open_writer(const struct command_call *call, struct store **ret,
                       struct store_conn **ret_conn)
{
    int code = command_store(call, SCHEMA_MIGRATE, ret);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = store_connect(*ret, STORE_WRITER, ret_conn);

    if (e != ERR_OK) {
        store_close(*ret);
        return command_failed(call->command, "cannot connect to the database: %s", err_text(e));
    }
    return EXIT_SUCCESS;
}

int cmd_rebuild(const struct command_call *call)
{
    const char *learner = command_option(call, "learner");
    bool verify = command_option(call, "verify") != NULL;
    struct rebuild_report report = {0};
    struct store *store;
    struct store_conn *conn;
    int code = open_writer(call, &store, &conn);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = ingest_rebuild(conn, str_from(learner), verify, &report);

    store_disconnect(conn);
    store_close(store);
    if (e == ERR_NOT_FOUND)
        return command_failed(call->command, "there is no learner \"%.128s\"", learner);
    if (e != ERR_OK)
        return command_failed(call->command, "stopped after %" PRId64 " learners: %s",
                              report.learners, err_text(e));
    if (verify && report.differing_rows)
        return command_failed(call->command,
                              "%" PRId64 " rows differ from what the log gives; the first: %s",
                              report.differing_rows, report.first_difference);
    printf("%s %" PRId64 " learners from %" PRId64 " events%s\n", verify ? "verified" : "rebuilt",
           report.learners, report.events, verify ? ": no difference" : "");
    return EXIT_SUCCESS;
}

int cmd_migrate(const struct command_call *call)
{
    char detail[CONFIG_DETAIL_MAX] = "";
    int32_t have = 0, want = 0;
    bool status = command_option(call, "status") != NULL;
    struct store *store;
    int code = command_store(call, SCHEMA_ANY, &store);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e =
        status ? store_schema(store, &have, &want) : store_migrate(store, &have, &want, detail);

    store_close(store);
    if (e != ERR_OK)
        return command_failed(call->command, "%s", *detail ? detail : err_text(e));
    if (status)
        printf("schema %d of %d%s\n", (int)have, (int)want, have == want ? "" : ": not current");
    else if (have == want)
        printf("schema %d: nothing to do\n", (int)want);
    else
        printf("schema %d to %d: done\n", (int)have, (int)want);
    return status && have != want ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_erase(const struct command_call *call)
{
    const char *learner = call->args.operands[0];
    int64_t rows = 0;
    struct store *store;
    struct store_conn *conn;

    if (!command_option(call, "yes"))
        return command_misused(call->command,
                               "everything about \"%.128s\" would be deleted for good; add --yes",
                               learner);
    int code = open_writer(call, &store, &conn);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = learner_erase(conn, str_from(learner), &rows);

    store_disconnect(conn);
    store_close(store);
    if (e == ERR_NOT_FOUND)
        return command_failed(call->command, "there is no learner \"%.128s\"", learner);
    if (e != ERR_OK)
        return command_failed(call->command, "nothing was erased: %s", err_text(e));
    printf("erased %" PRId64 " rows of %s\n", rows, learner);
    return EXIT_SUCCESS;
}

/* ---- files: a backup, an export ---- */

static enum err sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);

    if (fd < 0)
        return ERR_IO;
    int failed = fsync(fd);

    close(fd);
    return failed ? ERR_IO : ERR_OK;
}

/* `content` is on disk, and so is the name `path` in its folder. */
static int sync_both(const struct command_call *call, const char *content, const char *path)
{
    char directory[PATH_MAX];

    if (sync_path(content, O_RDONLY) != ERR_OK)
        return command_failed(call->command, "cannot sync %s: %s", content, strerror(errno));
    if (snprintf(directory, sizeof directory, "%s", path) >= (int)sizeof directory ||
        sync_path(dirname(directory), O_RDONLY | O_DIRECTORY) != ERR_OK)
        return command_failed(call->command, "cannot sync the folder of %s: %s", path,
                              strerror(errno));
    return EXIT_SUCCESS;
}

/* Under its name only when it is whole and on disk; never over another file. */
static int publish(const struct command_call *call, const char *temporary, const char *path)
{
    if (sync_path(temporary, O_RDONLY) != ERR_OK)
        return command_failed(call->command, "cannot sync %s: %s", temporary, strerror(errno));
    if (link(temporary, path) != 0)
        return command_failed(call->command, "cannot make %s: %s", path, strerror(errno));
    return sync_both(call, path, path);
}

/* A name beside `path` for what is not whole yet. */
static bool temporary_name(const char *path, char ret[PATH_MAX])
{
    return snprintf(ret, PATH_MAX, "%s.%d.part", path, (int)getpid()) < PATH_MAX;
}

static enum err to_stream(void *user, const void *p, size_t n)
{
    return fwrite(p, 1, n, user) == n ? ERR_OK : ERR_IO;
}

static int export_to(const struct command_call *call, FILE *out)
{
    const char *learner = call->args.operands[0];
    struct export_sink sink = {.write = to_stream, .user = out};
    struct store *store;
    struct store_conn *conn = NULL;
    int code = command_store(call, SCHEMA_CURRENT, &store);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = store_connect(store, STORE_READER, &conn);

    if (e == ERR_OK)
        e = export_write(conn, str_from(learner), clock_us(), &sink);
    if (e == ERR_OK && (fputc('\n', out) == EOF || fflush(out) != 0))
        e = ERR_IO;
    store_disconnect(conn);
    store_close(store);
    if (e == ERR_NOT_FOUND)
        return command_failed(call->command, "there is no learner \"%.128s\"", learner);
    if (e != ERR_OK)
        return command_failed(call->command, "the export is not whole: %s", err_text(e));
    return EXIT_SUCCESS;
}

int cmd_export(const struct command_call *call)
{
    const char *path = command_option(call, "out");
    char temporary[PATH_MAX];

    if (!path || strcmp(path, "-") == 0)
        return export_to(call, stdout);
    if (access(path, F_OK) == 0)
        return command_failed(call->command, "%s exists; an export overwrites nothing", path);
    if (!temporary_name(path, temporary))
        return command_misused(call->command, "the file's name is too long");
    /* For the owner's eyes: it holds a person's data. */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

    if (!out) {
        if (fd >= 0)
            close(fd);
        return command_failed(call->command, "cannot make %s: %s", temporary, strerror(errno));
    }
    int code = export_to(call, out);

    if (fclose(out) != 0 && code == EXIT_SUCCESS)
        code = command_failed(call->command, "cannot write %s: %s", temporary, strerror(errno));
    if (code == EXIT_SUCCESS)
        code = publish(call, temporary, path);
    unlink(temporary);
    return code;
}

int cmd_backup(const struct command_call *call)
{
    const char *path = call->args.operands[0];
    char detail[CONFIG_DETAIL_MAX] = "";
    struct store *store;
    int code = command_store(call, SCHEMA_ANY, &store);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = store_backup(store, path, detail);

    store_close(store);
    if (e == ERR_NOT_IMPLEMENTED)
        return command_failed(call->command, "this copies SQLite only; for PostgreSQL use pg_dump");
    if (e != ERR_OK)
        return command_failed(call->command, "%s", *detail ? detail : err_text(e));
    return sync_both(call, path, path);
}
