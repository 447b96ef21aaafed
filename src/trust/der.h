/* Is it DER (X.690, 10 and 11)? OpenSSL parses BER and prints DER, so a digest over what it prints
 * could differ from one over what was received. Walks the whole tree of a certificate; what stands
 * inside OCTET and BIT STRINGs is opaque. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* One element that fills `bytes`, and nothing behind it. */
bool der_check(struct slice bytes);
