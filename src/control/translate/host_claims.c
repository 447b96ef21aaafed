#include "control/translate/host_claims.h"

/* A wildcard stands under its suffix with the dot, which no exact name starts with. */
static struct slice key_of(struct slice pattern)
{
        return pattern.data[0] == '*' ? slice_skip(pattern, 1) : pattern;
}

/* ".b.c" of "a.b.c" and of ".a.b.c"; empty: there is none. */
static struct slice wider(struct slice name)
{
        for (size_t at = 1; at < name.len; at++)
                if (name.data[at] == '.')
                        return slice_skip(name, at);
        return SLICE_NONE;
}

static void map_add(struct map *map, struct slice key, const void *holder)
{
        if (!map_find(map, key))
                map_set(map, key, (void *)(uintptr_t)holder);
}

void host_claims_add(struct host_claims *claims, struct slice pattern, const void *holder)
{
        if (!claims->first)
                claims->first = holder;
        if (pattern.len == 0) {
                claims->any = claims->any ? claims->any : holder;
                return;
        }
        struct slice name = key_of(pattern);
        map_add(&claims->names, name, holder);
        while ((name = wider(name)).len > 0)
                map_add(&claims->suffixes, name, holder);
}

const void *host_claims_holder(const struct host_claims *claims, struct slice pattern)
{
        return pattern.len == 0 ? claims->any : map_find(&claims->names, key_of(pattern));
}

const void *host_claims_meet(const struct host_claims *claims, struct slice pattern)
{
        if (pattern.len == 0 || claims->any)
                return pattern.len == 0 ? claims->first : claims->any;
        struct slice name = key_of(pattern);
        const void *holder = map_find(&claims->names, name);
        if (!holder && pattern.data[0] == '*')
                holder = map_find(&claims->suffixes, name);
        while (!holder && (name = wider(name)).len > 0)
                holder = map_find(&claims->names, name);
        return holder;
}

void host_claims_done(struct host_claims *claims)
{
        map_done(&claims->names);
        map_done(&claims->suffixes);
}
