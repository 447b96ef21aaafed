/* Bytes that somebody else owns: a view with a length, never assumed to end in NUL (I13).
 * The empty slice has len 0; its data may be NULL and is not read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
        const char *data;
        size_t len;
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_NONE     ((struct slice){NULL, 0})
/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s) (int)(s).len, (s).len ? (s).data : ""

struct slice slice_of(const char *text); /* NULL gives the empty slice */
struct slice slice_from(const void *data, size_t len);
/* A copy at *at, which goes on behind it: for a block made large enough for several. */
struct slice slice_put(char **at, struct slice s);

/* In line: most that are compared differ in length, which is a call saved. */
static inline bool slice_equal(struct slice a, struct slice b)
{
        return a.len == b.len &&
               (a.len == 0 || a.data == b.data || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b); /* ASCII letters only */
static inline bool slice_is(struct slice s, const char *text)
{
        return slice_equal(s, (struct slice){text, text ? strlen(text) : 0});
}

bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);
int slice_compare(struct slice a, struct slice b); /* bytewise, shorter first */

/* Index of the first `byte`, or len when there is none. */
size_t slice_find(struct slice s, char byte);
struct slice slice_sub(struct slice s, size_t from, size_t len); /* clipped to s */
struct slice slice_skip(struct slice s, size_t count);           /* clipped to s */
struct slice slice_trim(struct slice s);                         /* spaces and tabs, both ends */

/* Takes the part before `byte` off the front of *rest, and `byte` with it. False when *rest is
 * spent; "a,,b" gives a, the empty slice, b. *rest is spent once data is NULL. */
bool slice_split(struct slice *rest, char byte, struct slice *part);

enum {
        DECIMAL_MAX = 20 /* digits of the largest number */
};
/* The number's digits, at the end of `digits`. */
struct slice slice_decimal(char digits[static DECIMAL_MAX], uint64_t number);
/* All of s as a decimal number of at most `max`: digits only, at least one. */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *out);

static inline char ascii_lower(char c)
{
        return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* 0 to 15; -1: c is no hex digit. */
static inline int hex_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = ascii_lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
