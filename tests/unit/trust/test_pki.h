/* Real certificates for tests, made with OpenSSL: a spec says what is unusual about one, the rest
 * is as it should be. Everything is freed by pki_done. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "base/slice.h"

#define PKI_NOW 1800000000 /* 2027-01-15, the tests' clock */

struct pki_spec {
        const char *subject; /* its commonName; NULL: "client" */
        const char *key;     /* "P-256" (default), "P-384", "secp256k1", "RSA:1024", "DSA",
                                "ED25519", "ED448", "X25519", "RSA-PSS" */
        EVP_PKEY *with_key;  /* instead of a new one */
        const char *md;      /* NULL: SHA256 */
        int64_t not_before, not_after; /* 0: a year around PKI_NOW */
        bool ca;                       /* basicConstraints CA:TRUE, keyCertSign, cRLSign */
        bool no_eku, no_ski, no_aki, v1;
        const char *eku;       /* NULL: clientAuth (leaves only) */
        const char *key_usage; /* NULL: digitalSignature, or the CA's */
        const char *san, *name_constraints, *policy_constraints;
        const char *policies, *policy_mappings;
        long serial; /* 0: counted up */
};

struct pki_cert {
        X509 *x509;
        EVP_PKEY *key;
};

/* issuer NULL: self-signed. The certificate belongs to the PKI. */
struct pki_cert pki_make(const struct pki_cert *issuer, const struct pki_spec *spec);
/* A CRL of the issuer that revokes the serials; times 0: a day around PKI_NOW. */
X509_CRL *pki_crl(const struct pki_cert *issuer, const long *serials, size_t count,
                  int64_t last_update, int64_t next_update);
struct slice pki_pem(X509 *x509);
struct slice pki_crl_pem(X509_CRL *crl);
struct slice pki_join(struct slice a, struct slice b);
STACK_OF(X509) * pki_stack(size_t count, ...); /* of X509 *; borrowed */
void pki_done(void);
