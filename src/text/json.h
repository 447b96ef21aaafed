/* JSON (RFC 8259): text to a node tree by jansson, and out again by a writer that allocates nothing
 * but its buffer, for records that are written at a high rate. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"
#include "text/tree.h"

enum {
        JSON_DEPTH_MAX = 64,
        JSON_NODES_MAX = 2000000,
        JSON_TEXT_MAX = 1 << 30, /* bytes */
};

/* One value with nothing but white space around it. Duplicate keys, NUL in strings, invalid UTF-8,
 * integers beyond int64_t and more than the maxima above are refused. Nodes know no line (0).
 * `file` is for complaints; NULL: the text is in none. */
bool json_parse(struct arena *arena, struct slice text, const char *file, struct node **root,
                struct error *err);

/* Appends the tree; pretty is indented by two spaces, with a line end last. False when the buffer's
 * maximum is reached; the buffer is then as before. */
bool node_print_json(const struct node *node, struct buffer *out, bool pretty);

/* Writes one value into `out`, piece by piece. Commas and colons are the writer's; a key outside
 * an object, a value without a key inside one, or an end without its begin is a bug. Strings may be
 * any bytes: what is not UTF-8 becomes \ufffd, one for each byte; control characters and those that
 * turn text around (bidirectional) are escaped, so a record is one line and shows what is there. */
struct json_writer {
        struct buffer *out;
        size_t start;    /* the buffer's len at init */
        uint64_t object; /* a bit for each open level: it is an object */
        uint64_t filled; /* a bit for each open level: it has a member */
        unsigned depth;
        bool pretty;
        bool after_key;
        bool over; /* something did not fit: the record is dropped as a whole */
};

void json_writer_init(struct json_writer *w, struct buffer *out);
/* False, and the buffer as it was at init, when something did not fit. */
bool json_writer_done(struct json_writer *w);

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct slice key);
void json_write_string(struct json_writer *w, struct slice value);
void json_write_integer(struct json_writer *w, int64_t value);
void json_write_unsigned(struct json_writer *w, uint64_t value);
/* A number that stands as JSON writes it. */
void json_write_number(struct json_writer *w, struct slice number);
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);
/* A key and its value in one. */
void json_field_string(struct json_writer *w, const char *key, struct slice value);
void json_field_text(struct json_writer *w, const char *key, const char *value);
void json_field_integer(struct json_writer *w, const char *key, int64_t value);
void json_field_unsigned(struct json_writer *w, const char *key, uint64_t value);
void json_field_bool(struct json_writer *w, const char *key, bool value);
