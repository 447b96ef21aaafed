/* `pingate learn`: from what a running gateway has refused, pins for a person to review. learn.c
 * reads the sources, learn_records.c makes clients of records, learn_name.c names them,
 * learn_print.c prints. One thread; all of it lives in one arena.
 *
 * Only certificates whose path verified are proposed. All text in a record may come from whoever
 * made the certificate (I13): it is printed escaped, within comments, and becomes a name only by
 * being reduced to a name's characters. Nothing is applied; an empty list admits nobody. */
#pragma once

#include <stdio.h>

#include "base/digest.h"
#include "base/map.h"
#include "base/vec.h"
#include "event/address.h"
#include "text/time.h"
#include "text/tree.h"
#include "trust/pin.h"

enum {
        LEARN_PROPOSED_MAX = 10000,
        LEARN_OTHERS_MAX = 1000,  /* kept apart: nobody untrusted can crowd out who is proposed */
        LEARN_NAMES_MAX = 100000, /* of admitted clients */
        LEARN_TEXT_MAX = 512,     /* of a field, escaped only when printed */
};

/* A key (or certificate) that one scope refused. */
struct learn_client {
        struct digest spki, certificate;
        struct slice subject, issuer, serial; /* as first seen */
        struct slice reason, scope, gateway, renewal_of;
        char first[TIME_SIZE], last[TIME_SIZE], peer[EVENT_ADDRESS_SIZE];
        uint64_t count;
        bool cut;         /* a text was: its subject is no identity */
        bool report_only; /* it was let in */
        bool admitted;    /* since: there is nothing to propose */
        struct slice name;
        struct slice name_note;           /* why it is called so; empty: by its common name */
        struct learn_client *same_digest; /* refused by another scope too */
};

struct learner {
        struct arena arena, scratch; /* scratch: of one record */
        bool certificates;           /* pin whole certificates */
        struct slice gateway;        /* "namespace/name": only what it said; empty: all */
        struct map by_key;           /* of both lists */
        struct map by_digest;        /* of the proposed */
        VEC(struct learn_client *) proposed, others;
        struct map denied;          /* digests that a deny entry matched: never proposed */
        struct map name_of_subject; /* of admitted clients: subject and issuer to pin name */
        struct map given_names;     /* the same of proposed ones */
        struct map subject_of_name; /* who bears a name, for none to get another's */
        struct map next_suffix;     /* of a name that several subjects would bear */
        size_t proposed_dropped, others_dropped, unverified, unreadable;
};

void learner_init(struct learner *learner);
void learner_done(struct learner *learner);
/* One record of the audit log, or of /refusals. Records of other events say nothing. */
void learn_record(struct learner *learner, const struct node *record);
/* Sorts, takes out who is denied, and gives names. Once, when all records are in. */
void learn_settle(struct learner *learner);
/* Names of clients that are sorted by subject. */
void learn_names(struct learner *learner);
/* "CN=acme robot,O=x" to "acme-robot"; a name that pin_name_check takes, whatever the subject. */
struct slice learn_name_of(struct arena *arena, struct slice subject, const struct digest *spki);
void learn_print(const struct learner *learner, FILE *out);
