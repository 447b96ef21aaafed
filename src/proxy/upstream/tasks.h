/* What is to be done once the present callback is over, in the same loop turn: this is how results
 * that are known at once still come by callback, never before the call that asked has returned.
 * One queue a worker; a task is embedded in what it acts on and may be cancelled at any time. */
#pragma once

#include <stdbool.h>

#include <uv.h>

struct task;
typedef void (*on_task_fn)(struct task *task);

struct task { /* zeroed means not queued */
        struct task *next, **link;
        on_task_fn on_run;
};

struct task_queue {
        uv_check_t check; /* runs behind polling */
        uv_idle_t idle;   /* active while tasks wait, so that polling does not sleep */
        struct task *first, **last;
};

void task_queue_init(struct task_queue *queue, uv_loop_t *loop);
/* Both handles; memory may go when on_closed has run for each of them. Waiting tasks never run. */
void task_queue_close(struct task_queue *queue, uv_close_cb on_closed);
/* Queues it, unless it is queued already. */
void task_queue_put(struct task_queue *queue, struct task *task, on_task_fn on_run);
void task_cancel(struct task_queue *queue, struct task *task);
