/* `pingate demo`: the whole product in one screen, with real certificates, a real gateway and real
 * TLS clients. It exits 0 only when every client was treated as the table says, by what the client
 * saw, by what the audit log gives as the reason, and by what reached the backend. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/reason.h"
#include "cli/cli.h"
#include "cli/demo_backend.h"
#include "cli/demo_client.h"
#include "cli/demo_world.h"

struct act {
        const char *who;
        const struct throwaway *shows; /* NULL: nothing */
        enum reason reason;            /* the audit log must say so */
};

static bool saw_what_was_due(const struct act *act, const struct demo_outcome *outcome)
{
        if (act->reason == REASON_ACCEPTED)
                return outcome->status == 200 && strstr(outcome->body, "demo-robot") != NULL;
        return outcome->status == 0 && outcome->alert == reason_alert(act->reason);
}

static void print_row(const struct act *act, const struct demo_outcome *outcome, const char *reason,
                      bool good)
{
        char saw[96];
        if (outcome->status)
                snprintf(saw, sizeof(saw), "HTTP %d", outcome->status);
        else if (outcome->alert)
                snprintf(saw, sizeof(saw), "alert %d, %s", outcome->alert, outcome->alert_text);
        else
                snprintf(saw, sizeof(saw), "connection closed");
        printf("  %-44s %-34s %-18s %s\n", act->who, saw, reason, good ? "as it should" : "WRONG");
}

static bool play(const struct demo_world *world, const struct act *act, const char **headers,
                 struct demo_outcome *outcome, struct error *err)
{
        const struct demo_call call = {
                .port = world->port, .host = DEMO_HOST, .trusts = &world->ca, .shows = act->shows};
        char reason[64];
        if (!demo_call(&call, outcome, err) ||
            !demo_world_reason(world, outcome->local_port, reason, err))
                return error_wrap(err, "%s", act->who);
        bool good = saw_what_was_due(act, outcome) &&
                    slice_is(slice_of(reason), reason_token(act->reason));
        print_row(act, outcome, reason, good);
        if (outcome->status == 200)
                *headers = outcome->body;
        return good ? true
                    : error_set(err, ERROR_SYSTEM, "%s: wanted %s", act->who,
                                reason_token(act->reason));
}

static void print_headers(const char *body)
{
        printf("\nWhat the backend was told about the pinned client:\n");
        struct slice rest = slice_of(body), line;
        while (slice_split(&rest, '\n', &line))
                if (line.len > 0)
                        printf("  %.*s%s\n", (int)(line.len > 96 ? 96 : line.len), line.data,
                               line.len > 96 ? "…" : "");
}

static bool play_all(const struct demo_world *world, const struct demo_backend *backend,
                     struct error *err)
{
        const struct act acts[] = {
                {"pinned", &world->pinned, REASON_ACCEPTED},
                {"pinned key, renewed certificate", &world->renewed, REASON_ACCEPTED},
                {"trusted, but not pinned", &world->unpinned, REASON_NOT_PINNED},
                {"pinned key, signed by somebody else's CA", &world->untrusted, REASON_UNTRUSTED},
                {"pinned key, but expired", &world->expired, REASON_EXPIRED},
                {"no certificate", NULL, REASON_NO_CERTIFICATE},
        };
        struct demo_outcome outcomes[COUNT_OF(acts)];
        const char *headers = NULL;
        unsigned admitted = 0;
        bool all_good = true;
        printf("  %-44s %-34s %s\n", "THE CLIENT SHOWS", "IT SEES", "THE AUDIT LOG SAYS");
        for (size_t i = 0; i < COUNT_OF(acts); i++) {
                /* One fault does not end the play: the whole table is worth more. */
                all_good = play(world, &acts[i], &headers, &outcomes[i], err) && all_good;
                admitted += acts[i].reason == REASON_ACCEPTED;
        }
        if (headers)
                print_headers(headers);
        unsigned reached = demo_backend_requests(backend);
        printf("\nThe backend was reached %u times, by admitted clients alone: %s\n", reached,
               reached == admitted ? "as it should" : "WRONG");
        if (all_good && reached != admitted)
                return error_set(err, ERROR_SYSTEM, "the backend was reached %u times, not %u",
                                 reached, admitted);
        return all_good;
}

static void print_files(const struct demo_world *world)
{
        printf("\nFiles:  %s\n"
               "  gateway.yaml   the configuration: change it, and the gateway follows\n"
               "  audit.log      each handshake with its reason and both digests\n"
               "  access.log     each request\n",
               world->folder);
}

static void print_try(const struct demo_world *world)
{
        static const char *const names[] = {"pinned", "unpinned"};
        printf("\nTry:\n");
        for (size_t i = 0; i < COUNT_OF(names); i++)
                printf("  curl --cacert %s/ca.crt --cert %s/%s.crt --key %s/%s.key \\\n"
                       "       --resolve " DEMO_HOST ":%d:127.0.0.1 https://" DEMO_HOST ":%d/\n",
                       world->folder, world->folder, names[i], world->folder, names[i], world->port,
                       world->port);
        printf("  pingate status --admin 127.0.0.1:%d --refusals\n", world->admin_port);
}

/* Until Ctrl-C or SIGTERM, which were blocked before the first thread began. */
static void wait_for_end(const sigset_t *ends)
{
        int signal_number;
        printf("\nThe gateway runs until Ctrl-C.\n");
        fflush(stdout);
        sigwait(ends, &signal_number);
}

static int run_demo(bool keep, bool wait)
{
        sigset_t ends;
        sigemptyset(&ends);
        sigaddset(&ends, SIGINT);
        sigaddset(&ends, SIGTERM);
        /* Ctrl-C ends the gateway, which has it unblocked, and by that the demo: so the folder with
         * its keys always goes. A client that writes to a closed connection must live to read the
         * alert. */
        pthread_sigmask(SIG_BLOCK, &ends, NULL);
        signal(SIGPIPE, SIG_IGN);
        struct error err;
        struct demo_world world = {0};
        struct demo_backend *backend = demo_backend_start(&err);
        bool ok = backend && demo_world_open(&world, demo_backend_port(backend), &err) &&
                  demo_world_run(&world, &err);
        if (ok) {
                printf("A gateway on 127.0.0.1:%d trusts one CA and has one key pinned.\n\n",
                       world.port);
                ok = play_all(&world, backend, &err);
                if (keep || wait)
                        print_files(&world);
                if (wait) {
                        print_try(&world);
                        wait_for_end(&ends);
                }
        }
        demo_world_close(&world, keep);
        demo_backend_stop(backend);
        return ok ? EXIT_OK : cli_fail(&err);
}

int cli_demo(int argc, char **argv)
{
        bool keep = false, wait = false;
        const struct cli_option options[] = {
                {"keep", 0, NULL, "leave the folder with certificates, configuration and logs",
                 .flag = &keep},
                {"wait", 0, NULL, "keep the gateway running until Ctrl-C, and say what to try",
                 .flag = &wait},
        };
        const struct cli_command command = {
                .name = "demo",
                .summary =
                        "Run a gateway with throw-away certificates and show who is let in, and why not",
                .options = options,
                .option_count = COUNT_OF(options),
        };
        char **arguments;
        int exit_code;
        if (!cli_parse(&command, argc, argv, &arguments, &exit_code))
                return exit_code;
        return run_demo(keep, wait);
}
