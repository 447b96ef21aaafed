/* Memory by lifetime: one arena per snapshot, per exchange, one scratch per translation.
 * Nothing inside is freed alone; arena_done frees all. An arena belongs to one thread at a time.
 * What outside bytes can put into an arena is bounded by the reader that puts it there. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct arena_chunk;

struct arena {
        struct arena_chunk *chunks; /* newest first */
        char *next;                 /* free bytes of the newest chunk */
        size_t left;
        size_t chunk_bytes;
        size_t total_bytes; /* handed out so far, for accounting */
};

void arena_init(struct arena *arena, size_t chunk_bytes);
void arena_done(struct arena *arena);
void arena_wipe(struct arena *arena); /* arena_done for one that held secrets (I43) */
/* Wipes and frees a block that was larger than a chunk, and so has one of its own; leaves any other
 * where it is. For a text that was read into something smaller. */
void arena_give_back(struct arena *arena, const void *block);
void arena_reset(struct arena *arena);               /* empties it, keeps the first chunk */
void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for any type, never NULL */
struct slice arena_slice(struct arena *arena, struct slice s); /* a copy, with a NUL behind it */
char *arena_text(struct arena *arena, struct slice s);         /* the same as a C string */
/* One behind the other, at a tenth of what printf takes. */
struct slice arena_concat(struct arena *arena, const struct slice *parts, size_t count);
#define ARENA_JOIN(arena, ...)                                                                     \
        arena_concat(arena, (const struct slice[]){__VA_ARGS__},                                   \
                     sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))
struct slice arena_decimal(struct arena *arena, uint64_t number); /* a sixth of what printf takes */
struct slice arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
struct slice arena_vprintf(struct arena *arena, const char *format, va_list args) PRINTF_LIKE(2, 0);

#define ARENA_NEW(arena, type)          ((type *)arena_alloc(arena, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc(arena, sizeof(type) * (count)))
