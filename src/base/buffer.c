#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void buffer_init(struct buffer *buffer, size_t max)
{
        *buffer = (struct buffer){.max = max};
}

void buffer_done(struct buffer *buffer)
{
        buffer_release(buffer);
}

void buffer_clear(struct buffer *buffer)
{
        buffer->len = 0;
}

void buffer_release(struct buffer *buffer)
{
        free(buffer->data);
        buffer_init(buffer, buffer->max);
}

char *buffer_reserve(struct buffer *buffer, size_t count)
{
        if (count > buffer->max - buffer->len)
                return NULL;
        size_t wanted = buffer->len + count;
        if (wanted > buffer->capacity) {
                size_t capacity = buffer->capacity ? buffer->capacity : 256;
                while (capacity < wanted)
                        capacity *= 2;
                if (capacity > buffer->max)
                        capacity = buffer->max;
                /* One byte more than the maximum, for the NUL that printf puts behind. */
                buffer->data = memory_resize(buffer->data, capacity + 1);
                buffer->capacity = capacity;
        }
        return buffer->data + buffer->len;
}

bool buffer_append_secret(struct buffer *buffer, struct slice s)
{
        if (s.len > buffer->max - buffer->len)
                return false;
        if (s.len > buffer->capacity - buffer->len) {
                struct buffer larger;
                buffer_init(&larger, buffer->max);
                size_t room = buffer->len + s.len;
                must(buffer_reserve(&larger, room > buffer->max / 2 ? buffer->max : room * 2));
                buffer_append(&larger, buffer_slice(buffer));
                buffer_wipe(buffer);
                buffer_done(buffer);
                *buffer = larger;
        }
        return buffer_append(buffer, s);
}

void buffer_wipe(struct buffer *buffer)
{
        if (buffer->len > 0)
                explicit_bzero(buffer->data, buffer->len);
        buffer_clear(buffer);
}

/* Into what is free, where it mostly fits: formatting is too dear to be done twice. */
bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
        va_list args, again;
        va_start(args, format);
        va_copy(again, args);
        size_t left = buffer->capacity - buffer->len; /* and a byte for the NUL */
        int len = vsnprintf(left ? buffer->data + buffer->len : NULL, left ? left + 1 : 0, format,
                            args);
        va_end(args);
        must(len >= 0);
        char *room = buffer_reserve(buffer, (size_t)len);
        if (room && (left == 0 || (size_t)len > left))
                vsnprintf(room, (size_t)len + 1, format, again);
        if (room)
                buffer->len += (size_t)len;
        va_end(again);
        return room != NULL;
}

bool buffer_append_decimal(struct buffer *buffer, uint64_t number)
{
        char digits[DECIMAL_MAX];
        return buffer_append(buffer, slice_decimal(digits, number));
}

void buffer_consume(struct buffer *buffer, size_t count)
{
        must(count <= buffer->len);
        buffer->len -= count;
        if (buffer->len > 0)
                memmove(buffer->data, buffer->data + count, buffer->len);
}

struct slice buffer_slice(const struct buffer *buffer)
{
        return slice_from(buffer->data, buffer->len);
}
