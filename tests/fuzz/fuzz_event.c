/* Events from any bytes: what is taken must pass its own check, and read back the same once
 * written. */
#include "base/assert.h"
#include "base/buf.h"
#include "ingest/details.h"
#include "ingest/event.h"
#include "json/reader.h"
#include "json/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct event *e, const struct event_rules *rules,
                           struct arena *arena)
{
    struct event_error error;
    struct event again;
    struct json_writer w;
    struct json_reader r;
    struct buf text;
    int32_t unknown = 0;

    buf_init(&text, 1 << 20);
    json_writer_init(&w, &text);
    event_write(&w, e);
    ASSERT(!text.failed);
    json_reader_init(&r, buf_view(&text), arena, 64);
    enum err got = event_read(&r, arena, rules, &again, &unknown, &error);
    ASSERT(got == ERR_OK && unknown == 0);
    ASSERT(again.at == e->at && again.kind == e->kind && str_eq(again.data, e->data));
    ASSERT(json_end(&r) == ERR_OK);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_rules rules = {.now_us = INT64_C(1750000000) * US_PER_S,
                                .future_max_us = US_PER_DAY,
                                .default_learner = STR("fuzz")};
    struct event_details details;
    struct event_error error;
    struct json_reader r;
    struct arena arena;
    struct event e;
    int32_t unknown = 0;

    arena_init(&arena, 16 << 20);
    json_reader_init(&r, (struct str){(const char *)data, size}, &arena, 63);
    enum err got = event_read(&r, &arena, &rules, &e, &unknown, &error);
    ASSERT(got == ERR_OK || got == ERR_RANGE || got == ERR_SYNTAX || got == ERR_NOMEM);
    if (got == ERR_RANGE)
        ASSERT(error.code && error.field.reason[0] && !json_failed(&r));
    if (got == ERR_OK) {
        ASSERT(event_check(&e, &rules, &error) == ERR_OK);
        if (event_has_details(&e))
            ASSERT(event_details(&e, &arena, &details, NULL) == ERR_OK);
        write_and_read(&e, &rules, &arena);
    }
    arena_fini(&arena);
    return 0;
}
