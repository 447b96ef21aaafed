#include "tidy/findings.h"

#include <stdarg.h>

void findings_add(struct findings *findings, const char *path, size_t line, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        fprintf(findings->out, "%s:%zu: ", path, line);
        vfprintf(findings->out, format, args);
        fputc('\n', findings->out);
        va_end(args);
        findings->count++;
}
