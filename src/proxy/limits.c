#include "proxy/limits.h"

struct limits limits_default(void)
{
        return (struct limits){
#define LIMIT(field, name, standard, least, says) .field = standard,
#include "proxy/limits.def"
#undef LIMIT
        };
}

bool limits_set(struct limits *limits, struct slice setting, struct error *err)
{
        const uint64_t max = UINT64_C(1) << 40;
        struct slice name, value = setting;
        uint64_t number;
        if (!slice_split(&value, '=', &name) || !slice_to_u64(value, max, &number))
                return error_set(err, ERROR_USAGE, "--limit %.*s: wants NAME=NUMBER",
                                 SLICE_ARG(setting));
#define LIMIT(field, text, standard, least, says)                                                  \
        if (slice_is(name, text)) {                                                                \
                if (number + 1 <= least)                                                           \
                        return error_set(err, ERROR_USAGE,                                         \
                                         "--limit %s: %llu is too small, at least %d", text,       \
                                         (unsigned long long)number, least);                       \
                limits->field = number;                                                            \
                return true;                                                                       \
        }
#include "proxy/limits.def"
#undef LIMIT
        return error_set(err, ERROR_USAGE, "--limit %.*s: no such limit (run --help lists them)",
                         SLICE_ARG(name));
}

const char *limits_help(void)
{
        return "limits (--limit NAME=VALUE):\n"
#define LIMIT(field, name, standard, least, says) "  " name " (" #standard "): " says "\n"
#include "proxy/limits.def"
#undef LIMIT
                ;
}
