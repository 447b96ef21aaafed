/* The HTTP/2 side of a client connection: nghttp2 keeps the session, each stream has an exchange
 * and an arena of its own. Windows open only as backends take bytes, answers are pulled only as
 * fast as the peer reads. */
#include <stdlib.h>

#include "base/memory.h"
#include "http/h2.h"
#include "proxy/client.h"
#include "proxy/connection_io.h"
#include "proxy/connection_leave.h"
#include "proxy/connection_recheck.h"
#include "proxy/connection_state.h"

enum {
        OUT_BYTES_WANTED = 64 * 1024,
        READS_A_TURN = 8,
};

struct stream {
        struct stream *next, **link;
        struct client_h2 *h2;
        int32_t id;
        struct arena arena;
        struct request_head head; /* of a fault: only what an answer needs */
        struct exchange *exchange;
        bool pulling; /* the final head went out and a body follows */
};

struct client_h2 {
        struct connection *connection;
        struct http_limits limits;
        struct h2_limits budgets;
        struct h2_session *session;
        struct stream *streams;
        size_t stream_count;
        struct deadline head;   /* of a frame or field block that has begun */
        struct deadline linger; /* of requests that were answered before they ended */
        bool over;              /* feed nothing more: send what is left, then close */
        bool draining, final_goaway;
};

static struct stream *stream_find(const struct client_h2 *h2, int32_t id)
{
        struct stream *stream = h2->streams;
        while (stream && stream->id != id)
                stream = stream->next;
        return stream;
}

static void on_head(struct exchange *exchange, const struct response_head *head, bool end,
                    void *self)
{
        struct stream *stream = self;
        (void)exchange;
        stream->pulling = stream->pulling || (!head->informational && !end);
        h2_respond(stream->h2->session, stream->id, head, end && !head->informational);
        connection_ready(stream->h2->connection);
}

static void on_readable(struct exchange *exchange, void *self)
{
        struct stream *stream = self;
        (void)exchange;
        if (stream->pulling)
                h2_resume(stream->h2->session, stream->id);
        connection_ready(stream->h2->connection);
}

static void on_consumed(struct exchange *exchange, size_t bytes, void *self)
{
        struct stream *stream = self;
        (void)exchange;
        h2_consume(stream->h2->session, stream->id, bytes);
        connection_ready(stream->h2->connection);
}

static void on_continue(struct exchange *exchange, void *self)
{
        struct stream *stream = self;
        struct response_head head = {.status = 100, .informational = true};
        (void)exchange;
        header_list_init(&head.headers, &stream->arena);
        h2_respond(stream->h2->session, stream->id, &head, false);
        connection_ready(stream->h2->connection);
}

static const struct exchange_callbacks exchange_calls = {on_head, on_readable, on_consumed,
                                                         on_continue};

static struct arena *on_stream_open(int32_t id, void *self)
{
        struct client_h2 *h2 = self;
        struct connection *connection = h2->connection;
        if (connection->cut) { /* refused unread, so it may be asked elsewhere: tell it so now */
                connection_leave(connection);
                return NULL;
        }
        if (connection->state != CONNECTION_SERVING && h2->final_goaway)
                return NULL;
        struct stream *stream = NEW(struct stream);
        stream->h2 = h2;
        stream->id = id;
        arena_init(&stream->arena, 4096);
        stream->next = h2->streams;
        stream->link = &h2->streams;
        if (stream->next)
                stream->next->link = &stream->next;
        h2->streams = stream;
        h2->stream_count++;
        return &stream->arena;
}

static struct exchange_start start_of(struct stream *stream, struct request_head *head, bool end)
{
        struct exchange_start start = connection_exchange(stream->h2->connection);
        start.callbacks = &exchange_calls;
        start.self = stream;
        start.head = head;
        start.arena = &stream->arena;
        start.end = end;
        return start;
}

static void on_request(int32_t id, struct request_head *head, bool end, void *self)
{
        struct client_h2 *h2 = self;
        struct stream *stream = stream_find(h2, id);
        if (h2->connection->cut) { /* meanwhile, between the head's first frame and its last */
                h2_reset(h2->session, id, H2_REFUSED_STREAM);
                return;
        }
        struct exchange_start start = start_of(stream, head, end);
        stream->exchange = exchange_open(&start);
        /* Only requests count as activity: a peer that pings holds nothing open. */
        if (h2->connection->state == CONNECTION_SERVING)
                connection_deadline_extend(h2->connection, exchange_left_ms(stream->exchange));
        connection_await_request(h2->connection, stream->exchange);
}

static void on_bad_request(int32_t id, const struct http_fault *fault, void *self)
{
        struct stream *stream = stream_find(self, id);
        struct exchange_start start = start_of(stream, &stream->head, true);
        if (!stream->exchange)
                stream->exchange = exchange_open_fault(&start, fault);
}

static void on_data(int32_t id, struct slice data, void *self)
{
        struct stream *stream = stream_find(self, id);
        if (stream->exchange)
                exchange_request_data(stream->exchange, data);
}

static void on_request_end(int32_t id, struct header_list *trailers, void *self)
{
        struct stream *stream = stream_find(self, id);
        if (stream->exchange)
                exchange_request_end(stream->exchange, trailers);
}

static enum h2_pull on_pull(int32_t id, char *into, size_t *len,
                            const struct header_list **trailers, void *self)
{
        struct stream *stream = stream_find(self, id);
        return exchange_pull(stream->exchange, into, len, trailers);
}

static void on_stream_closed(int32_t id, uint32_t code, void *self)
{
        struct client_h2 *h2 = self;
        struct stream *stream = stream_find(h2, id);
        (void)code;
        if (stream->exchange)
                exchange_close(stream->exchange);
        *stream->link = stream->next;
        if (stream->next)
                stream->next->link = stream->link;
        arena_done(&stream->arena);
        free(stream);
        h2->stream_count--;
        if (h2->stream_count == 0 && h2->connection->state == CONNECTION_SERVING)
                connection_deadline(h2->connection, h2->connection->worker->limits->idle_ms);
}

static const struct h2_callbacks session_calls = {
        .on_stream_open = on_stream_open,
        .on_request = on_request,
        .on_bad_request = on_bad_request,
        .on_data = on_data,
        .on_request_end = on_request_end,
        .on_pull = on_pull,
        .on_stream_closed = on_stream_closed,
};

struct client_h2 *client_h2_new(struct connection *connection)
{
        struct client_h2 *h2 = NEW(struct client_h2);
        const struct limits *limits = connection->worker->limits;
        h2->connection = connection;
        h2->limits = http_limits_default();
        h2->limits.head_bytes = limits->head_bytes;
        h2->limits.headers = limits->headers;
        h2->limits.target_bytes = limits->target_bytes;
        h2->budgets = h2_limits_default(&h2->limits);
        h2->budgets.streams = (uint32_t)limits->streams;
        h2->budgets.linger_ms = (uint32_t)limits->linger_ms;
        h2->session = h2_session_new(&h2->budgets, &session_calls, h2);
        return h2;
}

void client_h2_free(struct client_h2 *h2)
{
        if (!h2)
                return;
        deadline_clear(&h2->head);
        deadline_clear(&h2->linger);
        h2_session_free(h2->session);
        free(h2);
}

static void take(struct client_h2 *h2, struct slice in)
{
        uint64_t now_ms = h2->connection->worker->now_ms;
        h2->over = h2->over || !h2_receive(h2->session, in, now_ms);
}

/* What came before it was known to be HTTP/2 is first. False: the peer has closed, or the socket
 * broke. */
static bool read_on(struct client_h2 *h2)
{
        struct connection *connection = h2->connection;
        if (connection->in.len > 0) {
                take(h2, buffer_slice(&connection->in));
                buffer_release(&connection->in);
        }
        for (int i = 0; i < READS_A_TURN; i++) {
                char *scratch = connection->worker->scratch;
                long got = connection_read(connection, scratch, SCRATCH_BYTES);
                if (got == IO_MORE)
                        return true;
                if (got <= 0)
                        return false;
                take(h2, slice_from(scratch, (size_t)got));
        }
        connection_ready(connection); /* the budget of this turn is spent */
        return true;
}

static void on_head_late(struct deadline *deadline)
{
        connection_end(CONTAINER_OF(deadline, struct client_h2, head)->connection, "head_timeout");
}

/* A head, or any frame but DATA, must come whole in the time of an h1 head (I34): a block that is
 * not ended also bars every other stream of its connection. */
static void watch_head(struct client_h2 *h2)
{
        struct worker *worker = h2->connection->worker;
        uint64_t since_ms;
        if (h2_unfinished(h2->session, &since_ms))
                deadline_set(&worker->wheel, &h2->head, since_ms + worker->limits->head_ms + 1,
                             on_head_late);
        else
                deadline_clear(&h2->head);
}

static void on_linger_over(struct deadline *deadline)
{
        connection_ready(CONTAINER_OF(deadline, struct client_h2, linger)->connection);
}

/* A client that sends nothing more is told by a turn of its own to stop. */
static void watch_linger(struct client_h2 *h2)
{
        struct worker *worker = h2->connection->worker;
        uint64_t until_ms;
        if (h2_lingers(h2->session, &until_ms))
                deadline_set(&worker->wheel, &h2->linger, until_ms + 1, on_linger_over);
        else
                deadline_clear(&h2->linger);
}

/* Frames are gathered into one TLS record where they are small. */
static bool write_on(struct client_h2 *h2)
{
        struct connection *connection = h2->connection;
        if (!connection_flush(connection))
                return false;
        while (connection->out.len < OUT_BYTES_WANTED) {
                struct slice bytes = h2_send_next(h2->session, connection->worker->now_ms);
                if (bytes.len == 0)
                        break;
                if (!buffer_append(&connection->out, bytes))
                        return false;
        }
        if (connection->out.len > 0 && !connection_flush(connection))
                return false;
        if (connection->out.len == 0 && h2_wants_send(h2->session))
                connection_ready(connection);
        return true;
}

void client_h2_turn(struct client_h2 *h2)
{
        struct connection *connection = h2->connection;
        if (connection->broken || !read_on(h2) || !write_on(h2)) {
                connection_end(connection, "peer_closed");
                return;
        }
        bool written = connection->out.len == 0 && !h2_wants_send(h2->session);
        if (written && (h2->over || h2_finished(h2->session))) {
                bool over_budget = h2_over_budget(h2->session) != NULL;
                counter_add(&connection->worker->counters->h2_budget_closes, over_budget);
                connection_linger(connection, over_budget ? "over_budget" : "ended");
                return;
        }
        bool asked = connection->requests > 0 || connection->cut;
        uint64_t until_ms;
        bool idle = h2->stream_count == 0 && !h2_lingers(h2->session, &until_ms);
        if (h2->draining && written && idle && asked) {
                if (h2->final_goaway) {
                        connection_linger(connection, "drained");
                        return;
                }
                h2->final_goaway = true;
                h2_goaway(h2->session, H2_NO_ERROR);
                connection_ready(connection);
        }
        watch_head(h2);
        watch_linger(h2);
        connection->want_read = connection->out.len < OUT_BYTES_WANTED;
        connection_watch(connection);
}

void client_h2_judge(struct client_h2 *h2, const struct exchange_law *law)
{
        for (struct stream *at = h2->streams; at; at = at->next)
                if (at->exchange)
                        exchange_judge(at->exchange, law);
}

int64_t client_h2_valid_until(const struct client_h2 *h2)
{
        int64_t ends = INT64_MAX;
        for (const struct stream *at = h2->streams; at; at = at->next)
                if (at->exchange && exchange_valid_until(at->exchange) < ends)
                        ends = exchange_valid_until(at->exchange);
        return ends;
}

void client_h2_drain(struct client_h2 *h2)
{
        if (h2->draining)
                return;
        h2->draining = true;
        h2_goaway_notice(h2->session);
        connection_ready(h2->connection);
}
