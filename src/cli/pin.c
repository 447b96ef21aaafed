#include "cli/pin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "text/base64.h"
#include "text/yaml.h"
#include "trust/pin.h"

enum {
        PIN_FILE_MAX = 4 << 20,
};

/* tls.crt of the first Secret or ConfigMap that has one. tls.key is never looked at. */
static bool find_in_docs(const struct yaml_docs *docs, struct arena *arena, struct slice *pem,
                         struct error *err)
{
        for (size_t i = 0; i < docs->count; i++) {
                const struct node *doc = docs->items[i];
                bool secret = slice_is(node_text(doc, "kind"), "Secret");
                if (!secret && !slice_is(node_text(doc, "kind"), "ConfigMap"))
                        continue;
                struct slice plain =
                        node_text(node_find(doc, secret ? "stringData" : "data"), "tls.crt");
                struct slice encoded = node_text(node_find(doc, "data"), "tls.crt");
                *pem = plain;
                if (plain.len > 0)
                        return true;
                if (secret && encoded.len > 0)
                        return base64_decode_new(arena, encoded, BASE64_LINES, pem, err) ||
                               error_wrap(err, "data[tls.crt]");
        }
        return error_set(err, ERROR_INPUT,
                         "neither PEM, nor DER, nor a Secret or ConfigMap with tls.crt");
}

static bool line_starts_pem(struct slice text)
{
        for (struct slice line; slice_split(&text, '\n', &line);)
                if (slice_starts_with(line, SLICE("-----BEGIN ")))
                        return true;
        return false;
}

/* Leaves *bytes as it is unless it is the text of Kubernetes objects. */
static bool unwrap_object(struct arena *arena, struct slice *bytes, struct error *err)
{
        struct yaml_docs docs;
        bool der = bytes->len > 0 && bytes->data[0] == 0x30;
        if (der || line_starts_pem(*bytes))
                return true;
        if (bytes->len == 0)
                return error_set(err, ERROR_INPUT, "it is empty");
        if (!yaml_parse(arena, *bytes, "as YAML", &docs, err))
                return error_wrap(err, "neither PEM nor DER");
        return find_in_docs(&docs, arena, bytes, err);
}

static bool read_report(struct pin_report *report, struct arena *arena, struct error *err)
{
        struct slice bytes;
        char *file = NULL;
        size_t len;
        bool good;
        report->from_network = strncmp(report->where, "https://", 8) == 0;
        if (report->from_network) {
                good = pin_server_fetch(report->where, arena, &bytes, err);
        } else {
                good = cli_read_file(report->where, PIN_FILE_MAX, &file, &len, err);
                if (!good)
                        return false; /* it has named the file */
                bytes = slice_from(file, len);
        }
        good = good && unwrap_object(arena, &bytes, err) &&
               pinnable_parse(bytes, (int64_t)time(NULL), &report->pinnable, err);
        free(file);
        return good || error_wrap(err, "%s", report->where);
}

static int run(struct pin_report *report, const char *output)
{
        struct error err;
        struct arena arena;
        if (report->name && !pin_name_check(slice_of(report->name), &err)) {
                error_wrap(&err, "--name");
                cli_fail(&err);
                return EXIT_USAGE;
        }
        arena_init(&arena, 64 * 1024);
        bool good = read_report(report, &arena, &err);
        arena_done(&arena);
        if (!good) {
                cli_fail(&err);
                return EXIT_USAGE;
        }
        if (strcmp(output, "json") == 0)
                pin_print_json(report, stdout);
        else if (strcmp(output, "yaml") == 0)
                pin_print_yaml(report, stdout);
        else
                pin_print_text(report, stdout);
        return report->pinnable.fault_count == 0 ? EXIT_OK : EXIT_FAILED;
}

int cli_pin(int argc, char **argv)
{
        struct pin_report report = {0};
        const char *output = "text";
        const struct cli_option options[] = {
                {.name = "output",
                 .letter = 'o',
                 .value = "text|yaml|json",
                 .help = "how to print",
                 .text = &output},
                {.name = "name",
                 .value = "NAME",
                 .help = "the client's name, for the pins of a ClientCertificatePolicy",
                 .text = &report.name},
        };
        const struct cli_command command = {
                .name = "pin",
                .summary = "Print the pins of a certificate or key, and which rules it would break",
                .arguments = "FILE|-|https://HOST[:PORT]",
                .arguments_min = 1,
                .arguments_max = 1,
                .options = options,
                .option_count = COUNT_OF(options),
                .notes = "FILE: a certificate, CSR or public key in PEM or DER, PKCS#12 without a "
                         "password,\nor the YAML of a Secret or ConfigMap with tls.crt.\n"
                         "Exit status: 0 fine, 1 a gateway would refuse it as it is, 2 it can't be "
                         "read.\n",
        };
        char **arguments;
        int exit_code;
        if (!cli_parse(&command, argc, argv, &arguments, &exit_code))
                return exit_code;
        if (strcmp(output, "text") != 0 && strcmp(output, "yaml") != 0 &&
            strcmp(output, "json") != 0)
                return cli_usage_error("pin: -o is text, yaml or json");
        report.where = arguments[0];
        return run(&report, output);
}
