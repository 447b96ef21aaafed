/* A server certificate in OpenSSL's form, made once and shared by all contexts of all generations
 * that serve it. */
#pragma once

#include <openssl/ssl.h>

#include "base/error.h"
#include "snapshot/snapshot.h"

struct tls_certificate {
        X509 *leaf;
        EVP_PKEY *key;
        STACK_OF(X509) * chain; /* above the leaf */
};

bool tls_certificate_init(struct tls_certificate *certificate,
                          const struct server_certificate *source, struct error *err);
/* The same once more, of its own. */
bool tls_certificate_share(struct tls_certificate *certificate, const struct tls_certificate *from);
void tls_certificate_done(struct tls_certificate *certificate);
/* Into a context, or into one connection: the other is NULL. */
bool tls_certificate_load(const struct tls_certificate *certificate, SSL_CTX *ctx, SSL *ssl,
                          struct error *err);
