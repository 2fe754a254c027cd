/* page - lists that are read page by page. A cursor is the place of a page's last row, a number and
 * a text, opaque to clients: rows that are added meanwhile move nothing. */
#pragma once
#include "api/api.h"

enum { PAGE_OFFSET_MAX = 1000000 };

struct place {
    int64_t at;
    struct str id;
    bool given;
};
/* text p == NULL: not given. ERR_RANGE: not a cursor. */
MUST_CHECK enum err place_read(struct api_call *c, struct str text, struct place *ret);
/* p == NULL: no memory. */
struct str place_print(struct arena *arena, int64_t at, struct str id);
/* Link: <the same request, behind the cursor>; rel="next" (RFC 8288). The row's path must hold no
 * parameter. */
void page_link(struct api_call *c, struct str cursor);
/* The same where the place is a number: of the row ("cursor"), or how many lie before ("offset").
 */
void page_link_number(struct api_call *c, const char *name, int64_t place);

struct pagination {
    int64_t limit, offset;
    bool more;
    struct str next;
};
extern const struct field pagination_fields[];

#define CURSOR_FIELD(struct_)                                         \
    FIELD(F_STR, struct_, cursor, "cursor", .max = EVENT_ID_MAX + 24, \
          .doc = "nextCursor of the page before; steady while rows are added")
