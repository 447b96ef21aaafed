/* What a rule does about slow and failing backends, to the router's form. */
#include "control/translate/stages.h"

void resilience_compile(const struct http_rule *api, struct route_rule *rule)
{
        const struct http_timeouts *timeouts = api->timeouts;
        if (timeouts)
                rule->timeouts = (struct route_timeouts){
                        .request_given = timeouts->request.given,
                        .backend_request_given = timeouts->backend_request.given,
                        .request_ms = timeouts->request.ms,
                        .backend_request_ms = timeouts->backend_request.ms,
                };
}
