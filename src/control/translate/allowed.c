/* Which namespaces may attach: routes to listeners, ListenerSets to Gateways. */
#include "control/translate/stages.h"

/* Kubernetes takes no In without values and no Exists with any: what can't be meant selects
 * nothing. */
static bool requirement_is_valid(const struct label_requirement *r)
{
        bool lists = slice_is(r->operator, "In") || slice_is(r->operator, "NotIn");
        return lists == (r->values.count > 0);
}

static bool requirement_holds(const struct label_requirement *r, const struct text_map *labels)
{
        const struct slice *value = text_map_find(labels, r->key);
        if (!requirement_is_valid(r))
                return false;
        if (slice_is(r->operator, "Exists"))
                return value != NULL;
        if (slice_is(r->operator, "DoesNotExist"))
                return value == NULL;
        bool listed = false;
        for (size_t i = 0; value && i < r->values.count; i++)
                listed |= slice_equal(*value, r->values.items[i]);
        return slice_is(r->operator, "In") ? listed : !listed;
}

/* An empty selector selects everything, as in Kubernetes; no selector selects nothing. */
static bool selector_holds(const struct label_selector *selector, const struct text_map *labels)
{
        if (!selector)
                return false;
        for (size_t i = 0; i < selector->match_labels.count; i++) {
                const struct text_pair *pair = &selector->match_labels.items[i];
                const struct slice *value = text_map_find(labels, pair->key);
                if (!value || !slice_equal(*value, pair->value))
                        return false;
        }
        for (size_t i = 0; i < selector->match_expressions.count; i++)
                if (!requirement_holds(&selector->match_expressions.items[i], labels))
                        return false;
        return true;
}

bool namespace_allowed(struct work *w, const struct allowed_namespaces *allowed, struct slice own,
                       struct slice namespace)
{
        if (!allowed || allowed->from == FROM_SAME)
                return slice_equal(namespace, own);
        if (allowed->from != FROM_SELECTOR)
                return allowed->from == FROM_ALL;
        const struct object *object =
                objects_find(w->objects, KIND_NAMESPACE, SLICE_NONE, namespace);
        /* Every namespace bears its name as a label (Kubernetes 1.21). */
        if (object && object->fault.len > 0)
                return false; /* its labels are not known, and NotIn would take that for a yes */
        size_t count = object ? object->labels.count : 0;
        struct text_pair *labels = ARENA_ARRAY(&w->out->arena, struct text_pair, count + 1);
        labels[0] = (struct text_pair){SLICE("kubernetes.io/metadata.name"), namespace};
        for (size_t i = 0; i < count; i++)
                labels[i + 1] = object->labels.items[i];
        struct text_map all = {labels, count + 1};
        return selector_holds(allowed->selector, &all);
}
