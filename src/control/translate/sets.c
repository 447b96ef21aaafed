#include "control/translate/sets.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "control/translate/refs.h"
#include "trust/hash.h"
#include "trust/key_pair.h"
#include "trust/private_key.h"

struct cached {
        struct digest inputs; /* the map's key */
        struct pin_set *pins;
        struct ca_set *cas;
        struct key_pair *pair;
        char *fault; /* of texts that are no key pair */
};

struct set_cache {
        struct map by_inputs;
        struct key_reader *reader; /* of what is prepared; NULL: nothing was */
};

struct set_cache *set_cache_new(void)
{
        return NEW(struct set_cache);
}

void set_cache_free(struct set_cache *cache)
{
        if (!cache)
                return;
        size_t at = 0;
        struct map_slot *slot;
        while (map_next(&cache->by_inputs, &at, &slot)) {
                struct cached *entry = slot->value;
                pin_set_unref(entry->pins);
                ca_set_unref(entry->cas);
                key_pair_unref(entry->pair);
                free(entry->fault);
                free(entry);
        }
        map_done(&cache->by_inputs);
        key_reader_free(cache->reader);
        free(cache);
}

static struct slice key_of(const struct digest *inputs)
{
        return slice_from(inputs->bytes, DIGEST_BYTES);
}

static struct cached *cache_find(const struct set_cache *cache, const struct digest *inputs)
{
        return cache ? map_find(&cache->by_inputs, key_of(inputs)) : NULL;
}

static void cache_keep(struct work *w, const struct digest *inputs, struct pin_set *pins,
                       struct ca_set *cas)
{
        struct cached *entry = NEW(struct cached);
        *entry = (struct cached){.inputs = *inputs, .pins = pins, .cas = cas};
        must(map_set(&w->out->cache->by_inputs, key_of(&entry->inputs), entry) == NULL);
}

static const struct set_cache *former(const struct work *w)
{
        return w->request->previous ? w->request->previous->cache : NULL;
}

struct pin_set *pin_set_shared(struct work *w, struct pin_set *set)
{
        struct digest identity = pin_set_identity(set);
        struct cached *entry = cache_find(w->out->cache, &identity);
        if (entry)
                return entry->pins;
        entry = cache_find(former(w), &identity);
        struct pin_set *shared = pin_set_ref(entry ? entry->pins : set);
        cache_keep(w, &identity, shared, NULL);
        return shared;
}

struct ca_set *ca_set_known(struct work *w, const struct digest *inputs)
{
        struct cached *entry = cache_find(w->out->cache, inputs);
        if (entry)
                return entry->cas;
        entry = cache_find(former(w), inputs);
        if (!entry)
                return NULL;
        cache_keep(w, inputs, NULL, ca_set_ref(entry->cas));
        return entry->cas;
}

void ca_set_remember(struct work *w, const struct digest *inputs, struct ca_set *set)
{
        cache_keep(w, inputs, NULL, set);
}

/* --- key pairs --- */

static struct digest pair_inputs(struct slice chain, struct slice key)
{
        struct hasher hasher;
        hasher_init(&hasher, "server_certificate texts 1");
        hasher_bytes(&hasher, chain);
        hasher_bytes(&hasher, key);
        return hasher_done(&hasher);
}

static struct cached *pair_keep(struct set_cache *cache, const struct digest *inputs,
                                struct key_pair *pair, const char *fault)
{
        struct cached *entry = NEW(struct cached);
        *entry = (struct cached){.inputs = *inputs, .pair = pair};
        if (!pair)
                entry->fault = memory_dup(fault, strlen(fault));
        must(map_set(&cache->by_inputs, key_of(&entry->inputs), entry) == NULL);
        return entry;
}

static struct cached *pair_take_over(struct work *w, const struct digest *inputs)
{
        const struct cached *known = cache_find(former(w), inputs);
        if (!known)
                known = cache_find(w->request->prepared, inputs);
        if (!known)
                return NULL;
        return pair_keep(w->out->cache, inputs, known->pair ? key_pair_ref(known->pair) : NULL,
                         known->fault);
}

static struct cached *pair_decode(struct set_cache *cache, const struct digest *inputs,
                                  struct slice chain, struct slice key)
{
        struct error fault = {.text = ""};
        if (!cache->reader)
                cache->reader = key_reader_new();
        struct key_pair *pair = key_pair_parse(chain, key, cache->reader, &fault);
        return pair_keep(cache, inputs, pair, fault.text);
}

void set_cache_prepare(struct set_cache *cache, const struct object *secret)
{
        const struct key_value *about = (const struct key_value *)secret;
        must(secret->kind == KIND_SECRET);
        if (secret->fault.len > 0)
                return;
        const struct slice *chain = data_find(about, "tls.crt");
        const struct slice *key = data_find(about, "tls.key");
        if (!chain || !key)
                return;
        struct digest inputs = pair_inputs(*chain, *key);
        if (!cache_find(cache, &inputs))
                pair_decode(cache, &inputs, *chain, *key);
}

void set_cache_rest(struct set_cache *cache)
{
        key_reader_free(cache->reader);
        cache->reader = NULL;
}

struct key_pair *key_pair_shared(struct work *w, struct slice chain, struct slice key,
                                 struct error *err)
{
        struct digest inputs = pair_inputs(chain, key);
        struct cached *entry = cache_find(w->out->cache, &inputs);
        if (!entry)
                entry = pair_take_over(w, &inputs);
        if (!entry)
                entry = pair_decode(w->out->cache, &inputs, chain, key);
        if (entry->pair)
                return key_pair_ref(entry->pair);
        error_set(err, ERROR_INPUT, "%s", entry->fault);
        return NULL;
}
