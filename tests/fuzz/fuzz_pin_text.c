#include "fuzz.h"
#include "trust/pin.h"

#include <string.h>

static void check_kind(struct slice text, enum pin_kind kind)
{
        struct digest digest, again;
        struct error err = {.text = ""};
        char out[PIN_TEXT_SIZE];
        if (!pin_text_parse(text, kind, &digest, &err)) {
                must(strlen(err.text) > 0);
                return;
        }
        must(!digest_is_none(&digest) && text.len >= 43);
        for (int as = 0; as < PIN_KIND_COUNT; as++) {
                pin_text_print((enum pin_kind)as, &digest, out);
                must(pin_text_parse(slice_of(out), kind, &again, &err));
                must(digest_equal(&digest, &again));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice text = slice_from(data, size);
        struct digest digest;
        struct error err;
        check_kind(text, PIN_SPKI);
        check_kind(text, PIN_CERTIFICATE);
        /* What is expected only words the error. */
        must(pin_text_parse(text, PIN_SPKI, &digest, &err) ==
             pin_text_parse(text, PIN_CERTIFICATE, &digest, NULL));
        if (pin_name_check(text, &err))
                must(size <= PIN_NAME_MAX && !memchr(data, '\n', size));
        if (pin_owner_check(text, &err))
                must(size <= PIN_OWNER_MAX && !memchr(data, '\n', size));
        return 0;
}
