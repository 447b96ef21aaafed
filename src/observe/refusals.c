#include "observe/refusals.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "observe/format.h"

enum {
        REFUSAL_BYTES_MAX = 8192
};

/* One as its JSON text: formatted once, by the thread that has time. */
struct refusal {
        uint64_t number;
        char *text;   /* NULL: the slot is empty */
        uint64_t key; /* of what is remembered once; else 0 */
};

struct refusal_ring {
        struct refusal items[REFUSALS_MAX];
        uint64_t count; /* ever added */
};

struct refusals {
        pthread_mutex_t lock;
        struct refusal_ring handshakes, others;
        uint64_t count; /* of both; the newest is number `count` */
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
        for (size_t i = 0; i < REFUSALS_MAX; i++) {
                free(refusals->handshakes.items[i].text);
                free(refusals->others.items[i].text);
        }
        pthread_mutex_destroy(&refusals->lock);
        free(refusals);
}

/* The record with what is known besides put in before its closing brace. */
static bool print_one(const struct event *event, struct buffer *out)
{
        if (!format_refusal(event, out))
                return false;
        struct buffer pin;
        buffer_init(&pin, 128);
        out->len--;
        bool ok = !event_is_would_refuse(event) ||
                  buffer_append(out, SLICE(",\"would_refuse\":true"));
        if (format_pin_line(event, &pin))
                ok = ok && buffer_printf(out, ",\"pin\":\"%.*s\"", SLICE_ARG(buffer_slice(&pin)));
        buffer_done(&pin);
        return ok && buffer_append(out, SLICE("}"));
}

/* Of whom, where and why: what of one client is remembered once. */
static uint64_t key_of(const struct event *event)
{
        bool handshake = event->kind == EVENT_HANDSHAKE;
        const struct handshake_facts *h = &event->handshake;
        const struct request_facts *r = &event->request;
        const struct digest *leaf = handshake ? &h->leaf.certificate : &r->certificate;
        struct slice refused = handshake ? SLICE_NONE : r->scope;
        struct slice reported = handshake ? h->report_scope : r->report_scope;
        char text[2 * EVENT_TEXT_BYTES], hex[DIGEST_HEX_SIZE];
        int len =
                snprintf(text, sizeof(text), "%d %s %d %.*s\n%d %.*s", handshake,
                         digest_hex(leaf, hex), handshake ? 0 : (int)r->reason, SLICE_ARG(refused),
                         (int)(handshake ? h->report_only : r->report_only), SLICE_ARG(reported));
        return hash_bytes(text, (size_t)len);
}

static bool ring_has(const struct refusal_ring *ring, uint64_t key)
{
        for (size_t i = 0; i < REFUSALS_MAX; i++)
                if (ring->items[i].text && ring->items[i].key == key)
                        return true;
        return false;
}

static void ring_put(struct refusals *refusals, struct refusal_ring *ring, struct refusal *item)
{
        pthread_mutex_lock(&refusals->lock);
        struct refusal *slot = &ring->items[ring->count++ % REFUSALS_MAX];
        struct refusal old = *slot;
        item->number = ++refusals->count;
        *slot = *item;
        pthread_mutex_unlock(&refusals->lock);
        free(old.text);
}

void refusals_add(struct refusals *refusals, const struct event *event)
{
        bool rare = event->kind == EVENT_HANDSHAKE && event_is_refusal(event);
        struct refusal item = {.key = rare ? 0 : key_of(event)};
        if (!rare && ring_has(&refusals->others, item.key))
                return;
        struct buffer text;
        buffer_init(&text, REFUSAL_BYTES_MAX);
        if (print_one(event, &text)) {
                item.text = memory_dup(text.data, text.len);
                ring_put(refusals, rare ? &refusals->handshakes : &refusals->others, &item);
        }
        buffer_done(&text);
}

/* The oldest that is numbered `from` or later; NULL: none is left. */
static const struct refusal *next_of(const struct refusal_ring *ring, uint64_t *at, uint64_t from)
{
        uint64_t oldest = ring->count > REFUSALS_MAX ? ring->count - REFUSALS_MAX : 0;
        for (*at = *at > oldest ? *at : oldest; *at < ring->count; ++*at)
                if (ring->items[*at % REFUSALS_MAX].number >= from)
                        return &ring->items[*at % REFUSALS_MAX];
        return NULL;
}

static bool print_all(const struct refusals *refusals, uint64_t from, struct buffer *out)
{
        uint64_t at = 0, other_at = 0;
        bool ok = true;
        for (bool any = false; ok; any = true) {
                const struct refusal *a = next_of(&refusals->handshakes, &at, from);
                const struct refusal *b = next_of(&refusals->others, &other_at, from);
                if (!a && !b)
                        break;
                bool first = a && (!b || a->number < b->number);
                ok = (!any || buffer_append(out, SLICE(","))) &&
                     buffer_append(out, slice_of(first ? a->text : b->text));
                ++*(first ? &at : &other_at);
        }
        return ok;
}

bool refusals_print(struct refusals *refusals, uint64_t from, struct buffer *out)
{
        pthread_mutex_lock(&refusals->lock);
        bool ok = buffer_printf(out, "{\"next\":%llu,\"refusals\":[",
                                (unsigned long long)refusals->count + 1) &&
                  print_all(refusals, from, out);
        pthread_mutex_unlock(&refusals->lock);
        return ok && buffer_append(out, SLICE("]}\n"));
}
