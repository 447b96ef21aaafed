/* The composition rule, by property: whatever narrows never lets anybody in who was out.
 *
 * A random stack of policies is translated and every client is judged on every listener, and for a
 * request to each rule; then one change is made, and all are judged again. Adding a scope, removing
 * a pin, breaking a reference: nobody new. Deleting a policy or renaming a listener where pins are
 * required: nobody who is not pinned by what is left. Deny, ReportOnly, PinnedOnly and a relaxed
 * extendedKeyUsage, which widen by design, each have a rule of their own.
 *
 * composition_test [STACKS [SEED]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/trust/test_pki.h"
#include "base/must.h"
#include "control/translate/translate.h"
#include "stack.h"
#include "text/yaml.h"
#include "trust/certificate.h"
#include "trust/judge.h"

enum {
        TEXT_MAX = 1 << 20,
        NOBODY = CLIENTS, /* the client without a certificate */
        RULES = 2,        /* /open and /admin */
        DAY = 86400,
};

/* What one client gets on one listener. */
struct outcome {
        bool admitted, verified, pinned, reaches[RULES];
};

struct outcomes {
        struct outcome of[CLIENTS + 1][LISTENERS];
};

struct world {
        struct pki_cert clients[CLIENTS], issuers[ISSUERS];
        STACK_OF(X509) * sent[CLIENTS];
        struct chain *chains[CLIENTS + 1];
        struct digest digests[PIN_SUBJECTS][2];
        struct slice fixed;       /* what every stack refers to, as YAML */
        struct translation *seed; /* its CA set is everybody's */
        struct ca_set *cas;
        struct trust_store *store;
        struct path_cache *cache;
        uint64_t random;
        size_t stack;
        int64_t now;
};

/* --- the world --- */

static void clients_make(struct world *w)
{
        struct pki_cert root = pki_make(NULL, &(struct pki_spec){.subject = "root", .ca = true});
        struct pki_cert middle = pki_make(&root, &(struct pki_spec){.subject = "mid", .ca = true});
        struct pki_cert other = pki_make(NULL, &(struct pki_spec){.subject = "other", .ca = true});
        w->issuers[0] = root;
        w->issuers[1] = middle;
        w->clients[0] = pki_make(&root, &(struct pki_spec){.subject = "zero"});
        w->clients[1] = pki_make(&root, &(struct pki_spec){.subject = "one"});
        w->clients[2] = pki_make(&middle, &(struct pki_spec){.subject = "by middle"});
        w->clients[3] = pki_make(&other, &(struct pki_spec){.subject = "foreign"});
        w->clients[4] = pki_make(NULL, &(struct pki_spec){.subject = "self-signed"});
        w->clients[5] =
                pki_make(&root, &(struct pki_spec){.subject = "server", .eku = "serverAuth"});
        w->clients[6] =
                pki_make(&root, &(struct pki_spec){.subject = "signer", .eku = "codeSigning"});
        w->clients[7] = pki_make(&root, &(struct pki_spec){.subject = "zero, renewed",
                                                           .with_key = w->clients[0].key});
        w->sent[2] = pki_stack(1, middle.x509);
        for (size_t i = 0; i < CLIENTS; i++)
                w->chains[i] = chain_new(w->clients[i].x509, w->sent[i], SLICE_NONE, 0);
        for (size_t i = 0; i < PIN_SUBJECTS; i++) {
                X509 *x509 = i < CLIENTS ? w->clients[i].x509 : w->issuers[i - CLIENTS].x509;
                w->digests[i][0] = certificate_spki_digest(x509);
                w->digests[i][1] = certificate_digest(x509);
        }
}

static void fixed_make(struct world *w, struct buffer *out)
{
        struct slice pem = pki_pem(w->issuers[0].x509), line;
        must(buffer_append(out, SLICE("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cas, "
                                      "namespace: edge}\ndata:\n  ca.crt: |\n")));
        while (slice_split(&pem, '\n', &line))
                must(buffer_printf(out, "    %.*s\n", SLICE_ARG(line)));
        must(buffer_append(
                out, SLICE("---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
                           "metadata: {name: app, namespace: edge}\nspec:\n  parentRefs: [{name: "
                           "edge}]\n  rules:\n  - {name: open, matches: [{path: {value: /open}}]}\n"
                           "  - {name: admin, matches: [{path: {value: /admin}}]}\n")));
        w->fixed = buffer_slice(out);
}

static struct translation *stack_translate(struct world *w, const struct stack *stack)
{
        struct buffer text;
        struct arena arena;
        struct yaml_docs docs;
        struct error err;
        struct translation *translation = NULL;
        struct objects *objects = objects_new();
        buffer_init(&text, TEXT_MAX);
        arena_init(&arena, 64 * 1024);
        stack_print(stack, (const struct digest(*)[2])w->digests, &text);
        must(buffer_append(&text, w->fixed));
        bool ok = yaml_parse(&arena, buffer_slice(&text), "stack", &docs, &err);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = objects_add(objects, docs.items[i], &err);
        struct translate_request request = {
                .objects = objects, .previous = w->seed, .generation = 1, .now = PKI_NOW};
        ok = ok && translate(&request, &translation, &err);
        if (!ok) {
                fprintf(stderr, "%s\n%.*s", err.text, SLICE_ARG(buffer_slice(&text)));
                exit(1);
        }
        objects_unref(objects);
        arena_done(&arena);
        buffer_done(&text);
        return translation;
}

/* --- judging --- */

static const struct listener *listener_of(const struct snapshot *snapshot, size_t index,
                                          const struct port **port)
{
        for (size_t p = 0; p < snapshot->port_count; p++) {
                *port = &snapshot->ports[p];
                if ((*port)->number == (index < 2 ? 443 : 8443))
                        return &(*port)->listeners[index == 1 ? 1 : 0];
        }
        must(!"every listener is there");
        return NULL;
}

static bool request_reaches(const struct world *w, const struct snapshot *snapshot,
                            const struct listener *listener, struct slice path,
                            const struct verdict *verdict)
{
        struct request_head head = {
                .method = SLICE("GET"), .path = path, .host = listener->hostname};
        const struct route_rule *rule = route_find(listener->routes, &head).rule;
        struct pin_decision decision;
        if (!verdict->admitted)
                return false;
        must(rule);
        if (rule->policy == ROUTE_POLICY_NONE)
                return true;
        const struct request_policy *policy = &snapshot->rule_policies[rule->policy].pins;
        struct pin_evidence evidence = verdict_evidence(verdict);
        if (verdict->verified)
                judge_request_pins(policy, &evidence, w->now, &decision);
        else
                refuse_unverified_request(policy, verdict->reason, &decision);
        return decision.reason == REASON_ACCEPTED;
}

static struct outcome judge_one(const struct world *w, const struct snapshot *snapshot,
                                size_t client, size_t index)
{
        const struct port *port;
        const struct listener *listener = listener_of(snapshot, index, &port);
        struct verdict verdict;
        struct judge_request request = {.policy = port->client,
                                        .chain = w->chains[client],
                                        .listener = listener->index,
                                        .now = w->now,
                                        .store = port->client->cas ? w->store : NULL,
                                        .cache = w->cache};
        judge(&request, &verdict);
        path_cache_commit(w->cache, &verdict);
        struct outcome outcome = {.admitted = verdict.admitted,
                                  .verified = verdict.verified,
                                  .pinned = verdict.pinned};
        outcome.reaches[0] = request_reaches(w, snapshot, listener, SLICE("/open"), &verdict);
        outcome.reaches[1] = request_reaches(w, snapshot, listener, SLICE("/admin"), &verdict);
        return outcome;
}

static struct outcomes judge_all(struct world *w, const struct stack *stack)
{
        struct translation *translation = stack_translate(w, stack);
        struct outcomes outcomes;
        for (size_t c = 0; c <= CLIENTS; c++)
                for (size_t l = 0; l < LISTENERS; l++)
                        outcomes.of[c][l] = judge_one(w, translation->snapshot, c, l);
        translation_free(translation);
        snapshot_reap();
        return outcomes;
}

/* --- rules --- */

static bool is_wider(const struct outcome *before, const struct outcome *after)
{
        bool wider =
                (after->admitted && !before->admitted) || (after->verified && !before->verified);
        for (size_t r = 0; r < RULES; r++)
                wider = wider || (after->reaches[r] && !before->reaches[r]);
        return wider;
}

static void fail(const struct world *w, const struct stack *before, const struct stack *after,
                 const char *rule, size_t client, size_t listener)
{
        struct buffer text;
        buffer_init(&text, TEXT_MAX);
        stack_print(before, (const struct digest(*)[2])w->digests, &text);
        must(buffer_append(&text, SLICE("=========\n")));
        stack_print(after, (const struct digest(*)[2])w->digests, &text);
        fprintf(stderr, "stack %zu: %s let client %zu in by listener %zu\n%.*s", w->stack, rule,
                client, listener, SLICE_ARG(buffer_slice(&text)));
        exit(1);
}

/* By its own hash, or its key; `always`: only entries without a window. */
static bool matches(const struct stack_pin *pins, size_t client, bool always)
{
        bool renewed = client == 7; /* the key of client 0 */
        for (size_t i = 0; i < PINS_MAX; i++) {
                if (!pins[i].there || (always && pins[i].window != WINDOW_ALWAYS))
                        continue;
                if (pins[i].subject == client)
                        return true;
                if (!pins[i].by_certificate &&
                    ((renewed && pins[i].subject == 0) || (client == 0 && pins[i].subject == 7)))
                        return true;
        }
        return false;
}

/* Whom a policy in force denies is out, with or without identity. */
static bool is_denied(const struct stack *stack, size_t client, size_t listener)
{
        static const enum stack_target sections[LISTENERS] = {ON_FIRST, ON_SECOND, ON_ALONE};
        for (size_t i = 0; i < POLICIES_MAX; i++) {
                const struct stack_policy *policy = &stack->policies[i];
                bool here = policy->target == ON_GATEWAY || policy->target == sections[listener];
                if (client != NOBODY && here && !policy->report_only &&
                    stack_policy_holds(stack, i) && matches(policy->deny, client, true))
                        return true;
        }
        return false;
}

/* An issuer's denial needs a verified path to stand in. Who does not verify any more is nobody to
 * AllowInsecureFallback, and comes in without identity as with no certificate at all. */
static bool became_nobody(const struct stack *before, size_t client, const struct outcome *now)
{
        static const unsigned above[CLIENTS][ISSUERS] = {
                [0] = {1}, [1] = {1}, [2] = {1, 1}, [5] = {1}, [6] = {1}, [7] = {1}};
        if (!before->fallback || now->verified || client == NOBODY)
                return false;
        for (size_t i = 0; i < POLICIES_MAX; i++)
                for (size_t k = 0; k < PINS_MAX; k++) {
                        const struct stack_pin *entry = &before->policies[i].deny[k];
                        if (entry->there && entry->subject >= CLIENTS &&
                            above[client][entry->subject - CLIENTS])
                                return true;
                }
        return false;
}

/* May this client be in now, though it was not before? */
typedef bool (*excuse_fn)(const struct stack *before, const struct stack *after, size_t client,
                          const struct outcome *now);

static void check(struct world *w, const struct stack *before, const struct stack *after,
                  const char *rule, excuse_fn excuse)
{
        struct outcomes was = judge_all(w, before), is = judge_all(w, after);
        for (size_t c = 0; c <= CLIENTS; c++)
                for (size_t l = 0; l < LISTENERS; l++) {
                        const struct outcome *now = &is.of[c][l];
                        if (is_wider(&was.of[c][l], now) && !became_nobody(before, c, now) &&
                            !(excuse && excuse(before, after, c, now)))
                                fail(w, before, after, rule, c, l);
                        if (was.of[c][l].admitted && is_denied(before, c, l))
                                fail(w, before, before, "a deny entry", c, l);
                }
}

/* --- changes that narrow --- */

static bool scope_add(struct stack *after, uint64_t *random)
{
        size_t at = POLICIES_MAX - 1; /* the youngest: it takes nobody's place */
        struct stack fresh;
        if (after->policies[at].there)
                return false;
        stack_make(&fresh, random);
        after->policies[at] = fresh.policies[0];
        after->policies[at].there = true;
        after->policies[at].report_only = after->policies[at].pinned_only = false;
        after->policies[at].use = 0;
        return true;
}

static bool one_removed(struct stack_pin *pins, uint64_t *random, size_t least)
{
        size_t there = 0;
        for (size_t i = 0; i < PINS_MAX; i++)
                there += pins[i].there;
        if (there <= least)
                return false;
        size_t which = below(random, (unsigned)there);
        for (size_t i = 0; i < PINS_MAX; i++)
                if (pins[i].there && which-- == 0)
                        pins[i].there = false;
        return true;
}

static bool pin_remove(struct stack *after, uint64_t *random)
{
        struct stack_policy *policy = &after->policies[below(random, POLICIES_MAX)];
        switch (below(random, 3)) {
        case 0:
                return after->inline_pinned && one_removed(after->inline_pins, random, 1);
        case 1:
                return policy->there && policy->has_set && one_removed(policy->set, random, 0);
        default:
                return policy->there && one_removed(policy->pins, random, 0);
        }
}

static bool reference_break(struct stack *after, uint64_t *random)
{
        struct stack_policy *policy = &after->policies[below(random, POLICIES_MAX)];
        if (one_in(random, 3)) {
                after->cas_broken = true;
                return true;
        }
        policy->set_broken = true;
        return policy->there && policy->has_set;
}

static bool deny_add(struct stack *after, uint64_t *random)
{
        struct stack_policy *policy = &after->policies[below(random, POLICIES_MAX)];
        struct stack_pin *entry = &policy->deny[below(random, PINS_MAX)];
        bool free = !entry->there;
        *entry = stack_pin_make(random, PIN_SUBJECTS);
        return policy->there && free;
}

/* --- changes that may widen, and how far --- */

static bool is_pinned_by_the_rest(const struct stack *before, const struct stack *after,
                                  size_t client, const struct outcome *now)
{
        (void)before;
        (void)client;
        return now->pinned || (after->fallback && !now->verified);
}

/* Where pins are required and there were none, the first scope opens the door: to its pins. */
static bool is_first_where_required(const struct stack *before, const struct stack *after,
                                    size_t client, const struct outcome *now)
{
        return before->required && is_pinned_by_the_rest(before, after, client, now);
}

/* With `required`: the door does not open, whoever's policy goes. */
static bool policy_delete(struct stack *after, uint64_t *random)
{
        struct stack_policy *policy = &after->policies[below(random, POLICIES_MAX)];
        bool there = policy->there && policy->target < ON_ROUTE && after->required;
        policy->there = false;
        return there;
}

static bool listener_rename(struct stack *after, uint64_t *random)
{
        after->renamed[below(random, LISTENERS)] = true;
        return after->required;
}

/* The policy that differs. */
static const struct stack_policy *changed(const struct stack *before, const struct stack *after)
{
        for (size_t i = 0; i < POLICIES_MAX; i++)
                if (memcmp(&before->policies[i], &after->policies[i],
                           sizeof(before->policies[i])) != 0)
                        return &after->policies[i];
        return NULL;
}

/* PinnedOnly, a relaxed extendedKeyUsage: only for leaf pins of that very policy. */
static bool is_leaf_pinned_by_it(const struct stack *before, const struct stack *after,
                                 size_t client, const struct outcome *now)
{
        const struct stack_policy *policy = changed(before, after);
        (void)now;
        return policy && client != NOBODY &&
               (matches(policy->pins, client, false) ||
                (policy->has_set && !policy->set_broken && matches(policy->set, client, false)));
}

static bool trust_relax(struct stack *after, uint64_t *random)
{
        struct stack_policy *policy = &after->policies[below(random, POLICIES_MAX)];
        bool was = policy->pinned_only;
        policy->pinned_only = true;
        return policy->there && !was && !policy->report_only;
}

static bool use_relax(struct stack *after, uint64_t *random)
{
        struct stack_policy *policy = &after->policies[below(random, POLICIES_MAX)];
        unsigned was = policy->use;
        policy->use = 2;
        return policy->there && was != 2;
}

/* --- ReportOnly: the same as if it were not there --- */

static bool report_only_check(struct world *w, const struct stack *stack)
{
        struct stack reports = *stack, without = *stack;
        size_t at = below(&w->random, POLICIES_MAX);
        if (!stack_policy_holds(stack, at))
                return false;
        for (size_t i = at + 1; i < POLICIES_MAX; i++) /* nobody waits for its place */
                if (stack->policies[i].there &&
                    stack->policies[i].target == stack->policies[at].target)
                        return false;
        reports.policies[at].report_only = true;
        reports.policies[at].pinned_only = false;
        without.policies[at].there = false;
        check(w, &reports, &without, "dropping a ReportOnly policy", NULL);
        check(w, &without, &reports, "adding a ReportOnly policy", NULL);
        return true;
}

static const struct {
        const char *rule;
        bool (*change)(struct stack *after, uint64_t *random);
        excuse_fn excuse;
} rules[] = {
        {"adding a scope", scope_add, is_first_where_required},
        {"removing a pin", pin_remove, NULL},
        {"breaking a reference", reference_break, NULL},
        {"denying somebody", deny_add, NULL},
        {"deleting a policy where pins are required", policy_delete, is_pinned_by_the_rest},
        {"renaming a listener where pins are required", listener_rename, is_pinned_by_the_rest},
        {"PinnedOnly", trust_relax, is_leaf_pinned_by_it},
        {"a relaxed extendedKeyUsage", use_relax, is_leaf_pinned_by_it},
};

static void world_open(struct world *w, struct buffer *text)
{
        struct stack plain = {0};
        clients_make(w);
        fixed_make(w, text);
        w->now = PKI_NOW;
        w->seed = stack_translate(w, &plain);
        w->cas = w->seed->snapshot->ports[0].client->cas;
        w->store = trust_store_new(w->cas);
        w->cache = path_cache_new(PATH_CACHE_MAX);
}

static void world_close(struct world *w)
{
        path_cache_free(w->cache);
        trust_store_unref(w->store);
        translation_free(w->seed);
        snapshot_reap();
        for (size_t i = 0; i < CLIENTS; i++)
                chain_free(w->chains[i]);
        pki_done();
}

int main(int argc, char **argv)
{
        size_t stacks = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
        struct world w = {.random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1};
        size_t counts[COUNT_OF(rules)] = {0};
        struct buffer text;
        buffer_init(&text, TEXT_MAX);
        world_open(&w, &text);
        for (size_t judged = 0; judged < stacks; w.stack++) {
                struct stack before, after;
                stack_make(&before, &w.random);
                after = before;
                w.now = PKI_NOW + ((int64_t)below(&w.random, 3) - 1) * 2 * DAY;
                size_t rule = below(&w.random, COUNT_OF(rules) + 1);
                if (rule == COUNT_OF(rules)) {
                        judged += report_only_check(&w, &before);
                } else if (rules[rule].change(&after, &w.random)) {
                        check(&w, &before, &after, rules[rule].rule, rules[rule].excuse);
                        counts[rule]++;
                        judged++;
                }
        }
        for (size_t i = 0; i < COUNT_OF(rules); i++)
                printf("%7zu times %s\n", counts[i], rules[i].rule);
        printf("%zu stacks: nobody came in who should not\n", stacks);
        world_close(&w);
        buffer_done(&text);
        return 0;
}
