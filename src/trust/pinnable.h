/* What a person wants pinned: a certificate, a request for one or a public key, with both digests
 * and the rules of the judge that it would break. For tools; the data plane never calls it. Nothing
 * here is verified: whoever pins it says that it is the right one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/reason.h"
#include "base/slice.h"
#include "trust/certificate.h"

enum pinnable_kind {
        PINNABLE_CERTIFICATE,
        PINNABLE_REQUEST, /* a CSR (PKCS#10): its key can be pinned before the certificate exists */
        PINNABLE_PUBLIC_KEY, /* a SubjectPublicKeyInfo */
};

enum {
        PINNABLE_FAULTS_MAX = 8,
        PINNABLE_NAME_SIZE = 256,
        PINNABLE_SERIAL_SIZE = 48,
};

/* A rule that it breaks, as the judge would say it. */
struct pinnable_fault {
        enum reason reason;
        char text[RULE_TEXT_SIZE];
};

struct pinnable {
        enum pinnable_kind kind;
        const char *form; /* "PEM", "DER", "PKCS#12" */
        struct digest spki;
        struct digest certificate; /* none but for a certificate */
        /* Escaped for one line. Empty where the kind has no such thing. */
        char subject[PINNABLE_NAME_SIZE], issuer[PINNABLE_NAME_SIZE], serial[PINNABLE_SERIAL_SIZE];
        int64_t not_before, not_after; /* Unix seconds, of a certificate */
        size_t others;                 /* certificates behind the first: they are not pinned */
        size_t fault_count;            /* 0: a port with the right CA would let it in */
        struct pinnable_fault faults[PINNABLE_FAULTS_MAX];
};

/* PEM, DER or PKCS#12 without a password; the first thing in it that can be pinned. Private keys
 * are skipped. Errors say what it was instead. */
bool pinnable_parse(struct slice bytes, int64_t now, struct pinnable *out, struct error *err);
const char *pinnable_kind_name(enum pinnable_kind kind); /* "certificate", … */
