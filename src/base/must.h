/* A bug, not an input: must(condition) ends the process, in every build.
 * Never use it on a value that came from outside: no input ends the process (I38). */
#pragma once

#include <stdnoreturn.h>

noreturn void must_failed(const char *condition, const char *file, int line);

#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))
