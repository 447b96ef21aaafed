#include "control/api/names.h"

#include <string.h>

#include "trust/hash.h"

enum {
        HASH_CHARACTERS = 16 /* 64 bits: of 40, a tenant finds a name that bears another's hash */
};

static bool may_stand(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_label(struct slice text)
{
        if (text.len == 0 || text.len > LABEL_MAX || text.data[0] == '-' ||
            text.data[text.len - 1] == '-')
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!may_stand(text.data[i]))
                        return false;
        return true;
}

bool name_looks_fitted(struct slice text)
{
        size_t behind = HASH_CHARACTERS + 1;
        struct slice end = slice_skip(text, text.len - (text.len < behind ? text.len : behind));
        bool looks = end.len == behind && end.data[0] == '-';
        for (size_t i = 1; looks && i < end.len; i++)
                looks = hex_value(end.data[i]) >= 0;
        return looks;
}

struct slice name_fit(struct arena *arena, struct slice text)
{
        if (is_label(text))
                return arena_slice(arena, text);
        struct digest digest = sha256(text);
        char hex[DIGEST_HEX_SIZE], kept[LABEL_MAX + 1];
        size_t len = 0;
        for (size_t i = 0; i < text.len && len < LABEL_MAX - 1 - HASH_CHARACTERS; i++) {
                char c = may_stand(text.data[i]) ? text.data[i] : '-';
                if (len > 0 || c != '-')
                        kept[len++] = c;
        }
        while (len > 0 && kept[len - 1] == '-')
                len--;
        return arena_printf(arena, "%.*s%s%.*s", (int)len, kept, len ? "-" : "", HASH_CHARACTERS,
                            digest_hex(&digest, hex));
}
