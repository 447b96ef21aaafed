/* Golden twins: what objects become and what they are told. Each case is a folder TOPIC/CASE with
 * in.yaml, read together with common.yaml (certificates, Services), and two twins:
 *
 *      snapshot.txt  the canonical text of the snapshot
 *      status.yaml   every object's status, and warnings; or the error that keeps the former
 *                    generation in place
 *
 * One with address-pool.txt is translated with that pool, one with services.txt with Services. The
 * cases of `broken` are read as a cluster's objects, of which each stands for itself.
 *
 * translate_test FOLDER [--update]. Read the difference before you update. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "control/source/files.h"
#include "control/translate/pool.h"
#include "control/translate/translate.h"
#include "text/yaml.h"
#include "text/yaml_print.h"

enum {
        TWIN_BYTES_MAX = 1 << 20,
        NOW = 1790000000, /* in September 2026 */
};

struct run {
        bool update;
        int cases, failures;
};

static void twin_check(struct run *run, const char *name, const char *file, struct slice is)
{
        static char was[TWIN_BYTES_MAX];
        FILE *in = fopen(file, "r");
        size_t len = in ? fread(was, 1, sizeof(was), in) : 0;
        if (in)
                fclose(in);
        if (in && slice_equal(slice_from(was, len), is))
                return;
        if (run->update) {
                FILE *out = fopen(file, "w");
                must(out && fwrite(is.data, 1, is.len, out) == is.len && fclose(out) == 0);
                printf("%s/%s: updated\n", name, file);
                return;
        }
        char got[] = "/tmp/pingate-twin-XXXXXX";
        int fd = mkstemp(got);
        must(fd >= 0 && write(fd, is.data, is.len) == (ssize_t)is.len && close(fd) == 0);
        printf("%s/%s differs:\n", name, file);
        fflush(stdout);
        char command[256];
        snprintf(command, sizeof(command), "diff -u %s %s", in ? file : "/dev/null", got);
        if (system(command) < 0)
                printf("(diff can't be run)\n");
        unlink(got);
        run->failures++;
}

static void service_print(const struct wanted_service *s, struct buffer *out)
{
        must(buffer_printf(out, "# service %.*s/%.*s for %.*s/%.*s: %s", SLICE_ARG(s->namespace),
                           SLICE_ARG(s->name), SLICE_ARG(s->gateway_namespace),
                           SLICE_ARG(s->gateway_name),
                           s->kept       ? "kept as it is"
                           : s->balanced ? "balanced"
                                         : "named"));
        if (s->address.len > 0)
                must(buffer_printf(out, ", address %.*s", SLICE_ARG(s->address)));
        for (size_t i = 0; !s->kept && i < s->ports.count; i++)
                must(buffer_printf(out, ", %u to %u", s->ports.items[i].number,
                                   s->ports.items[i].target));
        must(buffer_append(out, SLICE("\n")));
        for (size_t i = 0; !s->kept && i < s->labels.count; i++)
                must(buffer_printf(out, "#   label %.*s: %.*s\n", SLICE_ARG(s->labels.items[i].key),
                                   SLICE_ARG(s->labels.items[i].value)));
        for (size_t i = 0; !s->kept && i < s->annotations.count; i++)
                must(buffer_printf(out, "#   annotation %.*s: %.*s\n",
                                   SLICE_ARG(s->annotations.items[i].key),
                                   SLICE_ARG(s->annotations.items[i].value)));
}

static void statuses_print(const struct translation *translation, struct buffer *out)
{
        struct arena arena;
        arena_init(&arena, 64 * 1024);
        for (size_t i = 0; i < translation->statuses.count; i++) {
                must(i == 0 || buffer_append(out, SLICE("---\n")));
                must(node_print_yaml(
                        object_status_tree(&translation->statuses.items[i], SLICE_NONE, &arena),
                        out));
        }
        for (size_t i = 0; i < translation->warnings.count; i++)
                must(buffer_printf(out, "# warning: %.*s\n",
                                   SLICE_ARG(translation->warnings.items[i])));
        for (size_t i = 0; i < translation->services.count; i++)
                service_print(&translation->services.items[i], out);
        must(buffer_printf(out, "# good: %s\n", translation->good ? "yes" : "no"));
        arena_done(&arena);
}

static bool text_read(const char *path, struct arena *arena, struct slice *out, struct error *err)
{
        FILE *in = fopen(path, "r");
        if (!in)
                return error_set_errno(err, "%s", path);
        char *text = arena_alloc(arena, TWIN_BYTES_MAX);
        *out = slice_from(text, fread(text, 1, TWIN_BYTES_MAX, in));
        fclose(in);
        return true;
}

/* The same objects again, with the former translation at hand: sets are taken over, and nothing
 * may come out differently for it. */
static void again_check(struct run *run, const char *name, const struct translate_request *made,
                        const struct translation *first)
{
        struct translate_request request = *made;
        request.previous = first;
        request.generation = 2;
        struct translation *second;
        struct error err;
        must(translate(&request, &second, &err));
        if (!digest_equal(&first->snapshot->digest, &second->snapshot->digest)) {
                printf("%s: a second translation gives another digest\n", name);
                run->failures++;
        }
        translation_free(second);
}

/* address-pool.txt: as behind run --address-pool. */
static struct address_pool *pool_read(struct arena *arena)
{
        struct address_pool *pool = NULL;
        struct slice text;
        struct error err;
        if (!text_read("address-pool.txt", arena, &text, &err))
                return NULL;
        text.len = slice_find(text, '\n');
        if (!address_pool_parse(text, &pool, &err))
                printf("address-pool.txt: %s\n", err.text);
        must(pool);
        return pool;
}

/* services.txt: pingate's namespace, and the first and last port that may be allotted. */
static bool plan_read(struct arena *arena, struct service_plan *plan)
{
        struct slice text, first, last;
        uint64_t from, to;
        struct error err;
        if (!text_read("services.txt", arena, &text, &err))
                return false;
        text.len = slice_find(text, '\n');
        must(slice_split(&text, ' ', &plan->namespace) && slice_split(&text, ' ', &first) &&
             slice_split(&text, ' ', &last) && slice_to_u64(first, 65535, &from) &&
             slice_to_u64(last, 65535, &to));
        plan->first_port = (uint16_t)from;
        plan->last_port = (uint16_t)to;
        return true;
}

static void twins_check(struct run *run, const char *name, const struct objects *objects)
{
        struct translate_request request = {.objects = objects, .generation = 1, .now = NOW};
        struct translation *translation;
        struct error err;
        struct buffer status;
        struct arena arena;
        arena_init(&arena, 64 * 1024);
        struct address_pool *pool = pool_read(&arena);
        struct service_plan plan;
        request.pool = pool;
        if (plan_read(&arena, &plan))
                request.services = &plan;
        must(translate(&request, &translation, &err));
        buffer_init(&status, TWIN_BYTES_MAX);
        statuses_print(translation, &status);
        twin_check(run, name, "status.yaml", buffer_slice(&status));
        twin_check(run, name, "snapshot.txt", snapshot_print(translation->snapshot, &arena));
        again_check(run, name, &request, translation);
        buffer_done(&status);
        arena_done(&arena);
        translation_free(translation);
        snapshot_reap();
        address_pool_free(pool);
}

/* As a cluster's objects come: those that do not decode are kept with their fault. */
static bool lenient_add(struct objects *objects, const struct node *document, struct error *err)
{
        for (enum object_kind kind = 0; kind < KIND_COUNT; kind++)
                if (slice_is(node_text(document, "kind"), object_kind_name(kind)))
                        return objects_add_lenient(objects, kind, document, err);
        return error_set(err, ERROR_INPUT, "nothing that a cluster is asked for");
}

static bool lenient_read(const char *path, struct objects *objects, struct error *err)
{
        struct arena *arena = &objects->arena;
        struct yaml_docs docs;
        struct slice text;
        if (!text_read(path, arena, &text, err) || !yaml_parse(arena, text, path, &docs, err))
                return false;
        for (size_t i = 0; i < docs.count; i++)
                if (!lenient_add(objects, docs.items[i], err))
                        return false;
        return true;
}

static bool cluster_read(const char *const *paths, size_t count, struct objects **out,
                         struct error *err)
{
        *out = objects_new();
        for (size_t i = 0; i < count; i++)
                if (!lenient_read(paths[i], *out, err)) {
                        objects_unref(*out);
                        return false;
                }
        return true;
}

static void case_run(struct run *run, const char *topic, const char *name)
{
        const char *paths[] = {"../../common.yaml", "in.yaml"};
        bool cluster = strcmp(topic, "broken") == 0;
        char path[600];
        struct objects *objects;
        struct error err;
        snprintf(path, sizeof(path), "%s/%s", topic, name);
        must(chdir(path) == 0);
        run->cases++;
        if (cluster ? cluster_read(paths, COUNT_OF(paths), &objects, &err)
                    : source_files_read(paths, COUNT_OF(paths), NULL, &objects, &err)) {
                twins_check(run, path, objects);
                objects_unref(objects);
        } else {
                struct arena arena;
                arena_init(&arena, 4096);
                twin_check(run, path, "status.yaml",
                           arena_printf(&arena, "# error: %s\n", err.text));
                arena_done(&arena);
        }
        must(chdir("../..") == 0);
}

static int entry_is_folder(const struct dirent *entry)
{
        struct stat about;
        return entry->d_name[0] != '.' && stat(entry->d_name, &about) == 0 &&
               S_ISDIR(about.st_mode);
}

static int entry_is_visible(const struct dirent *entry)
{
        return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
        struct run run = {.update = argc == 3 && strcmp(argv[2], "--update") == 0};
        struct dirent **topics, **cases;
        if (argc < 2 || chdir(argv[1]) != 0) {
                fprintf(stderr, "usage: translate_test FOLDER [--update]\n");
                return 2;
        }
        int topic_count = scandir(".", &topics, entry_is_folder, alphasort);
        for (int t = 0; t < topic_count; t++) {
                int count = scandir(topics[t]->d_name, &cases, entry_is_visible, alphasort);
                for (int c = 0; c < count; c++) {
                        case_run(&run, topics[t]->d_name, cases[c]->d_name);
                        free(cases[c]);
                }
                if (count >= 0)
                        free(cases);
                free(topics[t]);
        }
        if (topic_count >= 0)
                free(topics);
        printf("%d cases, %d failures\n", run.cases, run.failures);
        return run.cases > 0 && run.failures == 0 ? 0 : 1;
}
