#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
        if (!err)
                return false;
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        return false;
}

bool error_set_errno(struct error *err, const char *format, ...)
{
        int saved = errno;
        if (!err)
                return false;
        va_list args;
        va_start(args, format);
        err->code = ERROR_SYSTEM;
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
        size_t len = strlen(err->text);
        char reason[128];
        snprintf(err->text + len, sizeof(err->text) - len, ": %s",
                 strerror_r(saved, reason, sizeof(reason)));
        return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
        if (!err)
                return false;
        char noun[512];
        va_list args;
        va_start(args, format);
        vsnprintf(noun, sizeof(noun), format, args);
        va_end(args);
        char whole[sizeof(err->text)];
        int len = snprintf(whole, sizeof(whole), "%s: ", noun);
        snprintf(whole + len, sizeof(whole) - (size_t)len, "%s", err->text);
        memcpy(err->text, whole, sizeof(whole));
        return false;
}
