/* What a connection keeps of its verdict while it is open: few texts, and of the path what is
 * there; 500 bytes instead of 2,400, which is 20 MB for ten thousand idle connections. By it the
 * connection is told from who it would be now, its path is taken over (judge_request.before), its
 * requests are judged and shown to backends. One block with one owner; free() ends it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/reason.h"

struct path;
struct pin_evidence;
struct verdict;

struct standing {
        bool verified;
        enum reason reason; /* why not verified; ACCEPTED where it is */
        struct digest leaf, spki;
        int64_t leaf_not_after;
        int64_t valid_from, valid_until; /* of the verdict: then judge again */
        const char *subject, *pin_name;  /* in this block */
        struct digest path_key;          /* all zero: no path to take over */
        int64_t path_valid_from, path_valid_until;
        size_t path_count;    /* of the path that verified; 0: none */
        struct digest path[]; /* the certificates, leaf first, then as many SPKIs, then texts */
};

struct standing *standing_new(const struct verdict *verdict);
/* Judged again and still in: takes over path and bounds in time. Who it is stays as it was, since
 * judging again never raises anybody. */
void standing_renew(struct standing **standing, const struct verdict *now);
/* The path, if it has this key and holds at that time. */
bool standing_path(const struct standing *standing, const struct digest *key, int64_t now,
                   struct path *path);
/* As verdict_evidence; points into *standing, good until it is renewed. */
struct pin_evidence standing_evidence(const struct standing *standing);
