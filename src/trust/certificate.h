/* Our own rules on single certificates, which OpenSSL does not have or not by default (design.md
 * 6.5), and their texts for people. Internal to trust/ and to the tools that explain. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "base/digest.h"
#include "base/reason.h"
#include "trust/policy.h"

enum {
        RULE_TEXT_SIZE = 160,
};

/* SHA-256 over the DER of the certificate, and of its SubjectPublicKeyInfo. */
struct digest certificate_digest(X509 *x509);
struct digest certificate_spki_digest(X509 *x509);

/* I9: RSA 2048 to 8192 bits with NULL parameters and an odd exponent from 3 to 64 bits (a larger
 * one buys an attacker milliseconds of our CPU), P-256, P-384 and P-521 as named curves with
 * uncompressed points, Ed25519, Ed448. */
bool key_floor_check(X509_PUBKEY *key, char why[static RULE_TEXT_SIZE]);
/* I9: neither MD5 nor SHA-1 nor DSA. */
bool signature_check(X509 *x509, char why[static RULE_TEXT_SIZE]);
/* I8: what a client's certificate must be. ACCEPTED, MALFORMED or WRONG_USE. */
enum reason leaf_use_check(X509 *leaf, enum key_use use, char why[static RULE_TEXT_SIZE]);
/* What a trust anchor must be, whoever signed it: version 3 with CA:TRUE and, if keyUsage is
 * there, keyCertSign. */
bool anchor_check(X509 *x509, char why[static RULE_TEXT_SIZE]);

/* Unix seconds; a time that does not parse is 0 with false. */
bool asn1_time_unix(const ASN1_TIME *time, int64_t *unix_s);

/* RFC 4514 order, escaped for one line of ASCII and visible UTF-8, cut with "..." where longer. */
const char *name_text(const X509_NAME *name, char *out, size_t size);
const char *serial_text(X509 *x509, char *out, size_t size);
