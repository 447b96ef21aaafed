#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "capture.h"
#include "cli/cli.h"
#include "cli/pki.h"
#include "text/base64.h"
#include "text/yaml.h"

static struct throwaway ca, client, renewed, expired, other;

static int make_all(void **state)
{
        (void)state;
        struct error err = {0};
        bool ok = throwaway_make(&(struct throwaway_wish){THROWAWAY_CA, "ca", NULL, NULL, false},
                                 &ca, &err) &&
                  throwaway_make(
                          &(struct throwaway_wish){THROWAWAY_CLIENT, "client", &ca, NULL, false},
                          &client, &err) &&
                  throwaway_make(&(struct throwaway_wish){THROWAWAY_CLIENT, "client", &ca,
                                                          client.key, false},
                                 &renewed, &err) &&
                  throwaway_make(&(struct throwaway_wish){THROWAWAY_CLIENT, "client", &ca,
                                                          client.key, true},
                                 &expired, &err) &&
                  throwaway_make(
                          &(struct throwaway_wish){THROWAWAY_CLIENT, "other", &ca, NULL, false},
                          &other, &err);
        return ok ? 0 : -1;
}

static int free_all(void **state)
{
        (void)state;
        struct throwaway *all[] = {&ca, &client, &renewed, &expired, &other};
        for (size_t i = 0; i < COUNT_OF(all); i++)
                throwaway_done(all[i]);
        return 0;
}

static int verify(const struct throwaway *identity)
{
        X509_STORE *store = X509_STORE_new();
        X509_STORE_add_cert(store, ca.certificate);
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        X509_STORE_CTX_init(ctx, store, identity->certificate, NULL);
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
        X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
        X509_verify_cert(ctx);
        int result = X509_STORE_CTX_get_error(ctx);
        X509_STORE_CTX_free(ctx);
        X509_STORE_free(store);
        return result;
}

static void the_demos_clients_pass_strict_checks_but_for_what_is_wished(void **state)
{
        (void)state;
        assert_int_equal(verify(&client), X509_V_OK);
        assert_int_equal(verify(&renewed), X509_V_OK);
        assert_int_equal(verify(&expired), X509_V_ERR_CERT_HAS_EXPIRED);
}

static void a_renewed_certificate_has_the_same_key_and_so_the_same_pin(void **state)
{
        (void)state;
        struct buffer a, b, c;
        buffer_init(&a, 64);
        buffer_init(&b, 64);
        buffer_init(&c, 64);
        assert_true(pki_print_spki(&client, &a) && pki_print_spki(&renewed, &b) &&
                    pki_print_spki(&other, &c));
        assert_int_equal(a.len, 44);
        assert_true(slice_equal(buffer_slice(&a), buffer_slice(&b)));
        assert_false(slice_equal(buffer_slice(&a), buffer_slice(&c)));
        assert_int_not_equal(X509_cmp(client.certificate, renewed.certificate), 0);
        buffer_done(&a);
        buffer_done(&b);
        buffer_done(&c);
}

static void write_pem(char path[static 64], const struct throwaway *identity, bool key,
                      struct buffer *pem)
{
        buffer_init(pem, 65536);
        assert_true(key ? pki_print_key(identity, pem) : pki_print_certificate(identity, pem));
        snprintf(path, 64, "/tmp/pingate-test-XXXXXX");
        int fd = mkstemp(path);
        assert_int_equal(write(fd, pem->data, pem->len), pem->len);
        close(fd);
}

static char out[65536];

static void a_secret_holds_the_two_files_byte_for_byte(void **state)
{
        (void)state;
        char cert[64], key[64];
        struct buffer cert_pem, key_pem;
        write_pem(cert, &client, false, &cert_pem);
        write_pem(key, &client, true, &key_pem);
        assert_int_equal(capture(cli_secret,
                                 WORDS("secret", "tls", "edge.cert", "-n", "prod", "--cert", cert,
                                       "--key", key),
                                 1, out, sizeof(out)),
                         EXIT_OK);
        struct arena arena;
        arena_init(&arena, 65536);
        struct yaml_docs docs;
        struct error err = {0};
        if (!yaml_parse(&arena, slice_of(out), "secret", &docs, &err))
                fail_msg("%s", err.text);
        assert_int_equal(docs.count, 1);
        const struct node *root = docs.items[0];
        assert_true(slice_is(node_text(root, "type"), "kubernetes.io/tls"));
        assert_true(slice_is(node_text(node_find(root, "metadata"), "name"), "edge.cert"));
        assert_true(slice_is(node_text(node_find(root, "metadata"), "namespace"), "prod"));
        struct slice bytes;
        assert_true(base64_decode_new(&arena, node_text(node_find(root, "data"), "tls.crt"),
                                      BASE64_STANDARD, &bytes, &err));
        assert_true(slice_equal(bytes, buffer_slice(&cert_pem)));
        assert_true(base64_decode_new(&arena, node_text(node_find(root, "data"), "tls.key"),
                                      BASE64_STANDARD, &bytes, &err));
        assert_true(slice_equal(bytes, buffer_slice(&key_pem)));
        arena_done(&arena);
        buffer_done(&cert_pem);
        buffer_done(&key_pem);
        unlink(cert);
        unlink(key);
}

static void a_key_that_is_not_the_certificates_is_refused(void **state)
{
        (void)state;
        char cert[64], key[64];
        struct buffer cert_pem, key_pem;
        write_pem(cert, &client, false, &cert_pem);
        write_pem(key, &other, true, &key_pem);
        assert_int_equal(capture(cli_secret,
                                 WORDS("secret", "tls", "x", "--cert", cert, "--key", key), 2, out,
                                 sizeof(out)),
                         EXIT_USAGE);
        assert_non_null(strstr(out, "pingate: --key: not the key of the first certificate"));
        assert_int_equal(capture(cli_secret,
                                 WORDS("secret", "tls", "x", "--cert", cert, "--key", cert), 2, out,
                                 sizeof(out)),
                         EXIT_USAGE);
        assert_non_null(strstr(out, "pingate: --key: no PEM private key"));
        assert_int_equal(capture(cli_secret,
                                 WORDS("secret", "tls", "x", "--cert", key, "--key", key), 2, out,
                                 sizeof(out)),
                         EXIT_USAGE);
        assert_non_null(strstr(out, "pingate: --cert: no PEM certificate"));
        static char *const names[] = {"", "Upper", "a_b", "-a", "a-", "a\"", "a b"};
        for (size_t i = 0; i < COUNT_OF(names); i++)
                assert_int_equal(
                        capture(cli_secret,
                                WORDS("secret", "tls", names[i], "--cert", cert, "--key", key), 2,
                                out, sizeof(out)),
                        EXIT_USAGE);
        buffer_done(&cert_pem);
        buffer_done(&key_pem);
        unlink(cert);
        unlink(key);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_demos_clients_pass_strict_checks_but_for_what_is_wished),
                cmocka_unit_test(a_renewed_certificate_has_the_same_key_and_so_the_same_pin),
                cmocka_unit_test(a_secret_holds_the_two_files_byte_for_byte),
                cmocka_unit_test(a_key_that_is_not_the_certificates_is_refused),
        };
        return cmocka_run_group_tests(tests, make_all, free_all);
}
