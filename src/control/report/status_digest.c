#include "control/report/status_digest.h"

#include <string.h>

/* Order counts, and so does where one text ends: each brings its length by its own hash. */
static uint64_t mix(uint64_t sum, uint64_t part)
{
        sum ^= part + 0x9e3779b97f4a7c15u + (sum << 6) + (sum >> 2);
        return sum * 0xff51afd7ed558ccdu;
}

static uint64_t mix_text(uint64_t sum, struct slice text)
{
        return mix(sum, text.len ? hash_bytes(text.data, text.len) : 1);
}

static uint64_t mix_conditions(uint64_t sum, const struct condition_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                const struct condition *c = &list->items[i];
                sum = mix(sum, c->holds ? 2 : 3);
                sum = mix_text(sum, slice_of(c->type));
                sum = mix_text(sum, slice_of(c->reason));
                sum = mix_text(sum, c->message);
        }
        return mix(sum, list->count);
}

static uint64_t mix_listener(uint64_t sum, const struct listener_status *listener)
{
        sum = mix_text(sum, listener->name);
        sum = mix(sum, listener->kinds);
        sum = mix(sum, (uint64_t)listener->attached_routes);
        return mix_conditions(sum, &listener->conditions);
}

static uint64_t mix_parent(uint64_t sum, const struct parent_status *parent)
{
        const struct slice texts[] = {parent->group, parent->kind, parent->namespace, parent->name,
                                      parent->section_name};
        for (size_t i = 0; i < COUNT_OF(texts); i++)
                sum = mix_text(sum, texts[i]);
        sum = mix(sum, (uint64_t)parent->port);
        return mix_conditions(sum, &parent->conditions);
}

uint64_t status_digest(const struct object_status *status)
{
        uint64_t sum = mix((uint64_t)status->kind, (uint64_t)status->generation);
        sum = mix_conditions(sum, &status->conditions);
        for (size_t i = 0; i < status->addresses.count; i++)
                sum = mix_text(sum, status->addresses.items[i]);
        sum = mix(sum, status->addresses.count);
        for (size_t i = 0; i < status->listeners.count; i++)
                sum = mix_listener(sum, &status->listeners.items[i]);
        sum = mix(sum, status->counts_sets ? (uint64_t)status->attached_sets + 1 : 0);
        for (size_t i = 0; i < status->parents.count; i++)
                sum = mix_parent(sum, &status->parents.items[i]);
        return sum;
}
