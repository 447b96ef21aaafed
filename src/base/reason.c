#include "base/reason.h"

#include "base/must.h"

struct reason_row {
        const char *token;
        const char *says;
        int alert;
};

static const struct reason_row reason_rows[] = {
#define REASON(name, token, alert, says) [REASON_##name] = {token, says, alert},
#include "base/reason.def"
#undef REASON
};

static const struct reason_row *row_of(enum reason reason)
{
        must((unsigned)reason < REASON_COUNT);
        return &reason_rows[reason];
}

const char *reason_token(enum reason reason)
{
        return row_of(reason)->token;
}

const char *reason_says(enum reason reason)
{
        return row_of(reason)->says;
}

int reason_alert(enum reason reason)
{
        return row_of(reason)->alert;
}
