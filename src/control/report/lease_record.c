#include "control/report/lease_record.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "control/report/lease.h"
#include "text/json.h"
#include "text/time.h"

enum {
        TEXT_MAX = 512,          /* of each of a record's texts */
        DURATION_S_MAX = 5 * 60, /* nobody holds it for longer by a large number */
};

/* --- reading --- */

static bool read_digest(struct slice hex, struct digest *out)
{
        if (hex.len != DIGEST_HEX_SIZE - 1)
                return false;
        for (size_t i = 0; i < DIGEST_BYTES; i++) {
                int high = hex_value(hex.data[2 * i]), low = hex_value(hex.data[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                out->bytes[i] = (unsigned char)(high << 4 | low);
        }
        return true;
}

static int64_t number_of(const struct node *map, const char *key)
{
        const struct node *node = node_find(map, key);
        return node && node->kind == NODE_INTEGER && node->integer > 0 ? node->integer : 0;
}

bool lease_record_read(const struct node *object, struct lease_record *record, struct error *err)
{
        const struct node *metadata = node_find(object, "metadata");
        const struct node *spec = node_find(object, "spec");
        struct lease_record read = {
                .name = node_text(metadata, "name"),
                .version = node_text(metadata, "resourceVersion"),
                .holder = node_text(spec, "holderIdentity"),
                .acquired = node_text(spec, "acquireTime"),
                .renewed = node_text(spec, "renewTime"),
                .duration_s = number_of(spec, "leaseDurationSeconds"),
                .transitions = number_of(spec, "leaseTransitions"),
        };
        const struct slice texts[] = {read.name, read.version, read.holder, read.acquired,
                                      read.renewed};
        if (read.name.len == 0 || read.version.len == 0)
                return error_set(err, ERROR_INPUT, "no Lease: wants name and resourceVersion");
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (texts[i].len > TEXT_MAX)
                        return error_set(err, ERROR_LIMIT, "a text is longer than %d", TEXT_MAX);
        struct digest digest = {0};
        if (read_digest(node_text(node_find(metadata, "annotations"), LEASE_DIGEST_ANNOTATION),
                        &digest))
                read.digest = digest;
        *record = read;
        return true;
}

/* --- sights --- */

void lease_sight_init(struct lease_sight *sight)
{
        *sight = (struct lease_sight){0};
        arena_init(&sight->arena, 1024);
}

void lease_sight_done(struct lease_sight *sight)
{
        arena_done(&sight->arena);
}

static bool says_the_same(const struct lease_record *a, const struct lease_record *b)
{
        return slice_equal(a->holder, b->holder) && slice_equal(a->renewed, b->renewed) &&
               slice_equal(a->acquired, b->acquired) && a->duration_s == b->duration_s &&
               a->transitions == b->transitions && digest_equal(&a->digest, &b->digest);
}

static void keep(struct lease_sight *sight, const struct lease_record *record)
{
        struct lease_record *kept = &sight->record;
        arena_reset(&sight->arena);
        *kept = *record;
        kept->name = arena_slice(&sight->arena, record->name);
        kept->version = arena_slice(&sight->arena, record->version);
        kept->holder = arena_slice(&sight->arena, record->holder);
        kept->acquired = arena_slice(&sight->arena, record->acquired);
        kept->renewed = arena_slice(&sight->arena, record->renewed);
}

/* An edit of something else (an annotation) has another version, and is no sign of its holder. */
bool lease_sight_update(struct lease_sight *sight, const struct lease_record *record,
                        uint64_t now_ms)
{
        bool same =
                record ? sight->exists && says_the_same(&sight->record, record) : !sight->exists;
        if (!same)
                sight->changed_ms = now_ms;
        sight->exists = record != NULL;
        if (record)
                keep(sight, record);
        else
                sight->record = (struct lease_record){0};
        return !same;
}

bool lease_sight_is_alive(const struct lease_sight *sight, uint64_t now_ms)
{
        int64_t said_s = sight->record.duration_s;
        uint64_t said_ms = (uint64_t)(said_s > DURATION_S_MAX ? DURATION_S_MAX : said_s) * 1000;
        uint64_t duration_ms = said_ms > LEASE_DURATION_MS ? said_ms : LEASE_DURATION_MS;
        return sight->exists && now_ms - sight->changed_ms < duration_ms;
}

enum lease_move lease_judge(const struct lease_sight *sight, struct slice holder, uint64_t now_ms)
{
        if (!sight->exists)
                return LEASE_CREATE;
        if (slice_equal(sight->record.holder, holder))
                return LEASE_RENEW;
        if (sight->record.holder.len == 0 || !lease_sight_is_alive(sight, now_ms))
                return LEASE_TAKE;
        return LEASE_WAIT;
}

/* --- writing --- */

const char *lease_time_print(int64_t unix_us, char out[static LEASE_TIME_SIZE])
{
        char moment[TIME_SIZE];
        int us = (int)(unix_us % 1000000);
        time_print((unix_us - us) / 1000000, moment);
        snprintf(out, LEASE_TIME_SIZE, "%.*s.%06dZ", (int)strlen(moment) - 1, moment, us);
        return out;
}

static void begin(struct json_writer *w, struct slice name, struct slice version)
{
        json_begin_object(w);
        json_field_text(w, "apiVersion", "coordination.k8s.io/v1");
        json_field_text(w, "kind", "Lease");
        json_key(w, SLICE("metadata"));
        json_begin_object(w);
        json_field_string(w, "name", name);
        if (version.len > 0)
                json_field_string(w, "resourceVersion", version);
        json_end_object(w);
        json_key(w, SLICE("spec"));
        json_begin_object(w);
}

static bool end(struct json_writer *w)
{
        json_end_object(w);
        json_end_object(w);
        return json_writer_done(w);
}

bool lease_leader_print(const struct lease_sight *sight, enum lease_move move, struct slice holder,
                        int64_t unix_us, struct buffer *out)
{
        const struct lease_record *record = &sight->record;
        struct json_writer w;
        char now[LEASE_TIME_SIZE];
        lease_time_print(unix_us, now);
        must(move != LEASE_WAIT);
        json_writer_init(&w, out);
        begin(&w, LEASE_LEADER_NAME, move == LEASE_CREATE ? SLICE_NONE : record->version);
        json_field_string(&w, "holderIdentity", holder);
        json_field_integer(&w, "leaseDurationSeconds", LEASE_DURATION_MS / 1000);
        bool kept = move == LEASE_RENEW && record->acquired.len > 0;
        json_field_string(&w, "acquireTime", kept ? record->acquired : slice_of(now));
        json_field_text(&w, "renewTime", now);
        json_field_integer(&w, "leaseTransitions",
                           record->transitions +
                                   (move == LEASE_TAKE && record->transitions < INT32_MAX));
        return end(&w);
}

/* Without holderIdentity: an empty one is refused by some servers. */
bool lease_release_print(const struct lease_sight *sight, int64_t unix_us, struct buffer *out)
{
        struct json_writer w;
        char now[LEASE_TIME_SIZE];
        lease_time_print(unix_us, now);
        json_writer_init(&w, out);
        begin(&w, LEASE_LEADER_NAME, sight->record.version);
        json_field_integer(&w, "leaseDurationSeconds", 1);
        json_field_text(&w, "acquireTime", now);
        json_field_text(&w, "renewTime", now);
        json_field_integer(&w, "leaseTransitions", sight->record.transitions);
        return end(&w);
}
