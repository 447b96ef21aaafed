/* Since when a frame is unfinished, told from the bounds of frames alone (RFC 9113, 4.1): nghttp2
 * says nothing of field blocks that it skips, or of frames whose rest does not come. Fed by h2.c;
 * private to http/. Zeroed is the start of a connection: the preface counts as a frame. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum {
        H2_FRAME_HEAD_BYTES = 9
};

struct h2_frames {
        uint8_t head[H2_FRAME_HEAD_BYTES];
        size_t head_len;
        uint32_t rest; /* bytes of the payload still to come */
        bool preface_done;
        /* A frame has begun and not ended, or a field block lacks its END_HEADERS. DATA is none:
         * bodies have deadlines of their own. */
        bool unfinished;
        uint64_t since_ms;
};

void h2_frames_take(struct h2_frames *frames, struct slice bytes, uint64_t now_ms);
