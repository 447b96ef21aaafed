/* Fields as HTTP/2 has them, for both sides of it; private to http/. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/message.h"

nghttp2_nv h2_field(struct slice name, struct slice value);
/* Puts a message's fields behind the `count` that are there, and returns how many there are now;
 * what HTTP/2 has no place for is left out. nghttp2 copies them. */
size_t h2_fields_put(nghttp2_nv *fields, size_t count, const struct header_list *headers);
/* Adds a copy of a field that the peer sent, no pseudo-header. What breaks a rule goes into *fault
 * instead; the first fault is the one that is told. */
void h2_field_take(struct header_list *list, const struct http_limits *limits, struct slice name,
                   struct slice value, struct http_fault *fault);
