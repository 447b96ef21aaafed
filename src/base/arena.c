#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

struct arena_chunk {
        struct arena_chunk *older;
        size_t size;
        alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, size_t chunk_bytes)
{
        *arena = (struct arena){.chunk_bytes = chunk_bytes};
}

void arena_done(struct arena *arena)
{
        while (arena->chunks) {
                struct arena_chunk *older = arena->chunks->older;
                free(arena->chunks);
                arena->chunks = older;
        }
        arena_init(arena, arena->chunk_bytes);
}

void arena_wipe(struct arena *arena)
{
        for (struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->older)
                explicit_bzero(chunk->bytes, chunk->size);
        arena_done(arena);
}

void arena_give_back(struct arena *arena, const void *block)
{
        for (struct arena_chunk **at = &arena->chunks; *at; at = &(*at)->older) {
                struct arena_chunk *chunk = *at;
                if (chunk->bytes != block || chunk->size <= arena->chunk_bytes)
                        continue;
                if (chunk == arena->chunks) { /* it is full: the next block makes a new one */
                        arena->next = NULL;
                        arena->left = 0;
                }
                *at = chunk->older;
                explicit_bzero(chunk->bytes, chunk->size);
                free(chunk);
                return;
        }
}

void arena_reset(struct arena *arena)
{
        while (arena->chunks && arena->chunks->older) {
                struct arena_chunk *older = arena->chunks->older;
                free(arena->chunks);
                arena->chunks = older;
        }
        arena->total_bytes = 0;
        arena->next = arena->chunks ? arena->chunks->bytes : NULL;
        arena->left = arena->chunks ? arena->chunks->size : 0;
}

static void add_chunk(struct arena *arena, size_t at_least)
{
        size_t size = at_least > arena->chunk_bytes ? at_least : arena->chunk_bytes;
        struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);
        must(chunk != NULL);
        chunk->older = arena->chunks;
        chunk->size = size;
        arena->chunks = chunk;
        arena->next = chunk->bytes;
        arena->left = size;
}

static size_t aligned(size_t size)
{
        const size_t align = alignof(max_align_t);
        must(size < SIZE_MAX / 2);
        return (size + align - 1) & ~(align - 1);
}

static void *claim(struct arena *arena, size_t size)
{
        size = aligned(size);
        if (size > arena->left || !arena->next)
                add_chunk(arena, size);
        void *block = arena->next;
        arena->next += size;
        arena->left -= size;
        arena->total_bytes += size;
        return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
        return memset(claim(arena, size), 0, aligned(size));
}

char *arena_text(struct arena *arena, struct slice s)
{
        char *copy = claim(arena, s.len + 1);
        if (s.len > 0)
                memcpy(copy, s.data, s.len);
        copy[s.len] = '\0';
        return copy;
}

struct slice arena_slice(struct arena *arena, struct slice s)
{
        return slice_from(arena_text(arena, s), s.len);
}

struct slice arena_concat(struct arena *arena, const struct slice *parts, size_t count)
{
        size_t len = 0;
        for (size_t i = 0; i < count; i++)
                len += parts[i].len;
        char *text = claim(arena, len + 1), *at = text;
        for (size_t i = 0; i < count; i++)
                slice_put(&at, parts[i]);
        *at = '\0';
        return slice_from(text, len);
}

struct slice arena_decimal(struct arena *arena, uint64_t number)
{
        char digits[DECIMAL_MAX];
        return arena_slice(arena, slice_decimal(digits, number));
}

/* Into what is free of the chunk, where it mostly fits: formatting is too dear to be done twice. */
struct slice arena_vprintf(struct arena *arena, const char *format, va_list args)
{
        va_list again;
        va_copy(again, args);
        int len = vsnprintf(arena->next, arena->left, format, args);
        must(len >= 0);
        bool fits = aligned((size_t)len + 1) <= arena->left;
        char *text = claim(arena, (size_t)len + 1);
        if (!fits)
                vsnprintf(text, (size_t)len + 1, format, again);
        va_end(again);
        return slice_from(text, (size_t)len);
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        struct slice s = arena_vprintf(arena, format, args);
        va_end(args);
        return s;
}
