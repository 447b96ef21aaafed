/* A load generator for one TLS server on loopback: one thread, epoll, OpenSSL; every reply is
 * checked. Modes: full (connect, handshake, GET, close), refused (the same, and the server must
 * refuse), keepalive (GET on open connections), h2 (GET on streams), idle (hold connections until
 * stdin ends), grpc (unary calls on streams; each must end well). */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum load_mode {
        LOAD_FULL,
        LOAD_REFUSED,
        LOAD_KEEPALIVE,
        LOAD_H2,
        LOAD_IDLE,
        LOAD_GRPC
};

struct load_options {
        enum load_mode mode;
        uint16_t port;
        const char *host, *path, *status; /* "200": what every reply must be */
        size_t concurrency, streams;      /* open connections; h2 streams on each */
        uint64_t count;                   /* operations in all */
};

struct load_identity {
        X509 *cert;
        EVP_PKEY *key;
        STACK_OF(X509) * chain;
};

struct load_result {
        uint64_t operations, errors;
        double seconds;
        uint32_t *latency_us; /* one an operation */
        size_t latency_count;
};

struct load_identities {
        struct load_identity *items;
        size_t count;
};

/* Pairs of "certificate(s), key" one after another in one PEM file. */
bool load_identities_read(const char *path, struct load_identities *out);
/* Runs to the end. False: could not start. */
bool load_run(const struct load_options *options, const struct load_identities *identities,
              struct load_result *result);

/* h2.c: one nghttp2 client session on a connected SSL, driven by load.c. */
struct load_h2;
struct load_h2 *load_h2_new(const struct load_options *options, struct load_result *result,
                            uint64_t *started);
void load_h2_free(struct load_h2 *h2);
/* Moves bytes both ways until it would block. False: the connection is broken or done. */
bool load_h2_move(struct load_h2 *h2, SSL *ssl, bool *want_write);
void load_result_add(struct load_result *result, uint64_t started_us);
uint64_t load_now_us(void);
