#include "proxy/handshake/hooks.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "tls/reasons.h"

static int slot;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void slot_init(void)
{
        slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        must(slot >= 0);
}

int handshake_slot(void)
{
        pthread_once(&slot_once, slot_init);
        return slot;
}

static struct handshake *handshake_of(SSL *ssl)
{
        return SSL_get_ex_data(ssl, handshake_slot());
}

static int refuse(struct handshake *handshake, enum reason reason, int *alert)
{
        handshake->failure = reason;
        *alert = reason_alert(reason);
        return SSL_CLIENT_HELLO_ERROR;
}

/* False: there, but malformed. */
static bool server_name_parse(SSL *ssl, struct slice *name)
{
        const unsigned char *data;
        size_t len;
        *name = SLICE_NONE;
        return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) != 1 ||
               server_name_read(slice_from(data, len), name);
}

enum reason handshake_select(const struct port *port, struct slice name,
                             const struct listener **listener)
{
        const struct pin_scope *empty;
        struct slice why;
        if (port->client && client_policy_is_closed(port->client, &why))
                return REASON_PORT_NOT_USABLE;
        *listener = host_table_find(port->hosts, name);
        if (!*listener)
                return REASON_UNKNOWN_SNI;
        if ((*listener)->certificate_count == 0 || (*listener)->closed.len > 0 ||
            (*listener)->kind == LISTENER_TLS_PASSTHROUGH) /* no TLS of its ends here */
                return REASON_PORT_NOT_USABLE;
        return port->client
                       ? client_policy_refuses_listener(port->client, (*listener)->index, &empty)
                       : REASON_ACCEPTED;
}

/* Nothing that decides about clients depends on what is read here but the listener's own pins: mode
 * and CAs are the port's (I19). */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
        struct handshake *handshake = handshake_of(ssl);
        struct slice name;
        (void)arg;
        if (!server_name_parse(ssl, &name))
                return refuse(handshake, REASON_UNKNOWN_SNI, alert);
        /* Whether TLS ends here was decided by the name that was peeked at: OpenSSL has read those
         * bytes, and a second ClientHello may not change its mind. */
        if (handshake->peeked && !slice_equal(*handshake->peeked, name))
                return refuse(handshake, REASON_UNKNOWN_SNI, alert);
        memcpy(handshake->sni, name.len ? name.data : "", name.len);
        handshake->sni_len = name.len;
        enum reason reason = handshake_select(handshake->port, name, &handshake->listener);
        if (reason != REASON_ACCEPTED)
                return refuse(handshake, reason, alert);
        return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_certificate(SSL *ssl, void *arg)
{
        struct handshake *handshake = handshake_of(ssl);
        (void)arg;
        return tls_use_listener(ssl, handshake->port, handshake->listener);
}

/* OpenSSL does not verify: it asks here, and is told nothing but an error code. Admitting is not
 * enough to come in, the client has yet to prove its key. */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
        SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct handshake *handshake = handshake_of(ssl);
        (void)arg;
        chain_free(handshake->chain);
        handshake->chain = chain_of_store_ctx(store, 0);
        handshake_judge(handshake, handshake->snapshot, handshake->port_index, handshake->listener,
                        (int64_t)time(NULL));
        const struct verdict *verdict = handshake->verdict;
        if (handshake->cache) /* the probe of a policy has none */
                path_cache_commit_refused(handshake->cache, verdict);
        if (verdict->admitted) {
                X509_STORE_CTX_set_error(store, X509_V_OK);
                return 1;
        }
        X509_STORE_CTX_set_error(store, tls_verify_error(verdict->reason));
        return 0;
}

/* Without ALPN it is HTTP/1.1; an offer of nothing that we speak is refused (I22). What is spoken
 * within a stream is its backend's affair, which is not asked: nothing is agreed on. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *offered, unsigned offered_len, void *arg)
{
        static const unsigned char spoken[] = "\x02h2\x08http/1.1";
        const struct listener *listener = handshake_of(ssl)->listener;
        unsigned char *chosen;
        (void)arg;
        if (listener && listener->kind != LISTENER_HTTPS)
                return SSL_TLSEXT_ERR_NOACK;
        if (SSL_select_next_proto(&chosen, out_len, spoken, sizeof(spoken) - 1, offered,
                                  offered_len) != OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_ALERT_FATAL;
        *out = chosen;
        return SSL_TLSEXT_ERR_OK;
}

const struct tls_hooks *handshake_hooks(void)
{
        static const struct tls_hooks hooks = {on_client_hello, on_certificate, on_verify, on_alpn};
        return &hooks;
}
