/* PEM (RFC 7468): a walk over the blocks of a text. Lines between blocks are ignored; inside a
 * block only base64 may stand, in lines of any length; headers (the old encrypted form), text
 * behind a boundary, a block without end or inside another are errors that name the block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/slice.h"

enum {
        PEM_BLOCK_BYTES_MAX = 1 << 26, /* decoded: 64 MiB, a large CRL */
        PEM_LABEL_MAX = 64,
};

enum pem_flag {
        PEM_SKIP_KEYS = BIT(0), /* private keys are found but not decoded: der stays empty */
};

enum pem_step {
        PEM_BLOCK,  /* *block is the next one */
        PEM_END,    /* there are no more */
        PEM_BROKEN, /* err says which block and why; each further call says PEM_END */
};

struct pem_block {
        struct slice label; /* "CERTIFICATE", a view into the text */
        struct slice der;   /* in the arena */
        bool private_key;   /* the label ends in "PRIVATE KEY" */
        size_t ordinal;     /* 1 for the first block of the text */
        int line;           /* of its BEGIN; 1 for the first line of the text */
};

struct pem_reader {
        struct slice rest;
        unsigned flags;
        size_t ordinal;
        int line;
};

void pem_reader_init(struct pem_reader *reader, struct slice text, unsigned flags);
enum pem_step pem_next(struct pem_reader *reader, struct arena *arena, struct pem_block *block,
                       struct error *err);

/* A whole block in the arena, in lines of 64 characters. */
struct slice pem_print(struct arena *arena, const char *label, struct slice der);
