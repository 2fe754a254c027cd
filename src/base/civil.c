/* civil - days, weeks and their text. Zones are in zone.c. */
#include "base/civil.h"

#include "base/assert.h"

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Counted from 1 March of year 0 in eras of 400 years (146097 days): the leap day comes last, and
 * five months are always 153 days. */
static int64_t days_from(int64_t year, int64_t month, int64_t day)
{
    int64_t y = year - (month <= 2), era = floor_div(y, 400), year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

int32_t civil_epoch_day(int32_t year, int32_t month, int32_t day)
{
    return (int32_t)days_from(year, month, day);
}

void civil_from_day(int32_t epoch_day, int32_t *year, int32_t *month, int32_t *day)
{
    int64_t z = (int64_t)epoch_day + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = (int32_t)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int32_t)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int32_t)(yoe + era * 400 + (*month <= 2));
}

static int32_t weekday_of(int64_t epoch_day)
{
    return (int32_t)(epoch_day + 4 - floor_div(epoch_day + 4, 7) * 7); /* 1970-01-01: a Thursday */
}

void civil_iso_week(int32_t epoch_day, int32_t *ret_year, int32_t *ret_week)
{
    /* The week belongs to the year of its Thursday. */
    int64_t thursday = (int64_t)epoch_day - (weekday_of(epoch_day) + 6) % 7 + 3;
    int32_t year, month, day;

    civil_from_day((int32_t)thursday, &year, &month, &day);
    *ret_year = year;
    *ret_week = (int32_t)((thursday - days_from(year, 1, 1)) / 7 + 1);
}

struct civil civil_at(const struct zone *z, int64_t t_us)
{
    int32_t offset = zone_offset_s(z, t_us);
    int64_t seconds = floor_div(t_us, US_PER_S), local = seconds + offset;
    int64_t days = floor_div(local, 86400);
    int32_t of_day = (int32_t)(local - days * 86400);
    struct civil c = {.hour = of_day / 3600,
                      .minute = of_day / 60 % 60,
                      .second = of_day % 60,
                      .us = (int32_t)(t_us - seconds * US_PER_S),
                      .weekday = weekday_of(days),
                      .epoch_day = (int32_t)days,
                      .offset_s = offset};

    civil_from_day(c.epoch_day, &c.year, &c.month, &c.day);
    return c;
}

/* ---- text ---- */

static bool take_digits(struct str *s, size_t n, int32_t *ret)
{
    int32_t v = 0;

    if (s->n < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned char)s->p[i] - '0';

        if (digit > 9)
            return false;
        v = v * 10 + (int32_t)digit;
    }
    s->p += n, s->n -= n;
    *ret = v;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    s->p++, s->n--;
    return true;
}

static bool is_date(int32_t year, int32_t month, int32_t day)
{
    static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (month == 2 && leap);
}

static enum err take_date(struct str *s, int32_t *ret_day)
{
    int32_t year, month, day;

    if (!take_digits(s, 4, &year) || !take_char(s, '-') || !take_digits(s, 2, &month) ||
        !take_char(s, '-') || !take_digits(s, 2, &day))
        return ERR_SYNTAX;
    *ret_day = is_date(year, month, day) ? civil_epoch_day(year, month, day) : INT32_MIN;
    return ERR_OK;
}

enum err date_parse(struct str s, int32_t *ret_epoch_day)
{
    int32_t day;

    if (take_date(&s, &day) != ERR_OK || s.n)
        return ERR_SYNTAX;
    if (day == INT32_MIN)
        return ERR_RANGE;
    *ret_epoch_day = day;
    return ERR_OK;
}

/* ".123": 1 to 9 digits, or nothing */
static bool take_fraction(struct str *s, int32_t *ret_us)
{
    int32_t us = 0;
    int digits = 0;

    *ret_us = 0;
    if (!take_char(s, '.'))
        return true;
    for (; s->n && (unsigned char)(s->p[0] - '0') <= 9; s->p++, s->n--, digits++)
        if (digits < 6)
            us = us * 10 + (s->p[0] - '0');
    for (int i = digits; i < 6; i++)
        us *= 10;
    *ret_us = us;
    return digits >= 1 && digits <= 9;
}

/* Z, z, +hh:mm or -hh:mm; fields beyond 23:59 are told by *ret_s = INT32_MAX. */
static bool take_offset(struct str *s, int32_t *ret_s)
{
    int32_t hours, minutes;

    *ret_s = 0;
    if (take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    bool west = take_char(s, '-');

    if ((!west && !take_char(s, '+')) || !take_digits(s, 2, &hours) || !take_char(s, ':') ||
        !take_digits(s, 2, &minutes))
        return false;
    *ret_s =
        hours > 23 || minutes > 59 ? INT32_MAX : (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

enum err time_parse(struct str s, int64_t *ret_us)
{
    int32_t day, hour, minute, second, us, offset;

    if (take_date(&s, &day) != ERR_OK || (!take_char(&s, 'T') && !take_char(&s, 't')) ||
        !take_digits(&s, 2, &hour) || !take_char(&s, ':') || !take_digits(&s, 2, &minute) ||
        !take_char(&s, ':') || !take_digits(&s, 2, &second) || !take_fraction(&s, &us) ||
        !take_offset(&s, &offset) || s.n)
        return ERR_SYNTAX;
    if (day == INT32_MIN || hour > 23 || minute > 59 || second > 60 || offset == INT32_MAX)
        return ERR_RANGE;

    bool leap = second == 60;
    int64_t t = (int64_t)day * 86400 + hour * 3600 + minute * 60 + (leap ? 59 : second) - offset;

    if (leap && t - floor_div(t, 86400) * 86400 != 86399)
        return ERR_RANGE; /* leap seconds end a UTC day */
    if (t < days_from(1, 1, 1) * 86400 || t >= days_from(10000, 1, 1) * 86400)
        return ERR_RANGE;
    *ret_us = t * US_PER_S + (leap ? 999999 : us);
    return ERR_OK;
}

static void put_digits(char *at, int32_t v, int n)
{
    while (n--)
        at[n] = (char)('0' + v % 10), v /= 10;
}

int date_print(int32_t epoch_day, char out[DATE_TEXT_MAX])
{
    int32_t year, month, day;

    civil_from_day(epoch_day, &year, &month, &day);
    if (year < 0 || year > 9999)
        return snprintf(out, DATE_TEXT_MAX, "%d-%02d-%02d", year, month, day);
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    out[4] = out[7] = '-';
    out[10] = '\0';
    return 10;
}

int time_print(int64_t t_us, char out[TIME_TEXT_MAX])
{
    int64_t ms = floor_div(t_us, US_PER_MS), days = floor_div(ms, 86400000);
    int32_t of_day = (int32_t)(ms - days * 86400000);
    int n = date_print((int32_t)days, out);

    memcpy(out + n, "T00:00:00.000Z", 15);
    put_digits(out + n + 1, of_day / 3600000, 2);
    put_digits(out + n + 4, of_day / 60000 % 60, 2);
    put_digits(out + n + 7, of_day / 1000 % 60, 2);
    put_digits(out + n + 10, of_day % 1000, 3);
    return n + 14;
}
