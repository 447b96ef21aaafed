#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/source/folder_events.h"
#include "folder.h"

static uv_loop_t loop;
static struct folder_events *events;
static size_t told;

static void on_event(void *self)
{
        told++;
        uv_stop(self);
}

static void on_closed(void *self)
{
        (void)self;
}

static int open_test(void **state)
{
        told = 0;
        if (folder_open_test(state) != 0 || uv_loop_init(&loop) != 0)
                return -1;
        events = folder_events_open(&loop, &loop, on_event);
        folder_events_follow(events, folder_path);
        return 0;
}

static int close_test(void **state)
{
        folder_events_close(events, on_closed);
        uv_run(&loop, UV_RUN_DEFAULT);
        return uv_loop_close(&loop) == 0 ? folder_close_test(state) : -1;
}

static bool only_moved(void)
{
        folder_events_drain(events);
        return folder_events_only_moved(events, 0);
}

static void move(const char *from, const char *to)
{
        assert_int_equal(rename(folder_file(from), folder_file(to)), 0);
}

static void an_event_is_told_on_the_loop(void **state)
{
        (void)state;
        folder_write("edge.yaml", "a: 1\n");
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(told, 1);
}

static void a_file_moved_into_place_is_whole(void **state)
{
        (void)state;
        assert_false(only_moved());
        folder_write("edge.yaml.tmp", "a: 1\n");
        assert_false(only_moved());
        move("edge.yaml.tmp", "edge.yaml");
        assert_true(only_moved());
        folder_events_forget(events);
        assert_false(only_moved());
}

static void a_data_link_that_is_swapped_is_whole(void **state)
{
        (void)state;
        assert_int_equal(mkdir(folder_file("..one"), 0700), 0);
        assert_int_equal(symlink("..one", folder_file("..data_tmp")), 0);
        assert_false(only_moved());
        move("..data_tmp", "..data");
        assert_true(only_moved());
}

static void a_file_written_in_place_is_not_whole_whatever_else_moves(void **state)
{
        (void)state;
        folder_write("edge.yaml", "a: 1\n");
        folder_write("routes.tmp", "b: 1\n");
        move("routes.tmp", "routes.yaml");
        assert_false(only_moved());
        unlink(folder_file("edge.yaml"));
        assert_true(only_moved());
        folder_write("routes.yaml", "b: 2\n"); /* after its move */
        assert_false(only_moved());
}

static void more_files_in_the_making_than_are_told_apart_are_not_whole(void **state)
{
        (void)state;
        char name[32];
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "%d.tmp", i);
                folder_write(name, "a: 1\n");
        }
        for (int i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "%d.tmp", i);
                move(name, "edge.yaml");
        }
        assert_false(only_moved());
}

static void quiet_is_counted_from_the_last_event(void **state)
{
        (void)state;
        folder_write("edge.tmp", "a: 1\n");
        move("edge.tmp", "edge.yaml");
        assert_true(only_moved());
        assert_false(folder_events_only_moved(events, 60000));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, open_test, close_test)
        const struct CMUnitTest tests[] = {
                IN_FOLDER(an_event_is_told_on_the_loop),
                IN_FOLDER(a_file_moved_into_place_is_whole),
                IN_FOLDER(a_data_link_that_is_swapped_is_whole),
                IN_FOLDER(a_file_written_in_place_is_not_whole_whatever_else_moves),
                IN_FOLDER(more_files_in_the_making_than_are_told_apart_are_not_whole),
                IN_FOLDER(quiet_is_counted_from_the_last_event),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
