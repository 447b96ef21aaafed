/* What was made of each file when it was read, to be taken over while stat says the same of it, or
 * its bytes are still the same: a change of one file is one file parsed, and the objects and pin
 * sets of all others stay what they are, down to their address. Owned by control, used on its
 * thread.
 *
 * NULL works everywhere: nothing is kept. */
#pragma once

#include "base/digest.h"
#include "control/api/object.h"

/* One of the first two; neither where a File pin set can't be read. */
struct made {
        struct objects *objects;
        struct pin_set *set;
        struct digest content; /* of what it was made of, or of what is wrong with it */
};

struct readings *readings_new(void);
void readings_free(struct readings *readings);
/* As if no file had ever been read: what an operator asks for by SIGHUP. */
void readings_forget(struct readings *readings);

/* What was made of it, the readings' own. NULL: not read yet, or changed since, or it changed in
 * the very moment it was read (path_is_fresh). */
const struct made *readings_find(struct readings *readings, const struct seen_file *file);
/* The objects of its last reading, whatever it says now; NULL: there are none. */
const struct objects *readings_find_former(struct readings *readings, const struct seen_file *file);
/* For a file that was read once more: NULL, or what was made of the same content before. */
const struct made *readings_find_content(struct readings *readings, const struct seen_file *file,
                                         const struct digest *content);
/* Takes references of its own. */
void readings_keep(struct readings *readings, const struct seen_file *file,
                   const struct made *made);
/* Begins a reading. What one that failed has looked at counts for nothing in the next: a file may
 * be gone by then, and that is a change. */
void readings_begin(struct readings *readings);
/* Ends a complete reading: files that it did not look at are forgotten. True when anything is not
 * what it was at the end of the last complete reading. */
bool readings_end(struct readings *readings);
