#include "text/time.h"

#include <stdio.h>

#include "text/utf8.h"

enum {
        DAY_S = 86400
};
static const int64_t first_moment_s = -62135596800; /* 0001-01-01T00:00:00Z */
static const int64_t last_moment_s = 253402300799;  /* 9999-12-31T23:59:59Z */

struct civil {
        int64_t year;
        int month, day;
};

/* Days since 1970-01-01 in the proleptic Gregorian calendar; years are counted from March, so that
 * the leap day is a year's last. */
static int64_t days_of(struct civil c)
{
        int64_t year = c.month > 2 ? c.year : c.year - 1;
        int64_t month = c.month > 2 ? c.month - 3 : c.month + 9;
        int64_t day_of_year = (153 * month + 2) / 5 + c.day - 1;
        return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

/* The reverse, for days from 0001-01-01 on. */
static struct civil civil_of(int64_t days)
{
        days += 719468; /* since 0000-03-01 */
        int64_t era = days / 146097, day_of_era = days % 146097;
        int64_t year_of_era =
                (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int64_t day_of_year =
                day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int month = (int)((5 * day_of_year + 2) / 153);
        int day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
        month = month < 10 ? month + 3 : month - 9;
        return (struct civil){era * 400 + year_of_era + (month <= 2), month, day};
}

static int days_in_month(int64_t year, int month)
{
        static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        return days[month - 1] + (month == 2 && leap);
}

/* Takes text of the given shape off the front of *rest: a `0` in it is any digit, which adds to the
 * next number, everything else stands for itself (letters in either case). */
static bool take(struct slice *rest, const char *shape, int *numbers)
{
        struct slice s = *rest;
        int number = 0, count = 0;
        for (; *shape; shape++, s = slice_skip(s, 1)) {
                if (s.len == 0)
                        return false;
                bool digit = s.data[0] >= '0' && s.data[0] <= '9';
                if (*shape == '0' ? !digit : ascii_lower(s.data[0]) != ascii_lower(*shape))
                        return false;
                number = digit ? number * 10 + (s.data[0] - '0') : 0;
                if (digit && shape[1] != '0')
                        numbers[count++] = number;
        }
        *rest = s;
        return true;
}

static bool take_fraction(struct slice *rest)
{
        if (rest->len == 0 || rest->data[0] != '.')
                return true;
        size_t len = 1;
        while (len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9')
                len++;
        *rest = slice_skip(*rest, len);
        return len > 1;
}

/* What has to be taken off the local time: "Z", "+01:00", "-08:00", and nothing behind it. */
static bool take_offset(struct slice rest, int *offset_s)
{
        int numbers[2] = {0, 0};
        bool west = rest.len > 0 && rest.data[0] == '-';
        if (!take(&rest, "Z", numbers) && !take(&rest, west ? "-00:00" : "+00:00", numbers))
                return false;
        *offset_s = (numbers[0] * 60 + numbers[1]) * (west ? -60 : 60);
        return rest.len == 0 && numbers[0] <= 23 && numbers[1] <= 59;
}

static bool refuse(struct slice text, const char *why, struct error *err)
{
        char shown[UTF8_SHOWN_SIZE];
        return error_set(err, ERROR_INPUT, "\"%s\" is no time such as 2026-11-01T00:00:00Z (%s)",
                         utf8_show(text, shown), why);
}

bool time_parse(struct slice text, int64_t *unix_s, struct error *err)
{
        struct slice rest = text;
        int n[6], offset_s;
        if (!take(&rest, "0000-00-00T00:00:00", n) || !take_fraction(&rest))
                return refuse(text, "it is not in the form of RFC 3339", err);
        if (!take_offset(rest, &offset_s))
                return refuse(text, "it must end in Z or an offset such as +01:00", err);
        if (n[0] < 1 || n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > days_in_month(n[0], n[1]))
                return refuse(text, "there is no such day", err);
        if (n[3] > 23 || n[4] > 59 || n[5] > 60)
                return refuse(text, "there is no such time of day", err);
        int64_t seconds = days_of((struct civil){n[0], n[1], n[2]}) * DAY_S + n[3] * 3600 +
                          n[4] * 60 + n[5] - offset_s;
        if (seconds < first_moment_s || seconds > last_moment_s)
                return refuse(text, "the year must be 0001 to 9999 in UTC", err);
        /* A leap second ends a month of UTC, so what follows it is a month's first midnight. */
        if (n[5] == 60 && (seconds % DAY_S != 0 || civil_of(seconds / DAY_S).day != 1))
                return refuse(text, "there is no leap second here", err);
        *unix_s = seconds;
        return true;
}

/* Up to the seconds; gives the length. */
static size_t print_moment(int64_t unix_s, char out[static TIME_SIZE])
{
        int64_t days = (unix_s - first_moment_s) / DAY_S + first_moment_s / DAY_S;
        int second = (int)(unix_s - days * DAY_S);
        struct civil c = civil_of(days);
        return (size_t)snprintf(out, TIME_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d",
                                (int)c.year % 10000, c.month, c.day, second / 3600,
                                second / 60 % 60, second % 60);
}

const char *time_print(int64_t unix_s, char out[static TIME_SIZE])
{
        if (unix_s < first_moment_s)
                unix_s = first_moment_s;
        if (unix_s > last_moment_s)
                unix_s = last_moment_s;
        size_t len = print_moment(unix_s, out);
        snprintf(out + len, TIME_SIZE - len, "Z");
        return out;
}

const char *time_print_ms(int64_t unix_ms, char out[static TIME_SIZE])
{
        if (unix_ms < first_moment_s * 1000)
                unix_ms = first_moment_s * 1000;
        if (unix_ms > last_moment_s * 1000 + 999)
                unix_ms = last_moment_s * 1000 + 999;
        int ms = (int)((unix_ms - first_moment_s * 1000) % 1000);
        size_t len = print_moment((unix_ms - ms) / 1000, out);
        snprintf(out + len, TIME_SIZE - len, ".%03dZ", ms);
        return out;
}
