/* Listener certificateRefs to certificates and keys that belong together, each Secret once. */
#include "base/must.h"
#include "control/translate/stages.h"
#include "control/translate/refs.h"
#include "trust/hash.h"
#include "trust/key_pair.h"
#include "trust/private_key.h"

static struct digest texts_digest(struct slice chain, struct slice key)
{
        struct hasher hasher;
        hasher_init(&hasher, "server_certificate texts 1");
        hasher_bytes(&hasher, chain);
        hasher_bytes(&hasher, key);
        return hasher_done(&hasher);
}

/* A change of one route changes no key, and to read one is dear. */
static const struct server_certificate *former_find(struct work *w, struct slice source,
                                                    const struct digest *inputs)
{
        const struct translation *previous = w->request->previous;
        if (!previous)
                return NULL;
        const struct snapshot *snapshot = previous->snapshot;
        if (w->former_certificates.count == 0)
                for (size_t i = 0; i < snapshot->certificate_count; i++)
                        map_set(&w->former_certificates, snapshot->certificates[i]->source,
                                (void *)(uintptr_t)snapshot->certificates[i]);
        const struct server_certificate *former = map_find(&w->former_certificates, source);
        return former && memcmp(&former->inputs, inputs, sizeof(*inputs)) == 0 ? former : NULL;
}

static struct server_certificate *certificate_read(struct work *w, struct slice source,
                                                   struct slice chain, struct slice key,
                                                   struct error *err)
{
        struct digest inputs = texts_digest(chain, key);
        const struct server_certificate *former = former_find(w, source, &inputs);
        if (!former && !w->key_reader)
                w->key_reader = key_reader_new();
        struct key_pair *pair = former ? key_pair_ref(former->pair)
                                       : key_pair_parse(chain, key, w->key_reader, err);
        if (!pair)
                return NULL;
        struct server_certificate *certificate = ARENA_NEW(w->frozen, struct server_certificate);
        *certificate = (struct server_certificate){.source = freeze(w, source),
                                                   .pair = pair,
                                                   .digest = pair->digest,
                                                   .inputs = inputs,
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
