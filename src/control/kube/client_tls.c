/* What libcurl has no option for (I43): OpenSSL decrypts into a buffer of its own and leaves there
 * what it gave away, until the next record comes, or until somebody else gets that memory. */
#include <openssl/ssl.h>

#include "control/kube/client_parts.h"

CURLcode call_tls_prepare(CURL *curl, void *ssl_context, void *self)
{
        (void)curl, (void)self;
        SSL_CTX_set_options(ssl_context, SSL_OP_CLEANSE_PLAINTEXT);
        return CURLE_OK;
}
