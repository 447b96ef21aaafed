/* Where the pieces of a JSON text begin and end, without making a tree of them: for texts that come
 * in pieces, and for those of which most is thrown away. Of what is not JSON it finds some bounds
 * or none, never beyond the text: what is kept is parsed by json_parse afterwards. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* One value that is on its way; zeroed: before its first byte. */
struct json_bounds {
        size_t depth;
        bool begun, quoted, escaped;
};

/* How many of `bytes` belong to the value. *done: it ends there. A number or a word is done by what
 * follows it. White space in front belongs to it. */
size_t json_bounds_feed(struct json_bounds *bounds, struct slice bytes, bool *done);

/* The members of an object, one by one. */
struct json_members {
        struct slice rest;
        bool begun;
        bool broken; /* it ended before its "}", or is no object */
};

struct json_member {
        struct slice key;   /* as written, without the quotes: escapes stay */
        struct slice value; /* as written */
};

struct json_members json_members_of(struct slice object);
bool json_members_next(struct json_members *members, struct json_member *out);
/* Between the quotes, where it is a string without escapes; else empty. */
struct slice json_plain_string(struct slice value);
