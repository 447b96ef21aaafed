/* `pingate secret tls`: a Kubernetes Secret's YAML from PEM files, so that files mode needs no
 * kubectl. The key is printed, as that is what a Secret is; it is wiped from memory after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "cli/cli.h"
#include "cli/pki.h"
#include "text/base64.h"

enum {
        PEM_FILE_MAX = 1 << 20
};

struct secret_options {
        const char *certificate, *key, *namespace;
};

/* A DNS subdomain (RFC 1123), as Kubernetes wants an object's name. */
static bool name_is_valid(const char *name)
{
        size_t len = strlen(name);
        if (len == 0 || len > 253)
                return false;
        for (size_t i = 0; i < len; i++) {
                bool plain =
                        (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9');
                bool inside = i > 0 && i + 1 < len && (name[i] == '-' || name[i] == '.');
                if (!plain && !inside)
                        return false;
        }
        return true;
}

static bool print_secret(const char *name, const struct secret_options *o,
                         struct slice certificates, struct slice key)
{
        struct buffer out;
        buffer_init(&out, 8 * PEM_FILE_MAX);
        /* All room at once: growing would leave copies of the key behind. */
        buffer_reserve(&out, 1024 + 2 * (certificates.len + key.len));
        bool ok = buffer_printf(&out,
                                "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\n"
                                "metadata:\n  name: \"%s\"\n",
                                name);
        if (o->namespace)
                ok = ok && buffer_printf(&out, "  namespace: \"%s\"\n", o->namespace);
        ok = ok && buffer_append(&out, SLICE("data:\n  tls.crt: ")) &&
             base64_encode(certificates, BASE64_STANDARD, &out) &&
             buffer_append(&out, SLICE("\n  tls.key: ")) &&
             base64_encode(key, BASE64_STANDARD, &out) && buffer_append(&out, SLICE("\n"));
        ok = ok && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
        secret_wipe(out.data, out.len);
        buffer_done(&out);
        return ok;
}

static int secret_tls(const char *name, const struct secret_options *o)
{
        struct error err;
        char *certificates = NULL, *key = NULL;
        size_t certificates_len = 0, key_len = 0;
        bool ok = cli_read_file(o->certificate, PEM_FILE_MAX, &certificates, &certificates_len,
                                &err) &&
                  cli_read_file(o->key, PEM_FILE_MAX, &key, &key_len, &err) &&
                  pki_check_pair(slice_from(certificates, certificates_len),
                                 slice_from(key, key_len), &err);
        if (ok && !print_secret(name, o, slice_from(certificates, certificates_len),
                                slice_from(key, key_len)))
                ok = error_set_errno(&err, "standard output");
        if (key)
                secret_wipe(key, key_len);
        free(key);
        free(certificates);
        return ok ? EXIT_OK : cli_fail(&err);
}

int cli_secret(int argc, char **argv)
{
        struct secret_options o = {0};
        const struct cli_option options[] = {
                {"cert", 0, "FILE", "PEM: the certificate, then its intermediates",
                 .text = &o.certificate},
                {"key", 0, "FILE", "PEM: its private key", .text = &o.key},
                {"namespace", 'n', "NS", "the Secret's namespace", .text = &o.namespace},
        };
        const struct cli_command command = {
                .name = "secret",
                .summary = "Print the YAML of a kubernetes.io/tls Secret made of PEM files",
                .arguments = "tls NAME --cert FILE --key FILE",
                .arguments_min = 2,
                .arguments_max = 2,
                .options = options,
                .option_count = COUNT_OF(options),
        };
        char **arguments;
        int exit_code;
        if (!cli_parse(&command, argc, argv, &arguments, &exit_code))
                return exit_code;
        if (strcmp(arguments[0], "tls") != 0)
                return cli_usage_error("secret: %s: not a kind of Secret that is known (only tls)",
                                       arguments[0]);
        if (!name_is_valid(arguments[1]) || (o.namespace && !name_is_valid(o.namespace)))
                return cli_usage_error("secret: a name is of a-z, 0-9, '-' and '.', at most 253");
        if (!o.certificate || !o.key)
                return cli_usage_error("secret: --cert and --key: both are needed");
        return secret_tls(arguments[1], &o);
}
