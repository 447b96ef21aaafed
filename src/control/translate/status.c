#include "control/translate/status.h"

#include "control/translate/pool.h"

#include <string.h>

#include "base/must.h"

void condition_set(struct condition_list *list, const char *type, bool holds, const char *reason,
                   struct slice message)
{
        size_t at = 0;
        while (at < list->count && strcmp(list->items[at].type, type) != 0)
                at++;
        must(at < CONDITIONS_MAX);
        list->items[at] = (struct condition){type, reason, holds, message};
        if (at == list->count)
                list->count++;
}

static bool type_is_one_of(const char *type, const char *const *types, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

bool condition_is_bad(const struct condition *condition)
{
        static const char *const bad_when_true[] = {"Conflicted", "PartiallyInvalid"};
        static const char *const never_bad[] = {"OverlappingTLSConfig",
                                                "InsecureFrontendValidationMode", CONDITION_WARNING,
                                                CONDITION_AFFECTED};
        if (type_is_one_of(condition->type, never_bad, COUNT_OF(never_bad)))
                return false;
        if (type_is_one_of(condition->type, bad_when_true, COUNT_OF(bad_when_true)))
                return condition->holds;
        if (!condition->holds && strcmp(condition->reason, "ReportOnly") == 0)
                return false; /* as asked for */
        return !condition->holds || strcmp(condition->reason, "ListenersNotValid") == 0;
}

bool condition_is_warning(const struct condition *condition)
{
        static const char *const warns[] = {"OverlappingTLSConfig",
                                            "InsecureFrontendValidationMode", CONDITION_WARNING};
        if (!condition->holds)
                return strcmp(condition->reason, "ReportOnly") == 0;
        return type_is_one_of(condition->type, warns, COUNT_OF(warns));
}

/* --- as a tree --- */

static void add_text(struct arena *arena, struct node *map, const char *key, struct slice text)
{
        node_add(arena, map, slice_of(key), node_new_string(arena, text));
}

static struct node *add_new(struct arena *arena, struct node *parent, const char *key,
                            enum node_kind kind)
{
        struct node *node = node_new(arena, kind, NULL, 0);
        node_add(arena, parent, slice_of(key), node);
        return node;
}

static void add_conditions(struct arena *arena, struct node *map,
                           const struct condition_list *conditions, int64_t generation,
                           struct slice at)
{
        struct node *list = add_new(arena, map, "conditions", NODE_LIST);
        for (size_t i = 0; i < conditions->count; i++) {
                const struct condition *c = &conditions->items[i];
                struct node *node = add_new(arena, list, NULL, NODE_MAP);
                add_text(arena, node, "type", slice_of(c->type));
                add_text(arena, node, "status", c->holds ? SLICE("True") : SLICE("False"));
                add_text(arena, node, "reason", slice_of(c->reason));
                add_text(arena, node, "message", c->message);
                node_add(arena, node, SLICE("observedGeneration"),
                         node_new_integer(arena, generation));
                if (at.len)
                        add_text(arena, node, "lastTransitionTime", at);
        }
}

static void add_addresses(struct arena *arena, struct node *map, const struct object_status *status)
{
        struct node *list = add_new(arena, map, "addresses", NODE_LIST);
        for (size_t i = 0; i < status->addresses.count; i++) {
                struct node *node = add_new(arena, list, NULL, NODE_MAP);
                struct ip_address ip;
                bool is_ip = ip_parse(status->addresses.items[i], &ip);
                add_text(arena, node, "type", is_ip ? SLICE("IPAddress") : SLICE("Hostname"));
                add_text(arena, node, "value", status->addresses.items[i]);
        }
}

static void add_listeners(struct arena *arena, struct node *map, const struct object_status *status,
                          struct slice at)
{
        struct node *list = add_new(arena, map, "listeners", NODE_LIST);
        for (size_t i = 0; i < status->listeners.count; i++) {
                const struct listener_status *l = &status->listeners.items[i];
                struct node *node = add_new(arena, list, NULL, NODE_MAP);
                add_text(arena, node, "name", l->name);
                struct node *kinds = add_new(arena, node, "supportedKinds", NODE_LIST);
                for (enum object_kind k = 0; k < KIND_COUNT; k++) {
                        if (!(l->kinds & BIT(k)))
                                continue;
                        struct node *kind = add_new(arena, kinds, NULL, NODE_MAP);
                        add_text(arena, kind, "group", slice_of(object_group(k)));
                        add_text(arena, kind, "kind", slice_of(object_kind_name(k)));
                }
                node_add(arena, node, SLICE("attachedRoutes"),
                         node_new_integer(arena, l->attached_routes));
                add_conditions(arena, node, &l->conditions, status->generation, at);
        }
}

static void add_parents(struct arena *arena, struct node *map, const struct object_status *status,
                        struct slice at)
{
        bool ancestors = status->kind == KIND_POLICY || status->kind == KIND_BACKEND_TLS_POLICY;
        struct node *list = add_new(arena, map, ancestors ? "ancestors" : "parents", NODE_LIST);
        for (size_t i = 0; i < status->parents.count; i++) {
                const struct parent_status *p = &status->parents.items[i];
                struct node *node = add_new(arena, list, NULL, NODE_MAP);
                struct node *ref =
                        add_new(arena, node, ancestors ? "ancestorRef" : "parentRef", NODE_MAP);
                add_text(arena, ref, "group", p->group);
                add_text(arena, ref, "kind", p->kind);
                if (p->namespace.len)
                        add_text(arena, ref, "namespace", p->namespace);
                add_text(arena, ref, "name", p->name);
                if (p->section_name.len)
                        add_text(arena, ref, "sectionName", p->section_name);
                if (p->port)
                        node_add(arena, ref, SLICE("port"), node_new_integer(arena, p->port));
                add_text(arena, node, "controllerName", SLICE(CONTROLLER_NAME));
                add_conditions(arena, node, &p->conditions, status->generation, at);
        }
}

struct node *object_status_tree(const struct object_status *status, struct slice at,
                                struct arena *arena)
{
        struct node *root = node_new(arena, NODE_MAP, NULL, 0);
        add_text(arena, root, "apiVersion", slice_of(object_api_version(status->kind)));
        add_text(arena, root, "kind", slice_of(object_kind_name(status->kind)));
        struct node *metadata = add_new(arena, root, "metadata", NODE_MAP);
        add_text(arena, metadata, "name", status->name);
        if (status->namespace.len)
                add_text(arena, metadata, "namespace", status->namespace);
        struct node *map = add_new(arena, root, "status", NODE_MAP);
        bool is_route = status->kind >= KIND_HTTP_ROUTE && status->kind <= KIND_TCP_ROUTE;
        if (is_route || status->kind == KIND_POLICY || status->kind == KIND_BACKEND_TLS_POLICY) {
                add_parents(arena, map, status, at);
                return root;
        }
        if (status->kind == KIND_GATEWAY && status->addresses.count)
                add_addresses(arena, map, status);
        add_conditions(arena, map, &status->conditions, status->generation, at);
        if (status->listeners.count > 0)
                add_listeners(arena, map, status, at);
        if (status->counts_sets)
                node_add(arena, map, SLICE("attachedListenerSets"),
                         node_new_integer(arena, status->attached_sets));
        return root;
}
