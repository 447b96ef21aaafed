#include "proxy/upstream/balance.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/memory.h"
#include "base/must.h"
#include "event/emit.h"

enum {
        KEY_BYTES_MAX = 320, /* a name of 253, a port, a digest */
        FAILURES_KEPT_MS = 60 * 1000,
        DOUBLINGS_MAX = 16,
        DRAWS_MAX =
                4, /* before all are looked at: with half of them ejected 1 in 256 comes so far */
};

/* What is worse than any number of requests. */
#define COST_AVOIDED ((size_t)1 << 40)
#define COST_EJECTED ((size_t)1 << 41)

struct endpoint_record {
        struct balance *balance;
        size_t requests;    /* under way */
        unsigned failures;  /* in a row */
        unsigned ejections; /* lately */
        bool ejected;
        uint64_t rest_ms; /* of the last ejection */
        struct deadline deadline;
        struct slice key;
        size_t text_len; /* of it: the endpoint's text */
        char key_bytes[];
};

static struct slice key_make(const struct backend *backend, const struct endpoint *endpoint,
                             char into[static KEY_BYTES_MAX])
{
        struct slice text = slice_sub(endpoint->text, 0, KEY_BYTES_MAX - DIGEST_BYTES);
        if (text.len > 0)
                memcpy(into, text.data, text.len);
        if (!backend->tls)
                return slice_from(into, text.len);
        memcpy(into + text.len, backend->tls->digest.bytes, DIGEST_BYTES);
        return slice_from(into, text.len + DIGEST_BYTES);
}

static struct endpoint_record *record_find(const struct balance *balance,
                                           const struct backend *backend, size_t index)
{
        char key[KEY_BYTES_MAX];
        if (balance->records.count == 0)
                return NULL;
        return map_find(&balance->records, key_make(backend, &backend->endpoints[index], key));
}

static void record_free(struct endpoint_record *record)
{
        deadline_clear(&record->deadline);
        map_remove(&record->balance->records, record->key);
        free(record);
}

static void drop_unused(struct endpoint_record *record)
{
        if (record->requests == 0 && record->failures == 0 && record->ejections == 0)
                record_free(record);
}

void balance_init(struct balance *balance, const struct upstream_options *options)
{
        *balance = (struct balance){.options = options};
}

void balance_done(struct balance *balance)
{
        struct map_slot *slot;
        for (size_t at = 0; map_next(&balance->records, &at, &slot);) {
                struct endpoint_record *record = slot->value;
                must(record->requests == 0);
                deadline_clear(&record->deadline);
                free(record);
        }
        map_done(&balance->records);
}

/* ---- choosing ---- */

static bool is_ejected(const struct balance *balance, const struct backend *backend, size_t index)
{
        const struct endpoint_record *record = record_find(balance, backend, index);
        return record && record->ejected;
}

static size_t ejected_of(const struct balance *balance, const struct backend *backend)
{
        size_t count = 0;
        for (size_t i = 0; i < backend->endpoint_count; i++)
                count += is_ejected(balance, backend, i);
        return count;
}

/* Endpoints that went away may have left those that are ejected in the majority. Counted only where
 * it can be so: it takes a look at each. */
static bool ejected_are_most(const struct balance *balance, const struct backend *backend)
{
        return balance->ejected_count * 2 > backend->endpoint_count &&
               ejected_of(balance, backend) * 2 > backend->endpoint_count;
}

struct choice {
        const struct balance *balance;
        const struct backend *backend;
        const struct endpoint *avoid;
        bool all; /* ejected or not */
};

static size_t cost_of(const struct choice *choice, size_t index)
{
        const struct endpoint_record *record = record_find(choice->balance, choice->backend, index);
        size_t cost = &choice->backend->endpoints[index] == choice->avoid ? COST_AVOIDED : 0;
        if (!record)
                return cost;
        return cost + record->requests + (record->ejected && !choice->all ? COST_EJECTED : 0);
}

static size_t draw_two(const struct choice *choice)
{
        size_t count = choice->backend->endpoint_count;
        uint64_t *random = choice->balance->options->random_state;
        size_t a = (size_t)(random_next(random) % count);
        size_t b = (a + 1 + (size_t)(random_next(random) % (count - 1))) % count;
        return cost_of(choice, b) < cost_of(choice, a) ? b : a;
}

/* From anywhere on, so that the neighbour of one that is passed over gets no more than others. */
static size_t first_usable(const struct choice *choice, size_t otherwise)
{
        size_t count = choice->backend->endpoint_count;
        size_t from = (size_t)(random_next(choice->balance->options->random_state) % count);
        for (size_t i = 0; i < count; i++)
                if (cost_of(choice, (from + i) % count) < COST_AVOIDED)
                        return (from + i) % count;
        return otherwise;
}

size_t balance_choose(struct balance *balance, const struct backend *backend,
                      const struct endpoint *avoid)
{
        struct choice choice = {balance, backend, avoid, false};
        size_t chosen = 0;
        must(backend->endpoint_count > 0); /* the gate has let nothing else through */
        if (backend->endpoint_count == 1)
                return 0;
        choice.all = balance->ejected_count == 0 || ejected_are_most(balance, backend);
        for (int i = 0; i < DRAWS_MAX; i++) {
                chosen = draw_two(&choice);
                if (cost_of(&choice, chosen) < COST_AVOIDED)
                        return chosen;
        }
        return first_usable(&choice, chosen);
}

/* ---- what is known ---- */

struct endpoint_record *balance_begin(struct balance *balance, const struct backend *backend,
                                      const struct endpoint *endpoint)
{
        char bytes[KEY_BYTES_MAX];
        struct slice key = key_make(backend, endpoint, bytes);
        struct endpoint_record *record = map_find(&balance->records, key);
        if (!record) {
                record = memory_new(sizeof(*record) + key.len);
                record->balance = balance;
                memcpy(record->key_bytes, key.data, key.len);
                record->key = slice_from(record->key_bytes, key.len);
                record->text_len = key.len - (backend->tls ? DIGEST_BYTES : 0);
                map_set(&balance->records, record->key, record);
        }
        record->requests++;
        return record;
}

void balance_end(struct endpoint_record *record)
{
        if (!record)
                return;
        must(record->requests > 0);
        record->requests--;
        drop_unused(record);
}

static void ejected_set(struct endpoint_record *record, bool ejected)
{
        struct balance *balance = record->balance;
        record->ejected = ejected;
        balance->ejected_count += ejected ? 1 : (size_t)-1;
        counter_set(&balance->options->counters->upstream_ejected, balance->ejected_count);
}

/* Behind an ejection one more failure is enough for the next; when all is well for as long again,
 * nothing is held against it any more. */
static void on_time_over(struct deadline *deadline)
{
        struct endpoint_record *record = CONTAINER_OF(deadline, struct endpoint_record, deadline);
        const struct upstream_options *options = record->balance->options;
        if (record->ejected) {
                ejected_set(record, false);
                deadline_set(options->wheel, deadline, *options->now_ms + record->rest_ms,
                             on_time_over);
                return;
        }
        record->failures = record->ejections = 0;
        drop_unused(record);
}

static void eject(struct endpoint_record *record, const struct backend *backend)
{
        const struct upstream_options *options = record->balance->options;
        unsigned doublings = record->ejections < DOUBLINGS_MAX ? record->ejections : DOUBLINGS_MAX;
        uint64_t rest_ms = options->eject_ms << doublings;
        if (rest_ms > options->eject_ms_max)
                rest_ms = options->eject_ms_max;
        rest_ms += random_next(options->random_state) % (rest_ms / 4 + 1);
        record->ejections++;
        record->rest_ms = rest_ms;
        ejected_set(record, true);
        counter_add(&options->counters->upstream_ejections, 1);
        deadline_set(options->wheel, &record->deadline, *options->now_ms + rest_ms, on_time_over);
        if (options->sink)
                event_warningf(options->sink, "backend",
                               "%.*s: endpoint %.*s failed %u times in a row and is passed over "
                               "for %llu ms",
                               SLICE_ARG(backend->name),
                               SLICE_ARG(slice_sub(record->key, 0, record->text_len)),
                               record->failures, (unsigned long long)rest_ms);
}

void balance_tell(struct endpoint_record *record, const struct backend *backend, bool well)
{
        if (!record || record->ejected) /* those under way say nothing new */
                return;
        const struct balance *balance = record->balance;
        const struct upstream_options *options = balance->options;
        if (well) {
                record->failures = 0;
                return;
        }
        record->failures++;
        bool room = backend && (ejected_of(balance, backend) + 1) * 2 <= backend->endpoint_count;
        if ((record->failures >= options->failures_max || record->ejections > 0) && room)
                eject(record, backend);
        else
                deadline_set(options->wheel, &record->deadline, *options->now_ms + FAILURES_KEPT_MS,
                             on_time_over);
}
