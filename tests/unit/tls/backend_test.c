/* Our side of TLS to backends, against a server that is OpenSSL's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/backend.h"
#include "trust/key_pair.h"
#include "tls/context.h"
#include "trust/hash.h"
#include "trust/test_pki.h"

enum {
        WORKERS = 2,
        ALWAYS = 4102444800, /* 2100: the hook asks the real clock */
};

#define NAME "app.test.internal"

static struct pki_cert root, other_root, server, client, other_client;
static struct ca_set *cas, *other_cas;

/* No port of these snapshots speaks TLS, so none of it is called. */
static const struct tls_hooks hooks;
static const struct tls_options options = {.workers = WORKERS, .hooks = &hooks};

static struct pki_cert issue(const char *eku, const char *san)
{
        return pki_make(
                &root,
                &(struct pki_spec){.eku = eku, .san = san, .not_before = 1, .not_after = ALWAYS});
}

static struct ca_set *cas_of(const struct pki_cert *anchor)
{
        struct error err;
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        assert_true(ca_set_builder_add(builder, pki_pem(anchor->x509), NULL, &err));
        return ca_set_build(builder);
}

static const struct server_certificate *certificate_of(struct snapshot *s,
                                                       const struct pki_cert *from)
{
        struct server_certificate *certificate = ARENA_NEW(&s->arena, struct server_certificate);
        certificate->source = SLICE("Secret edge/client");
        certificate->pair = key_pair_new(from->x509, from->key);
        certificate->digest = certificate->pair->digest;
        return certificate;
}

/* A snapshot with one backend_tls. */
static struct snapshot *snapshot_of(struct ca_set *trusted, const struct pki_cert *shows,
                                    const struct snapshot *former)
{
        static const struct peer_name names[] = {{PEER_NAME_DNS, {NAME, sizeof(NAME) - 1}}};
        struct error err;
        struct snapshot *s = snapshot_new();
        struct client_policy *peer = ARENA_NEW(&s->arena, struct client_policy);
        struct backend_tls *tls = ARENA_NEW(&s->arena, struct backend_tls);
        const struct backend_tls **all = ARENA_NEW(&s->arena, const struct backend_tls *);
        const struct server_certificate **certificates =
                ARENA_NEW(&s->arena, const struct server_certificate *);
        *peer = (struct client_policy){.cas = ca_set_ref(trusted),
                                       .rules = path_rules_default(),
                                       .names = names,
                                       .name_count = 1};
        peer->rules.use = USE_SERVER_AUTH;
        client_policy_seal(peer);
        *tls = (struct backend_tls){.snapshot = s, .server_name = SLICE(NAME), .peer = peer};
        if (shows) {
                *certificates = tls->certificate = certificate_of(s, shows);
                s->certificates = certificates;
                s->certificate_count = 1;
        }
        backend_tls_seal(tls);
        *all = tls;
        s->backend_tls = all;
        s->backend_tls_count = 1;
        if (!tls_contexts_build_after(former, s, &options, &err))
                fail_msg("%s", err.text);
        return s;
}

static void let_go(struct snapshot *s)
{
        snapshot_unref(s);
        snapshot_reap();
}

/* ---- a server for one connection ---- */

struct peer {
        const struct pki_cert *certificate;
        int version_max;
        int fd;
        pthread_t thread;
        bool accepted;
        char server_name[64], client[64];
};

static int choose_http(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *offered, unsigned len, void *arg)
{
        (void)ssl, (void)arg;
        return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len,
                                     (const unsigned char *)"\x08http/1.1", 9, offered,
                                     len) == OPENSSL_NPN_NEGOTIATED
                       ? SSL_TLSEXT_ERR_OK
                       : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int take_anybody(X509_STORE_CTX *store, void *arg)
{
        (void)store, (void)arg;
        return 1;
}

static void *serve(void *self)
{
        struct peer *peer = self;
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(ctx, peer->version_max);
        SSL_CTX_use_certificate(ctx, peer->certificate->x509);
        SSL_CTX_use_PrivateKey(ctx, peer->certificate->key);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, take_anybody, NULL);
        SSL_CTX_set_alpn_select_cb(ctx, choose_http, NULL);
        SSL *ssl = SSL_new(ctx);
        SSL_set_fd(ssl, peer->fd);
        peer->accepted = SSL_accept(ssl) == 1;
        const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        strncpy(peer->server_name, name ? name : "", sizeof(peer->server_name) - 1);
        X509 *shown = SSL_get0_peer_certificate(ssl);
        if (shown)
                X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName,
                                          peer->client, sizeof(peer->client));
        if (peer->accepted)
                SSL_write(ssl, "x", 1);
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        close(peer->fd);
        return NULL;
}

/* ACCEPTED, or why we refuse. */
static enum reason meet(const struct snapshot *s, struct peer *peer)
{
        static struct backend_handshake handshake;
        enum reason reason = REASON_ACCEPTED;
        int fds[2];
        char byte;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        peer->fd = fds[1];
        peer->version_max = peer->version_max ? peer->version_max : TLS1_3_VERSION;
        assert_int_equal(pthread_create(&peer->thread, NULL, serve, peer), 0);
        const struct backend_offer offer = {
                .worker = 1, .alpn = SLICE("\x08http/1.1"), .fd = fds[0]};
        SSL *ssl = tls_backend_connect(s->backend_tls[0], &offer, &handshake);
        assert_non_null(ssl);
        if (SSL_connect(ssl) != 1)
                reason = tls_backend_failure(&handshake);
        else if (!tls_backend_finish(ssl, &handshake))
                reason = REASON_INTERNAL;
        else
                assert_int_equal(SSL_read(ssl, &byte, 1), 1);
        assert_int_equal(ERR_peek_error(), 0);
        if (reason == REASON_ACCEPTED) {
                const unsigned char *alpn;
                unsigned len;
                SSL_get0_alpn_selected(ssl, &alpn, &len);
                assert_true(slice_is(slice_from(alpn, len), "http/1.1"));
                assert_false(SSL_session_reused(ssl));
        }
        SSL_free(ssl);
        close(fds[0]);
        pthread_join(peer->thread, NULL);
        return reason;
}

static void a_server_that_holds_meets_our_name_and_certificate(void **state)
{
        (void)state;
        struct snapshot *s = snapshot_of(cas, &client, NULL), *bare = snapshot_of(cas, NULL, NULL);
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
                struct peer with = {.certificate = &server, .version_max = version};
                assert_int_equal(meet(s, &with), REASON_ACCEPTED);
                assert_string_equal(with.server_name, NAME);
                assert_string_equal(with.client, "client");
                struct peer without = {.certificate = &server, .version_max = version};
                assert_int_equal(meet(bare, &without), REASON_ACCEPTED);
                assert_string_equal(without.client, "");
        }
        let_go(s);
        let_go(bare);
}

static void a_server_that_does_not_hold_is_refused_for_its_reason(void **state)
{
        (void)state;
        struct pki_cert other = issue("serverAuth", "DNS:other.internal");
        struct pki_cert useless = issue("clientAuth", "DNS:" NAME);
        struct pki_cert weak = pki_make(&root, &(struct pki_spec){.key = "RSA:1024",
                                                                  .eku = "serverAuth",
                                                                  .san = "DNS:" NAME,
                                                                  .not_before = 1,
                                                                  .not_after = ALWAYS});
        const struct {
                struct peer peer;
                struct ca_set *cas;
                enum reason reason;
        } rows[] = {
                {{.certificate = &other}, cas, REASON_HOSTNAME_MISMATCH},
                {{.certificate = &useless}, cas, REASON_WRONG_USE},
                {{.certificate = &server}, other_cas, REASON_UNTRUSTED},
                {{.certificate = &weak}, cas, REASON_WEAK_KEY},
                {{.certificate = &server, .version_max = TLS1_1_VERSION},
                 cas,
                 REASON_HANDSHAKE_FAILED},
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct snapshot *s = snapshot_of(rows[i].cas, &client, NULL);
                struct peer peer = rows[i].peer;
                enum reason reason = meet(s, &peer);
                if (reason != rows[i].reason)
                        fail_msg("row %zu: %s", i, reason_token(reason));
                if (peer.version_max == TLS1_3_VERSION)
                        assert_false(peer.accepted);  /* it waits for our Finished */
                assert_string_equal(peer.client, ""); /* and we show nothing to a stranger */
                let_go(s);
        }
}

static SSL_CTX *context_of(const struct snapshot *s, size_t worker)
{
        static struct backend_handshake handshake;
        const struct backend_offer offer = {.worker = worker, .fd = 0};
        SSL *ssl = tls_backend_connect(s->backend_tls[0], &offer, &handshake);
        SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
        SSL_free(ssl);
        return ctx; /* the snapshot's */
}

static struct trust_store *store_of(const struct snapshot *s, size_t worker)
{
        static struct backend_handshake handshake;
        const struct backend_offer offer = {.worker = worker, .fd = 0};
        SSL_free(tls_backend_connect(s->backend_tls[0], &offer, &handshake));
        return handshake.store;
}

static void contexts_and_stores_are_shared_with_the_former_generation(void **state)
{
        (void)state;
        struct snapshot *first = snapshot_of(cas, &client, NULL);
        struct snapshot *same = snapshot_of(cas, &client, first);
        struct snapshot *shows_another = snapshot_of(cas, &other_client, first);
        struct snapshot *trusts_another = snapshot_of(other_cas, &client, first);
        for (size_t worker = 0; worker < WORKERS; worker++) {
                assert_ptr_equal(context_of(first, worker), context_of(same, worker));
                assert_ptr_equal(store_of(first, worker), store_of(same, worker));
                assert_ptr_not_equal(context_of(first, worker), context_of(shows_another, worker));
                assert_ptr_equal(store_of(first, worker), store_of(shows_another, worker));
                assert_ptr_equal(context_of(first, worker), context_of(trusts_another, worker));
                assert_ptr_not_equal(store_of(first, worker), store_of(trusts_another, worker));
        }
        assert_ptr_not_equal(context_of(first, 0), context_of(first, 1));
        assert_ptr_not_equal(store_of(first, 0), store_of(first, 1));
        let_go(first);
        struct peer peer = {.certificate = &server};
        assert_int_equal(meet(same, &peer), REASON_ACCEPTED); /* they live on */
        let_go(same);
        let_go(shows_another);
        let_go(trusts_another);
}

static int setup(void **state)
{
        (void)state;
        root = pki_make(
                NULL, &(struct pki_spec){
                              .subject = "root", .ca = true, .not_before = 1, .not_after = ALWAYS});
        other_root = pki_make(NULL, &(struct pki_spec){.subject = "other",
                                                       .ca = true,
                                                       .not_before = 1,
                                                       .not_after = ALWAYS});
        server = issue("serverAuth", "DNS:" NAME);
        client = issue(NULL, NULL);
        other_client = issue(NULL, NULL);
        cas = cas_of(&root);
        other_cas = cas_of(&other_root);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        ca_set_unref(cas);
        ca_set_unref(other_cas);
        pki_done();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_server_that_holds_meets_our_name_and_certificate),
                cmocka_unit_test(a_server_that_does_not_hold_is_refused_for_its_reason),
                cmocka_unit_test(contexts_and_stores_are_shared_with_the_former_generation),
        };
        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, setup, teardown);
}
