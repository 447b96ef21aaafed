#include "fuzz.h"
#include "fuzz_parts.h"
#include "trust/ca_set.h"
#include "trust/trust_store.h"

#include <string.h>

static void check_bundle(struct slice pem, enum ca_floor floor)
{
        struct ca_set_builder *builder = ca_set_builder_new(floor);
        struct error err = {.text = ""};
        bool good = ca_set_builder_add(builder, pem, NULL, &err);
        must(good || strlen(err.text) > 0);
        struct ca_set *set = ca_set_build(builder);
        must(good == (set != NULL));
        if (!set)
                return;
        must(ca_set_anchor_count(set) > 0);
        for (size_t i = 0; i < ca_set_anchor_count(set); i++)
                must(ca_set_has_anchor(set, ca_set_anchor_digest(set, i)));
        trust_store_unref(trust_store_new(set));
        ca_set_unref(set);
}

/* PEM as it is, or parts of DER. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice text = slice_from(data, size);
        struct arena arena;
        arena_init(&arena, 8192);
        if (size > 0 && data[0] != '-')
                text = parts_as_pem(&text, &arena, "CERTIFICATE", 64);
        check_bundle(text, CA_FLOOR_FULL);
        check_bundle(text, CA_FLOOR_CHAIN);
        arena_done(&arena);
        return 0;
}
