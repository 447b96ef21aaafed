/* A status as an API server hands it out. What is written over it settles it at once, and takes
 * nothing from other controllers. */
#include "fuzz.h"

#include "control/report/status_merge.h"
#include "text/json.h"

enum {
        PRINTED_MAX = 1 << 26
};

static struct parent_status parents[] = {
        {.group = SLICE(GROUP_GATEWAY), .kind = SLICE("Gateway"), .name = SLICE("g")},
        {.group = SLICE(GROUP_GATEWAY),
         .kind = SLICE("Gateway"),
         .namespace = SLICE("n"),
         .name = SLICE("g"),
         .section_name = SLICE("s"),
         .port = 443},
};
static struct listener_status listeners[] = {{.name = SLICE("one")}, {.name = SLICE("two")}};

static void wanted_fill(struct object_status *status, enum object_kind kind)
{
        *status = (struct object_status){
                .kind = kind, .namespace = SLICE("n"), .name = SLICE("x"), .generation = 3};
        condition_set(&status->conditions, "Accepted", true, "Accepted", SLICE("is valid"));
        status->listeners.items = listeners;
        status->listeners.count = kind == KIND_GATEWAY ? COUNT_OF(listeners) : 0;
        status->parents.items = parents;
        status->parents.count = COUNT_OF(parents);
        for (size_t i = 0; i < COUNT_OF(parents); i++) {
                parents[i].conditions = status->conditions;
                listeners[i].conditions = status->conditions;
        }
}

/* The status with the patch applied (RFC 7396; ours are one level deep). */
static struct slice patched(struct arena *arena, const struct node *current,
                            const struct node *patch)
{
        CLEANUP(buffer_done) struct buffer text;
        struct node *out = node_new(arena, NODE_MAP, NULL, 0);
        bool was_map = current && current->kind == NODE_MAP;
        for (size_t i = 0; was_map && i < current->child_count; i++)
                if (!node_find(patch, arena_text(arena, current->children[i]->key)))
                        node_add(arena, out, current->children[i]->key, current->children[i]);
        for (size_t i = 0; i < patch->child_count; i++)
                if (patch->children[i]->kind != NODE_NULL)
                        node_add(arena, out, patch->children[i]->key, patch->children[i]);
        buffer_init(&text, PRINTED_MAX);
        must(node_print_json(out, &text, false));
        return arena_slice(arena, buffer_slice(&text));
}

static const struct node *next_foreign(const struct node *list, size_t *at)
{
        while (list && list->kind == NODE_LIST && *at < list->child_count) {
                const struct node *entry = list->children[(*at)++];
                if (!slice_is(node_text(entry, "controllerName"), CONTROLLER_NAME))
                        return entry;
        }
        return NULL;
}

static void check_foreign(const struct node *before, const struct node *after)
{
        size_t a = 0, b = 0;
        const struct node *old, *new;
        do {
                old = next_foreign(before, &a);
                new = next_foreign(after, &b);
                must(!old == !new && (!old || node_equal(old, new)));
        } while (old);
}

static void check(struct slice text, enum object_kind kind)
{
        struct arena arena;
        struct object_status status;
        struct node *patch, *again, *before = NULL, *after;
        struct error err;
        wanted_fill(&status, kind);
        struct status_wish wish = {.status = &status, .current = text, .now = 1790000000};
        const char *list = kind == KIND_HTTP_ROUTE ? "parents" : "ancestors";
        arena_init(&arena, 4096);
        if (status_merge(&wish, &arena, &patch, &err) && patch) {
                must(text.len == 0 || json_parse(&arena, text, "f", &before, &err));
                struct status_wish next = wish;
                next.current = patched(&arena, before, patch);
                next.now++;
                must(json_parse(&arena, next.current, "patched", &after, &err));
                if (kind != KIND_GATEWAY && before && before->kind == NODE_MAP)
                        check_foreign(node_find(before, list), node_find(after, list));
                must(status_merge(&next, &arena, &again, &err));
                must(!again);
        }
        arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const enum object_kind kinds[] = {KIND_GATEWAY, KIND_HTTP_ROUTE, KIND_POLICY};
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                check(slice_from(data, size), kinds[i]);
        return 0;
}
