/* A growing array of any type, on the heap, with one owner:
 *
 *      VEC(struct pin) pins = {0};
 *      vec_push(&pins, pin);
 *      vec_each (pin, &pins) …          (pin points into the array)
 *      vec_done(&pins);
 *
 * vec_freeze copies it into an arena and empties it, for values that are built once and then only
 * read. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"

#define VEC(type)                                                                                  \
        struct {                                                                                   \
                type *items;                                                                       \
                size_t count, capacity;                                                            \
        }

#define vec_push(vec, item)                                                                        \
        do {                                                                                       \
                if ((vec)->count == (vec)->capacity) {                                             \
                        (vec)->capacity = (vec)->capacity ? (vec)->capacity * 2 : 8;               \
                        (vec)->items = memory_resize((vec)->items,                                 \
                                                     (vec)->capacity * sizeof(*(vec)->items));     \
                }                                                                                  \
                (vec)->items[(vec)->count++] = (item);                                             \
        } while (0)

#define vec_each(item, vec)                                                                        \
        for (__typeof__(*(vec)->items) *item = (vec)->items;                                       \
             item && item < (vec)->items + (vec)->count; item++)

#define vec_done(vec)                                                                              \
        do {                                                                                       \
                free((vec)->items);                                                                \
                memset((vec), 0, sizeof(*(vec)));                                                  \
        } while (0)

/* The items as an array in the arena (NULL when there are none); *count_out receives their number.
 */
#define vec_freeze(vec, arena, array_out, count_out)                                               \
        do {                                                                                       \
                *(count_out) = (vec)->count;                                                       \
                *(array_out) = NULL;                                                               \
                if ((vec)->count > 0) {                                                            \
                        __typeof__((vec)->items) frozen_ =                                         \
                                arena_alloc((arena), (vec)->count * sizeof(*(vec)->items));        \
                        memcpy(frozen_, (vec)->items, (vec)->count * sizeof(*(vec)->items));       \
                        *(array_out) = frozen_;                                                    \
                }                                                                                  \
                vec_done(vec);                                                                     \
        } while (0)
