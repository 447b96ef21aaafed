/* What a generation's TLS contexts take over from the generation before, and what they must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tls/context.h"
#include "trust/key_pair.h"
#include "trust/hash.h"
#include "trust/test_pki.h"

enum {
        WORKERS = 2
};

static struct pki_cert root, other_root, server, other_server;
static struct ca_set *cas, *other_cas;

static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
        (void)ssl, (void)alert, (void)arg;
        return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_certificate(SSL *ssl, void *arg)
{
        (void)ssl, (void)arg;
        return 1;
}

static int on_verify(X509_STORE_CTX *store, void *arg)
{
        (void)store, (void)arg;
        return 0;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned int in_len, void *arg)
{
        (void)ssl, (void)out, (void)out_len, (void)in, (void)in_len, (void)arg;
        return SSL_TLSEXT_ERR_NOACK;
}

static const struct tls_hooks hooks = {on_client_hello, on_certificate, on_verify, on_alpn};
static const struct tls_options options = {.workers = WORKERS, .hooks = &hooks};

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
        certificate->source = SLICE("Secret edge/tls");
        certificate->pair = key_pair_new(from->x509, from->key);
        certificate->digest = certificate->pair->digest;
        return certificate;
}

/* What one port of a snapshot is like; the first row of each test is the plain one. */
struct wish {
        const char *address;
        struct ca_set *cas; /* NULL: no certificates are asked for */
        enum client_mode mode;
        const struct pki_cert *server;
};

static struct snapshot *snapshot_of(const struct wish *wish, const struct snapshot *former)
{
        struct error err;
        struct snapshot *s = snapshot_new();
        struct port *port = ARENA_NEW(&s->arena, struct port);
        struct listener *listener = ARENA_NEW(&s->arena, struct listener);
        const struct server_certificate **certificates =
                ARENA_ARRAY(&s->arena, const struct server_certificate *, 1);
        certificates[0] = certificate_of(s, wish->server);
        *listener = (struct listener){
                .kind = LISTENER_HTTPS, .certificates = certificates, .certificate_count = 1};
        *port = (struct port){.text = slice_of(wish->address),
                              .protocol = PORT_TLS,
                              .listeners = listener,
                              .listener_count = 1};
        if (wish->cas) {
                struct client_policy *client = ARENA_NEW(&s->arena, struct client_policy);
                client->mode = wish->mode;
                client->cas = ca_set_ref(wish->cas);
                port->client = client;
        }
        s->ports = port;
        s->port_count = 1;
        s->certificates = certificates;
        s->certificate_count = 1;
        if (!tls_contexts_build_after(former, s, &options, &err))
                fail_msg("%s", err.text);
        return s;
}

static void let_go(struct snapshot *s)
{
        snapshot_unref(s);
        snapshot_reap();
}

static void the_same_inputs_give_the_same_contexts_of_each_worker(void **state)
{
        (void)state;
        struct wish wish = {"0.0.0.0:443", cas, ALLOW_VALID_ONLY, &server};
        struct snapshot *first = snapshot_of(&wish, NULL), *second = snapshot_of(&wish, first);
        for (size_t i = 0; i < WORKERS; i++) {
                assert_ptr_equal(tls_context_find(first, i, 0), tls_context_find(second, i, 0));
                assert_ptr_equal(tls_trust_store_find(first, i, 0),
                                 tls_trust_store_find(second, i, 0));
        }
        assert_ptr_not_equal(tls_context_find(second, 0, 0), tls_context_find(second, 1, 0));
        assert_ptr_not_equal(tls_trust_store_find(second, 0, 0),
                             tls_trust_store_find(second, 1, 0));
        let_go(first);
        SSL *ssl = SSL_new(tls_context_find(second, 1, 0)); /* it lives on */
        assert_non_null(ssl);
        assert_int_equal(X509_cmp(SSL_get_certificate(ssl), server.x509), 0);
        assert_ptr_equal(trust_store_set(tls_trust_store_find(second, 1, 0)), cas);
        SSL_free(ssl);
        let_go(second);
}

static void whatever_decides_a_handshake_makes_a_context_of_its_own(void **state)
{
        (void)state;
        struct wish plain = {"0.0.0.0:443", cas, ALLOW_VALID_ONLY, &server};
        const struct wish others[] = {
                {"0.0.0.0:444", cas, ALLOW_VALID_ONLY, &server},
                {"0.0.0.0:443", NULL, ALLOW_VALID_ONLY, &server},
                {"0.0.0.0:443", cas, ALLOW_INSECURE_FALLBACK, &server},
                {"0.0.0.0:443", cas, ALLOW_VALID_ONLY, &other_server},
        };
        for (size_t i = 0; i < COUNT_OF(others); i++) {
                struct snapshot *first = snapshot_of(&plain, NULL);
                struct snapshot *second = snapshot_of(&others[i], first);
                SSL_CTX *ctx = tls_context_find(second, 0, 0);
                int mode = SSL_CTX_get_verify_mode(ctx);
                if (ctx == tls_context_find(first, 0, 0))
                        fail_msg("row %zu", i);
                assert_int_equal((mode & SSL_VERIFY_PEER) != 0, others[i].cas != NULL);
                assert_int_equal((mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0,
                                 others[i].cas && others[i].mode == ALLOW_VALID_ONLY);
                assert_int_equal(X509_cmp(SSL_CTX_get0_certificate(ctx), others[i].server->x509),
                                 0);
                let_go(first);
                let_go(second);
        }
}

static void other_cas_make_a_store_of_their_own(void **state)
{
        (void)state;
        struct wish plain = {"0.0.0.0:443", cas, ALLOW_VALID_ONLY, &server};
        struct wish other = {"0.0.0.0:443", other_cas, ALLOW_VALID_ONLY, &server};
        struct snapshot *first = snapshot_of(&plain, NULL), *second = snapshot_of(&other, first);
        assert_ptr_equal(trust_store_set(tls_trust_store_find(second, 0, 0)), other_cas);
        let_go(first);
        struct snapshot *third = snapshot_of(&plain, second);
        assert_ptr_equal(trust_store_set(tls_trust_store_find(third, 0, 0)), cas);
        let_go(second);
        let_go(third);
}

static int setup(void **state)
{
        (void)state;
        root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        other_root = pki_make(NULL, &(struct pki_spec){.subject = "other", .ca = true});
        server = pki_make(&root, &(struct pki_spec){.subject = "server", .eku = "serverAuth"});
        other_server =
                pki_make(&root, &(struct pki_spec){.subject = "server", .eku = "serverAuth"});
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
                cmocka_unit_test(the_same_inputs_give_the_same_contexts_of_each_worker),
                cmocka_unit_test(whatever_decides_a_handshake_makes_a_context_of_its_own),
                cmocka_unit_test(other_cas_make_a_store_of_their_own),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
