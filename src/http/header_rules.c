#include "http/header_rules.h"

#include <string.h>

#include "http/field_rules.h"

/* ---- names ---- */

/* The way CGI, WSGI and their kin make variable names: upper and lower case are one, and what is
 * no letter or digit is an underscore. Without folding "Client_Cert" or "client.cert" would reach
 * such a backend as HTTP_CLIENT_CERT (CVE-2026-46579). */
static char fold(char c)
{
        c = ascii_lower(c);
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
}

/* Patterns are folded already; one that ends in "*" stands for everything it starts. */
static bool folds_to(struct slice name, const char *pattern)
{
        size_t len = strlen(pattern);
        bool prefix = len > 0 && pattern[len - 1] == '*';
        if (prefix)
                len--;
        if (prefix ? name.len < len : name.len != len)
                return false;
        for (size_t i = 0; i < len; i++)
                if (fold(name.data[i]) != pattern[i])
                        return false;
        return true;
}

/* Most names part from most patterns at the first letter. */
static bool folds_to_any(struct slice name, const char *const *patterns)
{
        char first = name.len > 0 ? fold(name.data[0]) : '\0';
        for (; *patterns != NULL; patterns++)
                if (first == (*patterns)[0] && folds_to(name, *patterns))
                        return true;
        return false;
}

bool header_is_identity(struct slice name)
{
        static const char *const patterns[] = {
                "client_cert*",
                "x_forwarded_client_cert*",
                "x_forwarded_tls_client*",
                "x_ssl*",
                "ssl_client*",
                "x_client_cert*",
                "x_client_verify*",
                "x_client_dn*",
                "x_tls_client*",
                "x_arr_clientcert*",
                "x_amzn_mtls*",
                "pingate*",
                "x_pingate*",
                "tls_client*",
                NULL,
        };
        return folds_to_any(name, patterns);
}

bool header_is_hop_by_hop(struct slice name)
{
        static const char *const patterns[] = {
                "connection", "keep_alive",        "proxy",          "proxy_*", "te",
                "upgrade",    "transfer_encoding", "http2_settings", NULL,
        };
        return folds_to_any(name, patterns);
}

/* Who the client is and what it asked for is for the edge to say: some servers route by these. */
static bool is_forwarded(struct slice name)
{
        static const char *const patterns[] = {
                "forwarded",      "x_forwarded*",  "x_real_ip",       "x_request_id",
                "x_original_url", "x_rewrite_url", "x_original_host", NULL,
        };
        return folds_to_any(name, patterns);
}

/* ---- removal ---- */

typedef bool is_unwanted_fn(struct slice name);

static void remove_if(struct header_list *headers, is_unwanted_fn *unwanted)
{
        size_t kept = 0;
        for (size_t i = 0; i < headers->count; i++)
                if (!unwanted(headers->items[i].name))
                        headers->items[kept++] = headers->items[i];
        headers->count = kept;
}

/* What the Connection list names (RFC 9110, 7.6.1). The list is collected before the first removal,
 * because it may name itself. */
static void remove_connection_listed(struct header_list *headers)
{
        struct header_list listed;
        header_list_init(&listed, headers->arena);
        size_t at = 0;
        for (const struct header *h; (h = header_next(headers, SLICE("connection"), &at));)
                header_append(&listed, h->name, h->value);
        for (size_t i = 0; i < listed.count; i++) {
                struct slice rest = listed.items[i].value, part;
                while (slice_split(&rest, ',', &part))
                        header_remove(headers, slice_trim(part));
        }
}

static void remove_hop_by_hop(struct header_list *headers)
{
        if (header_find(headers, SLICE("connection")) != NULL)
                remove_connection_listed(headers);
        remove_if(headers, header_is_hop_by_hop);
        remove_if(headers, field_is_framing);
}

static void append_if(struct header_list *headers, struct slice name, struct slice value)
{
        if (value.len > 0)
                header_append(headers, name, value);
}

void request_headers_clean(struct header_list *headers, const struct forwarded *forwarded)
{
        remove_hop_by_hop(headers);
        remove_if(headers, header_is_identity);
        remove_if(headers, is_forwarded);
        append_if(headers, SLICE("x-forwarded-for"), forwarded->client_ip);
        append_if(headers, SLICE("x-forwarded-proto"), forwarded->scheme);
        append_if(headers, SLICE("x-forwarded-host"), forwarded->host);
        append_if(headers, SLICE("x-forwarded-port"), forwarded->port);
        append_if(headers, SLICE("x-request-id"), forwarded->request_id);
}

void request_headers_finish(struct header_list *headers, const struct header_list *identity,
                            bool te_trailers)
{
        remove_hop_by_hop(headers);
        remove_if(headers, header_is_identity);
        if (te_trailers)
                header_append(headers, SLICE("te"), SLICE("trailers"));
        for (size_t i = 0; identity != NULL && i < identity->count; i++)
                header_append(headers, identity->items[i].name, identity->items[i].value);
}

void response_headers_clean(struct header_list *headers)
{
        remove_hop_by_hop(headers);
}

/* RFC 9110, 6.5.1: nothing that framing, routing, authentication or identity depends on. */
static bool is_unfit_for_trailer(struct slice name)
{
        static const char *const patterns[] = {
                "authorization",
                "cookie",
                "set_cookie",
                "content_type",
                "content_encoding",
                "content_range",
                "cache_control",
                "content_length",
                "host",
                "trailer",
                "max_forwards",
                "expect",
                "range",
                NULL,
        };
        return folds_to_any(name, patterns) || header_is_identity(name) || is_forwarded(name) ||
               name.len == 0;
}

void trailers_clean(struct header_list *trailers)
{
        remove_hop_by_hop(trailers);
        remove_if(trailers, is_unfit_for_trailer);
}

/* ---- filters ---- */

/* Set-Cookie can't be folded into one line (RFC 9110, 5.3). */
static void filter_add(struct header_list *headers, const struct header *added)
{
        const struct header *old = header_find(headers, added->name);
        if (old == NULL || slice_equal_nocase(added->name, SLICE("set-cookie"))) {
                header_append(headers, added->name, added->value);
                return;
        }
        struct slice joined = SLICE_NONE;
        size_t at = 0;
        for (const struct header *h; (h = header_next(headers, added->name, &at));)
                joined = joined.data == NULL ? h->value
                                             : arena_printf(headers->arena, "%.*s,%.*s",
                                                            SLICE_ARG(joined), SLICE_ARG(h->value));
        joined = arena_printf(headers->arena, "%.*s,%.*s", SLICE_ARG(joined),
                              SLICE_ARG(added->value));
        header_set(headers, added->name, joined);
}

void headers_filter(struct header_list *headers, const struct header_filter *filter)
{
        for (size_t i = 0; i < filter->set_count; i++)
                header_set(headers, filter->set[i].name, filter->set[i].value);
        for (size_t i = 0; i < filter->add_count; i++)
                filter_add(headers, &filter->add[i]);
        for (size_t i = 0; i < filter->remove_count; i++)
                header_remove(headers, filter->remove[i]);
}
