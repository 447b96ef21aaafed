#include "proxy/handshake/handshake.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "proxy/handshake/hooks.h"
#include "proxy/handshake/identity.h"
#include "tls/reasons.h"

static uint64_t now_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool handshake_begin(struct handshake *handshake, SSL *ssl, struct snapshot *snapshot,
                     size_t port_index)
{
        handshake->snapshot = snapshot_ref(snapshot);
        handshake->port_index = port_index;
        handshake->port = &snapshot->ports[port_index];
        handshake->started_us = now_us();
        return SSL_set_ex_data(ssl, handshake_slot(), handshake) == 1;
}

void handshake_done(struct handshake *handshake)
{
        chain_free(handshake->chain);
        free(handshake->verdict);
        snapshot_unref(handshake->snapshot);
        *handshake = (struct handshake){0};
}

void handshake_judge(struct handshake *handshake, const struct snapshot *snapshot,
                     size_t port_index, const struct listener *listener, int64_t now)
{
        const struct port *port = &snapshot->ports[port_index];
        if (!handshake->verdict)
                handshake->verdict = NEW(struct verdict);
        struct judge_request request = {
                .policy = port->client,
                .chain = handshake->chain,
                .listener = listener ? listener->index : LISTENER_UNKNOWN,
                .now = now,
                .store = tls_trust_store_find(snapshot, handshake->worker, port_index),
                .cache = handshake->cache,
        };
        judge(&request, handshake->verdict);
}

struct place place_of(const struct port *port, const struct listener *listener)
{
        struct place place = {
                .protocol = port->protocol, .address = port->text, .port_gateway = port->gateway};
        if (listener) {
                place.kind = listener->kind;
                place.gateway = listener->gateway;
                place.listener = listener->name;
                place.hostname = listener->hostname;
        }
        return place;
}

bool port_find(const struct snapshot *snapshot, const struct place *place, size_t *index)
{
        for (size_t i = 0; i < snapshot->port_count; i++) {
                const struct port *port = &snapshot->ports[i];
                if (port->protocol == place->protocol && slice_equal(port->text, place->address) &&
                    slice_equal(port->gateway, place->port_gateway)) {
                        *index = i;
                        return true;
                }
        }
        return false;
}

const struct listener *listener_find(const struct port *port, const struct place *place)
{
        for (size_t i = 0; i < port->listener_count; i++) {
                const struct listener *listener = &port->listeners[i];
                if (listener->kind == place->kind &&
                    slice_equal(listener->gateway, place->gateway) &&
                    slice_equal(listener->name, place->listener) &&
                    slice_equal(listener->hostname, place->hostname))
                        return listener;
        }
        return NULL;
}

/* A newer generation came while the client was proving its key: that one decides. */
static bool judge_again(struct handshake *handshake, struct snapshot *current, int64_t now)
{
        size_t index;
        const struct place place = place_of(handshake->port, handshake->listener);
        if (!port_find(current, &place, &index))
                return false;
        const struct port *port = &current->ports[index];
        const struct listener *listener = listener_find(port, &place);
        if (!listener || (port->client == NULL) != (handshake->port->client == NULL))
                return false;
        if (port->client)
                handshake_judge(handshake, current, index, listener, now);
        snapshot_unref(handshake->snapshot);
        handshake->snapshot = snapshot_ref(current);
        handshake->port_index = index;
        handshake->port = port;
        handshake->listener = listener;
        return true;
}

bool handshake_complete(struct handshake *handshake, SSL *ssl, struct snapshot *current,
                        int64_t now)
{
        must(handshake->listener != NULL);
        /* "OK, no certificate" is for the judge to allow, never for OpenSSL (I7). */
        if (handshake->port->client && !handshake->verdict)
                handshake_judge(handshake, handshake->snapshot, handshake->port_index,
                                handshake->listener, now);
        if (current != handshake->snapshot && !judge_again(handshake, current, now)) {
                handshake->failure = REASON_PORT_NOT_USABLE;
                return false;
        }
        if (!handshake->port->client)
                return true;
        const struct verdict *verdict = handshake->verdict;
        /* Belt and braces: what was judged is what proved its key. */
        X509 *proven = SSL_get0_peer_certificate(ssl);
        if ((proven != NULL) != (handshake->chain != NULL) ||
            (proven && X509_cmp(proven, handshake->chain->leaf) != 0)) {
                handshake->failure = REASON_INTERNAL;
                return false;
        }
        if (verdict->admitted && verdict->verified)
                path_cache_commit(handshake->cache, verdict);
        return verdict->admitted;
}

enum reason handshake_failure(struct handshake *handshake)
{
        unsigned long error = ERR_peek_error();
        int reason = ERR_GET_REASON(error);
        ERR_clear_error();
        if (handshake->failure != REASON_ACCEPTED)
                return handshake->failure;
        if (handshake->verdict && !handshake->verdict->admitted)
                return handshake->verdict->reason;
        return tls_failure_reason(reason);
}

static struct leaf_facts leaf_facts(const struct handshake *handshake)
{
        const struct verdict *verdict = handshake->verdict;
        if (!verdict || !handshake->chain)
                return (struct leaf_facts){0};
        return (struct leaf_facts){.certificate = verdict->leaf,
                                   .spki = verdict->spki,
                                   .serial = slice_of(verdict->serial),
                                   .issuer = slice_of(verdict->issuer),
                                   .subject = slice_of(verdict->subject),
                                   .not_after_s = verdict->leaf_not_after};
}

/* Only where somebody may want to know who it was: whom a named pin lets in, and who is trusted and
 * not pinned. A path that did not verify vouches for no name. */
static struct digest identity_of(const struct handshake *handshake, bool verified)
{
        const struct verdict *verdict = handshake->verdict;
        bool trusted = verdict && handshake->chain && verdict->path.count > 0;
        bool known = verified && verdict->pin_name[0] != '\0';
        if (!trusted || !(known || verdict->reason == REASON_NOT_PINNED ||
                          verdict->report_only == REASON_NOT_PINNED))
                return (struct digest){{0}};
        return certificate_identity(handshake->chain->leaf);
}

static struct slice issuers_of(const struct verdict *verdict)
{
        struct pin_evidence evidence = verdict_evidence(verdict);
        return slice_from(evidence.issuers, evidence.issuer_count * DIGEST_BYTES);
}

bool handshake_report(const struct handshake *handshake, SSL *ssl, struct event_sink *sink,
                      const struct handshake_outcome *outcome)
{
        const struct verdict *verdict = handshake->verdict;
        const struct listener *listener = handshake->listener;
        bool verified = outcome->admitted && verdict && verdict->verified;
        /* Who was refused anyway tells nothing of what a policy in rollout would change. */
        bool reports = outcome->admitted && verdict && verdict->report_only != REASON_ACCEPTED;
        const unsigned char *alpn = NULL;
        unsigned alpn_len = 0;
        SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
        struct handshake_facts facts = {
                .reason = outcome->reason,
                .report_only = reports ? verdict->report_only : REASON_ACCEPTED,
                .report_scope = slice_of(reports ? verdict->report_source : NULL),
                .admitted = outcome->admitted,
                .verified = verified,
                .peer = handshake->peer,
                .gateway = handshake->port->gateway,
                .listener = listener ? listener->name : SLICE_NONE,
                .sni = slice_from(handshake->sni, handshake->sni_len),
                .leaf = leaf_facts(handshake),
                .pin_name = slice_of(verdict ? verdict->pin_name : NULL),
                .identity = identity_of(handshake, verified),
                .issuers = verified ? issuers_of(verdict) : SLICE_NONE,
                .pin_owner = slice_of(verdict ? verdict->pin_owner : NULL),
                .scope = slice_of(verdict ? verdict->pin_source : NULL),
                .tls_version = slice_of(SSL_get_version(ssl)),
                .tls_cipher = slice_of(SSL_get_cipher_name(ssl)),
                .alpn = slice_from(alpn, alpn_len),
                .generation = handshake->snapshot->generation,
                .connection = handshake->connection,
                .duration_us = now_us() - handshake->started_us,
        };
        if (!outcome->strict) {
                event_handshake_lossy(sink, &facts);
                return true;
        }
        return event_handshake(sink, &facts);
}
