/* iCalendar text to busy times, in a zone that the first byte chooses. Whatever comes out keeps the
 * promises of the header; whatever goes in comes to an end. */
#include "base/assert.h"
#include "calendar/ical.h"

#include <stdlib.h>

static void check(const struct busy_list *l, const struct ical_window *w)
{
    ASSERT(l->count >= 0 && l->count <= BUSY_MAX);
    for (int32_t i = 0; i < l->count; i++) {
        const struct busy_time *b = &l->items[i];
        ASSERT(b->start < b->end && b->start < w->to && b->end > w->from);
        ASSERT(b->event.n > 0 && b->event.n <= BUSY_EVENT_MAX && utf8_valid(b->event));
        ASSERT(b->title.n <= BUSY_TITLE_MAX && utf8_valid(b->title));
        ASSERT(!b->title.n || !memchr(b->title.p, 0, b->title.n));
        if (i > 0) {
            const struct busy_time *a = b - 1;
            ASSERT(a->start < b->start ||
                   (a->start == b->start && str_cmp(a->event, b->event) < 0));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/New_York",
                                        "Asia/Kathmandu"};
    const int64_t from = INT64_C(1760918400) * US_PER_S; /* 2025-10-20 */
    struct ical_window w = {.from = from, .to = from + 90 * US_PER_DAY};
    struct ical_reader r;
    struct busy_list l;
    struct arena arena;

    if (n == 0)
        return 0;
    if (zone_get(str_from(zones[data[0] & 3]), &w.zone) != ERR_OK)
        w.zone = zone_utc();
    arena_init(&arena, 16 << 20);
    ical_begin(&r, &w, &arena);
    enum err e = ical_add(&r, (struct str){(const char *)data + 1, n - 1});
    ASSERT(e == ERR_OK || e == ERR_NOMEM || r.reason[0]);
    ical_end(&r, &l);
    check(&l, &w);
    arena_fini(&arena);
    return 0;
}
