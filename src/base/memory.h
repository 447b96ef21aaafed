/* Heap memory for things that no arena holds. Every buffer that outside bytes can grow has a
 * maximum of its own, so running out of memory here is the machine's end, not an input's: it
 * aborts. */
#pragma once

#include <stddef.h>

void *memory_new(size_t size); /* zeroed; never NULL */
void *memory_resize(void *old, size_t size);
char *memory_dup(const char *bytes, size_t len); /* adds a NUL behind the copy */

#define NEW(type) ((type *)memory_new(sizeof(type)))

/* Scoped release: `CLEANUP(file_close) FILE *f = …` */
#define CLEANUP(fn)              __attribute__((cleanup(fn)))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define BIT(n)                   (1U << (n))
#define COUNT_OF(array)          (sizeof(array) / sizeof((array)[0]))
/* The object of type `type` whose field `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
        ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
