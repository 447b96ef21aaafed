#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/explain.h"
#include "text/json.h"
#include "text/time.h"

enum {
        BATCH_BYTES_MAX = 256 << 20,
        BATCH_OIDS_MAX = 16,
};

/* One test case on its way to a result. */
struct batch_case {
        struct explain_case explain;
        const char *oids[BATCH_OIDS_MAX];
        struct slice crls;
        char skipped[256]; /* not empty: what is asked for is not modelled */
};

static void skip(struct batch_case *c, const char *what, struct slice which)
{
        if (c->skipped[0] == '\0')
                snprintf(c->skipped, sizeof(c->skipped), "%s %.*s", what, SLICE_ARG(which));
}

static struct slice join(struct arena *arena, const struct node *list)
{
        struct buffer buffer;
        buffer_init(&buffer, BATCH_BYTES_MAX);
        for (size_t i = 0; list && i < list->child_count; i++) {
                buffer_append(&buffer, list->children[i]->text);
                buffer_append(&buffer, SLICE("\n"));
        }
        struct slice joined = arena_slice(arena, buffer_slice(&buffer));
        buffer_done(&buffer);
        return joined;
}

static void read_number_option(struct batch_case *c, struct slice name, struct slice value)
{
        uint64_t number;
        if (!slice_to_u64(value, INT32_MAX, &number))
                skip(c, "option value", value);
        else if (slice_is(name, "-verify_depth"))
                c->explain.rules.max_depth = (int)number;
        else if (slice_is(name, "-attime"))
                c->explain.now = (int64_t)number;
        else if (number != 1)
                skip(c, "security level", value);
}

static void add_oid(struct batch_case *c, struct arena *arena, struct slice oid)
{
        struct certificate_policy_inputs *inputs = &c->explain.rules.policies;
        if (inputs->oid_count == BATCH_OIDS_MAX)
                return skip(c, "more policies than", SLICE("16"));
        c->oids[inputs->oid_count++] = arena_text(arena, oid);
}

/* OpenSSL's own cases name options of `openssl verify`. */
static void read_options(struct batch_case *c, struct arena *arena, const struct node *options)
{
        for (size_t i = 0; options && i < options->child_count; i++) {
                struct slice name = options->children[i]->text;
                struct slice value =
                        i + 1 < options->child_count ? options->children[i + 1]->text : SLICE_NONE;
                if (slice_is(name, "-partial_chain") || slice_is(name, "-policy_check"))
                        continue;
                if (slice_is(name, "-explicit_policy")) {
                        c->explain.rules.policies.explicit_policy = true;
                } else if (slice_is(name, "-policy")) {
                        add_oid(c, arena, value);
                        i++;
                } else if (slice_is(name, "-verify_depth") || slice_is(name, "-attime") ||
                           slice_is(name, "-auth_level")) {
                        read_number_option(c, name, value);
                        i++;
                } else {
                        skip(c, "option", name);
                }
        }
}

/* PKITS names its policies NIST-test-policy-N. */
static void read_policy_name(struct batch_case *c, struct arena *arena, struct slice name)
{
        struct slice prefix = SLICE("NIST-test-policy-");
        if (slice_starts_with(name, prefix))
                add_oid(c, arena,
                        arena_printf(arena, "2.16.840.1.101.3.2.1.48.%.*s",
                                     SLICE_ARG(slice_skip(name, prefix.len))));
        else if (slice_is(name, "anyPolicy"))
                add_oid(c, arena, SLICE("2.5.29.32.0"));
        else
                skip(c, "policy", name);
}

static void read_policies(struct batch_case *c, struct arena *arena, const struct node *inputs)
{
        struct certificate_policy_inputs *policies = &c->explain.rules.policies;
        struct slice set = node_text(inputs, "SetInitialPolicySet"), name;
        if (set.len >= 2 && set.data[0] == '"')
                set = slice_sub(set, 1, set.len - 2);
        while (set.len > 0 && slice_split(&set, ',', &name))
                read_policy_name(c, arena, name);
        policies->explicit_policy = slice_is(node_text(inputs, "SetInitialExplicitPolicy"), "true");
        policies->inhibit_mapping =
                slice_is(node_text(inputs, "SetInitialPolicyMappingInhibit"), "true");
        policies->inhibit_any = slice_is(node_text(inputs, "SetInitialInhibitAnyPolicy"), "true");
}

static void read_use(struct batch_case *c, const struct node *testcase)
{
        struct slice purpose = node_text(testcase, "purpose");
        const struct node *ekus = node_find(testcase, "extended_key_usage");
        for (size_t i = 0; ekus && i < ekus->child_count; i++) {
                if (!slice_is(ekus->children[i]->text, "clientAuth"))
                        skip(c, "extended_key_usage", ekus->children[i]->text);
                c->explain.rules.use = USE_CLIENT_AUTH;
        }
        if (slice_is(purpose, "sslclient"))
                c->explain.rules.use = USE_CLIENT_AUTH;
        else if (slice_is(purpose, "sslserver") && c->explain.rules.profile == PROFILE_CHAIN)
                c->explain.rules.use = USE_SERVER_AUTH;
        else if (purpose.len > 0)
                skip(c, "purpose", purpose);
        if (slice_is(node_text(testcase, "validation_kind"), "SERVER"))
                skip(c, "validation_kind", SLICE("SERVER"));
        static const char *const lists[] = {"signature_algorithms", "key_usage",
                                            "expected_peer_names"};
        for (size_t i = 0; i < COUNT_OF(lists); i++) {
                const struct node *list = node_find(testcase, lists[i]);
                if (list && list->child_count > 0)
                        skip(c, "input", slice_of(lists[i]));
        }
        const struct node *name = node_find(testcase, "expected_peer_name");
        if (name && name->kind != NODE_NULL)
                skip(c, "input", SLICE("expected_peer_name"));
}

static void read_case(struct batch_case *c, struct arena *arena, const struct node *testcase,
                      enum judge_profile profile)
{
        memset(c, 0, sizeof(*c));
        struct explain_case *e = &c->explain;
        struct error err;
        e->rules = path_rules_default();
        e->rules.profile = profile;
        e->rules.use = profile == PROFILE_CHAIN ? USE_ANY : USE_CLIENT_AUTH;
        e->rules.policies.oids = c->oids;
        e->ca = join(arena, node_find(testcase, "trusted_certs"));
        e->untrusted = join(arena, node_find(testcase, "untrusted_intermediates"));
        e->certificate = node_text(testcase, "peer_certificate");
        const struct node *crls = node_find(testcase, "crls");
        if (crls && crls->child_count > 0) {
                c->crls = join(arena, crls);
                e->crl = &c->crls;
        }
        const struct node *when = node_find(testcase, "validation_time");
        e->now = (int64_t)time(NULL);
        if (when && when->kind != NODE_NULL && !time_parse(when->text, &e->now, &err))
                skip(c, "validation_time", when->text);
        const struct node *depth = node_find(testcase, "max_chain_depth");
        if (depth && depth->kind == NODE_INTEGER)
                e->rules.max_depth = (int)(depth->integer < PATH_DEPTH_MAX && depth->integer >= 0
                                                   ? depth->integer
                                                   : PATH_DEPTH_MAX);
        read_use(c, testcase);
        read_policies(c, arena, node_find(testcase, "policy_inputs"));
        read_options(c, arena, node_find(testcase, "options"));
        if (memmem(e->ca.data, e->ca.len, "BEGIN TRUSTED", 13) ||
            memmem(e->untrusted.data, e->untrusted.len, "BEGIN TRUSTED", 13) ||
            (e->certificate.len > 0 &&
             memmem(e->certificate.data, e->certificate.len, "BEGIN TRUSTED", 13)))
                skip(c, "OpenSSL's trust settings in", SLICE("TRUSTED CERTIFICATE"));
}

static void print_result(struct json_writer *w, const struct node *testcase,
                         const struct batch_case *c)
{
        struct verdict verdict = {0};
        struct error err;
        const char *result = "SKIPPED";
        char context[512];
        if (c->skipped[0] != '\0') {
                snprintf(context, sizeof(context), "not modelled: %s", c->skipped);
        } else if (!explain_judge(&c->explain, &verdict, &err)) {
                result = "FAILURE";
                snprintf(context, sizeof(context), "unusable input: %.480s", err.text);
        } else {
                result = verdict.admitted ? "SUCCESS" : "FAILURE";
                snprintf(context, sizeof(context), "%s%s%s", reason_token(verdict.reason),
                         verdict.detail[0] ? ": " : "", verdict.detail);
        }
        json_begin_object(w);
        json_field_string(w, "id", node_text(testcase, "id"));
        json_field_text(w, "actual_result", result);
        json_field_text(w, "context", context);
        json_end_object(w);
}

static bool print_results(const struct node *root, enum judge_profile profile)
{
        const struct node *cases = node_find(root, "testcases");
        struct buffer out;
        struct json_writer w;
        buffer_init(&out, BATCH_BYTES_MAX);
        json_writer_init(&w, &out);
        json_begin_object(&w);
        json_field_integer(&w, "version", 1);
        json_field_text(&w, "harness", "pingate");
        json_key(&w, SLICE("results"));
        json_begin_array(&w);
        for (size_t i = 0; i < cases->child_count; i++) {
                struct batch_case c;
                struct arena arena;
                arena_init(&arena, 65536);
                read_case(&c, &arena, cases->children[i], profile);
                print_result(&w, cases->children[i], &c);
                arena_done(&arena);
        }
        json_end_array(&w);
        json_end_object(&w);
        bool good = json_writer_done(&w) && buffer_append(&out, SLICE("\n")) &&
                    fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
        buffer_done(&out);
        return good;
}

int explain_batch(const char *file, enum judge_profile profile)
{
        struct error err;
        struct arena arena;
        struct node *root = NULL;
        char *text = NULL;
        size_t len = 0;
        arena_init(&arena, 1 << 20);
        bool good = cli_read_file(file, BATCH_BYTES_MAX, &text, &len, &err) &&
                    json_parse(&arena, slice_from(text, len), file, &root, &err);
        const struct node *cases = good ? node_find(root, "testcases") : NULL;
        if (good && (!cases || cases->kind != NODE_LIST))
                good = error_set(&err, ERROR_INPUT, "%s: no list of testcases", file);
        if (good && !print_results(root, profile))
                good = error_set_errno(&err, "standard output");
        arena_done(&arena);
        free(text);
        if (!good)
                cli_fail(&err);
        return good ? EXIT_OK : EXIT_USAGE;
}
