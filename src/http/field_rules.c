#include "http/field_rules.h"

#include "http/target.h"

static bool fault_set(struct http_fault *fault, int status, const char *token)
{
        *fault = (struct http_fault){status, token};
        return false;
}

static const char *name_fault(struct slice name)
{
        if (name.len == 0)
                return "field_name_empty";
        char last = name.data[name.len - 1];
        if (last == ' ' || last == '\t')
                return "field_space_before_colon";
        return token_valid(name) ? NULL : "field_name";
}

bool field_line_parse(char *line, size_t len, const struct http_limits *limits, struct header *out,
                      struct http_fault *fault)
{
        struct slice text = slice_from(line, len);
        if (len > 0 && (line[0] == ' ' || line[0] == '\t'))
                return fault_set(fault, 400, "field_folded");
        size_t colon = slice_find(text, ':');
        if (colon == len)
                return fault_set(fault, 400, "field_without_colon");
        struct slice name = slice_sub(text, 0, colon);
        const char *wrong = name_fault(name);
        if (wrong != NULL)
                return fault_set(fault, 400, wrong);
        if (colon > limits->name_bytes)
                return fault_set(fault, 431, "field_name_too_long");
        for (size_t i = 0; i < colon; i++)
                line[i] = ascii_lower(line[i]);
        struct slice value = slice_trim(slice_skip(text, colon + 1));
        if (!field_value_valid(value))
                return fault_set(fault, 400, "field_value");
        *out = (struct header){name, value};
        return true;
}

bool field_is_framing(struct slice name)
{
        return slice_equal_nocase(name, SLICE("host")) ||
               slice_equal_nocase(name, SLICE("content-length")) ||
               slice_equal_nocase(name, SLICE("transfer-encoding"));
}

bool content_length_take(struct header_list *headers, bool *known, uint64_t *length,
                         struct http_fault *fault)
{
        struct slice value = header_value(headers, SLICE("content-length"));
        size_t count = header_remove(headers, SLICE("content-length"));
        *known = count > 0;
        *length = 0;
        if (count > 1)
                return fault_set(fault, 400, "content_length_repeated");
        if (count == 1 && (value.len > 19 || !slice_to_u64(value, INT64_MAX, length)))
                return fault_set(fault, 400, "content_length");
        return true;
}

bool authority_take(struct request_head *head, struct slice target, bool host_needed,
                    struct http_fault *fault)
{
        struct slice host = header_value(&head->headers, SLICE("host"));
        size_t count = header_remove(&head->headers, SLICE("host"));
        if (count > 1)
                return fault_set(fault, 400, "host_repeated");
        if (count == 0 && (host_needed || target.len == 0))
                return fault_set(fault, 400, "host_missing");
        if (count == 1 && target.len > 0 && !slice_equal_nocase(host, target))
                return fault_set(fault, 400, "host_differs");
        struct authority authority;
        if (!authority_parse(target.len > 0 ? target : host, head->headers.arena, &authority))
                return fault_set(fault, 400, "host");
        head->authority = authority.text;
        head->host = authority.host;
        head->port = authority.port;
        return true;
}

bool method_check(struct slice method, const struct http_limits *limits, struct http_fault *fault)
{
        if (!token_valid(method))
                return fault_set(fault, 400, "method");
        if (method.len > limits->method_bytes)
                return fault_set(fault, 501, "method_too_long");
        if (slice_equal_nocase(method, SLICE("CONNECT")))
                return fault_set(fault, 501, "method_connect");
        return true;
}

bool request_rules_check(struct request_head *head, struct http_fault *fault)
{
        bool has_body = head->framing == FRAMING_CHUNKED || head->content_length > 0;
        if (has_body && slice_is(head->method, "TRACE"))
                return fault_set(fault, 400, "trace_with_body"); /* RFC 9110, 9.3.8 */
        if (slice_equal_nocase(head->method, SLICE("PRI")))      /* reserved: how HTTP/2 begins */
                return fault_set(fault, 501, "method_pri");
        size_t at = 0;
        const struct header *expect = header_next(&head->headers, SLICE("expect"), &at);
        if (expect != NULL && head->http_minor > 0) { /* RFC 9110, 10.1.1 */
                if (!slice_equal_nocase(expect->value, SLICE("100-continue")) ||
                    header_next(&head->headers, SLICE("expect"), &at) != NULL)
                        return fault_set(fault, 417, "expect");
                head->expect_continue = has_body;
        }
        /* Of HTTP/1.0, or with nothing to wait for, it is to be ignored, by the backend too: that
         * one reads our HTTP/1.1 and would take it at its word. */
        if (!head->expect_continue)
                header_remove(&head->headers, SLICE("expect"));
        head->te_trailers = header_has_token(&head->headers, SLICE("te"), SLICE("trailers"));
        return true;
}
