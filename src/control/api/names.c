#include "control/api/names.h"

#include <string.h>

#include "trust/hash.h"

enum {
        HASH_CHARACTERS = 10
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
