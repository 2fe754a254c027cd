/* zone - IANA zones: TZif files (RFC 8536), POSIX footers, and the cache of those in use.
 *
 * A zone is a sorted table of changes, carried on by its footer to TABLE_END, so that every time
 * the server accepts is found there; a coarse index over the years makes that a step or two. The
 * footer itself answers only for what comes after. */
#include "base/assert.h"
#include "base/civil.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_MAX_BYTES = 64,
    FILE_MAX_BYTES = 256 * 1024,
    HEADER_BYTES = 44,
    TRANSITIONS_MAX = 4096,
    OFFSET_MAX_S = 26 * 3600, /* RFC 8536: -89999..93599 */
    BUCKET_BITS = 24,         /* an index entry each 194 days */
    BUCKETS = 210,            /* from TIME_MIN to after TIME_MAX */
    YEAR_END = 2101,
    CACHE_SLOTS = 2 * ZONES_MAX,
    CACHE_ARENA_MAX = 64 << 20,
};

#define BUCKET_START (TIME_MIN / US_PER_S)

/* When a rule strikes: Jn, n, or Mm.w.d, and a time of the local day. */
struct rule_date {
    char kind; /* 'J', '0', 'M' */
    int32_t day, month, week;
    int32_t time_s;
};

struct footer {
    bool given, has_dst;
    int32_t std_s, dst_s; /* local = UTC + this */
    struct rule_date start, end;
};

struct change {
    int64_t at; /* seconds */
    int32_t offset_s;
    int32_t year; /* of the rule; breaks ties */
};

struct zone {
    char name[NAME_MAX_BYTES + 1];
    size_t name_n;
    int32_t first_offset_s; /* before the table */
    int32_t count;
    int64_t *at;       /* seconds, rising */
    int32_t *offset_s; /* from at[i] on */
    struct footer footer;
    int32_t bucket[BUCKETS]; /* changes at or before the bucket's start */
};

static const struct zone utc = {.name = "UTC", .name_n = 3};

const struct zone *zone_utc(void)
{
    return &utc;
}

struct str zone_name(const struct zone *z)
{
    return (struct str){z->name, z->name_n};
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* ---- the footer: a POSIX TZ string ---- */

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    s->p++, s->n--;
    return true;
}

static bool take_number(struct str *s, int32_t max, int32_t *ret)
{
    int32_t v = 0;
    int digits = 0;

    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9' && digits < 4; s->p++, s->n--, digits++)
        v = v * 10 + (s->p[0] - '0');
    *ret = v;
    return digits > 0 && v <= max;
}

/* [+-]h[h[h]][:mm[:ss]] */
static bool take_time(struct str *s, int32_t hours_max, int32_t *ret_s)
{
    bool negative = take_char(s, '-');
    int32_t hours, minutes = 0, seconds = 0;

    if (!negative)
        (void)take_char(s, '+');
    if (!take_number(s, hours_max, &hours))
        return false;
    if (take_char(s, ':')) {
        if (!take_number(s, 59, &minutes))
            return false;
        if (take_char(s, ':') && !take_number(s, 59, &seconds))
            return false;
    }
    *ret_s = (hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
    return true;
}

static bool take_abbreviation(struct str *s)
{
    if (take_char(s, '<')) {
        const char *end = s->n ? memchr(s->p, '>', s->n) : NULL;

        if (!end)
            return false;
        size_t n = (size_t)(end - s->p);

        s->p += n + 1, s->n -= n + 1;
        return n >= 3;
    }
    size_t n = 0;

    for (; s->n && (unsigned char)((s->p[0] | 0x20) - 'a') < 26; s->p++, s->n--)
        n++;
    return n >= 3;
}

static bool take_rule(struct str *s, struct rule_date *ret)
{
    *ret = (struct rule_date){.kind = '0', .time_s = 2 * 3600};
    if (take_char(s, 'M')) {
        ret->kind = 'M';
        if (!take_number(s, 12, &ret->month) || ret->month < 1 || !take_char(s, '.') ||
            !take_number(s, 5, &ret->week) || ret->week < 1 || !take_char(s, '.') ||
            !take_number(s, 6, &ret->day))
            return false;
    } else {
        if (take_char(s, 'J'))
            ret->kind = 'J';
        if (!take_number(s, 365, &ret->day) || (ret->kind == 'J' && ret->day < 1))
            return false;
    }
    return !take_char(s, '/') || take_time(s, 167, &ret->time_s);
}

static bool footer_parse(struct str s, struct footer *ret)
{
    struct footer f = {.given = true};

    *ret = (struct footer){0};
    if (s.n == 0)
        return true;
    if (!take_abbreviation(&s) || !take_time(&s, 24, &f.std_s))
        return false;
    f.std_s = -f.std_s; /* POSIX counts westwards */
    if (s.n) {
        f.has_dst = true;
        f.dst_s = f.std_s + 3600;
        if (!take_abbreviation(&s))
            return false;
        if (s.n && s.p[0] != ',') {
            if (!take_time(&s, 24, &f.dst_s))
                return false;
            f.dst_s = -f.dst_s;
        }
        if (!take_char(&s, ',') || !take_rule(&s, &f.start) || !take_char(&s, ',') ||
            !take_rule(&s, &f.end))
            return false;
    }
    if (s.n)
        return false;
    *ret = f;
    return true;
}

/* Seconds of that year's local wall clock at which the rule strikes, counted from 1970. */
static int64_t rule_local_s(const struct rule_date *r, int32_t year)
{
    int64_t jan1 = civil_epoch_day(year, 1, 1), day;

    if (r->kind == 'J') { /* 1..365, 29 February is never counted */
        bool leap = civil_epoch_day(year, 3, 1) - jan1 == 60;

        day = jan1 + r->day - 1 + (leap && r->day >= 60);
    } else if (r->kind == '0') {
        day = jan1 + r->day;
    } else {
        int32_t first = civil_epoch_day(year, r->month, 1);
        int32_t next = r->month == 12 ? civil_epoch_day(year + 1, 1, 1)
                                      : civil_epoch_day(year, r->month + 1, 1);
        int32_t weekday = (int32_t)(first + 4 - floor_div(first + 4, 7) * 7);

        day = first + (r->day - weekday + 7) % 7 + (r->week - 1) * 7;
        while (day >= next) /* week 5: the last */
            day -= 7;
    }
    return day * 86400 + r->time_s;
}

/* The two changes of a year, in the order of their time. */
static void footer_changes(const struct footer *f, int32_t year, struct change ret[2])
{
    struct change start = {rule_local_s(&f->start, year) - f->std_s, f->dst_s, year};
    struct change end = {rule_local_s(&f->end, year) - f->dst_s, f->std_s, year};
    bool start_first = start.at < end.at;

    ret[0] = start_first ? start : end;
    ret[1] = start_first ? end : start;
}

static int32_t footer_offset_s(const struct footer *f, int64_t seconds)
{
    if (!f->has_dst)
        return f->std_s;
    int64_t day = floor_div(seconds, 86400);
    int32_t year, month, of_month;
    struct change latest = {INT64_MIN, f->std_s, 0};

    if (day > INT32_MAX / 2 || day < INT32_MIN / 2)
        return f->std_s;
    civil_from_day((int32_t)day, &year, &month, &of_month);
    /* A rule's time may reach into the year before or after. At a tie the later year's rule holds:
     * that is how "summer time all year" is written. */
    for (int32_t y = year - 1; y <= year + 1; y++) {
        struct change c[2];

        footer_changes(f, y, c);
        for (int i = 0; i < 2; i++)
            if (c[i].at <= seconds && c[i].at >= latest.at)
                latest = c[i];
    }
    return latest.offset_s;
}

/* ---- looking up ---- */

static int32_t offset_at_s(const struct zone *z, int64_t seconds)
{
    if (z->count == 0)
        return z->footer.given ? footer_offset_s(&z->footer, seconds) : z->first_offset_s;
    if (seconds >= z->at[z->count - 1])
        return z->footer.given ? footer_offset_s(&z->footer, seconds) : z->offset_s[z->count - 1];

    int64_t bucket = (seconds - BUCKET_START) >> BUCKET_BITS;
    int32_t i;

    if (seconds >= BUCKET_START && bucket < BUCKETS) {
        for (i = z->bucket[bucket]; z->at[i] <= seconds;)
            i++; /* ends: seconds is before the last change */
    } else {
        int32_t low = 0, high = z->count; /* changes at or before `seconds` */

        while (low < high) {
            int32_t mid = low + (high - low) / 2;

            if (z->at[mid] <= seconds)
                low = mid + 1;
            else
                high = mid;
        }
        i = low;
    }
    return i == 0 ? z->first_offset_s : z->offset_s[i - 1];
}

int32_t zone_offset_s(const struct zone *z, int64_t t_us)
{
    return z == &utc ? 0 : offset_at_s(z, floor_div(t_us, US_PER_S));
}

/* The offset on both sides of a local time; a change lies between when they differ. */
struct sides {
    int64_t by_before, by_after; /* the instant, were that offset the one */
    bool before_holds, after_holds;
};

static struct sides sides_of(const struct zone *z, int64_t local)
{
    int32_t before = offset_at_s(z, local - 86400), after = offset_at_s(z, local + 86400);
    struct sides s = {.by_before = local - before, .by_after = local - after};

    s.before_holds = offset_at_s(z, s.by_before) == before;
    s.after_holds = offset_at_s(z, s.by_after) == after;
    return s;
}

int64_t civil_to_us(const struct zone *z, int32_t epoch_day, int32_t second_of_day)
{
    struct sides s = sides_of(z, (int64_t)epoch_day * 86400 + second_of_day);

    /* In a gap the clock that ran before is read on: the time comes out shifted by the gap. */
    return (s.before_holds || !s.after_holds ? s.by_before : s.by_after) * US_PER_S;
}

int64_t civil_day_start(const struct zone *z, int32_t epoch_day)
{
    struct sides s = sides_of(z, (int64_t)epoch_day * 86400);

    if (s.before_holds || s.after_holds)
        return (s.before_holds ? s.by_before : s.by_after) * US_PER_S;
    /* Midnight fell into the gap: the change itself is the first instant. */
    int64_t low = s.by_after, high = s.by_before;
    int32_t after = offset_at_s(z, high);

    while (low + 1 < high) {
        int64_t mid = low + (high - low) / 2;

        if (offset_at_s(z, mid) == after)
            high = mid;
        else
            low = mid;
    }
    return high * US_PER_S;
}

/* ---- the file ---- */

static uint32_t be32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t be64(const char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool take_header(struct str *s, char *ret_version, struct counts *ret)
{
    if (s->n < HEADER_BYTES || memcmp(s->p, "TZif", 4) != 0)
        return false;
    *ret_version = s->p[4];
    *ret = (struct counts){.isut = be32(s->p + 20),
                           .isstd = be32(s->p + 24),
                           .leap = be32(s->p + 28),
                           .time = be32(s->p + 32),
                           .type = be32(s->p + 36),
                           .chars = be32(s->p + 40)};
    s->p += HEADER_BYTES, s->n -= HEADER_BYTES;
    return true;
}

static bool take_bytes(struct str *s, uint64_t n, const char **ret)
{
    if (n > s->n)
        return false;
    *ret = s->p;
    s->p += n, s->n -= n;
    return true;
}

static uint64_t data_bytes(const struct counts *c, uint64_t time_size)
{
    return c->time * (time_size + 1) + c->type * UINT64_C(6) + c->chars +
           c->leap * (time_size + 4) + c->isstd + (uint64_t)c->isut;
}

/* Appends unless the change says nothing new. */
static void add_change(struct zone *z, int64_t at, int32_t offset_s)
{
    int32_t current = z->count ? z->offset_s[z->count - 1] : z->first_offset_s;

    if (offset_s == current)
        return;
    z->at[z->count] = at;
    z->offset_s[z->count++] = offset_s;
}

static enum err read_table(struct zone *z, const struct counts *c, struct str *s,
                           struct arena *arena, int64_t *ret_last)
{
    const char *times, *indexes, *types, *rest;

    if (c->time > TRANSITIONS_MAX || c->type == 0 || c->type > 256 || c->leap != 0 ||
        !take_bytes(s, c->time * UINT64_C(8), &times) || !take_bytes(s, c->time, &indexes) ||
        !take_bytes(s, c->type * UINT64_C(6), &types) ||
        !take_bytes(s, (uint64_t)c->chars + c->isstd + c->isut, &rest))
        return ERR_SYNTAX;
    for (uint32_t i = 0; i < c->type; i++) {
        int32_t offset = (int32_t)be32(types + i * 6);

        if (offset < -OFFSET_MAX_S || offset > OFFSET_MAX_S)
            return ERR_SYNTAX;
    }
    size_t room = c->time + 2 * (size_t)(YEAR_END - 1800);

    z->first_offset_s = (int32_t)be32(types);
    z->at = arena_new(arena, int64_t, room);
    z->offset_s = arena_new(arena, int32_t, room);
    if (!z->at || !z->offset_s)
        return ERR_NOMEM;
    *ret_last = c->time ? be64(times + (c->time - 1) * 8) : INT64_MIN;
    for (uint32_t i = 0; i < c->time; i++) {
        unsigned type = (unsigned char)indexes[i];
        int64_t at = be64(times + i * 8);

        if (type >= c->type || (i > 0 && at <= be64(times + (i - 1) * 8)))
            return ERR_SYNTAX;
        add_change(z, at, (int32_t)be32(types + type * 6));
    }
    return ERR_OK;
}

/* The footer's changes after `last`, to YEAR_END. */
static void extend(struct zone *z, int64_t last)
{
    int64_t day = floor_div(last, 86400);
    int32_t year = 1801, month, of_month;

    if (!z->footer.has_dst || day >= civil_epoch_day(YEAR_END, 1, 1))
        return;
    if (day > civil_epoch_day(1801, 1, 2))
        civil_from_day((int32_t)day, &year, &month, &of_month);
    for (int32_t y = year; y < YEAR_END; y++) {
        struct change c[2];

        footer_changes(&z->footer, y, c);
        for (int i = 0; i < 2; i++)
            if (c[i].at > last)
                add_change(z, c[i].at, c[i].offset_s);
    }
}

static void index_make(struct zone *z)
{
    int32_t i = 0;

    for (int32_t b = 0; b < BUCKETS; b++) {
        int64_t start = BUCKET_START + ((int64_t)b << BUCKET_BITS);

        while (i < z->count && z->at[i] <= start)
            i++;
        z->bucket[b] = i;
    }
}

static enum err read_footer(struct zone *z, struct str s)
{
    const char *end;

    if (!take_char(&s, '\n'))
        return ERR_SYNTAX;
    end = s.n ? memchr(s.p, '\n', s.n) : NULL;
    if (!end || !footer_parse((struct str){s.p, (size_t)(end - s.p)}, &z->footer))
        return ERR_SYNTAX;
    return ERR_OK;
}

enum err zone_from_tzif(struct str name, struct str bytes, struct arena *arena,
                        const struct zone **ret)
{
    struct counts c;
    char version;
    const char *skipped;

    if (name.n > NAME_MAX_BYTES || !take_header(&bytes, &version, &c) || version < '2' ||
        !take_bytes(&bytes, data_bytes(&c, 4), &skipped) || !take_header(&bytes, &version, &c))
        return ERR_SYNTAX;
    struct zone *z = arena_new(arena, struct zone, 1);

    if (!z)
        return ERR_NOMEM;
    if (name.n)
        memcpy(z->name, name.p, name.n);
    z->name_n = name.n;
    int64_t last;
    enum err e = read_table(z, &c, &bytes, arena, &last);

    if (e == ERR_OK)
        e = read_footer(z, bytes);
    if (e != ERR_OK)
        return e;
    extend(z, last);
    index_make(z);
    *ret = z;
    return ERR_OK;
}

/* ---- the cache ---- */

static struct {
    _Atomic(const struct zone *) slots[CACHE_SLOTS]; /* filled once, never emptied: read freely */
    pthread_mutex_t lock;                            /* guards what follows */
    struct arena arena;
    int32_t count;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER, .arena = {.cap = CACHE_ARENA_MAX}};

static bool is_zone_name(struct str s)
{
    if (s.n == 0 || s.n > NAME_MAX_BYTES || s.p[0] == '/')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        /* The file system would take "Europe//Berlin" for one more zone, and fill the cache. */
        if (c == '/' && (i + 1 == s.n || s.p[i + 1] == '/'))
            return false;
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '_' || c == '/' || c == '-'))
            return false;
    }
    return true;
}

static uint32_t name_hash(struct str s)
{
    uint32_t h = 2166136261u; /* FNV-1a; the names are those of files, not of clients */

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 16777619u;
    return h;
}

/* The zone, or NULL; *ret_slot is where it would stand. */
static const struct zone *cached(struct str name, uint32_t *ret_slot)
{
    for (uint32_t i = name_hash(name) % CACHE_SLOTS;; i = (i + 1) % CACHE_SLOTS) {
        const struct zone *z = atomic_load_explicit(&cache.slots[i], memory_order_acquire);

        if (!z || str_eq(zone_name(z), name)) {
            *ret_slot = i;
            return z;
        }
    }
}

/* The file's bytes, in memory the caller frees. */
static enum err read_file(struct str name, char **ret, size_t *ret_n)
{
    const char *dir = getenv("TZDIR");
    char path[1024];
    int n = snprintf(path, sizeof path, "%s/" STR_FMT, dir && *dir ? dir : "/usr/share/zoneinfo",
                     STR_ARG(name));
    int fd = n < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    struct stat st;
    char *bytes = NULL;
    size_t got = 0;

    if (fd < 0)
        return ERR_NOT_FOUND;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX_BYTES)
        bytes = malloc((size_t)st.st_size + 1);
    while (bytes && got < (size_t)st.st_size) {
        ssize_t r = read(fd, bytes + got, (size_t)st.st_size - got);

        if (r <= 0)
            break;
        got += (size_t)r;
    }
    close(fd);
    if (!bytes)
        return ERR_NOT_FOUND;
    *ret = bytes;
    *ret_n = got;
    return ERR_OK;
}

static enum err load(struct str name, uint32_t slot, const struct zone **ret)
{
    struct arena scratch;
    char *bytes;
    size_t n;

    if (cache.count == ZONES_MAX)
        return ERR_BUSY;
    enum err e = read_file(name, &bytes, &n);

    if (e != ERR_OK)
        return e;
    /* Twice: a file that turns out to be no zone ("right/UTC") may be asked for again and again,
     * and must leave nothing in memory that lives as long as the process. */
    arena_init(&scratch, CACHE_ARENA_MAX);
    e = zone_from_tzif(name, (struct str){bytes, n}, &scratch, ret);
    arena_fini(&scratch);
    if (e == ERR_OK)
        e = zone_from_tzif(name, (struct str){bytes, n}, &cache.arena, ret);
    free(bytes);
    if (e != ERR_OK)
        return e == ERR_NOMEM ? ERR_BUSY : ERR_NOT_FOUND;
    atomic_store_explicit(&cache.slots[slot], *ret, memory_order_release);
    cache.count++;
    return ERR_OK;
}

enum err zone_get(struct str name, const struct zone **ret)
{
    uint32_t slot;
    const struct zone *z;
    enum err e = ERR_OK;

    if (!is_zone_name(name))
        return ERR_SYNTAX;
    z = str_eq(name, STR("UTC")) ? &utc : cached(name, &slot);
    if (!z) {
        pthread_mutex_lock(&cache.lock);
        z = cached(name, &slot);
        if (!z)
            e = load(name, slot, &z);
        pthread_mutex_unlock(&cache.lock);
    }
    if (e != ERR_OK)
        return e;
    *ret = z;
    return ERR_OK;
}
