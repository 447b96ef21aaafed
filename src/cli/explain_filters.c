#include "cli/explain_filters.h"

#include "route/cors.h"

static void rewrite_apply(const struct route_rule *rule, const struct route_filters *backend,
                          const struct redirect_request *request, struct arena *arena,
                          struct explain_filters *out)
{
        struct request_head head = *request->head;
        filters_rewrite(&rule->filters, backend, request->match, &head, arena);
        if (!slice_equal(head.authority, request->head->authority))
                out->host = head.authority;
        if (!slice_equal(head.target, request->head->target))
                out->target = head.target;
}

void explain_filters_apply(const struct route_rule *rule, const struct route_backend *target,
                           const struct redirect_request *request, struct arena *arena,
                           struct explain_filters *out)
{
        const struct route_filters *backend = target ? target->filters : NULL;
        const struct route_cors *cors =
                backend && backend->cors ? backend->cors : rule->filters.cors;
        *out = (struct explain_filters){
                .answer = filters_answer(target ? backend : &rule->filters, request, arena)};
        header_list_init(&out->cors, arena);
        if (cors && out->answer.preflight)
                cors_answer_preflight(cors, request->head, &out->cors);
        else if (cors)
                cors_answer(cors, cors_origin_of(request->head), &out->cors);
        if (target && out->answer.status == 0)
                rewrite_apply(rule, backend, request, arena, out);
}

void explain_filters_print(const struct explain_filters *filters, FILE *out)
{
        const struct filter_answer *answer = &filters->answer;
        if (answer->preflight)
                fprintf(out, "  yes  filter CORS: answers the preflight with %d\n", answer->status);
        else if (answer->status)
                fprintf(out, "  yes  filter RequestRedirect: answers %d, to %.*s\n", answer->status,
                        SLICE_ARG(answer->location));
        if (filters->host.len > 0)
                fprintf(out, "       asked for host %.*s\n", SLICE_ARG(filters->host));
        if (filters->target.len > 0)
                fprintf(out, "       asked for %.*s\n", SLICE_ARG(filters->target));
        for (size_t i = 0; i < filters->cors.count; i++)
                fprintf(out, "       answer bears %.*s: %.*s\n",
                        SLICE_ARG(filters->cors.items[i].name),
                        SLICE_ARG(filters->cors.items[i].value));
}

static void field_if(struct json_writer *w, const char *key, struct slice value)
{
        if (value.len > 0)
                json_field_string(w, key, value);
}

void explain_filters_write(const struct explain_filters *filters, struct json_writer *w)
{
        if (filters->answer.status == 0 && filters->host.len == 0 && filters->target.len == 0 &&
            filters->cors.count == 0)
                return;
        json_key(w, SLICE("filters"));
        json_begin_object(w);
        if (filters->answer.status)
                json_field_integer(w, "answers", filters->answer.status);
        field_if(w, "location", filters->answer.location);
        field_if(w, "host", filters->host);
        field_if(w, "target", filters->target);
        for (size_t i = 0; i < filters->cors.count; i++) {
                json_key(w, filters->cors.items[i].name);
                json_write_string(w, filters->cors.items[i].value);
        }
        json_end_object(w);
}
