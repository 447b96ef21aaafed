#include "control/report/report.h"

#include <stdlib.h>

#include "base/memory.h"

struct report {
        struct report_options options;
        const struct translation *translation; /* NULL before the first */
};

struct report *report_open(const struct report_options *options)
{
        struct report *report = NEW(struct report);
        report->options = *options;
        return report;
}

void report_take(struct report *report, const struct translation *translation)
{
        report->translation = translation;
}

void report_heard(struct report *report, enum object_kind kind, struct slice namespace,
                  struct slice name)
{
        (void)report;
        (void)kind;
        (void)namespace;
        (void)name;
}

void report_close(struct report *report)
{
        free(report);
}
