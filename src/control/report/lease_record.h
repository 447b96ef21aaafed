/* What a Lease object says, when we saw it change, and who may take it. Pure: no network, and the
 * clock is the caller's. Two machines' clocks are never compared: the times in a record only tell
 * that it has changed, and our own clock tells for how long it has not (as client-go does it). */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/slice.h"
#include "text/tree.h"

enum {
        LEASE_DURATION_MS = 13000, /* unchanged for that long it is anybody's */
        LEASE_RENEW_MS = 10000, /* a leader that could not renew it for that long leads no more */
};

#define LEASE_LEADER_NAME SLICE("pingate-leader")

struct lease_record {
        struct slice name, version; /* metadata.name, metadata.resourceVersion */
        struct slice holder;        /* empty: it was released */
        struct slice acquired, renewed;
        int64_t duration_s, transitions;
        struct digest digest; /* of a replica's annotation; none: it says none */
};

/* Views into the tree. False: it is no Lease, or its texts are longer than those of ours. */
bool lease_record_read(const struct node *object, struct lease_record *record, struct error *err);

/* A record as seen from here. */
struct lease_sight {
        struct arena arena;
        bool exists;
        struct lease_record record; /* in the arena */
        uint64_t changed_ms;        /* by our clock; of a record's first sight too */
};

void lease_sight_init(struct lease_sight *sight);
void lease_sight_done(struct lease_sight *sight);
/* What the server says now; NULL: there is none. True: it says something else than before. */
bool lease_sight_update(struct lease_sight *sight, const struct lease_record *record,
                        uint64_t now_ms);
/* Its holder has been heard of within its duration. */
bool lease_sight_is_alive(const struct lease_sight *sight, uint64_t now_ms);

enum lease_move {
        LEASE_WAIT,   /* another's */
        LEASE_CREATE, /* there is none */
        LEASE_TAKE,   /* released, or its holder is not heard of */
        LEASE_RENEW,  /* ours */
};

enum lease_move lease_judge(const struct lease_sight *sight, struct slice holder, uint64_t now_ms);

enum {
        LEASE_TIME_SIZE = 40
};

/* "2026-11-01T00:00:00.000000Z": the API server takes no other form. */
const char *lease_time_print(int64_t unix_us, char out[static LEASE_TIME_SIZE]);

/* The object to write for a move that is not LEASE_WAIT, preconditioned by the version seen. */
bool lease_leader_print(const struct lease_sight *sight, enum lease_move move, struct slice holder,
                        int64_t unix_us, struct buffer *out);
/* The one that lets it go. */
bool lease_release_print(const struct lease_sight *sight, int64_t unix_us, struct buffer *out);
