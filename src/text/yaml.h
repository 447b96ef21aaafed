/* YAML text to node trees, one for each document; libyaml's scanner, our rules on what it may say.
 * Plain scalars follow the core schema of YAML 1.2: null, true, false, integers, floats. What YAML
 * 1.1 would also read as a boolean (yes, no, on, off) stays the string that is written there.
 * Refused, as each lets one text mean two things or grow without bound: duplicate keys, keys that
 * are not scalars, merge keys, tags, NUL, invalid UTF-8, an alias of its own parent. An alias is
 * copied out and its copies count against YAML_NODES_MAX. No documents is no error. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"
#include "text/tree.h"

enum {
        YAML_NODES_MAX = 2000000, /* in all documents of one text together */
        YAML_DEPTH_MAX = 64,
        YAML_TEXT_MAX = 1 << 30, /* bytes */
};

struct yaml_docs {
        struct node **items; /* in the arena; empty documents are left out */
        size_t count;
        bool aliased; /* some text of the nodes is shared by two of them */
        size_t node_count;
};

/* All text of the nodes is copied into the arena; `file` must live as long as the arena. Errors say
 * "FILE:LINE: what (why)". */
bool yaml_parse(struct arena *arena, struct slice text, const char *file, struct yaml_docs *docs,
                struct error *err);
/* Where a text stands that is a piece of a file. */
struct yaml_place {
        const char *file;
        int lines_before;
};

bool yaml_parse_at(struct arena *arena, struct slice text, const struct yaml_place *place,
                   struct yaml_docs *docs, struct error *err);

/* A text cut into pieces of whole documents, at places that a document chooses by what it says: the
 * same documents make the same piece wherever they stand, and a change of one changes no other
 * piece. Not cut where a cut could change the meaning (directives). What the pieces say one after
 * the other is what the text says. */
struct yaml_pieces {
        struct slice rest;
        bool divisible;
        int line_count; /* of the pieces taken */
};

void yaml_pieces_init(struct yaml_pieces *pieces, struct slice text);
/* False: nothing is left. */
bool yaml_pieces_next(struct yaml_pieces *pieces, struct slice *piece, int *lines_before);
