#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

enum {
        SHOWN_CHARACTER_SIZE = 12 /* \u{10ffff} and its NUL */
};

size_t utf8_next(struct slice s, uint32_t *character)
{
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        if (s.len == 0)
                return 0;
        unsigned char first = (unsigned char)s.data[0];
        size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || len > s.len)
                return 0;
        uint32_t value = len == 1 ? first : first & (0xffU >> (len + 1));
        for (size_t i = 1; i < len; i++) {
                unsigned char next = (unsigned char)s.data[i];
                if ((next & 0xc0) != 0x80)
                        return 0;
                value = value << 6 | (next & 0x3f);
        }
        if (value < smallest[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
                return 0;
        *character = value;
        return len;
}

/* Bytes at the front that are ASCII; whole words at a time, as most text is nothing else. */
static size_t ascii_run(struct slice s)
{
        size_t at = 0;
        for (; s.len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
                uint64_t word;
                memcpy(&word, s.data + at, sizeof(word));
                if (word & 0x8080808080808080U)
                        break;
        }
        while (at < s.len && (unsigned char)s.data[at] < 0x80)
                at++;
        return at;
}

bool utf8_valid(struct slice s)
{
        for (s = slice_skip(s, ascii_run(s)); s.len > 0; s = slice_skip(s, ascii_run(s))) {
                uint32_t character;
                size_t len = utf8_next(s, &character);
                if (len == 0)
                        return false;
                s = slice_skip(s, len);
        }
        return true;
}

bool utf8_is_visible(uint32_t c)
{
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                return false;
        if (c < 0x200e)
                return c != 0xad && c != 0x61c && c != 0x180e && c != 0x200b;
        if ((c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f))
                return false;
        if (c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f))
                return false;
        return (c & 0xfffe) != 0xfffe;
}

/* How the first character of s is shown, and how many bytes of s that are. */
static size_t show_next(struct slice s, char out[static SHOWN_CHARACTER_SIZE])
{
        static const char named[] = "\nn\rr\tt\"\"\\\\";
        uint32_t c;
        size_t len = utf8_next(s, &c);
        if (len == 0) {
                snprintf(out, SHOWN_CHARACTER_SIZE, "\\x%02x", (unsigned char)s.data[0]);
                return 1;
        }
        for (const char *name = named; *name; name += 2) {
                if (c == (unsigned char)*name) {
                        snprintf(out, SHOWN_CHARACTER_SIZE, "\\%c", name[1]);
                        return len;
                }
        }
        if (!utf8_is_visible(c)) {
                snprintf(out, SHOWN_CHARACTER_SIZE, "\\u{%x}", (unsigned)c);
                return len;
        }
        memcpy(out, s.data, len);
        out[len] = '\0';
        return len;
}

bool utf8_print(struct slice s, struct buffer *out)
{
        size_t start = out->len;
        while (s.len > 0) {
                char shown[SHOWN_CHARACTER_SIZE];
                s = slice_skip(s, show_next(s, shown));
                if (!buffer_append(out, slice_of(shown))) {
                        out->len = start;
                        return false;
                }
        }
        return true;
}

const char *utf8_show(struct slice s, char out[static UTF8_SHOWN_SIZE])
{
        static const char cut[] = "...";
        size_t len = 0;
        while (s.len > 0) {
                char shown[SHOWN_CHARACTER_SIZE];
                s = slice_skip(s, show_next(s, shown));
                size_t more = strlen(shown);
                if (len + more + sizeof(cut) > UTF8_SHOWN_SIZE) {
                        memcpy(out + len, cut, sizeof(cut));
                        return out;
                }
                memcpy(out + len, shown, more);
                len += more;
        }
        out[len] = '\0';
        return out;
}
