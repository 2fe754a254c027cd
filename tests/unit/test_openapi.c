/* The tables of endpoints keep their own rules, and openapi.json is what they say. */
#include "api/api.h"
#include "base/assert.h"
#include "json/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define each_row(row)                             \
    for (int f_ = 0; endpoint_families[f_]; f_++) \
        for (const struct endpoint *row = endpoint_families[f_]; row->path; row++)

static void rows_are_whole(void **state)
{
    (void)state;
    each_row(row)
    {
        assert_non_null(row->id);
        assert_non_null(row->tag);
        assert_non_null(row->handler);
        if (!row->summary || strlen(row->summary) < 5 || strlen(row->summary) > 100)
            fail_msg("%s: its summary", row->id);
        if (row->round_trips > 3)
            fail_msg("%s: %d round trips", row->id, row->round_trips);
        if ((row->envelope == ENVELOPE_RAW) != (row->media != NULL))
            fail_msg("%s: media and envelope disagree", row->id);
        if (row->envelope == ENVELOPE_RAW && row->reply)
            fail_msg("%s: a raw reply has no table", row->id);
        if ((row->params || row->query || row->body) && row->in_size == 0)
            fail_msg("%s: nowhere to decode to", row->id);
        if (row->learner != LEARNER_NONE && row->scopes == 0)
            fail_msg("%s: a learner's data open to all", row->id);
        if (row->run == RUN_LOOP && row->round_trips > 0)
            fail_msg("%s: asks the store on a loop", row->id);
    }
}

/* Each answer that could be kept is, for a time that its row says, or its row says why not. */
static void answers_are_kept_or_it_is_said_why(void **state)
{
    (void)state;
    each_row(row)
    {
        const struct cache_policy *p = &row->cache;
        bool kept = p->fresh_s > 0, reason = p->why_none && strlen(p->why_none) >= 10;

        if (row->method != HTTP_GET && (kept || p->stale_s || p->shared || p->why_none))
            fail_msg("%s: writes are not kept, and say nothing of it", row->id);
        if (row->method == HTTP_GET && kept == reason)
            fail_msg("%s: either a time to keep it, or a reason", row->id);
        if (p->fresh_s < 0 || p->fresh_s > 3600 || p->stale_s < 0 || p->stale_s > 86400)
            fail_msg("%s: kept for too long", row->id);
        if (p->stale_s > 0 && !kept)
            fail_msg("%s: stale, but never fresh", row->id);
        if (p->shared && row->learner != LEARNER_NONE)
            fail_msg("%s: one learner's answer, shared with all", row->id);
    }
}

/* "{id}" of the path and the field "id", in the same order. */
static void path_parameters_have_their_fields(void **state)
{
    (void)state;
    each_row(row)
    {
        const struct field *f = row->params;
        struct str rest = str_from(row->path);

        while (rest.p) {
            struct str segment = str_cut(&rest, '/');
            if (segment.n < 3 || segment.p[0] != '{')
                continue;
            struct str name = {segment.p + 1, segment.n - 2};
            if (!f || f->type == F_END || !str_eq(name, str_from(f->name)))
                fail_msg("%s: no field for {" STR_FMT "}", row->id, STR_ARG(name));
            f++;
        }
        if (f && f->type != F_END)
            fail_msg("%s: the field %s is not in its path", row->id, f->name);
    }
}

static void names_are_given_once(void **state)
{
    (void)state;
    each_row(row)
    {
        int same_id = 0, same_path = 0;
        for (int f = 0; endpoint_families[f]; f++) {
            for (const struct endpoint *o = endpoint_families[f]; o->path; o++) {
                same_id += strcmp(o->id, row->id) == 0;
                same_path += o->method == row->method && strcmp(o->path, row->path) == 0;
            }
        }
        if (same_id != 1 || same_path != 1)
            fail_msg("%s %s: given twice", row->id, row->path);
    }
}

static void print(struct buf *out)
{
    struct json_writer w;

    buf_init(out, 8 << 20);
    json_writer_init(&w, out);
    openapi_write(&w);
    assert_false(out->failed);
}

/* Strict: also no name twice in one object, which would hide an operation. */
static void the_document_is_strict_json(void **state)
{
    (void)state;
    struct arena arena;
    struct json_reader r;
    struct buf out;

    print(&out);
    arena_init(&arena, 64 << 20);
    json_reader_init(&r, buf_view(&out), &arena, 64);
    assert_true(json_skip(&r, NULL));
    assert_int_equal(json_end(&r), ERR_OK);
    arena_fini(&arena);
    buf_fini(&out);
}

/* Without the blanks between things, which only serve the reader of a review. */
static void squeeze(struct buf *text)
{
    bool in_text = false;
    size_t to = 0;

    for (size_t i = 0; i < text->n; i++) {
        char c = text->p[i];
        if (!in_text && (c == ' ' || c == '\n'))
            continue;
        text->p[to++] = c;
        if (in_text && c == '\\')
            text->p[to++] = text->p[++i];
        else if (c == '"')
            in_text = !in_text;
    }
    text->n = to;
}

static void the_committed_document_is_what_the_tables_say(void **state)
{
    (void)state;
    const char *root = getenv("DOPPEL_SOURCE");
    char path[1024];
    struct buf want, have;

    if (!root)
        skip();
    snprintf(path, sizeof path, "%s/openapi.json", root);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("%s cannot be read", path);
    buf_init(&have, 8 << 20);
    for (size_t n = 1; n > 0; have.n += n) {
        char *to = buf_reserve(&have, 65536);
        assert_non_null(to);
        n = fread(to, 1, 65536, f);
    }
    fclose(f);
    squeeze(&have);
    print(&want);
    if (!str_eq(buf_view(&want), buf_view(&have)))
        fail_msg("the endpoints changed: doppel openapi >openapi.json, and review the difference");
    buf_fini(&have);
    buf_fini(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(answers_are_kept_or_it_is_said_why),
        cmocka_unit_test(path_parameters_have_their_fields),
        cmocka_unit_test(names_are_given_once),
        cmocka_unit_test(the_document_is_strict_json),
        cmocka_unit_test(the_committed_document_is_what_the_tables_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
