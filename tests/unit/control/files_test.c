#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "control/api/core.h"
#include "control/api/policy.h"
#include "control/source/files.h"
#include "control/source/stamp.h"
#include "trust/pin_set.h"
#include "folder.h"

#define NAMESPACE(name) "apiVersion: v1\nkind: Namespace\nmetadata: {name: " name "}\n"

static struct error err;

static struct objects *read_ok(const char *path)
{
        struct objects *objects = NULL;
        const char *paths[] = {path};
        if (!source_files_read(paths, 1, NULL, &objects, &err))
                fail_msg("%s", err.text);
        return objects;
}

static void read_fails(const char *path, const char *says)
{
        struct objects *objects = NULL;
        const char *paths[] = {path};
        memset(&err, 0, sizeof(err));
        assert_false(source_files_read(paths, 1, NULL, &objects, &err));
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
        objects_unref(objects);
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
        objects_unref(objects);
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
        objects_unref(objects);
}

#define SPKI_A "NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A="
#define SPKI_B "yUT4IsW/MLtiyOU6wOe7adzrB7DAA3M2CEitBLKH8dc="
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
        folder_write("pins.txt", "# pins\nspki:" SPKI_A "\nnonsense");
        folder_write("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *objects = read_ok(folder_file("p.yaml"));
        assert_int_equal(pin_set_count(file_of_policy(objects)->set), 1);
        assert_int_equal(pin_set_faults(file_of_policy(objects)->set)->kept[0].line, 3);
        assert_int_equal(file_of_policy(objects)->fault.len, 0);
        objects_unref(objects);
}

static void a_pin_file_that_is_missing_is_a_fault_of_its_policy_only(void **state)
{
        (void)state;
        folder_write("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *objects = read_ok(folder_file("p.yaml"));
        assert_true(file_of_policy(objects)->fault.len > 0);
        assert_null(file_of_policy(objects)->set);
        objects_unref(objects);
}

static void a_pin_file_outside_the_folder_is_refused(void **state)
{
        (void)state;
        folder_write("p.yaml", POLICY_WITH_FILE("../pins.txt"));
        read_fails(folder_path, "spec.pinSetRefs[0].name");
        folder_write("p.yaml", POLICY_WITH_FILE("/etc/passwd"));
        read_fails(folder_path, "spec.pinSetRefs[0].name");
}

enum {
        LONG_LINE = 700000, /* longer than a piece that is read at once, and than two of them */
        MANY_LINES = 20000,
};

static void pin_file_write(const char *name, size_t lines)
{
        FILE *file = fopen(folder_file(name), "w");
        assert_non_null(file);
        for (size_t i = 0; i < lines; i++)
                fprintf(file, "cert:%064zx\r\n", i + 1);
        fputc('#', file);
        for (size_t i = 0; i < LONG_LINE; i++)
                fputc('x', file);
        fputs("\nspki:", file);
        for (size_t i = 0; i < LONG_LINE; i++)
                fputc('A', file);
        fputs("\n\nspki:" SPKI_A, file);
        fclose(file);
}

static void a_pin_file_is_read_in_pieces_as_it_would_be_in_one(void **state)
{
        (void)state;
        pin_file_write("pins.txt", MANY_LINES);
        folder_write("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *objects = read_ok(folder_file("p.yaml"));
        const struct pin_set *set = file_of_policy(objects)->set;
        const struct pin_faults *faults = pin_set_faults(set);
        assert_int_equal(pin_set_count(set), MANY_LINES + 1);
        assert_int_equal(faults->count, 1);
        assert_int_equal(faults->kept[0].line, MANY_LINES + 2);
        assert_non_null(strstr(faults->kept[0].text, "700000 characters are too many"));
        objects_unref(objects);
}

#define CONFIG_MAP(name, data)                                                                     \
        "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: " name "}\n" data
#define SECRET(name, data) "---\nkind: Secret\napiVersion: v1\nmetadata: {name: " name "}\n" data

static const struct key_value *key_value_of(const struct objects *objects, enum object_kind kind,
                                            const char *name)
{
        const struct object *object = objects_find(objects, kind, SLICE("default"), slice_of(name));
        assert_non_null(object);
        return (const struct key_value *)object;
}

static void the_key_pins_txt_is_a_set_and_its_text_is_not_kept(void **state)
{
        (void)state;
        folder_write("a.yaml", CONFIG_MAP("one", "data: {pins.txt: \"spki:" SPKI_A "\", b: b}\n")
                     /* "spki:" SPKI_B */
                     SECRET("two",
                            "data: {pins.txt: c3BraTp5VVQ0SXNXL01MdGl5T1U2d09lN2FkenJCN0RBQTNNMkN"
                            "FaXRCTEtIOGRjPQ==}\n")
                             SECRET("three", "stringData: {pins.txt: nonsense}\n")
                                     CONFIG_MAP("four", "data: {other: \"spki:" SPKI_A "\"}\n"));
        struct objects *objects = read_ok(folder_path);
        const struct key_value *one = key_value_of(objects, KIND_CONFIG_MAP, "one");
        const struct key_value *two = key_value_of(objects, KIND_SECRET, "two");
        const struct key_value *three = key_value_of(objects, KIND_SECRET, "three");
        assert_int_equal(pin_set_count(one->pins), 1);
        assert_int_equal(pin_set_count(two->pins), 1);
        assert_int_equal(pin_set_count(three->pins), 0);
        assert_int_equal(pin_set_faults(three->pins)->count, 1);
        assert_null(key_value_of(objects, KIND_CONFIG_MAP, "four")->pins);
        assert_int_equal(text_map_find(&one->data, SLICE("pins.txt"))->len, 0);
        assert_int_equal(text_map_find(&two->data, SLICE("pins.txt"))->len, 0);
        assert_true(slice_is(*text_map_find(&one->data, SLICE("b")), "b"));
        objects_unref(objects);
}

static void a_text_that_an_alias_shares_stays_with_the_other(void **state)
{
        (void)state;
        FILE *file = fopen(folder_file("a.yaml"), "w");
        assert_non_null(file);
        fputs(CONFIG_MAP("one", "data:\n  pins.txt: &text |\n"), file);
        for (size_t i = 0; i < MANY_LINES; i++)
                fprintf(file, "    cert:%064zx\n", i + 1);
        fputs("  copy: *text\n", file);
        fclose(file);
        struct objects *objects = read_ok(folder_path);
        const struct key_value *one = key_value_of(objects, KIND_CONFIG_MAP, "one");
        assert_int_equal(pin_set_count(one->pins), MANY_LINES);
        assert_int_equal(text_map_find(&one->data, SLICE("copy"))->len, 70 * MANY_LINES);
        objects_unref(objects);
}

/* --- from one reading to the next --- */

static struct objects *read_again(struct readings *readings)
{
        struct objects *objects = NULL;
        const char *paths[] = {folder_path};
        if (!source_files_read(paths, 1, readings, &objects, &err))
                fail_msg("%s", err.text);
        return objects;
}

/* Written, and old enough that its stamp says so. */
static void write_settled(const char *name, const char *text)
{
        folder_write(name, text);
        while (path_is_fresh(folder_file(name)))
                ;
}

static const struct objects *part_of(const struct objects *objects, size_t index)
{
        assert_true(index < objects->parts.count);
        return objects->parts.items[index];
}

static void what_did_not_change_is_taken_over_and_nothing_else(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        write_settled("pins.txt", "spki:" SPKI_A);
        write_settled("a.yaml", CONFIG_MAP("a", "data: {pins.txt: \"spki:" SPKI_A "\"}\n"));
        write_settled("b.yaml", CONFIG_MAP("b", "data: {pins.txt: \"spki:" SPKI_A "\"}\n"));
        write_settled("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *first = read_again(readings);
        const struct objects *a = part_of(first, 0), *b = part_of(first, 1);
        const struct pin_set *file = file_of_policy(first)->set;
        objects_unref(first);
        write_settled("b.yaml", CONFIG_MAP("b", "data: {pins.txt: \"spki:" SPKI_B "\"}\n"));
        struct objects *second = read_again(readings);
        assert_ptr_equal(part_of(second, 0), a);
        assert_ptr_not_equal(part_of(second, 1), b);
        assert_ptr_equal(file_of_policy(second)->set, file);
        objects_unref(second);
        write_settled("pins.txt", "spki:" SPKI_A "\nspki:" SPKI_B);
        struct objects *third = read_again(readings);
        assert_ptr_equal(part_of(third, 0), a);
        assert_int_equal(pin_set_count(file_of_policy(third)->set), 2);
        objects_unref(third);
        readings_free(readings);
}

enum {
        MANY_NAMESPACES = 500
};

static void namespaces_write(const char *front, int changed, const char *to)
{
        CLEANUP(buffer_done) struct buffer text;
        buffer_init(&text, 1 << 20);
        assert_true(buffer_append(&text, slice_of(front)));
        for (int i = 0; i < MANY_NAMESPACES; i++)
                assert_true(buffer_printf(&text,
                                          "---\napiVersion: v1\nkind: Namespace\n"
                                          "metadata:\n  name: n%d\n%s",
                                          i, i == changed ? to : ""));
        assert_true(buffer_append(&text, slice_from("", 1)));
        write_settled("many.yaml", text.data);
}

static size_t parts_shared(const struct objects *a, const struct objects *b)
{
        size_t shared = 0;
        for (size_t i = 0; i < a->parts.count; i++)
                for (size_t j = 0; j < b->parts.count; j++)
                        shared += a->parts.items[i] == b->parts.items[j];
        return shared;
}

/* What a namespace's line is, and what it should be: 5 lines each, and those in front. */
static void lines_are_those_of_the_file(const struct objects *objects, int before, int changed,
                                        int more)
{
        for (int i = 0; i < MANY_NAMESPACES; i++) {
                char id[32];
                snprintf(id, sizeof(id), "Namespace n%d", i);
                const struct object *object = map_find(&objects->by_id, slice_of(id));
                assert_non_null(object);
                const struct node *name = node_find(node_find(object->node, "metadata"), "name");
                assert_int_equal(name->line, before + 5 * i + 5 + (i > changed ? more : 0));
        }
}

static void of_a_large_file_only_the_changed_piece_is_parsed_and_the_rest_moves(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        namespaces_write("", -1, "");
        struct objects *first = read_again(readings);
        const struct objects *before = part_of(first, 0);
        size_t count = before->parts.count;
        assert_true(count > 5);
        lines_are_those_of_the_file(first, 0, MANY_NAMESPACES, 0);
        namespaces_write("# a line more\n", 250, "  labels:\n    a: b\n");
        struct objects *second = read_again(readings);
        assert_in_range(parts_shared(before, part_of(second, 0)), count - 4, count - 1);
        lines_are_those_of_the_file(second, 1, 250, 2);
        objects_unref(first);
        objects_unref(second);
        readings_free(readings);
}

static void a_piece_that_breaks_fails_the_file_at_its_line(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        struct objects *objects = NULL;
        const char *paths[] = {folder_path};
        namespaces_write("", -1, "");
        objects_unref(read_again(readings));
        namespaces_write("# a line more\n", 250, "half: [");
        assert_false(source_files_read(paths, 1, readings, &objects, &err));
        assert_non_null(strstr(err.text, "many.yaml:12")); /* 1 + 5 * 250 + 6, or where it ends */
        namespaces_write("", -1, "");
        objects = read_again(readings);
        lines_are_those_of_the_file(objects, 0, MANY_NAMESPACES, 0);
        objects_unref(objects);
        readings_free(readings);
}

static void a_file_that_went_and_came_back_is_read_anew(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        write_settled("a.yaml", NAMESPACE("a"));
        write_settled("b.yaml", NAMESPACE("b"));
        struct objects *first = read_again(readings);
        assert_int_equal(first->kinds[KIND_NAMESPACE].count, 2);
        objects_unref(first);
        rename(folder_file("b.yaml"), folder_file("aside"));
        struct objects *second = read_again(readings);
        assert_int_equal(second->kinds[KIND_NAMESPACE].count, 1);
        objects_unref(second);
        rename(folder_file("aside"), folder_file("b.yaml"));
        struct objects *third = read_again(readings);
        assert_int_equal(third->kinds[KIND_NAMESPACE].count, 2);
        objects_unref(third);
        readings_free(readings);
}

static void objects_of_two_files_that_are_the_same_fail_with_kept_files_too(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        write_settled("a.yaml", NAMESPACE("a"));
        objects_unref(read_again(readings));
        folder_write("b.yaml", NAMESPACE("a"));
        struct objects *objects = NULL;
        const char *paths[] = {folder_path};
        assert_false(source_files_read(paths, 1, readings, &objects, &err));
        assert_non_null(strstr(err.text, "Namespace a: is there twice (first in"));
        folder_write("b.yaml", NAMESPACE("b"));
        objects = read_again(readings);
        assert_int_equal(objects->kinds[KIND_NAMESPACE].count, 2);
        objects_unref(objects);
        readings_free(readings);
}

static void a_file_written_in_the_moment_it_is_read_is_not_kept(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        struct seen_file now = {.path = SLICE("a.yaml"), .stamp = 7, .fresh = true};
        struct made made = {.objects = objects_new(), .content = {{1}}};
        readings_keep(readings, &now, &made);
        assert_null(readings_find(readings, &now));
        now.fresh = false;
        readings_keep(readings, &now, &made);
        assert_ptr_equal(readings_find(readings, &now)->objects, made.objects);
        now.stamp = 8;
        assert_null(readings_find(readings, &now));
        assert_ptr_equal(readings_find_content(readings, &now, &made.content)->objects,
                         made.objects);
        assert_non_null(readings_find(readings, &now)); /* what it is now is known */
        readings_forget(readings);
        assert_null(readings_find(readings, &now));
        objects_unref(made.objects);
        readings_free(readings);
        do
                folder_write("a.yaml", NAMESPACE("a"));
        while (!path_is_fresh(folder_file("a.yaml")));
        assert_false(path_is_fresh("/"));
}

static void a_reading_tells_whether_anything_changed(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        static const struct {
                const char *file, *text;
                bool changed;
        } steps[] = {
                {"a.yaml", POLICY_WITH_FILE("pins.txt"), true},
                {"a.yaml", POLICY_WITH_FILE("pins.txt"), false},
                {"pins.txt", "spki:" SPKI_A, true},
                {"pins.txt", "# the same pins\nspki:" SPKI_A, false},
                {"pins.txt", "spki:" SPKI_A "\nnonsense", true},
                {"pins.txt", "nonsense\nspki:" SPKI_A, true}, /* another line is bad */
                {"pins.txt", NULL, true},
                {"b.yaml", NAMESPACE("b"), true},
                {"b.yaml", NULL, true},
                {"c.txt", NAMESPACE("c"), false},
        };
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
                if (steps[i].text)
                        write_settled(steps[i].file, steps[i].text);
                else
                        unlink(folder_file(steps[i].file));
                struct objects *objects = read_again(readings);
                if (objects->changed != steps[i].changed)
                        fail_msg("step %zu", i);
                objects_unref(objects);
        }
        readings_forget(readings);
        struct objects *objects = read_again(readings);
        assert_true(objects->changed);
        objects_unref(objects);
        readings_free(readings);
}

/* The file was looked at by the reading that it failed, and is gone in the next. */
static void a_broken_file_that_is_deleted_is_a_change(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        const char *paths[] = {folder_path};
        write_settled("a.yaml", NAMESPACE("a"));
        write_settled("b.yaml", NAMESPACE("b"));
        objects_unref(read_again(readings));
        write_settled("b.yaml", "half: [");
        struct objects *objects = NULL;
        assert_false(source_files_read(paths, 1, readings, &objects, &err));
        unlink(folder_file("b.yaml"));
        objects = read_again(readings);
        assert_true(objects->changed);
        assert_int_equal(objects->kinds[KIND_NAMESPACE].count, 1);
        objects_unref(objects);
        readings_free(readings);
}

static void a_file_written_anew_with_the_same_bytes_is_not_parsed_again(void **state)
{
        (void)state;
        struct readings *readings = readings_new();
        write_settled("a.yaml", NAMESPACE("a"));
        write_settled("pins.txt", "spki:" SPKI_A);
        write_settled("p.yaml", POLICY_WITH_FILE("pins.txt"));
        struct objects *first = read_again(readings);
        const struct objects *a = part_of(first, 0);
        const struct pin_set *set = file_of_policy(first)->set;
        objects_unref(first);
        folder_write("a.yaml", NAMESPACE("a"));
        folder_write("pins.txt", "spki:" SPKI_A);
        struct objects *second = read_again(readings);
        assert_ptr_equal(part_of(second, 0), a);
        assert_ptr_equal(file_of_policy(second)->set, set);
        objects_unref(second);
        readings_free(readings);
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
        objects_unref(objects);
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
                IN_FOLDER(a_pin_file_is_read_in_pieces_as_it_would_be_in_one),
                IN_FOLDER(the_key_pins_txt_is_a_set_and_its_text_is_not_kept),
                IN_FOLDER(a_text_that_an_alias_shares_stays_with_the_other),
                IN_FOLDER(what_did_not_change_is_taken_over_and_nothing_else),
                IN_FOLDER(of_a_large_file_only_the_changed_piece_is_parsed_and_the_rest_moves),
                IN_FOLDER(a_piece_that_breaks_fails_the_file_at_its_line),
                IN_FOLDER(a_file_that_went_and_came_back_is_read_anew),
                IN_FOLDER(objects_of_two_files_that_are_the_same_fail_with_kept_files_too),
                IN_FOLDER(a_file_written_in_the_moment_it_is_read_is_not_kept),
                IN_FOLDER(a_reading_tells_whether_anything_changed),
                IN_FOLDER(a_broken_file_that_is_deleted_is_a_change),
                IN_FOLDER(a_file_written_anew_with_the_same_bytes_is_not_parsed_again),
                IN_FOLDER(files_that_change_while_they_are_read_are_read_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
