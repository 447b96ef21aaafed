#include "proxy/upstream/tasks.h"

#include "base/must.h"

void task_cancel(struct task_queue *queue, struct task *task)
{
        if (!task->link)
                return;
        *task->link = task->next;
        if (task->next)
                task->next->link = task->link;
        if (queue->last == &task->next)
                queue->last = task->link;
        task->next = NULL;
        task->link = NULL;
        if (!queue->first)
                uv_idle_stop(&queue->idle);
}

static void run_all(struct task_queue *queue)
{
        /* What tasks queue is for the next turn: nothing may keep the loop here for ever. */
        struct task marker = {0};
        if (!queue->first)
                return;
        *queue->last = &marker;
        marker.link = queue->last;
        queue->last = &marker.next;
        while (queue->first && queue->first != &marker) {
                struct task *task = queue->first;
                task_cancel(queue, task);
                task->on_run(task);
        }
        task_cancel(queue, &marker);
}

static void on_check(uv_check_t *check)
{
        run_all(check->data);
}

static void on_idle(uv_idle_t *idle)
{
        (void)idle; /* being active is all it is for */
}

void task_queue_init(struct task_queue *queue, uv_loop_t *loop)
{
        queue->first = NULL;
        queue->last = &queue->first;
        must(uv_check_init(loop, &queue->check) == 0 && uv_idle_init(loop, &queue->idle) == 0);
        queue->check.data = queue;
        queue->idle.data = queue;
        must(uv_check_start(&queue->check, on_check) == 0);
        uv_unref((uv_handle_t *)&queue->check); /* it alone keeps no loop alive */
}

void task_queue_close(struct task_queue *queue, uv_close_cb on_closed)
{
        while (queue->first)
                task_cancel(queue, queue->first);
        uv_close((uv_handle_t *)&queue->check, on_closed);
        uv_close((uv_handle_t *)&queue->idle, on_closed);
}

void task_queue_put(struct task_queue *queue, struct task *task, on_task_fn on_run)
{
        if (task->link)
                return;
        task->on_run = on_run;
        task->next = NULL;
        task->link = queue->last;
        *queue->last = task;
        queue->last = &task->next;
        must(uv_idle_start(&queue->idle, on_idle) == 0);
}
