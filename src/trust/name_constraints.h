/* The corners of name constraints (RFC 5280, 4.2.1.10) that OpenSSL leaves open: a certificate for
 * *.example.com stands for a.example.com, too, so an excluded a.example.com must refuse it; and
 * what several CAs' constraints may cost together. */
#pragma once

#include <stdbool.h>

#include <openssl/x509.h>

#include "trust/certificate.h"

enum {
        /* 10 ms. OpenSSL's own bound (2^20) is for one CA and one certificate: seven CAs in a chain
         * of 32 KiB within it cost 100 ms. */
        NAME_COMPARISONS_MAX = 1 << 18,
};

/* Would all names of what was presented, against all constraints in it, stay within the bound?
 * Asked before a path is built; costs nothing where no constraint was presented. others may be
 * NULL. */
bool name_constraints_are_bounded(X509 *leaf, STACK_OF(X509) * others,
                                  char why[static RULE_TEXT_SIZE]);

/* path: from the leaf to the anchor. */
bool wildcard_is_excluded(STACK_OF(X509) * path, char why[static RULE_TEXT_SIZE]);
