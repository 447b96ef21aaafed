#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The functions themselves, not what error.h tells the analyzer about them. */
#undef error_set
#undef error_set_errno
#undef error_wrap

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
        char noun[sizeof(err->text)];
        va_list args;
        va_start(args, format);
        vsnprintf(noun, sizeof(noun) - 2, format, args);
        va_end(args);
        size_t noun_len = strlen(noun);
        memcpy(noun + noun_len, ": ", 3);
        noun_len += 2;
        size_t room = sizeof(err->text) - 1 - noun_len;
        size_t text_len = strlen(err->text);
        size_t kept = text_len < room ? text_len : room;
        memmove(err->text + noun_len, err->text, kept);
        memcpy(err->text, noun, noun_len);
        err->text[noun_len + kept] = '\0';
        return false;
}
