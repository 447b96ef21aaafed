#include "proxy/handshake/probe_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <time.h>

#include "proxy/handshake/handshake.h"

enum {
        ROUNDS_MAX = 32, /* of one flight each: a handshake has five */
        PIPE_BYTES = 32 * 1024,
};

/* It must be able to talk to the server whatever openssl.cnf says about clients of this machine. */
static bool set_algorithms(SSL_CTX *ctx)
{
        SSL_CTX_set_security_level(ctx, 2);
        return SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
               SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
               SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1 &&
               SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384:P-521") == 1;
}

SSL_CTX *probe_client_new(const struct throwaway *identity)
{
        static const unsigned char alpn[] = "\x08http/1.1";
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        if (ctx && set_algorithms(ctx) &&
            SSL_CTX_use_certificate(ctx, identity->certificate) == 1 &&
            SSL_CTX_use_PrivateKey(ctx, identity->key) == 1 &&
            SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) == 0)
                return ctx; /* it does not verify: it talks to itself */
        SSL_CTX_free(ctx);
        return NULL;
}

/* False: it can't go on. */
static bool step(SSL *ssl, bool *done)
{
        if (*done)
                return true;
        ERR_clear_error();
        int status = SSL_do_handshake(ssl);
        *done = status == 1;
        if (*done)
                return true;
        int error = SSL_get_error(ssl, status);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Until the server has decided, as it would with a socket. */
static bool shake(SSL *server, SSL *client)
{
        bool client_done = false, server_done = false;
        for (int i = 0; i < ROUNDS_MAX && !server_done; i++)
                if (!step(client, &client_done) || !step(server, &server_done))
                        break;
        return server_done;
}

static bool connect_ends(SSL *server, SSL *client)
{
        BIO *server_end, *client_end;
        if (BIO_new_bio_pair(&server_end, PIPE_BYTES, &client_end, PIPE_BYTES) != 1)
                return false;
        SSL_set_bio(server, server_end, server_end);
        SSL_set_bio(client, client_end, client_end);
        SSL_set_accept_state(server);
        SSL_set_connect_state(client);
        return true;
}

static void take_outcome(struct handshake *handshake, SSL *server, struct snapshot *snapshot,
                         struct probe_outcome *out)
{
        out->admitted = out->completed &&
                        handshake_complete(handshake, server, snapshot, (int64_t)time(NULL));
        out->judged = handshake->verdict != NULL;
        if (out->judged)
                out->verdict = *handshake->verdict;
}

bool probe_client_call(SSL_CTX *ctx, struct snapshot *snapshot, int version,
                       struct probe_outcome *out)
{
        struct handshake handshake = {0};
        SSL *server = SSL_new(tls_context_find(snapshot, 0, 0)), *client = SSL_new(ctx);
        bool ok = server && client && SSL_set_min_proto_version(client, version) == 1 &&
                  SSL_set_max_proto_version(client, version) == 1 && connect_ends(server, client) &&
                  handshake_begin(&handshake, server, snapshot, 0);
        *out = (struct probe_outcome){0};
        if (ok) {
                out->completed = shake(server, client);
                take_outcome(&handshake, server, snapshot, out);
        }
        SSL_free(server);
        SSL_free(client);
        handshake_done(&handshake);
        ERR_clear_error();
        return ok;
}
