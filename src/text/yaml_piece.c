#include <string.h>

#include "base/map.h"
#include "text/yaml.h"

enum {
        PIECE_DOCUMENTS = 16,      /* on average */
        PIECE_DOCUMENTS_MAX = 256, /* of documents that never say "cut" */
        CHOICE_BYTES = 256,        /* of a document's front, by which it says so */
};

static bool has(struct slice text, const char *bytes)
{
        /* The first byte alone is looked for by the fastest of searches, and is mostly not there.
         */
        return memchr(text.data, bytes[0], text.len) &&
               memmem(text.data, text.len, bytes, strlen(bytes));
}

/* What would make lines of other lengths than '\n' does, or let one document's text reach into
 * another: line ends that libyaml knows besides, directives, and ends without a start. */
static bool is_divisible(struct slice text)
{
        static const char *const breaks[] = {"\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};
        for (size_t i = 0; i < COUNT_OF(breaks); i++)
                if (text.len > 0 && has(text, breaks[i]))
                        return false;
        while (text.len > 0) {
                if (text.data[0] == '%' || text.data[0] == '.')
                        return false;
                const char *end = memchr(text.data, '\n', text.len);
                text = slice_skip(text, end ? (size_t)(end - text.data) + 1 : text.len);
        }
        return true;
}

/* YAML 1.2, 9.1.2: such a line starts a document wherever it stands, in a scalar too. */
static bool starts_document(struct slice line)
{
        return slice_starts_with(line, SLICE("---")) &&
               (line.len == 3 || line.data[3] == ' ' || line.data[3] == '\t' ||
                line.data[3] == '\n');
}

/* To the next document's start, or the end. */
static size_t document_len(struct slice text, int *line_count)
{
        for (size_t at = 0; at < text.len;) {
                const char *end = memchr(text.data + at, '\n', text.len - at);
                if (!end)
                        break;
                at = (size_t)(end - text.data) + 1;
                (*line_count)++;
                if (starts_document(slice_skip(text, at)))
                        return at;
        }
        return text.len;
}

/* By itself, whatever stands before it: a change in front moves no cut. */
static bool cuts_behind(struct slice document)
{
        struct slice front = slice_sub(document, 0, CHOICE_BYTES);
        return hash_bytes(front.data, front.len) % PIECE_DOCUMENTS == 0;
}

void yaml_pieces_init(struct yaml_pieces *pieces, struct slice text)
{
        *pieces = (struct yaml_pieces){.rest = text, .divisible = is_divisible(text)};
}

bool yaml_pieces_next(struct yaml_pieces *pieces, struct slice *piece, int *lines_before)
{
        struct slice text = pieces->rest;
        size_t len = 0;
        if (text.len == 0)
                return false;
        *lines_before = pieces->line_count;
        for (size_t n = 0; pieces->divisible && n < PIECE_DOCUMENTS_MAX && len < text.len; n++) {
                struct slice rest = slice_skip(text, len);
                size_t document = document_len(rest, &pieces->line_count);
                len += document;
                if (cuts_behind(slice_sub(rest, 0, document)))
                        break;
        }
        *piece = pieces->divisible ? slice_sub(text, 0, len) : text;
        pieces->rest = slice_skip(text, piece->len);
        return true;
}
