/* How a backend is spoken to, in the words of `explain -c`. */
#pragma once

#include <stdio.h>

#include "snapshot/backend.h"
#include "text/json.h"

void explain_backend_print(const struct backend *backend, FILE *out);
/* The fields of it, into the object that is open. */
void explain_backend_write(const struct backend *backend, struct json_writer *w);
