#include "control/source/pin_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "control/source/files.h"

enum {
        PIECE_BYTES = 256 * 1024
};

struct piece {
        char *bytes;
        size_t room, len; /* len: of a line whose end is still to come */
        size_t line;      /* its number */
        size_t total;     /* of the file, so far */
};

/* All whole lines to the builder; what follows the last of them goes to the front. */
static void lines_take(struct piece *piece, struct pin_set_builder *builder)
{
        const char *end = memrchr(piece->bytes, '\n', piece->len);
        if (!end)
                return;
        size_t whole = (size_t)(end - piece->bytes);
        piece->line =
                pin_set_builder_add_lines(builder, slice_from(piece->bytes, whole), piece->line);
        piece->len -= whole + 1;
        memmove(piece->bytes, end + 1, piece->len);
}

static bool lines_read(int fd, struct piece *piece, struct pin_set_builder *builder,
                       struct error *err)
{
        for (;;) {
                size_t got;
                if (piece->len == piece->room) /* one line, of whatever length */
                        piece->bytes = memory_resize(piece->bytes, piece->room *= 2);
                if (!file_next(fd, piece->bytes + piece->len, piece->room - piece->len, &got, err))
                        return false;
                if (got == 0)
                        break;
                piece->len += got;
                piece->total += got;
                if (piece->total > PIN_FILE_BYTES_MAX)
                        return error_set(err, ERROR_LIMIT, "is longer than %d bytes",
                                         PIN_FILE_BYTES_MAX);
                lines_take(piece, builder);
        }
        pin_set_builder_add_lines(builder, slice_from(piece->bytes, piece->len), piece->line);
        return true;
}

struct pin_set *pin_file_read(const char *path, struct error *err)
{
        int fd;
        size_t size;
        if (!file_open(path, PIN_FILE_BYTES_MAX, &fd, &size, err))
                return NULL;
        struct piece piece = {.bytes = memory_new(PIECE_BYTES), .room = PIECE_BYTES, .line = 1};
        struct pin_set_builder *builder = pin_set_builder_new();
        struct pin_set *set = NULL;
        if (lines_read(fd, &piece, builder, err))
                set = pin_set_build(builder);
        else
                pin_set_builder_free(builder);
        free(piece.bytes);
        file_close(fd);
        return set;
}
