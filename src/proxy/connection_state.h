/* The insides of a connection, for connection*.c and the two client protocols alone. */
#pragma once

#include <openssl/ssl.h>
#include <uv.h>

#include "base/buffer.h"
#include "http/h1.h"
#include "http/identity_headers.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/handshake/handshake.h"

enum connection_state {
        CONNECTION_GREETING,    /* what its first bytes are is not known yet (connection_greet.h) */
        CONNECTION_HANDSHAKING, /* TLS is not done, or not judged: no byte of HTTP is read */
        CONNECTION_SERVING,     /* requests are read and answered */
        CONNECTION_DRAINING,    /* no new request; ends with the one in flight or at the grace */
        CONNECTION_LINGERING,   /* the last answer is written; what still comes is thrown away */
        CONNECTION_CLOSED,      /* only the loop still knows it */
};
bool connection_may_move(enum connection_state from, enum connection_state to);

struct client_h1;
struct client_h2;
struct tunnel;

struct connection {
        struct worker *worker;
        enum connection_state state;
        struct connection *next, **link;                      /* of all */
        struct connection *handshake_next, *handshake_former; /* of the unproven, by age */
        struct connection *ready_next;                        /* of those that go on this turn */
        bool is_ready;
        int fd, poll_events;
        uv_poll_t poll;
        SSL *ssl;                    /* NULL on a plain port */
        struct handshake *handshake; /* NULL once decided */
        struct deadline deadline,
                stall; /* stall runs while bytes wait for a peer that takes none (I34) */
        uint64_t id, opened_ms, requests;
        struct event_address peer;  /* whom it is from: of a PROXY header, if it came by one… */
        struct event_address local; /* …and where to; none: ask the socket */
        bool introduced;            /* its PROXY header was read */
        struct address_seat *seat;  /* in the count of that address; NULL: not counted */

        /* Where it belongs, in the worker's snapshot: refreshed when that changes. */
        size_t port_index;
        const struct port *port;
        const struct listener *listener; /* that SNI chose, or the TCP port's; NULL on HTTP ports */

        /* The same by name, copied: what it is found by in a later generation. */
        struct place place;
        /* Its port or listener left the configuration, or its client no longer passes: not one more
         * request is taken (I40), and port and listener are NULL. */
        bool cut;
        uint64_t ends_ms; /* of its grace, while its moment to be told is awaited; else 0 */

        /* When it is judged again (connection_recheck.c). */
        uint64_t judged;                         /* the generation that it was judged by last */
        struct deadline look;                    /* at whether the time of its verdict is over */
        struct connection *due_next, **due_link; /* of those whose time is over */

        /* Its evidence (I40). */
        struct arena arena;         /* identity headers, names: once a connection */
        struct chain *chain;        /* NULL: none was presented */
        struct standing *standing;  /* NULL where the port asks nobody */
        struct digest trust_digest; /* of the policy that judged it last… */
        uint32_t trust_listener;    /* …and the number that its listener had there */
        struct header_list identity;
        struct exchange_client client;
        enum reason cut_reason; /* why judging again ended it; ACCEPTED: it did not */
        const char *why;        /* token of how it ends, for the audit */

        /* Bytes on their way; empty buffers hold no memory. */
        struct buffer in, out;
        unsigned barren_records;            /* TLS records since the last byte that was read */
        bool want_read, broken, progressed; /* the latter: took bytes since connection_watch */
        bool want_write;                    /* though nothing waits in `out`: to say the end */

        struct client_h1 *h1; /* one of the three while serving */
        struct client_h2 *h2;
        struct tunnel *tunnel;
};

/* The one writer of state: counts, and a move that the table does not know is a bug. */
void connection_move(struct connection *connection, enum connection_state state);
/* Goes on in this turn of the loop, or the next. */
void connection_ready(struct connection *connection);
void connection_deadline(struct connection *connection, uint64_t in_ms);
/* The same, unless it has longer already. */
void connection_deadline_extend(struct connection *connection, uint64_t in_ms);
/* Ends it now. Its memory goes when the loop has let go. */
void connection_end(struct connection *connection, const char *why);
/* The last answer is on its way: flush it, then read on for a while and drop what comes. */
void connection_linger(struct connection *connection, const char *why);
bool connection_is_open(const struct connection *connection);

/* Tells the loop what to wait for, from want_read and what waits in `out`. */
void connection_watch(struct connection *connection);

/* connection_judge.c */
void connection_take_evidence(struct connection *connection);
/* Against the worker's snapshot. False: it no longer passes and may not stay, cut_reason says why
 * and *removal how it goes. */
bool connection_judge(struct connection *connection, struct removal *removal);
/* Copies the names of its port and listener. */
void connection_take_names(struct connection *connection);
void connection_report_end(const struct connection *connection);

/* It has proven all that its port asks for: HTTP, or a stream. */
void connection_serve(struct connection *connection);
