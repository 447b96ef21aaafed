#include "tls/backend.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/must.h"
#include "tls/contexts.h"
#include "tls/reasons.h"
#include "trust/certificate.h"

/* ---- contexts ---- */

static int slot;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void slot_init(void)
{
        slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
        must(slot >= 0);
}

/* OpenSSL does not verify: it asks here, and is told nothing but an error code. */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
        SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
        struct backend_handshake *handshake = SSL_get_ex_data(ssl, slot);
        (void)arg;
        if (!handshake) { /* nobody is judged behind the handshake: renegotiation is off */
                X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
                return 0;
        }
        struct chain *chain = chain_of_store_ctx(store, 0);
        judge(&(struct judge_request){.policy = handshake->tls->peer,
                                      .chain = chain,
                                      .listener = LISTENER_UNKNOWN,
                                      .now = (int64_t)time(NULL),
                                      .store = handshake->store,
                                      .cache = handshake->cache},
              &handshake->verdict);
        chain_free(chain);
        handshake->judged = true;
        const struct verdict *verdict = &handshake->verdict;
        bool verified = verdict->admitted && verdict->verified;
        X509_STORE_CTX_set_error(store, verified ? X509_V_OK : tls_verify_error(verdict->reason));
        return verified;
}

static bool context_build(const struct backend_tls *tls, const struct tls_options *options,
                          struct tls_backend *out, struct error *err)
{
        SSL_CTX *ctx = out->ssl =
                SSL_CTX_new_ex(tls_library_context(options->library), NULL, TLS_client_method());
        pthread_once(&slot_once, slot_init);
        if (!ctx || !tls_context_set_algorithms(ctx))
                return error_set(err, ERROR_SYSTEM, "OpenSSL gives no client context");
        tls_context_restrict(ctx);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
        if (!tls->certificate)
                return true;
        return tls_certificate_load(tls->certificate->pair, ctx, NULL, err) ||
               error_wrap(err, "%.*s", SLICE_ARG(tls->certificate->source));
}

/* Of this worker's, in the former generation or so far in this one. */
static const struct tls_backend *context_known(const struct tls_contexts *all, size_t worker,
                                               const struct digest *certificate)
{
        for (size_t i = 0; all && worker < all->workers && i < all->backend_count; i++) {
                const struct tls_backend *at = &all->backends[worker * all->backend_count + i];
                if (at->ssl && digest_equal(&at->certificate, certificate))
                        return at;
        }
        return NULL;
}

static struct trust_store *store_known(const struct tls_contexts *all, size_t worker,
                                       const struct ca_set *cas)
{
        for (size_t i = 0; all && worker < all->workers && i < all->backend_count; i++) {
                const struct tls_backend *at = &all->backends[worker * all->backend_count + i];
                if (at->store && trust_store_set(at->store) == cas)
                        return at->store;
        }
        return NULL;
}

static bool backend_make(const struct snapshot *former, const struct snapshot *snapshot,
                         const struct tls_options *options, size_t at, struct error *err)
{
        struct tls_contexts *all = snapshot->tls;
        must(all->backend_count > 0);
        const struct tls_contexts *had = former ? former->tls : NULL;
        const struct backend_tls *tls = snapshot->backend_tls[at % all->backend_count];
        struct tls_backend *out = &all->backends[at];
        size_t worker = at / all->backend_count;
        struct ca_set *cas = tls->peer->cas;
        if (cas) {
                struct trust_store *store = store_known(all, worker, cas);
                store = store ? store : store_known(had, worker, cas);
                out->store = store ? trust_store_ref(store) : trust_store_new(cas);
        }
        if (tls->certificate)
                out->certificate = tls->certificate->digest;
        const struct tls_backend *known = context_known(all, worker, &out->certificate);
        known = known ? known : context_known(had, worker, &out->certificate);
        if (known && SSL_CTX_up_ref(known->ssl) == 1) {
                out->ssl = known->ssl;
                return true;
        }
        return context_build(tls, options, out, err) ||
               error_wrap(err, "%.*s", SLICE_ARG(tls->source));
}

bool tls_backends_build(const struct snapshot *former, const struct snapshot *snapshot,
                        const struct tls_options *options, struct error *err)
{
        struct tls_contexts *all = snapshot->tls;
        size_t count = all->workers * snapshot->backend_tls_count;
        all->backend_count = snapshot->backend_tls_count;
        all->backends = memory_new(count * sizeof(*all->backends));
        for (size_t i = 0; i < count; i++)
                if (!backend_make(former, snapshot, options, i, err))
                        return false;
        return true;
}

void tls_backends_free(struct tls_contexts *all)
{
        for (size_t i = 0; i < all->workers * all->backend_count; i++) {
                SSL_CTX_free(all->backends[i].ssl);
                trust_store_unref(all->backends[i].store);
        }
        free(all->backends);
}

/* ---- one connection ---- */

static bool ssl_prepare(SSL *ssl, const struct backend_tls *tls, const struct backend_offer *offer)
{
        char name[254];
        must(tls->server_name.len < sizeof(name)); /* the schema's maxLength is 253 */
        memcpy(name, tls->server_name.data, tls->server_name.len);
        name[tls->server_name.len] = '\0';
        if (SSL_set_tlsext_host_name(ssl, name) != 1 || SSL_set_fd(ssl, offer->fd) != 1)
                return false;
        /* Returns 0 for success. */
        return offer->alpn.len == 0 ||
               SSL_set_alpn_protos(ssl, (const unsigned char *)offer->alpn.data,
                                   (unsigned)offer->alpn.len) == 0;
}

SSL *tls_backend_connect(const struct backend_tls *tls, const struct backend_offer *offer,
                         struct backend_handshake *handshake)
{
        const struct tls_contexts *all = tls->snapshot->tls;
        must(offer->worker < all->workers && tls->index < all->backend_count);
        const struct tls_backend *backend =
                &all->backends[offer->worker * all->backend_count + tls->index];
        SSL *ssl = SSL_new(backend->ssl);
        handshake->tls = tls;
        handshake->store = backend->store;
        handshake->judged = false;
        if (!ssl || !ssl_prepare(ssl, tls, offer) || SSL_set_ex_data(ssl, slot, handshake) != 1) {
                ERR_clear_error();
                SSL_free(ssl);
                return NULL;
        }
        SSL_set_connect_state(ssl);
        return ssl;
}

bool tls_backend_finish(SSL *ssl, struct backend_handshake *handshake)
{
        const struct verdict *verdict = &handshake->verdict;
        X509 *proven = SSL_get0_peer_certificate(ssl);
        /* Belt and braces: what was judged is what proved its key. */
        struct digest leaf = {{0}};
        if (proven)
                leaf = certificate_digest(proven);
        SSL_set_ex_data(ssl, slot, NULL);
        if (!handshake->judged || !verdict->verified || SSL_session_reused(ssl) ||
            SSL_get_verify_result(ssl) != X509_V_OK || !proven ||
            !digest_equal(&leaf, &verdict->leaf))
                return false;
        if (handshake->cache)
                path_cache_commit(handshake->cache, verdict);
        return true;
}

enum reason tls_backend_failure(const struct backend_handshake *handshake)
{
        int reason = ERR_GET_REASON(ERR_peek_error());
        ERR_clear_error();
        if (handshake->judged && !handshake->verdict.verified)
                return handshake->verdict.reason;
        return tls_failure_reason(reason);
}
