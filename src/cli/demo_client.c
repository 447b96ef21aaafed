#include "cli/demo_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/slice.h"

enum {
        WAIT_S = 10
};

static int connect_to(int port, int *local_port, struct error *err)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const struct timeval wait = {.tv_sec = WAIT_S};
        if (fd >= 0) {
                setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
                setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
        }
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) != 0 ||
            getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
                error_set_errno(err, "127.0.0.1:%d", port);
                if (fd >= 0)
                        close(fd);
                return -1;
        }
        *local_port = ntohs(address.sin_port);
        return fd;
}

static SSL_CTX *context_new(const struct demo_call *call)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        if (!ctx)
                return NULL;
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        bool ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), call->trusts->certificate) == 1;
        if (ok && call->shows)
                ok = SSL_CTX_use_certificate(ctx, call->shows->certificate) == 1 &&
                     SSL_CTX_use_PrivateKey(ctx, call->shows->key) == 1;
        if (ok && call->shows && call->through)
                ok = SSL_CTX_add1_chain_cert(ctx, call->through->certificate) == 1;
        if (ok)
                return ctx;
        SSL_CTX_free(ctx);
        return NULL;
}

/* OpenSSL 3.0 receives TLS 1.3's certificate_required, but has no word for it. */
static const char *alert_name(int alert)
{
        enum {
                CERTIFICATE_REQUIRED = 116
        };
        return alert == CERTIFICATE_REQUIRED ? "certificate required"
                                             : SSL_alert_desc_string_long(alert);
}

/* An alert may come in the handshake or, in TLS 1.3, with the first read after it. */
static void note_alert(struct demo_outcome *outcome)
{
        for (unsigned long code; (code = ERR_get_error()) != 0;) {
                int reason = ERR_GET_REASON(code);
                if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
                    reason <= SSL_AD_REASON_OFFSET + 255) {
                        outcome->alert = reason - SSL_AD_REASON_OFFSET;
                        snprintf(outcome->alert_text, sizeof(outcome->alert_text), "%s",
                                 alert_name(outcome->alert));
                }
        }
}

static void ask(SSL *ssl, const char *host, struct demo_outcome *outcome)
{
        char text[8192];
        int len = snprintf(text, sizeof(text),
                           "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host);
        size_t total = 0;
        /* Read even where the write failed: a server that refused has sent its alert before. */
        SSL_write(ssl, text, len);
        for (int got; total < sizeof(text) - 1 &&
                      (got = SSL_read(ssl, text + total, (int)(sizeof(text) - 1 - total))) > 0;)
                total += (size_t)got;
        note_alert(outcome);
        text[total] = '\0';
        uint64_t status;
        struct slice answer = slice_from(text, total);
        if (slice_starts_with(answer, SLICE("HTTP/1.1 ")) &&
            slice_to_u64(slice_sub(answer, 9, 3), 999, &status))
                outcome->status = (int)status;
        const char *body = strstr(text, "\r\n\r\n");
        snprintf(outcome->body, sizeof(outcome->body), "%s", body ? body + 4 : "");
}

static bool converse(const struct demo_call *call, SSL_CTX *ctx, int fd,
                     struct demo_outcome *outcome, struct error *err)
{
        SSL *ssl = SSL_new(ctx);
        bool ok = ssl && SSL_set_fd(ssl, fd) == 1 &&
                  SSL_set_tlsext_host_name(ssl, call->host) == 1 &&
                  SSL_set1_host(ssl, call->host) == 1;
        if (!ok) {
                SSL_free(ssl);
                return error_set(err, ERROR_SYSTEM, "the demo's client can't set up TLS");
        }
        ERR_clear_error();
        if (SSL_connect(ssl) == 1)
                ask(ssl, call->host, outcome);
        else if (SSL_get_verify_result(ssl) != X509_V_OK)
                ok = error_set(err, ERROR_SYSTEM, "the gateway's certificate: %s",
                               X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
        else
                note_alert(outcome);
        ERR_clear_error();
        SSL_free(ssl);
        return ok;
}

bool demo_call(const struct demo_call *call, struct demo_outcome *outcome, struct error *err)
{
        *outcome = (struct demo_outcome){0};
        int fd = connect_to(call->port, &outcome->local_port, err);
        if (fd < 0)
                return false;
        SSL_CTX *ctx = context_new(call);
        bool ok = ctx ? converse(call, ctx, fd, outcome, err)
                      : error_set(err, ERROR_SYSTEM, "the demo's client can't set up TLS");
        SSL_CTX_free(ctx);
        close(fd);
        return ok;
}
