/* Any text: skipping it and reading it value by value agree on whether it is JSON; what is read and
 * printed is JSON again, and printing that changes nothing. */
#include "base/assert.h"
#include "base/buf.h"
#include "json/reader.h"
#include "json/writer.h"

enum { ARENA = 8 << 20, OUT_MAX = 8 << 20, DEPTH = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy(struct json_reader *r, struct json_writer *w)
{
    struct str s = STR("");
    double v = 0;
    bool b = false;

    switch (json_peek(r)) {
    case JSON_OBJECT:
        if (!json_object_begin(r)) { /* too deep */
            json_null(w);
            return;
        }
        json_object(w);
        while (json_next_member(r, &s)) {
            json_name(w, s);
            copy(r, w);
        }
        json_object_end(w);
        return;
    case JSON_ARRAY:
        if (!json_array_begin(r)) {
            json_null(w);
            return;
        }
        json_array(w);
        while (json_next_item(r))
            copy(r, w);
        json_array_end(w);
        return;
    case JSON_STRING:
        json_read_str(r, &s);
        json_str(w, s);
        return;
    case JSON_NUMBER:
        json_read_f64(r, &v);
        json_f64(w, v);
        return;
    case JSON_BOOL:
        json_read_bool(r, &b);
        json_bool(w, b);
        return;
    case JSON_NULL:
        json_read_null(r);
        json_null(w);
        return;
    case JSON_NONE:
        json_null(w);
    }
}

static enum err copy_all(struct str text, struct buf *out)
{
    struct arena arena;
    struct json_reader r;
    struct json_writer w;

    arena_init(&arena, ARENA);
    buf_init(out, OUT_MAX);
    json_reader_init(&r, text, &arena, DEPTH);
    json_writer_init(&w, out);
    copy(&r, &w);
    enum err e = json_end(&r);

    ASSERT(e == ERR_OK || (r.reason && r.error_at <= text.n));
    arena_fini(&arena);
    return e;
}

static enum err skip_all(struct str text)
{
    struct arena arena;
    struct json_reader r;
    struct str raw = {NULL, 0};

    arena_init(&arena, ARENA);
    json_reader_init(&r, text, &arena, DEPTH);
    if (json_skip(&r, &raw))
        ASSERT(raw.n > 0 && raw.p >= text.p && raw.p + raw.n <= text.p + text.n);
    enum err e = json_end(&r);

    arena_fini(&arena);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct buf first, second;
    enum err e = skip_all(text);

    ASSERT(copy_all(text, &first) == e);
    if (e == ERR_OK && !first.failed) {
        ASSERT(copy_all(buf_view(&first), &second) == ERR_OK);
        ASSERT(str_eq(buf_view(&first), buf_view(&second)));
        buf_fini(&second);
    }
    buf_fini(&first);
    return 0;
}
