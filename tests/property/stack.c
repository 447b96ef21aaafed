#include "stack.h"

#include <string.h>

#include "base/must.h"
#include "trust/pin.h"

uint64_t random_next_of(uint64_t *state)
{
        uint64_t z = *state += 0x9e3779b97f4a7c15; /* splitmix64 */
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
}

unsigned below(uint64_t *state, unsigned n)
{
        return (unsigned)(random_next_of(state) % n);
}

bool one_in(uint64_t *state, unsigned n)
{
        return below(state, n) == 0;
}

/* --- making --- */

struct stack_pin stack_pin_make(uint64_t *random, unsigned subjects)
{
        return (struct stack_pin){.there = true,
                                  .subject = below(random, subjects),
                                  .by_certificate = one_in(random, 2),
                                  .window = one_in(random, 4) ? below(random, WINDOWS)
                                                              : WINDOW_ALWAYS};
}

static void pins_make(struct stack_pin *pins, uint64_t *random, unsigned subjects, unsigned sparse)
{
        for (size_t i = 0; i < PINS_MAX; i++)
                if (one_in(random, sparse))
                        pins[i] = stack_pin_make(random, subjects);
}

static bool has_leaf_pin(const struct stack_policy *policy)
{
        bool has = policy->has_set;
        for (size_t i = 0; i < PINS_MAX; i++)
                has = has || (policy->pins[i].there && policy->pins[i].subject < CLIENTS);
        return has;
}

static void policy_make(struct stack_policy *policy, uint64_t *random)
{
        policy->there = one_in(random, 2);
        policy->target = below(random, TARGETS);
        policy->report_only = one_in(random, 5);
        policy->use = one_in(random, 3) ? below(random, 3) : 0;
        pins_make(policy->pins, random, PIN_SUBJECTS, 2);
        if (one_in(random, 3))
                pins_make(policy->deny, random, PIN_SUBJECTS, 3);
        policy->has_set = one_in(random, 3);
        policy->set_broken = one_in(random, 4);
        pins_make(policy->set, random, CLIENTS, 2);
        policy->pinned_only = one_in(random, 4) && !policy->report_only && has_leaf_pin(policy);
}

void stack_make(struct stack *stack, uint64_t *random)
{
        memset(stack, 0, sizeof(*stack));
        stack->fallback = one_in(random, 4);
        stack->required = one_in(random, 3);
        stack->cas_broken = one_in(random, 12);
        stack->inline_pinned = one_in(random, 3);
        pins_make(stack->inline_pins, random, CLIENTS, 2);
        stack->inline_pins[0].there = true; /* the schema wants one */
        for (size_t i = 0; i < POLICIES_MAX; i++)
                policy_make(&stack->policies[i], random);
}

bool stack_policy_holds(const struct stack *stack, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (stack->policies[i].there &&
                    stack->policies[i].target == stack->policies[index].target)
                        return false;
        return stack->policies[index].there;
}

/* --- printing --- */

static void put(struct buffer *out, const char *text)
{
        must(buffer_append(out, slice_of(text)));
}

static void hash_put(struct buffer *out, const struct stack_pin *pin,
                     const struct digest digests[PIN_SUBJECTS][2])
{
        char text[PIN_TEXT_SIZE];
        bool certificate = pin->by_certificate && pin->subject < CLIENTS;
        enum pin_kind kind = certificate ? PIN_CERTIFICATE : PIN_SPKI;
        put(out, pin_text_print(kind, &digests[pin->subject][certificate], text));
}

static const char *const windows[WINDOWS][2] = {
        [WINDOW_PAST] = {NULL, "2027-01-14T00:00:00Z"},
        [WINDOW_FUTURE] = {"2027-01-16T00:00:00Z", NULL},
        [WINDOW_EMPTY] = {"2027-01-16T00:00:00Z", "2027-01-14T00:00:00Z"},
};

static void pins_put(struct buffer *out, const char *field, const struct stack_pin *pins,
                     const struct digest digests[PIN_SUBJECTS][2])
{
        must(buffer_printf(out, "  %s:", field));
        bool any = false;
        for (size_t i = 0; i < PINS_MAX; i++) {
                const struct stack_pin *pin = &pins[i];
                if (!pin->there)
                        continue;
                bool issuer = pin->subject >= CLIENTS;
                must(buffer_printf(out, "\n  - {name: n%u, %s: \"", pin->subject,
                                   issuer                ? "issuerSpkiHash"
                                   : pin->by_certificate ? "certificateHash"
                                                         : "spkiHash"));
                hash_put(out, pin, digests);
                put(out, "\"");
                if (windows[pin->window][0])
                        must(buffer_printf(out, ", notBefore: %s", windows[pin->window][0]));
                if (windows[pin->window][1])
                        must(buffer_printf(out, ", notAfter: %s", windows[pin->window][1]));
                put(out, "}");
                any = true;
        }
        put(out, any ? "\n" : " []\n");
}

static void set_put(struct buffer *out, const struct stack_policy *policy, size_t index,
                    const struct digest digests[PIN_SUBJECTS][2])
{
        must(buffer_printf(out,
                           "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: set%zu, "
                           "namespace: edge}\ndata:\n  pins.txt: |\n    # pins\n",
                           index));
        for (size_t i = 0; i < PINS_MAX; i++) {
                const struct stack_pin *pin = &policy->set[i];
                if (!pin->there)
                        continue;
                put(out, pin->by_certificate ? "    cert:" : "    spki:");
                hash_put(out, pin, digests);
                if (windows[pin->window][0])
                        must(buffer_printf(out, " not-before=%s", windows[pin->window][0]));
                if (windows[pin->window][1])
                        must(buffer_printf(out, " not-after=%s", windows[pin->window][1]));
                put(out, "\n");
        }
}

static void policy_put(struct buffer *out, const struct stack_policy *policy, size_t index,
                       const struct digest digests[PIN_SUBJECTS][2])
{
        static const char *const targets[] = {
                [ON_GATEWAY] = "kind: Gateway, name: edge",
                [ON_FIRST] = "kind: Gateway, name: edge, sectionName: l0",
                [ON_SECOND] = "kind: Gateway, name: edge, sectionName: l1",
                [ON_ALONE] = "kind: Gateway, name: edge, sectionName: l2",
                [ON_ROUTE] = "kind: HTTPRoute, name: app",
                [ON_RULE] = "kind: HTTPRoute, name: app, sectionName: admin",
        };
        static const char *const uses[] = {"ClientAuth", "ClientOrServerAuth", "Any"};
        must(buffer_printf(out,
                           "---\napiVersion: pingate.dev/v1alpha1\nkind: ClientCertificatePolicy\n"
                           "metadata: {name: p%zu, namespace: edge}\nspec:\n  targetRefs: [{group: "
                           "gateway.networking.k8s.io, %s}]\n  extendedKeyUsage: %s\n",
                           index, targets[policy->target], uses[policy->use]));
        if (policy->report_only)
                put(out, "  enforcement: ReportOnly\n");
        if (policy->pinned_only && has_leaf_pin(policy))
                put(out, "  trust: PinnedOnly\n");
        pins_put(out, "pins", policy->pins, digests);
        pins_put(out, "deny", policy->deny, digests);
        if (!policy->has_set)
                return;
        must(buffer_printf(out, "  pinSetRefs: [{group: \"\", kind: ConfigMap, name: set%zu}]\n",
                           index));
        if (!policy->set_broken)
                set_put(out, policy, index, digests);
}

static bool same_hash(const struct stack_pin *a, const struct stack_pin *b,
                      const struct digest digests[PIN_SUBJECTS][2])
{
        return a->there && a->by_certificate == b->by_certificate &&
               digest_equal(&digests[a->subject][a->by_certificate],
                            &digests[b->subject][b->by_certificate]);
}

static void inline_put(struct buffer *out, const struct stack *stack,
                       const struct digest digests[PIN_SUBJECTS][2])
{
        for (unsigned certificate = 0; certificate < 2; certificate++) {
                bool any = false;
                for (size_t i = 0; i < PINS_MAX; i++) {
                        const struct stack_pin *pin = &stack->inline_pins[i];
                        if (!pin->there || pin->by_certificate != certificate)
                                continue;
                        bool repeated = false; /* the list is a set */
                        for (size_t k = 0; k < i; k++)
                                repeated =
                                        repeated || same_hash(&stack->inline_pins[k], pin, digests);
                        if (repeated)
                                continue;
                        if (!any)
                                put(out, certificate ? "            certificateHashes: ["
                                                     : "            spkiHashes: [");
                        put(out, any ? ", \"" : "\"");
                        hash_put(out, pin, digests);
                        put(out, "\"");
                        any = true;
                }
                if (any)
                        put(out, "]\n");
        }
}

void stack_print(const struct stack *stack, const struct digest digests[PIN_SUBJECTS][2],
                 struct buffer *out)
{
        static const char *const hosts[] = {"first.example", "second.example", "alone.example"};
        must(buffer_printf(out,
                           "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: "
                           "{name: edge, namespace: edge, annotations: "
                           "{pingate.dev/require-pinning: \"%s\"}}\nspec:\n"
                           "  gatewayClassName: pingate\n  listeners:\n",
                           stack->required ? "true" : "false"));
        for (size_t i = 0; i < LISTENERS; i++)
                must(buffer_printf(out,
                                   "  - {name: %s%zu, port: %d, protocol: HTTPS, hostname: %s, "
                                   "tls: {certificateRefs: [{name: tls}]}}\n",
                                   stack->renamed[i] ? "renamed" : "l", i, i < 2 ? 443 : 8443,
                                   hosts[i]));
        must(buffer_printf(out,
                           "  tls:\n    frontend:\n      default:\n        validation:\n"
                           "          mode: %s\n          caCertificateRefs: [{group: \"\", kind: "
                           "ConfigMap, name: %s}]\n",
                           stack->fallback ? "AllowInsecureFallback" : "AllowValidOnly",
                           stack->cas_broken ? "gone" : "cas"));
        if (stack->inline_pinned) {
                put(out, "          certificatePinning:\n");
                inline_put(out, stack, digests);
        }
        for (size_t i = 0; i < POLICIES_MAX; i++)
                if (stack->policies[i].there)
                        policy_put(out, &stack->policies[i], i, digests);
}
