#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_failed(const char *condition, const char *file, int line)
{
        fprintf(stderr, "pingate: bug: %s:%d: %s does not hold\n", file, line, condition);
        abort();
}
