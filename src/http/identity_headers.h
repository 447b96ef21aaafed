/* The fields that tell a backend who the client is. Built once per connection from its evidence,
 * then handed to request_headers_finish for each request, so h1 and h2 say the same bytes (I26).
 * Built from the verified leaf alone (I25): without `verified` only Pingate-Client-Verify is made.
 * A value over IDENTITY_VALUE_MAX is left out whole, never cut. Text from certificates is escaped;
 * it can't break out of its field (I13). */
#pragma once

#include "base/digest.h"
#include "http/message.h"

enum {
        IDENTITY_VALUE_MAX = 32 * 1024,
};

enum identity_verify {
        IDENTITY_NONE,   /* no certificate was presented */
        IDENTITY_FAILED, /* one was, and let in without identity: AllowInsecureFallback */
        IDENTITY_SUCCESS,
};

enum identity_forward { /* which of the optional fields, ORed */
        IDENTITY_CLIENT_CERT = 1,
        IDENTITY_CLIENT_CERT_CHAIN = 2, /* and the leaf with it (RFC 9440, 2.3) */
        IDENTITY_XFCC = 4,
};

struct identity { /* all slices are the caller's and only read during the call */
        enum identity_verify verify;
        struct slice reason;       /* of FAILED: reason_token() */
        unsigned forward;          /* enum identity_forward */
        struct slice name;         /* of the pin; empty: no Pingate-Client-Name */
        struct slice leaf;         /* DER */
        struct digest leaf_digest; /* its SHA-256 */
        const struct slice *chain; /* DER, the verified path above the leaf without the anchor */
        size_t chain_count;
        struct slice subject;                 /* RFC 2253 text, for X-Forwarded-Client-Cert */
        const struct slice *uris, *dns_names; /* subjectAltName */
        size_t uri_count, dns_name_count;
};

/*   client-cert:             :base64 DER:                      (RFC 9440, 2.2)
 *   client-cert-chain:       :base64:, :base64:                (RFC 9440, 2.3)
 *   x-forwarded-client-cert: Hash=<hex>;Cert="<url-encoded PEM>";Subject="…";URI=…;DNS=…  (Envoy)
 *   pingate-client-name:     the pin's name
 *   pingate-client-verify:   SUCCESS | NONE | FAILED:<reason>
 * out is emptied first and lives in the arena. False: a value was left out as too long. */
bool identity_headers_build(const struct identity *identity, struct arena *arena,
                            struct header_list *out);
