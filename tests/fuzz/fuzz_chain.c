#include "fuzz.h"
#include "fuzz_judge.h"
#include "fuzz_parts.h"

/* Parts: the anchor, the leaf, what the client sent along. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice rest = slice_from(data, size);
        struct arena arena;
        struct chain *chain = NULL;
        arena_init(&arena, 8192);
        struct slice anchors = parts_as_pem(&rest, &arena, "CERTIFICATE", 1);
        struct slice leaf = parts_as_pem(&rest, &arena, "CERTIFICATE", 1);
        struct slice others = parts_as_pem(&rest, &arena, "CERTIFICATE", 16);
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        ca_set_builder_add(builder, anchors, NULL, NULL);
        struct ca_set *cas = ca_set_build(builder);
        if (cas && chain_parse(leaf, others, &chain, NULL))
                judge_and_check(cas, chain);
        chain_free(chain);
        ca_set_unref(cas);
        arena_done(&arena);
        return 0;
}
