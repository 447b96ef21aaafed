/* The kernel's events of folders (inotify), on the control thread's loop. They make a look come
 * sooner, and tell one thing that stat can't: whether all that happened is files moved into place,
 * which are whole. Where the kernel has no events to give, nothing is told and nothing was moved.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

struct folder_events;
typedef void (*on_folder_event_fn)(void *self);

struct folder_events *folder_events_open(uv_loop_t *loop, void *self, on_folder_event_fn on_event);
void folder_events_follow(struct folder_events *events, const char *folder);
/* Takes what the kernel has to tell, without on_event. */
void folder_events_drain(struct folder_events *events);
/* Since folder_events_forget files were moved into place, the last one at least `quiet_ms` ago, and
 * no other was written that did not itself move or go. */
bool folder_events_only_moved(const struct folder_events *events, uint64_t quiet_ms);
void folder_events_forget(struct folder_events *events);
/* on_closed: when the loop knows nothing of it any more. */
void folder_events_close(struct folder_events *events, void (*on_closed)(void *self));
