/* How `pingate check` shows a translation: one line a condition for people, whole statuses as
 * Kubernetes would have them for machines. */
#pragma once

#include <stdio.h>

#include "control/translate/translate.h"

enum check_form {
        CHECK_TEXT,
        CHECK_JSON,
        CHECK_YAML
};

void check_print(const struct translation *translation, enum check_form form, FILE *out);
