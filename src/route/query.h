/* The parameters of a query string, read in place: name=value pairs between "&", with percent
 * encoding and "+" for a space (WHATWG URL, application/x-www-form-urlencoded). Private to route/.
 * A broken percent encoding stands for itself. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* The first parameter of that name, still encoded; a repeated one is not looked at
 * (HTTPQueryParamMatch.name). */
bool query_find(struct slice query, struct slice name, struct slice *raw);
bool query_text_equal(struct slice raw, struct slice text); /* raw is encoded, text is not */

enum {
        QUERY_TEXT_MAX = 8 * 1024 /* as long as a target may be */
};
/* False: it is longer than that. */
bool query_text_decode(struct slice raw, char text[static QUERY_TEXT_MAX], size_t *len);
