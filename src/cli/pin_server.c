/* A blocking TLS client that looks at what a server presents and trusts none of it. */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "cli/pin.h"
#include "text/pem.h"

enum {
        WAIT_S = 10,
        HOST_SIZE = 256,
};

struct endpoint {
        char host[HOST_SIZE]; /* without brackets */
        char port[8];
        bool literal; /* an IPv6 address in brackets */
};

static bool take_port(struct slice text, struct endpoint *out, struct error *err)
{
        uint64_t port;
        if (!slice_to_u64(text, 65535, &port) || port == 0)
                return error_set(err, ERROR_USAGE, "not a port from 1 to 65535");
        snprintf(out->port, sizeof(out->port), "%u", (unsigned)port);
        return true;
}

/* https://HOST, https://HOST:PORT, https://[ADDRESS]:PORT, each with `/` at most behind it. */
static bool endpoint_parse(const char *url, struct endpoint *out, struct error *err)
{
        struct slice rest = slice_skip(slice_of(url), sizeof("https://") - 1), host;
        if (slice_ends_with(rest, SLICE("/")))
                rest.len--;
        *out = (struct endpoint){.port = "443", .literal = slice_starts_with(rest, SLICE("["))};
        if (out->literal) {
                size_t end = slice_find(rest, ']');
                host = slice_sub(rest, 1, end - 1);
                rest = slice_skip(rest, end + 1);
        } else {
                size_t end = slice_find(rest, ':');
                host = slice_sub(rest, 0, end);
                rest = slice_skip(rest, end);
        }
        if (host.len == 0 || host.len >= HOST_SIZE || slice_find(host, '/') < host.len ||
            (rest.len > 0 && rest.data[0] != ':'))
                return error_set(err, ERROR_USAGE, "wants https://HOST[:PORT]");
        snprintf(out->host, sizeof(out->host), "%.*s", SLICE_ARG(host));
        return rest.len == 0 || take_port(slice_skip(rest, 1), out, err);
}

static int connect_to(const struct endpoint *endpoint, struct error *err)
{
        const struct addrinfo wish = {.ai_socktype = SOCK_STREAM};
        const struct timeval wait = {.tv_sec = WAIT_S};
        struct addrinfo *found = NULL;
        int fd = -1, why = getaddrinfo(endpoint->host, endpoint->port, &wish, &found);
        if (why != 0) {
                error_set(err, ERROR_SYSTEM, "%s", gai_strerror(why));
                return -1;
        }
        for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
                fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (fd < 0)
                        continue;
                /* Bounds connect, too (socket(7)). */
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
                if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
                        error_set_errno(err, "connect");
                        close(fd);
                        fd = -1;
                }
        }
        freeaddrinfo(found);
        return fd;
}

static void append_pem(X509 *x509, struct arena *arena, struct slice *pem)
{
        unsigned char *der = NULL;
        int len = i2d_X509(x509, &der);
        if (len <= 0)
                return;
        struct slice block = pem_print(arena, "CERTIFICATE", slice_from(der, (size_t)len));
        *pem = arena_printf(arena, "%.*s%.*s", SLICE_ARG(*pem), SLICE_ARG(block));
        OPENSSL_free(der);
}

static bool shake_hands(SSL *ssl, struct arena *arena, struct slice *pem, struct error *err)
{
        ERR_clear_error();
        int done = SSL_connect(ssl);
        /* A server that wants a client certificate may refuse us; it has shown its own before. */
        STACK_OF(X509) *shown = SSL_get_peer_cert_chain(ssl);
        *pem = SLICE_NONE;
        for (int i = 0; i < sk_X509_num(shown); i++)
                append_pem(sk_X509_value(shown, i), arena, pem);
        const char *why = ERR_reason_error_string(ERR_peek_error());
        if (pem->len == 0)
                error_set(err, ERROR_SYSTEM, "showed no certificate (%s)",
                          why         ? why
                          : done == 1 ? "the handshake went without"
                                      : "no TLS spoken, or nothing said for 10 s");
        ERR_clear_error();
        return pem->len > 0;
}

static bool fetch_from(const struct endpoint *endpoint, int fd, struct arena *arena,
                       struct slice *pem, struct error *err)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL *ssl = ctx ? SSL_new(ctx) : NULL;
        bool good = ssl && SSL_set_fd(ssl, fd) == 1;
        if (good) {
                /* Nothing is sent to it or believed of it: its certificate is what we came for. */
                SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
                good = endpoint->literal || SSL_set_tlsext_host_name(ssl, endpoint->host) == 1;
        }
        if (good)
                good = shake_hands(ssl, arena, pem, err);
        else
                error_set(err, ERROR_SYSTEM, "TLS can't be set up");
        SSL_free(ssl);
        SSL_CTX_free(ctx);
        return good;
}

bool pin_server_fetch(const char *url, struct arena *arena, struct slice *pem, struct error *err)
{
        struct endpoint endpoint;
        if (!endpoint_parse(url, &endpoint, err))
                return false;
        int fd = connect_to(&endpoint, err);
        if (fd < 0)
                return false;
        bool good = fetch_from(&endpoint, fd, arena, pem, err);
        close(fd);
        return good;
}
