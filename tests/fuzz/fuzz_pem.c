#include "fuzz.h"
#include "text/pem.h"

#include <string.h>

/* A block that was read, printed and read again is the same one. */
static void check_round_trip(struct arena *arena, const struct pem_block *block)
{
        struct pem_reader reader;
        struct pem_block again;
        char *label = arena_text(arena, block->label);
        pem_reader_init(&reader, pem_print(arena, label, block->der), 0);
        must(pem_next(&reader, arena, &again, NULL) == PEM_BLOCK);
        must(slice_equal(again.label, block->label) && slice_equal(again.der, block->der));
        must(pem_next(&reader, arena, &again, NULL) == PEM_END);
}

static void walk(struct slice text, unsigned flags)
{
        struct arena arena;
        struct pem_reader reader;
        struct pem_block block;
        struct error err;
        enum pem_step step;
        size_t count = 0;
        arena_init(&arena, 4096);
        pem_reader_init(&reader, text, flags);
        while ((step = pem_next(&reader, &arena, &block, &err)) == PEM_BLOCK) {
                must(block.ordinal == ++count && block.line > 0);
                must(block.der.len > 0 || (block.private_key && (flags & PEM_SKIP_KEYS)));
                if (block.der.len > 0)
                        check_round_trip(&arena, &block);
        }
        if (step == PEM_BROKEN)
                must(strlen(err.text) > 0 && pem_next(&reader, &arena, &block, &err) == PEM_END);
        arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        walk(slice_from(data, size), 0);
        walk(slice_from(data, size), PEM_SKIP_KEYS);
        return 0;
}
