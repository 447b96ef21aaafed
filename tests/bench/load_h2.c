#include "load.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

struct load_h2 {
        const struct load_options *options;
        struct load_result *result;
        uint64_t *started;
        nghttp2_session *session;
        size_t open;
        bool broken;
        const uint8_t *pending; /* bytes that nghttp2 gave and SSL did not take */
        size_t pending_len;
        uint64_t started_us[1u << 16]; /* by stream id / 2, reused */
        bool succeeded[1u << 16];      /* its trailers said so */
};

/* One message of no bytes, in its frame of five (gRPC over HTTP/2, Length-Prefixed-Message). */
static ssize_t on_message_wanted(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                                 uint32_t *flags, nghttp2_data_source *source, void *self)
{
        (void)session, (void)id, (void)room, (void)source, (void)self;
        memset(to, 0, 5);
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 5;
}

static void submit(struct load_h2 *h2)
{
        const struct load_options *options = h2->options;
        const bool grpc = options->mode == LOAD_GRPC;
        const nghttp2_data_provider message = {.read_callback = on_message_wanted};
#define FIELD(n, v) {(uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0}
        nghttp2_nv fields[] = {
                FIELD(":method", grpc ? "POST" : "GET"),   FIELD(":scheme", "https"),
                FIELD(":authority", options->host),        FIELD(":path", options->path),
                FIELD("content-type", "application/grpc"), FIELD("te", "trailers")};
#undef FIELD
        while (h2->open < options->streams && *h2->started < options->count) {
                int32_t id = nghttp2_submit_request(h2->session, NULL, fields, grpc ? 6 : 4,
                                                    grpc ? &message : NULL, NULL);
                if (id < 0) {
                        h2->broken = true;
                        return;
                }
                h2->started_us[(id / 2) & 0xffff] = load_now_us();
                h2->open++;
                (*h2->started)++;
        }
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *self)
{
        struct load_h2 *h2 = self;
        (void)session;
        h2->open--;
        bool good = h2->options->mode != LOAD_GRPC || h2->succeeded[(id / 2) & 0xffff];
        h2->succeeded[(id / 2) & 0xffff] = false;
        if (code == 0 && good)
                load_result_add(h2->result, h2->started_us[(id / 2) & 0xffff]);
        else
                h2->result->errors++;
        return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *self)
{
        struct load_h2 *h2 = self;
        (void)session;
        (void)flags;
        if (name_len == 11 && memcmp(name, "grpc-status", 11) == 0 && value_len == 1 &&
            value[0] == '0')
                h2->succeeded[(frame->hd.stream_id / 2) & 0xffff] = true;
        if (name_len == 7 && memcmp(name, ":status", 7) == 0 &&
            (value_len != 3 || memcmp(value, h2->options->status, 3) != 0))
                h2->result->errors++;
        return 0;
}

struct load_h2 *load_h2_new(const struct load_options *options, struct load_result *result,
                            uint64_t *started)
{
        struct load_h2 *h2 = calloc(1, sizeof(*h2));
        nghttp2_session_callbacks *callbacks;
        h2->options = options;
        h2->result = result;
        h2->started = started;
        nghttp2_session_callbacks_new(&callbacks);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_client_new(&h2->session, callbacks, h2);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_submit_settings(h2->session, 0, NULL, 0);
        return h2;
}

void load_h2_free(struct load_h2 *h2)
{
        if (h2)
                nghttp2_session_del(h2->session);
        free(h2);
}

static bool move_out(struct load_h2 *h2, SSL *ssl, bool *want_write)
{
        for (;;) {
                if (h2->pending_len == 0) {
                        ssize_t len = nghttp2_session_mem_send(h2->session, &h2->pending);
                        if (len < 0)
                                return false;
                        if (len == 0)
                                return true;
                        h2->pending_len = (size_t)len;
                }
                int sent = SSL_write(ssl, h2->pending, (int)h2->pending_len);
                if (sent <= 0) {
                        *want_write = true;
                        return SSL_get_error(ssl, sent) == SSL_ERROR_WANT_WRITE;
                }
                h2->pending += sent;
                h2->pending_len -= (size_t)sent;
        }
}

bool load_h2_move(struct load_h2 *h2, SSL *ssl, bool *want_write)
{
        uint8_t bytes[16384];
        for (;;) {
                submit(h2);
                if (h2->broken || !move_out(h2, ssl, want_write))
                        return false;
                int got = SSL_read(ssl, bytes, sizeof(bytes));
                if (got <= 0)
                        return SSL_get_error(ssl, got) == SSL_ERROR_WANT_READ &&
                               (h2->open > 0 || *h2->started < h2->options->count);
                if (nghttp2_session_mem_recv(h2->session, bytes, (size_t)got) < 0)
                        return false;
        }
}
