#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum job_state {
        JOB_IDLE,
        JOB_HANDSHAKE,
        JOB_SEND,
        JOB_RECEIVE,
        JOB_HELD
};

enum {
        IDLE_AT_ONCE = 4 /* handshakes at a time while connections to hold are opened */
};

struct job {
        enum job_state state;
        int fd;
        SSL *ssl;
        uint64_t started_us;
        size_t received, wanted; /* of the reply; wanted 0: head not complete */
        char reply[4096];
        struct load_h2 *h2;
};

struct load {
        const struct load_options *options;
        const struct load_identities *identities;
        struct load_result *result;
        SSL_CTX *ctx;
        int epoll;
        struct job *jobs;
        uint64_t started, ended; /* operations */
        size_t next_identity, held, opened;
        char request[1024];
        size_t request_len;
};

static bool is_h2(const struct load_options *options)
{
        return options->mode == LOAD_H2 || options->mode == LOAD_GRPC;
}

uint64_t load_now_us(void)
{
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void load_result_add(struct load_result *result, uint64_t started_us)
{
        result->operations++;
        result->latency_us[result->latency_count++] = (uint32_t)(load_now_us() - started_us);
}

static bool job_open(struct load *load, struct job *job);

static void job_close(struct load *load, struct job *job)
{
        load_h2_free(job->h2);
        SSL_free(job->ssl);
        if (job->fd >= 0)
                close(job->fd);
        *job = (struct job){.fd = -1};
        (void)load;
}

static void operation_ended(struct load *load, uint64_t started_us, bool good)
{
        load->ended++;
        if (good)
                load_result_add(load->result, started_us);
        else
                load->result->errors++;
}

/* Ends the job; starts the next one while operations are left. */
static void job_end(struct load *load, struct job *job, bool good)
{
        operation_ended(load, job->started_us, good);
        job_close(load, job);
        if (load->started < load->options->count && !job_open(load, job))
                load->result->errors++;
}

static void job_watch(struct load *load, struct job *job, uint32_t events)
{
        struct epoll_event event = {.events = events, .data.ptr = job};
        epoll_ctl(load->epoll, EPOLL_CTL_MOD, job->fd, &event);
}

static void use_identity(struct load *load, SSL *ssl)
{
        if (load->identities->count == 0)
                return;
        const struct load_identity *identity = &load->identities->items[load->next_identity];
        load->next_identity = (load->next_identity + 1) % load->identities->count;
        SSL_use_cert_and_key(ssl, identity->cert, identity->key, identity->chain, 1);
}

static bool job_open(struct load *load, struct job *job)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(load->options->port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int one = 1;
        *job = (struct job){.state = JOB_HANDSHAKE, .started_us = load_now_us()};
        job->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (job->fd < 0)
                return false;
        setsockopt(job->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct linger linger = {1, 0}; /* no TIME_WAIT: ports would run out */
        setsockopt(job->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        if (connect(job->fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
            errno != EINPROGRESS) {
                job_close(load, job);
                return false;
        }
        job->ssl = SSL_new(load->ctx);
        SSL_set_fd(job->ssl, job->fd);
        SSL_set_tlsext_host_name(job->ssl, load->options->host);
        SSL_set_connect_state(job->ssl);
        use_identity(load, job->ssl);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = job};
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, job->fd, &event);
        if (!is_h2(load->options) && load->options->mode != LOAD_KEEPALIVE)
                load->started++;
        return true;
}

/* True: a whole reply of the wanted status is here. *broken: it can't become one. */
static bool reply_complete(struct job *job, const char *status, bool *broken)
{
        job->reply[job->received] = '\0';
        *broken = job->received >= 12 && memcmp(job->reply + 9, status, 3) != 0;
        if (job->wanted == 0) {
                char *end = strstr(job->reply, "\r\n\r\n");
                if (!end)
                        return false;
                char *length = strcasestr(job->reply, "\r\ncontent-length:");
                *broken = *broken || !length;
                job->wanted = (size_t)(end + 4 - job->reply) +
                              (length ? strtoul(length + 17, NULL, 10) : 0);
        }
        return job->received >= job->wanted;
}

static void job_replied(struct load *load, struct job *job, bool broken)
{
        const enum load_mode mode = load->options->mode;
        if (mode == LOAD_KEEPALIVE && !broken) {
                operation_ended(load, job->started_us, true);
                if (load->started >= load->options->count) {
                        job_close(load, job);
                        return;
                }
                load->started++;
                job->started_us = load_now_us();
                job->received = job->wanted = 0;
                job->state = JOB_SEND;
                return;
        }
        if (mode == LOAD_IDLE && !broken) {
                operation_ended(load, job->started_us, true);
                load->held++;
                job->state = JOB_HELD;
                /* A few at a time: what is measured is connections at rest, not a crowd's peak. */
                if (load->opened < load->options->concurrency &&
                    !job_open(load, &load->jobs[load->opened++]))
                        load->result->errors++;
                return;
        }
        job_end(load, job, !broken);
}

/* What an SSL call that did not succeed means. True: wait for the socket. */
static bool must_wait(struct load *load, struct job *job, int status)
{
        int error = SSL_get_error(job->ssl, status);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
                job_watch(load, job, error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
                return true;
        }
        ERR_clear_error();
        return false;
}

static bool job_step_h2(struct load *load, struct job *job)
{
        bool want_write = false;
        if (!job->h2)
                job->h2 = load_h2_new(load->options, load->result, &load->started);
        uint64_t before = load->result->operations;
        bool going = load_h2_move(job->h2, job->ssl, &want_write);
        load->ended += load->result->operations - before;
        if (!going) {
                job_close(load, job);
                return false;
        }
        job_watch(load, job, EPOLLIN | (want_write ? EPOLLOUT : 0U));
        return false;
}

/* One step; true: call again at once. */
static bool job_step(struct load *load, struct job *job)
{
        bool refused = load->options->mode == LOAD_REFUSED, broken = false;
        int status;
        switch (job->state) {
        case JOB_HANDSHAKE:
                status = SSL_do_handshake(job->ssl);
                if (status != 1) {
                        if (!must_wait(load, job, status))
                                job_end(load, job, refused);
                        return false;
                }
                if (load->options->mode == LOAD_KEEPALIVE)
                        load->started++;
                job->state = JOB_SEND;
                return true;
        case JOB_SEND:
                if (is_h2(load->options))
                        return job_step_h2(load, job);
                status = SSL_write(job->ssl, load->request, (int)load->request_len);
                if (status <= 0) {
                        if (!must_wait(load, job, status))
                                job_end(load, job, refused);
                        return false;
                }
                job->state = JOB_RECEIVE;
                return true;
        case JOB_RECEIVE:
                status = SSL_read(job->ssl, job->reply + job->received,
                                  (int)(sizeof(job->reply) - 1 - job->received));
                if (status <= 0) {
                        if (!must_wait(load, job, status))
                                job_end(load, job, refused);
                        return false;
                }
                job->received += (size_t)status;
                if (reply_complete(job, load->options->status, &broken) || broken)
                        job_replied(load, job, broken != refused);
                return job->state == JOB_SEND || job->state == JOB_RECEIVE;
        case JOB_HELD:
        case JOB_IDLE:
                return false;
        }
        return false;
}

static bool unfinished(const struct load *load)
{
        size_t open = 0;
        for (size_t i = 0; i < load->options->concurrency; i++)
                open += load->jobs[i].fd >= 0 && load->jobs[i].state != JOB_HELD;
        return open > 0 && load->ended < load->options->count;
}

static void load_loop(struct load *load)
{
        struct epoll_event events[256];
        while (unfinished(load)) {
                int ready = epoll_wait(load->epoll, events, 256, 10000);
                if (ready == 0) {
                        fprintf(stderr, "load: nothing moves for 10 s\n");
                        load->result->errors++;
                        return;
                }
                for (int i = 0; i < ready; i++) {
                        struct job *job = events[i].data.ptr;
                        while (job->fd >= 0 && job_step(load, job))
                                ;
                }
        }
}

static SSL_CTX *client_ctx(const struct load_options *options)
{
        static const unsigned char h1[] = "\x08http/1.1", h2[] = "\x02h2";
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
        SSL_CTX_set1_groups_list(ctx, "X25519");
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
        bool two = is_h2(options);
        SSL_CTX_set_alpn_protos(ctx, two ? h2 : h1, two ? 3 : 9);
        return ctx;
}

bool load_run(const struct load_options *options, const struct load_identities *identities,
              struct load_result *result)
{
        struct load load = {.options = options, .identities = identities, .result = result};
        result->latency_us = calloc(options->count + options->concurrency * (options->streams + 1),
                                    sizeof(uint32_t));
        load.ctx = client_ctx(options);
        load.epoll = epoll_create1(EPOLL_CLOEXEC);
        load.jobs = calloc(options->concurrency, sizeof(*load.jobs));
        load.request_len = (size_t)snprintf(
                load.request, sizeof(load.request), "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
                options->path, options->host,
                options->mode == LOAD_FULL ? "Connection: close\r\n" : "");
        for (size_t i = 0; i < options->concurrency; i++)
                load.jobs[i].fd = -1;
        uint64_t began = load_now_us();
        size_t at_once = options->mode == LOAD_IDLE && options->concurrency > IDLE_AT_ONCE
                                 ? IDLE_AT_ONCE
                                 : options->concurrency;
        while (load.opened < at_once && load.started < options->count) {
                if (!job_open(&load, &load.jobs[load.opened++]))
                        return false;
        }
        load_loop(&load);
        result->seconds = (double)(load_now_us() - began) / 1e6;
        if (options->mode == LOAD_IDLE) {
                printf("held %zu\n", load.held);
                fflush(stdout);
                char byte;
                while (read(0, &byte, 1) > 0)
                        ;
        }
        return true;
}

bool load_identities_read(const char *path, struct load_identities *out)
{
        BIO *file = BIO_new_file(path, "r");
        if (!file)
                return false;
        struct load_identity current = {0};
        char *name = NULL, *head = NULL;
        unsigned char *data = NULL;
        long len;
        while (PEM_read_bio(file, &name, &head, &data, &len)) {
                const unsigned char *at = data;
                if (strcmp(name, "CERTIFICATE") == 0) {
                        X509 *cert = d2i_X509(NULL, &at, len);
                        if (!current.cert)
                                current.cert = cert;
                        else {
                                current.chain = current.chain ? current.chain : sk_X509_new_null();
                                sk_X509_push(current.chain, cert);
                        }
                } else if ((current.key = d2i_AutoPrivateKey(NULL, &at, len)) != NULL) {
                        out->items = realloc(out->items, (out->count + 1) * sizeof(current));
                        out->items[out->count++] = current;
                        current = (struct load_identity){0};
                }
                OPENSSL_free(name);
                OPENSSL_free(head);
                OPENSSL_free(data);
        }
        ERR_clear_error();
        BIO_free(file);
        return out->count > 0;
}
