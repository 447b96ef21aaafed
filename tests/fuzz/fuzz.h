/* What every fuzz target gives: one function, called once for each input. It uses must() for what
 * has to hold beyond "does not crash": that a printed value reads back, that a copy is equal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
