/* `pingate status`: what a running gateway serves and whom it has refused, asked of its admin
 * address. Everything shown is untrusted text by the time it is here, and printed escaped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/admin_client.h"
#include "cli/cli.h"
#include "observe/admin.h"
#include "text/json.h"
#include "text/utf8.h"

struct status_options {
        const char *admin, *output;
        bool refusals, follow;
};

/* A field's text, safe for a terminal. `or` where there is none. */
static const char *shown(const struct node *map, const char *key, const char * or,
                         char out[static UTF8_SHOWN_SIZE])
{
        struct slice text = node_text(map, key);
        return text.len ? utf8_show(text, out) : or ;
}

/* The whole of a message: what is wrong in it stands at its end. */
static void print_message(const struct node *map, const char *key)
{
        struct buffer line;
        buffer_init(&line, ADMIN_ANSWER_MAX);
        if (utf8_print(node_text(map, key), &line))
                printf("%.*s", SLICE_ARG(buffer_slice(&line)));
        buffer_done(&line);
}

static bool is_true(const struct node *map, const char *key)
{
        const struct node *node = node_find(map, key);
        return node && node->kind == NODE_BOOL && node->boolean;
}

static bool ask(const struct status_options *options, const char *path, struct arena *arena,
                struct node **root, struct error *err)
{
        struct buffer body;
        buffer_init(&body, ADMIN_ANSWER_MAX);
        int status = 0;
        bool ok = admin_get(options->admin, path, &status, &body, err);
        if (ok && status != 200)
                ok = error_set(err, ERROR_SYSTEM, "%s%s: answers %d", options->admin, path, status);
        ok = ok &&
             json_parse(arena, arena_slice(arena, buffer_slice(&body)), options->admin, root, err);
        buffer_done(&body);
        return ok;
}

static const struct node *condition_find(const struct node *object, const char *type)
{
        const struct node *all = node_find(object, "conditions");
        for (size_t i = 0; all && i < all->child_count; i++)
                if (slice_is(node_text(all->children[i], "type"), type))
                        return all->children[i];
        return NULL;
}

/* Why a condition does not hold; nothing where it does, or where nobody spoke of it. */
static void print_condition(const struct node *object, const char *type, const char *says)
{
        char a[UTF8_SHOWN_SIZE];
        const struct node *condition = condition_find(object, type);
        if (!condition || slice_is(node_text(condition, "status"), "True"))
                return;
        printf(", %s (%s): ", says, shown(condition, "reason", "?", a));
        print_message(condition, "message");
}

static void print_gateways(const struct node *gateways)
{
        char a[UTF8_SHOWN_SIZE];
        for (size_t i = 0; gateways && i < gateways->child_count; i++) {
                const struct node *g = gateways->children[i];
                printf("gateway     %s", shown(g, "name", "?", a));
                print_condition(g, "Accepted", "NOT ACCEPTED");
                print_condition(g, "Programmed", "NOT PROGRAMMED");
                printf("\n");
        }
}

static void print_listeners(const struct node *listeners)
{
        char a[UTF8_SHOWN_SIZE], b[UTF8_SHOWN_SIZE], c[UTF8_SHOWN_SIZE], d[UTF8_SHOWN_SIZE];
        for (size_t i = 0; listeners && i < listeners->child_count; i++) {
                const struct node *l = listeners->children[i];
                printf("listener    %s %s on %s, %s", shown(l, "gateway", "?", a),
                       shown(l, "name", "?", b), shown(l, "address", "?", c),
                       shown(l, "protocol", "?", d));
                if (node_text(l, "mode").len)
                        printf(", %s, %s", shown(l, "mode", "", a),
                               is_true(l, "pinned") ? "pinned" : "not pinned");
                if (is_true(l, "pinned"))
                        printf(" (%s pins, %.12s)", shown(l, "pins", "0", a),
                               shown(l, "digest", "no digest", b));
                const struct node *enforced = condition_find(l, "pingate.dev/PinningEnforced");
                if (enforced && slice_is(node_text(enforced, "status"), "True"))
                        printf(", enforced by every worker");
                print_condition(l, "Programmed", "NOT SERVED");
                print_condition(l, "pingate.dev/PinningEnforced", "PINS NOT ENFORCED");
                printf("\n");
        }
}

static void print_workers(const struct node *workers)
{
        char a[UTF8_SHOWN_SIZE], b[UTF8_SHOWN_SIZE], c[UTF8_SHOWN_SIZE], d[UTF8_SHOWN_SIZE];
        char e[UTF8_SHOWN_SIZE], f[UTF8_SHOWN_SIZE];
        for (size_t i = 0; workers && i < workers->child_count; i++) {
                const struct node *w = workers->children[i];
                printf("worker %-4zu generation %s; connections %s serving, %s handshaking, "
                       "%s draining; handshakes %s admitted, %s refused\n",
                       i, shown(w, "generation", "?", a), shown(w, "serving", "?", b),
                       shown(w, "handshaking", "?", c), shown(w, "draining", "?", d),
                       shown(w, "admitted", "?", e), shown(w, "refused", "?", f));
        }
}

enum {
        NEVER_SHOWN = 10
};

/* Pins with a name that nobody has used: a few of them, for all there is -o json. */
static void print_pins(const struct node *pins)
{
        char a[UTF8_SHOWN_SIZE], b[UTF8_SHOWN_SIZE];
        const struct node *never = node_find(pins, "never_matched");
        size_t count = never ? never->child_count : 0;
        if (!pins || slice_is(node_text(pins, "names"), "0"))
                return;
        printf("pin names   %s, %s of them over, %zu matched by nobody since the start",
               shown(pins, "names", "?", a), shown(pins, "expired", "?", b), count);
        for (size_t i = 0; i < count && i < NEVER_SHOWN; i++)
                printf("%s%s", i ? ", " : ": ", shown(never->children[i], "name", "?", a));
        if (count > NEVER_SHOWN)
                printf(" and %zu more (-o json)", count - NEVER_SHOWN);
        printf("\n");
}

static void print_status(const struct node *root)
{
        char a[UTF8_SHOWN_SIZE], b[UTF8_SHOWN_SIZE], c[UTF8_SHOWN_SIZE];
        const struct node *generation = node_find(root, "generation");
        printf("pingate     %s, up %s s, %s\n", shown(root, "version", "?", a),
               shown(root, "uptime_s", "?", b), shown(root, "readiness", "?", c));
        printf("generation  %s, published %s, digest %.12s\n", shown(generation, "number", "0", a),
               shown(generation, "published", "never", b), shown(generation, "digest", "none", c));
        printf("serves      %s pins, %s routes\n", shown(generation, "pins", "0", a),
               shown(generation, "routes", "0", b));
        print_pins(node_find(root, "pins"));
        print_gateways(node_find(root, "gateways"));
        print_listeners(node_find(root, "listeners"));
        print_workers(node_find(root, "workers"));
        const struct node *failing = node_find(root, "source_error");
        if (node_text(failing, "says").len) {
                printf("source      CAN'T BE READ since %s: ", shown(failing, "since", "?", a));
                print_message(failing, "says");
                printf("\n");
        }
}

static void print_refused_request(const struct node *r)
{
        char a[UTF8_SHOWN_SIZE], b[UTF8_SHOWN_SIZE], c[UTF8_SHOWN_SIZE], d[UTF8_SHOWN_SIZE];
        printf("    request %s: %s %s%s\n", shown(r, "request_id", "-", a),
               shown(r, "method", "-", b), shown(r, "authority", "", c), shown(r, "path", "", d));
}

static void print_refusal(const struct node *r)
{
        char a[UTF8_SHOWN_SIZE], b[UTF8_SHOWN_SIZE], c[UTF8_SHOWN_SIZE], d[UTF8_SHOWN_SIZE];
        bool would = is_true(r, "would_refuse");
        printf("%s  %s  %s%s  sni %s\n", shown(r, "time", "?", a), shown(r, "peer", "?", b),
               would ? "let in, but would be refused: " : "",
               shown(r, would ? "report_only" : "reason", "?", c), shown(r, "sni", "-", d));
        if (node_text(r, "request_id").len)
                print_refused_request(r);
        if (node_text(r, would ? "report_scope" : "scope").len)
                printf("    by %s\n", shown(r, would ? "report_scope" : "scope", "", a));
        if (node_text(r, "subject").len)
                printf("    subject %s, issuer %s, serial %s\n", shown(r, "subject", "", a),
                       shown(r, "issuer", "-", b), shown(r, "serial", "-", c));
        if (node_text(r, "spki_sha256").len)
                printf("    spki:%s\n    cert:%s\n", shown(r, "spki_sha256", "", a),
                       shown(r, "certificate_sha256", "-", b));
        if (node_text(r, "renewal_of").len)
                printf("    renewal of %s: same subject and names, new key\n",
                       shown(r, "renewal_of", "", a));
        if (node_text(r, "pin").len)
                printf("    to admit this client, pin: %s\n", shown(r, "pin", "", a));
}

/* Prints what is numbered `from` and later, and moves it on. */
static bool show_refusals(const struct status_options *options, uint64_t *from, struct error *err)
{
        char path[64];
        snprintf(path, sizeof(path), "/refusals?from=%llu", (unsigned long long)*from);
        struct arena arena;
        arena_init(&arena, 65536);
        struct node *root;
        bool ok = ask(options, path, &arena, &root, err);
        if (ok) {
                const struct node *list = node_find(root, "refusals");
                for (size_t i = 0; list && i < list->child_count; i++) {
                        struct buffer line;
                        buffer_init(&line, 65536);
                        if (strcmp(options->output, "json") != 0)
                                print_refusal(list->children[i]);
                        else if (node_print_json(list->children[i], &line, false))
                                printf("%.*s\n", SLICE_ARG(buffer_slice(&line)));
                        buffer_done(&line);
                }
                fflush(stdout);
                slice_to_u64(node_text(root, "next"), UINT64_MAX, from);
        }
        arena_done(&arena);
        return ok;
}

static bool show_status(const struct status_options *options, struct error *err)
{
        struct arena arena;
        arena_init(&arena, 65536);
        struct node *root;
        bool ok = ask(options, "/status", &arena, &root, err);
        struct buffer text;
        buffer_init(&text, ADMIN_ANSWER_MAX);
        if (ok && strcmp(options->output, "json") != 0)
                print_status(root);
        else if (ok && node_print_json(root, &text, true))
                fwrite(text.data, 1, text.len, stdout);
        buffer_done(&text);
        arena_done(&arena);
        return ok;
}

static int run_status(const struct status_options *options)
{
        struct error err;
        uint64_t from = 0;
        bool ok = options->refusals ? show_refusals(options, &from, &err)
                                    : show_status(options, &err);
        /* Asked anew each second until the gateway goes away or the user ends it. */
        while (ok && options->follow) {
                nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
                ok = show_refusals(options, &from, &err);
        }
        return ok ? EXIT_OK : cli_fail(&err);
}

int cli_status(int argc, char **argv)
{
        struct status_options o = {.admin = ADMIN_ADDRESS_DEFAULT, .output = "text"};
        const struct cli_option options[] = {
                {"admin", 0, "ADDR",
                 "the gateway's admin address; " ADMIN_ADDRESS_DEFAULT " by default",
                 .text = &o.admin},
                {"refusals", 0, NULL,
                 "show who was refused last, or would be but for ReportOnly, with the pin that would admit",
                 .flag = &o.refusals},
                {"follow", 0, NULL, "with --refusals: go on and show each new one",
                 .flag = &o.follow},
                {"output", 'o', "text|json", "form of the output; text by default",
                 .text = &o.output},
        };
        const struct cli_command command = {
                .name = "status",
                .summary =
                        "Show what a running gateway serves: listeners, pins, generations, connections",
                .options = options,
                .option_count = COUNT_OF(options),
        };
        char **arguments;
        int exit_code;
        if (!cli_parse(&command, argc, argv, &arguments, &exit_code))
                return exit_code;
        if (strcmp(o.output, "text") != 0 && strcmp(o.output, "json") != 0)
                return cli_usage_error("status: --output %s: not text or json", o.output);
        if (o.follow && !o.refusals)
                return cli_usage_error("status: --follow: only with --refusals");
        return run_status(&o);
}
