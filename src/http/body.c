#include "http/body.h"

#include <string.h>

#include "base/must.h"
#include "http/field_rules.h"

enum state {
        STATE_SIZE,      /* hex digits of chunk-size */
        STATE_EXTENSION, /* behind ";" */
        STATE_SIZE_LF,
        STATE_DATA, /* of a chunk, or of a body that is not chunked */
        STATE_DATA_CR,
        STATE_DATA_LF,
        STATE_TRAILERS,
        STATE_DONE,
        STATE_FAILED,
};

void body_reader_init(struct body_reader *reader, enum framing framing, uint64_t content_length,
                      const struct http_limits *limits, struct arena *arena)
{
        *reader = (struct body_reader){.framing = framing, .limits = limits};
        header_list_init(&reader->trailers, arena);
        switch (framing) {
        case FRAMING_NONE:
                reader->state = STATE_DONE;
                break;
        case FRAMING_LENGTH:
                reader->left = content_length;
                reader->state = content_length > 0 ? STATE_DATA : STATE_DONE;
                break;
        case FRAMING_CHUNKED:
                reader->state = STATE_SIZE;
                break;
        case FRAMING_UNTIL_CLOSE:
                reader->left = UINT64_MAX;
                reader->state = STATE_DATA;
                break;
        }
}

static bool bad(struct body_reader *reader, int status, const char *token)
{
        reader->fault = (struct http_fault){status, token};
        reader->state = STATE_FAILED;
        return false;
}

static bool size_byte(struct body_reader *reader, char c)
{
        int value = hex_value(c);
        if (value >= 0) {
                if (++reader->size_digits > 16 || reader->left > (uint64_t)INT64_MAX >> 4)
                        return bad(reader, 400, "chunk_size_overflow");
                reader->left = reader->left << 4 | (uint64_t)value;
                return true;
        }
        if (reader->size_digits == 0 || (c != '\r' && c != ';'))
                return bad(reader, 400, "chunk_size");
        reader->extension_bytes = 0;
        reader->state = c == '\r' ? STATE_SIZE_LF : STATE_EXTENSION;
        return true;
}

static bool extension_byte(struct body_reader *reader, char c)
{
        if (c == '\r') {
                reader->state = STATE_SIZE_LF;
                return true;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
                return bad(reader, 400, "chunk_extension");
        if (++reader->extension_bytes > reader->limits->chunk_extension_bytes)
                return bad(reader, 400, "chunk_extension_too_long");
        return true;
}

/* ---- trailers ---- */

/* Grows by doubling; what fields already point to stays where it is in the arena. */
static void section_put(struct body_reader *reader, char c)
{
        if (reader->section_len == reader->section_capacity) {
                size_t capacity = reader->section_capacity ? reader->section_capacity * 2 : 256;
                char *larger = arena_alloc(reader->trailers.arena, capacity);
                if (reader->section_len > 0)
                        memcpy(larger, reader->section, reader->section_len);
                reader->section = larger;
                reader->section_capacity = capacity;
        }
        reader->section[reader->section_len++] = c;
}

static bool trailer_line(struct body_reader *reader)
{
        char *line = reader->section + reader->line_start;
        size_t len = reader->section_len - 2 - reader->line_start;
        struct header header;
        reader->line_start = reader->section_len;
        if (len == 0) {
                reader->state = STATE_DONE;
                return true;
        }
        if (!field_line_parse(line, len, reader->limits, &header, &reader->fault)) {
                reader->state = STATE_FAILED;
                return false;
        }
        if (reader->trailers.count == reader->limits->headers)
                return bad(reader, 431, "trailers_too_many");
        header_append(&reader->trailers, header.name, header.value);
        return true;
}

static bool trailer_byte(struct body_reader *reader, char c)
{
        bool after_cr = reader->section_len > reader->line_start &&
                        reader->section[reader->section_len - 1] == '\r';
        if (after_cr != (c == '\n'))
                return bad(reader, 400, after_cr ? "bare_cr" : "bare_lf");
        if (((unsigned char)c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
                return bad(reader, 400, "control_character");
        if (reader->section_len == reader->limits->trailer_bytes)
                return bad(reader, 431, "trailers_too_big");
        section_put(reader, c);
        return c != '\n' || trailer_line(reader);
}

/* ---- the grammar ---- */

/* One byte that is no data. False: the body is bad. */
static bool framing_byte(struct body_reader *reader, char c)
{
        switch ((enum state)reader->state) {
        case STATE_SIZE:
                return size_byte(reader, c);
        case STATE_EXTENSION:
                return extension_byte(reader, c);
        case STATE_SIZE_LF:
                if (c != '\n')
                        return bad(reader, 400, "bare_cr");
                reader->state = reader->left > 0 ? STATE_DATA : STATE_TRAILERS;
                return true;
        case STATE_DATA_CR:
                reader->state = STATE_DATA_LF;
                return c == '\r' || bad(reader, 400, "chunk_end");
        case STATE_DATA_LF:
                reader->state = STATE_SIZE;
                reader->size_digits = 0;
                return c == '\n' || bad(reader, 400, "chunk_end");
        case STATE_TRAILERS:
                return trailer_byte(reader, c);
        case STATE_DATA:
        case STATE_DONE:
        case STATE_FAILED:
                break;
        }
        must(false); /* data is no framing */
        return false;
}

/* Of what is there, the part that is data; moves on when the chunk or body is complete. */
static size_t data_take(struct body_reader *reader, size_t there)
{
        size_t count = reader->left < there ? (size_t)reader->left : there;
        if (reader->framing == FRAMING_UNTIL_CLOSE)
                return there;
        reader->left -= count;
        if (reader->left == 0)
                reader->state = reader->framing == FRAMING_LENGTH ? STATE_DONE : STATE_DATA_CR;
        return count;
}

enum body_status body_read(struct body_reader *reader, struct slice in, size_t *consumed,
                           struct slice *data)
{
        size_t at = 0;
        *data = SLICE_NONE;
        *consumed = 0;
        for (;;) {
                if (reader->state == STATE_DONE || reader->state == STATE_FAILED)
                        break;
                if (at == in.len)
                        break;
                if (reader->state == STATE_DATA) {
                        size_t count = data_take(reader, in.len - at);
                        *data = slice_sub(in, at, count);
                        *consumed = at + count;
                        return BODY_DATA;
                }
                if (!framing_byte(reader, in.data[at]))
                        break;
                at++;
        }
        *consumed = at;
        if (reader->state == STATE_FAILED)
                return BODY_BAD;
        return reader->state == STATE_DONE ? BODY_END : BODY_MORE;
}

enum body_status body_read_eof(struct body_reader *reader)
{
        if (reader->state == STATE_DONE)
                return BODY_END;
        if (reader->state == STATE_DATA && reader->framing == FRAMING_UNTIL_CLOSE) {
                reader->state = STATE_DONE;
                return BODY_END;
        }
        if (reader->state != STATE_FAILED)
                bad(reader, 400, "body_cut_off");
        return BODY_BAD;
}

struct slice chunk_head_print(uint64_t n, char out[static CHUNK_HEAD_MAX])
{
        size_t at = CHUNK_HEAD_MAX;
        must(n > 0); /* a chunk of 0 would end the body */
        out[--at] = '\n';
        out[--at] = '\r';
        for (; n > 0; n >>= 4)
                out[--at] = "0123456789abcdef"[n & 15];
        return slice_from(out + at, CHUNK_HEAD_MAX - at);
}
