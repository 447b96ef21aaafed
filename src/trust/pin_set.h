/* The pins of one source object, frozen: one table for each kind, sorted, found in constant time.
 * Built by translate (off the workers), held by snapshots, read by every worker without a lock.
 * An empty set matches nobody: deleting pins can only narrow access (I3).
 *
 * A pin costs 36 bytes and a byte of index, and 5 to 25 more when it has a name, owner or window.
 * Of the texts, one that stands in many lines (an owner) is kept once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/slice.h"
#include "trust/pin.h"

struct pin_set;
struct pin_set_builder;

enum {
        PIN_FAULTS_KEPT = 16, /* described; all are counted */
        PIN_FAULT_SIZE = 160,
};

/* What could not be read. No entry is skipped in silence (I5). */
struct pin_fault {
        size_t line; /* 1 for the first of pins.txt; the entry's number where there are no lines */
        char text[PIN_FAULT_SIZE];
};

struct pin_faults {
        size_t count; /* of all, of which the first PIN_FAULTS_KEPT are here */
        struct pin_fault kept[PIN_FAULTS_KEPT];
};

struct pin_set_builder *pin_set_builder_new(void);
void pin_set_builder_free(struct pin_set_builder *builder);
/* Names and texts are copied. A bad name or an empty window is a fault and the pin is left out. */
void pin_set_builder_add(struct pin_set_builder *builder, const struct pin *pin, size_t line);
/* An entry that the caller could not read (an inline hash): counted, and it matches nobody. */
void pin_set_builder_fault(struct pin_set_builder *builder, size_t line, const char *text);
/* Lines `spki:<base64> | cert:<hex> [name=…] [owner=…] [not-before=…] [not-after=…]`, `#` starts a
 * comment. A bad line is a fault, the others stay in force. */
void pin_set_builder_add_text(struct pin_set_builder *builder, struct slice pins_txt);
/* The same for a text that comes in pieces: whole lines, of which the first is number `line`. The
 * number of the line after them. */
size_t pin_set_builder_add_lines(struct pin_set_builder *builder, struct slice lines, size_t line);
/* The frozen set, with one reference; the builder is gone. Exact duplicates are one pin. */
struct pin_set *pin_set_build(struct pin_set_builder *builder);

struct pin_set *pin_set_ref(struct pin_set *set);
void pin_set_unref(struct pin_set *set); /* NULL is fine */

size_t pin_set_count(const struct pin_set *set);
size_t pin_set_bytes(const struct pin_set *set); /* memory that it holds */
/* When the first window of all ends; PIN_ALWAYS_UNTIL: none does. */
int64_t pin_set_first_end(const struct pin_set *set);
const struct pin_faults *pin_set_faults(const struct pin_set *set);
/* Of everything that can alter a match or the name that it gives, in an order of its own: the same
 * pins in other lines, or another process, give the same digest. */
const struct digest *pin_set_digest(const struct pin_set *set);
/* Of its digest and its faults: sets with the same one stand for each other in all that is decided
 * and told. */
struct digest pin_set_identity(const struct pin_set *set);

enum pin_presence {
        PIN_ABSENT,
        PIN_CLOSED, /* listed, but no window of it is open */
        PIN_OPEN,
};

/* What matched. Texts live as long as the set. */
struct pin_match {
        struct slice name, owner;
        int64_t not_before, not_after;
};

/* The kind is part of the question: an SPKI hash never matches a certificate hash (I4). Of several
 * entries that are open (or, with none open, closed) the one whose window ends last answers. *match
 * is written unless PIN_ABSENT. */
enum pin_presence pin_set_find(const struct pin_set *set, enum pin_kind kind,
                               const struct digest *digest, int64_t now, struct pin_match *match);

/* When the next window of that digest opens after now; PIN_ALWAYS_UNTIL: none does. */
int64_t pin_set_opens_at(const struct pin_set *set, enum pin_kind kind, const struct digest *digest,
                         int64_t now);

/* A walk over all pins, kind by kind in the order of their digests, for canonical prints and diffs.
 * *at starts at 0. */
bool pin_set_next(const struct pin_set *set, size_t *at, struct pin *pin);

/* The same over the pins whose digest, under their kind, `other` has not: one pass over both sets.
 * The walk starts zeroed. */
struct pin_walk {
        int kind;
        uint32_t at, other_at;
};
bool pin_set_next_missing(const struct pin_set *set, const struct pin_set *other,
                          struct pin_walk *walk, struct pin *pin);

/* Whether the set has that digest under its kind, for pins that are asked about in the order of a
 * walk. The cursor starts zeroed. */
struct pin_cursor {
        enum pin_kind kind;
        uint32_t at;
};
bool pin_set_meets(const struct pin_set *set, struct pin_cursor *cursor, const struct pin *pin);
