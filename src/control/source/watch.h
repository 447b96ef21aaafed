/* Tells when configuration files have changed and come to rest. On the control thread's loop.
 *
 * What counts is what stat says (followed through symbolic links, so a Kubernetes volume's ..data
 * swap counts), looked at every 250 ms; the kernel's events make the look come sooner, for they do
 * not cross every file system. A change is told once two looks 50 ms apart agree, or after half a
 * second of unrest: a file that is being written is not read at every byte, and a writer that never
 * rests can't keep a revoked pin in force. Files that were only moved into place are whole: told
 * after 10 ms without an event. */
#pragma once

#include <stddef.h>

#include <uv.h>

#include "control/api/object.h"

struct file_watch;
typedef void (*on_files_changed_fn)(void *self);

/* `paths` must outlive the watch. Open it before the first reading: what changes in between is then
 * told. on_changed never runs before file_watch_open has returned. */
struct file_watch *file_watch_open(uv_loop_t *loop, const char *const *paths, size_t count,
                                   void *self, on_files_changed_fn on_changed);
/* After each reading: also the files beside the paths that it looked at (File pin sets), from what
 * they were when they were read. When a file had only just changed, on_changed runs once more, as
 * stat might not show a second change in the same moment. */
void file_watch_follow(struct file_watch *watch, const struct objects *objects);
/* Memory returns in the loop's close callbacks; on_changed runs no more. NULL is fine. */
void file_watch_close(struct file_watch *watch);
