#include "cli/check.h"

#include <string.h>

#include "base/buffer.h"
#include "text/json.h"
#include "text/utf8.h"
#include "text/yaml_print.h"

enum {
        OUTPUT_MAX = 256 << 20
};

static void put_visible(FILE *out, struct slice text)
{
        struct buffer shown;
        buffer_init(&shown, 1 << 16);
        if (utf8_print(text, &shown))
                fwrite(shown.data, 1, shown.len, out);
        buffer_done(&shown);
}

/*   ok    Programmed    True   Programmed: is served
 *   FAIL  ResolvedRefs  False  InvalidCertificateRef: …
 */
static void conditions_print(const struct condition_list *list, FILE *out)
{
        int width = 0;
        for (size_t i = 0; i < list->count; i++) {
                int len = (int)strlen(list->items[i].type);
                width = len > width ? len : width;
        }
        for (size_t i = 0; i < list->count; i++) {
                const struct condition *c = &list->items[i];
                const char *mark = condition_is_bad(c)       ? "FAIL"
                                   : condition_is_warning(c) ? "warn"
                                                             : "ok";
                fprintf(out, "  %-4s  %-*s  %-5s  %s", mark, width, c->type,
                        c->holds ? "True" : "False", c->reason);
                if (c->message.len) {
                        fputs(": ", out);
                        put_visible(out, c->message);
                }
                fputc('\n', out);
        }
}

static void status_print(const struct object_status *status, FILE *out)
{
        if (status->conditions.count) {
                fprintf(out, "%.*s\n", SLICE_ARG(status->id));
                conditions_print(&status->conditions, out);
        }
        for (size_t i = 0; i < status->listeners.count; i++) {
                const struct listener_status *l = &status->listeners.items[i];
                fprintf(out, "%.*s listener %.*s (%lld %s)\n", SLICE_ARG(status->id),
                        SLICE_ARG(l->name), (long long)l->attached_routes,
                        l->attached_routes == 1 ? "route" : "routes");
                conditions_print(&l->conditions, out);
        }
        for (size_t i = 0; i < status->parents.count; i++) {
                const struct parent_status *p = &status->parents.items[i];
                fprintf(out, "%.*s on %.*s %s%.*s%s%.*s", SLICE_ARG(status->id), SLICE_ARG(p->kind),
                        "", SLICE_ARG(p->namespace), p->namespace.len ? "/" : "",
                        SLICE_ARG(p->name));
                if (p->section_name.len)
                        fprintf(out, " %s %.*s",
                                slice_ends_with(p->kind, SLICE("Route")) ? "rule" : "listener",
                                SLICE_ARG(p->section_name));
                if (p->port)
                        fprintf(out, " port %lld", (long long)p->port);
                fputc('\n', out);
                conditions_print(&p->conditions, out);
        }
}

static void text_print(const struct translation *translation, FILE *out)
{
        for (size_t i = 0; i < translation->statuses.count; i++)
                status_print(&translation->statuses.items[i], out);
        for (size_t i = 0; i < translation->warnings.count; i++) {
                fputs("warn  ", out);
                put_visible(out, translation->warnings.items[i]);
                fputc('\n', out);
        }
}

/* A List, so that the whole is one document for jq and one for kubectl. */
static void tree_print(const struct translation *translation, enum check_form form, FILE *out)
{
        struct arena arena;
        struct buffer text;
        arena_init(&arena, 64 * 1024);
        buffer_init(&text, OUTPUT_MAX);
        struct node *root = node_new(&arena, NODE_MAP, NULL, 0);
        struct node *items = node_new(&arena, NODE_LIST, NULL, 0);
        node_add(&arena, root, SLICE("apiVersion"), node_new_string(&arena, SLICE("v1")));
        node_add(&arena, root, SLICE("kind"), node_new_string(&arena, SLICE("List")));
        for (size_t i = 0; i < translation->statuses.count; i++)
                node_add(&arena, items, SLICE_NONE,
                         object_status_tree(&translation->statuses.items[i], SLICE_NONE, &arena));
        node_add(&arena, root, SLICE("items"), items);
        bool fits = form == CHECK_JSON ? node_print_json(root, &text, true)
                                       : node_print_yaml(root, &text);
        if (fits)
                fwrite(text.data, 1, text.len, out);
        for (size_t i = 0; i < translation->warnings.count; i++)
                fprintf(stderr, "pingate: warning: %.*s\n",
                        SLICE_ARG(translation->warnings.items[i]));
        buffer_done(&text);
        arena_done(&arena);
}

void check_print(const struct translation *translation, enum check_form form, FILE *out)
{
        if (form == CHECK_TEXT)
                text_print(translation, out);
        else
                tree_print(translation, form, out);
}
