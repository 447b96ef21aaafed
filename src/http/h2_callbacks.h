/* nghttp2's callbacks, turned into ours; private to http/. */
#pragma once

#include "http/h2_session.h"

nghttp2_session_callbacks *h2_hooks_new(void); /* the caller deletes them */

/* The data provider of every response: asks on_pull. */
ssize_t h2_pull_hook(nghttp2_session *nghttp2, int32_t id, uint8_t *into, size_t room,
                     uint32_t *flags, nghttp2_data_source *source, void *self);

/* How many fields were submitted: 0 when none of them may pass. In h2.c. */
size_t h2_trailers_submit(struct h2_session *session, int32_t id,
                          const struct header_list *trailers);
