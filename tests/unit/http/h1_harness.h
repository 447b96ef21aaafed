/* Reads a message whole, and again growing by one byte a call from a buffer that moves, and insists
 * that both give the same. Shared by the tests of requests and responses. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/h1.h"

struct row { /* a piece of a message and what the reader must say; status 0: it is let in */
        const char *text;
        size_t len;
        int status;
        const char *token;
};

#define OK(text)                                                                                   \
        {                                                                                          \
                text, sizeof(text) - 1, 0, ""                                                      \
        }
#define BAD(text, status, token)                                                                   \
        {                                                                                          \
                text, sizeof(text) - 1, status, token                                              \
        }

/* head of the message + row + tail */
static inline struct slice row_message(struct arena *arena, const struct row *row,
                                       const char *before, const char *after)
{
        size_t a = strlen(before), z = strlen(after);
        char *bytes = arena_alloc(arena, a + row->len + z + 1);
        memcpy(bytes, before, a);
        memcpy(bytes + a, row->text, row->len);
        memcpy(bytes + a + row->len, after, z);
        return slice_from(bytes, a + row->len + z);
}

typedef enum h1_status read_fn(struct h1_reader *reader, struct slice bytes, size_t *consumed,
                               void *head);

/* The verdict for growing prefixes; each is a fresh heap copy, so that a stale pointer is seen by
 * the address sanitizer. */
static inline enum h1_status read_growing(read_fn *read, struct h1_reader *reader,
                                          struct slice message, size_t *consumed, void *head)
{
        enum h1_status status = H1_MORE;
        for (size_t len = 0; len <= message.len && status == H1_MORE; len++) {
                char *copy = memory_dup(message.data, len);
                status = read(reader, slice_from(copy, len), consumed, head);
                free(copy);
        }
        return status;
}

static inline void check_row(read_fn *read, const struct row *row, struct slice message,
                             struct arena *arena, void *head)
{
        struct http_limits limits = http_limits_default();
        struct h1_reader whole, growing;
        size_t consumed = 0, consumed_growing = 0;
        h1_reader_init(&growing, &limits, arena);
        enum h1_status b = read_growing(read, &growing, message, &consumed_growing, head);
        h1_reader_init(&whole, &limits, arena);
        enum h1_status a = read(&whole, message, &consumed, head);
        enum h1_status want = row->status ? H1_BAD : H1_DONE;
        bool same_fault = a != H1_BAD || (whole.fault.status == row->status &&
                                          strcmp(whole.fault.token, row->token) == 0);
        if (a != want || !same_fault)
                fail_msg("%.*s\n-> %d %d %s, wanted %d %s", SLICE_ARG(message), a,
                         whole.fault.status, a == H1_BAD ? whole.fault.token : "", row->status,
                         row->token);
        assert_int_equal(a, b);
        assert_int_equal(consumed, consumed_growing);
        if (a == H1_BAD)
                assert_string_equal(whole.fault.token, growing.fault.token);
}

/* A test that is nothing but rows, each between `before` and `after`. */
struct table {
        read_fn *read;
        const struct row *rows;
        size_t count;
        const char *before, *after;
};

static inline void table_check(void **state)
{
        const struct table *table = *state;
        for (size_t i = 0; i < table->count; i++) {
                struct arena arena;
                union {
                        struct request_head request;
                        struct response_head response;
                } head;
                arena_init(&arena, 4096);
                struct slice message =
                        row_message(&arena, &table->rows[i], table->before, table->after);
                check_row(table->read, &table->rows[i], message, &arena, &head);
                arena_done(&arena);
        }
}

/* The array of rows `name` as a test of that name, in main. */
#define TABLE(name, read, before, after)                                                           \
        {                                                                                          \
#name, table_check, NULL, NULL, &(struct table)                                    \
                {                                                                                  \
                        read, name, COUNT_OF(name), before, after                                  \
                }                                                                                  \
        }
