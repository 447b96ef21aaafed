/* A node tree as block YAML: quotes where a plain scalar would mean something else, `|` for text of
 * several lines. Stable (the tree's own order), and yaml_parse reads an equal tree back. Untrusted
 * text is safe to print: control characters and bytes that are not UTF-8 are escaped. */
#pragma once

#include "base/buffer.h"
#include "text/tree.h"

/* Appends one document without `---`. False when the buffer's maximum is reached; the buffer is
 * then as before. */
bool node_print_yaml(const struct node *node, struct buffer *out);
