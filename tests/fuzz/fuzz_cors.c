#include "fuzz.h"

#include "route/cors.h"

static void check_answer(const struct route_cors *cors, struct slice origin,
                         const struct header_list *headers)
{
        const struct header *allowed = header_find(headers, SLICE("access-control-allow-origin"));
        for (size_t i = 0; i < headers->count; i++) {
                must(field_value_valid(headers->items[i].value));
                must(!cors->credentials || !slice_is(headers->items[i].value, "*"));
        }
        if (!allowed) {
                must(headers->count <= 1); /* vary */
                return;
        }
        if (!slice_is(allowed->value, "*"))
                must(slice_equal(allowed->value, origin) &&
                     cors_origin_matches(cors->origins[0], origin));
        if (slice_starts_with(cors->origins[0], SLICE("https://")))
                must(slice_starts_with(origin, SLICE("https://")));
}

static void answers_check(struct route_cors *cors, struct request_head *head, struct arena *arena)
{
        struct header_list headers;
        struct slice origin = cors_origin_of(head);
        for (int credentials = 0; credentials < 2; credentials++) {
                cors->credentials = credentials;
                header_list_init(&headers, arena);
                cors_answer(cors, origin, &headers);
                check_answer(cors, origin, &headers);
                header_list_init(&headers, arena);
                cors_answer_preflight(cors, head, &headers);
                check_answer(cors, origin, &headers);
        }
}

/* Four lines: a pattern of origins, and a request's Origin, method and fields asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const names[] = {"origin", "access-control-request-method",
                                            "access-control-request-headers"};
        struct slice rest = slice_from(data, size), pattern = SLICE_NONE, value;
        struct route_cors cors = {.origins = &pattern,
                                  .origin_count = 1,
                                  .methods = SLICE("*"),
                                  .headers = SLICE("*"),
                                  .max_age = 5};
        struct request_head head = {.method = SLICE("OPTIONS")};
        struct arena arena;
        arena_init(&arena, 4096);
        header_list_init(&head.headers, &arena);
        slice_split(&rest, '\n', &pattern);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
                if (slice_split(&rest, '\n', &value) && field_value_valid(value))
                        header_append(&head.headers, slice_of(names[i]), value);
        answers_check(&cors, &head, &arena);
        arena_done(&arena);
        return 0;
}
