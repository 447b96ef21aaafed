#include "text/base64.h"

#include "base/must.h"

static int value_of(char c, unsigned form)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == (form & BASE64_URL ? '-' : '+'))
                return 62;
        if (c == (form & BASE64_URL ? '_' : '/'))
                return 63;
        return -1;
}

size_t base64_decoded_max(size_t text_len)
{
        return text_len / 4 * 3 + 3;
}

static bool refuse_character(struct slice text, size_t at, unsigned form, struct error *err)
{
        unsigned char c = (unsigned char)text.data[at];
        const char *alphabet = form & BASE64_URL ? "base64url" : "base64";
        if (c > ' ' && c < 0x7f)
                return error_set(err, ERROR_INPUT, "not %s (character %zu is '%c')", alphabet,
                                 at + 1, c);
        return error_set(err, ERROR_INPUT, "not %s (byte %zu is 0x%02x)", alphabet, at + 1, c);
}

/* What may follow `count` characters of data: so many `=` and no more, and no bits left over. */
static bool end_is_good(size_t count, size_t padding, unsigned form, struct error *err)
{
        size_t wanted = form & BASE64_BARE ? 0 : (4 - count % 4) % 4;
        if (count % 4 == 1)
                return error_set(err, ERROR_INPUT, "not base64 (it is cut short: %zu characters)",
                                 count);
        if (padding != wanted)
                return error_set(err, ERROR_INPUT, "not base64 (%zu '=' at the end, wants %zu)",
                                 padding, wanted);
        return true;
}

bool base64_decode(struct slice text, unsigned form, unsigned char *out, size_t *out_len,
                   struct error *err)
{
        uint32_t bits = 0;
        size_t count = 0, padding = 0, len = 0;
        for (size_t at = 0; at < text.len; at++) {
                char c = text.data[at];
                if ((form & BASE64_LINES) && (c == '\n' || c == '\r'))
                        continue;
                if (c == '=' && padding < 2) {
                        padding++;
                        continue;
                }
                int value = value_of(c, form);
                if (value < 0 || padding > 0)
                        return refuse_character(text, at, form, err);
                bits = bits << 6 | (uint32_t)value;
                if (++count % 4 != 1)
                        out[len++] = (unsigned char)(bits >> (6 - 2 * ((count - 1) % 4)));
        }
        if (!end_is_good(count, padding, form, err))
                return false;
        uint32_t left_over = count % 4 == 2 ? 15 : count % 4 == 3 ? 3 : 0;
        if (bits & left_over)
                return error_set(err, ERROR_INPUT,
                                 "not base64 (bits behind the last byte are not zero)");
        *out_len = len;
        return true;
}

bool base64_decode_new(struct arena *arena, struct slice text, unsigned form, struct slice *bytes,
                       struct error *err)
{
        unsigned char *out = arena_alloc(arena, base64_decoded_max(text.len) + 1);
        size_t len;
        if (!base64_decode(text, form, out, &len, err))
                return false;
        out[len] = '\0';
        *bytes = slice_from(out, len);
        return true;
}

size_t base64_encoded_len(size_t bytes_len, unsigned form)
{
        static const size_t bare_rest[] = {0, 2, 3};
        size_t rest = bytes_len % 3;
        if (form & BASE64_BARE)
                return bytes_len / 3 * 4 + bare_rest[rest];
        return (bytes_len + 2) / 3 * 4;
}

static void encode(struct slice bytes, unsigned form, char *out)
{
        static const char standard[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        static const char url[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const char *alphabet = form & BASE64_URL ? url : standard;
        const unsigned char *at = (const unsigned char *)bytes.data;
        for (size_t left = bytes.len; left > 0;) {
                size_t taken = left < 3 ? left : 3;
                uint32_t bits = (uint32_t)at[0] << 16;
                bits |= taken > 1 ? (uint32_t)at[1] << 8 : 0;
                bits |= taken > 2 ? (uint32_t)at[2] : 0;
                for (size_t i = 0; i < 4; i++) {
                        if (i <= taken)
                                *out++ = alphabet[bits >> (18 - 6 * i) & 63];
                        else if (!(form & BASE64_BARE))
                                *out++ = '=';
                }
                at += taken;
                left -= taken;
        }
}

bool base64_encode(struct slice bytes, unsigned form, struct buffer *out)
{
        size_t len = base64_encoded_len(bytes.len, form);
        char *room = buffer_reserve(out, len);
        if (!room)
                return false;
        encode(bytes, form, room);
        out->len += len;
        return true;
}

struct slice base64_encode_new(struct arena *arena, struct slice bytes, unsigned form)
{
        size_t len = base64_encoded_len(bytes.len, form);
        char *out = arena_alloc(arena, len + 1);
        encode(bytes, form, out);
        return slice_from(out, len);
}
