#include "h2_harness.h"

/* ---- the peer: nghttp2's own client ---- */

struct peer {
        struct app *app;
        nghttp2_session *client;
        struct buffer text; /* fields, "|" at the end of a block, then data, as they come */
        size_t data_bytes;
        int64_t closed_code, goaway_code; /* -1: none */
        int32_t goaway_last;
        size_t resets;
        /* what it uploads */
        struct slice upload;
        size_t uploaded;
        bool with_trailers;
};

static int peer_on_header(nghttp2_session *client, const nghttp2_frame *frame, const uint8_t *name,
                          size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                          void *self)
{
        struct peer *peer = self;
        (void)client;
        (void)frame;
        (void)flags;
        assert_true(buffer_printf(&peer->text, "%.*s=%.*s;", (int)name_len, (const char *)name,
                                  (int)value_len, (const char *)value));
        return 0;
}

static int peer_on_data(nghttp2_session *client, uint8_t flags, int32_t id, const uint8_t *data,
                        size_t len, void *self)
{
        struct peer *peer = self;
        (void)client;
        (void)flags;
        (void)id;
        peer->data_bytes += len;
        if (len < 100)
                assert_true(buffer_append(&peer->text, slice_from(data, len)));
        return 0;
}

static int peer_on_frame(nghttp2_session *client, const nghttp2_frame *frame, void *self)
{
        struct peer *peer = self;
        (void)client;
        if (frame->hd.type == NGHTTP2_HEADERS)
                assert_true(buffer_append(&peer->text, SLICE("|")));
        if (frame->hd.type == NGHTTP2_RST_STREAM)
                peer->resets++;
        if (frame->hd.type == NGHTTP2_GOAWAY) {
                peer->goaway_code = frame->goaway.error_code;
                peer->goaway_last = frame->goaway.last_stream_id;
        }
        return 0;
}

static int peer_on_close(nghttp2_session *client, int32_t id, uint32_t code, void *self)
{
        struct peer *peer = self;
        (void)client;
        (void)id;
        peer->closed_code = code;
        return 0;
}

static ssize_t peer_on_read(nghttp2_session *client, int32_t id, uint8_t *into, size_t room,
                            uint32_t *flags, nghttp2_data_source *source, void *self)
{
        struct peer *peer = self;
        struct slice piece = slice_sub(peer->upload, peer->uploaded, room);
        (void)source;
        memcpy(into, piece.data, piece.len);
        peer->uploaded += piece.len;
        if (peer->uploaded < peer->upload.len)
                return (ssize_t)piece.len;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (peer->with_trailers) {
                nghttp2_nv trailer = {(uint8_t *)"x-sum", (uint8_t *)"42", 5, 2, 0};
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                assert_int_equal(nghttp2_submit_trailer(client, id, &trailer, 1), 0);
        }
        return (ssize_t)piece.len;
}

static void peer_init(struct peer *peer, struct app *app, bool reads)
{
        nghttp2_session_callbacks *hooks;
        nghttp2_option *options;
        *peer = (struct peer){.app = app, .closed_code = -1, .goaway_code = -1};
        buffer_init(&peer->text, 1 << 20);
        app_start(app);
        nghttp2_session_callbacks_new(&hooks);
        nghttp2_session_callbacks_set_on_header_callback(hooks, peer_on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(hooks, peer_on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(hooks, peer_on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(hooks, peer_on_close);
        nghttp2_option_new(&options);
        nghttp2_option_set_no_auto_window_update(options, !reads);
        assert_int_equal(nghttp2_session_client_new2(&peer->client, hooks, peer, options), 0);
        nghttp2_option_del(options);
        nghttp2_session_callbacks_del(hooks);
        assert_int_equal(nghttp2_submit_settings(peer->client, 0, NULL, 0), 0);
}

static void peer_done(struct peer *peer)
{
        nghttp2_session_del(peer->client);
        buffer_done(&peer->text);
        app_free(peer->app);
}

/* Carries bytes both ways, a few at a time, until neither has any. */
static void carry(struct peer *peer)
{
        struct app *app = peer->app;
        for (bool moved = true; moved;) {
                const uint8_t *bytes;
                ssize_t len;
                moved = false;
                while ((len = nghttp2_session_mem_send(peer->client, &bytes)) > 0) {
                        moved = true;
                        for (ssize_t at = 0; at < len; at += 7) {
                                size_t n = (size_t)(len - at < 7 ? len - at : 7);
                                h2_receive(app->session, slice_from(bytes + at, n), app->now_ms);
                        }
                }
                for (struct slice out; (out = h2_send_next(app->session, app->now_ms)).len > 0;
                     moved = true)
                        assert_true(nghttp2_session_mem_recv(peer->client,
                                                             (const uint8_t *)out.data,
                                                             out.len) == (ssize_t)out.len);
        }
}

static nghttp2_nv nv(const char *name, const char *value)
{
        return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                            strlen(value), 0};
}

static int32_t ask(struct peer *peer, const char *method, const char *name, const char *value)
{
        nghttp2_nv fields[] = {nv(":method", method), nv(":scheme", "https"),
                               nv(":path", "/%61?q=1"), nv(":authority", "A.example:443"),
                               nv(name, value)};
        nghttp2_data_provider upload = {.read_callback = peer_on_read};
        int32_t id = nghttp2_submit_request(peer->client, NULL, fields, COUNT_OF(fields),
                                            peer->upload.data ? &upload : NULL, NULL);
        assert_true(id > 0);
        carry(peer);
        return id;
}

static struct slice big(size_t len)
{
        char *bytes = memory_new(len);
        memset(bytes, 'b', len);
        return slice_from(bytes, len);
}

static void assert_text(struct peer *peer, const char *want)
{
        assert_true(buffer_append(&peer->text, slice_from("", 1)));
        assert_string_equal(peer->text.data, want);
        buffer_clear(&peer->text);
}

/* ---- the tests ---- */

static void a_request_reaches_the_caller_and_its_answer_the_client(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        (void)state;
        peer_init(&peer, app, true);
        int32_t id = ask(&peer, "GET", "x-a", "b");
        struct seen *seen = seen_of(app, id);
        assert_non_null(seen->head);
        assert_true(slice_is(seen->head->method, "GET"));
        assert_true(slice_is(seen->head->scheme, "https"));
        assert_true(slice_is(seen->head->authority, "a.example:443"));
        assert_true(slice_is(seen->head->host, "a.example"));
        assert_int_equal(seen->head->port, 443);
        assert_true(slice_is(seen->head->target, "/a?q=1"));
        assert_true(slice_is(seen->head->path, "/a"));
        assert_true(slice_is(seen->head->query, "q=1"));
        assert_int_equal(seen->head->headers.count, 1);
        assert_int_equal(seen->head->framing, FRAMING_NONE);
        assert_true(seen->ended);
        struct response_head early = {.status = 103};
        struct response_head head = {.status = 200, .framing = FRAMING_LENGTH, .content_length = 5};
        header_list_init(&head.headers, &seen->arena);
        header_append(&head.headers, SLICE("x-b"), SLICE("c"));
        header_append(&head.headers, SLICE("connection"), SLICE("close"));
        header_append(&head.headers, SLICE("content-length"), SLICE("77"));
        seen->answer = SLICE("hello");
        assert_true(h2_respond(app->session, id, &early, false));
        assert_true(h2_respond(app->session, id, &head, false));
        carry(&peer);
        assert_text(&peer, ":status=103;|:status=200;content-length=5;x-b=c;|hello");
        assert_int_equal(peer.closed_code, 0);
        assert_true(seen->closed);
        assert_int_equal(seen->code, 0);
        assert_false(h2_respond(app->session, id, &head, true));
        peer_done(&peer);
}

static void a_body_comes_in_order_and_its_trailers_last(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        (void)state;
        peer_init(&peer, app, true);
        peer.upload = SLICE("one two three");
        peer.with_trailers = true;
        int32_t id = ask(&peer, "POST", "content-length", "13");
        struct seen *seen = seen_of(app, id);
        assert_int_equal(seen->head->framing, FRAMING_LENGTH);
        assert_int_equal(seen->head->content_length, 13);
        assert_true(slice_equal(buffer_slice(&seen->data), peer.upload));
        assert_true(seen->ended);
        assert_true(slice_is(header_value(seen->trailers, SLICE("x-sum")), "42"));
        peer_done(&peer);
}

static void an_upload_stops_at_one_window_until_the_bytes_went_on(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        (void)state;
        peer_init(&peer, app, true);
        carry(&peer); /* the settings first: they say how big the window is */
        peer.upload = big(300000);
        int32_t id = ask(&peer, "PUT", "x-a", "b");
        struct seen *seen = seen_of(app, id);
        assert_int_equal(seen->head->framing, FRAMING_CHUNKED);
        assert_int_equal(seen->data.len, app->limits.stream_window);
        h2_consume(app->session, id, 40000);
        carry(&peer);
        assert_int_equal(seen->data.len, app->limits.stream_window + 40000);
        for (size_t given = 40000; seen->data.len < 300000;) {
                size_t there = seen->data.len;
                h2_consume(app->session, id, there - given);
                given = there;
                carry(&peer);
                assert_true(seen->data.len > there);
        }
        assert_true(seen->ended);
        free((char *)(uintptr_t)peer.upload.data);
        peer_done(&peer);
}

static void a_closed_stream_gives_the_connection_its_window_back(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        (void)state;
        peer_init(&peer, app, true);
        carry(&peer);
        peer.upload = big(60000);
        for (int i = 0; i < 20; i++) { /* five times the connection's window */
                peer.uploaded = 0;
                int32_t id = ask(&peer, "PUT", "x-a", "b");
                assert_int_equal(seen_of(app, id)->data.len, 60000);
                h2_reset(app->session, id, H2_CANCEL);
                carry(&peer);
                assert_int_equal(peer.closed_code, NGHTTP2_CANCEL);
                assert_true(seen_of(app, id)->closed);
        }
        assert_null(h2_over_budget(app->session));
        free((char *)(uintptr_t)peer.upload.data);
        peer_done(&peer);
}

static void a_slow_reader_holds_at_most_one_window(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        struct slice body = big(1000000);
        struct response_head head = {.status = 200, .framing = FRAMING_CHUNKED};
        (void)state;
        peer_init(&peer, app, false);
        int32_t id = ask(&peer, "GET", "x-a", "b");
        struct seen *seen = seen_of(app, id);
        seen->answer = body;
        assert_true(h2_respond(app->session, id, &head, false));
        carry(&peer);
        assert_int_equal(seen->answered, 65535);
        assert_int_equal(peer.data_bytes, 65535);
        nghttp2_session_consume(peer.client, id, 65535);
        carry(&peer);
        assert_int_equal(seen->answered, 2 * 65535);
        free((char *)(uintptr_t)body.data);
        peer_done(&peer);
}

static void an_answer_waits_for_its_bytes_and_ends_with_trailers(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        struct response_head head = {.status = 200, .framing = FRAMING_CHUNKED};
        struct header_list trailers;
        struct arena arena;
        (void)state;
        arena_init(&arena, 1024);
        header_list_init(&trailers, &arena);
        header_append(&trailers, SLICE("grpc-status"), SLICE("0"));
        peer_init(&peer, app, true);
        int32_t id = ask(&peer, "POST", "te", "trailers");
        struct seen *seen = seen_of(app, id);
        assert_true(seen->head->te_trailers);
        seen->at_end = H2_PULL_LATER;
        assert_true(h2_respond(app->session, id, &head, false));
        carry(&peer);
        seen->answer = SLICE("one");
        carry(&peer);
        assert_text(&peer, ":status=200;|"); /* not before it is told */
        h2_resume(app->session, id);
        carry(&peer);
        assert_text(&peer, "one");
        seen->at_end = H2_PULL_END;
        seen->answer_trailers = &trailers;
        h2_resume(app->session, id);
        carry(&peer);
        assert_text(&peer, "grpc-status=0;|");
        assert_int_equal(peer.closed_code, 0);
        arena_done(&arena);
        peer_done(&peer);
}

static void an_answer_that_breaks_off_resets_its_stream_only(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        struct response_head head = {.status = 200, .framing = FRAMING_CHUNKED};
        (void)state;
        app->limits.server_resets = 0; /* it is not the client's doing */
        peer_init(&peer, app, true);
        int32_t id = ask(&peer, "GET", "x-a", "b");
        seen_of(app, id)->at_end = H2_PULL_ABORT;
        assert_true(h2_respond(app->session, id, &head, false));
        carry(&peer);
        assert_int_equal(peer.closed_code, NGHTTP2_INTERNAL_ERROR);
        assert_int_equal(peer.goaway_code, -1);
        assert_true(seen_of(app, id)->closed);
        ask(&peer, "GET", "x-a", "b");
        assert_int_equal(app->requests, 2);
        peer_done(&peer);
}

static void an_early_answer_stops_a_request_only_if_it_is_long(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        struct slice bytes = big(1000000);
        (void)state;
        app->limits.server_resets = 0;
        app->respond_status = 413;
        peer_init(&peer, app, true);
        for (size_t i = 0; i < 20; i++) { /* all windows come back */
                bool is_long = i % 2 == 1;
                peer.uploaded = peer.resets = 0;
                peer.upload = slice_sub(bytes, 0, is_long ? bytes.len : 200000);
                int32_t id = ask(&peer, "PUT", "x-a", "b");
                assert_text(&peer, ":status=413;content-length=0;|");
                assert_int_equal(peer.closed_code, NGHTTP2_NO_ERROR);
                assert_int_equal(peer.resets, is_long);
                assert_in_range(peer.uploaded, 200000, 2 * app->limits.linger_bytes);
                assert_true(seen_of(app, id)->closed && !seen_of(app, id)->ended);
        }
        free((char *)(uintptr_t)bytes.data);
        peer_done(&peer);
}

static void a_graceful_end_lets_open_streams_finish(void **state)
{
        struct app *app = app_new();
        struct peer peer;
        struct response_head head = {.status = 204};
        (void)state;
        peer_init(&peer, app, true);
        int32_t id = ask(&peer, "GET", "x-a", "b");
        h2_goaway_notice(app->session);
        carry(&peer);
        assert_int_equal(peer.goaway_code, 0);
        assert_int_equal(peer.goaway_last, INT32_MAX);
        h2_goaway(app->session, H2_NO_ERROR);
        carry(&peer);
        assert_int_equal(peer.goaway_last, id);
        assert_false(h2_finished(app->session));
        assert_true(h2_respond(app->session, id, &head, true));
        carry(&peer);
        assert_text(&peer, ":status=204;|");
        assert_true(h2_finished(app->session));
        peer_done(&peer);
}

/* ---- heads, encoded as no client library would ---- */

#define P(lines) ":method: GET\n:scheme: https\n:path: /\n:authority: a\n" lines

static const struct {
        const char *lines;
        int reset;         /* the code of RST_STREAM, 0: none */
        const char *fault; /* what on_bad_request was told; NULL: nothing */
} heads[] = {
        {P(""), 0, NULL},
        {P("te: trailers\n"), 0, NULL},
        {P("host: a\n"), 0, NULL},
        {P("host: A\n"), 0, NULL},
        {P("content-length: 0\n"), 0, NULL},
        {":method: GET\n:scheme: https\n:path: /\nhost: a\n", 0, NULL},
        {":method: OPTIONS\n:scheme: https\n:path: *\n:authority: a\n", 0, NULL},
        {P("host: b\n"), 0, "host_differs"},
        {P("host: a:443\n"), 0, "host_differs"},
        {P("x: a\rb\n"), 0, "field_invalid"},
        {P("x: \x01\n"), 0, "field_invalid"},
        {P("X: upper\n"), 1, NULL},
        {P("x y: z\n"), 0, "field_invalid"},
        {P("x(: z\n"), 0, "field_invalid"},
        {P("expect: tea\n"), 0, "expect"},
        {P("transfer-encoding: chunked\n"), 1, NULL},
        {P("connection: close\n"), 1, NULL},
        {P("keep-alive: 1\n"), 1, NULL},
        {P("proxy-connection: x\n"), 1, NULL},
        {P("upgrade: h2c\n"), 1, NULL},
        {P("te: gzip\n"), 1, NULL},
        {P("te: trailers, gzip\n"), 1, NULL},
        {P("host: a\nhost: a\n"), 1, NULL},
        {P("content-length: 1\n"), 1, NULL},
        {P("content-length: 0\ncontent-length: 0\n"), 1, NULL},
        {P("content-length: x\n"), 1, NULL},
        {P("content-length: +0\n"), 1, NULL},
        {P(":path: /b\n"), 1, NULL},
        {P("x: y\n:path: /b\n"), 1, NULL},
        {P(":protocol: websocket\n"), 1, NULL},
        {P(":foo: bar\n"), 1, NULL},
        {P(":status: 200\n"), 1, NULL},
        {":method: GET\n:scheme: https\n:path: /\n", 1, NULL},
        {":method: GET\n:scheme: https\n:authority: a\n", 1, NULL},
        {":method: GET\n:path: /\n:authority: a\n", 1, NULL},
        {":scheme: https\n:path: /\n:authority: a\n", 1, NULL},
        {":method: GET\n:scheme: https\n:path: *\n:authority: a\n", 1, NULL},
        {":method: GET\n:scheme: https\n:path: \n:authority: a\n", 1, NULL},
        {":method: GET\n:scheme: https\n:path: a\n:authority: a\n", 1, NULL},
        {":method: CONNECT\n:authority: a:1\n", 0, "method_connect"},
        {":method: CONNECT\n:scheme: https\n:path: /\n:authority: a\n:protocol: websocket\n", 1,
         NULL},
        {":method: PRI\n:scheme: https\n:path: /\n:authority: a\n", 0, "method_pri"},
        {":method: G T\n:scheme: https\n:path: /\n:authority: a\n", 1, NULL},
        {":method: GET\n:scheme: ftp\n:path: /\n:authority: a\n", 0, "scheme"},
        {":method: GET\n:scheme: https\n:path: /\n:authority: u@a\n", 0, "host"},
        {":method: GET\n:scheme: https\n:path: /\n:authority: a,b\n", 0, "host"},
        {":method: GET\n:scheme: https\n:path: /../b\n:authority: a\n", 0, "path_dot_segment"},
        {":method: GET\n:scheme: https\n:path: /%2e%2E/b\n:authority: a\n", 0, "path_dot_segment"},
        {":method: GET\n:scheme: https\n:path: /%00\n:authority: a\n", 0, "path_encoded_control"},
        {":method: GET\n:scheme: https\n:path: /a b\n:authority: a\n", 1, NULL},
        {":method: GET\n:scheme: https\n:path: /a#b\n:authority: a\n", 0, "path_character"},
        {":method: GET\n:scheme: https\n:path: /a\\b\n:authority: a\n", 0, "path_character"},
        {":method: TRACE\n:scheme: https\n:path: /\n:authority: a\n", 0, NULL},
};

static void heads_obey_the_same_rules_as_in_h1(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(heads); i++) {
                struct app *app = app_new();
                struct raw raw;
                app_start(app);
                raw_init(&raw);
                raw_headers(&raw, 1, NGHTTP2_FLAG_END_STREAM, slice_of(heads[i].lines));
                assert_true(raw_send(&raw, app));
                app_send_all(app);
                const char *token = app->seen[0].fault.token;
                int64_t reset = sent_code(app, NGHTTP2_RST_STREAM, 1);
                bool passed = heads[i].fault == NULL && heads[i].reset == 0;
                bool right = (app->requests == 1) == passed &&
                             (heads[i].reset ? reset == heads[i].reset : reset == -1) &&
                             (heads[i].fault ? token && strcmp(token, heads[i].fault) == 0
                                             : token == NULL);
                if (!right)
                        fail_msg("%s-> requests %zu, reset %d, fault %s", heads[i].lines,
                                 app->requests, (int)reset, token ? token : "none");
                raw_done(&raw);
                app_free(app);
        }
}

static void more_fields_than_allowed_are_answered_with_431(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        struct buffer lines;
        (void)state;
        app_start(app);
        raw_init(&raw);
        buffer_init(&lines, 1 << 20);
        assert_true(buffer_append(&lines, SLICE(GET_LINES)));
        for (int i = 0; i < 101; i++)
                assert_true(buffer_append(&lines, SLICE("x: y\n")));
        raw_headers(&raw, 1, NGHTTP2_FLAG_END_STREAM, buffer_slice(&lines));
        assert_true(raw_send(&raw, app));
        assert_string_equal(app->seen[0].fault.token, "fields_too_many");
        assert_int_equal(app->seen[0].fault.status, 431);
        buffer_done(&lines);
        raw_done(&raw);
        app_free(app);
}

static void data_must_sum_up_to_the_content_length(void **state)
{
        static const struct {
                const char *first, *last;
                bool right;
        } rows[] = {{"ab", "c", true}, {"ab", "", false}, {"ab", "cd", false}, {"abcd", "", false}};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct app *app = app_new();
                struct raw raw;
                app_start(app);
                raw_init(&raw);
                raw_headers(&raw, 1, 0, SLICE(GET_LINES "content-length: 3\n"));
                raw_frame(&raw, NGHTTP2_DATA, 0, 1, slice_of(rows[i].first));
                raw_frame(&raw, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, slice_of(rows[i].last));
                assert_true(raw_send(&raw, app));
                app_send_all(app);
                assert_int_equal(app->seen[0].ended, rows[i].right);
                assert_int_equal(sent_code(app, NGHTTP2_RST_STREAM, 1), rows[i].right ? -1 : 1);
                raw_done(&raw);
                app_free(app);
        }
}

static void trailers_obey_the_rules_of_fields(void **state)
{
        static const struct {
                const char *lines;
                bool right;
        } rows[] = {{"x: y\n", true},     {"X: y\n", false},          {":path: /\n", false},
                    {"x: \x01\n", false}, {"connection: x\n", false}, {"", true}};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct app *app = app_new();
                struct raw raw;
                app_start(app);
                raw_init(&raw);
                raw_headers(&raw, 1, 0, SLICE(GET_LINES));
                raw_headers(&raw, 1, NGHTTP2_FLAG_END_STREAM, slice_of(rows[i].lines));
                raw_send(&raw, app);
                assert_int_equal(app->seen[0].ended, rows[i].right);
                app_send_all(app);
                assert_int_equal(app->seen[0].closed, !rows[i].right);
                raw_done(&raw);
                app_free(app);
        }
}

static void cookie_crumbs_become_one_line(void **state)
{
        struct app *app = app_new();
        struct raw raw;
        (void)state;
        app_start(app);
        raw_init(&raw);
        raw_headers(&raw, 1, NGHTTP2_FLAG_END_STREAM,
                    SLICE(GET_LINES "cookie: a=1\nx: y\ncookie: b=2\ncookie: c=3\n"));
        assert_true(raw_send(&raw, app));
        struct header_list *headers = &app->seen[0].head->headers;
        assert_int_equal(headers->count, 2);
        assert_true(slice_is(header_value(headers, SLICE("cookie")), "a=1; b=2; c=3"));
        raw_done(&raw);
        app_free(app);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_reaches_the_caller_and_its_answer_the_client),
                cmocka_unit_test(a_body_comes_in_order_and_its_trailers_last),
                cmocka_unit_test(an_upload_stops_at_one_window_until_the_bytes_went_on),
                cmocka_unit_test(a_closed_stream_gives_the_connection_its_window_back),
                cmocka_unit_test(a_slow_reader_holds_at_most_one_window),
                cmocka_unit_test(an_answer_waits_for_its_bytes_and_ends_with_trailers),
                cmocka_unit_test(an_answer_that_breaks_off_resets_its_stream_only),
                cmocka_unit_test(an_early_answer_stops_a_request_only_if_it_is_long),
                cmocka_unit_test(a_graceful_end_lets_open_streams_finish),
                cmocka_unit_test(heads_obey_the_same_rules_as_in_h1),
                cmocka_unit_test(more_fields_than_allowed_are_answered_with_431),
                cmocka_unit_test(data_must_sum_up_to_the_content_length),
                cmocka_unit_test(trailers_obey_the_rules_of_fields),
                cmocka_unit_test(cookie_crumbs_become_one_line),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
