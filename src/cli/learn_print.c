/* Proposals as YAML: a document for each scope that refused, as a policy can't let in whom another
 * scope keeps out. */
#include <inttypes.h>

#include "base/buffer.h"
#include "cli/learn.h"
#include "control/api/object.h"
#include "text/utf8.h"

enum {
        SHOWN_MAX = 8 * LEARN_TEXT_MAX,
        POLICY_PINS_MAX = 256,
};

struct group {
        struct learn_client *const *clients; /* of one scope */
        size_t count;
};

/* Within a comment: one line, whatever it says. */
static void put_shown(FILE *out, struct slice text)
{
        struct buffer shown;
        buffer_init(&shown, SHOWN_MAX);
        if (utf8_print(text, &shown))
                fwrite(shown.data, 1, shown.len, out);
        buffer_done(&shown);
}

static void put_known(FILE *out, const char *before, struct slice text)
{
        if (text.len == 0)
                return;
        fputs(before, out);
        put_shown(out, text);
}

static void client_comment(FILE *out, const char *indent, const struct learn_client *c)
{
        if (c->name_note.len) {
                fprintf(out, "%s# ", indent);
                put_shown(out, c->name_note);
                fputc('\n', out);
        }
        fprintf(out, "%s# subject ", indent);
        put_shown(out, c->subject.len ? c->subject : SLICE("(none)"));
        put_known(out, ", issuer ", c->issuer);
        put_known(out, ", serial ", c->serial);
        fprintf(out, "\n%s# %s", indent, c->report_only ? "would be refused: " : "");
        put_shown(out, c->reason);
        fprintf(out, ", %" PRIu64 "x", c->count);
        put_known(out, ", first ", slice_of(c->first));
        put_known(out, ", last ", slice_of(c->last));
        put_known(out, ", from ", slice_of(c->peer));
        fputc('\n', out);
}

static const char *client_pin(const struct learner *learner, const struct learn_client *c,
                              char text[static PIN_TEXT_SIZE])
{
        return learner->certificates ? pin_text_print(PIN_CERTIFICATE, &c->certificate, text)
                                     : pin_text_print(PIN_SPKI, &c->spki, text);
}

/* --- pins --- */

static void print_policy_pins(const struct learner *learner, const struct group *group, FILE *out)
{
        char text[PIN_TEXT_SIZE];
        fputs("  pins:\n", out);
        for (size_t i = 0; i < group->count; i++) {
                const struct learn_client *c = group->clients[i];
                client_comment(out, "  ", c);
                fprintf(out, "  - name: \"%.*s\"\n    %s: \"%s\"\n", SLICE_ARG(c->name),
                        learner->certificates ? "certificateHash" : "spkiHash",
                        client_pin(learner, c, text));
        }
}

static void print_pins_txt(const struct learner *learner, const struct group *group, FILE *out)
{
        char text[PIN_TEXT_SIZE];
        for (size_t i = 0; i < group->count; i++) {
                const struct learn_client *c = group->clients[i];
                client_comment(out, "    ", c);
                fprintf(out, "    %s:%s name=%.*s\n", learner->certificates ? "cert" : "spki",
                        client_pin(learner, c, text), SLICE_ARG(c->name));
        }
}

static void print_inline_pins(const struct learner *learner, const struct group *group, FILE *out)
{
        char text[PIN_TEXT_SIZE];
        fprintf(out, "certificatePinning:\n  %s:\n",
                learner->certificates ? "certificateHashes" : "spkiHashes");
        for (size_t i = 0; i < group->count; i++) {
                const struct learn_client *c = group->clients[i];
                fprintf(out, "  # %.*s\n", SLICE_ARG(c->name));
                client_comment(out, "  ", c);
                fprintf(out, "  - \"%s\"\n", client_pin(learner, c, text));
        }
}

/* --- documents --- */

static bool is_object_name(struct slice text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = text.data[i];
                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.')
                        return false;
        }
        return text.len > 0 && text.len <= 253;
}

/* "edge/partners" behind `prefix`; false where it is anything else. */
static bool take_object(struct slice text, const char *prefix, struct slice *namespace,
                        struct slice *name)
{
        if (!slice_starts_with(text, slice_of(prefix)))
                return false;
        *name = slice_skip(text, slice_of(prefix).len);
        return slice_split(name, '/', namespace) && is_object_name(*namespace) &&
               is_object_name(*name);
}

static void print_policy(const struct learner *learner, const struct group *group, FILE *out)
{
        const struct learn_client *first = group->clients[0];
        struct slice namespace = SLICE_NONE, name = SLICE_NONE, gateway_space, gateway;
        bool there = take_object(first->scope, "ClientCertificatePolicy ", &namespace, &name);
        bool target = take_object(first->gateway, "", &gateway_space, &gateway);
        bool many = group->count > POLICY_PINS_MAX;
        if (!there) {
                namespace = target ? gateway_space : SLICE("default");
                name = SLICE("learned");
        }
        fputs(there ? "# Add to this policy, which has them not:\n" : "", out);
        if (many) {
                fprintf(out,
                        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \"%.*s-learned\"\n"
                        "  namespace: \"%.*s\"\ndata:\n  pins.txt: |\n",
                        SLICE_ARG(name), SLICE_ARG(namespace));
                print_pins_txt(learner, group, out);
                fputs("---\n", out);
        }
        fprintf(out,
                "apiVersion: %s\nkind: %s\nmetadata:\n  name: \"%.*s\"\n  namespace: \"%.*s\"\n"
                "spec:\n",
                object_api_version(KIND_POLICY), object_kind_name(KIND_POLICY), SLICE_ARG(name),
                SLICE_ARG(namespace));
        if (target)
                fprintf(out,
                        "  targetRefs:%s\n  - {group: " GROUP_GATEWAY
                        ", kind: Gateway, name: \"%.*s\"}\n",
                        there ? " # those that it has" : "", SLICE_ARG(gateway));
        else
                fputs("  targetRefs: [] # the Gateway that these clients come to\n", out);
        if (many)
                fprintf(out,
                        "  pinSetRefs:\n  - {group: \"\", kind: ConfigMap, name: "
                        "\"%.*s-learned\"}\n",
                        SLICE_ARG(name));
        else
                print_policy_pins(learner, group, out);
}

static void print_group(const struct learner *learner, const struct group *group, FILE *out)
{
        struct slice scope = group->clients[0]->scope;
        fputs("---\n", out);
        if (!slice_starts_with(scope, SLICE("Gateway "))) {
                print_policy(learner, group, out);
                return;
        }
        fputs("# Add to the list of ", out);
        put_shown(out, scope);
        fputs(", which no policy can widen:\n", out);
        print_inline_pins(learner, group, out);
}

static bool one_group(const struct learn_client *a, const struct learn_client *b)
{
        return slice_equal(a->scope, b->scope) &&
               (a->scope.len || slice_equal(a->gateway, b->gateway));
}

static void print_others(const struct learner *learner, FILE *out)
{
        if (learner->others.count)
                fputs("# Not proposed: no pin lets them in, or none should.\n", out);
        for (size_t i = 0; i < learner->others.count; i++)
                client_comment(out, "", learner->others.items[i]);
        if (learner->others_dropped)
                fprintf(out, "# … and %zu more records\n", learner->others_dropped);
        if (learner->unverified)
                fprintf(out,
                        "# %zu handshakes came in without identity (AllowInsecureFallback): no "
                        "proposals\n",
                        learner->unverified);
}

void learn_print(const struct learner *learner, FILE *out)
{
        fputs("# Proposed by `pingate learn`. Nothing is applied: review each, then paste.\n"
              "# Who is refused has not proven to hold the key: this is what was shown. A name that "
              "another pin\n# bears makes both one client.\n",
              out);
        print_others(learner, out);
        if (learner->proposed_dropped)
                fprintf(out, "# %d clients are kept; %zu records of others are not\n",
                        LEARN_PROPOSED_MAX, learner->proposed_dropped);
        for (size_t i = 0; i < learner->proposed.count;) {
                struct group group = {&learner->proposed.items[i], 1};
                while (i + group.count < learner->proposed.count &&
                       one_group(group.clients[0], group.clients[group.count]))
                        group.count++;
                print_group(learner, &group, out);
                i += group.count;
        }
}
