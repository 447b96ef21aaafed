#include "text/pem.h"

#include <string.h>

#include "text/base64.h"
#include "text/utf8.h"

static const struct slice dashes = {"-----", 5};
static const struct slice begin = {"-----BEGIN ", 11};
static const struct slice end = {"-----END ", 9};

enum {
        LINE_CHARACTERS = 64
};

void pem_reader_init(struct pem_reader *reader, struct slice text, unsigned flags)
{
        *reader = (struct pem_reader){.rest = text, .flags = flags};
}

/* The next line without its end and the blanks before that. */
static bool next_line(struct pem_reader *reader, struct slice *line)
{
        if (!slice_split(&reader->rest, '\n', line))
                return false;
        reader->line++;
        while (line->len > 0 && strchr(" \t\r", line->data[line->len - 1]))
                line->len--;
        return true;
}

static bool contains(struct slice line, struct slice what)
{
        return line.len >= what.len && memmem(line.data, line.len, what.data, what.len) != NULL;
}

static enum pem_step broken(struct pem_reader *reader, const struct pem_block *block,
                            const char *why, struct error *err)
{
        char shown[UTF8_SHOWN_SIZE];
        if (block->label.len > 0)
                error_set(err, ERROR_INPUT, "PEM block %zu (%s, line %d): %s", block->ordinal,
                          utf8_show(block->label, shown), block->line, why);
        else
                error_set(err, ERROR_INPUT, "PEM block %zu (line %d): %s", block->ordinal,
                          block->line, why);
        reader->rest = SLICE_NONE;
        return PEM_BROKEN;
}

/* "-----BEGIN LABEL-----" and nothing else; RFC 7468, 3: words of visible ASCII. */
static bool read_label(struct slice line, struct slice boundary, struct slice *label)
{
        if (!slice_starts_with(line, boundary) || !slice_ends_with(line, dashes) ||
            line.len <= boundary.len + dashes.len)
                return false;
        struct slice name = slice_sub(line, boundary.len, line.len - boundary.len - dashes.len);
        if (name.len > PEM_LABEL_MAX || !slice_equal(slice_trim(name), name))
                return false;
        for (size_t i = 0; i < name.len; i++) {
                if (name.data[i] < ' ' || name.data[i] > '~' || name.data[i] == '-')
                        return false;
        }
        *label = name;
        return true;
}

/* Up to the END line of the same label, which is taken off too; NULL, or what is wrong. */
static const char *read_body(struct pem_reader *reader, struct slice label, struct slice *body)
{
        struct slice line, last;
        const char *start = reader->rest.data;
        while (next_line(reader, &line)) {
                if (!contains(line, dashes))
                        continue;
                if (contains(line, begin))
                        return "another block begins inside it";
                if (!read_label(line, end, &last))
                        return "a line in it has dashes but is no END";
                if (!slice_equal(last, label))
                        return "it ends with another label";
                *body = slice_from(start, (size_t)(line.data - start));
                return NULL;
        }
        return "it has no END";
}

/* Base64 with the white space of its lines taken out, as RFC 7468, 3 lets a reader do. */
static bool decode_body(struct arena *arena, struct slice body, struct slice *der,
                        struct error *err)
{
        char *text = arena_alloc(arena, body.len + 1);
        size_t len = 0;
        for (size_t i = 0; i < body.len; i++) {
                if (!strchr(" \t\r\n", body.data[i]) || body.data[i] == '\0')
                        text[len++] = body.data[i];
        }
        struct slice bytes;
        if (!base64_decode_new(arena, slice_from(text, len), BASE64_STANDARD, &bytes, err))
                return false;
        if (bytes.len == 0)
                return error_set(err, ERROR_INPUT, "it is empty");
        if (bytes.len > PEM_BLOCK_BYTES_MAX)
                return error_set(err, ERROR_LIMIT, "it is larger than 64 MiB");
        *der = bytes;
        return true;
}

static enum pem_step read_block(struct pem_reader *reader, struct arena *arena, struct slice line,
                                struct pem_block *block, struct error *err)
{
        struct slice body;
        struct pem_block found = {.ordinal = ++reader->ordinal, .line = reader->line};
        if (!read_label(line, begin, &found.label))
                return broken(reader, &found, "its BEGIN line is malformed", err);
        const char *fault = read_body(reader, found.label, &body);
        if (fault)
                return broken(reader, &found, fault, err);
        found.private_key = slice_ends_with(found.label, SLICE("PRIVATE KEY"));
        if (found.private_key && (reader->flags & PEM_SKIP_KEYS)) {
                *block = found;
                return PEM_BLOCK;
        }
        struct error why;
        if (slice_find(body, ':') < body.len)
                return broken(reader, &found, "headers (an encrypted key's?) are not read", err);
        if (body.len / 4 > PEM_BLOCK_BYTES_MAX / 2)
                return broken(reader, &found, "it is larger than 64 MiB", err);
        if (!decode_body(arena, body, &found.der, &why))
                return broken(reader, &found, why.text, err);
        *block = found;
        return PEM_BLOCK;
}

enum pem_step pem_next(struct pem_reader *reader, struct arena *arena, struct pem_block *block,
                       struct error *err)
{
        struct slice line;
        while (next_line(reader, &line)) {
                if (slice_starts_with(line, begin))
                        return read_block(reader, arena, line, block, err);
                /* An indented block or a lone END is a mangled file; passing over it in silence
                 * would drop a certificate that somebody relies on. */
                struct pem_block here = {.ordinal = reader->ordinal + 1, .line = reader->line};
                if (contains(line, begin))
                        return broken(reader, &here, "its BEGIN is not at the line's start", err);
                if (contains(line, end))
                        return broken(reader, &here, "END without BEGIN", err);
        }
        return PEM_END;
}

struct slice pem_print(struct arena *arena, const char *label, struct slice der)
{
        struct slice text = base64_encode_new(arena, der, BASE64_STANDARD);
        size_t lines = (text.len + LINE_CHARACTERS - 1) / LINE_CHARACTERS,
               label_len = strlen(label);
        size_t len = begin.len + end.len + 2 * (label_len + dashes.len + 1) + text.len + lines;
        char *out = arena_alloc(arena, len + 1), *at = out;
        at = stpcpy(stpcpy(stpcpy(at, begin.data), label), "-----\n");
        for (; text.len > 0; text = slice_skip(text, LINE_CHARACTERS)) {
                struct slice line = slice_sub(text, 0, LINE_CHARACTERS);
                at = mempcpy(at, line.data, line.len);
                *at++ = '\n';
        }
        stpcpy(stpcpy(stpcpy(at, end.data), label), "-----\n");
        return slice_from(out, len);
}
