#include "tls/certificate.h"

#include <openssl/err.h>

#include "trust/private_key.h"

static X509 *parse(struct slice der)
{
        const unsigned char *at = (const unsigned char *)der.data;
        return d2i_X509(NULL, &at, (long)der.len);
}

bool tls_certificate_init(struct tls_certificate *certificate,
                          const struct server_certificate *source, struct error *err)
{
        *certificate = (struct tls_certificate){.chain = sk_X509_new_null()};
        certificate->leaf = parse(source->chain[0]);
        certificate->key = private_key_decode(slice_from(source->key.bytes, source->key.len));
        bool ok = certificate->leaf && certificate->key && certificate->chain;
        for (size_t i = 1; ok && i < source->chain_count; i++) {
                X509 *above = parse(source->chain[i]);
                ok = above && sk_X509_push(certificate->chain, above) > 0;
        }
        if (!ok) {
                ERR_clear_error();
                return error_set(err, ERROR_INPUT, "certificate or key can't be read");
        }
        return true;
}

bool tls_certificate_share(struct tls_certificate *certificate, const struct tls_certificate *from)
{
        *certificate = (struct tls_certificate){.chain = X509_chain_up_ref(from->chain)};
        if (!certificate->chain || X509_up_ref(from->leaf) != 1)
                return false;
        certificate->leaf = from->leaf;
        if (EVP_PKEY_up_ref(from->key) != 1)
                return false;
        certificate->key = from->key;
        return true;
}

void tls_certificate_done(struct tls_certificate *certificate)
{
        X509_free(certificate->leaf);
        EVP_PKEY_free(certificate->key);
        sk_X509_pop_free(certificate->chain, X509_free);
        *certificate = (struct tls_certificate){0};
}

bool tls_certificate_load(const struct tls_certificate *certificate, SSL_CTX *ctx, SSL *ssl,
                          struct error *err)
{
        int ok = 0;
        if (certificate && ctx)
                ok = SSL_CTX_use_cert_and_key(ctx, certificate->leaf, certificate->key,
                                              certificate->chain, 0);
        else if (certificate)
                ok = SSL_use_cert_and_key(ssl, certificate->leaf, certificate->key,
                                          certificate->chain, 0);
        if (ok == 1)
                return true;
        char reason[128] = "";
        ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
        ERR_clear_error();
        return error_set(err, ERROR_INPUT, "OpenSSL does not take the certificate (%s)", reason);
}
