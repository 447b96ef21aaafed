/* The CAs that a port trusts and their CRLs, frozen. Built by translate from ca.crt and ca.crl of
 * each reference, held by snapshots, read by every worker. Never the system's trust store (I39).
 *
 * Every CA:TRUE certificate is an anchor (RFC 5280, 6.1.1 d): an issuing CA alone works. Anchors
 * are judged when they come in (key floor, signature-bearing keyUsage, basicConstraints), because
 * OpenSSL looks at an anchor hardly at all; their validity in time is judged with each client.
 * Revocation is on for the whole set as soon as one reference brings CRLs: then every issuer on
 * every path needs a current one (I12).
 * A set without anchors does not exist: a policy then has none, and admits nobody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/slice.h"

struct ca_set;
struct ca_set_builder;

enum {
        CA_ANCHORS_MAX = 4096,
        CA_CRLS_MAX = 4096,
};

/* What the certificates themselves must be like. */
enum ca_floor {
        CA_FLOOR_FULL,  /* the key floor of I9: what a gateway uses */
        CA_FLOOR_CHAIN, /* none: `explain --profile chain` */
};

struct ca_set_builder *ca_set_builder_new(enum ca_floor floor);
void ca_set_builder_free(struct ca_set_builder *builder);
/* One reference, all of it or nothing. crl: NULL when the key ca.crl is absent; present but empty
 * is an error. Errors name the certificate or CRL by number and subject. A CRL of a CA in the same
 * reference must bear its signature, which is verified here, once per generation. */
bool ca_set_builder_add(struct ca_set_builder *builder, struct slice ca_pem,
                        const struct slice *crl_pem, struct error *err);
/* The frozen set with one reference, or NULL when no anchor came in; the builder is gone. */
struct ca_set *ca_set_build(struct ca_set_builder *builder);

struct ca_set *ca_set_ref(struct ca_set *set);
void ca_set_unref(struct ca_set *set); /* NULL is fine */

size_t ca_set_anchor_count(const struct ca_set *set);
X509 *ca_set_anchor(const struct ca_set *set, size_t index); /* the set's own */
const struct digest *ca_set_anchor_digest(const struct ca_set *set, size_t index);
bool ca_set_has_anchor(const struct ca_set *set, const struct digest *certificate);
size_t ca_set_crl_count(const struct ca_set *set);
X509_CRL *ca_set_crl(const struct ca_set *set, size_t index); /* the set's own */
/* Unix seconds: an anchor's notAfter, a CRL's nextUpdate; INT64_MAX: it says none. */
int64_t ca_set_anchor_not_after(const struct ca_set *set, size_t index);
int64_t ca_set_crl_next_update(const struct ca_set *set, size_t index);
/* Of the anchors, in an order of its own. */
const struct digest *ca_set_digest(const struct ca_set *set);
/* Of the CRLs; none (all zero) without revocation. */
const struct digest *ca_set_crl_digest(const struct ca_set *set);
