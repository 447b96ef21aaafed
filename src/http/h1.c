#include "http/h1.h"

#include <string.h>

#include "http/field_rules.h"
#include "http/target.h"

enum {
        VERSION_BYTES = 8, /* HTTP/1.1 */
};

void h1_reader_init(struct h1_reader *reader, const struct http_limits *limits, struct arena *arena)
{
        *reader = (struct h1_reader){.limits = limits, .arena = arena};
}

static enum h1_status bad(struct h1_reader *reader, int status, const char *token)
{
        reader->fault = (struct http_fault){status, token};
        return H1_BAD;
}

/* ---- where the head ends ---- */

/* At the LF of a CRLF. H1_DONE: it ended the head. */
static enum h1_status scan_line_end(struct h1_reader *reader, size_t at)
{
        bool empty = at - 1 == reader->line_start;
        reader->line_start = at + 1;
        if (empty && reader->lines > 0)
                return H1_DONE;
        if (empty) {
                if (reader->skipped > 0)
                        return bad(reader, 400, "empty_line");
                reader->skipped = 2;
                return H1_MORE;
        }
        if (++reader->lines > reader->limits->headers + 1)
                return bad(reader, 431, "fields_too_many");
        return H1_MORE;
}

/* Byte by byte and in order, so that the first fault found does not depend on how the bytes were
 * cut. Everything that could be a line end to somebody else is refused here, for all lines. */
static enum h1_status scan(struct h1_reader *reader, struct slice bytes)
{
        const struct http_limits *limits = reader->limits;
        size_t line_max = limits->method_bytes + limits->target_bytes + VERSION_BYTES + 3;
        while (reader->scanned < bytes.len) {
                size_t at = reader->scanned++;
                unsigned char c = (unsigned char)bytes.data[at];
                bool after_cr = at > reader->line_start && bytes.data[at - 1] == '\r';
                if (after_cr != (c == '\n'))
                        return bad(reader, 400, after_cr ? "bare_cr" : "bare_lf");
                if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
                        return bad(reader, 400, "control_character");
                if (at - reader->skipped >= limits->head_bytes)
                        return bad(reader, 431, "head_too_big");
                if (reader->lines == 0 && at - reader->line_start >= line_max + 1)
                        return bad(reader, 414, "target_too_long");
                enum h1_status status = c == '\n' ? scan_line_end(reader, at) : H1_MORE;
                if (status != H1_MORE)
                        return status;
        }
        return H1_MORE;
}

/* ---- the lines of a complete head ---- */

/* Takes a line without its CRLF off *rest; the scan has made sure that it ends in one. */
static struct slice line_take(struct slice *rest)
{
        size_t lf = slice_find(*rest, '\n');
        struct slice line = slice_sub(*rest, 0, lf - 1);
        *rest = slice_skip(*rest, lf + 1);
        return line;
}

/* The arena's copy of the head: the only place where its bytes are written to. */
static struct slice head_copy(struct h1_reader *reader, struct slice bytes)
{
        return arena_slice(reader->arena,
                           slice_sub(bytes, reader->skipped, reader->scanned - reader->skipped));
}

static bool fields_parse(struct h1_reader *reader, struct slice rest, struct header_list *headers)
{
        header_list_init(headers, reader->arena);
        for (;;) {
                struct slice line = line_take(&rest);
                if (line.len == 0)
                        return true;
                struct header header;
                /* not const where it was made: the copy is ours */
                if (!field_line_parse((char *)(uintptr_t)line.data, line.len, reader->limits,
                                      &header, &reader->fault))
                        return false;
                header_append(headers, header.name, header.value);
        }
}

static bool version_parse(struct h1_reader *reader, struct slice text, uint8_t *minor)
{
        bool shaped = text.len == VERSION_BYTES && slice_starts_with(text, SLICE("HTTP/")) &&
                      text.data[5] >= '0' && text.data[5] <= '9' && text.data[6] == '.' &&
                      text.data[7] >= '0' && text.data[7] <= '9';
        if (!shaped)
                return bad(reader, 400, "version") == H1_DONE;
        if (text.data[5] != '1' || text.data[7] > '1')
                return bad(reader, 505, "version_unsupported") == H1_DONE;
        *minor = (uint8_t)(text.data[7] - '0');
        return true;
}

/* RFC 9112, 6.1: exactly one Transfer-Encoding, exactly "chunked", alone, and not in HTTP/1.0. */
static bool framing_take(struct h1_reader *reader, struct header_list *headers, uint8_t minor,
                         enum framing *framing, uint64_t *length)
{
        struct slice coding = header_value(headers, SLICE("transfer-encoding"));
        size_t codings = header_remove(headers, SLICE("transfer-encoding"));
        bool known;
        if (!content_length_take(headers, &known, length, &reader->fault))
                return false;
        *framing = known ? FRAMING_LENGTH : FRAMING_NONE;
        if (codings == 0)
                return true;
        if (known)
                return bad(reader, 400, "content_length_and_transfer_encoding") == H1_DONE;
        if (minor == 0)
                return bad(reader, 400, "transfer_encoding_in_http_1_0") == H1_DONE;
        if (codings > 1 || !slice_equal_nocase(coding, SLICE("chunked")))
                return bad(reader, 400, "transfer_encoding") == H1_DONE;
        *framing = FRAMING_CHUNKED;
        return true;
}

/* ---- requests ---- */

/* http://authority[/path][?query] (RFC 9112, 3.2.2): *authority, and the rest as origin-form. */
static bool absolute_form_split(struct h1_reader *reader, struct slice text,
                                struct request_head *head, struct slice *authority,
                                struct slice *origin)
{
        static const char *const schemes[] = {"http", "https"};
        for (size_t i = 0; i < COUNT_OF(schemes); i++) {
                struct slice scheme = slice_of(schemes[i]);
                if (!slice_equal_nocase(slice_sub(text, 0, scheme.len), scheme) ||
                    !slice_starts_with(slice_skip(text, scheme.len), SLICE("://")))
                        continue;
                struct slice rest = slice_skip(text, scheme.len + 3);
                size_t end = 0;
                while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
                        end++;
                head->scheme = scheme;
                *authority = slice_sub(rest, 0, end);
                *origin = slice_skip(rest, end);
                if (origin->len == 0 && slice_is(head->method, "OPTIONS"))
                        *origin = SLICE("*"); /* RFC 9112, 3.2.4 */
                else if (origin->len == 0 || origin->data[0] == '?')
                        *origin = arena_printf(reader->arena, "/%.*s", SLICE_ARG(*origin));
                return authority->len > 0;
        }
        return false;
}

static bool request_target_parse(struct h1_reader *reader, struct slice text,
                                 struct request_head *head, struct slice *authority)
{
        struct slice origin = text;
        if (text.len > reader->limits->target_bytes)
                return bad(reader, 414, "target_too_long") == H1_DONE;
        if (text.len > 0 && text.data[0] != '/' && !slice_is(text, "*") &&
            !absolute_form_split(reader, text, head, authority, &origin))
                return bad(reader, 400, "target_form") == H1_DONE;
        if (slice_is(origin, "*")) {
                if (!slice_is(head->method, "OPTIONS"))
                        return bad(reader, 400, "target_form") == H1_DONE;
                head->target = head->path = head->plain_path = SLICE("*");
                return true;
        }
        return target_parse(origin, reader->limits, reader->arena, head, &reader->fault);
}

/* method SP target SP version, with exactly these two spaces. */
static bool request_line_parse(struct h1_reader *reader, struct slice line,
                               struct request_head *head, struct slice *authority)
{
        size_t first = slice_find(line, ' ');
        struct slice rest = slice_skip(line, first + 1);
        size_t second = slice_find(rest, ' ');
        head->method = slice_sub(line, 0, first);
        if (second == rest.len)
                return bad(reader, 400, "request_line") == H1_DONE; /* HTTP/0.9 too */
        return method_check(head->method, reader->limits, &reader->fault) &&
               version_parse(reader, slice_skip(rest, second + 1), &head->http_minor) &&
               request_target_parse(reader, slice_sub(rest, 0, second), head, authority);
}

static struct slice websocket_asked(const struct header_list *headers)
{
        size_t at = 0;
        const struct header *upgrade = header_next(headers, SLICE("upgrade"), &at);
        bool asked = upgrade && slice_equal_nocase(upgrade->value, SLICE("websocket")) &&
                     header_next(headers, SLICE("upgrade"), &at) == NULL &&
                     header_has_token(headers, SLICE("connection"), SLICE("upgrade"));
        return asked ? SLICE("websocket") : SLICE_NONE;
}

static bool request_parse(struct h1_reader *reader, struct slice rest, struct request_head *head)
{
        struct slice authority = SLICE_NONE;
        *head = (struct request_head){0};
        if (!request_line_parse(reader, line_take(&rest), head, &authority) ||
            !fields_parse(reader, rest, &head->headers) ||
            !framing_take(reader, &head->headers, head->http_minor, &head->framing,
                          &head->content_length) ||
            !authority_take(head, authority, true, &reader->fault) ||
            !request_rules_check(head, &reader->fault))
                return false;
        head->keep_alive = head->http_minor > 0 &&
                           !header_has_token(&head->headers, SLICE("connection"), SLICE("close"));
        if (head->http_minor > 0 && head->framing == FRAMING_NONE && slice_is(head->method, "GET"))
                head->upgrade = websocket_asked(&head->headers);
        return true;
}

enum h1_status h1_request_read(struct h1_reader *reader, struct slice bytes, size_t *consumed,
                               struct request_head *head)
{
        enum h1_status status = scan(reader, bytes);
        if (status != H1_DONE)
                return status;
        if (!request_parse(reader, head_copy(reader, bytes), head))
                return H1_BAD;
        *consumed = reader->scanned;
        return H1_DONE;
}

/* ---- responses ---- */

/* HTTP/1.x SP 3DIGIT [SP reason]. The reason is dropped; servers that leave out the last space when
 * they have none are let pass, as nothing can hide there. */
static bool status_line_parse(struct h1_reader *reader, struct slice line,
                              struct response_head *head)
{
        if (!version_parse(reader, slice_sub(line, 0, VERSION_BYTES), &head->http_minor))
                return false;
        struct slice rest = slice_skip(line, VERSION_BYTES);
        uint64_t status = 0;
        if (rest.len < 4 || rest.data[0] != ' ' || (rest.len > 4 && rest.data[4] != ' ') ||
            !slice_to_u64(slice_sub(rest, 1, 3), 599, &status) || status < 100)
                return bad(reader, 502, "status_line") == H1_DONE;
        head->status = (uint16_t)status;
        return true;
}

/* 101 without being asked, or not to what was asked, would start a tunnel nobody wants (I31). */
static bool switching_check(struct h1_reader *reader, struct h1_asked asked,
                            struct response_head *head)
{
        head->upgrade = websocket_asked(&head->headers);
        if (!asked.websocket || head->upgrade.len == 0 || head->http_minor == 0)
                return bad(reader, 502, "switching_protocols") == H1_DONE;
        return true;
}

/* RFC 9112, 6.3, in its order. */
static bool response_framing(struct h1_reader *reader, struct h1_asked asked,
                             struct response_head *head)
{
        enum framing said;
        if (!framing_take(reader, &head->headers, head->http_minor, &said, &head->content_length))
                return false;
        head->content_length_known = said == FRAMING_LENGTH;
        bool bodyless_status = head->status < 200 || head->status == 204;
        if (bodyless_status && (said == FRAMING_CHUNKED || head->content_length > 0))
                return bad(reader, 502, "body_not_allowed") == H1_DONE;
        if (bodyless_status)
                head->content_length_known = false;
        if (asked.head || bodyless_status || head->status == 304)
                head->framing = FRAMING_NONE;
        else
                head->framing = said == FRAMING_NONE ? FRAMING_UNTIL_CLOSE : said;
        return head->status != 101 || switching_check(reader, asked, head);
}

static bool response_parse(struct h1_reader *reader, struct slice rest, struct h1_asked asked,
                           struct response_head *head)
{
        *head = (struct response_head){0};
        if (!status_line_parse(reader, line_take(&rest), head) ||
            !fields_parse(reader, rest, &head->headers) || !response_framing(reader, asked, head))
                return false;
        header_remove(&head->headers, SLICE("host"));
        head->informational = head->status < 200 && head->status != 101;
        head->keep_alive = head->http_minor > 0 && head->framing != FRAMING_UNTIL_CLOSE &&
                           !header_has_token(&head->headers, SLICE("connection"), SLICE("close"));
        return true;
}

enum h1_status h1_response_read(struct h1_reader *reader, struct slice bytes, struct h1_asked asked,
                                size_t *consumed, struct response_head *head)
{
        enum h1_status status = scan(reader, bytes);
        if (status == H1_DONE && reader->skipped > 0)
                status = bad(reader, 502, "empty_line");
        if (status == H1_DONE && !response_parse(reader, head_copy(reader, bytes), asked, head))
                status = H1_BAD;
        if (status == H1_BAD)
                reader->fault.status = 502;
        else if (status == H1_DONE)
                *consumed = reader->scanned;
        return status;
}
