/* One matcher of host names for the handshake, the 421 check and the router (I20): what they see
 * can't differ. Patterns are Gateway API hostnames: exact, "*.suffix" (any number of labels in
 * front, not the suffix itself), or empty, which matches everything. Matching ignores ASCII case
 * and one trailing dot; an IP literal matches only an empty pattern. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/slice.h"

/* Lower case, without the trailing dot; a copy in the arena. */
struct slice host_normalize(struct slice host, struct arena *arena);
bool host_matches(struct slice pattern, struct slice host);
/* Which pattern is more specific: > 0 if a is. Exact over wildcard over empty, longer over shorter.
 */
int host_specificity_compare(struct slice a, struct slice b);
/* The hostname that both patterns allow (the more specific one); false when they do not meet. */
bool host_intersect(struct slice a, struct slice b, struct slice *out);

/* Patterns to values; frozen; in an arena. find costs one hash lookup a label of the host. */
struct host_table;
struct host_entry {
        struct slice pattern;
        void *value; /* not NULL */
};
/* A pattern that occurs twice keeps the first. */
struct host_table *host_table_build(const struct host_entry *entries, size_t count,
                                    struct arena *arena);
/* The value of the most specific pattern that matches; NULL: none does. A host that is empty (no
 * SNI) matches only the empty pattern. */
void *host_table_find(const struct host_table *table, struct slice host);
/* The patterns that the table keeps, as they were given. *at starts at 0. */
bool host_table_next(const struct host_table *table, size_t *at, struct host_entry *out);
