#include "observe/refusals.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "observe/format.h"

enum {
        REFUSAL_BYTES_MAX = 8192
};

/* Each as its JSON text: formatted once, by the thread that has time. */
struct refusals {
        pthread_mutex_t lock;
        char *items[REFUSALS_MAX];
        uint64_t count; /* ever added; the newest is number `count` */
};

struct refusals *refusals_new(void)
{
        struct refusals *refusals = NEW(struct refusals);
        pthread_mutex_init(&refusals->lock, NULL);
        return refusals;
}

void refusals_free(struct refusals *refusals)
{
        if (!refusals)
                return;
        for (size_t i = 0; i < REFUSALS_MAX; i++)
                free(refusals->items[i]);
        pthread_mutex_destroy(&refusals->lock);
        free(refusals);
}

/* The record with the pin line put in before its closing brace. */
static bool print_one(const struct event *event, struct buffer *out)
{
        if (!format_json(event, out))
                return false;
        struct buffer pin;
        buffer_init(&pin, 128);
        bool ok = true;
        if (format_pin_line(&event->handshake, &pin)) {
                out->len--;
                ok = buffer_printf(out, ",\"pin\":\"%.*s\"}", SLICE_ARG(buffer_slice(&pin)));
        }
        buffer_done(&pin);
        return ok;
}

void refusals_add(struct refusals *refusals, const struct event *handshake)
{
        struct buffer text;
        buffer_init(&text, REFUSAL_BYTES_MAX);
        if (print_one(handshake, &text)) {
                char *item = memory_dup(text.data, text.len);
                pthread_mutex_lock(&refusals->lock);
                char **slot = &refusals->items[refusals->count++ % REFUSALS_MAX];
                char *old = *slot;
                *slot = item;
                pthread_mutex_unlock(&refusals->lock);
                free(old);
        }
        buffer_done(&text);
}

bool refusals_print(struct refusals *refusals, uint64_t from, struct buffer *out)
{
        pthread_mutex_lock(&refusals->lock);
        uint64_t count = refusals->count;
        uint64_t oldest = count > REFUSALS_MAX ? count - REFUSALS_MAX + 1 : 1;
        bool ok =
                buffer_printf(out, "{\"next\":%llu,\"refusals\":[", (unsigned long long)count + 1);
        uint64_t first = from > oldest ? from : oldest;
        for (uint64_t n = first; n <= count && ok; n++) {
                ok = (n == first || buffer_append(out, SLICE(","))) &&
                     buffer_append(out, slice_of(refusals->items[(n - 1) % REFUSALS_MAX]));
        }
        pthread_mutex_unlock(&refusals->lock);
        return ok && buffer_append(out, SLICE("]}\n"));
}
