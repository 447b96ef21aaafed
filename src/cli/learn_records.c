/* Records to clients: who is proposed, who is only told of. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn.h"

static bool is_true(const struct node *map, const char *key)
{
        const struct node *node = node_find(map, key);
        return node && node->kind == NODE_BOOL && node->boolean;
}

/* The judge asks for pins last: for these reasons the path had verified (trust/judge.h). */
static bool reason_is_of_pins(struct slice reason)
{
        return slice_is(reason, "not_pinned") || slice_is(reason, "pin_in_wrong_list") ||
               slice_is(reason, "pin_out_of_window");
}

void learner_init(struct learner *learner)
{
        arena_init(&learner->arena, 64 * 1024);
        arena_init(&learner->scratch, 16 * 1024);
}

void learner_done(struct learner *learner)
{
        map_done(&learner->by_key);
        map_done(&learner->by_digest);
        map_done(&learner->denied);
        map_done(&learner->name_of_subject);
        map_done(&learner->given_names);
        map_done(&learner->subject_of_name);
        map_done(&learner->next_suffix);
        vec_done(&learner->proposed);
        vec_done(&learner->others);
        arena_done(&learner->scratch);
        arena_done(&learner->arena);
}

static struct slice text_of(const struct node *record, const char *key)
{
        return slice_sub(node_text(record, key), 0, LEARN_TEXT_MAX);
}

static struct slice keep(struct learner *learner, const struct node *record, const char *key)
{
        return arena_slice(&learner->arena, text_of(record, key));
}

static bool digests_read(const struct node *record, struct learn_client *c)
{
        struct error err;
        return pin_text_parse(node_text(record, "spki_sha256"), PIN_SPKI, &c->spki, &err) &&
               pin_text_parse(node_text(record, "certificate_sha256"), PIN_CERTIFICATE,
                              &c->certificate, &err);
}

static struct slice digest_key(const struct learner *learner, const struct learn_client *c)
{
        return slice_from(learner->certificates ? c->certificate.bytes : c->spki.bytes,
                          DIGEST_BYTES);
}

static struct slice client_key(struct learner *learner, const struct learn_client *c, bool proposed)
{
        char hex[DIGEST_HEX_SIZE];
        return arena_printf(&learner->scratch, "%s %.*s\n%.*s\n%s", proposed ? "pin" : "tell",
                            SLICE_ARG(c->scope.len ? c->scope : c->gateway),
                            SLICE_ARG(proposed ? SLICE_NONE : c->reason),
                            digest_hex(learner->certificates ? &c->certificate : &c->spki, hex));
}

static struct learn_client *client_new(struct learner *learner, const struct learn_client *seen,
                                       bool proposed, const struct node *record)
{
        struct learn_client *client = ARENA_NEW(&learner->arena, struct learn_client);
        *client = *seen;
        client->subject = keep(learner, record, "subject");
        client->issuer = keep(learner, record, "issuer");
        client->serial = keep(learner, record, "serial");
        client->scope = arena_slice(&learner->arena, seen->scope);
        client->gateway = arena_slice(&learner->arena, seen->gateway);
        client->reason = arena_slice(&learner->arena, seen->reason);
        client->cut = is_true(record, "truncated") || client->subject.len == LEARN_TEXT_MAX;
        if (!proposed) {
                vec_push(&learner->others, client);
                return client;
        }
        vec_push(&learner->proposed, client);
        client->same_digest = map_set(&learner->by_digest, digest_key(learner, client), client);
        return client;
}

static void client_see(struct learner *learner, struct learn_client *c, const struct node *record)
{
        char time[TIME_SIZE];
        snprintf(time, sizeof(time), "%.*s", SLICE_ARG(text_of(record, "time")));
        if (c->count == 0 || strcmp(time, c->first) < 0)
                memcpy(c->first, time, sizeof(time));
        if (c->count == 0 || strcmp(time, c->last) > 0)
                memcpy(c->last, time, sizeof(time));
        snprintf(c->peer, sizeof(c->peer), "%.*s", SLICE_ARG(text_of(record, "peer")));
        if (c->renewal_of.len == 0)
                c->renewal_of = keep(learner, record, "renewal_of");
        c->admitted = false;
        c->count++;
}

static void client_take(struct learner *learner, const struct learn_client *seen, bool proposed,
                        const struct node *record)
{
        struct slice key = client_key(learner, seen, proposed);
        struct learn_client *client = map_find(&learner->by_key, key);
        size_t count = proposed ? learner->proposed.count : learner->others.count;
        if (!client && count >= (proposed ? LEARN_PROPOSED_MAX : LEARN_OTHERS_MAX)) {
                *(proposed ? &learner->proposed_dropped : &learner->others_dropped) += 1;
                return;
        }
        if (!client) {
                client = client_new(learner, seen, proposed, record);
                map_set(&learner->by_key, arena_slice(&learner->arena, key), client);
        }
        client_see(learner, client, record);
}

/* Whose name is whose, and by it who is a renewal. */
static void name_note(struct learner *learner, const struct node *record)
{
        struct slice name = text_of(record, "pin_name");
        struct error err;
        if (!pin_name_check(name, &err) || is_true(record, "truncated") ||
            learner->name_of_subject.count >= LEARN_NAMES_MAX)
                return;
        struct slice subject =
                arena_printf(&learner->scratch, "%.*s\n%.*s", SLICE_ARG(text_of(record, "subject")),
                             SLICE_ARG(text_of(record, "issuer")));
        if (map_find(&learner->name_of_subject, subject))
                return;
        struct slice *pair = ARENA_ARRAY(&learner->arena, struct slice, 2);
        pair[0] = arena_slice(&learner->arena, subject);
        pair[1] = arena_slice(&learner->arena, name);
        map_set(&learner->name_of_subject, pair[0], &pair[1]);
        if (!map_find(&learner->subject_of_name, pair[1]))
                map_set(&learner->subject_of_name, pair[1], &pair[0]);
}

static void admitted_take(struct learner *learner, const struct learn_client *seen,
                          const struct node *record)
{
        name_note(learner, record);
        struct learn_client *c = map_find(&learner->by_digest, digest_key(learner, seen));
        for (; c; c = c->same_digest)
                c->admitted |= slice_equal(c->gateway, seen->gateway);
}

static void denied_note(struct learner *learner, const struct digest *digest)
{
        struct slice key = slice_from(digest->bytes, DIGEST_BYTES);
        if (map_find(&learner->denied, key))
                return;
        key = arena_slice(&learner->arena, key);
        map_set(&learner->denied, key, (void *)(uintptr_t)key.data);
}

void learn_record(struct learner *learner, const struct node *record)
{
        bool admitted = is_true(record, "admitted"), verified = is_true(record, "verified");
        struct slice report = text_of(record, "report_only");
        struct learn_client seen = {
                .reason = admitted ? report : text_of(record, "reason"),
                .scope = text_of(record, admitted ? "report_scope" : "scope"),
                .gateway = text_of(record, "gateway"),
                .report_only = admitted,
        };
        arena_reset(&learner->scratch);
        if (!slice_is(node_text(record, "event"), "handshake") ||
            (learner->gateway.len && !slice_equal(seen.gateway, learner->gateway)))
                return;
        if (!digests_read(record, &seen))
                return; /* no certificate was shown */
        if (slice_is(seen.reason, "denied")) {
                denied_note(learner, &seen.spki);
                denied_note(learner, &seen.certificate);
        }
        if (admitted && !verified)
                learner->unverified++;
        else if (admitted && report.len == 0)
                admitted_take(learner, &seen, record);
        else
                client_take(learner, &seen, reason_is_of_pins(seen.reason), record);
}

static int by_scope_and_subject(const void *a, const void *b)
{
        const struct learn_client *left = *(struct learn_client *const *)a;
        const struct learn_client *right = *(struct learn_client *const *)b;
        int order = slice_compare(left->scope, right->scope);
        order = order ? order : slice_compare(left->gateway, right->gateway);
        order = order ? order : slice_compare(left->subject, right->subject);
        order = order ? order : slice_compare(left->issuer, right->issuer);
        order = order ? order : strcmp(left->first, right->first);
        return order ? order : memcmp(left->spki.bytes, right->spki.bytes, DIGEST_BYTES);
}

void learn_settle(struct learner *learner)
{
        size_t kept = 0;
        for (size_t i = 0; i < learner->proposed.count; i++) {
                struct learn_client *c = learner->proposed.items[i];
                bool denied =
                        map_find(&learner->denied, slice_from(c->spki.bytes, DIGEST_BYTES)) ||
                        map_find(&learner->denied, slice_from(c->certificate.bytes, DIGEST_BYTES));
                if (!denied && !c->admitted)
                        learner->proposed.items[kept++] = c;
        }
        learner->proposed.count = kept;
        if (kept)
                qsort(learner->proposed.items, kept, sizeof(*learner->proposed.items),
                      by_scope_and_subject);
        if (learner->others.count)
                qsort(learner->others.items, learner->others.count, sizeof(*learner->others.items),
                      by_scope_and_subject);
        learn_names(learner);
}
