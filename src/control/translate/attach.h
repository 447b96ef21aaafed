/* From parentRefs to listeners. Private to translate/. */
#pragma once

#include "control/translate/work.h"

/* How far a parentRef came; the last gate passed gives the reason. */
enum attach_step {
        ATTACH_NO_LISTENER,
        ATTACH_NOT_ALLOWED,
        ATTACH_NO_HOSTNAME,
        ATTACH_RIVAL, /* see route_work.rival */
        ATTACH_WAITS, /* for the rival to go: accepted, and without connections */
        ATTACHED,
};
struct parent_place parent_find(struct work *w, const struct route_object *route,
                                const struct parent_ref *parent);
enum attach_step parent_attach(struct work *w, struct route_work *route,
                               const struct parent_ref *parent, const struct parent_place *place);
