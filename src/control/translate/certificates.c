/* Listener certificateRefs to certificates and keys that belong together, each Secret once. */
#include "base/must.h"
#include "control/translate/stages.h"
#include "control/translate/refs.h"
#include "control/translate/sets.h"
#include "trust/key_pair.h"

static struct server_certificate *certificate_read(struct work *w, struct slice source,
                                                   struct slice chain, struct slice key,
                                                   struct error *err)
{
        struct key_pair *pair = key_pair_shared(w, chain, key, err);
        if (!pair)
                return NULL;
        struct server_certificate *certificate = ARENA_NEW(w->frozen, struct server_certificate);
        *certificate = (struct server_certificate){.source = freeze(w, source),
                                                   .pair = pair,
                                                   .digest = pair->digest,
                                                   .not_after = pair->not_after,
                                                   .names = pair->names,
                                                   .name_count = pair->name_count};
        return certificate;
}

static const struct server_certificate *certificate_build(struct work *w, struct ref_target *target,
                                                          struct error *err)
{
        const struct slice *chain = data_find(target->object, "tls.crt");
        const struct slice *key = data_find(target->object, "tls.key");
        if (!chain || !key) {
                error_set(err, ERROR_INPUT, "has no key %s", chain ? "tls.key" : "tls.crt");
                return NULL;
        }
        struct server_certificate *certificate = certificate_read(w, target->id, *chain, *key, err);
        if (!certificate)
                return NULL;
        vec_push(&w->certificates, certificate);
        map_set(&w->certificate_index, certificate->source, certificate);
        return certificate;
}

static void missing_note(struct work *w, const struct object *referrer,
                         const struct object_ref *ref)
{
        struct slice namespace = ref->namespace.len ? ref->namespace : referrer->namespace;
        struct wanted_object missing = {KIND_SECRET, arena_slice(&w->out->arena, namespace),
                                        arena_slice(&w->out->arena, ref->name)};
        vec_push(&w->missing_pairs, missing);
}

const struct server_certificate *certificate_resolve(struct work *w, const struct object *referrer,
                                                     const struct object_ref *ref,
                                                     const char **reason, struct slice *message)
{
        struct ref_target target = {0};
        struct error fault = {0};
        *reason = "InvalidCertificateRef";
        switch (data_ref_resolve(w, referrer, ref, BIT(KIND_SECRET), &target)) {
        case REF_WRONG_KIND:
                *message = tell(w, "%.*s is not supported, wants a Secret", SLICE_ARG(target.id));
                return NULL;
        case REF_NOT_PERMITTED:
                *reason = "RefNotPermitted";
                *message = tell(w, "no ReferenceGrant permits %.*s", SLICE_ARG(target.id));
                return NULL;
        case REF_MISSING:
                missing_note(w, referrer, ref);
                *message = tell(w, "%.*s %.*s", SLICE_ARG(target.id), SLICE_ARG(target.why));
                return NULL;
        case REF_FOUND:
                break;
        }
        const struct server_certificate *known = map_find(&w->certificate_index, target.id);
        if (!known && !(known = certificate_build(w, &target, &fault)))
                *message = tell(w, "%.*s: %s", SLICE_ARG(target.id), fault.text);
        return known;
}
