/* The Prometheus text exposition format (version 0.0.4), line by line. What comes from outside
 * becomes a label's value by metric_label alone, which escapes it; all else is a literal of ours.
 * Each returns false when the buffer's maximum is reached. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* Opens a family; its samples follow at once. `help` is a sentence in plain ASCII. */
bool metric_head(struct buffer *out, const char *metric, const char *type, const char *help);
/* `labels`: `a="b",c="d"`, or empty. */
bool metric_sample(struct buffer *out, const char *metric, struct slice labels, uint64_t value);
bool metric_gauge(struct buffer *out, const char *metric, const char *help, uint64_t value);
/* A gauge of its own that is a moment in Unix time; without samples where it is 0. */
bool metric_time(struct buffer *out, const char *metric, const char *help, int64_t unix_ms);
/* Seconds with a fraction: a moment among others of its family. */
bool metric_seconds(struct buffer *out, const char *metric, struct slice labels, int64_t unix_ms);

/* Appends `name="value"`, with a comma in front unless it is the first. Any bytes: what is not
 * visible UTF-8 becomes U+FFFD, so a value is one line and turns no text around. */
bool metric_label(struct buffer *labels, const char *name, struct slice value);
