#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "http/header_rules.h"

static struct arena arena;

static int start(void **state)
{
        (void)state;
        arena_init(&arena, 4096);
        return 0;
}

static int end(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

/* "name: value; name: value" */
static struct header_list list_of(const char *text)
{
        struct header_list list;
        struct slice rest = slice_of(text), part;
        header_list_init(&list, &arena);
        while (rest.len > 0 && slice_split(&rest, ';', &part)) {
                part = slice_trim(part);
                size_t colon = slice_find(part, ':');
                header_append(&list, slice_sub(part, 0, colon),
                              slice_trim(slice_skip(part, colon + 1)));
        }
        return list;
}

static void assert_list(const struct header_list *list, const char *want)
{
        struct buffer text;
        buffer_init(&text, 1 << 16);
        for (size_t i = 0; i < list->count; i++)
                assert_true(buffer_printf(&text, "%s%.*s: %.*s", i ? "; " : "",
                                          SLICE_ARG(list->items[i].name),
                                          SLICE_ARG(list->items[i].value)));
        assert_true(buffer_append(&text, slice_from("", 1)));
        assert_string_equal(text.data, want);
        buffer_done(&text);
}

static const struct forwarded nothing;

static void hop_by_hop_fields_stay_on_their_hop(void **state)
{
        static const struct {
                const char *in, *out;
        } rows[] = {
                {"a: 1; connection: close; b: 2", "a: 1; b: 2"},
                {"keep-alive: 5; te: trailers; upgrade: h2c; http2-settings: x", ""},
                {"transfer-encoding: chunked; transfer_encoding: chunked; a: 1", "a: 1"},
                {"proxy: x; proxy-connection: y; proxy-authorization: z; proxy_auth: w", ""},
                {"proxyish: x; trailer: y", "proxyish: x; trailer: y"},
                {"connection: a, B ,,c; a: 1; b: 2; c: 3; d: 4", "d: 4"},
                {"connection: a; connection: b; a: 1; a: 2; b: 2; d: 4", "d: 4"},
                {"connection: connection, a; connection: b; a: 1; b: 2; d: 4", "d: 4"},
                {"x_y: 1; x.z: 2", "x_y: 1; x.z: 2"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
                struct header_list list = list_of(rows[i].in);
                request_headers_clean(&list, &nothing);
                assert_list(&list, rows[i].out);
                list = list_of(rows[i].in);
                response_headers_clean(&list);
                assert_list(&list, rows[i].out);
        }
}

/* ---- identity ---- */

static const char *const identity_names[] = {
        "client-cert",
        "client-cert-chain",
        "x-forwarded-client-cert",
        "x-ssl-client-cert",
        "x-ssl-client-verify",
        "x-ssl-anything",
        "ssl-client-verify",
        "x-client-cert",
        "x-client-verify",
        "x-forwarded-tls-client-cert",
        "x-forwarded-tls-client-cert-info",
        "pingate-client-name",
        "pingate-client-verify",
        "pingate-new",
};

/* Each dash as one of these, each letter in one of two cases, chosen by the bits of n. */
static struct slice spelling(const char *name, uint32_t n)
{
        static const char dashes[] = "-_.~!+^|";
        char *out = arena_text(&arena, slice_of(name));
        for (char *c = out; *c != '\0'; c++) {
                n = n * 1103515245 + 12345;
                if (*c == '-')
                        *c = dashes[(n >> 16) % (sizeof(dashes) - 1)];
                else if ((n >> 20) & 1 && *c >= 'a' && *c <= 'z')
                        *c = (char)(*c - 'a' + 'A');
        }
        return slice_of(out);
}

static void no_spelling_of_an_identity_field_gets_through(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT_OF(identity_names); i++) {
                for (uint32_t n = 0; n < 50; n++) { /* 700 in all, in four places */
                        struct slice name = spelling(identity_names[i], n);
                        struct header_list list = list_of("a: 1");
                        header_append(&list, name, SLICE("forged"));
                        header_append(&list, name, SLICE("again"));
                        struct header_list trailers = list, finished = list;
                        request_headers_clean(&list, &nothing);
                        assert_list(&list, "a: 1");
                        trailers_clean(&trailers);
                        assert_list(&trailers, "a: 1");
                        finished = list_of("a: 1");
                        header_append(&finished, name, SLICE("by a filter"));
                        request_headers_finish(&finished, NULL, false);
                        assert_list(&finished, "a: 1");
                        assert_true(header_is_identity(name));
                }
        }
}

static void names_that_only_resemble_identity_pass(void **state)
{
        (void)state;
        assert_false(header_is_identity(SLICE("client")));
        assert_false(header_is_identity(SLICE("my-client-cert")));
        assert_false(header_is_identity(SLICE("x-forwarded-client")));
        assert_false(header_is_identity(SLICE("clientcert")));
        assert_false(header_is_identity(SLICE_NONE));
}

static void the_connection_list_cannot_remove_what_we_add(void **state)
{
        struct header_list list = list_of("connection: client-cert, pingate-client-name, "
                                          "x-forwarded-for, te; client-cert: forged; a: 1");
        struct header_list identity = list_of("client-cert: ours; pingate-client-name: acme");
        struct forwarded forwarded = {.client_ip = SLICE("192.0.2.1")};
        (void)state;
        request_headers_clean(&list, &forwarded);
        request_headers_finish(&list, &identity, true);
        assert_list(&list, "a: 1; x-forwarded-for: 192.0.2.1; te: trailers; client-cert: ours; "
                           "pingate-client-name: acme");
}

static void a_filter_cannot_forge_an_identity_nor_framing(void **state)
{
        static const struct header set[] = {
                {{"client-cert", 11}, {"x", 1}},
                {{"Pingate_Client-Name", 19}, {"x", 1}},
                {{"transfer-encoding", 17}, {"x", 1}},
                {{"content-length", 14}, {"9", 1}},
                {{"connection", 10}, {"a", 1}},
                {{"host", 4}, {"b", 1}},
                {{"y", 1}, {"2", 1}},
        };
        struct header_filter filter = {.set = set, .set_count = COUNT_OF(set)};
        struct header_list list = list_of("b: 1");
        (void)state;
        headers_filter(&list, &filter);
        request_headers_finish(&list, NULL, false);
        assert_list(&list, "b: 1; y: 2");
}

static void what_the_edge_knows_replaces_what_came_in(void **state)
{
        struct header_list list =
                list_of("x-forwarded-for: 1.1.1.1; X_Forwarded_Host: evil; forwarded: for=x; "
                        "x-real-ip: y; x-request-id: z; x-original-url: /admin; "
                        "x-rewrite-url: /admin; a: 1; x-forwarded-prefix: /p");
        struct forwarded forwarded = {.client_ip = SLICE("192.0.2.1"),
                                      .scheme = SLICE("https"),
                                      .host = SLICE("a:1"),
                                      .port = SLICE("1"),
                                      .request_id = SLICE("77")};
        (void)state;
        request_headers_clean(&list, &forwarded);
        assert_list(&list, "a: 1; x-forwarded-for: 192.0.2.1; x-forwarded-proto: https; "
                           "x-forwarded-host: a:1; x-forwarded-port: 1; x-request-id: 77");
}

static void trailers_hold_nothing_that_decides(void **state)
{
        struct header_list list = list_of(
                "x-sum: 1; content-length: 5; transfer-encoding: chunked; host: b; te: x; "
                "authorization: x; cookie: x; Set-Cookie: x; x-forwarded-for: x; grpc-status: 0; "
                "connection: x-other; x-other: y; content-type: z; trailer: q");
        (void)state;
        trailers_clean(&list);
        assert_list(&list, "x-sum: 1; grpc-status: 0");
}

static void filters_set_add_and_remove(void **state)
{
        static const struct header set[] = {{{"x-set", 5}, {"new", 3}}, {{"fresh", 5}, {"1", 1}}};
        static const struct header add[] = {{{"x-add", 5}, {"bar,baz", 7}},
                                            {{"x-new", 5}, {"1", 1}},
                                            {{"set-cookie", 10}, {"b=2", 3}}};
        static const struct slice remove[] = {{"x-Gone", 6}, {"absent", 6}};
        struct header_filter filter = {set, add, remove, 2, 3, 2};
        struct header_list list = list_of("x-set: a; X-Add: foo; x-gone: 1; x-set: b; x-add: two; "
                                          "x-gone: 2; set-cookie: a=1; other: o");
        (void)state;
        headers_filter(&list, &filter);
        assert_list(&list, "x-set: new; X-Add: foo,two,bar,baz; set-cookie: a=1; other: o; "
                           "fresh: 1; x-new: 1; set-cookie: b=2");
}

static void lists_find_and_count_tokens_over_all_lines(void **state)
{
        struct header_list list = list_of("a: x, Y; b: z; A: w");
        (void)state;
        assert_true(header_has_token(&list, SLICE("A"), SLICE("y")));
        assert_true(header_has_token(&list, SLICE("a"), SLICE("w")));
        assert_false(header_has_token(&list, SLICE("a"), SLICE("z")));
        assert_int_equal(header_remove(&list, SLICE("a")), 2);
        assert_null(header_find(&list, SLICE("a")));
        assert_list(&list, "b: z");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

/* Eight bytes are looked at in one: no place may hide one of them. */
static void a_control_byte_is_found_wherever_it_stands(void **state)
{
        (void)state;
        char value[27];
        for (unsigned byte = 0; byte < 256; byte++) {
                bool valid = byte == '\t' || (byte >= ' ' && byte != 0x7f);
                for (size_t at = 0; at < sizeof(value); at++) {
                        for (size_t i = 0; i < sizeof(value); i++)
                                value[i] = i % 3 ? 'a' : (char)0xff;
                        value[at] = (char)byte;
                        assert_int_equal(field_value_valid(slice_from(value, sizeof(value))),
                                         valid);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_control_byte_is_found_wherever_it_stands),
                TEST(hop_by_hop_fields_stay_on_their_hop),
                TEST(no_spelling_of_an_identity_field_gets_through),
                TEST(names_that_only_resemble_identity_pass),
                TEST(the_connection_list_cannot_remove_what_we_add),
                TEST(a_filter_cannot_forge_an_identity_nor_framing),
                TEST(what_the_edge_knows_replaces_what_came_in),
                TEST(trailers_hold_nothing_that_decides),
                TEST(filters_set_add_and_remove),
                TEST(lists_find_and_count_tokens_over_all_lines),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
