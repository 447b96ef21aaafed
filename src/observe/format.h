/* Events as text: JSON lines for the logs, one line for people on standard error. Pure. All text
 * that came from outside is escaped by the writers of text/. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "event/event.h"

/* Appends one JSON object without a line end. False when the buffer's maximum is reached; it is
 * then as before. The access log uses OpenTelemetry's attribute names. */
bool format_json(const struct event *event, struct buffer *out);
/* What a ring or a log has lost: {"event":"gap",…}. `what`: "admissions", "records", "lines". */
bool format_gap(int64_t time_ms, int sink, const char *what, uint64_t lost, struct buffer *out);
/* "pingate: …" without a line end, for events that go to EVENT_LOG_LIFE. */
bool format_people(const struct event *event, struct buffer *out);
/* Was somebody refused, or would a ReportOnly policy have refused? */
bool event_is_refusal(const struct event *event);
bool event_is_would_refuse(const struct event *event);
/* One of those in the words of the audit log: a handshake is as above, a request says whose it was
 * and what refused it. */
bool format_refusal(const struct event *event, struct buffer *out);
/* The line of a pin set that would admit the client; false where no pin would. */
bool format_pin_line(const struct event *refusal, struct buffer *out);
