/* What a connection keeps of its handshake, and how it is judged again by it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/client.h"
#include "proxy/client_identity.h"
#include "proxy/connection_state.h"
#include "proxy/tunnel.h"

/* Once for all requests that want nothing else. */
static void identity_build(struct connection *connection)
{
        struct exchange_client *client = &connection->client;
        const struct standing *standing = connection->standing;
        if (standing->verified)
                client->client_name = arena_slice(&connection->arena, slice_of(standing->pin_name));
        client->standing = standing;
        client->chain = connection->chain;
        client->forward = connection->listener->forward;
        const struct client_shown shown = {standing, client->chain, client->client_name,
                                           client->forward};
        client_identity_build(&shown, &connection->arena, &connection->identity);
        client->identity = &connection->identity;
}

static void note_judge(struct connection *connection)
{
        connection->trust_digest = connection->port->client->digest;
        connection->trust_listener = connection->listener->index;
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
        handshake->chain = NULL;
        if (!handshake->verdict)
                return;
        must(handshake->verdict->admitted);
        connection->standing = standing_new(handshake->verdict);
        note_judge(connection);
        identity_build(connection);
}

void connection_take_names(struct connection *connection)
{
        struct arena *arena = &connection->arena;
        struct place place = place_of(connection->port, connection->listener);
        struct slice *names[] = {&place.address, &place.port_gateway, &place.gateway,
                                 &place.listener, &place.hostname};
        for (size_t i = 0; i < COUNT_OF(names); i++)
                if (names[i]->len > 0)
                        *names[i] = arena_slice(arena, *names[i]);
        connection->place = place;
}

/* Never better than before: who was let in without identity does not get one now, and who had one
 * must still have the same. */
static bool still_passes(const struct standing *before, const struct verdict *now)
{
        if (!now->admitted || !before->verified)
                return now->admitted;
        return now->verified && strcmp(before->pin_name, now->pin_name) == 0;
}

static void judge_anew(struct connection *connection, struct verdict *now)
{
        struct worker *worker = connection->worker;
        struct judge_request request = {
                .policy = connection->port->client,
                .chain = connection->chain,
                .listener = connection->listener->index,
                .now = (int64_t)time(NULL),
                .store = tls_trust_store_find(worker->snapshot, worker->index,
                                              connection->port_index),
                .cache = worker->cache,
                .before = connection->standing,
        };
        judge(&request, now);
        counter_add(&worker->counters->connections_rejudged, 1);
        note_judge(connection);
}

/* What the next judging goes by: a path that other CAs or CRLs gave it, and until when. */
static void take_path(struct connection *connection, const struct verdict *now)
{
        path_cache_commit(connection->worker->cache, now); /* it has proven its key long ago */
        standing_renew(&connection->standing, now);
        connection->client.standing = connection->standing;
}

/* Keep is said of pins. What else ends the client's time still ends it (I11): it is looked at again
 * when a denial comes into force or its certificates end, and then they decide. False: they have.
 */
static bool keep(struct connection *connection, const struct verdict *now)
{
        if (now->path.count > 0) /* routes ask about issuers: of the CAs that there are now */
                take_path(connection, now);
        struct standing *kept = connection->standing;
        int64_t ends = now->valid_until;
        if (kept->verified && kept->path_count > 0 && kept->path_valid_until < ends)
                ends = kept->path_valid_until;
        if (kept->verified && kept->leaf_not_after < ends)
                ends = kept->leaf_not_after;
        if ((int64_t)time(NULL) >= ends)
                return false;
        kept->valid_from = PIN_ALWAYS_FROM;
        kept->valid_until = ends;
        return true;
}

bool connection_judge(struct connection *connection, struct removal *removal)
{
        struct verdict now;
        *removal = removal_default();
        if (!connection->standing)
                return connection->port->client == NULL;
        if (!connection->port->client) { /* the port asks nobody any more: who came in may stay */
                memset(&connection->trust_digest, 0, sizeof(connection->trust_digest));
                connection->standing->valid_until = INT64_MAX;
                return true;
        }
        judge_anew(connection, &now);
        if (still_passes(connection->standing, &now)) {
                take_path(connection, &now);
                return true;
        }
        *removal = now.removal;
        if (removal->action == REMOVAL_KEEP) {
                if (keep(connection, &now))
                        return true;
                *removal = removal_default();
        }
        connection->cut_reason = now.reason;
        return false;
}

void connection_report_end(const struct connection *connection)
{
        static const struct digest none;
        uint64_t bytes_in = 0, bytes_out = 0;
        if (connection->tunnel)
                tunnel_count(connection->tunnel, &bytes_in, &bytes_out);
        const struct standing *standing = connection->standing;
        struct closed_facts facts = {
                .why = slice_of(connection->why),
                .reason = connection->cut_reason,
                .peer = connection->peer,
                .gateway = connection->place.port_gateway,
                .listener = connection->place.listener,
                .client_name = connection->client.client_name,
                .certificate = standing ? standing->leaf : none,
                .spki = standing ? standing->spki : none,
                .generation = connection->worker->snapshot->generation,
                .connection = connection->id,
                .duration_us = (connection->worker->now_ms - connection->opened_ms) * 1000,
                .requests = connection->requests,
                .bytes_in = bytes_in,
                .bytes_out = bytes_out,
        };
        event_connection_closed(connection->worker->sink, &facts);
}
