/* What each listener is told. */
#include "control/translate/stages.h"

static void client_tell(struct listener_work *listener)
{
        struct condition_list *conditions = &listener->status->conditions;
        const struct client_work *client = listener->client;
        if (client->ref_reason)
                listener_ref_fault(listener, client->ref_reason, client->ref_message);
        if (listener->pinning)
                condition_set(conditions, CONDITION_PINNING, listener->pinning_holds,
                              listener->pinning, listener->pinning_message);
        if (client->warning_reason)
                condition_set(conditions, CONDITION_WARNING, true, client->warning_reason,
                              client->warning);
}

/* Accepted, and Programmed=False where that follows from it. True: accepted. */
static bool accepted_tell(struct work *w, struct listener_work *listener)
{
        struct condition_list *conditions = &listener->status->conditions;
        const char *reason = NULL, *programmed = "Invalid";
        struct slice message = SLICE_NONE;
        if (!listener->protocol_known) {
                reason = "UnsupportedProtocol";
                message = tell(w, "protocol %.*s is not supported, wants HTTP, HTTPS, TLS or TCP",
                               SLICE_ARG(listener->api->protocol));
        } else if (listener->conflict) {
                reason = programmed = listener->conflict;
                message = listener->conflict_message;
                condition_set(conditions, "Conflicted", true, reason, message);
        } else if (listener->crowded_out) {
                reason = "TooManyListeners";
                message = listener->set
                                  ? SLICE("the Gateways' ListenerSets ask for more ports than are "
                                          "bound")
                                  : SLICE("older Gateways use up the ports that are bound");
        } else if (listener->client && listener->client->refusal) {
                reason = listener->client->refusal;
                message = listener->client->refusal_message;
        }
        condition_set(conditions, "Accepted", !reason, reason ? reason : "Accepted",
                      reason ? message : SLICE("is valid"));
        if (reason)
                condition_set(conditions, "Programmed", false, programmed, message);
        return !reason;
}

static void listener_tell(struct work *w, struct listener_work *listener,
                          struct listeners_told *told)
{
        struct condition_list *conditions = &listener->status->conditions;
        bool accepted = accepted_tell(w, listener);
        bool bare = listener->client && listener->certificate_count == 0;
        struct slice unserved = listener->unbound.len ? listener->unbound : listener->unintroduced;
        bool programmed = accepted && !bare && unserved.len == 0;
        if (programmed)
                condition_set(conditions, "Programmed", true, "Programmed", SLICE("is served"));
        else if (accepted)
                condition_set(conditions, "Programmed", false, "Invalid",
                              bare ? SLICE("has no usable certificate, so its handshakes are "
                                           "refused")
                                   : unserved);
        if (listener->client)
                client_tell(listener);
        if (!listener->refs_broken)
                condition_set(conditions, "ResolvedRefs", true, "ResolvedRefs",
                              SLICE("all references are resolved"));
        told->accepted += accepted;
        told->valid += accepted && !bare;
        told->programmed += programmed;
}

struct listeners_told listeners_tell(struct work *w, struct listener_work *listeners, size_t count)
{
        struct listeners_told told = {0};
        for (size_t i = 0; i < count; i++)
                listener_tell(w, &listeners[i], &told);
        return told;
}

void affected_tell(struct work *w, struct object_status *status, const struct policy_target *whole,
                   const struct listener_work *listeners, size_t count)
{
        struct slice message = SLICE_NONE;
        if (whole)
                message = tell(w, "%.*s holds on all listeners that end TLS",
                               SLICE_ARG(whole->policy->api->object.id));
        for (size_t i = 0; i < count; i++)
                if (listeners[i].policy)
                        message = tell(w, "%.*s%s%.*s holds on listener %.*s", SLICE_ARG(message),
                                       message.len ? "; " : "",
                                       SLICE_ARG(listeners[i].policy->policy->api->object.id),
                                       SLICE_ARG(listeners[i].api->name));
        if (message.len > 0)
                condition_set(&status->conditions, CONDITION_AFFECTED, true, "PolicyAttached",
                              message);
}
