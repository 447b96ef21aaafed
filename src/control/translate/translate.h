/* From objects to the one compiled form and what each object is told about it: a function of its
 * arguments, without I/O and without a clock, so all of it is tested by golden twins
 * (tests/translate). Called on the control thread. Objects may be freed afterwards.
 *
 * What can't be used narrows (design.md 1.7 c): a CA set, a pin list or a policy with nothing
 * usable admits nobody, and the port stays bound to say so. */
#pragma once

#include "control/api/object.h"
#include "control/translate/services.h"
#include "control/translate/status.h"
#include "snapshot/snapshot.h"

/* Sets and key pairs as they were built, to be taken over by another translation. */
struct set_cache;

struct set_cache *set_cache_new(void);
void set_cache_free(struct set_cache *cache); /* gives its references back; NULL is fine */
/* Decodes a Secret that is to be a key pair, for a translation to come. What it lacks, that one
 * tells. */
void set_cache_prepare(struct set_cache *cache, const struct object *secret);

struct translate_request {
        const struct objects *objects;
        const struct translation
                *previous;                /* parsed sets are taken over from it; NULL: the first */
        const struct set_cache *prepared; /* likewise; NULL: nothing is */
        uint64_t generation;              /* that the snapshot will bear */
        int64_t now;                      /* Unix seconds */
        bool require_pinning;             /* run --require-pinning: as every Gateway's annotation */
        /* run --address-pool: each Gateway has addresses of it, and for itself. NULL: what its spec
         * names, or every address of the machine. */
        const struct address_pool *pool;
        /* Of a cluster: Gateways have Services, and without a pool their addresses. NULL: not so.
         */
        const struct service_plan *services;
};

/* A Secret or ConfigMap that an object refers to and may refer to, whether it is there or not. */
struct wanted_object {
        enum object_kind kind;
        struct slice namespace, name;
};

struct translation {
        struct arena arena;
        struct snapshot *snapshot;           /* sealed; the translation holds one reference */
        LIST(struct object_status) statuses; /* Gateways, routes, policies, classes; by age */
        LIST(struct slice)
        warnings; /* of objects that nothing refers to or that refer to nothing */
        LIST(struct slice) troubles;       /* of the warnings, those for whoever runs the gateway */
        LIST(struct wanted_object) wanted; /* each once */
        LIST(struct wanted_object) missing_pairs; /* of those, key pairs that are not there */
        LIST(struct wanted_service) services;     /* of each Gateway that has one, or should */
        bool good; /* no condition is bad, nothing is broken, no route names a Gateway that nobody
                      has */
        bool slices_broken; /* an EndpointSlice does not decode: the warnings say so */
        struct set_cache *cache;
        /* NULL; else statuses, lists and cache are that one's, and this one holds a reference. */
        struct translation *base;
        unsigned references;
};

/* Never false so far: what can't be had narrows whom it concerns, and a limit of the whole would
 * stop what everybody edits. */
bool translate(const struct translate_request *request, struct translation **out,
               struct error *err);
/* The same of objects that differ from those of `former` in nothing but EndpointSlices: all but the
 * backends is shared with it, whatever else there is. *out is NULL where no backend has other
 * endpoints than before. False: translate has to look at all of it. */
bool translate_endpoints(const struct translate_request *request, struct translation *former,
                         struct translation **out);
void translation_free(struct translation *translation); /* NULL is fine */
