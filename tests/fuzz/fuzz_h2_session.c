#include "fuzz.h"

#include <stdlib.h>

#include "base/memory.h"
#include "http/h2.h"

struct stream { /* by id, so that a second callback for one id is seen */
        struct arena arena;
        struct stream *next;
        int32_t id;
        bool told, ended;
        size_t unconsumed;
};

struct caller {
        struct h2_session *session;
        struct stream *streams;
        unsigned turn;
};

static struct stream *stream_of(struct caller *caller, int32_t id)
{
        for (struct stream *s = caller->streams; s != NULL; s = s->next)
                if (s->id == id)
                        return s;
        return NULL;
}

static struct arena *on_stream_open(int32_t id, void *self)
{
        struct caller *caller = self;
        must(stream_of(caller, id) == NULL);
        if (++caller->turn % 16 == 0)
                return NULL;
        struct stream *stream = NEW(struct stream);
        stream->id = id;
        stream->next = caller->streams;
        caller->streams = stream;
        arena_init(&stream->arena, 512);
        return &stream->arena;
}

static void answer(struct caller *caller, int32_t id, int status)
{
        struct response_head head = {.status = (uint16_t)status, .framing = FRAMING_CHUNKED};
        h2_respond(caller->session, id, &head, caller->turn % 3 == 0);
}

static void on_request(int32_t id, struct request_head *head, bool end, void *self)
{
        struct caller *caller = self;
        struct stream *stream = stream_of(caller, id);
        must(stream != NULL && !stream->told);
        stream->told = true;
        must(token_valid(head->method) && head->host.len > 0 && head->target.len > 0);
        must(!end || head->framing != FRAMING_CHUNKED);
        for (size_t i = 0; i < head->headers.count; i++)
                must(token_valid(head->headers.items[i].name) &&
                     field_value_valid(head->headers.items[i].value));
        if (caller->turn % 5 == 0)
                h2_reset(caller->session, id, H2_CANCEL);
        else if (caller->turn % 2 == 0)
                answer(caller, id, 200);
}

static void on_bad_request(int32_t id, const struct http_fault *fault, void *self)
{
        struct caller *caller = self;
        struct stream *stream = stream_of(caller, id);
        must(stream != NULL && !stream->told && fault->status >= 400 && fault->status < 600);
        stream->told = stream->ended = true;
        answer(caller, id, fault->status);
}

static void on_data(int32_t id, struct slice data, void *self)
{
        struct stream *stream = stream_of(self, id);
        must(stream != NULL && stream->told && !stream->ended);
        stream->unconsumed += data.len;
        must(stream->unconsumed <= 64 * 1024);
        if (stream->unconsumed > 1000) {
                h2_consume(((struct caller *)self)->session, id, stream->unconsumed);
                stream->unconsumed = 0;
        }
}

static void on_request_end(int32_t id, struct header_list *trailers, void *self)
{
        struct caller *caller = self;
        struct stream *stream = stream_of(caller, id);
        must(stream != NULL && stream->told && !stream->ended && trailers->count <= 100);
        stream->ended = true;
        answer(caller, id, 204);
}

static enum h2_pull on_pull(int32_t id, char *into, size_t *len,
                            const struct header_list **trailers, void *self)
{
        struct caller *caller = self;
        must(stream_of(caller, id) != NULL && *trailers == NULL && *len > 0);
        *len = 1;
        *into = 'x';
        return (enum h2_pull)(++caller->turn % 4);
}

static void on_stream_closed(int32_t id, uint32_t code, void *self)
{
        struct caller *caller = self;
        (void)code;
        for (struct stream **link = &caller->streams; *link != NULL; link = &(*link)->next) {
                struct stream *stream = *link;
                if (stream->id != id)
                        continue;
                *link = stream->next;
                arena_done(&stream->arena);
                free(stream);
                return;
        }
        must(false); /* closed without having been opened */
}

/* The preface is put in front of every input, so that all of it is frames; it comes in two pieces.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct h2_callbacks callbacks = {
                on_stream_open, on_request, on_bad_request,   on_data,
                on_request_end, on_pull,    on_stream_closed,
        };
        struct http_limits http = http_limits_default();
        struct h2_limits limits = h2_limits_default(&http);
        struct caller caller = {0};
        struct slice bytes = slice_from(data, size);
        size_t half = size > 0 ? data[0] * size / 256 : 0;
        caller.session = h2_session_new(&limits, &callbacks, &caller);
        must(h2_receive(caller.session, slice_from(h2_preface, H2_PREFACE_BYTES), 1));
        if (h2_receive(caller.session, slice_sub(bytes, 0, half), 2)) {
                for (int i = 0; i < 100 && h2_send_next(caller.session, 2).len > 0; i++)
                        continue;
                h2_receive(caller.session, slice_skip(bytes, half), 3);
        }
        for (struct stream *s = caller.streams; s != NULL; s = s->next)
                h2_resume(caller.session, s->id);
        for (int i = 0; i < 1000 && h2_send_next(caller.session, 3 + half % 2 * 1000).len > 0; i++)
                continue;
        h2_session_free(caller.session);
        must(caller.streams == NULL);
        return 0;
}
