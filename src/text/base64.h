/* Base64 (RFC 4648, 4 and 5), strict: one text for each value. Refused are characters of another
 * alphabet, white space, padding that is missing or too much for the chosen form, and bits after
 * the last byte that are not zero. */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/slice.h"

enum base64_form {
        BASE64_STANDARD = 0,   /* + and /, padded with = to a multiple of four */
        BASE64_URL = BIT(0),   /* - and _ */
        BASE64_BARE = BIT(1),  /* no padding */
        BASE64_LINES = BIT(2), /* decoding skips CR and LF, as Kubernetes does in a Secret's data */
};

/* Room that decoding needs for a text of that length. */
size_t base64_decoded_max(size_t text_len);
/* Into out, which has base64_decoded_max(text.len) bytes. form: the bits of base64_form together.
 * Errors say the character's place and what is wrong. */
bool base64_decode(struct slice text, unsigned form, unsigned char *out, size_t *out_len,
                   struct error *err);
/* The same into the arena, with a NUL behind. */
bool base64_decode_new(struct arena *arena, struct slice text, unsigned form, struct slice *bytes,
                       struct error *err);

size_t base64_encoded_len(size_t bytes_len, unsigned form);
/* Appends; false when the buffer's maximum is reached. */
bool base64_encode(struct slice bytes, unsigned form, struct buffer *out);
struct slice base64_encode_new(struct arena *arena, struct slice bytes, unsigned form);
