/* Keys and certificates on the client's side of the door: printed for `demo`, checked for `secret`.
 * Nothing here is used by the gateway. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"
#include "trust/throwaway.h"

bool pki_print_certificate(const struct throwaway *identity, struct buffer *pem);
bool pki_print_key(const struct throwaway *identity, struct buffer *pem);
/* Base64 of SHA-256 of the DER SubjectPublicKeyInfo. */
bool pki_print_spki(const struct throwaway *identity, struct buffer *out);

/* The first certificate of `certificates` holds the public half of the one key in `key`; every PEM
 * block is what its file claims. Errors say which of the two is wrong. */
bool pki_check_pair(struct slice certificates, struct slice key, struct error *err);
