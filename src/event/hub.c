#include "event/hub.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/must.h"

int64_t event_now_ms(void)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct event_sink *sink_new(struct event_hub *hub, size_t index,
                                   const struct event_hub_options *options)
{
        struct event_sink *sink = aligned_alloc(64, sizeof(*sink));
        must(sink != NULL);
        *sink = (struct event_sink){.hub = hub, .index = (unsigned)index};
        sink->ring = event_ring_new(options->ring_slots ? options->ring_slots : EVENT_RING_SLOTS);
        sink->accepts =
                event_ring_new(options->accept_slots ? options->accept_slots : EVENT_ACCEPT_SLOTS);
        return sink;
}

struct event_hub *event_hub_new(const struct event_hub_options *options, struct error *err)
{
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0) {
                error_set_errno(err, "eventfd");
                return NULL;
        }
        struct event_hub *hub = NEW(struct event_hub);
        hub->fd = fd;
        hub->sink_count = options->workers + 1;
        hub->sinks = memory_new(hub->sink_count * sizeof(struct event_sink *));
        for (size_t i = 0; i < hub->sink_count; i++)
                hub->sinks[i] = sink_new(hub, i, options);
        return hub;
}

void event_hub_free(struct event_hub *hub)
{
        if (!hub)
                return;
        for (size_t i = 0; i < hub->sink_count; i++) {
                event_ring_free(hub->sinks[i]->ring);
                event_ring_free(hub->sinks[i]->accepts);
                free(hub->sinks[i]);
        }
        free(hub->sinks);
        close(hub->fd);
        free(hub);
}

size_t event_hub_workers(const struct event_hub *hub)
{
        return hub->sink_count - 1;
}

struct event_sink *event_hub_sink(struct event_hub *hub, size_t index)
{
        must(index < hub->sink_count);
        return hub->sinks[index];
}

struct event_sink *event_hub_control(struct event_hub *hub)
{
        return hub->sinks[hub->sink_count - 1];
}

struct worker_counters *event_sink_counters(struct event_sink *sink)
{
        return &sink->counters;
}

const struct worker_counters *event_hub_counters(const struct event_hub *hub, size_t index)
{
        must(index < hub->sink_count);
        return &hub->sinks[index]->counters;
}

struct event_ring *event_hub_ring(struct event_hub *hub, size_t sink, bool accepts)
{
        must(sink < hub->sink_count);
        return accepts ? hub->sinks[sink]->accepts : hub->sinks[sink]->ring;
}

int event_hub_fd(const struct event_hub *hub)
{
        return hub->fd;
}

/* The order that both sides must keep: the consumer says "asleep", then looks at the rings once
 * more; a producer commits, then asks "asleep?". The fences make one of the two see the other. */
bool event_hub_sleep(struct event_hub *hub)
{
        uint64_t count;
        ssize_t got = read(hub->fd, &count, sizeof(count));
        (void)got; /* EAGAIN: nobody woke us, a timeout did */
        atomic_store_explicit(&hub->asleep, true, memory_order_seq_cst);
        for (size_t i = 0; i < 2 * hub->sink_count; i++) {
                if (!event_ring_is_empty(event_hub_ring(hub, i / 2, i % 2))) {
                        atomic_store_explicit(&hub->asleep, false, memory_order_seq_cst);
                        return false;
                }
        }
        return true;
}

void event_hub_wake(struct event_hub *hub)
{
        /* A plain look first: under load the consumer is awake and no line is taken from it. */
        if (!atomic_load_explicit(&hub->asleep, memory_order_seq_cst))
                return;
        if (!atomic_exchange_explicit(&hub->asleep, false, memory_order_seq_cst))
                return;
        uint64_t one = 1;
        ssize_t put = write(hub->fd, &one, sizeof(one));
        (void)put; /* it can't be full: it was read before "asleep" was said */
}
