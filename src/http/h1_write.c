#include "http/h1_write.h"

#include "base/must.h"
#include "http/field_rules.h"
#include "http/header_rules.h"

/* Collects whether everything fitted, so that a message is written whole or not at all. */
struct writer {
        struct buffer *out;
        size_t start;
        bool fits;
};

static struct writer writer_start(struct buffer *out)
{
        return (struct writer){out, out->len, true};
}

static bool writer_end(struct writer *writer)
{
        if (!writer->fits)
                writer->out->len = writer->start;
        return writer->fits;
}

static void put(struct writer *writer, struct slice s)
{
        writer->fits = writer->fits && buffer_append(writer->out, s);
}

static void put_number(struct writer *writer, uint64_t n)
{
        writer->fits = writer->fits && buffer_append_decimal(writer->out, n);
}

static void put_field(struct writer *writer, struct slice name, struct slice value)
{
        must(token_valid(name) && field_value_valid(value));
        put(writer, name);
        put(writer, SLICE(": "));
        put(writer, value);
        put(writer, SLICE("\r\n"));
}

/* What the head's own members say is never taken from the list. */
static void put_fields(struct writer *writer, const struct header_list *headers)
{
        for (size_t i = 0; i < headers->count; i++) {
                const struct header *header = &headers->items[i];
                if (!field_is_framing(header->name) && !header_is_hop_by_hop(header->name))
                        put_field(writer, header->name, header->value);
        }
}

static void put_framing(struct writer *writer, enum framing framing, bool length_known,
                        uint64_t length)
{
        if (framing == FRAMING_CHUNKED) {
                put(writer, SLICE("transfer-encoding: chunked\r\n"));
        } else if (framing == FRAMING_LENGTH || (framing == FRAMING_NONE && length_known)) {
                put(writer, SLICE("content-length: "));
                put_number(writer, length);
                put(writer, SLICE("\r\n"));
        }
}

static void put_connection(struct writer *writer, struct slice upgrade, bool keep_alive)
{
        if (upgrade.len > 0) {
                put(writer, SLICE("connection: upgrade\r\n"));
                put_field(writer, SLICE("upgrade"), upgrade);
        } else if (!keep_alive) {
                put(writer, SLICE("connection: close\r\n"));
        }
}

/* No byte that could end the request line early. */
static bool line_part_valid(struct slice s)
{
        for (size_t i = 0; i < s.len; i++)
                if (s.data[i] <= ' ' || s.data[i] >= 0x7f)
                        return false;
        return s.len > 0;
}

bool h1_write_request(const struct request_head *head, struct buffer *out)
{
        struct writer writer = writer_start(out);
        must(token_valid(head->method));
        must(line_part_valid(head->target) && line_part_valid(head->authority));
        must(head->framing != FRAMING_UNTIL_CLOSE);
        put(&writer, head->method);
        put(&writer, SLICE(" "));
        put(&writer, head->target);
        put(&writer, SLICE(" HTTP/1.1\r\n"));
        put_field(&writer, SLICE("host"), head->authority);
        put_framing(&writer, head->framing, false, head->content_length);
        put_connection(&writer, head->upgrade, head->keep_alive);
        put_fields(&writer, &head->headers);
        put(&writer, SLICE("\r\n"));
        return writer_end(&writer);
}

bool h1_write_response(const struct response_head *head, struct slice date, struct buffer *out)
{
        struct writer writer = writer_start(out);
        must(head->status >= 100 && head->status <= 599);
        put(&writer, SLICE("HTTP/1.1 "));
        put_number(&writer, head->status);
        put(&writer, SLICE(" "));
        put(&writer, slice_of(status_phrase(head->status)));
        put(&writer, SLICE("\r\n"));
        if (date.len > 0 && header_find(&head->headers, SLICE("date")) == NULL)
                put_field(&writer, SLICE("date"), date);
        put_framing(&writer, head->framing, head->content_length_known, head->content_length);
        put_connection(&writer, head->upgrade, head->keep_alive || head->informational);
        put_fields(&writer, &head->headers);
        put(&writer, SLICE("\r\n"));
        return writer_end(&writer);
}

bool h1_write_last_chunk(const struct header_list *trailers, struct buffer *out)
{
        struct writer writer = writer_start(out);
        put(&writer, SLICE("0\r\n"));
        if (trailers != NULL)
                put_fields(&writer, trailers);
        put(&writer, SLICE("\r\n"));
        return writer_end(&writer);
}

struct slice h1_continue(void)
{
        return SLICE("HTTP/1.1 100 Continue\r\n\r\n");
}
