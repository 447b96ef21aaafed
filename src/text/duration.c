#include "text/duration.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/must.h"
#include "text/utf8.h"

static const struct duration_unit {
        const char *name;
        int64_t ms;
} duration_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

enum {
        PARTS_MAX = 4,
        DIGITS_MAX = 5
};

static bool refuse(struct slice text, const char *why, struct error *err)
{
        char shown[UTF8_SHOWN_SIZE];
        return error_set(err, ERROR_INPUT, "\"%s\" is no duration such as 10s or 1h30m (%s)",
                         utf8_show(text, shown), why);
}

/* The bytes at the front of s that are digits, or that are none. */
static size_t run_of(struct slice s, bool digits)
{
        size_t len = 0;
        while (len < s.len && (s.data[len] >= '0' && s.data[len] <= '9') == digits)
                len++;
        return len;
}

static int64_t unit_ms(struct slice name)
{
        for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
                if (slice_is(name, duration_units[i].name))
                        return duration_units[i].ms;
        }
        return 0;
}

bool duration_parse(struct slice text, int64_t *duration_ms, struct error *err)
{
        int64_t sum = 0;
        struct slice rest = text;
        if (text.len == 0)
                return refuse(text, "it is empty", err);
        for (int part = 0; rest.len > 0; part++) {
                size_t digits = run_of(rest, true);
                uint64_t count;
                if (part == PARTS_MAX)
                        return refuse(text, "it has more than four parts", err);
                if (digits > DIGITS_MAX)
                        return refuse(text, "a number has more than five digits", err);
                if (!slice_to_u64(slice_sub(rest, 0, digits), 99999, &count))
                        return refuse(text, "a part does not start with a digit", err);
                rest = slice_skip(rest, digits);
                size_t letters = run_of(rest, false);
                int64_t ms = unit_ms(slice_sub(rest, 0, letters));
                if (ms == 0)
                        return refuse(text, "the units are h, m, s and ms", err);
                rest = slice_skip(rest, letters);
                sum += (int64_t)count * ms;
        }
        if (sum > DURATION_MS_MAX)
                return refuse(text, "it is longer than 99999h59m59s999ms", err);
        *duration_ms = sum;
        return true;
}

const char *duration_print(int64_t duration_ms, char out[static DURATION_SIZE])
{
        must(duration_ms >= 0 && duration_ms <= DURATION_MS_MAX);
        size_t len = 0;
        snprintf(out, DURATION_SIZE, "0s");
        for (size_t i = 0; i < COUNT_OF(duration_units); i++) {
                int count = (int)(duration_ms / duration_units[i].ms);
                duration_ms %= duration_units[i].ms;
                if (count > 0)
                        len += (size_t)snprintf(out + len, DURATION_SIZE - len, "%d%s", count,
                                                duration_units[i].name);
        }
        return out;
}
