#include "observe/renewals.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

enum {
        KEYS_KEPT = 4, /* of one client, the latest */
        NAME_MAX_BYTES = 127,
};

/* One identity: subject and alternative names, as a digest. */
struct known {
        struct digest identity; /* the map's key */
        struct digest keys[KEYS_KEPT];
        size_t key_count; /* ever */
        int64_t not_after_s;
        char name[NAME_MAX_BYTES];
        size_t name_len;
        bool ambiguous; /* it came in by pins of two names: nobody can say whose renewal it is */
        struct known *newer, *older;
};

struct renewals {
        struct map by_identity;
        struct known *newest, *oldest;
};

struct renewals *renewals_new(void)
{
        return NEW(struct renewals);
}

void renewals_free(struct renewals *renewals)
{
        if (!renewals)
                return;
        for (struct known *at = renewals->newest; at;) {
                struct known *gone = at;
                at = at->older;
                free(gone);
        }
        map_done(&renewals->by_identity);
        free(renewals);
}

static struct slice key_of(const struct digest *identity)
{
        return slice_from(identity->bytes, DIGEST_BYTES);
}

static void unlink_known(struct renewals *renewals, struct known *known)
{
        *(known->newer ? &known->newer->older : &renewals->newest) = known->older;
        *(known->older ? &known->older->newer : &renewals->oldest) = known->newer;
}

static void link_newest(struct renewals *renewals, struct known *known)
{
        known->newer = NULL;
        known->older = renewals->newest;
        *(known->older ? &known->older->newer : &renewals->oldest) = known;
        renewals->newest = known;
}

static struct known *known_new(struct renewals *renewals, const struct digest *identity)
{
        if (renewals->by_identity.count >= RENEWALS_MAX) {
                struct known *oldest = renewals->oldest;
                unlink_known(renewals, oldest);
                map_remove(&renewals->by_identity, key_of(&oldest->identity));
                free(oldest);
        }
        struct known *known = NEW(struct known);
        known->identity = *identity;
        map_set(&renewals->by_identity, key_of(&known->identity), known);
        link_newest(renewals, known);
        return known;
}

static bool has_key(const struct known *known, const struct digest *key)
{
        size_t kept = known->key_count < KEYS_KEPT ? known->key_count : KEYS_KEPT;
        for (size_t i = 0; i < kept; i++)
                if (digest_equal(&known->keys[i], key))
                        return true;
        return false;
}

static struct slice name_of(const struct known *known)
{
        return slice_from(known->name, known->name_len);
}

static void take_name(struct known *known, struct slice name)
{
        name = slice_sub(name, 0, sizeof(known->name));
        if (known->name_len > 0) {
                known->ambiguous = known->ambiguous || !slice_equal(name_of(known), name);
                return;
        }
        memcpy(known->name, name.data, name.len);
        known->name_len = name.len;
}

void renewals_note(struct renewals *renewals, const struct handshake_facts *facts)
{
        if (!facts->admitted || !facts->verified || facts->pin_name.len == 0 ||
            digest_is_none(&facts->identity))
                return;
        struct known *known = map_find(&renewals->by_identity, key_of(&facts->identity));
        if (!known) {
                known = known_new(renewals, &facts->identity);
        } else {
                unlink_known(renewals, known);
                link_newest(renewals, known);
        }
        take_name(known, facts->pin_name);
        if (!has_key(known, &facts->leaf.spki))
                known->keys[known->key_count++ % KEYS_KEPT] = facts->leaf.spki;
        if (facts->leaf.not_after_s > known->not_after_s)
                known->not_after_s = facts->leaf.not_after_s;
}

/* A key that was let in before is no new one, and a certificate that ends sooner no renewal: both
 * are what an old key looks like once its pin is gone, and nobody is to pin that again. */
struct slice renewals_find(const struct renewals *renewals, const struct handshake_facts *facts)
{
        if ((facts->reason != REASON_NOT_PINNED && facts->report_only != REASON_NOT_PINNED) ||
            digest_is_none(&facts->identity))
                return SLICE_NONE;
        const struct known *known = map_find(&renewals->by_identity, key_of(&facts->identity));
        if (!known || known->ambiguous || has_key(known, &facts->leaf.spki) ||
            facts->leaf.not_after_s < known->not_after_s)
                return SLICE_NONE;
        return name_of(known);
}
