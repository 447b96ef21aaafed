#include "proxy/handshake/probe.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/vec.h"
#include "proxy/handshake/probe_client.h"
#include "trust/hash.h"
#include "trust/key_pair.h"

struct probe {
        struct tls_options tls; /* one worker */
        build_contexts_fn build;
        struct throwaway ca, server, pinned, unpinned;
        SSL_CTX *pinned_client, *unpinned_client;
        struct ca_set *cas;
        struct pin_set *pins; /* of the pinned leaf alone */
        struct key_pair *server_pair;
        VEC(struct digest) passed; /* of the newest snapshot that passed */
};

/* ---- the throw-away CA ---- */

static bool identities_make(struct probe *probe, struct error *err)
{
        struct throwaway *ca = &probe->ca;
        return throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_CA,
                                                       .name = "pingate probe CA",
                                                       .always = true},
                              ca, err) &&
               throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_SERVER,
                                                       .name = "probe.invalid",
                                                       .issuer = ca,
                                                       .always = true},
                              &probe->server, err) &&
               throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_CLIENT,
                                                       .name = "pingate probe, pinned",
                                                       .issuer = ca,
                                                       .always = true},
                              &probe->pinned, err) &&
               throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_CLIENT,
                                                       .name = "pingate probe, not pinned",
                                                       .issuer = ca,
                                                       .always = true},
                              &probe->unpinned, err);
}

static struct ca_set *cas_make(const struct throwaway *ca, struct error *err)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *pem = NULL;
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        if (bio && PEM_write_bio_X509(bio, ca->certificate) == 1) {
                long len = BIO_get_mem_data(bio, &pem);
                ca_set_builder_add(builder, slice_from(pem, (size_t)len), NULL, err);
        }
        BIO_free(bio);
        return ca_set_build(builder);
}

static struct pin_set *pins_make(const struct throwaway *leaf)
{
        unsigned char *der = NULL;
        int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf->certificate), &der);
        struct pin pin = {.kind = PIN_SPKI,
                          .digest = sha256(slice_from(der, len > 0 ? (size_t)len : 0)),
                          .not_before = PIN_ALWAYS_FROM,
                          .not_after = PIN_ALWAYS_UNTIL};
        struct pin_set_builder *builder = pin_set_builder_new();
        pin_set_builder_add(builder, &pin, 1);
        OPENSSL_free(der);
        return pin_set_build(builder);
}

struct probe *probe_new(const struct tls_options *options, build_contexts_fn build,
                        struct error *err)
{
        struct probe *probe = NEW(struct probe);
        probe->tls = *options;
        probe->tls.workers = 1;
        probe->build = build;
        if (!identities_make(probe, err) || !(probe->cas = cas_make(&probe->ca, err)) ||
            !(probe->pinned_client = probe_client_new(&probe->pinned)) ||
            !(probe->unpinned_client = probe_client_new(&probe->unpinned))) {
                ERR_clear_error();
                probe_free(probe);
                error_wrap(err, "the probe's own certificates can't be made");
                return NULL;
        }
        probe->pins = pins_make(&probe->pinned);
        probe->server_pair = key_pair_new(probe->server.certificate, probe->server.key);
        return probe;
}

void probe_free(struct probe *probe)
{
        if (!probe)
                return;
        SSL_CTX_free(probe->pinned_client);
        SSL_CTX_free(probe->unpinned_client);
        throwaway_done(&probe->ca);
        throwaway_done(&probe->server);
        throwaway_done(&probe->pinned);
        throwaway_done(&probe->unpinned);
        ca_set_unref(probe->cas);
        pin_set_unref(probe->pins);
        key_pair_unref(probe->server_pair);
        vec_done(&probe->passed);
        free(probe);
}

/* ---- what is put to the test ---- */

/* The frozen policy but for its anchors, with one small set beside those of each scope. */
static const struct client_policy *policy_copy(const struct probe *probe, struct arena *arena,
                                               const struct client_policy *policy)
{
        struct client_policy *copy = ARENA_NEW(arena, struct client_policy);
        struct pin_scope *scopes = ARENA_ARRAY(arena, struct pin_scope, policy->scope_count);
        *copy = *policy;
        copy->cas = probe->cas;
        copy->scopes = scopes;
        for (size_t i = 0; i < policy->scope_count; i++) {
                const struct pin_scope *scope = &policy->scopes[i];
                struct pin_set **sets = ARENA_ARRAY(arena, struct pin_set *, scope->set_count + 1);
                for (size_t k = 0; k < scope->set_count; k++)
                        sets[k] = scope->sets[k];
                sets[scope->set_count] = probe->pins;
                scopes[i] = *scope;
                scopes[i].sets = sets;
                scopes[i].set_count = scope->set_count + 1;
        }
        client_policy_ref(copy); /* snapshot_reap gives it back */
        return copy;
}

static struct server_certificate *server_copy(const struct probe *probe, struct arena *arena)
{
        struct server_certificate *server = ARENA_NEW(arena, struct server_certificate);
        *server = (struct server_certificate){
                .source = SLICE("the probe"),
                .pair = key_pair_ref(probe->server_pair),
                .digest = probe->server_pair->digest,
        };
        return server;
}

/* A snapshot with one port and one listener, under the number that it has in its policy. */
static struct snapshot *snapshot_make(const struct probe *probe, const struct port *port,
                                      const struct listener *listener)
{
        struct snapshot *made = snapshot_new();
        struct arena *arena = &made->arena;
        struct port *only = ARENA_NEW(arena, struct port);
        struct listener *served = ARENA_NEW(arena, struct listener);
        const struct server_certificate **servers =
                ARENA_NEW(arena, const struct server_certificate *);
        servers[0] = server_copy(probe, arena);
        *served = (struct listener){.kind = LISTENER_HTTPS,
                                    .name = SLICE("probe"),
                                    .index = listener->index,
                                    .certificates = servers,
                                    .certificate_count = 1};
        struct host_entry every = {SLICE_NONE, served};
        *only = (struct port){.text = SLICE("probe"),
                              .protocol = PORT_TLS,
                              .listeners = served,
                              .listener_count = 1,
                              .hosts = host_table_build(&every, 1, arena),
                              .client = policy_copy(probe, arena, port->client)};
        made->certificates = servers;
        made->certificate_count = 1;
        made->ports = only;
        made->port_count = 1;
        return made;
}

/* ---- the test ---- */

static const char *why_unpinned_failed(const struct client_policy *policy,
                                       const struct probe_outcome *outcome)
{
        bool fallback = policy->mode == ALLOW_INSECURE_FALLBACK;
        if (!outcome->judged || outcome->verdict.reason != REASON_NOT_PINNED)
                return outcome->admitted ? "was let in" : "was not refused as not_pinned";
        if (outcome->verdict.verified || outcome->admitted != fallback)
                return fallback ? "did not come in without identity" : "was let in";
        return outcome->completed == fallback ? NULL : "was let through by OpenSSL";
}

static bool fails(struct error *err, int version, const char *who, const char *how,
                  const struct probe_outcome *outcome)
{
        return error_set(err, ERROR_SYSTEM, "with TLS %s a client %s %s (%s)",
                         version == TLS1_2_VERSION ? "1.2" : "1.3", who, how,
                         outcome->judged ? reason_token(outcome->verdict.reason) : "not judged");
}

static bool probe_with(const struct probe *probe, struct snapshot *snapshot, int version,
                       struct error *err)
{
        const struct client_policy *policy = snapshot->ports[0].client;
        struct probe_outcome outcome;
        if (!probe_client_call(probe->unpinned_client, snapshot, version, &outcome))
                return error_set(err, ERROR_SYSTEM, "OpenSSL gives no connection");
        const char *why = why_unpinned_failed(policy, &outcome);
        if (why)
                return fails(err, version, "that is not pinned", why, &outcome);
        if (!probe_client_call(probe->pinned_client, snapshot, version, &outcome))
                return error_set(err, ERROR_SYSTEM, "OpenSSL gives no connection");
        if (!outcome.admitted || !outcome.judged || !outcome.verdict.verified ||
            !outcome.verdict.pinned)
                return fails(err, version, "that is pinned", "was not let in", &outcome);
        return true;
}

static bool probe_listener(const struct probe *probe, const struct port *port,
                           const struct listener *listener, struct error *err)
{
        struct snapshot *snapshot = snapshot_make(probe, port, listener);
        bool ok = probe->build(snapshot, &probe->tls, err) &&
                  probe_with(probe, snapshot, TLS1_3_VERSION, err) &&
                  probe_with(probe, snapshot, TLS1_2_VERSION, err);
        snapshot_unref(snapshot);
        return ok || error_wrap(err, "the probe of port %.*s, listener %.*s", SLICE_ARG(port->text),
                                SLICE_ARG(listener->name));
}

/* Does it let somebody in, and refuse all others for want of a pin? */
static bool is_to_be_probed(const struct client_policy *policy, const struct listener *listener)
{
        struct slice why;
        const struct pin_scope *unusable;
        if (!policy || client_policy_is_closed(policy, &why) ||
            client_policy_refuses_listener(policy, listener->index, &unusable) != REASON_ACCEPTED)
                return false;
        for (size_t i = 0; i < policy->scope_count; i++)
                if (!policy->scopes[i].report_only &&
                    pin_scope_holds(&policy->scopes[i], listener->index))
                        return true;
        return false;
}

/* The policy, and which of its scopes hold: listeners that are alike in that are one. */
static struct digest key_of(const struct client_policy *policy, const struct listener *listener)
{
        struct hasher hasher;
        hasher_init(&hasher, "probe 1");
        hasher_digest(&hasher, &policy->digest);
        for (size_t i = 0; i < policy->scope_count; i++)
                hasher_number(&hasher, pin_scope_holds(&policy->scopes[i], listener->index));
        return hasher_done(&hasher);
}

static bool has(const struct digest *all, size_t count, const struct digest *wanted)
{
        for (size_t i = 0; i < count; i++)
                if (digest_equal(&all[i], wanted))
                        return true;
        return false;
}

bool probe_run(struct probe *probe, const struct snapshot *snapshot, size_t *count,
               struct error *err)
{
        __typeof__(probe->passed) passed = {0};
        bool ok = true;
        *count = 0;
        for (size_t p = 0; p < snapshot->port_count && ok; p++) {
                const struct port *port = &snapshot->ports[p];
                for (size_t l = 0; l < port->listener_count && ok; l++) {
                        const struct listener *listener = &port->listeners[l];
                        if (!is_to_be_probed(port->client, listener))
                                continue;
                        struct digest key = key_of(port->client, listener);
                        if (has(passed.items, passed.count, &key))
                                continue;
                        if (!has(probe->passed.items, probe->passed.count, &key)) {
                                (*count)++;
                                ok = probe_listener(probe, port, listener, err);
                        }
                        vec_push(&passed, key);
                }
        }
        if (ok) {
                vec_done(&probe->passed);
                probe->passed = passed;
        } else {
                vec_done(&passed);
        }
        return ok;
}
