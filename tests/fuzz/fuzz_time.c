/* Times as text, and zone files. The first byte chooses. */
#include "base/assert.h"
#include "base/civil.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text(struct str s)
{
    char out[TIME_TEXT_MAX];
    int64_t us, back;
    int32_t day, day_back;

    if (time_parse(s, &us) == ERR_OK) {
        int n = time_print(us, out);

        ASSERT(time_parse((struct str){out, (size_t)n}, &back) == ERR_OK);
        ASSERT(back <= us && us - back < US_PER_MS);
        struct civil c = civil_at(zone_utc(), us);
        ASSERT(civil_to_us(zone_utc(), c.epoch_day, c.hour * 3600 + c.minute * 60 + c.second) +
                   c.us ==
               us);
    }
    if (date_parse(s, &day) == ERR_OK) {
        int n = date_print(day, out);

        ASSERT(date_parse((struct str){out, (size_t)n}, &day_back) == ERR_OK && day_back == day);
    }
}

static void check_civil(const struct civil *c)
{
    ASSERT(c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= 31);
    ASSERT(c->hour >= 0 && c->hour <= 23 && c->minute >= 0 && c->minute <= 59);
    ASSERT(c->second >= 0 && c->second <= 59 && c->us >= 0 && c->us <= 999999);
    ASSERT(civil_epoch_day(c->year, c->month, c->day) == c->epoch_day);
}

static void file(struct str bytes)
{
    struct arena arena;
    const struct zone *z;

    arena_init(&arena, 1 << 20);
    if (zone_from_tzif(STR("Fuzz/Zone"), bytes, &arena, &z) == ERR_OK) {
        static const int64_t far[] = {INT64_MIN + 1, -US_PER_DAY, 0, INT64_MAX};

        for (size_t i = 0; i < COUNT(far); i++)
            (void)zone_offset_s(z, far[i]);
        for (int64_t t = TIME_MIN - 400 * US_PER_DAY; t < TIME_MAX + 4000 * US_PER_DAY;
             t += 97 * US_PER_DAY + 12345 * US_PER_S) {
            struct civil c = civil_at(z, t);

            check_civil(&c);
            struct civil start = civil_at(z, civil_day_start(z, c.epoch_day));
            check_civil(&start);
            (void)civil_to_us(z, c.epoch_day, 9000);
        }
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1};

    if (data[0] == 'T') /* the first byte of a zone file, which is then read whole */
        file((struct str){(const char *)data, size});
    else
        text(rest);
    return 0;
}
