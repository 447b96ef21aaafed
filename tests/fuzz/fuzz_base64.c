#include "fuzz.h"
#include "text/base64.h"

/* What decodes encodes to the same text: there is one text for each value. */
static void check_form(struct slice text, unsigned form)
{
        struct arena arena;
        struct slice bytes;
        arena_init(&arena, 4096);
        if (base64_decode_new(&arena, text, form, &bytes, NULL)) {
                must(bytes.len <= base64_decoded_max(text.len));
                struct slice again = base64_encode_new(&arena, bytes, form);
                must((form & BASE64_LINES) || slice_equal(again, text));
        }
        struct slice encoded = base64_encode_new(&arena, text, form), back;
        must(base64_decode_new(&arena, encoded, form, &back, NULL) && slice_equal(back, text));
        arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        for (unsigned form = 0; form < 8; form++)
                check_form(slice_from(data, size), form);
        return 0;
}
