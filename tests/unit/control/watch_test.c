#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/source/files.h"
#include "control/source/stamp.h"
#include "control/source/watch.h"
#include "folder.h"

enum {
        TOLD_MS_MAX =
                5000, /* 60 to 350 is usual; the rest is for a machine that does other things */
};

struct seen {
        uv_loop_t loop;
        uv_timer_t deadline;
        struct file_watch *watch;
        int changes;
        bool late;
};

static void on_changed(void *self)
{
        struct seen *seen = self;
        seen->changes++;
        uv_stop(&seen->loop);
}

static void on_deadline(uv_timer_t *timer)
{
        struct seen *seen = timer->data;
        seen->late = true;
        uv_stop(&seen->loop);
}

static void seen_open(struct seen *seen, const char *const *paths, size_t count)
{
        memset(seen, 0, sizeof(*seen));
        assert_int_equal(uv_loop_init(&seen->loop), 0);
        uv_timer_init(&seen->loop, &seen->deadline);
        seen->deadline.data = seen;
        seen->watch = file_watch_open(&seen->loop, paths, count, seen, on_changed);
}

/* Until a change is told or the time is over; whether one was told. */
static bool seen_within(struct seen *seen, uint64_t ms)
{
        int before = seen->changes;
        seen->late = false;
        uv_update_time(&seen->loop);
        uv_timer_start(&seen->deadline, on_deadline, ms, 0);
        while (seen->changes == before && !seen->late)
                uv_run(&seen->loop, UV_RUN_DEFAULT);
        uv_timer_stop(&seen->deadline);
        return seen->changes > before;
}

static void seen_close(struct seen *seen)
{
        file_watch_close(seen->watch);
        uv_close((uv_handle_t *)&seen->deadline, NULL);
        uv_run(&seen->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&seen->loop), 0);
}

static void a_file_written_anew_is_told_once(void **state)
{
        (void)state;
        struct seen seen;
        folder_write("edge.yaml", "a: 1\n");
        const char *paths[] = {folder_file("edge.yaml")};
        seen_open(&seen, paths, 1);
        assert_false(seen_within(&seen, 400));
        folder_write("edge.yaml", "a: 22\n");
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        assert_false(seen_within(&seen, 400));
        seen_close(&seen);
}

static void an_atomic_rename_is_told(void **state)
{
        (void)state;
        struct seen seen;
        folder_write("edge.yaml", "a: 1\n");
        const char *paths[] = {folder_path};
        seen_open(&seen, paths, 1);
        folder_write(".edge.yaml.new", "a: 2\n");
        rename(folder_file(".edge.yaml.new"), folder_file("edge.yaml"));
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        seen_close(&seen);
}

static void a_swap_of_the_data_link_of_a_kubernetes_volume_is_told(void **state)
{
        (void)state;
        struct seen seen;
        mkdir(folder_file("..one"), 0700);
        mkdir(folder_file("..two"), 0700);
        folder_write("..one/edge.yaml", "a: 1\n");
        folder_write("..two/edge.yaml", "a: 2\n");
        assert_int_equal(symlink("..one", folder_file("..data")), 0);
        assert_int_equal(symlink("..data/edge.yaml", folder_file("edge.yaml")), 0);
        const char *paths[] = {folder_path};
        seen_open(&seen, paths, 1);
        assert_int_equal(symlink("..two", folder_file("..data_tmp")), 0);
        rename(folder_file("..data_tmp"), folder_file("..data"));
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        seen_close(&seen);
}

static void a_new_and_a_deleted_file_of_a_folder_are_told(void **state)
{
        (void)state;
        struct seen seen;
        const char *paths[] = {folder_path};
        seen_open(&seen, paths, 1);
        folder_write("new.yaml", "a: 1\n");
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        unlink(folder_file("new.yaml"));
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        seen_close(&seen);
}

/* A policy with a pin file beside it, read and followed. Between the two, `meanwhile` is written.
 */
static void follow(struct seen *seen, bool settled, const char *meanwhile)
{
        static char path[256]; /* the watch keeps it */
        static const char *const paths[] = {path};
        struct objects *objects;
        struct error err;
        snprintf(path, sizeof(path), "%s", folder_file("policy.yaml"));
        mkdir(folder_file("pins"), 0700);
        folder_write("policy.yaml",
                     "apiVersion: pingate.dev/v1alpha1\n"
                     "kind: ClientCertificatePolicy\n"
                     "metadata: {name: partners}\n"
                     "spec:\n"
                     "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n"
                     "  pinSetRefs: [{group: pingate.dev, kind: File, name: pins/partners.txt}]\n");
        do {
                folder_write("pins/partners.txt", "");
                while (settled && path_is_fresh(folder_file("pins/partners.txt")))
                        ;
        } while (!settled && !path_is_fresh(folder_file("pins/partners.txt")));
        seen_open(seen, paths, 1);
        assert_true(source_files_read(paths, 1, NULL, &objects, &err));
        if (meanwhile)
                folder_write("pins/partners.txt", meanwhile);
        file_watch_follow(seen->watch, objects);
        objects_unref(objects);
}

static void a_pin_file_beside_the_configuration_is_followed(void **state)
{
        (void)state;
        struct seen seen;
        follow(&seen, true, NULL);
        assert_false(seen_within(&seen, 400)); /* a million pins are not read twice */
        folder_write("pins/partners.txt", "# nobody\n");
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        assert_false(seen_within(&seen, 400));
        seen_close(&seen);
}

static void a_pin_file_that_changed_after_it_was_read_is_told(void **state)
{
        (void)state;
        struct seen seen;
        follow(&seen, true, "# nobody\n");
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        assert_false(seen_within(&seen, 400));
        seen_close(&seen);
}

static void a_file_that_was_read_in_the_moment_it_changed_is_told_once_more(void **state)
{
        (void)state;
        struct seen seen;
        follow(&seen, false, NULL);
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        assert_false(seen_within(&seen, 400));
        seen_close(&seen);
}

static void on_write(uv_timer_t *timer)
{
        static int turn;
        char text[64];
        turn++;
        snprintf(text, sizeof(text), "a: %d%*s\n", turn, turn % 40, "");
        folder_write("edge.yaml", text);
        (void)timer;
}

static void a_writer_that_never_rests_can_not_hide_a_change(void **state)
{
        (void)state;
        struct seen seen;
        uv_timer_t writer;
        folder_write("edge.yaml", "a: 1\n");
        const char *paths[] = {folder_file("edge.yaml")};
        seen_open(&seen, paths, 1);
        uv_timer_init(&seen.loop, &writer);
        uv_timer_start(&writer, on_write, 5, 5);
        assert_true(seen_within(&seen, TOLD_MS_MAX));
        uv_close((uv_handle_t *)&writer, NULL);
        seen_close(&seen);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open_test, folder_close_test)
        const struct CMUnitTest tests[] = {
                IN_FOLDER(a_file_written_anew_is_told_once),
                IN_FOLDER(an_atomic_rename_is_told),
                IN_FOLDER(a_swap_of_the_data_link_of_a_kubernetes_volume_is_told),
                IN_FOLDER(a_new_and_a_deleted_file_of_a_folder_are_told),
                IN_FOLDER(a_pin_file_beside_the_configuration_is_followed),
                IN_FOLDER(a_pin_file_that_changed_after_it_was_read_is_told),
                IN_FOLDER(a_file_that_was_read_in_the_moment_it_changed_is_told_once_more),
                IN_FOLDER(a_writer_that_never_rests_can_not_hide_a_change),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
