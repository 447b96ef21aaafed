#include "base/slice.h"

#include <string.h>

struct slice slice_of(const char *text)
{
        return (struct slice){text, text ? strlen(text) : 0};
}

struct slice slice_from(const void *data, size_t len)
{
        return (struct slice){data, len};
}

struct slice slice_put(char **at, struct slice s)
{
        struct slice copy = slice_from(*at, s.len);
        if (s.len > 0)
                memcpy(*at, s.data, s.len);
        *at += s.len;
        return copy;
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
        if (a.len != b.len)
                return false;
        for (size_t i = 0; i < a.len; i++) {
                if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
                        return false;
        }
        return true;
}

bool slice_starts_with(struct slice s, struct slice prefix)
{
        return s.len >= prefix.len && slice_equal(slice_sub(s, 0, prefix.len), prefix);
}

bool slice_ends_with(struct slice s, struct slice suffix)
{
        return s.len >= suffix.len && slice_equal(slice_skip(s, s.len - suffix.len), suffix);
}

int slice_compare(struct slice a, struct slice b)
{
        size_t common = a.len < b.len ? a.len : b.len;
        int order = common ? memcmp(a.data, b.data, common) : 0;
        if (order != 0)
                return order;
        return a.len < b.len ? -1 : a.len > b.len;
}

size_t slice_find(struct slice s, char byte)
{
        const char *at = s.len ? memchr(s.data, byte, s.len) : NULL;
        return at ? (size_t)(at - s.data) : s.len;
}

struct slice slice_sub(struct slice s, size_t from, size_t len)
{
        s = slice_skip(s, from);
        if (s.len > len)
                s.len = len;
        return s;
}

struct slice slice_skip(struct slice s, size_t count)
{
        if (count > s.len)
                count = s.len;
        return (struct slice){s.data ? s.data + count : NULL, s.len - count};
}

struct slice slice_trim(struct slice s)
{
        while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
                s = slice_skip(s, 1);
        while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
                s.len--;
        return s;
}

bool slice_split(struct slice *rest, char byte, struct slice *part)
{
        if (!rest->data)
                return false;
        size_t at = slice_find(*rest, byte);
        *part = slice_sub(*rest, 0, at);
        *rest = at < rest->len ? slice_skip(*rest, at + 1) : SLICE_NONE;
        return true;
}

struct slice slice_decimal(char digits[static DECIMAL_MAX], uint64_t number)
{
        size_t at = DECIMAL_MAX;
        do {
                digits[--at] = (char)('0' + number % 10);
                number /= 10;
        } while (number > 0);
        return slice_from(digits + at, DECIMAL_MAX - at);
}

bool slice_to_u64(struct slice s, uint64_t max, uint64_t *out)
{
        uint64_t value = 0;
        if (s.len == 0)
                return false;
        for (size_t i = 0; i < s.len; i++) {
                if (s.data[i] < '0' || s.data[i] > '9')
                        return false;
                uint64_t digit = (uint64_t)(s.data[i] - '0');
                if (digit > max || value > (max - digit) / 10)
                        return false;
                value = value * 10 + digit;
        }
        *out = value;
        return true;
}
