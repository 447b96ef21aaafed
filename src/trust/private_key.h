/* A private key of DER. OpenSSL 3.0 asks every decoder it has for each key, 0.6 ms of it; for
 * PKCS#8, which names its algorithm, only those of that one are asked. */
#pragma once

#include <openssl/types.h>

#include "base/slice.h"

/* PKCS#8, PKCS#1 or SEC 1, not encrypted. NULL: it can't be read. The caller's. */
EVP_PKEY *private_key_decode(struct slice der);
