/* What one translation costs, on one thread: `translate TURNS PATH` prints a line of JSON. The
 * objects stay as they are, so each turn is what a change of one of them costs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/source/files.h"
#include "control/translate/translate.h"

enum {
        TURNS_MAX = 1000
};

static uint64_t now_us(void)
{
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
        const uint64_t *left = a, *right = b;
        return (*left > *right) - (*left < *right);
}

static bool turn(const struct objects *objects, struct translation **current, struct error *err)
{
        struct translation *next;
        struct translate_request request = {.objects = objects,
                                            .previous = *current,
                                            .generation = 1,
                                            .now = (int64_t)time(NULL)};
        if (!translate(&request, &next, err))
                return false;
        translation_free(*current);
        snapshot_reap();
        *current = next;
        return true;
}

int main(int argc, char **argv)
{
        static uint64_t took[TURNS_MAX];
        size_t turns = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
        struct objects *objects = NULL;
        struct translation *current = NULL;
        struct error err;
        const char *path = argv[argc - 1];
        if (turns == 0 || turns > TURNS_MAX)
                return 2;
        if (!source_files_read(&path, 1, NULL, &objects, &err) || !turn(objects, &current, &err)) {
                fprintf(stderr, "%s\n", err.text);
                return 1;
        }
        for (size_t i = 0; i < turns; i++) {
                uint64_t from = now_us();
                if (!turn(objects, &current, &err))
                        return 1;
                took[i] = now_us() - from;
        }
        qsort(took, turns, sizeof(took[0]), by_size);
        printf("{\"routes\": %zu, \"translate_us\": %" PRIu64 ", \"least_us\": %" PRIu64 "}\n",
               current->snapshot->route_count, took[turns / 2], took[0]);
        translation_free(current);
        snapshot_reap();
        objects_unref(objects);
        return 0;
}
