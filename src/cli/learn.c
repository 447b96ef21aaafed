/* `pingate learn`: pins to review, from what a running gateway has refused. Sources: its admin
 * address, and audit logs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin_client.h"
#include "cli/cli.h"
#include "cli/learn.h"
#include "observe/admin.h"
#include "text/json.h"

enum {
        LINE_MAX_BYTES = 64 * 1024, /* a record is at most 8 KiB */
};

struct learn_options {
        const char *admin, *gateway;
        struct cli_list logs;
};

static bool admin_take(struct learner *learner, const char *address, struct error *err)
{
        struct buffer body;
        struct node *root;
        int status = 0;
        buffer_init(&body, ADMIN_ANSWER_MAX);
        bool ok = admin_get(address, "/refusals", &status, &body, err);
        if (ok && status != 200)
                ok = error_set(err, ERROR_SYSTEM, "%s/refusals: answers %d", address, status);
        ok = ok && json_parse(&learner->arena, arena_slice(&learner->arena, buffer_slice(&body)),
                              address, &root, err);
        buffer_done(&body);
        const struct node *list = ok ? node_find(root, "refusals") : NULL;
        for (size_t i = 0; list && i < list->child_count; i++)
                learn_record(learner, list->children[i]);
        return ok;
}

/* The last line of a log that is being written may be half of one: it is counted, no more. */
static void line_take(struct learner *learner, struct arena *scratch, const char *line)
{
        struct node *record;
        struct error err;
        size_t len = strcspn(line, "\r\n");
        arena_reset(scratch);
        if (len == 0)
                return;
        if (json_parse(scratch, slice_from(line, len), "record", &record, &err))
                learn_record(learner, record);
        else
                learner->unreadable++;
}

static bool stream_take(struct learner *learner, FILE *in, const char *path, struct error *err)
{
        struct arena scratch;
        char *line = memory_new(LINE_MAX_BYTES);
        bool within = false; /* a line that is longer than any record */
        arena_init(&scratch, LINE_MAX_BYTES);
        while (fgets(line, LINE_MAX_BYTES, in)) {
                bool whole = strchr(line, '\n') != NULL || feof(in);
                if (!within && whole)
                        line_take(learner, &scratch, line);
                else if (!within)
                        learner->unreadable++;
                within = !whole;
        }
        bool ok = !ferror(in) || error_set_errno(err, "%s: can't be read", path);
        arena_done(&scratch);
        free(line);
        return ok;
}

static bool log_take(struct learner *learner, const char *path, struct error *err)
{
        if (strcmp(path, "-") == 0)
                return stream_take(learner, stdin, path, err);
        FILE *in = fopen(path, "re");
        if (!in)
                return error_set_errno(err, "%s: can't be opened", path);
        bool ok = stream_take(learner, in, path, err);
        fclose(in);
        return ok;
}

static bool sources_take(struct learner *learner, const struct learn_options *options,
                         struct error *err)
{
        if (options->logs.count == 0 || options->admin)
                if (!admin_take(learner, options->admin ? options->admin : ADMIN_ADDRESS_DEFAULT,
                                err))
                        return false;
        for (size_t i = 0; i < options->logs.count; i++)
                if (!log_take(learner, options->logs.items[i], err))
                        return false;
        return true;
}

static int learn(struct learner *learner, const struct learn_options *options)
{
        struct error err;
        learner_init(learner);
        learner->gateway = slice_of(options->gateway);
        int code = EXIT_USAGE;
        if (!sources_take(learner, options, &err)) {
                cli_fail(&err);
        } else {
                learn_settle(learner);
                learn_print(learner, stdout);
                if (learner->unreadable)
                        fprintf(stderr, "pingate: learn: %zu lines are no records\n",
                                learner->unreadable);
                if (learner->proposed.count == 0)
                        fputs("pingate: learn: there is nobody to propose\n", stderr);
                code = learner->proposed.count ? EXIT_OK : EXIT_FAILED;
        }
        learner_done(learner);
        return code;
}

int cli_learn(int argc, char **argv)
{
        struct learner learner = {0};
        struct learn_options o = {0};
        const struct cli_option options[] = {
                {"admin", 0, "ADDR",
                 "the gateway's admin address: its last 256 refusals; " ADMIN_ADDRESS_DEFAULT
                 " by default, where no log is given",
                 .text = &o.admin},
                {"audit-log", 0, "FILE",
                 "an audit log, which knows what a ReportOnly policy would refuse too; may be "
                 "repeated, - is standard input",
                 .list = &o.logs},
                {"gateway", 0, "NS/NAME", "only clients of that Gateway", .text = &o.gateway},
                {"certificates", 0, NULL, "pin whole certificates, not keys",
                 .flag = &learner.certificates},
        };
        const struct cli_command command = {
                .name = "learn",
                .summary = "Propose pins for clients that a running gateway refused, to review",
                .options = options,
                .option_count = COUNT_OF(options),
                .notes = "Only certificates whose path verified are proposed. Nothing is applied.\n"
                         "Exit code: 0 there are proposals, 1 there are none, 2 a source can't be "
                         "read.",
        };
        char **arguments;
        int code;
        if (!cli_parse(&command, argc, argv, &arguments, &code)) {
                cli_list_done(&o.logs);
                return code;
        }
        if (o.gateway && !strchr(o.gateway, '/'))
                code = cli_usage_error("learn: --gateway %s: wants NAMESPACE/NAME", o.gateway);
        else
                code = learn(&learner, &o);
        cli_list_done(&o.logs);
        return code;
}
