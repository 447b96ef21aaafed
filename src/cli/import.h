/* `pingate import`: what Istio and Envoy Gateway say about client certificates, as our own objects.
 * import_istio.c and import_envoy.c read documents into the values below, import_build.c makes
 * Gateways of them, import.c prints. One thread; all of it lives in one arena.
 *
 * Nobody may come in here who was kept out there. A restriction that has no equivalent leaves its
 * port without pins under require-pinning, which refuses everybody until a person has decided; what
 * can't be told apart at all is left out. Both are said, never passed over. */
#pragma once

#include "base/vec.h"
#include "text/tree.h"
#include "trust/pin.h"

enum { /* what one input may make us keep; listeners: of a Gateway, as its schema has it */
        IMPORT_NOTES_MAX = 10000,
        IMPORT_TARGETS_MAX = 10000,
        IMPORT_LISTENERS_MAX = 64,
};

enum import_weight {
        IMPORT_SAID,          /* a comment in the output, no more */
        IMPORT_NO_EQUIVALENT, /* standard error too, and exit code 1 */
        IMPORT_REFUSED,       /* the same: what it stood for is not in the output */
};

struct import_note {
        enum import_weight weight;
        struct slice text; /* with whatever the input said in it: escaped when printed */
};

/* Who may come in by a TLS listener. */
struct import_validation {
        bool fallback;      /* AllowInsecureFallback: the source lets in who shows nothing */
        bool pins_demanded; /* even if not one of them can be read */
        bool restricted;    /* something narrowed access there that can't be said here */
        bool forwards_xfcc; /* backends are to get X-Forwarded-Client-Cert */
        struct node *cas;   /* caCertificateRefs, at least one */
        struct pin *pins;   /* sorted, each once */
        size_t pin_count, spki_count;
};

struct import_listener {
        const struct node *source; /* where complaints point to */
        struct slice name, hostname;
        int64_t port;
        bool https;
        struct node *certificate_refs;        /* NULL: none */
        struct import_validation *validation; /* NULL: no certificate is asked for */
        bool left_out;
        bool by_policy; /* its port has listeners with other pins */
        bool has_policy;
};

struct import_gateway {
        const struct node *source;
        struct slice namespace, name; /* namespace empty: not said */
        const struct node *upstream;  /* a Gateway of Gateway API in the input: it is kept */
        bool refused;                 /* it was said why */
        bool fragment;                /* no listeners are known: print what to merge into it */
        struct slice address;         /* to bind; empty: all */
        struct import_validation *by_default; /* of a fragment */
        VEC(struct import_listener) listeners;
};

/* A ClientTrafficPolicy on one of its targets. */
struct import_target {
        const struct node *node;
        struct slice namespace, name, section;
        struct import_validation *validation; /* NULL: the policy has none */
};

struct import_document {
        const struct import_gateway *owner; /* all of its documents are printed, or none */
        struct node *root;
        struct slice comment; /* lines that start with '#', above it */
        bool whole;           /* an object by itself, that a gateway would accept */
};

/* A ConfigMap for CAs that the source keeps where we can't look: empty, so that its port refuses
 * everybody until it is filled. */
struct import_ca {
        struct slice namespace, name, certificates_from, crls_from;
};

struct importer {
        struct arena arena;
        bool ignores_names; /* --ignore-subject-alt-names */
        VEC(const struct node *) documents;
        VEC(struct import_note) notes;
        size_t notes_dropped; /* beyond IMPORT_NOTES_MAX */
        VEC(struct import_gateway *) gateways;
        VEC(struct import_target) targets;
        VEC(struct import_ca) cas;
        VEC(struct import_document) out;
        size_t understood; /* documents of a kind that import reads */
};

/* The sources: each takes its own documents out of im->documents. */
void import_istio(struct importer *im);
void import_envoy(struct importer *im);
/* im->gateways to im->out. */
void import_build(struct importer *im);
