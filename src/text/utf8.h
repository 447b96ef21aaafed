/* UTF-8 (RFC 3629), and how text from outside is shown to a person without letting it act. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/slice.h"

/* Bytes of the character that s starts with and the character itself; 0 when it is cut short,
 * overlong, a surrogate or beyond U+10FFFF. */
size_t utf8_next(struct slice s, uint32_t *character);
bool utf8_valid(struct slice s);
/* False for what moves a cursor or turns text around: C0 and C1 controls, DEL, line and paragraph
 * separators, bidirectional marks, the byte-order mark. */
bool utf8_is_visible(uint32_t character);

/* Appends s in a form that is one line, safe on a terminal and in quotes, and says every byte:
 * \n \r \t \" \\, \u{202e} for characters that are not visible, \xff for bytes that are no
 * character. False when the buffer's maximum is reached; the buffer is then as before. */
bool utf8_print(struct slice s, struct buffer *out);

enum {
        UTF8_SHOWN_SIZE = 96 /* what an error shows of a text, with its NUL */
};

/* The same in a fixed space for an error's message: cut with "..." where it is longer. */
const char *utf8_show(struct slice s, char out[static UTF8_SHOWN_SIZE]);
