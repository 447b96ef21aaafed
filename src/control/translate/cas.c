#include "control/translate/cas.h"

#include "base/must.h"
#include "control/translate/refs.h"
#include "control/translate/sets.h"
#include "control/translate/stages.h"
#include "trust/hash.h"

enum {
        REFS_MAX = 16 /* the largest maxItems of any schema with caCertificateRefs */
};

struct ca_input {
        struct slice id, certificates;
        const struct slice *crls; /* NULL: no key ca.crl */
};

static void fault_note(struct ca_answer *answer, enum ca_fault fault, struct slice message)
{
        if (answer->fault != CAS_RESOLVED)
                return;
        answer->fault = fault;
        answer->message = message;
}

static bool ref_resolve(struct work *w, const struct object *from, const struct object_ref *ref,
                        struct ca_answer *answer, struct ca_input *out)
{
        struct ref_target target = {0};
        switch (data_ref_resolve(w, from, ref, BIT(KIND_SECRET) | BIT(KIND_CONFIG_MAP), &target)) {
        case REF_WRONG_KIND:
                fault_note(answer, CAS_WRONG_KIND,
                           tell(w,
                                "caCertificateRefs: %.*s is not supported, wants a ConfigMap or "
                                "Secret",
                                SLICE_ARG(target.id)));
                return false;
        case REF_NOT_PERMITTED:
                fault_note(answer, CAS_NOT_PERMITTED,
                           tell(w, "caCertificateRefs: no ReferenceGrant permits %.*s",
                                SLICE_ARG(target.id)));
                return false;
        case REF_MISSING:
                fault_note(answer, CAS_INVALID,
                           tell(w, "caCertificateRefs: %.*s %.*s", SLICE_ARG(target.id),
                                SLICE_ARG(target.why)));
                return false;
        case REF_FOUND:
                break;
        }
        const struct slice *certificates = data_find(target.object, "ca.crt");
        if (!certificates) {
                fault_note(
                        answer, CAS_INVALID,
                        tell(w, "caCertificateRefs: %.*s has no key ca.crt", SLICE_ARG(target.id)));
                return false;
        }
        *out = (struct ca_input){target.id, *certificates, data_find(target.object, "ca.crl")};
        return true;
}

static struct digest inputs_digest(const struct ca_input *inputs, size_t count)
{
        struct hasher hasher;
        hasher_init(&hasher, "ca inputs 1");
        for (size_t i = 0; i < count; i++) {
                hasher_bytes(&hasher, inputs[i].certificates);
                hasher_number(&hasher, inputs[i].crls != NULL);
                hasher_bytes(&hasher, inputs[i].crls ? *inputs[i].crls : SLICE_NONE);
        }
        return hasher_done(&hasher);
}

/* A set with a fault in it is built anew each time, as its fault is to be told each time. */
static struct ca_set *set_of_inputs(struct work *w, struct ca_answer *answer,
                                    const struct ca_input *inputs, size_t count)
{
        struct digest digest = inputs_digest(inputs, count);
        struct ca_set *set = ca_set_known(w, &digest);
        if (set)
                return set;
        struct ca_set_builder *builder = ca_set_builder_new(CA_FLOOR_FULL);
        bool faulty = false;
        for (size_t i = 0; i < count; i++) {
                struct error fault = {0};
                if (ca_set_builder_add(builder, inputs[i].certificates, inputs[i].crls, &fault))
                        continue;
                faulty = true;
                fault_note(answer, CAS_INVALID,
                           tell(w, "caCertificateRefs: %.*s: %s", SLICE_ARG(inputs[i].id),
                                fault.text));
        }
        set = ca_set_build(builder);
        if (set && !faulty)
                ca_set_remember(w, &digest, set);
        else if (set)
                vec_push(&w->ca_sets, set);
        return set;
}

void cas_resolve(struct work *w, const struct object *from, const struct object_ref *refs,
                 size_t count, struct ca_answer *out)
{
        struct ca_input inputs[REFS_MAX];
        size_t found = 0;
        must(count <= REFS_MAX);
        *out = (struct ca_answer){0};
        for (size_t i = 0; i < count; i++)
                found += ref_resolve(w, from, &refs[i], out, &inputs[found]);
        if (found > 0)
                out->set = set_of_inputs(w, out, inputs, found);
}
