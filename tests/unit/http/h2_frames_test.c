/* Where frames begin and end, however their bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "http/h2.h"
#include "http/h2_frames.h"

/* Each frame, and whether all before its last byte, and then its end, leaves something unfinished.
 */
static const struct {
        const char *bytes;
        size_t len;
        bool during, after;
} parts[] = {
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", H2_PREFACE_BYTES, true, false},
        {"\0\0\0\4\0\0\0\0\0", 9, true, false},         /* SETTINGS without payload */
        {"\0\0\2\1\4\0\0\0\1ab", 11, true, false},      /* HEADERS, END_HEADERS */
        {"\0\0\1\1\0\0\0\0\3a", 10, true, true},        /* HEADERS, goes on */
        {"\0\0\0\x9\0\0\0\0\3", 9, true, true},         /* CONTINUATION, goes on */
        {"\0\0\1\x9\4\0\0\0\3b", 10, true, false},      /* CONTINUATION, END_HEADERS */
        {"\0\0\2\6\0\0\0\0\0xy", 11, true, false},      /* of another type: PING's */
        {"\0\0\3\0\0\0\0\0\1\4\4\4", 12, false, false}, /* DATA, from its head on */
};

static void frames_are_unfinished_until_their_last_byte(void **state)
{
        (void)state;
        struct h2_frames frames = {0};
        uint64_t now_ms = 1000;
        for (size_t i = 0; i < COUNT_OF(parts); i++) {
                uint64_t began_ms = frames.unfinished ? frames.since_ms : now_ms;
                for (size_t n = 0; n < parts[i].len; n++, now_ms++) {
                        h2_frames_take(&frames, slice_from(parts[i].bytes + n, 1), now_ms);
                        bool last = n + 1 == parts[i].len, in_head = n + 1 < H2_FRAME_HEAD_BYTES;
                        bool wanted = last ? parts[i].after : in_head || parts[i].during;
                        if (frames.unfinished != wanted)
                                fail_msg("part %zu, byte %zu", i, n);
                        if (wanted)
                                assert_int_equal(frames.since_ms, began_ms);
                }
        }
}

static void one_piece_says_the_same_as_single_bytes(void **state)
{
        (void)state;
        char all[128];
        size_t len = 0;
        for (size_t i = 0; i < COUNT_OF(parts); i++)
                for (size_t n = 0; n < parts[i].len; n++)
                        all[len++] = parts[i].bytes[n];
        for (size_t cut = 0; cut <= len; cut++) {
                struct h2_frames whole = {0}, single = {0};
                h2_frames_take(&whole, slice_from(all, cut), 7);
                for (size_t n = 0; n < cut; n++)
                        h2_frames_take(&single, slice_from(all + n, 1), 7);
                assert_int_equal(whole.unfinished, single.unfinished);
                assert_int_equal(whole.rest, single.rest);
                assert_int_equal(whole.head_len, single.head_len);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_are_unfinished_until_their_last_byte),
                cmocka_unit_test(one_piece_says_the_same_as_single_bytes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
