/* What a connection keeps of its handshake, and how it is judged again by it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/client.h"
#include "proxy/connection_state.h"
#include "proxy/handshake/shown.h"

static struct identity identity_of_verified(const struct connection *connection,
                                            struct arena *scratch)
{
        const struct verdict *verdict = connection->verdict;
        unsigned forward = connection->listener->forward;
        struct shown shown;
        shown_read(connection->chain, verdict, (forward & ~(unsigned)IDENTITY_CLIENT_CERT) != 0,
                   scratch, &shown);
        return (struct identity){
                .verify = IDENTITY_SUCCESS,
                .forward = forward,
                .name = slice_of(verdict->pin_name),
                .leaf = shown.leaf,
                .leaf_digest = verdict->leaf,
                .chain = shown.chain,
                .chain_count = shown.chain_count,
                .subject = shown.subject,
                .uris = shown.uris,
                .uri_count = shown.uri_count,
                .dns_names = shown.dns_names,
                .dns_name_count = shown.dns_name_count,
        };
}

/* Built once from the verified leaf alone, so every request says the same bytes (I25, I26). */
static void identity_build(struct connection *connection)
{
        const struct verdict *verdict = connection->verdict;
        struct arena scratch;
        struct identity identity = {.verify = IDENTITY_NONE};
        arena_init(&scratch, 4096);
        if (verdict->verified) {
                identity = identity_of_verified(connection, &scratch);
        } else if (connection->chain) {
                identity.verify = IDENTITY_FAILED;
                identity.reason = slice_of(reason_token(verdict->reason));
        }
        identity_headers_build(&identity, &connection->arena, &connection->identity);
        arena_done(&scratch);
}

void connection_take_evidence(struct connection *connection)
{
        struct handshake *handshake = connection->handshake;
        connection->port = handshake->port;
        connection->port_index = handshake->port_index;
        connection->listener = handshake->listener;
        connection->client.tls_server_name =
                arena_slice(&connection->arena, slice_from(handshake->sni, handshake->sni_len));
        connection->chain = handshake->chain;
        connection->verdict = handshake->verdict;
        handshake->chain = NULL;
        handshake->verdict = NULL;
        if (!connection->verdict)
                return;
        must(connection->verdict->admitted);
        connection->trust_digest = connection->port->client->digest;
        identity_build(connection);
        connection->client.identity = &connection->identity;
        if (connection->verdict->verified) {
                connection->client.client_name = slice_of(connection->verdict->pin_name);
                connection->client.spki = connection->verdict->spki;
        }
}

void connection_take_names(struct connection *connection)
{
        const struct port *port = connection->port;
        struct arena *arena = &connection->arena;
        connection->port_key = (struct port){.protocol = port->protocol,
                                             .text = arena_slice(arena, port->text),
                                             .gateway = arena_slice(arena, port->gateway)};
        if (!connection->listener)
                return;
        const struct listener *listener = connection->listener;
        connection->listener_key =
                (struct listener){.gateway = connection->port_key.gateway,
                                  .name = arena_slice(arena, listener->name),
                                  .hostname = arena_slice(arena, listener->hostname)};
}

/* Never better than before: who was let in without identity does not get one now, and who had one
 * must still have the same. */
static bool still_passes(const struct verdict *before, const struct verdict *now)
{
        if (!now->admitted || !before->verified)
                return now->admitted;
        return now->verified && strcmp(before->pin_name, now->pin_name) == 0;
}

bool connection_judge(struct connection *connection)
{
        struct worker *worker = connection->worker;
        struct verdict now;
        if (!connection->verdict)
                return connection->port->client == NULL;
        if (!connection->port->client) { /* the port asks nobody any more: who came in may stay */
                memset(&connection->trust_digest, 0, sizeof(connection->trust_digest));
                return true;
        }
        struct judge_request request = {
                .policy = connection->port->client,
                .chain = connection->chain,
                .listener = connection->listener->index,
                .now = (int64_t)time(NULL),
                .store = tls_trust_store_find(worker->snapshot, worker->index,
                                              connection->port_index),
                .cache = worker->cache,
        };
        judge(&request, &now);
        counter_add(&worker->counters->connections_rejudged, 1);
        connection->trust_digest = connection->port->client->digest;
        if (!still_passes(connection->verdict, &now)) {
                connection->cut_reason = now.reason;
                return false;
        }
        connection->verdict->valid_from = now.valid_from;
        connection->verdict->valid_until = now.valid_until;
        return true;
}

/* Finds port and listener in the worker's snapshot. False: they are gone. */
static bool connection_rebind(struct connection *connection, const struct port *port_before,
                              const struct listener *listener_before)
{
        struct worker *worker = connection->worker;
        if (!port_find(worker->snapshot, port_before, &connection->port_index))
                return false;
        connection->port = &worker->snapshot->ports[connection->port_index];
        if (listener_before) {
                connection->listener = listener_find(connection->port, listener_before);
                return connection->listener != NULL;
        }
        return true;
}

static void connection_cut(struct connection *connection, const char *why)
{
        if (!connection->why)
                connection->why = why;
        connection->cut = true;
        connection->port = NULL; /* what serves next is not what it was let in by */
        connection->listener = NULL;
        counter_add(&connection->worker->counters->connections_cut, 1);
        if (connection->state == CONNECTION_SERVING) {
                connection_move(connection, CONNECTION_DRAINING);
                connection_deadline(connection, connection->worker->limits->drain_grace_ms);
        }
        if (connection->h1)
                client_h1_drain(connection->h1);
        if (connection->h2)
                client_h2_drain(connection->h2);
        connection_ready(connection);
}

static void connection_judge_or_cut(struct connection *connection)
{
        if (connection_judge(connection))
                return;
        bool renamed = connection->verdict && connection->cut_reason == REASON_ACCEPTED;
        connection_cut(connection, renamed ? "identity_changed" : "no_longer_admitted");
}

static void connection_adopt(struct connection *connection)
{
        bool serves =
                connection->state == CONNECTION_SERVING || connection->state == CONNECTION_DRAINING;
        if (!serves || connection->cut) /* a second cut would prolong the grace of the first */
                return;
        /* The former snapshot may be gone by now: what is compared was copied at birth. */
        if (!connection_rebind(connection, &connection->port_key,
                               connection->ssl ? &connection->listener_key : NULL)) {
                connection_cut(connection, "listener_removed");
                return;
        }
        bool changed = connection->verdict && (!connection->port->client ||
                                               !digest_equal(&connection->trust_digest,
                                                             &connection->port->client->digest));
        bool asked_anew = !connection->verdict && connection->port->client != NULL;
        if (changed || asked_anew)
                connection_judge_or_cut(connection);
}

void connections_adopt(struct worker *worker)
{
        for (struct connection *at = worker->connections, *next; at; at = next) {
                next = at->next;
                connection_adopt(at);
        }
}

void connections_expire(struct worker *worker)
{
        int64_t now = (int64_t)time(NULL);
        for (struct connection *at = worker->connections, *next; at; at = next) {
                next = at->next;
                if (at->state != CONNECTION_SERVING || !at->verdict)
                        continue;
                bool over = now >= at->verdict->valid_until || now < at->verdict->valid_from;
                if (over)
                        connection_judge_or_cut(at);
        }
}

void connection_drain(struct connection *connection)
{
        if (connection->state != CONNECTION_SERVING)
                return;
        connection->why = "drained";
        connection_move(connection, CONNECTION_DRAINING);
        connection_deadline(connection, connection->worker->limits->drain_grace_ms);
        if (connection->h1)
                client_h1_drain(connection->h1);
        if (connection->h2)
                client_h2_drain(connection->h2);
        connection_ready(connection);
}

void connections_drain(struct worker *worker)
{
        for (struct connection *at = worker->connections, *next; at; at = next) {
                next = at->next;
                connection_drain(at);
        }
}

void connections_close(struct worker *worker)
{
        for (struct connection *at = worker->connections, *next; at; at = next) {
                next = at->next;
                if (at->state == CONNECTION_HANDSHAKING)
                        connection_abort(at, REASON_TIMEOUT);
                else
                        connection_end(at, "stopped");
        }
}

void connection_report_end(const struct connection *connection)
{
        static const struct digest none;
        const struct verdict *verdict = connection->verdict;
        struct closed_facts facts = {
                .why = slice_of(connection->why),
                .reason = connection->cut_reason,
                .peer = connection->peer,
                .gateway = connection->port_key.gateway,
                .listener = connection->listener_key.name,
                .client_name = connection->client.client_name,
                .certificate = verdict ? verdict->leaf : none,
                .spki = verdict ? verdict->spki : none,
                .generation = connection->worker->snapshot->generation,
                .connection = connection->id,
                .duration_us = (connection->worker->now_ms - connection->opened_ms) * 1000,
                .requests = connection->requests,
        };
        event_connection_closed(connection->worker->sink, &facts);
}
