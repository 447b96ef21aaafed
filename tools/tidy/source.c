#include "tidy/source.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/memory.h"

enum {
        FILE_BYTES_MAX = 4 << 20,
        READ_BYTES = 1 << 16,
};

enum blank_state {
        IN_CODE,
        IN_LINE_COMMENT,
        IN_BLOCK_COMMENT,
        IN_STRING,
        IN_CHARACTER,
};

static void file_close(FILE **file)
{
        if (*file)
                fclose(*file);
}

static bool file_read(FILE *file, struct buffer *into, struct error *err)
{
        while (!feof(file)) {
                char *room = buffer_reserve(into, READ_BYTES);
                if (!room)
                        return error_set(err, ERROR_LIMIT, "more than %d bytes", FILE_BYTES_MAX);
                into->len += fread(room, 1, READ_BYTES, file);
                if (ferror(file))
                        return error_set_errno(err, "cannot read");
        }
        return true;
}

static enum blank_state state_opened_by(char c, char next)
{
        if (c == '/' && next == '/')
                return IN_LINE_COMMENT;
        if (c == '/' && next == '*')
                return IN_BLOCK_COMMENT;
        if (c == '"')
                return IN_STRING;
        return c == '\'' ? IN_CHARACTER : IN_CODE;
}

/* A quote that is still open at the end of its line was none (an apostrophe in an #error). */
static bool state_closed_by(enum blank_state state, char c, char before)
{
        switch (state) {
        case IN_LINE_COMMENT:
                return c == '\n' && before != '\\';
        case IN_BLOCK_COMMENT:
                return c == '/' && before == '*';
        case IN_STRING:
                return c == '"' || (c == '\n' && before != '\\');
        case IN_CHARACTER:
                return c == '\'' || (c == '\n' && before != '\\');
        case IN_CODE:
                break;
        }
        return false;
}

/* Blanks what `state` covers from *at on and leaves *at behind its end. Quotes stay, for #include.
 */
static void blank_until_closed(char *code, size_t len, size_t *at, enum blank_state state)
{
        bool quoted = state == IN_STRING || state == IN_CHARACTER;
        char before = 0;
        if (!quoted) {
                code[*at] = code[*at + 1] = ' ';
                (*at)++;
        }
        for ((*at)++; *at < len; (*at)++) {
                char c = code[*at];
                bool closed = state_closed_by(state, c, before);
                bool escape_over = quoted && before == '\\' && c != '\n';
                if (c != '\n' && !(closed && quoted && !escape_over))
                        code[*at] = ' ';
                if (closed && !escape_over) {
                        (*at)++;
                        return;
                }
                before = (char)(escape_over ? 0 : c);
        }
}

static struct slice code_of(struct slice text, struct arena *arena)
{
        char *code = arena_text(arena, text);
        for (size_t at = 0; at < text.len;) {
                enum blank_state state = state_opened_by(code[at], code[at + 1]);
                if (state == IN_CODE)
                        at++;
                else
                        blank_until_closed(code, text.len, &at, state);
        }
        return slice_from(code, text.len);
}

bool source_read(const char *root, const char *path, struct arena *arena, struct source *out,
                 struct error *err)
{
        struct slice full = arena_printf(arena, "%s/%s", root, path);
        CLEANUP(file_close) FILE *file = fopen(full.data, "re");
        if (!file)
                return error_set_errno(err, "%s", full.data);
        CLEANUP(buffer_done) struct buffer bytes;
        buffer_init(&bytes, FILE_BYTES_MAX);
        if (!file_read(file, &bytes, err))
                return error_wrap(err, "%s", full.data);
        struct slice text = arena_slice(arena, buffer_slice(&bytes));
        *out = (struct source){.path = path, .text = text, .code = code_of(text, arena)};
        return true;
}

bool source_next(const struct source *source, struct source_line *line)
{
        if (line->next >= source->text.len)
                return false;
        size_t start = line->next;
        size_t len = slice_find(slice_skip(source->text, start), '\n');
        line->text = slice_sub(source->text, start, len);
        line->code = slice_sub(source->code, start, len);
        line->number++;
        line->next = start + len + 1;
        return true;
}
