#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "proxy/handshake/client_hello.h"

/* What OpenSSL takes for the name in the same bytes. */
struct seen {
        bool any, wellformed;
        struct server_name name;
};

static int on_client_hello(SSL *ssl, int *alert, void *self)
{
        struct seen *seen = self;
        const unsigned char *data;
        size_t len;
        struct slice name = SLICE_NONE;
        (void)alert;
        seen->any = true;
        seen->wellformed =
                SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &len) != 1 ||
                server_name_read(slice_from(data, len), &name);
        memcpy(seen->name.bytes, name.len ? name.data : "", name.len);
        seen->name.len = name.len;
        return SSL_CLIENT_HELLO_ERROR;
}

static struct seen openssl_read(struct slice bytes)
{
        static SSL_CTX *ctx;
        struct seen seen = {0};
        if (!ctx)
                ctx = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_client_hello_cb(ctx, on_client_hello, &seen);
        SSL *ssl = SSL_new(ctx);
        BIO *in = BIO_new_mem_buf(bytes.data, (int)bytes.len);
        BIO_set_mem_eof_return(in, -1);
        SSL_set_bio(ssl, in, BIO_new(BIO_s_mem()));
        SSL_accept(ssl);
        SSL_free(ssl);
        ERR_clear_error();
        return seen;
}

/* The name that a connection is sent away by must be the one that OpenSSL would have seen (I19). */
static void check_against_openssl(struct slice bytes, const struct server_name *name)
{
        struct seen seen = openssl_read(bytes);
        if (!seen.any)
                return;
        must(seen.wellformed && seen.name.len == name->len);
        must(memcmp(seen.name.bytes, name->bytes, name->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice bytes = slice_from(data, size);
        struct server_name name, cut;
        enum client_hello_status status = client_hello_read(bytes, &name);
        size_t half = size > 0 ? (size_t)data[size - 1] * size / 256 : 0;
        enum client_hello_status first = client_hello_read(slice_sub(bytes, 0, half), &cut);
        must(first == CLIENT_HELLO_MORE || first == status);
        if (status != CLIENT_HELLO_DONE)
                return 0;
        must(name.len <= SNI_MAX && !memchr(name.bytes, 0, name.len));
        must(first != CLIENT_HELLO_DONE ||
             (cut.len == name.len && memcmp(cut.bytes, name.bytes, cut.len) == 0));
        check_against_openssl(bytes, &name);
        return 0;
}
