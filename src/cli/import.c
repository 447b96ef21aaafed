/* `pingate import`: Istio Gateways and Envoy Gateway ClientTrafficPolicies as our own YAML, with
 * all that has no equivalent said above it and on standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "cli/cli.h"
#include "cli/import_values.h"
#include "control/api/object.h"
#include "text/utf8.h"
#include "text/yaml.h"
#include "text/yaml_print.h"

enum {
        IMPORT_FILE_MAX = 16 << 20,
        IMPORT_DOCUMENTS_MAX = 10000,
        IMPORT_OUT_MAX = 256 << 20,
};

/* --- in --- */

static bool document_take(struct importer *im, const struct node *document, struct error *err)
{
        const struct node *items = node_find(document, "items");
        if (slice_ends_with(node_text(document, "kind"), SLICE("List")) && items) {
                for (size_t i = 0; i < items->child_count; i++)
                        if (!document_take(im, items->children[i], err))
                                return false;
                return true;
        }
        if (im->documents.count >= IMPORT_DOCUMENTS_MAX)
                return error_set(err, ERROR_LIMIT, "more than %d documents", IMPORT_DOCUMENTS_MAX);
        vec_push(&im->documents, document);
        return true;
}

static bool file_take(struct importer *im, const char *path, struct error *err)
{
        struct yaml_docs docs;
        char *bytes;
        size_t len;
        if (!cli_read_file(path, IMPORT_FILE_MAX, &bytes, &len, err))
                return false;
        bool ok = yaml_parse(&im->arena, slice_from(bytes, len), path, &docs, err);
        secret_wipe(bytes, len);
        free(bytes);
        for (size_t i = 0; ok && i < docs.count; i++)
                ok = document_take(im, docs.items[i], err);
        return ok;
}

/* What decides about access there, in objects that nothing here reads. */
static bool restricts(struct slice version, struct slice kind)
{
        static const char *const kinds[] = {"AuthorizationPolicy",   "PeerAuthentication",
                                            "RequestAuthentication", "SecurityPolicy",
                                            "EnvoyFilter",           "EnvoyPatchPolicy"};
        if (!slice_starts_with(version, SLICE("security.istio.io/")) &&
            !slice_starts_with(version, SLICE("networking.istio.io/")) &&
            !slice_starts_with(version, SLICE("gateway.envoyproxy.io/")))
                return false;
        for (size_t i = 0; i < COUNT_OF(kinds); i++)
                if (slice_is(kind, kinds[i]))
                        return true;
        return false;
}

static void others_note(struct importer *im)
{
        for (size_t i = 0; i < im->documents.count; i++) {
                const struct node *document = im->documents.items[i];
                struct slice kind = node_text(document, "kind");
                if (restricts(node_text(document, "apiVersion"), kind))
                        import_note(im, IMPORT_REFUSED, document,
                                    "%.*s %.*s is not translated: what it forbids there is not "
                                    "forbidden here",
                                    SLICE_ARG(kind), SLICE_ARG(import_name(document)));
        }
}

/* --- out --- */

/* A Gateway without the policy that pins its clients would let in more. */
static void owner_drop(struct importer *im, const struct import_document *of)
{
        vec_each (document, &im->out)
                if (document == of || (of->owner && document->owner == of->owner))
                        document->root = NULL;
}

/* What a gateway would not take must not be printed as if it would. */
static void outcome_check(struct importer *im)
{
        struct objects *objects = objects_new();
        vec_each (document, &im->out) {
                struct error err;
                if (!document->root || !document->whole ||
                    objects_add(objects, document->root, &err))
                        continue;
                import_note(im, IMPORT_REFUSED, document->owner ? document->owner->source : NULL,
                            "left out, as no gateway would take it: %s", err.text);
                owner_drop(im, document);
        }
        objects_unref(objects);
}

static const char *const weight_names[] = {
        [IMPORT_SAID] = "note",
        [IMPORT_NO_EQUIVALENT] = "no equivalent",
        [IMPORT_REFUSED] = "refused",
};

/* One line whatever the input had in it: it can end neither a comment nor a terminal's line. */
static void note_print(const struct import_note *note, const char *start, FILE *out)
{
        struct buffer shown;
        buffer_init(&shown, 16 * 1024);
        utf8_print(note->text, &shown);
        fprintf(out, "%s%s: %.*s\n", start, weight_names[note->weight],
                SLICE_ARG(buffer_slice(&shown)));
        buffer_done(&shown);
}

static int outcome_print(struct importer *im)
{
        int code = EXIT_OK;
        struct buffer text;
        buffer_init(&text, IMPORT_OUT_MAX);
        puts("# Made by `pingate import`. Read this, then `pingate check -c` the result.");
        vec_each (note, &im->notes) {
                note_print(note, "# ", stdout);
                if (note->weight == IMPORT_SAID)
                        continue;
                note_print(note, "pingate: import: ", stderr);
                code = EXIT_FAILED;
        }
        if (im->notes_dropped) {
                printf("# refused: %zu more notes\n", im->notes_dropped);
                code = cli_usage_error("import: %zu more notes", im->notes_dropped);
        }
        vec_each (document, &im->out) {
                if (!document->root)
                        continue;
                buffer_clear(&text);
                if (!node_print_yaml(document->root, &text)) {
                        code = cli_usage_error("import: the outcome passes %d bytes",
                                               IMPORT_OUT_MAX);
                        break;
                }
                printf("---\n%.*s%.*s", SLICE_ARG(document->comment),
                       SLICE_ARG(buffer_slice(&text)));
        }
        buffer_done(&text);
        return fflush(stdout) == 0 ? code : cli_usage_error("import: standard output: can't write");
}

static int import_run(struct importer *im, char **paths)
{
        struct error err;
        for (; *paths; paths++)
                if (!file_take(im, *paths, &err)) {
                        cli_fail(&err);
                        return EXIT_USAGE;
                }
        import_istio(im);
        import_envoy(im);
        if (im->understood == 0)
                return cli_usage_error("import: neither a Gateway of networking.istio.io nor a "
                                       "ClientTrafficPolicy of gateway.envoyproxy.io is there");
        others_note(im);
        import_build(im);
        outcome_check(im);
        return outcome_print(im);
}

static void importer_done(struct importer *im)
{
        for (size_t i = 0; i < im->gateways.count; i++)
                vec_done(&im->gateways.items[i]->listeners);
        vec_done(&im->gateways);
        vec_done(&im->documents);
        vec_done(&im->notes);
        vec_done(&im->targets);
        vec_done(&im->cas);
        vec_done(&im->out);
        arena_wipe(&im->arena); /* Secrets were in it (I43) */
}

int cli_import(int argc, char **argv)
{
        struct importer im = {0};
        const char *output = "yaml";
        const struct cli_option options[] = {
                {.name = "output",
                 .letter = 'o',
                 .value = "yaml",
                 .text = &output,
                 .help = "the form of the output; there is no other"},
                {.name = "ignore-subject-alt-names",
                 .flag = &im.ignores_names,
                 .help = "let pins hold although names narrowed them: whoever holds a pinned key "
                         "comes in, whatever names its certificate bears"},
        };
        const struct cli_command command = {
                .name = "import",
                .summary = "Turn Istio Gateways and Envoy Gateway ClientTrafficPolicies into "
                           "pingate's YAML",
                .arguments = "FILE…|-",
                .arguments_min = 1,
                .arguments_max = 1000,
                .options = options,
                .option_count = COUNT_OF(options),
                .notes = "Give the Gateways of the policies too, and Secrets if you like: they are "
                         "looked at, not printed.\n"
                         "Exit code: 0 all is translated, 1 something has no equivalent or is "
                         "refused, 2 bad input.",
        };
        char **arguments;
        int code;
        if (!cli_parse(&command, argc, argv, &arguments, &code))
                return code;
        if (strcmp(output, "yaml") != 0)
                return cli_usage_error("import: -o %s: wants yaml", output);
        arena_init(&im.arena, 64 * 1024);
        code = import_run(&im, arguments);
        importer_done(&im);
        return code;
}
