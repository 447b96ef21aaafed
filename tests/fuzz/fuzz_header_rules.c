#include "fuzz.h"

#include "http/h1.h"
#include "http/header_rules.h"

/* The way a CGI-like backend names a variable. */
static bool folded_is(struct slice name, const char *want)
{
        size_t i = 0;
        for (; i < name.len && want[i] != '\0'; i++) {
                char c = ascii_lower(name.data[i]);
                bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
                if ((plain ? c : '_') != want[i])
                        return false;
        }
        return i == name.len && want[i] == '\0';
}

static void check_clean(const struct header_list *headers)
{
        static const char *const never[] = {"client_cert",
                                            "client_cert_chain",
                                            "x_forwarded_client_cert",
                                            "pingate_client_name",
                                            "pingate_client_verify",
                                            "x_ssl_client_cert",
                                            "connection",
                                            "transfer_encoding",
                                            "content_length",
                                            "x_forwarded_tls_client_cert"};
        for (size_t i = 0; i < headers->count; i++)
                for (size_t n = 0; n < sizeof(never) / sizeof(*never); n++)
                        must(!folded_is(headers->items[i].name, never[n]));
}

/* Any lawful head's fields: cleaned as a request's, as a response's and as trailers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct header set = {{"x-set", 5}, {"1", 1}}, add = {{"x-add", 5}, {"2", 1}};
        static const struct slice remove = {"x-remove", 8};
        struct http_limits limits = http_limits_default();
        struct header_filter filter = {&set, &add, &remove, 1, 1, 1};
        struct forwarded forwarded = {.client_ip = SLICE("192.0.2.1")};
        struct arena arena;
        struct h1_reader reader;
        struct request_head head;
        struct header_list identity;
        size_t consumed;
        arena_init(&arena, 4096);
        h1_reader_init(&reader, &limits, &arena);
        if (h1_request_read(&reader, slice_from(data, size), &consumed, &head) == H1_DONE) {
                header_list_init(&identity, &arena);
                header_append(&identity, SLICE("client-cert"), SLICE("ours"));
                request_headers_clean(&head.headers, &forwarded);
                check_clean(&head.headers);
                must(slice_is(header_value(&head.headers, SLICE("x-forwarded-for")), "192.0.2.1"));
                headers_filter(&head.headers, &filter);
                must(header_find(&head.headers, SLICE("x-remove")) == NULL);
                must(slice_is(header_value(&head.headers, SLICE("x-set")), "1"));
                request_headers_finish(&head.headers, &identity, false);
                size_t at = 0;
                const struct header *ours = header_next(&head.headers, SLICE("client-cert"), &at);
                must(ours && slice_is(ours->value, "ours") && at == head.headers.count);
                trailers_clean(&head.headers);
                check_clean(&head.headers);
        }
        arena_done(&arena);
        return 0;
}
