/* The inside of a lease: lease.c has its life, lease_leader.c the election, lease_own.c our own
 * replica's Lease, lease_watch.c the others'. Each part has one timer and at most one call. */
#pragma once

#include "base/buffer.h"
#include "base/map.h"
#include "control/report/lease.h"
#include "control/report/lease_record.h"

enum {
        LEASE_CALL_MS = 5000,
        LEASE_CLOSE_MS = 2000,
        LEASE_BODY_MAX = 64 * 1024,
};

enum leader_state {
        LEADER_FOLLOWS,
        LEADER_LEADS,
        LEADER_RELEASES, /* the lease closes */
        LEADER_DONE,
};

struct lease_leader {
        enum leader_state state;
        uv_timer_t timer;    /* the next attempt */
        uv_timer_t deadline; /* while it leads: it no longer does */
        struct kube_call *call;
        struct lease_sight sight;
        enum lease_move move; /* of the call */
        bool stale;           /* the version is not known: it has to be read before it is written */
        bool failing;         /* and that was said */
        uint64_t sent_ms, renewed_ms;
};

struct lease_own {
        uv_timer_t timer;
        struct kube_call *call;
        struct slice name;
        struct digest digest; /* none: nothing is served yet */
        uint64_t generation, sent_ms;
        uint64_t since_ms; /* that digest is served */
        bool changed;      /* since it was sent */
        bool exists;       /* as far as we know */
        bool failing;
        bool done; /* deleted, or there was nothing to delete */
};

enum watch_state {
        WATCH_OFF,     /* we do not lead */
        WATCH_RESTING, /* until the timer, after a fault */
        WATCH_LISTING,
        WATCH_WATCHING,
};

struct lease_watch {
        enum watch_state state;
        uv_timer_t timer;
        uv_timer_t tick; /* while we lead: who is no longer heard of */
        struct kube_call *call;
        struct buffer line;
        struct map replicas;  /* name -> struct replica */
        struct slice version; /* in version_arena */
        struct arena version_arena;
        uint64_t heard_ms;
        bool told_known, failing;
};

enum lease_state {
        LEASE_OPEN,
        LEASE_CLOSING, /* writes its last */
        LEASE_CLOSED,  /* waits for the loop to let go of the handles */
};

struct lease {
        enum lease_state state;
        struct lease_options options; /* its texts are in the arena */
        struct arena arena;
        struct slice holder;     /* identity, and what makes this process another than its former */
        struct slice collection; /* the path of all Leases in our namespace */
        struct lease_leader leader;
        struct lease_own own;
        struct lease_watch watch;
        uv_timer_t closing;
        size_t open_handles;
        void (*on_closed)(void *self);
};

/* lease.c */
uint64_t lease_now_ms(void); /* also counts while the machine sleeps */
int64_t lease_unix_us(void);
uint64_t lease_jitter(uint64_t below);
void lease_timer_open(struct lease *lease, uv_timer_t *timer);
struct slice lease_path(const struct lease *lease, struct arena *arena, struct slice name);
/* Says it once, until *failing is false again. */
void lease_warn(struct lease *lease, bool *failing, const char *what, struct slice fault);
/* The same of an answer, with the rule that a role lacks. */
void lease_warn_answer(struct lease *lease, bool *failing, const char *what,
                       const struct kube_answer *answer);
/* A part has written its last. */
void lease_part_done(struct lease *lease);

void lease_leader_open(struct lease *lease);
void lease_leader_release(struct lease *lease);
void lease_leader_close(struct lease *lease);

void lease_own_open(struct lease *lease);
void lease_own_remove(struct lease *lease);
void lease_own_close(struct lease *lease);

void lease_watch_open(struct lease *lease);
void lease_watch_start(struct lease *lease); /* we lead */
void lease_watch_stop(struct lease *lease);  /* no longer */
void lease_watch_close(struct lease *lease);
