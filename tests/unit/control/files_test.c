#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "control/api/policy.h"
#include "control/source/files.h"
#include "folder.h"

#define NAMESPACE(name) "apiVersion: v1\nkind: Namespace\nmetadata: {name: " name "}\n"

static struct error err;

static struct objects *read_ok(const char *path)
{
        struct objects *objects = NULL;
        const char *paths[] = {path};
        if (!source_files_read(paths, 1, &objects, &err))
                fail_msg("%s", err.text);
        return objects;
}

static void read_fails(const char *path, const char *says)
{
        struct objects *objects = NULL;
        const char *paths[] = {path};
        memset(&err, 0, sizeof(err));
        assert_false(source_files_read(paths, 1, &objects, &err));
        if (!strstr(err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void a_folder_is_read_in_order_without_what_editors_leave(void **state)
{
        (void)state;
        folder_write("b.yml", NAMESPACE("b"));
        folder_write("a.yaml", NAMESPACE("a1") "---\n" NAMESPACE("a2"));
        folder_write("c.json", "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":"
                               "{\"name\":\"c\"}}");
        folder_write(".d.yaml", "half: [");
        folder_write("e.yaml~", "half: [");
        folder_write("#f.yaml#", "half: [");
        folder_write(".a.yaml.swp", "half: [");
        folder_write("README.md", "half: [");
        struct objects *objects = read_ok(folder_path);
        const char *names[] = {"a1", "a2", "b", "c"};
        assert_int_equal(objects->kinds[KIND_NAMESPACE].count, 4);
        for (size_t i = 0; i < 4; i++)
                assert_true(slice_is(objects->kinds[KIND_NAMESPACE].items[i]->name, names[i]));
        objects_free(objects);
}

static void a_half_written_file_fails_whole_with_file_and_line(void **state)
{
        (void)state;
        folder_write("a.yaml", NAMESPACE("a"));
        folder_write("b.yaml", NAMESPACE("b") "---\napiVersion: v1\nkind: [Name");
        read_fails(folder_path, "b.yaml:");
}

static void what_is_missing_or_unreadable_is_named(void **state)
{
        (void)state;
        read_fails(folder_file("none.yaml"), "none.yaml");
        mkdir(folder_file("sub.yaml"), 0700);
        read_fails(folder_path, "is a folder");
}

static void an_object_that_is_there_twice_fails(void **state)
{
        (void)state;
        folder_write("a.yaml", NAMESPACE("a"));
        folder_write("b.yaml", NAMESPACE("a"));
        read_fails(folder_path, "Namespace a: is there twice (first in");
}

static void what_is_nothing_of_ours_is_a_warning_and_what_restricts_is_an_error(void **state)
{
        (void)state;
        folder_write("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n");
        struct objects *objects = read_ok(folder_path);
        assert_int_equal(objects->warnings.count, 1);
        objects_free(objects);
        folder_write("a.yaml", "apiVersion: gateway.networking.k8s.io/v1\n"
                               "kind: BackendTLSPolicy\nmetadata: {name: p}\n");
        read_fails(folder_path, "BackendTLSPolicy is not supported");
        folder_write("a.yaml", "apiVersion: pingate.dev/v1alpha1\n"
                               "kind: ClientCertificatePolicies\nmetadata: {name: p}\n");
        read_fails(folder_path, "not supported");
}

static void lists_are_read_as_their_items(void **state)
{
        (void)state;
        folder_write("a.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
                               "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":"
                               "{\"name\":\"x\"}}]}");
        struct objects *objects = read_ok(folder_path);
        assert_non_null(objects_find(objects, KIND_NAMESPACE, SLICE_NONE, SLICE("x")));
        objects_free(objects);
}

#define POLICY_WITH_FILE(path)                                                                     \
        "apiVersion: pingate.dev/v1alpha1\n"                                                       \
        "kind: ClientCertificatePolicy\n"                                                          \
        "metadata: {name: partners}\n"                                                             \
        "spec:\n"                                                                                  \
        "  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n"             \
        "  pinSetRefs: [{group: pingate.dev, kind: File, name: \"" path "\"}]\n"

static const struct side_file *file_of_policy(const struct objects *objects)
{
        const struct client_certificate_policy *policy =
                (const struct client_certificate_policy *)objects->kinds[KIND_POLICY].items[0];
        assert_non_null(policy->pin_sets.items[0].file);
        return policy->pin_sets.items[0].file;
}

static void a_pin_file_is_found_beside_the_configuration_that_names_it(void **state)
{
        (void)state;
        folder_write("pins.txt", "# pins\n");
        folder_write("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *objects = read_ok(folder_file("p.yaml"));
        assert_true(slice_is(file_of_policy(objects)->text, "# pins\n"));
        assert_int_equal(file_of_policy(objects)->fault.len, 0);
        objects_free(objects);
}

static void a_pin_file_that_is_missing_is_a_fault_of_its_policy_only(void **state)
{
        (void)state;
        folder_write("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *objects = read_ok(folder_file("p.yaml"));
        assert_true(file_of_policy(objects)->fault.len > 0);
        objects_free(objects);
}

static void a_pin_file_outside_the_folder_is_refused(void **state)
{
        (void)state;
        folder_write("p.yaml", POLICY_WITH_FILE("../pins.txt"));
        read_fails(folder_path, "spec.pinSetRefs[0].name");
        folder_write("p.yaml", POLICY_WITH_FILE("/etc/passwd"));
        read_fails(folder_path, "spec.pinSetRefs[0].name");
}

/* A file between two others that takes a while to read. */
static void slow_write(const char *name)
{
        FILE *file = fopen(folder_file(name), "w");
        assert_non_null(file);
        fputs("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: slow}\nspec:\n", file);
        for (int i = 0; i < 50000; i++)
                fprintf(file, "- {a: %d, b: [1, 2, 3]}\n", i);
        fclose(file);
}

/* Waits until a.yaml was read and closed, then replaces a.yaml and z.yaml. */
static pid_t writer_start(void)
{
        int events = inotify_init1(IN_CLOEXEC);
        assert_true(inotify_add_watch(events, folder_file("a.yaml"), IN_CLOSE_NOWRITE) >= 0);
        pid_t writer = fork();
        if (writer == 0) {
                char event[512];
                if (read(events, event, sizeof(event)) < 0)
                        _exit(1);
                folder_write("new-a", NAMESPACE("two-a"));
                folder_write("new-z", NAMESPACE("two-z"));
                rename(folder_file("new-a"), folder_file("a.yaml"));
                rename(folder_file("new-z"), folder_file("z.yaml"));
                _exit(0);
        }
        close(events);
        return writer;
}

static void files_that_change_while_they_are_read_are_read_again(void **state)
{
        (void)state;
        folder_write("a.yaml", NAMESPACE("one-a"));
        slow_write("m.yaml");
        folder_write("z.yaml", NAMESPACE("one-z"));
        pid_t writer = writer_start();
        struct objects *objects = read_ok(folder_path);
        int status;
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_int_equal(status, 0);
        assert_non_null(objects_find(objects, KIND_NAMESPACE, SLICE_NONE, SLICE("two-a")));
        assert_non_null(objects_find(objects, KIND_NAMESPACE, SLICE_NONE, SLICE("two-z")));
        objects_free(objects);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open_test, folder_close_test)
        const struct CMUnitTest tests[] = {
                IN_FOLDER(a_folder_is_read_in_order_without_what_editors_leave),
                IN_FOLDER(a_half_written_file_fails_whole_with_file_and_line),
                IN_FOLDER(what_is_missing_or_unreadable_is_named),
                IN_FOLDER(an_object_that_is_there_twice_fails),
                IN_FOLDER(what_is_nothing_of_ours_is_a_warning_and_what_restricts_is_an_error),
                IN_FOLDER(lists_are_read_as_their_items),
                IN_FOLDER(a_pin_file_is_found_beside_the_configuration_that_names_it),
                IN_FOLDER(a_pin_file_that_is_missing_is_a_fault_of_its_policy_only),
                IN_FOLDER(a_pin_file_outside_the_folder_is_refused),
                IN_FOLDER(files_that_change_while_they_are_read_are_read_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
