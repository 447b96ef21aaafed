/* The demo's backend: a thread that answers every HTTP/1.1 request with the identity headers that
 * it was sent, and counts them. Few connections are all that the demo needs. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct demo_backend;

struct demo_backend *demo_backend_start(struct error *err); /* on 127.0.0.1 */
int demo_backend_port(const struct demo_backend *backend);
unsigned demo_backend_requests(const struct demo_backend *backend); /* answered so far */
void demo_backend_stop(struct demo_backend *backend);
