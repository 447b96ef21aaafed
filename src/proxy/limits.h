/* The limits of limits.def as a struct: set by the command line before anything starts, then only
 * read. Nothing is unlimited: each has a least value, and none turns a limit off but
 * connections-per-address, which is off unless set: one address may be many people behind a NAT. */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

struct limits {
#define LIMIT(field, name, standard, least, says) uint64_t field;
#include "proxy/limits.def"
#undef LIMIT
};

struct limits limits_default(void);
/* "NAME=VALUE" from --limit. */
bool limits_set(struct limits *limits, struct slice setting, struct error *err);
/* One line a limit, for --help. */
const char *limits_help(void);
