/* Pages of lists and watches, in whatever pieces their bytes come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "control/kube/item.h"
#include "control/kube/list_stream.h"
#include "control/kube/watch_events.h"

struct seen {
        struct buffer text;
        bool stop;
};

static void assert_slice(struct slice got, const char *want)
{
        assert_int_equal(got.len, strlen(want));
        assert_memory_equal(got.data, want, got.len);
}

static bool on_item(struct slice item, void *self)
{
        struct seen *seen = self;
        buffer_printf(&seen->text, "%.*s;", SLICE_ARG(item));
        return !seen->stop;
}

static bool on_event(const struct watch_event *event, void *self)
{
        struct seen *seen = self;
        buffer_printf(&seen->text, "%d %.*s %d %.*s;", (int)event->type,
                      SLICE_ARG(event->resource_version), event->code, SLICE_ARG(event->message));
        return !seen->stop;
}

/* --- lists --- */

/* As the API server has them of its own kinds, and of CRDs: in another order. */
static const char *const pages[] = {
        "{\"kind\":\"SecretList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"12\","
        "\"continue\":\"a-b_c\",\"remainingItemCount\":2},\"items\":[{\"a\":\"}]\\\"\"},{\"b\":[]}]"
        "}\n",
        "{ \"apiVersion\":\"v1\", \"items\" : [ {\"a\":\"}]\\\"\"} , {\"b\":[]} ] ,\"kind\":\"SecretList\","
        "\"metadata\":{\"continue\":\"a-b_c\",\"resourceVersion\":\"12\"}}",
};

static void a_page_is_the_same_wherever_it_is_cut(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(pages); i++) {
                struct slice page = slice_of(pages[i]);
                for (size_t cut = 0; cut <= page.len; cut++) {
                        struct seen seen = {0};
                        buffer_init(&seen.text, 4096);
                        struct list_stream *stream = list_stream_new(&seen, on_item);
                        assert_true(list_stream_feed(stream, slice_sub(page, 0, cut), NULL));
                        assert_true(list_stream_feed(stream, slice_skip(page, cut), NULL));
                        assert_true(list_stream_end(stream, "Secret", NULL));
                        assert_slice(buffer_slice(&seen.text), "{\"a\":\"}]\\\"\"};{\"b\":[]};");
                        assert_slice(list_stream_version(stream), "12");
                        assert_slice(list_stream_continue(stream), "a-b_c");
                        list_stream_free(stream);
                        buffer_done(&seen.text);
                }
        }
}

static void a_page_that_breaks_off_is_not_done(void **state)
{
        struct slice page = slice_of(pages[0]);
        (void)state;
        for (size_t cut = 0; cut + 2 < page.len; cut++) {
                struct seen seen = {0};
                buffer_init(&seen.text, 4096);
                struct list_stream *stream = list_stream_new(&seen, on_item);
                assert_true(list_stream_feed(stream, slice_sub(page, 0, cut), NULL));
                assert_false(list_stream_end(stream, "Secret", NULL));
                list_stream_free(stream);
                buffer_done(&seen.text);
        }
}

static void what_is_no_list_is_refused(void **state)
{
        static const char *const texts[] = {"[]",   "{\"items\":[1]}", "{\"items\":[{}{}]}",
                                            "{} x", "{\"a\" 1}",       "{\"a\":1]",
                                            "{,}",  "<html>"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct seen seen = {0};
                struct error err;
                buffer_init(&seen.text, 4096);
                struct list_stream *stream = list_stream_new(&seen, on_item);
                assert_false(list_stream_feed(stream, slice_of(texts[i]), &err));
                list_stream_free(stream);
                buffer_done(&seen.text);
        }
}

static void a_list_without_items_is_empty(void **state)
{
        static const char *const texts[] = {
                "{\"kind\":\"SecretList\",\"items\":[],\"metadata\":{\"resourceVersion\":\"1\"}}",
                "{\"kind\":\"SecretList\",\"items\":null,\"metadata\":{\"resourceVersion\":\"1\"}}"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct seen seen = {0};
                struct list_stream *stream = list_stream_new(&seen, on_item);
                assert_true(list_stream_feed(stream, slice_of(texts[i]), NULL));
                assert_true(list_stream_end(stream, "Secret", NULL));
                assert_int_equal(list_stream_continue(stream).len, 0);
                assert_int_equal(seen.text.len, 0);
                list_stream_free(stream);
        }
}

/* Taken for one it would take away all objects of the kind, policies among them. */
static void what_is_no_list_of_the_kind_is_no_empty_one(void **state)
{
        static const char *const texts[] = {
                "",
                "{}",
                "{\"kind\":\"Status\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}",
                "{\"kind\":\"SecretsList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}",
                "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}",
                "{\"kind\":\"SecretList\",\"metadata\":{},\"items\":[]}",
                "{\"kind\":\"SecretList\",\"items\":[]}",
                "{\"kind\":\"SecretList\",\"metadata\":{\"resourceVersion\":\"1\"}}",
                "{\"kind\":\"SecretList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":{}}"};
        (void)state;
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct seen seen = {0};
                struct list_stream *stream = list_stream_new(&seen, on_item);
                assert_true(list_stream_feed(stream, slice_of(texts[i]), NULL));
                assert_false(list_stream_end(stream, "Secret", NULL));
                list_stream_free(stream);
        }
}

static void feed_much(struct slice begin, size_t count, bool (*feed)(void *, struct slice),
                      void *self, bool *ok)
{
        char piece[4096];
        memset(piece, 'x', sizeof(piece));
        *ok = feed(self, begin);
        for (size_t i = 0; *ok && i < count; i += sizeof(piece))
                *ok = feed(self, slice_from(piece, sizeof(piece)));
}

static bool feed_list(void *self, struct slice bytes)
{
        return list_stream_feed(self, bytes, NULL);
}

static bool feed_watch(void *self, struct slice bytes)
{
        return watch_events_feed(self, bytes, NULL);
}

static void an_object_of_a_mebibyte_passes_and_one_without_end_does_not(void **state)
{
        struct seen seen = {.stop = false};
        bool ok;
        (void)state;
        buffer_init(&seen.text, 4 << 20);
        struct list_stream *list = list_stream_new(&seen, on_item);
        feed_much(SLICE("{\"items\":[{\"a\":\""), 1 << 20, feed_list, list, &ok);
        assert_true(ok && feed_list(list, SLICE("\"}],\"kind\":\"SecretList\",\"metadata\":{"
                                                "\"resourceVersion\":\"1\"}}")));
        assert_true(list_stream_end(list, "Secret", NULL));
        list_stream_free(list);
        list = list_stream_new(&seen, on_item);
        feed_much(SLICE("{\"items\":[{\"a\":\""), KUBE_ITEM_MAX + 4096, feed_list, list, &ok);
        assert_false(ok);
        list_stream_free(list);

        struct watch_events *events = watch_events_new(&seen, on_event);
        feed_much(SLICE("{\"type\":\"ADDED\",\"object\":{\"a\":\""), 1 << 20, feed_watch, events,
                  &ok);
        assert_true(ok && feed_watch(events, SLICE("\"}}\n")));
        feed_much(SLICE("{\"type\":\"ADDED\",\"object\":{\"a\":\""), KUBE_ITEM_MAX + 4096,
                  feed_watch, events, &ok);
        assert_false(ok);
        watch_events_free(events);
        buffer_done(&seen.text);
}

/* --- watches --- */

static const char lines[] =
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}}\n"
        "{\"object\":{\"metadata\":{\"resourceVersion\":\"8\"},\"spec\":{\"metadata\":{"
        "\"resourceVersion\":\"666\"}}},\"type\":\"MODIFIED\"}\r\n\n"
        "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\n"
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"10\"}}}\n"
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"too old\",\"code\":410}}"
        "\n";

static void events_are_the_same_wherever_their_bytes_are_cut(void **state)
{
        struct slice text = slice_of(lines);
        (void)state;
        for (size_t cut = 0; cut <= text.len; cut++) {
                struct seen seen = {0};
                buffer_init(&seen.text, 4096);
                struct watch_events *events = watch_events_new(&seen, on_event);
                assert_true(watch_events_feed(events, slice_sub(text, 0, cut), NULL));
                assert_true(watch_events_feed(events, slice_skip(text, cut), NULL));
                assert_slice(buffer_slice(&seen.text),
                             "0 7 0 ;1 8 0 ;2 9 0 ;3 10 0 ;4  410 too old;");
                watch_events_free(events);
                buffer_done(&seen.text);
        }
}

static void a_line_that_is_no_event_ends_the_watch(void **state)
{
        static const char *const texts[] = {
                "x\n",
                "{}\n",
                "{\"type\":\"ADDED\"}\n",
                "{\"type\":\"GONE\",\"object\":{}}\n",
                "{\"type\":\"ADDED\",\"object\":{}\n",
                "{\"object\":{}}\n",
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
                struct seen seen = {0};
                struct error err;
                struct watch_events *events = watch_events_new(&seen, on_event);
                assert_false(watch_events_feed(events, slice_of(texts[i]), &err));
                assert_int_equal(seen.text.len, 0);
                watch_events_free(events);
        }
}

static void an_event_cut_off_in_its_middle_is_none(void **state)
{
        struct seen seen = {0};
        (void)state;
        struct watch_events *events = watch_events_new(&seen, on_event);
        assert_true(watch_events_feed(
                events, SLICE("{\"type\":\"DELETED\",\"object\":{\"metadata\":{}}}"), NULL));
        assert_int_equal(seen.text.len, 0);
        watch_events_free(events);
}

static void whoever_says_stop_is_asked_no_more(void **state)
{
        struct seen seen = {.stop = true};
        (void)state;
        buffer_init(&seen.text, 4096);
        struct watch_events *events = watch_events_new(&seen, on_event);
        assert_false(watch_events_feed(events, slice_of(lines), NULL));
        assert_slice(buffer_slice(&seen.text), "0 7 0 ;");
        watch_events_free(events);
        buffer_done(&seen.text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_page_is_the_same_wherever_it_is_cut),
                cmocka_unit_test(a_page_that_breaks_off_is_not_done),
                cmocka_unit_test(what_is_no_list_is_refused),
                cmocka_unit_test(a_list_without_items_is_empty),
                cmocka_unit_test(what_is_no_list_of_the_kind_is_no_empty_one),
                cmocka_unit_test(an_object_of_a_mebibyte_passes_and_one_without_end_does_not),
                cmocka_unit_test(events_are_the_same_wherever_their_bytes_are_cut),
                cmocka_unit_test(a_line_that_is_no_event_ends_the_watch),
                cmocka_unit_test(an_event_cut_off_in_its_middle_is_none),
                cmocka_unit_test(whoever_says_stop_is_asked_no_more),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
