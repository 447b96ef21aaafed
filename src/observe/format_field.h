/* Fields that several records share. What is not known is left out. */
#pragma once

#include "base/digest.h"
#include "event/address.h"
#include "text/json.h"

void field_known(struct json_writer *w, const char *key, struct slice value);
void field_address(struct json_writer *w, const char *key, const struct event_address *address,
                   bool with_port);
/* In hex, as certificate pins are written. */
void field_digest(struct json_writer *w, const char *key, const struct digest *digest);
/* In base64, as SPKI pins are written. */
void field_spki(struct json_writer *w, const char *key, const struct digest *digest);
