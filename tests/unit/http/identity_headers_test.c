#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "http/identity_headers.h"
#include "text/base64.h"

static struct arena arena;
static struct header_list list;

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

static struct identity verified(void)
{
        struct identity identity = {.verify = IDENTITY_SUCCESS,
                                    .name = SLICE("acme-robot"),
                                    .leaf = SLICE("\x30\x03\x02\x01\x05"),
                                    .subject = SLICE("CN=robot")};
        memset(identity.leaf_digest.bytes, 0xab, DIGEST_BYTES);
        return identity;
}

static void assert_header(const char *name, const char *want)
{
        struct slice got = header_value(&list, slice_of(name));
        if (!slice_is(got, want))
                fail_msg("%s: %.*s, wanted %s", name, SLICE_ARG(got), want);
}

static void without_verification_there_is_only_the_verdict(void **state)
{
        struct identity identity = verified();
        (void)state;
        identity.forward = IDENTITY_CLIENT_CERT | IDENTITY_CLIENT_CERT_CHAIN | IDENTITY_XFCC;
        identity.verify = IDENTITY_NONE;
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_int_equal(list.count, 1);
        assert_header("pingate-client-verify", "NONE");
        identity.verify = IDENTITY_FAILED;
        identity.reason = SLICE("expired");
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_int_equal(list.count, 1);
        assert_header("pingate-client-verify", "FAILED:expired");
}

static void a_verified_client_is_named_and_shown_as_rfc_9440_says(void **state)
{
        static const struct slice chain[] = {{"\x30\x00", 2}, {"\x30\x01\x05", 3}};
        struct identity identity = verified();
        (void)state;
        identity.forward = IDENTITY_CLIENT_CERT | IDENTITY_CLIENT_CERT_CHAIN;
        identity.chain = chain;
        identity.chain_count = 2;
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_int_equal(list.count, 4);
        assert_header("pingate-client-verify", "SUCCESS");
        assert_header("pingate-client-name", "acme-robot");
        assert_header("client-cert", ":MAMCAQU=:");
        assert_header("client-cert-chain", ":MAA=:, :MAEF:");
}

static void what_was_not_asked_for_is_not_sent(void **state)
{
        struct identity identity = verified();
        (void)state;
        identity.name = SLICE_NONE;
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_int_equal(list.count, 1);
}

/* RFC 9440, 2.3: Client-Cert-Chain MUST NOT appear unless Client-Cert is also present. */
static void a_chain_never_stands_without_its_leaf(void **state)
{
        static const struct slice chain[] = {{"issuer", 6}};
        struct identity identity = verified();
        char *der = memory_new(IDENTITY_VALUE_MAX);
        (void)state;
        identity.forward = IDENTITY_CLIENT_CERT_CHAIN;
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_non_null(header_find(&list, SLICE("client-cert")));
        assert_null(header_find(&list, SLICE("client-cert-chain"))); /* straight from an anchor */
        identity.chain = chain;
        identity.chain_count = 1;
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_header("client-cert-chain", ":aXNzdWVy:");
        assert_non_null(header_find(&list, SLICE("client-cert")));
        identity.leaf = slice_from(der, IDENTITY_VALUE_MAX);
        assert_false(identity_headers_build(&identity, &arena, &list));
        assert_null(header_find(&list, SLICE("client-cert")));
        assert_null(header_find(&list, SLICE("client-cert-chain")));
        free(der);
}

/* Envoy puts RFC 2253 text between quotes as it is; what was escaped stays escaped once. */
static void a_subject_is_written_as_envoy_writes_it(void **state)
{
        struct identity identity = verified();
        (void)state;
        identity.forward = IDENTITY_XFCC;
        identity.subject = SLICE("CN=a\\\"b,O=Foo\\, Inc,OU=\\C3\\A4\\\\");
        assert_true(identity_headers_build(&identity, &arena, &list));
        struct slice value = header_value(&list, SLICE("x-forwarded-client-cert"));
        struct slice wanted = SLICE(";Subject=\"CN=a\\\"b,O=Foo\\, Inc,OU=\\C3\\A4\\\\\"");
        assert_true(slice_equal(slice_skip(value, value.len - wanted.len), wanted));
        identity.subject = SLICE("CN=a\\");
        assert_true(identity_headers_build(&identity, &arena, &list));
        value = header_value(&list, SLICE("x-forwarded-client-cert"));
        wanted = SLICE(";Subject=\"CN=a\\\\\"");
        assert_true(slice_equal(slice_skip(value, value.len - wanted.len), wanted));
}

static void xfcc_has_envoys_form(void **state)
{
        static const struct slice uris[] = {{"spiffe://a/b", 12}, {"x:a;b", 5}};
        static const struct slice names[] = {{"a.example", 9}, {"b", 1}};
        struct identity identity = verified();
        (void)state;
        identity.forward = IDENTITY_XFCC;
        identity.uris = uris;
        identity.uri_count = 2;
        identity.dns_names = names;
        identity.dns_name_count = 2;
        assert_true(identity_headers_build(&identity, &arena, &list));
        assert_header("x-forwarded-client-cert",
                      "Hash=abababababababababababababababababababababababababababababababab;"
                      "Cert=\"-----BEGIN%20CERTIFICATE-----%0AMAMCAQU%3D%0A-----END%20CERTIFICATE"
                      "-----%0A\";Subject=\"CN=robot\";URI=spiffe://a/b;URI=\"x:a;b\";"
                      "DNS=a.example;DNS=b");
}

static void names_from_a_certificate_cannot_break_out(void **state)
{
        static const struct slice names[] = {
                {"a\",By=b", 7}, {"a\r\nx: y", 7}, {"a\0b", 3},
                {"a\\", 2},      {"\xc3\xa4", 2},  {"", 0},
        };
        struct identity identity = verified();
        (void)state;
        identity.forward = IDENTITY_XFCC;
        identity.subject = SLICE("CN=a\\\"b,O=\"x\";URI=forged\n\x7f");
        identity.dns_names = names;
        identity.dns_name_count = COUNT_OF(names);
        assert_true(identity_headers_build(&identity, &arena, &list));
        struct slice value = header_value(&list, SLICE("x-forwarded-client-cert"));
        assert_true(field_value_valid(value));
        size_t subject = 0;
        while (!slice_starts_with(slice_skip(value, subject), SLICE(";Subject=")))
                subject++;
        struct slice rest = slice_skip(value, subject);
        if (!slice_is(rest, ";Subject=\"CN=a\\\"b,O=\\\"x\\\";URI=forged%0A%7F\""
                            ";DNS=\"a\\\",By=b\";DNS=\"a%0D%0Ax: y\";DNS=\"a%00b\";"
                            "DNS=\"a\\\\\";DNS=\"%C3%A4\";DNS="))
                fail_msg("%.*s", SLICE_ARG(rest));
}

static void a_value_that_is_too_long_is_left_out_whole(void **state)
{
        struct identity identity = verified();
        size_t fits = (IDENTITY_VALUE_MAX - 2) / 4 * 3;
        char *der = memory_new(fits + 1);
        (void)state;
        identity.forward = IDENTITY_CLIENT_CERT | IDENTITY_XFCC;
        identity.leaf = slice_from(der, fits);
        assert_false(identity_headers_build(&identity, &arena, &list)); /* XFCC is longer */
        assert_int_equal(list.count, 3);
        assert_non_null(header_find(&list, SLICE("client-cert")));
        assert_null(header_find(&list, SLICE("x-forwarded-client-cert")));
        identity.leaf.len++;
        assert_false(identity_headers_build(&identity, &arena, &list));
        assert_int_equal(list.count, 2);
        assert_header("pingate-client-verify", "SUCCESS");
        assert_header("pingate-client-name", "acme-robot");
        free(der);
}

static void the_pem_in_xfcc_has_lines_of_64(void **state)
{
        struct identity identity = verified();
        char der[100] = {0};
        (void)state;
        identity.forward = IDENTITY_XFCC;
        identity.leaf = slice_from(der, sizeof(der)); /* 136 characters: 64, 64, 8 */
        assert_true(identity_headers_build(&identity, &arena, &list));
        struct slice value = header_value(&list, SLICE("x-forwarded-client-cert"));
        struct slice pem =
                slice_skip(value, 69 + 1 + strlen("Cert=\"-----BEGIN%20CERTIFICATE-----"));
        assert_true(slice_starts_with(pem, SLICE("%0AAAAA")));
        assert_true(slice_starts_with(slice_skip(pem, 3 + 64), SLICE("%0AAAAA")));
        assert_true(
                slice_starts_with(slice_skip(pem, 2 * (3 + 64)), SLICE("%0AAAAAAA%3D%3D%0A---")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(without_verification_there_is_only_the_verdict),
                TEST(a_verified_client_is_named_and_shown_as_rfc_9440_says),
                TEST(what_was_not_asked_for_is_not_sent),
                TEST(xfcc_has_envoys_form),
                TEST(a_chain_never_stands_without_its_leaf),
                TEST(a_subject_is_written_as_envoy_writes_it),
                TEST(names_from_a_certificate_cannot_break_out),
                TEST(a_value_that_is_too_long_is_left_out_whole),
                TEST(the_pem_in_xfcc_has_lines_of_64),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
