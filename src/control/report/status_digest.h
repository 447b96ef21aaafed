/* A number over all that a status says, so that what was told before is known without a tree or a
 * word from the API server. Keyed per process (base/map.h): it is kept nowhere else. */
#pragma once

#include "control/translate/status.h"

uint64_t status_digest(const struct object_status *status);
