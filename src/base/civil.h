/* civil - times as people write them: RFC 3339 text, IANA zones, local days and hours.
 *
 * A time is UTC microseconds since 1970-01-01 (int64_t); TIME_NONE is "no time". Zone rules are
 * read from the system's TZif files (RFC 8536), with the POSIX footer for times after the table. */
#pragma once
#include "base/arena.h"

#include <stdint.h>

#define TIME_NONE INT64_MIN
#define US_PER_S INT64_C(1000000)
#define US_PER_MS INT64_C(1000)
#define US_PER_MINUTE (60 * US_PER_S)
#define US_PER_HOUR (3600 * US_PER_S)
#define US_PER_DAY (86400 * US_PER_S)
/* What the API accepts and stores: years 1970 to 9999 would print, but a learner's event outside
 * 1990..2100 is a mistake (events check their own, tighter bounds against the clock). */
#define TIME_MIN (INT64_C(631152000) * US_PER_S)  /* 1990-01-01 */
#define TIME_MAX (INT64_C(4102444800) * US_PER_S) /* 2100-01-01 */

struct zone; /* immutable, shared, lives as long as the process */

struct civil {
    int32_t year, month, day;     /* month 1..12, day 1..31 */
    int32_t hour, minute, second; /* 0..23, 0..59, 0..59 */
    int32_t us;                   /* 0..999999 */
    int32_t weekday;              /* 0 = Sunday .. 6 */
    int32_t epoch_day;            /* local days since 1970-01-01 */
    int32_t offset_s;             /* local = UTC + offset */
};

/* ERR_NOT_FOUND: no such zone. ERR_SYNTAX: not a zone name ([A-Za-z0-9+_/-], no "..", at most 64).
 * Thread-safe; zones are read once and cached (at most ZONES_MAX, then ERR_BUSY). "UTC" is built
 * in. */
enum { ZONES_MAX = 1024 };
MUST_CHECK enum err zone_get(struct str name, const struct zone **ret);
const struct zone *zone_utc(void);
/* A zone from the bytes of a TZif file, in the arena's memory and outside the cache.
 * ERR_SYNTAX: not such a file, or one that counts leap seconds. ERR_NOMEM. */
MUST_CHECK enum err zone_from_tzif(struct str name, struct str bytes, struct arena *arena,
                                   const struct zone **ret);
struct str zone_name(const struct zone *z);

int32_t zone_offset_s(const struct zone *z, int64_t t_us);
struct civil civil_at(const struct zone *z, int64_t t_us);
/* First instant of that local day (days since 1970-01-01). In a gap: the instant after it. */
int64_t civil_day_start(const struct zone *z, int32_t epoch_day);
/* The instant of a local wall time. Twice (autumn): the first. Never (spring): shifted by the gap.
 */
int64_t civil_to_us(const struct zone *z, int32_t epoch_day, int32_t second_of_day);
int32_t civil_epoch_day(int32_t year, int32_t month, int32_t day); /* proleptic Gregorian */
void civil_from_day(int32_t epoch_day, int32_t *year, int32_t *month, int32_t *day);
/* ISO 8601 week of a day: year of the week and week 1..53. */
void civil_iso_week(int32_t epoch_day, int32_t *ret_year, int32_t *ret_week);

/* RFC 3339 date-time with any offset and 0 to 9 decimals (cut to microseconds); 't'/'z' allowed, a
 * leap second 60 is taken as 59.999999; "-00:00" as UTC. ERR_SYNTAX otherwise, ERR_RANGE outside
 * year 0001..9999 or an impossible date. */
MUST_CHECK enum err time_parse(struct str s, int64_t *ret_us);
MUST_CHECK enum err date_parse(struct str s, int32_t *ret_epoch_day); /* YYYY-MM-DD */
enum { TIME_TEXT_MAX = 32, DATE_TEXT_MAX = 16 };
/* "2025-10-20T14:30:00.000Z": always milliseconds, always Z. Returns the length; ends in NUL. */
int time_print(int64_t t_us, char out[TIME_TEXT_MAX]);
int date_print(int32_t epoch_day, char out[DATE_TEXT_MAX]);
