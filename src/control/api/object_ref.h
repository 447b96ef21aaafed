/* References to Secrets, ConfigMaps and the like, as Gateways and ListenerSets write them
 * (SecretObjectReference, ObjectReference). Defaults are filled in. */
#pragma once

#include "control/api/decode.h"

struct object_ref {
        const struct node *node;
        struct slice group, kind, name;
        struct slice namespace; /* empty: the referrer's own */
};

extern const struct shape object_ref_shape; /* group and kind demanded */
extern const struct shape secret_ref_shape; /* a Secret unless said otherwise */
