#include "observe/metric_text.h"

#include "text/utf8.h"

static bool series(struct buffer *out, const char *metric, struct slice labels)
{
        if (labels.len == 0)
                return buffer_append(out, slice_of(metric));
        return buffer_printf(out, "%s{%.*s}", metric, SLICE_ARG(labels));
}

bool metric_head(struct buffer *out, const char *metric, const char *type, const char *help)
{
        return buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

bool metric_sample(struct buffer *out, const char *metric, struct slice labels, uint64_t value)
{
        return series(out, metric, labels) &&
               buffer_printf(out, " %llu\n", (unsigned long long)value);
}

bool metric_gauge(struct buffer *out, const char *metric, const char *help, uint64_t value)
{
        return metric_head(out, metric, "gauge", help) &&
               metric_sample(out, metric, SLICE_NONE, value);
}

bool metric_seconds(struct buffer *out, const char *metric, struct slice labels, int64_t unix_ms)
{
        return series(out, metric, labels) && buffer_printf(out, " %.3f\n", (double)unix_ms / 1000);
}

bool metric_time(struct buffer *out, const char *metric, const char *help, int64_t unix_ms)
{
        return metric_head(out, metric, "gauge", help) &&
               (unix_ms == 0 || metric_seconds(out, metric, SLICE_NONE, unix_ms));
}

/* The format knows three escapes and no other. */
static struct slice escaped(struct slice character, uint32_t code)
{
        if (character.len == 0 || (code != '\n' && !utf8_is_visible(code)))
                return SLICE("\xef\xbf\xbd");
        switch (code) {
        case '\n':
                return SLICE("\\n");
        case '"':
                return SLICE("\\\"");
        case '\\':
                return SLICE("\\\\");
        default:
                return character;
        }
}

bool metric_label(struct buffer *labels, const char *name, struct slice value)
{
        if (!buffer_printf(labels, "%s%s=\"", labels->len > 0 ? "," : "", name))
                return false;
        while (value.len > 0) {
                uint32_t code = 0;
                size_t len = utf8_next(value, &code);
                if (!buffer_append(labels, escaped(slice_sub(value, 0, len), code)))
                        return false;
                value = slice_skip(value, len ? len : 1);
        }
        return buffer_append(labels, SLICE("\""));
}
