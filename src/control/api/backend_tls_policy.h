/* BackendTLSPolicy, decoded: which Services are spoken to by TLS, and whom they must prove to be.
 * What it refers to is looked up by translate, its options are read there (a bad pin refuses
 * requests, and not the file). A policy that trusts no CA is well-formed: nothing goes to its
 * Services. */
#pragma once

#include "control/api/gateway.h"

#define OPTION_SPKI_HASHES        "pingate.dev/spki-hashes"
#define OPTION_CERTIFICATE_HASHES "pingate.dev/certificate-hashes"

struct backend_target {
        const struct node *node;
        struct slice group, kind, name;
        struct slice section_name; /* the name of a Service's port; empty: all of its ports */
};

enum subject_alt_name_type { /* as its words stand in the table of backend_tls_policy.c */
        SAN_HOSTNAME,
        SAN_URI,
};

struct subject_alt_name {
        const struct node *node;
        enum subject_alt_name_type type;
        struct slice hostname, uri; /* the one that `type` says; the other is empty */
};

struct backend_tls_policy {
        struct object object;
        LIST(struct backend_target) targets;
        LIST(struct object_ref) ca_refs; /* local; empty: well_known is there */
        struct slice well_known;         /* wellKnownCACertificates; empty: ca_refs are there */
        struct slice hostname;           /* the server name, and what a certificate must bear… */
        LIST(struct subject_alt_name) alt_names; /* …unless these stand in for it */
        struct text_map options;
};
