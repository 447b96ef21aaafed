/* A pin: the SHA-256 by which one client's certificate or key is admitted, with the name that the
 * client then bears, who answers for it, and when it holds. And the text of a pin (design.md 1.4):
 * many spellings in, one canonical spelling out, never a guess. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/slice.h"

enum pin_kind {
        PIN_SPKI,        /* of the leaf's DER SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) */
        PIN_CERTIFICATE, /* of the leaf's whole DER */
        PIN_ISSUER,      /* of the SubjectPublicKeyInfo of a CA on the path that verified (I2) */
        PIN_KIND_COUNT,
};

#define PIN_ALWAYS_FROM  INT64_MIN
#define PIN_ALWAYS_UNTIL INT64_MAX

enum {
        PIN_NAME_MAX = 127,
        PIN_OWNER_MAX = 255,
        PIN_TEXT_SIZE = 65, /* a printed pin with its NUL */
        PIN_HEX_LEN = 2 * DIGEST_BYTES,
        PIN_BASE64_LEN = 44,
};

struct pin {
        enum pin_kind kind;
        struct digest digest;
        struct slice name, owner;      /* empty: none; the builder of a pin set copies them */
        int64_t not_before, not_after; /* it matches while not_before <= now < not_after */
};

/* Accepted: 64 hex digits; 32 colon-separated pairs; 44 characters of base64; 43 of base64url; in
 * front of them `sha256:`, `sha256/`, `sha256//`, `pin-sha256=`, `SHA256 Fingerprint=` or what
 * `openssl dgst` prints. Anything else is an error that names the fault, and says what was probably
 * pasted where that can be told. `expected` only words the error. */
bool pin_text_parse(struct slice text, enum pin_kind expected, struct digest *out,
                    struct error *err);
/* The two commonest spellings alone, 64 hex digits and 44 characters of base64, and no word about
 * what else it may be: a million pins are a million of these. */
bool pin_text_parse_plain(struct slice text, struct digest *out);
/* Base64 for pins of keys, lower-case hex for certificates. Returns out. */
const char *pin_text_print(enum pin_kind kind, const struct digest *digest,
                           char out[static PIN_TEXT_SIZE]);
const char *pin_kind_name(enum pin_kind kind); /* "SPKI hash", … */

/* [A-Za-z0-9][A-Za-z0-9._/@-]{0,126}: it becomes a header's value and a log's field. */
bool pin_name_check(struct slice name, struct error *err);
/* 1 to 255 printable ASCII characters without space: it is shown, never used to decide. */
bool pin_owner_check(struct slice owner, struct error *err);
