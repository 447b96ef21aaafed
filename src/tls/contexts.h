/* What snapshot->tls is. Private to tls/. */
#pragma once

#include "tls/certificate.h"
#include "tls/context.h"

struct tls_context { /* of one worker and port */
        SSL_CTX *ssl;
        struct digest inputs;
        struct trust_store *store; /* NULL: no certificates are asked for, or no usable CA */
};

struct tls_backend {               /* of one worker and snapshot->backend_tls */
        SSL_CTX *ssl;              /* one for all with the same certificate of ours */
        struct digest certificate; /* all zero: none */
        struct trust_store *store; /* NULL: no usable CA */
};

struct tls_contexts {
        size_t workers, ports, backend_count;
        struct tls_context *contexts; /* [worker * ports + port] */
        struct tls_backend *backends; /* [worker * backend_count + index] */
};

/* Everything that I14, I15 and I18 forbid, off; buffers only while bytes wait. */
void tls_context_restrict(SSL_CTX *ctx);
bool tls_context_set_algorithms(SSL_CTX *ctx);

/* backend.c. `former` may be NULL. */
bool tls_backends_build(const struct snapshot *former, const struct snapshot *snapshot,
                        const struct tls_options *options, struct error *err);
void tls_backends_free(struct tls_contexts *all);
