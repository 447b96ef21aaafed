/* What a plain YAML scalar is by the core schema of YAML 1.2.2 (10.3.2). Shared by the reader and
 * the printer, so that what is printed plain reads back as what it was. */
#pragma once

#include "text/tree.h"

/* Sets kind, boolean and integer from node->text. Integers beyond int64_t become NODE_FLOAT, whose
 * text says them in full. */
void scalar_resolve(struct node *node);
/* A plain scalar of this text would be a string to us, and no reader of YAML 1.1 or 1.2 would take
 * it for anything else. */
bool scalar_is_plain_string(struct slice text);
