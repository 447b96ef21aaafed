/* What pingate takes for access to an API server, and what it refuses, by file and field. */
#include <openssl/pem.h>
#include <stdlib.h>

#include "../base/harness.h"
#include "folder.h"

#include "base/memory.h"
#include "control/kube/access_parts.h"
#include "text/base64.h"
#include "trust/throwaway.h"

enum {
        TEXT_MAX = 16 * 1024,
        PART_MAX = TEXT_MAX / 2,
};

static struct throwaway ca, client, other;
static char ca_pem[2048], client_pem[2048], client_key[1024], other_key[1024];
static char ca_base64[3072], client_base64[3072], key_base64[2048];

/* --- what is given --- */

static void pem_of(const struct throwaway *identity, char *certificate, char *key)
{
        BIO *bio = BIO_new(BIO_s_mem());
        assert_int_equal(PEM_write_bio_X509(bio, identity->certificate), 1);
        certificate[BIO_read(bio, certificate, 2047)] = '\0';
        assert_int_equal(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL),
                         1);
        key[BIO_read(bio, key, 1023)] = '\0';
        BIO_free(bio);
}

static void base64_of(const char *text, char *out)
{
        struct buffer buffer;
        buffer_init(&buffer, 4096);
        assert_true(base64_encode(slice_of(text), BASE64_STANDARD, &buffer));
        memcpy(out, buffer.data, buffer.len);
        out[buffer.len] = '\0';
        buffer_done(&buffer);
}

static int make_certificates(void **state)
{
        char ignored[1024];
        struct error err;
        (void)state;
        bool ok = throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_CA, .name = "ca"}, &ca,
                                 &err) &&
                  throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_CLIENT,
                                                          .name = "client",
                                                          .issuer = &ca},
                                 &client, &err) &&
                  throwaway_make(&(struct throwaway_wish){.use = THROWAWAY_CLIENT,
                                                          .name = "other",
                                                          .issuer = &ca},
                                 &other, &err);
        if (!ok)
                return -1;
        pem_of(&ca, ca_pem, ignored);
        pem_of(&other, client_pem, other_key);
        pem_of(&client, client_pem, client_key);
        base64_of(ca_pem, ca_base64);
        base64_of(client_pem, client_base64);
        base64_of(client_key, key_base64);
        return folder_open_test(state);
}

static int drop_certificates(void **state)
{
        throwaway_done(&ca);
        throwaway_done(&client);
        throwaway_done(&other);
        return folder_close_test(state);
}

static const char *kubeconfig(const char *cluster, const char *user)
{
        static char text[TEXT_MAX];
        snprintf(text, sizeof(text),
                 "apiVersion: v1\n"
                 "kind: Config\n"
                 "current-context: here\n"
                 "contexts:\n"
                 "- {name: there, context: {cluster: none, user: none}}\n"
                 "- {name: here, context: {cluster: c, user: u, namespace: edge}}\n"
                 "clusters:\n"
                 "- {name: d, cluster: {server: 'http://d'}}\n"
                 "- name: c\n"
                 "  cluster: {%.6000s}\n"
                 "users:\n"
                 "- name: u\n"
                 "  user: {%.8000s}\n",
                 cluster, user);
        return text;
}

static const char *good_cluster(const char *more)
{
        static char text[PART_MAX];
        snprintf(text, sizeof(text),
                 "server: 'https://192.0.2.1:6443/', certificate-authority-data: '%s'%s", ca_base64,
                 more);
        return text;
}

static void refuses(const char *text, const char *says)
{
        struct kube_access *access = NULL;
        struct error err = {.text = ""};
        char path[300];
        snprintf(path, sizeof(path), "%s/config", folder_path);
        assert_false(kube_access_parse(slice_of(text), path, SLICE_NONE, &access, &err));
        assert_null(access);
        if (!strstr(err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", err.text, says);
        if (strncmp(err.text, path, strlen(path)) != 0)
                fail_msg("\"%s\" does not begin with the file", err.text);
        assert_null(strchr(err.text, '\n'));
}

static struct kube_access *takes(const char *text)
{
        struct kube_access *access = NULL;
        struct error err = {.text = ""};
        char path[300];
        snprintf(path, sizeof(path), "%s/config", folder_path);
        if (!kube_access_parse(slice_of(text), path, SLICE_NONE, &access, &err))
                fail_msg("%s", err.text);
        return access;
}

static void assert_slice(struct slice got, const char *want)
{
        if (!slice_is(got, want))
                fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(got), want);
}

/* --- kubeconfig --- */

static void the_current_context_names_server_user_and_namespace(void **state)
{
        (void)state;
        struct kube_access *access = takes(kubeconfig(good_cluster(""), "token: t0ken"));
        assert_slice(access->server, "https://192.0.2.1:6443");
        assert_slice(access->host, "192.0.2.1");
        assert_slice(access->port, "6443");
        assert_slice(access->ca, ca_pem);
        assert_slice(access->token, "t0ken");
        assert_slice(access->namespace, "edge");
        assert_int_equal(access->server_name.len, 0);
        assert_int_equal(access->certificate.len, 0);
        kube_access_free(access);
}

static void certificates_come_inline_or_from_files_beside_it(void **state)
{
        char user[PART_MAX];
        (void)state;
        folder_write("ca.crt", ca_pem);
        folder_write("client.crt", client_pem);
        folder_write("client.key", client_key);
        struct kube_access *access = takes(kubeconfig(
                "server: 'https://[2001:db8::1]', certificate-authority: ca.crt, "
                "tls-server-name: api.example.com",
                "client-certificate: client.crt, client-key: client.key, tokenFile: sub/token"));
        assert_slice(access->ca, ca_pem);
        assert_slice(access->host, "[2001:db8::1]");
        assert_slice(access->port, "443");
        assert_slice(access->server_name, "api.example.com");
        assert_slice(access->certificate, client_pem);
        assert_slice(access->key, client_key);
        assert_slice(access->token_file, folder_file("sub/token"));
        kube_access_free(access);
        snprintf(user, sizeof(user), "client-certificate-data: '%s', client-key-data: '%s'",
                 client_base64, key_base64);
        access = takes(kubeconfig(good_cluster(""), user));
        assert_slice(access->certificate, client_pem);
        kube_access_free(access);
}

static void another_context_can_be_chosen(void **state)
{
        struct kube_access *access;
        struct error err;
        (void)state;
        const char *text = kubeconfig(good_cluster(""), "token: t");
        assert_false(kube_access_parse(slice_of(text), "f", SLICE("there"), &access, &err));
        assert_non_null(strstr(err.text, "clusters: has no \"none\""));
        assert_false(kube_access_parse(slice_of(text), "f", SLICE("nowhere"), &access, &err));
        assert_non_null(strstr(err.text, "contexts: has no \"nowhere\""));
}

static void a_server_that_would_not_be_verified_is_refused(void **state)
{
        (void)state;
        refuses(kubeconfig("server: 'http://192.0.2.1:8080'", "token: t"),
                "clusters[1].cluster.server: is \"http://192.0.2.1:8080\", wants https://");
        refuses(kubeconfig("server: 'https://192.0.2.1'", "token: t"),
                "clusters[1].cluster: wants certificate-authority-data or certificate-authority");
        refuses(kubeconfig("server: 'https://a', certificate-authority-data: ''", "token: t"),
                "wants certificate-authority-data or certificate-authority");
        refuses(kubeconfig(good_cluster(", insecure-skip-tls-verify: true"), "token: t"),
                "clusters[1].cluster.insecure-skip-tls-verify: is refused");
        refuses(kubeconfig(good_cluster(", insecure-skip-tls-verify: 'true'"), "token: t"),
                "insecure-skip-tls-verify: is refused");
        kube_access_free(
                takes(kubeconfig(good_cluster(", insecure-skip-tls-verify: false"), "token: t")));
}

static void what_is_no_server_is_refused(void **state)
{
        static const char *const servers[] = {
                "https://",      "https:///",     "https://a:0",         "https://a:65536",
                "https://a:x",   "https://a:",    "https://u@a",         "https://a?x",
                "https://a#x",   "https://a b",   "https://[::1",        "https://[::1]x",
                "https://[]",    "https://a/b?c", "HTTPS://a",           "https://a,b",
                "https://a/%2e", "ftp://a",       "https://[fe80::1%1]",
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(servers); i++) {
                char cluster[PART_MAX];
                snprintf(cluster, sizeof(cluster),
                         "server: \"%s\", certificate-authority-data: '%s'", servers[i], ca_base64);
                refuses(kubeconfig(cluster, "token: t"), "clusters[1].cluster.server: is \"");
        }
        refuses(kubeconfig("server: \"https://a\\nb\"", ""),
                "clusters[1].cluster.server: has characters that no URL has");
        refuses(kubeconfig("certificate-authority: x", ""), "clusters[1].cluster: wants server");
        refuses(kubeconfig("server: [a]", ""), "clusters[1].cluster.server: is a list");
}

static void a_ca_that_is_none_is_refused(void **state)
{
        (void)state;
        folder_write("key-only.crt", client_key);
        folder_write("empty.crt", "");
        refuses(kubeconfig("server: 'https://a', certificate-authority-data: '!'", ""),
                "clusters[1].cluster.certificate-authority-data: ");
        refuses(kubeconfig("server: 'https://a', certificate-authority: missing.crt", ""),
                "clusters[1].cluster.certificate-authority: ");
        refuses(kubeconfig("server: 'https://a', certificate-authority: key-only.crt", ""),
                "certificate-authority: has no PEM block CERTIFICATE");
        refuses(kubeconfig("server: 'https://a', certificate-authority: empty.crt", ""),
                "certificate-authority: has no PEM block CERTIFICATE");
}

static void what_is_not_supported_is_never_left_out(void **state)
{
        static const char *const users[][2] = {
                {"exec: {command: x}", "users[0].user.exec: is not supported"},
                {"auth-provider: {name: x}", "users[0].user.auth-provider: is not supported"},
                {"username: x, password: y", "users[0].user.username: is not supported"},
                {"as: admin", "users[0].user.as: is not supported"},
                {"as-groups: [a]", "users[0].user.as-groups: is not supported"},
                {"token: t, exec: {command: x}", "users[0].user.exec: is not supported"},
        };
        (void)state;
        for (size_t i = 0; i < COUNT_OF(users); i++)
                refuses(kubeconfig(good_cluster(""), users[i][0]), users[i][1]);
        refuses(kubeconfig(good_cluster(", proxy-url: 'http://p'"), ""),
                "clusters[1].cluster.proxy-url: is not supported");
        refuses(kubeconfig(good_cluster(", tls-server-name: 'a b'"), ""),
                "clusters[1].cluster.tls-server-name: wants a DNS name");
}

static void a_certificate_wants_its_own_key(void **state)
{
        (void)state;
        folder_write("client.crt", client_pem);
        folder_write("other.key", other_key);
        refuses(kubeconfig(good_cluster(""), "client-certificate: client.crt"),
                "users[0].user: wants client-key too");
        refuses(kubeconfig(good_cluster(""), "client-key: other.key"),
                "users[0].user: wants client-certificate too");
        refuses(kubeconfig(good_cluster(""), "client-certificate: client.crt, "
                                             "client-key: other.key"),
                "is not the key of the first certificate");
}

static void a_token_can_bring_no_header_of_its_own(void **state)
{
        (void)state;
        refuses(kubeconfig(good_cluster(""), "token: \"a\\r\\nX-Remote-User: admin\""),
                "users[0].user.token: has characters that no token has");
        refuses(kubeconfig(good_cluster(""), "token: 'a b'"), "users[0].user.token: ");
}

static void what_is_no_kubeconfig_is_refused(void **state)
{
        (void)state;
        refuses("", "wants one kubeconfig");
        refuses("[]", "wants one kubeconfig");
        refuses("a: 1\n---\nb: 1\n", "wants one kubeconfig");
        refuses("a: b", "wants current-context");
        refuses("current-context: x", "wants a list contexts");
        refuses("current-context: x\ncontexts: [{name: x}]", "contexts[0]: wants a map context");
        refuses("current-context: \"a\\nb\"\ncontexts: []", "contexts: has no");
        refuses("a: [", "not YAML");
        refuses("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u, "
                "namespace: ../x}}]\n",
                "contexts[0].context.namespace: wants the name of a namespace");
}

static void a_kubeconfig_that_is_not_there_is_named(void **state)
{
        struct kube_access *access;
        struct error err;
        (void)state;
        assert_false(kube_access_from_file(folder_file("none"), SLICE_NONE, &access, &err));
        assert_non_null(strstr(err.text, folder_file("none")));
}

/* --- in a pod --- */

static void set_pod(const char *host, const char *port)
{
        must(host ? setenv("KUBERNETES_SERVICE_HOST", host, 1) == 0
                  : unsetenv("KUBERNETES_SERVICE_HOST") == 0);
        must(port ? setenv("KUBERNETES_SERVICE_PORT", port, 1) == 0
                  : unsetenv("KUBERNETES_SERVICE_PORT") == 0);
}

static void pod_refuses(const char *says)
{
        struct kube_access *access;
        struct error err;
        assert_false(access_of_pod(slice_of(folder_path), &access, &err));
        if (!strstr(err.text, says))
                fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void a_pods_files_and_variables_are_taken(void **state)
{
        struct kube_access *access;
        struct error err;
        (void)state;
        set_pod("2001:db8::1", "443");
        folder_write("ca.crt", ca_pem);
        folder_write("token", "t0ken\n");
        folder_write("namespace", "pingate-system\n");
        assert_true(access_of_pod(slice_of(folder_path), &access, &err));
        assert_slice(access->server, "https://[2001:db8::1]:443");
        assert_slice(access->namespace, "pingate-system");
        assert_slice(access->token_file, folder_file("token"));
        assert_slice(access->ca, ca_pem);
        kube_access_free(access);
}

static void what_a_pod_lacks_is_named(void **state)
{
        (void)state;
        folder_write("ca.crt", ca_pem);
        folder_write("token", "t0ken");
        folder_write("namespace", "edge");
        set_pod(NULL, "443");
        pod_refuses("KUBERNETES_SERVICE_HOST is not set");
        set_pod("192.0.2.1", NULL);
        pod_refuses("KUBERNETES_SERVICE_PORT is not set");
        set_pod("192.0.2.1 ", "443");
        pod_refuses("KUBERNETES_SERVICE_HOST and _PORT: is");
        set_pod("192.0.2.1", "443");
        remove(folder_file("token"));
        pod_refuses("/token: can't be opened");
        folder_write("namespace", "");
        folder_write("token", "t0ken");
        pod_refuses("/namespace: wants the name of a namespace");
        folder_write("ca.crt", "");
        pod_refuses("/ca.crt: has no PEM block CERTIFICATE");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_current_context_names_server_user_and_namespace),
                cmocka_unit_test(certificates_come_inline_or_from_files_beside_it),
                cmocka_unit_test(another_context_can_be_chosen),
                cmocka_unit_test(a_server_that_would_not_be_verified_is_refused),
                cmocka_unit_test(what_is_no_server_is_refused),
                cmocka_unit_test(a_ca_that_is_none_is_refused),
                cmocka_unit_test(what_is_not_supported_is_never_left_out),
                cmocka_unit_test(a_certificate_wants_its_own_key),
                cmocka_unit_test(a_token_can_bring_no_header_of_its_own),
                cmocka_unit_test(what_is_no_kubeconfig_is_refused),
                cmocka_unit_test(a_kubeconfig_that_is_not_there_is_named),
                cmocka_unit_test(a_pods_files_and_variables_are_taken),
                cmocka_unit_test(what_a_pod_lacks_is_named),
        };
        return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
