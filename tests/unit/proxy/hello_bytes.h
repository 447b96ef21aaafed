/* ClientHellos as OpenSSL's own client makes them, and the same cut into other records. */
#pragma once

#include <string.h>

#include <openssl/ssl.h>

#include "base/buffer.h"
#include "base/must.h"

/* What a client with that name (NULL: none) says first; `version` is its highest. */
static inline void hello_make(const char *name, int version, struct buffer *out)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(ctx, version);
        SSL *ssl = SSL_new(ctx);
        BIO *said = BIO_new(BIO_s_mem());
        char *data;
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), said);
        if (name)
                SSL_set_tlsext_host_name(ssl, name);
        SSL_connect(ssl);
        long len = BIO_get_mem_data(said, &data);
        must(len > 0 && buffer_append(out, slice_from(data, (size_t)len)));
        SSL_free(ssl);
        SSL_CTX_free(ctx);
}

/* The handshake messages of one record, in records of at most `size` bytes. */
static inline void hello_refragment(struct slice record, size_t size, struct buffer *out)
{
        struct slice message = slice_skip(record, 5);
        while (message.len > 0) {
                size_t len = message.len < size ? message.len : size;
                const char head[] = {22, 3, 1, (char)(len >> 8), (char)len};
                must(buffer_append(out, slice_from(head, sizeof(head))));
                must(buffer_append(out, slice_sub(message, 0, len)));
                message = slice_skip(message, len);
        }
}
