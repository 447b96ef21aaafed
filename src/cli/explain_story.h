/* What becomes of a client and its request at a configuration, as far as they get: built gate by
 * gate in explain_config.c, printed in explain_story.c. What was not reached is zero. Everything
 * in it lives in the translation's snapshot or in the walk's arena. */
#pragma once

#include <stdio.h>

#include "cli/explain.h"
#include "cli/explain_filters.h"
#include "cli/explain_stream.h"
#include "snapshot/snapshot.h"

/* One backend that the rule can pick; a request would meet just one of them. */
struct explain_backend {
        const struct backend *backend; /* NULL: not usable */
        uint32_t weight;
        int status; /* that answers the request in its place; 0: none */
        const char *fault;
        struct explain_filters filters;
};

struct explain_story {
        const char *request; /* as it was given; NULL: none */
        const struct snapshot *snapshot;
        const struct port *port;
        struct slice server_name;
        enum reason hello;               /* REASON_ACCEPTED: the ClientHello passes */
        const struct listener *listener; /* that the server name selects */
        bool judged;                     /* false: the port does not ask for certificates */
        struct verdict verdict;

        bool through;                 /* nothing of its TLS is seen here, nor judged */
        struct explain_stream stream; /* of a listener whose bytes go on as they are */

        bool asked;       /* the request was reached */
        int status;       /* that the gateway answers it with; 0: it goes to a backend */
        bool passes;      /* no gate refuses or answers */
        const char *gate; /* that gave the status: "host", "rule", "pins" or "backend" */
        const char *fault;
        struct slice host;
        const struct listener *host_listener;
        const struct route_rule *rule;
        const struct rule_policy *policy; /* of the rule; NULL: none */
        struct pin_decision pins;         /* of its scopes and its route's */
        struct explain_filters filters;   /* of the rule, where one of them answers */
        const struct explain_backend *backends;
        size_t backend_count;
};

void explain_story_print_text(const struct explain_story *story, FILE *out);
bool explain_story_print_json(const struct explain_story *story, FILE *out);
