/* Who a certificate says its holder is, as one value to compare: SHA-256 over the DER of its
 * subject and of its subjectAltName extension. It lets observe notice that a client came back with
 * a new key. It authorises nobody (I13): the judge never sees it. */
#pragma once

#include <openssl/x509.h>

#include "base/digest.h"

/* None (all zero) where the certificate names nobody: all such would be one. */
struct digest certificate_identity(X509 *leaf);
