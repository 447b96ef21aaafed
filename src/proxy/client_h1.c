/* The HTTP/1.1 side of a client connection: one request at a time, read strictly, answered by an
 * exchange. After a fault not one more byte of the connection is parsed (I32). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "http/body.h"
#include "http/h1_write.h"
#include "proxy/client.h"
#include "proxy/connection_io.h"
#include "proxy/connection_recheck.h"
#include "proxy/connection_state.h"
#include "proxy/tunnel.h"

enum {
        OUT_BYTES_WANTED = 64 * 1024,     /* answers are pulled up to here while the peer is slow */
        UNCONSUMED_BYTES_MAX = 64 * 1024, /* of a request body that the backend has not taken */
        READS_A_TURN = 8,
        PULLS_A_TURN = 16,
        PULL_BYTES = 16 * 1024, /* one TLS record */
};

enum h1_phase {
        H1_HEAD,  /* between requests, or in a head */
        H1_BODY,  /* an exchange is open, its request body comes in */
        H1_WAIT,  /* the request is complete, the answer is not */
        H1_FAULT, /* what comes in is not read any more */
};

struct client_h1 {
        struct connection *connection;
        enum h1_phase phase;
        struct http_limits limits;
        struct arena arena; /* of the exchange */
        struct h1_reader reader;
        struct request_head head;
        struct body_reader body;
        struct exchange *exchange;
        size_t unconsumed;
        bool greeted;   /* what comes is no HTTP/2 */
        bool is_h2;     /* its preface came: nothing of it was taken */
        bool in_head;   /* the head's deadline runs */
        bool head_sent; /* the final response head is written */
        bool chunked;   /* we frame the answer */
        bool answered;  /* the answer is complete */
        bool keep_alive;
        bool continued; /* 100 Continue was sent */
        bool filled;    /* pulling stopped because enough waits to be written */
        bool switched;  /* a 101 is written: the connection becomes a tunnel */
};

static void on_head(struct exchange *exchange, const struct response_head *head, bool end,
                    void *self);
static void on_readable(struct exchange *exchange, void *self);
static void on_consumed(struct exchange *exchange, size_t bytes, void *self);
static void on_continue(struct exchange *exchange, void *self);

static const struct exchange_callbacks callbacks = {on_head, on_readable, on_consumed, on_continue};

static struct http_limits limits_of(const struct limits *limits)
{
        struct http_limits http = http_limits_default();
        http.head_bytes = limits->head_bytes;
        http.headers = limits->headers;
        http.target_bytes = limits->target_bytes;
        return http;
}

static void next_request(struct client_h1 *h1)
{
        arena_done(&h1->arena); /* an idle connection holds no memory for requests (I33) */
        h1->head = (struct request_head){0}; /* it pointed into the arena */
        h1->phase = H1_HEAD;
        h1->unconsumed = 0;
        h1->in_head = h1->head_sent = h1->chunked = h1->answered = h1->continued = false;
        h1->keep_alive = true;
        h1_reader_init(&h1->reader, &h1->limits, &h1->arena);
}

struct client_h1 *client_h1_new(struct connection *connection)
{
        struct client_h1 *h1 = NEW(struct client_h1);
        h1->connection = connection;
        h1->limits = limits_of(connection->worker->limits);
        arena_init(&h1->arena, 4096);
        next_request(h1);
        return h1;
}

void client_h1_free(struct client_h1 *h1)
{
        if (!h1)
                return;
        if (h1->exchange)
                exchange_close(h1->exchange);
        arena_done(&h1->arena);
        free(h1);
}

static struct exchange_start start_of(struct client_h1 *h1, bool end)
{
        struct exchange_start start = connection_exchange(h1->connection);
        start.callbacks = &callbacks;
        start.self = h1;
        start.head = &h1->head;
        start.arena = &h1->arena;
        start.end = end;
        return start;
}

/* A head that can't be read is answered once; then the connection ends. */
static void refuse(struct client_h1 *h1, const struct http_fault *fault)
{
        struct exchange_start start = start_of(h1, true);
        h1->phase = H1_FAULT;
        h1->keep_alive = false;
        h1->exchange = exchange_open_fault(&start, fault);
}

static void begin(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        bool end = h1->head.framing == FRAMING_NONE ||
                   (h1->head.framing == FRAMING_LENGTH && h1->head.content_length == 0);
        h1->keep_alive = h1->head.keep_alive && connection->state == CONNECTION_SERVING;
        h1->phase = end ? H1_WAIT : H1_BODY;
        h1->in_head = false;
        body_reader_init(&h1->body, h1->head.framing, h1->head.content_length, &h1->limits,
                         &h1->arena);
        struct exchange_start start = start_of(h1, end);
        h1->exchange = exchange_open(&start);
        if (connection->state == CONNECTION_SERVING) /* a drain's grace is not prolonged */
                connection_deadline(connection, exchange_left_ms(h1->exchange));
        connection_await_request(connection, h1->exchange);
        if (end)
                exchange_request_end(h1->exchange, NULL);
}

/* From here on the whole head is waited for, or the whole preface. */
static void await_head(struct client_h1 *h1, struct slice in)
{
        if (in.len == 0 || h1->in_head)
                return;
        h1->in_head = true;
        connection_deadline(h1->connection, h1->connection->worker->limits->head_ms);
}

/* RFC 9113, 3.3: on a plain port the first bytes of the connection say what it speaks. False: that
 * is not known yet, or it is HTTP/2. By TLS it is ALPN alone that says it (I22). */
static bool greet(struct client_h1 *h1, struct slice in)
{
        size_t len = in.len < H2_PREFACE_BYTES ? in.len : H2_PREFACE_BYTES;
        bool alike = slice_equal(slice_sub(in, 0, len), slice_from(h2_preface, len));
        h1->greeted = h1->greeted || h1->connection->ssl || !alike;
        if (h1->greeted)
                return true;
        h1->is_h2 = len == H2_PREFACE_BYTES;
        await_head(h1, in);
        return false;
}

/* True: more of the input may be used. */
static bool take_head(struct client_h1 *h1, struct slice *in)
{
        struct connection *connection = h1->connection;
        size_t consumed = 0;
        if (connection->state != CONNECTION_SERVING && in->len == 0)
                return false;
        if (!greet(h1, *in))
                return false;
        switch (h1_request_read(&h1->reader, *in, &consumed, &h1->head)) {
        case H1_MORE:
                await_head(h1, *in);
                return false;
        case H1_BAD:
                *in = slice_skip(*in, in->len);
                refuse(h1, &h1->reader.fault);
                return false;
        case H1_DONE:
                *in = slice_skip(*in, consumed);
                begin(h1);
                return h1->phase == H1_BODY;
        }
        return false;
}

/* A broken body: the backend must never take it for complete. */
static void break_body(struct client_h1 *h1)
{
        h1->phase = H1_FAULT;
        h1->keep_alive = false;
        if (h1->head_sent) {
                h1->connection->broken = true;
                return;
        }
        exchange_request_broken(h1->exchange, &h1->body.fault);
}

static bool take_body(struct client_h1 *h1, struct slice *in)
{
        size_t consumed;
        struct slice data;
        enum body_status status = body_read(&h1->body, *in, &consumed, &data);
        *in = slice_skip(*in, consumed);
        switch (status) {
        case BODY_MORE:
                return false;
        case BODY_DATA:
                h1->unconsumed += data.len;
                exchange_request_data(h1->exchange, data);
                return h1->phase == H1_BODY;
        case BODY_END:
                h1->phase = H1_WAIT;
                exchange_request_end(h1->exchange, &h1->body.trailers);
                return false;
        case BODY_BAD:
                *in = slice_skip(*in, in->len);
                break_body(h1);
                return false;
        }
        return false;
}

/* A body is at its end with its last byte, not with the first of what comes behind. */
static void take(struct client_h1 *h1, struct slice *in)
{
        bool going = true;
        while (going && (in->len > 0 || h1->phase == H1_BODY)) {
                bool room = in->len == 0 || h1->unconsumed < UNCONSUMED_BYTES_MAX;
                if (h1->phase == H1_HEAD)
                        going = take_head(h1, in);
                else if (h1->phase == H1_BODY && room)
                        going = take_body(h1, in);
                else
                        going = false;
        }
        if (h1->phase == H1_FAULT)
                *in = SLICE_NONE;
}

static bool wants_input(const struct client_h1 *h1)
{
        if (h1->is_h2)
                return false;
        if (h1->phase == H1_HEAD)
                return !h1->connection->cut;
        return h1->phase == H1_BODY && h1->unconsumed < UNCONSUMED_BYTES_MAX;
}

/* Bytes that wait from before are used first. False: the peer has closed, or the socket broke. */
static bool read_on(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        if (connection->in.len > 0 && wants_input(h1)) {
                struct slice in = buffer_slice(&connection->in);
                size_t before = in.len;
                take(h1, &in);
                buffer_consume(&connection->in, before - in.len);
                if (connection->in.len == 0)
                        buffer_release(&connection->in);
        }
        for (int i = 0; i < READS_A_TURN && wants_input(h1); i++) {
                char *scratch = connection->worker->scratch;
                long got = connection_read(connection, scratch, SCRATCH_BYTES);
                if (got == IO_MORE)
                        return true;
                if (got <= 0)
                        return false;
                struct slice in = slice_from(scratch, (size_t)got);
                if (connection->in.len > 0) {
                        if (!buffer_append(&connection->in, in))
                                return false;
                        in = buffer_slice(&connection->in);
                        size_t before = in.len;
                        take(h1, &in);
                        buffer_consume(&connection->in, before - in.len);
                } else {
                        take(h1, &in);
                        if (in.len > 0 && !buffer_append(&connection->in, in))
                                return false;
                }
        }
        /* The budget of this turn is spent, and poll does not fire for what TLS holds. */
        if (wants_input(h1))
                connection_ready(connection);
        return true;
}

/* The answer as far as it is there and the peer takes it. */
static void answer(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        char *scratch = connection->worker->scratch;
        h1->filled = true;
        for (int i = 0; i < PULLS_A_TURN && h1->exchange && h1->head_sent && !h1->answered &&
                        connection->out.len < OUT_BYTES_WANTED && !connection->broken;
             i++) {
                const struct header_list *trailers = NULL;
                size_t len = PULL_BYTES;
                char size_line[CHUNK_HEAD_MAX];
                /* Room in front for the size of the chunk, behind for its end: one write, one
                 * record. */
                char *data = scratch + CHUNK_HEAD_MAX;
                enum h2_pull pulled = exchange_pull(h1->exchange, data, &len, &trailers);
                if (pulled == H2_PULL_LATER) {
                        h1->filled = false;
                        return;
                }
                if (pulled == H2_PULL_ABORT) {
                        connection->broken = true;
                        return;
                }
                struct slice piece = slice_from(data, len);
                if (h1->chunked && len > 0) {
                        struct slice line = chunk_head_print(len, size_line);
                        memcpy(data - line.len, line.data, line.len);
                        data[len] = '\r';
                        data[len + 1] = '\n';
                        piece = slice_from(data - line.len, line.len + len + 2);
                }
                if (!connection_write(connection, piece))
                        return;
                if (pulled == H2_PULL_END) {
                        h1->answered = true;
                        if (h1->chunked && !h1_write_last_chunk(trailers, &connection->out))
                                connection->broken = true;
                }
        }
}

/* The answer is written: on to the next request, or an orderly end. */
static void finish(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        bool whole = h1->phase == H1_WAIT;
        exchange_close(h1->exchange);
        h1->exchange = NULL;
        if (!whole || !h1->keep_alive || connection->state != CONNECTION_SERVING) {
                const char *why = h1->phase == H1_FAULT ? "bad_request" : "ended";
                connection_linger(connection, why);
                return;
        }
        next_request(h1);
        connection_deadline(connection, connection->worker->limits->idle_ms);
        if (connection->in.len > 0)
                connection_ready(connection);
}

/* One write for all that came together in this turn: head and body share a record. */
static bool write_on(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        answer(h1);
        if (connection->broken || !connection_flush(connection))
                return false;
        /* It was full and the peer took it all: there may be more to pull. */
        if (h1->exchange && h1->head_sent && !h1->answered && h1->filled &&
            connection->out.len == 0)
                connection_ready(connection);
        return true;
}

/* Cut, between requests. It waits for its moment unless the client wants something meanwhile: then
 * it learns by the end of the connection that this was not done, and asks elsewhere (RFC 9112,
 * 9.3.1). */
static void cut_turn(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        if (connection->ends_ms == 0 || connection->in.len > 0 ||
            connection_has_input(connection) || !connection_flush(connection)) {
                connection_linger(connection, "cut");
                return;
        }
        connection->want_read = true;
        connection_watch(connection);
}

/* What the client has sent meanwhile is the tunnel's first; none of it went on before. */
static void become_tunnel(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        connection->h1 = NULL;
        tunnel_switch(connection, h1->exchange, &h1->arena);
        h1->exchange = NULL;
        client_h1_free(h1);
}

void client_h1_turn(struct client_h1 *h1)
{
        struct connection *connection = h1->connection;
        if (h1->switched && !connection->broken) {
                become_tunnel(h1);
                return;
        }
        if (connection->cut && h1->phase == H1_HEAD) {
                cut_turn(h1);
                return;
        }
        if (connection->broken || !read_on(h1) || !write_on(h1)) {
                connection_end(connection, "peer_closed");
                return;
        }
        if (h1->is_h2) {
                connection_become_h2(connection);
                return;
        }
        if (h1->answered && h1->exchange) {
                finish(h1);
                if (!connection_is_open(connection) || connection->state == CONNECTION_LINGERING)
                        return;
                if (wants_input(h1) && connection->ssl && SSL_has_pending(connection->ssl))
                        connection_ready(connection);
        }
        /* Drained connections wait for one more request until the grace ends: it may be on its way.
         */
        bool idle = h1->phase == H1_HEAD && connection->in.len == 0;
        if (idle && connection->cut) {
                connection_linger(connection, "drained");
                return;
        }
        connection->want_read = wants_input(h1);
        connection_watch(connection);
}

void client_h1_judge(struct client_h1 *h1, const struct exchange_law *law)
{
        if (h1->exchange)
                exchange_judge(h1->exchange, law);
}

int64_t client_h1_valid_until(const struct client_h1 *h1)
{
        return h1->exchange ? exchange_valid_until(h1->exchange) : INT64_MAX;
}

void client_h1_drain(struct client_h1 *h1)
{
        h1->keep_alive = false;
}

static void on_head(struct exchange *exchange, const struct response_head *head, bool end,
                    void *self)
{
        struct client_h1 *h1 = self;
        struct connection *connection = h1->connection;
        struct response_head written = *head;
        (void)exchange;
        if (head->informational) {
                if (h1->head.http_minor > 0 &&
                    !h1_write_response(&written, SLICE_NONE, &connection->out))
                        connection->broken = true;
                connection_ready(connection);
                return;
        }
        if (head->status == 101) {
                h1->switched = true;
                if (!h1_write_response(&written, connection->worker->date, &connection->out))
                        connection->broken = true;
                connection_ready(connection);
                return;
        }
        /* A body that is not complete stays unread: the connection can't go on after it. */
        h1->keep_alive =
                h1->keep_alive && h1->phase == H1_WAIT && connection->state == CONNECTION_SERVING;
        if (!end && (head->framing == FRAMING_CHUNKED || head->framing == FRAMING_UNTIL_CLOSE)) {
                written.framing = h1->head.http_minor > 0 ? FRAMING_CHUNKED : FRAMING_UNTIL_CLOSE;
                h1->chunked = written.framing == FRAMING_CHUNKED;
                h1->keep_alive = h1->keep_alive && h1->chunked;
        }
        written.keep_alive = h1->keep_alive;
        h1->head_sent = true;
        h1->answered = end;
        if (!h1_write_response(&written, connection->worker->date, &connection->out))
                connection->broken = true;
        connection_ready(connection);
}

static void on_readable(struct exchange *exchange, void *self)
{
        struct client_h1 *h1 = self;
        (void)exchange;
        connection_ready(h1->connection);
}

static void on_consumed(struct exchange *exchange, size_t bytes, void *self)
{
        struct client_h1 *h1 = self;
        (void)exchange;
        h1->unconsumed -= bytes < h1->unconsumed ? bytes : h1->unconsumed;
        connection_ready(h1->connection);
}

static void on_continue(struct exchange *exchange, void *self)
{
        struct client_h1 *h1 = self;
        (void)exchange;
        if (h1->continued || h1->head_sent || h1->phase != H1_BODY)
                return;
        h1->continued = true;
        if (!buffer_append(&h1->connection->out, h1_continue()))
                h1->connection->broken = true;
        connection_ready(h1->connection);
}
