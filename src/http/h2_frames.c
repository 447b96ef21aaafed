#include "http/h2_frames.h"

#include <nghttp2/nghttp2.h>

#include "http/h2.h"

static bool is_data(const struct h2_frames *frames)
{
        return frames->preface_done && frames->head[3] == NGHTTP2_DATA;
}

/* A field block goes on through CONTINUATION frames until one says END_HEADERS. */
static bool block_goes_on(const struct h2_frames *frames)
{
        uint8_t type = frames->head[3], flags = frames->head[4];
        return frames->preface_done && (type == NGHTTP2_HEADERS || type == NGHTTP2_CONTINUATION) &&
               (flags & NGHTTP2_FLAG_END_HEADERS) == 0;
}

static void frame_end(struct h2_frames *frames)
{
        frames->unfinished = block_goes_on(frames);
        frames->preface_done = true;
        frames->head_len = 0;
}

static void head_end(struct h2_frames *frames)
{
        const uint8_t *head = frames->head;
        frames->rest = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        if (is_data(frames))
                frames->unfinished = false;
        if (frames->rest == 0)
                frame_end(frames);
}

/* The next bytes of the preface or of a frame: its head first, then all that is there of its
 * payload. */
static void take_some(struct h2_frames *frames, struct slice *bytes)
{
        size_t head_size = frames->preface_done ? H2_FRAME_HEAD_BYTES : 0;
        if (frames->head_len < head_size) {
                frames->head[frames->head_len++] = (uint8_t)bytes->data[0];
                *bytes = slice_skip(*bytes, 1);
                if (frames->head_len == head_size)
                        head_end(frames);
                return;
        }
        size_t len = bytes->len < frames->rest ? bytes->len : frames->rest;
        frames->rest -= (uint32_t)len;
        *bytes = slice_skip(*bytes, len);
        if (frames->rest == 0)
                frame_end(frames);
}

void h2_frames_take(struct h2_frames *frames, struct slice bytes, uint64_t now_ms)
{
        while (bytes.len > 0) {
                bool between = frames->head_len == 0 && frames->rest == 0;
                if (between && !frames->preface_done)
                        frames->rest = H2_PREFACE_BYTES;
                if (between && !frames->unfinished) {
                        frames->unfinished = true;
                        frames->since_ms = now_ms;
                }
                take_some(frames, &bytes);
        }
}
