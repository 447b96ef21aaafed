#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/explain.h"
#include "text/time.h"

enum {
        EXPLAIN_FILE_MAX = 64 << 20,
};

static bool judge_with(const struct explain_case *c, struct ca_set *cas, const struct chain *chain,
                       struct verdict *out)
{
        struct pin_scope scope = {.kind = SCOPE_INLINE,
                                  .source = SLICE("--pin-spki and --pin-cert"),
                                  .sets = &c->pins,
                                  .set_count = 1};
        struct client_policy policy = {
                .cas = cas, .rules = c->rules, .scopes = &scope, .scope_count = c->pins != NULL};
        client_policy_seal(&policy);
        struct trust_store *store = trust_store_new(cas);
        struct judge_request request = {.policy = &policy,
                                        .chain = chain,
                                        .listener = LISTENER_UNKNOWN,
                                        .now = c->now,
                                        .store = store};
        judge(&request, out);
        trust_store_unref(store);
        return true;
}

bool explain_judge(const struct explain_case *c, struct verdict *out, struct error *err)
{
        enum ca_floor floor = c->rules.profile == PROFILE_CHAIN ? CA_FLOOR_CHAIN : CA_FLOOR_FULL;
        struct ca_set_builder *builder = ca_set_builder_new(floor);
        if (!ca_set_builder_add(builder, c->ca, c->crl, err)) {
                ca_set_builder_free(builder);
                return false;
        }
        struct ca_set *cas = ca_set_build(builder);
        struct chain *chain = NULL;
        bool good = chain_parse(c->certificate, c->untrusted, &chain, err) &&
                    judge_with(c, cas, chain, out);
        chain_free(chain);
        ca_set_unref(cas);
        return good;
}

/* The command line, and the files that it names. */
struct explain_words {
        const char *ca, *cert, *untrusted, *crl, *at, *batch, *profile, *output;
        const char *gateway, *sni, *request;
        struct cli_list pin_spki, pin_cert, paths, headers;
        uint64_t max_depth, port;
        bool require_pinning;
        char *bytes[4];
};

static bool read_slice(struct explain_words *words, int slot, const char *path, struct slice *out,
                       struct error *err)
{
        size_t len;
        if (!path)
                return true;
        if (!cli_read_file(path, EXPLAIN_FILE_MAX, &words->bytes[slot], &len, err))
                return false;
        *out = slice_from(words->bytes[slot], len);
        return true;
}

static bool add_pins(struct pin_set_builder *builder, const struct cli_list *texts,
                     enum pin_kind kind, struct error *err)
{
        for (size_t i = 0; i < texts->count; i++) {
                struct pin pin = {
                        .kind = kind, .not_before = PIN_ALWAYS_FROM, .not_after = PIN_ALWAYS_UNTIL};
                if (!pin_text_parse(slice_of(texts->items[i]), kind, &pin.digest, err))
                        return error_wrap(err, "--pin-%s", kind == PIN_SPKI ? "spki" : "cert");
                pin_set_builder_add(builder, &pin, i + 1);
        }
        return true;
}

static bool read_pins(const struct explain_words *words, struct pin_set **out, struct error *err)
{
        *out = NULL;
        if (words->pin_spki.count + words->pin_cert.count == 0)
                return true;
        struct pin_set_builder *builder = pin_set_builder_new();
        if (!add_pins(builder, &words->pin_spki, PIN_SPKI, err) ||
            !add_pins(builder, &words->pin_cert, PIN_CERTIFICATE, err)) {
                pin_set_builder_free(builder);
                return false;
        }
        *out = pin_set_build(builder);
        return true;
}

static int judge_words(struct explain_words *words, enum judge_profile profile)
{
        struct explain_case c = {.rules = path_rules_default(), .now = (int64_t)time(NULL)};
        struct slice crl;
        struct verdict verdict;
        struct error err;
        c.rules.profile = profile;
        c.rules.use = profile == PROFILE_CHAIN ? USE_ANY : USE_CLIENT_AUTH;
        c.rules.max_depth = (int)words->max_depth;
        c.crl = words->crl ? &crl : NULL;
        bool good = read_slice(words, 0, words->ca, &c.ca, &err) &&
                    read_slice(words, 1, words->cert, &c.certificate, &err) &&
                    read_slice(words, 2, words->untrusted, &c.untrusted, &err) &&
                    read_slice(words, 3, words->crl, &crl, &err);
        if (good && words->at && !time_parse(slice_of(words->at), &c.now, &err))
                good = error_wrap(&err, "--at");
        good = good && read_pins(words, &c.pins, &err) && explain_judge(&c, &verdict, &err);
        for (size_t i = 0; i < COUNT_OF(words->bytes); i++)
                free(words->bytes[i]);
        pin_set_unref(c.pins);
        if (!good) {
                cli_fail(&err);
                return EXIT_USAGE;
        }
        if (words->output && strcmp(words->output, "json") == 0)
                explain_print_json(&verdict, stdout);
        else
                explain_print_text(&verdict, stdout);
        return verdict.admitted ? EXIT_OK : EXIT_FAILED;
}

/* With -c: what is trusted and pinned, the configuration says. */
static int walk_words(struct explain_words *words)
{
        struct explain_place place = {.paths = words->paths.items,
                                      .path_count = words->paths.count,
                                      .gateway = words->gateway,
                                      .port = words->port,
                                      .sni = words->sni,
                                      .request = words->request,
                                      .headers = words->headers.items,
                                      .header_count = words->headers.count,
                                      .json = words->output && strcmp(words->output, "json") == 0,
                                      .require_pinning = words->require_pinning,
                                      .now = (int64_t)time(NULL)};
        struct slice certificate = SLICE_NONE, untrusted = SLICE_NONE;
        struct chain *chain = NULL;
        struct error err;
        bool good = read_slice(words, 0, words->cert, &certificate, &err) &&
                    read_slice(words, 1, words->untrusted, &untrusted, &err);
        if (good && words->at && !time_parse(slice_of(words->at), &place.now, &err))
                good = error_wrap(&err, "--at");
        if (good && words->cert && !chain_parse(certificate, untrusted, &chain, &err))
                good = error_wrap(&err, "%s", words->cert);
        if (!good)
                cli_fail(&err);
        int code = good ? explain_config(&place, chain) : EXIT_USAGE;
        chain_free(chain);
        for (size_t i = 0; i < COUNT_OF(words->bytes); i++)
                free(words->bytes[i]);
        return code;
}

static int run_place(struct explain_words *words)
{
        if (words->paths.count == 0 || !words->gateway || words->port == 0)
                return cli_usage_error("explain: -c, --gateway and --port: all three are needed");
        if (words->ca || words->crl || words->batch || words->profile ||
            words->pin_spki.count + words->pin_cert.count > 0)
                return cli_usage_error("explain: with -c, CAs, CRLs and pins are the "
                                       "configuration's");
        if (words->headers.count > 0 && !words->request)
                return cli_usage_error("explain: --header belongs to a --request");
        return walk_words(words);
}

static bool names_place(const struct explain_words *words)
{
        return words->paths.count > 0 || words->gateway || words->port || words->sni ||
               words->request || words->headers.count > 0;
}

static int run_words(struct explain_words *words)
{
        enum judge_profile profile = PROFILE_CLIENT;
        if (words->output && strcmp(words->output, "json") != 0 &&
            strcmp(words->output, "text") != 0)
                return cli_usage_error("explain: -o is text or json");
        if (names_place(words))
                return run_place(words);
        if (words->profile && strcmp(words->profile, "chain") == 0)
                profile = PROFILE_CHAIN;
        else if (words->profile && strcmp(words->profile, "client") != 0)
                return cli_usage_error("explain: --profile is client or chain");
        if (words->batch)
                return explain_batch(words->batch, profile);
        if (!words->ca || !words->cert)
                return cli_usage_error("explain: wants --ca and --cert, or -c, or --batch");
        return judge_words(words, profile);
}

int cli_explain(int argc, char **argv)
{
        struct explain_words words = {.max_depth = PATH_DEPTH_MAX};
        const struct cli_option options[] = {
                {"config", 'c', "PATH",
                 "a configuration, as for run; then --gateway and --port too",
                 .list = &words.paths},
                {"gateway", 0, "NS/NAME", "the Gateway that the client comes to",
                 .text = &words.gateway},
                {"port", 0, "N", "and its port", .number = &words.port, .number_max = 65535},
                {"sni", 0, "NAME",
                 "the server name that the client sends; by default the request's host",
                 .text = &words.sni},
                {"request", 0, "REQUEST",
                 "'GET https://host/path': go on to listener, rule and backend",
                 .text = &words.request},
                {"header", 0, "'NAME: VALUE'", "of that request; may be repeated",
                 .list = &words.headers},
                {"require-pinning", 0, NULL, "as run --require-pinning",
                 .flag = &words.require_pinning},
                {"ca", 0, "FILE", "PEM of the trusted CAs", .text = &words.ca},
                {"cert", 0, "FILE", "the client's certificate, PEM or DER", .text = &words.cert},
                {"untrusted", 0, "FILE", "what the client sends along", .text = &words.untrusted},
                {"crl", 0, "FILE", "PEM of the CAs' CRLs", .text = &words.crl},
                {"at", 0, "TIME", "2027-01-15T00:00:00Z; now by default", .text = &words.at},
                {"max-depth", 0, "N", "intermediates at most", .number = &words.max_depth,
                 .number_max = PATH_DEPTH_MAX},
                {"pin-spki", 0, "PIN", "admit this public key", .list = &words.pin_spki},
                {"pin-cert", 0, "PIN", "admit this certificate", .list = &words.pin_cert},
                {"batch", 0, "FILE", "test cases in x509-limbo's form", .text = &words.batch},
                {"profile", 0, "client|chain",
                 "chain: without the rules on the leaf's use and the key floor",
                 .text = &words.profile},
                {"output", 'o', "text|json", "how to print", .text = &words.output},
        };
        const struct cli_command command = {
                .name = "explain",
                .summary = "say which gate lets a certificate in or refuses it",
                .options = options,
                .option_count = COUNT_OF(options),
                .notes = "Exit status: 0 let in, 1 refused, 2 something can't be read.\n",
        };
        char **arguments;
        int exit_code = EXIT_USAGE;
        if (cli_parse(&command, argc, argv, &arguments, &exit_code))
                exit_code = run_words(&words);
        cli_list_done(&words.pin_spki);
        cli_list_done(&words.pin_cert);
        cli_list_done(&words.paths);
        cli_list_done(&words.headers);
        return exit_code;
}
