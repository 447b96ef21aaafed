/* Bytes that grow, with a maximum given at birth: an append that would pass it changes nothing and
 * returns false. One owner; starts without memory and gives it back when emptied by buffer_release.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct buffer {
        char *data;
        size_t len, capacity, max;
};

void buffer_init(struct buffer *buffer, size_t max);
void buffer_done(struct buffer *buffer);
void buffer_clear(struct buffer *buffer);   /* keeps the memory */
void buffer_release(struct buffer *buffer); /* empties it and gives the memory back, keeps max */
char *buffer_reserve(struct buffer *buffer, size_t count); /* room behind len, or NULL over max */
/* In line: a text of many short pieces is made of it. */
static inline bool buffer_append(struct buffer *buffer, struct slice s)
{
        if (s.len == 0)
                return true;
        bool fits = s.len <= buffer->capacity - buffer->len;
        char *room = fits ? buffer->data + buffer->len : buffer_reserve(buffer, s.len);
        if (!room)
                return false;
        memcpy(room, s.data, s.len);
        buffer->len += s.len;
        return true;
}
/* The same for what may hold secrets: where it grows no copy stays behind (I43). */
bool buffer_append_secret(struct buffer *buffer, struct slice s);
void buffer_wipe(struct buffer *buffer); /* empties it, wiped; keeps the memory */
bool buffer_append_decimal(struct buffer *buffer, uint64_t number);
bool buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_consume(struct buffer *buffer, size_t count); /* drops bytes off the front */
struct slice buffer_slice(const struct buffer *buffer);
