#include "tls/certificate.h"

#include <openssl/err.h>

bool tls_certificate_load(const struct key_pair *pair, SSL_CTX *ctx, SSL *ssl, struct error *err)
{
        int ok = ctx ? SSL_CTX_use_cert_and_key(ctx, pair->leaf, pair->key, pair->above, 0)
                     : SSL_use_cert_and_key(ssl, pair->leaf, pair->key, pair->above, 0);
        if (ok == 1)
                return true;
        char reason[128] = "";
        ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
        ERR_clear_error();
        return error_set(err, ERROR_INPUT, "OpenSSL does not take the certificate (%s)", reason);
}
