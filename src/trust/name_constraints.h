/* The corner of name constraints (RFC 5280, 4.2.1.10) that OpenSSL leaves open: a certificate for
 * *.example.com stands for a.example.com, too, so an excluded a.example.com must refuse it. */
#pragma once

#include <stdbool.h>

#include <openssl/x509.h>

#include "trust/certificate.h"

/* path: from the leaf to the anchor. */
bool wildcard_is_excluded(STACK_OF(X509) * path, char why[static RULE_TEXT_SIZE]);
