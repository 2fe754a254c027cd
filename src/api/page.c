#include "api/page.h"

#include <stdio.h>

enum { NUM_I64_MAX = 24 };

enum err place_read(struct api_call *c, struct str text, struct place *ret)
{
    *ret = (struct place){.given = false};
    if (!text.p)
        return ERR_OK;
    struct str rest = text, at = str_cut(&rest, '.');
    if (!rest.p || rest.n == 0 || rest.n > EVENT_ID_MAX || str_to_i64(at, &ret->at) != ERR_OK)
        return api_bad_field(c, "cursor", "invalid_format", "is not a cursor of this list");
    ret->id = rest;
    ret->given = true;
    return ERR_OK;
}

struct str place_print(struct arena *arena, int64_t at, struct str id)
{
    return arena_printf(arena, "%lld." STR_FMT, (long long)at, STR_ARG(id));
}

static void put_encoded(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                     (ch >= '0' && ch <= '9') || ch == '-' || ch == '.' || ch == '_';
        if (plain)
            buf_putc(b, (char)ch);
        else
            buf_printf(b, "%%%02X", ch);
    }
}

static void link_next(struct api_call *c, const char *name, struct str place)
{
    struct str query = c->x->request.query;
    struct buf b;

    buf_init(&b, 8192);
    buf_printf(&b, "<" STR_FMT "?", STR_ARG(str_from(c->row->path)));
    while (query.p) {
        struct str pair = str_cut(&query, '&');
        bool keep =
            pair.n > 0 && !str_starts(pair, STR("cursor=")) && !str_starts(pair, STR("offset="));
        for (size_t i = 0; keep && i < pair.n; i++) /* nothing that would end the header's <…> */
            keep = pair.p[i] > ' ' && pair.p[i] < 0x7f && pair.p[i] != '<' && pair.p[i] != '>';
        if (keep)
            buf_printf(&b, STR_FMT "&", STR_ARG(pair));
    }
    buf_printf(&b, "%s=", name);
    put_encoded(&b, place);
    buf_str(&b, STR(">; rel=\"next\""));
    if (!b.failed)
        http_reply_header(c->x, "Link", buf_view(&b));
    buf_fini(&b);
}

void page_link(struct api_call *c, struct str cursor)
{
    link_next(c, "cursor", cursor);
}

void page_link_number(struct api_call *c, const char *name, int64_t place)
{
    char text[NUM_I64_MAX];

    link_next(c, name,
              (struct str){text, (size_t)snprintf(text, sizeof text, "%lld", (long long)place)});
}

const struct field pagination_fields[] = {
    FIELD(F_I64, struct pagination, limit, "limit", .doc = "as asked"),
    FIELD(F_I64, struct pagination, offset, "offset", .doc = "as asked; 0 with a cursor"),
    FIELD(F_BOOL, struct pagination, more, "hasMore", .doc = "are there older ones?"),
    FIELD(F_STR, struct pagination, next, "nextCursor", .flags = FIELD_NULLABLE,
          .doc = "for the next page, as in the Link header"),
    FIELD_END,
};
