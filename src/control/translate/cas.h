/* caCertificateRefs to one frozen CA set, of clients and of backends alike. */
#pragma once

#include "control/translate/work.h"
#include "trust/ca_set.h"

enum ca_fault {
        CAS_RESOLVED,
        CAS_WRONG_KIND,
        CAS_NOT_PERMITTED,
        CAS_INVALID, /* missing, without the key ca.crt, or with something that is no CA */
};

struct ca_answer {
        struct ca_set *set; /* of what is usable; the cache or w->ca_sets holds it; NULL: nothing */
        enum ca_fault fault;  /* the first */
        struct slice message; /* of a fault: which and why */
};

/* refs: at most 16. The key ca.crl beside ca.crt switches revocation on. */
void cas_resolve(struct work *w, const struct object *from, const struct object_ref *refs,
                 size_t count, struct ca_answer *out);
