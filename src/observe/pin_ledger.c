#include "observe/pin_ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/vec.h"
#include "event/facts.h"
#include "observe/pin_ledger_state.h"
#include "snapshot/pin_walk.h"

enum {
        /* As long as events keep such a text (event/emit.c), so that both are the same. */
        TEXT_MAX = 127,
        KEY_SIZE = 2 * TEXT_MAX + 2,
};

static struct slice cut(struct slice text)
{
        return slice_sub(text, 0, TEXT_MAX);
}

/* The first part holds no line end: it is the kind and the name of an object. */
static struct slice key_print(struct slice policy, struct slice part, char out[static KEY_SIZE])
{
        int len =
                snprintf(out, KEY_SIZE, "%.*s\n%.*s", SLICE_ARG(cut(policy)), SLICE_ARG(cut(part)));
        return slice_from(out, (size_t)len);
}

static struct slice key_of(struct slice policy, struct slice part, struct arena *arena)
{
        char key[KEY_SIZE];
        return arena_slice(arena, key_print(policy, part, key));
}

static void *find(const struct map *map, struct slice policy, struct slice part)
{
        char key[KEY_SIZE];
        return map_find(map, key_print(policy, part, key));
}

/* ---- a book of one generation ---- */

static struct pin_book *book_new(void)
{
        struct pin_book *book = NEW(struct pin_book);
        arena_init(&book->arena, 16384);
        book->other_sets.policy = book->other_sets.set = SLICE("other");
        return book;
}

static void book_free(struct pin_book *book)
{
        map_done(&book->by_place);
        map_done(&book->by_name);
        arena_done(&book->arena);
        free(book);
}

/* What making a book works with. */
struct listed {
        const struct pin_set *set;
        struct pin_list_place place;
        size_t pins;
};

struct writing {
        struct pin_book *book;
        const struct pin_book *former;
        int64_t now_ms;
        size_t walked;
        VEC(struct listed) listed;
};

static bool on_set(const struct pin_set *set, const struct pin_list_place *place, void *self)
{
        struct writing *writing = self;
        struct listed item = {set, *place, pin_set_count(set)};
        if (!place->deny)
                vec_push(&writing->listed, item);
        return false;
}

/* Small sets first: they are the ones that people write by hand and look for. */
static int by_size(const void *a, const void *b)
{
        const struct listed *left = a, *right = b;
        if (left->pins != right->pins)
                return left->pins < right->pins ? -1 : 1;
        int order = slice_compare(left->place.source, right->place.source);
        return order ? order : slice_compare(left->place.set_source, right->place.set_source);
}

static void set_fold(struct pin_set_record *other, const struct listed *item, int64_t now_ms)
{
        other->pins += item->pins;
        other->faults += pin_set_faults(item->set)->count;
        other->changed_ms = now_ms;
}

static void set_carry(struct pin_set_record *record, const struct pin_book *former)
{
        const struct pin_set_record *before = find(&former->by_place, record->policy, record->set);
        if (!before)
                return;
        record->use = before->use;
        if (digest_equal(&before->digest, &record->digest))
                record->changed_ms = before->changed_ms;
}

/* False: the same set in the same scope, on another port. */
static bool set_write(struct writing *writing, const struct listed *item)
{
        struct pin_book *book = writing->book;
        struct slice key = key_of(item->place.source, item->place.set_source, &book->arena);
        if (map_find(&book->by_place, key))
                return false;
        if (book->set_count == LEDGER_SETS_MAX) {
                map_set(&book->by_place, key, &book->other_sets);
                book->other_set_count++;
                set_fold(&book->other_sets, item, writing->now_ms);
                return true;
        }
        struct pin_set_record *record = ARENA_NEW(&book->arena, struct pin_set_record);
        *record = (struct pin_set_record){
                .policy = arena_slice(&book->arena, cut(item->place.source)),
                .set = arena_slice(&book->arena, cut(item->place.set_source)),
                .pins = item->pins,
                .faults = pin_set_faults(item->set)->count,
                .digest = *pin_set_digest(item->set),
                .changed_ms = writing->now_ms,
        };
        if (writing->former)
                set_carry(record, writing->former);
        map_set(&book->by_place, key, record);
        book->sets[book->set_count++] = record;
        return true;
}

static struct pin_name_record *name_new(struct writing *writing, struct slice policy,
                                        struct slice name)
{
        struct pin_book *book = writing->book;
        struct pin_name_record *record = ARENA_NEW(&book->arena, struct pin_name_record);
        *record = (struct pin_name_record){.policy = arena_slice(&book->arena, cut(policy)),
                                           .name = arena_slice(&book->arena, name),
                                           .not_after = INT64_MIN};
        const struct pin_name_record *before =
                writing->former ? find(&writing->former->by_name, policy, name) : NULL;
        if (before)
                record->use = before->use;
        map_set(&book->by_name, key_of(policy, name, &book->arena), record);
        book->names[book->name_count++] = record;
        return record;
}

static void pin_write(struct writing *writing, const struct pin_list_place *place,
                      const struct pin *pin)
{
        struct pin_book *book = writing->book;
        if (pin->name.len == 0)
                return;
        struct pin_name_record *record = find(&book->by_name, place->source, pin->name);
        if (!record && book->name_count == LEDGER_NAMES_MAX) {
                book->untracked++;
                return;
        }
        if (!record)
                record = name_new(writing, place->source, pin->name);
        if (pin->not_after > record->not_after)
                record->not_after = pin->not_after;
}

static void names_write(struct writing *writing, const struct listed *item)
{
        struct pin pin;
        size_t at = 0;
        for (; writing->walked < LEDGER_WALK_MAX && pin_set_next(item->set, &at, &pin);
             writing->walked++)
                pin_write(writing, &item->place, &pin);
        if (at < item->pins)
                writing->book->untracked += item->pins - at;
}

static struct pin_book *book_write(const struct snapshot *snapshot, const struct pin_book *former,
                                   int64_t now_ms)
{
        struct writing writing = {.book = book_new(), .former = former, .now_ms = now_ms};
        snapshot_pin_sets(snapshot, &writing, on_set);
        if (writing.listed.count > 0)
                qsort(writing.listed.items, writing.listed.count, sizeof(struct listed), by_size);
        vec_each (item, &writing.listed)
                if (set_write(&writing, item))
                        names_write(&writing, item);
        vec_done(&writing.listed);
        if (former)
                writing.book->other_sets.use = former->other_sets.use;
        return writing.book;
}

/* ---- the ledger ---- */

struct pin_ledger *pin_ledger_new(void)
{
        struct pin_ledger *ledger = NEW(struct pin_ledger);
        pthread_mutex_init(&ledger->lock, NULL);
        ledger->book = book_new();
        return ledger;
}

void pin_ledger_free(struct pin_ledger *ledger)
{
        if (!ledger)
                return;
        snapshot_unref(ledger->snapshot);
        book_free(ledger->book);
        pthread_mutex_destroy(&ledger->lock);
        free(ledger);
}

/* All of it under the lock, so that nothing is counted in a book that is being copied: the observe
 * thread waits for some milliseconds, while its rings keep what comes. */
void pin_ledger_set_snapshot(struct pin_ledger *ledger, struct snapshot *snapshot,
                             int64_t published_ms)
{
        pthread_mutex_lock(&ledger->lock);
        struct pin_book *old = ledger->book;
        struct snapshot *old_snapshot = ledger->snapshot;
        ledger->book = book_write(snapshot, old, published_ms);
        ledger->snapshot = snapshot_ref(snapshot);
        pthread_mutex_unlock(&ledger->lock);
        book_free(old);
        snapshot_unref(old_snapshot);
}

struct noting {
        struct pin_ledger *ledger;
        int64_t time_ms;
};

static void use_count(const struct noting *noting, struct pin_use *use)
{
        if (use->noted == noting->ledger->admissions)
                return;
        use->noted = noting->ledger->admissions;
        use->matches++;
        use->last_ms = noting->time_ms > use->last_ms ? noting->time_ms : use->last_ms;
}

static void on_match(const struct pin_list_place *place, const struct pin_match *match, void *self)
{
        const struct noting *noting = self;
        const struct pin_book *book = noting->ledger->book;
        struct pin_set_record *set = find(&book->by_place, place->source, place->set_source);
        if (set)
                use_count(noting, &set->use);
        if (match->name.len == 0)
                return;
        struct pin_name_record *name = find(&book->by_name, place->source, match->name);
        use_count(noting, name ? &name->use : &noting->ledger->other_names);
}

void pin_ledger_note(struct pin_ledger *ledger, const struct handshake_facts *facts,
                     int64_t time_ms)
{
        if (!facts->admitted || !facts->verified || digest_is_none(&facts->leaf.certificate))
                return;
        struct pin_client client = {.gateway = facts->gateway,
                                    .listener = facts->listener,
                                    .certificate = facts->leaf.certificate,
                                    .spki = facts->leaf.spki,
                                    .issuers = facts->issuers,
                                    .now = time_ms / 1000};
        struct noting noting = {ledger, time_ms};
        pthread_mutex_lock(&ledger->lock);
        ledger->admissions++;
        snapshot_pin_matches(ledger->snapshot, &client, &noting, on_match);
        pthread_mutex_unlock(&ledger->lock);
}

/* Rules are known by their place in a generation: a request that began under the one before is not
 * counted. */
void pin_ledger_note_request(struct pin_ledger *ledger, const struct request_facts *facts,
                             int64_t time_ms)
{
        if (facts->rule_policy == 0 || facts->reason != REASON_ACCEPTED ||
            digest_is_none(&facts->certificate))
                return;
        struct pin_client client = {.certificate = facts->certificate,
                                    .spki = facts->spki,
                                    .issuers = facts->issuers,
                                    .now = time_ms / 1000};
        struct noting noting = {ledger, time_ms};
        pthread_mutex_lock(&ledger->lock);
        ledger->admissions++;
        if (ledger->snapshot && ledger->snapshot->generation == facts->generation)
                snapshot_rule_pin_matches(ledger->snapshot, facts->rule_policy - 1, &client,
                                          &noting, on_match);
        pthread_mutex_unlock(&ledger->lock);
}

bool pin_ledger_may_have(struct pin_ledger *ledger, struct slice name)
{
        pthread_mutex_lock(&ledger->lock);
        const struct pin_book *book = ledger->book;
        bool has = book->untracked > 0;
        for (size_t i = 0; i < book->name_count && !has; i++)
                has = slice_equal(book->names[i]->name, name);
        pthread_mutex_unlock(&ledger->lock);
        return has;
}
