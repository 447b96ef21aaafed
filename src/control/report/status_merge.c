#include "control/report/status_merge.h"

#include <string.h>

#include "text/json.h"
#include "text/time.h"

struct merge {
        const struct status_wish *wish;
        struct arena *arena;
        struct node *wanted;        /* as translation has it; its nodes move into what is written */
        const struct node *current; /* NULL: none, or nothing that could be one */
        struct node *patch;
};

static bool is(const struct node *node, enum node_kind kind)
{
        return node && node->kind == kind;
}

static struct node *list_new(struct merge *m)
{
        return node_new(m->arena, NODE_LIST, NULL, 0);
}

/* Of a tree that is ours alone: a node may have one parent only, so it moves. */
static void take(struct merge *m, struct node *list, const struct node *item)
{
        node_add(m->arena, list, SLICE_NONE, (struct node *)(uintptr_t)item);
}

/* A key is written where it says anything else than it does now. */
static void settle(struct merge *m, const char *key, struct node *value)
{
        const struct node *now = node_find(m->current, key);
        if (!value && !now)
                return;
        if (value && now && node_equal(value, now))
                return;
        node_add(m->arena, m->patch, slice_of(key),
                 value ? value : node_new(m->arena, NODE_NULL, NULL, 0));
}

/* ---- conditions ---- */

/* Types without a domain are Gateway API's, and so the controller's. */
static bool type_is_ours(struct slice type)
{
        return slice_find(type, '/') == type.len ||
               slice_starts_with(type, SLICE(GROUP_PINGATE "/"));
}

/* The item of a list whose `key` says `text`; NULL: none does. */
static const struct node *item_find(const struct node *list, const char *key, struct slice text)
{
        for (size_t i = 0; is(list, NODE_LIST) && i < list->child_count; i++)
                if (slice_equal(node_text(list->children[i], key), text))
                        return list->children[i];
        return NULL;
}

static void text_set(struct merge *m, const struct node *map, const char *key, struct slice text)
{
        for (size_t i = 0; i < map->child_count; i++)
                if (slice_is(map->children[i]->key, key))
                        map->children[i]->text = arena_slice(m->arena, text);
}

/* lastTransitionTime is when the status changed, not when somebody looked. */
static void transition_keep(struct merge *m, const struct node *wanted, const struct node *now)
{
        int64_t ignored;
        struct slice time = node_text(now, "lastTransitionTime");
        if (slice_equal(node_text(now, "status"), node_text(wanted, "status")) &&
            time_parse(time, &ignored, NULL))
                text_set(m, wanted, "lastTransitionTime", time);
}

static void message_bound(struct merge *m, const struct node *condition)
{
        struct slice text = node_text(condition, "message");
        if (text.len <= STATUS_MESSAGE_MAX)
                return;
        size_t len = STATUS_MESSAGE_MAX; /* not within a character */
        while (len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80)
                len--;
        text_set(m, condition, "message", slice_sub(text, 0, len));
}

/* In the order that the list has now, so that nobody's sorting makes a change. */
static struct node *conditions_merge(struct merge *m, const struct node *wanted,
                                     const struct node *current)
{
        struct node *out = list_new(m);
        size_t count = is(wanted, NODE_LIST) ? wanted->child_count : 0, foreign = 0;
        for (size_t i = 0; is(current, NODE_LIST) && i < current->child_count; i++) {
                const struct node *now = current->children[i];
                struct slice type = node_text(now, "type");
                const struct node *ours = item_find(wanted, "type", type);
                if (ours && !item_find(out, "type", type)) {
                        transition_keep(m, ours, now);
                        take(m, out, ours);
                } else if (!ours && is(now, NODE_MAP) && !type_is_ours(type) &&
                           count + foreign < CONDITIONS_MAX) {
                        foreign++;
                        take(m, out, now);
                }
        }
        for (size_t i = 0; i < count; i++) {
                const struct node *ours = wanted->children[i];
                message_bound(m, ours);
                if (!item_find(out, "type", node_text(ours, "type")))
                        take(m, out, ours);
        }
        return out;
}

/* The conditions within an entry of a list, in place. */
static void entry_conditions_merge(struct merge *m, const struct node *wanted,
                                   const struct node *now)
{
        for (size_t i = 0; i < wanted->child_count; i++)
                if (slice_is(wanted->children[i]->key, "conditions")) {
                        struct node *merged = conditions_merge(m, wanted->children[i],
                                                               node_find(now, "conditions"));
                        merged->key = wanted->children[i]->key;
                        merged->parent = wanted;
                        merged->index = i;
                        wanted->children[i] = merged;
                }
}

/* ---- Gateways, ListenerSets, GatewayClasses ---- */

static struct node *listeners_merge(struct merge *m, const struct node *wanted)
{
        const struct node *current = node_find(m->current, "listeners");
        for (size_t i = 0; i < wanted->child_count; i++)
                entry_conditions_merge(
                        m, wanted->children[i],
                        item_find(current, "name", node_text(wanted->children[i], "name")));
        return (struct node *)(uintptr_t)wanted;
}

static struct node *features_build(struct merge *m)
{
        struct node *list = list_new(m);
        for (size_t i = 0; i < m->wish->feature_count; i++) {
                struct node *map = node_new(m->arena, NODE_MAP, NULL, 0);
                node_add(m->arena, map, SLICE("name"),
                         node_new_string(m->arena, slice_of(m->wish->features[i])));
                take(m, list, map);
        }
        return list;
}

static struct node *wanted_of(const struct merge *m, const char *key)
{
        return (struct node *)(uintptr_t)node_find(m->wanted, key);
}

static void own_merge(struct merge *m)
{
        enum object_kind kind = m->wish->status->kind;
        settle(m, "conditions",
               conditions_merge(m, node_find(m->wanted, "conditions"),
                                node_find(m->current, "conditions")));
        if (kind == KIND_GATEWAY_CLASS) {
                settle(m, "supportedFeatures", features_build(m));
                return;
        }
        struct node *listeners = wanted_of(m, "listeners");
        settle(m, "listeners", listeners ? listeners_merge(m, listeners) : NULL);
        if (kind != KIND_GATEWAY)
                return;
        settle(m, "addresses", wanted_of(m, "addresses"));
        settle(m, "attachedListenerSets", wanted_of(m, "attachedListenerSets"));
}

/* ---- routes and policies ---- */

static bool entry_is_ours(const struct node *entry)
{
        return slice_is(node_text(entry, "controllerName"), CONTROLLER_NAME);
}

/* What the API server fills in, or nobody has to. */
static struct slice ref_text(const struct merge *m, const struct node *ref, const char *key)
{
        struct slice text = node_text(ref, key);
        if (node_find(ref, key))
                return text;
        if (strcmp(key, "group") == 0)
                return SLICE(GROUP_GATEWAY);
        if (strcmp(key, "kind") == 0)
                return SLICE("Gateway");
        return strcmp(key, "namespace") == 0 ? m->wish->status->namespace : SLICE_NONE;
}

static bool refs_agree(const struct merge *m, const struct node *a, const struct node *b)
{
        static const char *const keys[] = {"group", "kind",        "namespace",
                                           "name",  "sectionName", "port"};
        for (size_t i = 0; i < COUNT_OF(keys); i++)
                if (!slice_equal(ref_text(m, a, keys[i]), ref_text(m, b, keys[i])))
                        return false;
        return true;
}

static bool is_policy(enum object_kind kind)
{
        return kind == KIND_POLICY || kind == KIND_BACKEND_TLS_POLICY;
}

/* The wanted entry of that parent that is not taken yet. */
static size_t entry_find(const struct merge *m, const struct node *wanted, const bool *taken,
                         const struct node *now)
{
        const char *ref = is_policy(m->wish->status->kind) ? "ancestorRef" : "parentRef";
        for (size_t i = 0; i < wanted->child_count; i++)
                if (!taken[i] &&
                    refs_agree(m, node_find(wanted->children[i], ref), node_find(now, ref)))
                        return i;
        return wanted->child_count;
}

static size_t foreign_count(const struct node *current)
{
        size_t count = 0;
        for (size_t i = 0; is(current, NODE_LIST) && i < current->child_count; i++)
                count += !entry_is_ours(current->children[i]);
        return count;
}

/* Others' entries where they are, ours in their old places, new ones at the end. */
static void entries_merge(struct merge *m)
{
        bool policy = is_policy(m->wish->status->kind);
        const char *key = policy ? "ancestors" : "parents";
        const struct node *wanted = node_find(m->wanted, key),
                          *current = node_find(m->current, key);
        size_t room = policy ? STATUS_ANCESTORS_MAX : STATUS_PARENTS_MAX;
        size_t foreign = foreign_count(current);
        bool *taken = ARENA_ARRAY(m->arena, bool, wanted->child_count + 1);
        struct node *out = list_new(m);
        room = foreign < room ? room - foreign : 0; /* for ours */
        for (size_t i = 0; is(current, NODE_LIST) && i < current->child_count; i++) {
                const struct node *now = current->children[i];
                if (!entry_is_ours(now)) {
                        take(m, out, now);
                        continue;
                }
                size_t at = entry_find(m, wanted, taken, now);
                if (at == wanted->child_count || room == 0)
                        continue;
                room--;
                taken[at] = true;
                entry_conditions_merge(m, wanted->children[at], now);
                take(m, out, wanted->children[at]);
        }
        for (size_t i = 0; i < wanted->child_count && room > 0; i++) {
                if (taken[i])
                        continue;
                room--;
                entry_conditions_merge(m, wanted->children[i], NULL);
                take(m, out, wanted->children[i]);
        }
        /* Nothing of anybody's, and nothing to say: no status is made for that. */
        if (out->child_count > 0 || is(current, NODE_LIST))
                settle(m, key, out);
}

bool status_merge(const struct status_wish *wish, struct arena *arena, struct node **patch,
                  struct error *err)
{
        enum object_kind kind = wish->status->kind;
        bool is_route = kind >= KIND_HTTP_ROUTE && kind <= KIND_TCP_ROUTE;
        struct merge m = {.wish = wish, .arena = arena};
        struct node *current = NULL;
        char time[TIME_SIZE];
        if (wish->current.len > 0 && !json_parse(arena, wish->current, "its status", &current, err))
                return false;
        m.current = is(current, NODE_MAP) ? current : NULL;
        m.wanted = (struct node *)(uintptr_t)node_find(
                object_status_tree(wish->status, slice_of(time_print(wish->now, time)), arena),
                "status");
        m.patch = node_new(arena, NODE_MAP, NULL, 0);
        if (is_route || is_policy(kind))
                entries_merge(&m);
        else
                own_merge(&m);
        *patch = m.patch->child_count > 0 ? m.patch : NULL;
        return true;
}
