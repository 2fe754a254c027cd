/* work - commands that hand over to a room of their own: import, simulate, openapi; and the two
 * that look at settings: config, check. */
#include "api/api.h"
#include "cli/command.h"
#include "import/import.h"
#include "sim/sim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPENAPI_MAX = 8 << 20, CONFIG_TEXT_MAX = 256 * 1024 };

static volatile int import_stop;

static void on_stop(int sig)
{
    if (import_stop)
        _exit(128 + sig); /* asked twice */
    import_stop = 1;
}

int cmd_import(const struct command_call *call)
{
    const struct importer *row = call->command->data;
    char detail[CONFIG_DETAIL_MAX] = "";
    struct sigaction action = {.sa_handler = on_stop};
    struct import_context context = {
        .future_max_us = call->config->event_future_max * 1000,
        .batch_events = (int32_t)call->config->group_events,
        .quarantine_rows_max =
            call->config->quarantine ? (int32_t)call->config->quarantine_rows_max : 0,
        .out = stdout,
        .progress = isatty(STDERR_FILENO) ? stderr : NULL,
        .stop = &import_stop,
    };
    int code = command_store(call, SCHEMA_MIGRATE, &context.store);

    if (code != EXIT_SUCCESS)
        return code;
    enum err e = store_connect(context.store, STORE_WRITER, &context.conn);

    if (e == ERR_OK) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        e = row->run(row, &context, &call->args, detail);
    }
    if (e == ERR_RANGE)
        code = command_misused(call->command, "%s", *detail ? detail : err_text(e));
    else if (e != ERR_OK)
        code = command_failed(call->command, "%s", *detail ? detail : err_text(e));
    store_disconnect(context.conn);
    store_close(context.store);
    return code;
}

int cmd_simulate(const struct command_call *call)
{
    char detail[CONFIG_DETAIL_MAX] = "";
    enum err e = sim_run(&call->args, detail);

    if (e == ERR_RANGE)
        return command_misused(call->command, "%s", *detail ? detail : err_text(e));
    if (e != ERR_OK)
        return command_failed(call->command, "%s", *detail ? detail : err_text(e));
    return EXIT_SUCCESS;
}

/* Compact JSON laid out over lines: what is committed must read well in a review. */
static void json_indent(struct str json, struct buf *out)
{
    int depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        bool opens = !in_text && (c == '{' || c == '['),
             closes = !in_text && (c == '}' || c == ']');
        bool empty = opens && i + 1 < json.n && json.p[i + 1] == c + 2; /* {} and [] in ASCII */

        if (in_text && c == '\\') {
            buf_put(out, json.p + i++, 2); /* the writer never ends in a backslash */
            continue;
        }
        if (closes)
            buf_printf(out, "\n%*s", --depth * 2, "");
        buf_putc(out, c);
        if (empty)
            buf_putc(out, json.p[++i]);
        else if (opens)
            buf_printf(out, "\n%*s", ++depth * 2, "");
        else if (!in_text && c == ',')
            buf_printf(out, "\n%*s", depth * 2, "");
        else if (!in_text && c == ':')
            buf_putc(out, ' ');
        else if (c == '"')
            in_text = !in_text;
    }
    buf_putc(out, '\n');
}

int cmd_openapi(const struct command_call *call)
{
    struct buf json, out;
    struct json_writer writer;

    buf_init(&json, OPENAPI_MAX);
    buf_init(&out, OPENAPI_MAX);
    json_writer_init(&writer, &json);
    openapi_write(&writer);
    json_indent(buf_view(&json), &out);
    int code =
        json.failed || out.failed
            ? command_failed(call->command, "the document is larger than %d bytes", OPENAPI_MAX)
            : command_print(call->command, buf_view(&out));

    buf_fini(&out);
    buf_fini(&json);
    return code;
}

int cmd_config(const struct command_call *call)
{
    struct buf out;

    buf_init(&out, CONFIG_TEXT_MAX);
    if (command_option(call, "default"))
        config_default_print(&out);
    else
        config_print(call->config, &out);
    int code = command_print(call->command, buf_view(&out));

    buf_fini(&out);
    return code;
}

int cmd_check(const struct command_call *call)
{
    struct config config;
    char detail[CONFIG_DETAIL_MAX] = "";

    /* Without a file the settings have been checked by getting here. */
    if (call->args.operand_count == 1) {
        config_init(&config);
        enum err e = config_read_file(&config, call->args.operands[0], detail);

        config_fini(&config);
        if (e == ERR_RANGE)
            return command_misused(call->command, "%s", detail);
        if (e != ERR_OK)
            return command_failed(call->command, "%s", detail);
    }
    return command_print(call->command, STR("the configuration is valid\n"));
}
