/* What a CalDAV server may answer: XML in, responses out, each within the text that was sent. */
#include "base/assert.h"
#include "calendar/dav.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dav_response *r = NULL;
    struct arena arena;
    char reason[160];
    int32_t count = 0;

    arena_init(&arena, 16 << 20);
    enum err e = dav_parse((struct str){(const char *)data, n}, &arena, &r, &count, reason);
    ASSERT(e == ERR_OK || e == ERR_NOMEM || reason[0]);
    ASSERT(count >= 0 && count <= DAV_RESPONSES_MAX);
    for (int32_t i = 0; i < count && e == ERR_OK; i++)
        ASSERT(utf8_valid(r[i].href) && utf8_valid(r[i].data) && utf8_valid(r[i].name));
    arena_fini(&arena);
    return 0;
}
