#include "fuzz.h"

#include "base/memory.h"
#include "http/h2_client.h"

enum {
        CALLS = 4
};

struct told {
        struct h2_call call;
        struct arena arena;
        size_t unconsumed;
        bool final, ended, closed;
};

struct caller {
        struct h2_client *client;
        struct told told[CALLS];
        unsigned turn;
};

static struct caller caller;

static void on_head(const struct response_head *head, void *self)
{
        struct told *told = self;
        must(!told->final && !told->ended && !told->closed);
        must(head->status >= 100 && head->status <= 599 && head->status != 101);
        must(head->framing != FRAMING_UNTIL_CLOSE && head->headers.count <= 100);
        for (size_t i = 0; i < head->headers.count; i++)
                must(token_valid(head->headers.items[i].name) &&
                     field_value_valid(head->headers.items[i].value));
        told->final = !head->informational;
        if (++caller.turn % 7 == 0) {
                h2_call_cancel(&told->call);
                told->closed = true;
        }
}

static void on_data(struct slice data, void *self)
{
        struct told *told = self;
        must(told->final && !told->ended && !told->closed);
        told->unconsumed += data.len;
        must(told->unconsumed <= 64 * 1024);
        if (told->unconsumed > 1000) {
                h2_call_consume(&told->call, told->unconsumed);
                told->unconsumed = 0;
        }
}

static void on_end(struct header_list *trailers, void *self)
{
        struct told *told = self;
        must(told->final && !told->ended && !told->closed && trailers->count <= 100);
        told->ended = true;
}

static enum h2_pull on_pull(char *into, size_t *len, const struct header_list **trailers,
                            void *self)
{
        struct told *told = self;
        must(!told->closed && *trailers == NULL && *len > 0);
        *len = 1;
        *into = 'x';
        return (enum h2_pull)(++caller.turn % 3);
}

static void on_closed(enum h2_call_end end, void *self)
{
        struct told *told = self;
        must(!told->closed);
        must(told->ended == (end == H2_CALL_WHOLE));
        must(end != H2_CALL_BAD || told->call.fault.status == 502);
        must(end != H2_CALL_UNSEEN || !told->final);
        told->closed = true;
}

static void begin(struct told *told, bool end)
{
        static const struct h2_call_callbacks callbacks = {on_head, on_data, on_end, on_pull,
                                                           on_closed};
        const struct request_head head = {
                .method = end ? SLICE("GET") : SLICE("POST"),
                .target = SLICE("/"),
                .authority = SLICE("a"),
                .framing = end ? FRAMING_NONE : FRAMING_CHUNKED,
        };
        const struct h2_request request = {&head,        SLICE("http"), end,
                                           &told->arena, &callbacks,    told};
        *told = (struct told){0};
        arena_init(&told->arena, 512);
        must(h2_call_begin(&told->call, caller.client, &request));
}

static void flush(void)
{
        for (int i = 0; i < 1000 && h2_client_send_next(caller.client).len > 0; i++)
                continue;
}

/* What a backend says, in two pieces, to two requests without a body and two with one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct http_limits http = http_limits_default();
        struct h2_client_limits limits = h2_client_limits_default(&http);
        struct slice bytes = slice_from(data, size);
        size_t half = size > 0 ? data[0] * size / 256 : 0;
        caller.turn = 0;
        caller.client = h2_client_new(&limits);
        for (size_t i = 0; i < CALLS; i++)
                begin(&caller.told[i], i < 2);
        flush();
        if (h2_client_receive(caller.client, slice_sub(bytes, 0, half), 1)) {
                flush();
                for (size_t i = 0; i < CALLS; i++)
                        h2_call_resume(&caller.told[i].call);
                h2_client_receive(caller.client, slice_skip(bytes, half), 2);
        }
        flush();
        must(h2_client_room(caller.client) + h2_client_calls(caller.client) <= 100);
        h2_client_free(caller.client);
        for (size_t i = 0; i < CALLS; i++) {
                must(caller.told[i].closed && caller.told[i].call.client == NULL);
                arena_done(&caller.told[i].arena);
        }
        return 0;
}
