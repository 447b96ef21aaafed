#include "route/query.h"

/* Takes one byte, decoded, off the front of *raw. */
static char take(struct slice *raw)
{
        char c = raw->data[0];
        size_t used = 1;
        if (c == '+')
                c = ' ';
        if (c == '%' && raw->len >= 3 && hex_value(raw->data[1]) >= 0 &&
            hex_value(raw->data[2]) >= 0) {
                c = (char)(hex_value(raw->data[1]) << 4 | hex_value(raw->data[2]));
                used = 3;
        }
        *raw = slice_skip(*raw, used);
        return c;
}

bool query_text_equal(struct slice raw, struct slice text)
{
        for (size_t i = 0; i < text.len; i++)
                if (raw.len == 0 || take(&raw) != text.data[i])
                        return false;
        return raw.len == 0;
}

bool query_text_decode(struct slice raw, char text[static QUERY_TEXT_MAX], size_t *len)
{
        *len = 0;
        while (raw.len > 0 && *len < QUERY_TEXT_MAX)
                text[(*len)++] = take(&raw);
        return raw.len == 0;
}

bool query_find(struct slice query, struct slice name, struct slice *raw)
{
        struct slice pair;
        while (slice_split(&query, '&', &pair)) {
                size_t equals = slice_find(pair, '=');
                if (!query_text_equal(slice_sub(pair, 0, equals), name))
                        continue;
                *raw = slice_skip(pair, equals + 1);
                return true;
        }
        return false;
}
