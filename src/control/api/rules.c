#include "control/api/rules.h"

#include <string.h>

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
        return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
        return is_lower(ascii_lower(c));
}

static bool label_holds_within(struct slice text, size_t max)
{
        if (text.len == 0 || text.len > max || text.data[0] == '-' ||
            text.data[text.len - 1] == '-')
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!is_lower(text.data[i]) && !is_digit(text.data[i]) && text.data[i] != '-')
                        return false;
        return true;
}

static bool label_holds(struct slice text)
{
        return label_holds_within(text, 63);
}

static bool label_name_holds(struct slice text)
{
        for (size_t i = 0; i < text.len; i++) {
                bool end = i == 0 || i == text.len - 1;
                if (!is_letter(text.data[i]) && !is_digit(text.data[i]) &&
                    (end || text.data[i] == '\0' || !strchr("-_.", text.data[i])))
                        return false;
        }
        return text.len > 0 && text.len <= 63;
}

static bool labels_hold(struct slice text, size_t label_max)
{
        struct slice rest = text, label;
        if (text.len == 0 || text.len > 253 || text.data[text.len - 1] == '.')
                return false;
        while (slice_split(&rest, '.', &label))
                if (!label_holds_within(label, label_max))
                        return false;
        return true;
}

/* As Kubernetes has it for names of objects: 253 in all, a label may be all of it. */
static bool subdomain_holds(struct slice text)
{
        return labels_hold(text, 253);
}

/* Of what the DNS is asked for, or a certificate bears: RFC 1035, 2.3.4. */
static bool dns_name_holds(struct slice text)
{
        return labels_hold(text, 63);
}

static bool group_holds(struct slice text)
{
        return text.len == 0 || subdomain_holds(text);
}

static bool kind_holds(struct slice text)
{
        if (text.len == 0 || text.len > 63 || !is_letter(text.data[0]) ||
            text.data[text.len - 1] == '-')
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!is_letter(text.data[i]) && !is_digit(text.data[i]) && text.data[i] != '-')
                        return false;
        return true;
}

static bool hostname_holds(struct slice text)
{
        return dns_name_holds(slice_starts_with(text, SLICE("*.")) ? slice_skip(text, 2) : text);
}

static bool protocol_holds(struct slice text)
{
        for (size_t i = 0; i < text.len; i++)
                if (!is_letter(text.data[i]) && !is_digit(text.data[i]) &&
                    !strchr("-./", text.data[i]))
                        return false;
        return text.len > 0 && text.len <= 255 &&
               (is_letter(text.data[0]) || is_digit(text.data[0]));
}

static bool header_name_holds(struct slice text)
{
        for (size_t i = 0; i < text.len; i++)
                if (!is_letter(text.data[i]) && !is_digit(text.data[i]) &&
                    (text.data[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", text.data[i])))
                        return false;
        return text.len > 0 && text.len <= 256;
}

/* No control characters: a value is written into messages as it stands (I29). */
static bool header_value_holds(struct slice text)
{
        for (size_t i = 0; i < text.len; i++)
                if (((unsigned char)text.data[i] < 0x20 && text.data[i] != '\t') ||
                    text.data[i] == 0x7f)
                        return false;
        return text.len > 0 && text.len <= 4096;
}

/* CORSOrigin: "*", or http(s)://HOST[:PORT] where HOST is "*" or labels behind an optional "*." */
static bool origin_host_holds(struct slice host)
{
        struct slice label;
        if (slice_is(host, "*"))
                return true;
        if (slice_starts_with(host, SLICE("*.")))
                host = slice_skip(host, 2);
        if (host.len == 0 || host.data[host.len - 1] == '.')
                return false;
        while (slice_split(&host, '.', &label)) {
                for (size_t i = 0; i < label.len; i++)
                        if (!is_letter(label.data[i]) && !is_digit(label.data[i]) &&
                            label.data[i] != '-')
                                return false;
                if (label.len == 0)
                        return false;
        }
        return true;
}

static bool origin_holds(struct slice text)
{
        uint64_t port = 0;
        if (slice_is(text, "*"))
                return true;
        bool https = slice_starts_with(text, SLICE("https://"));
        if (!https && !slice_starts_with(text, SLICE("http://")))
                return false;
        struct slice rest = slice_skip(text, https ? 8 : 7);
        size_t colon = slice_find(rest, ':');
        if (colon < rest.len &&
            (rest.len - colon > 6 || !slice_to_u64(slice_skip(rest, colon + 1), 65535, &port) ||
             port == 0))
                return false;
        return origin_host_holds(slice_sub(rest, 0, colon));
}

static bool cors_method_holds(struct slice text)
{
        static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                              "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"};
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
                if (slice_is(text, methods[i]))
                        return true;
        return false;
}

static bool label_key_holds(struct slice key)
{
        struct slice name = key, prefix = SLICE_NONE;
        size_t slash = slice_find(key, '/');
        if (slash < key.len) {
                prefix = slice_sub(key, 0, slash);
                name = slice_skip(key, slash + 1);
        }
        return (slash == key.len || (prefix.len < 253 && subdomain_holds(prefix))) &&
               label_name_holds(name);
}

static bool relative_path_holds(struct slice text)
{
        struct slice rest = text, part;
        if (text.len == 0 || text.data[0] == '/' || slice_find(text, '\0') < text.len)
                return false;
        while (slice_split(&rest, '/', &part))
                if (slice_is(part, ".."))
                        return false;
        return true;
}

const struct text_rule rule_label = {
        label_holds, "a DNS label: up to 63 of a-z, 0-9 and \"-\", not at its ends"};
const struct text_rule rule_label_name = {
        label_name_holds, "up to 63 letters, digits, \"-\", \"_\" and \".\", a letter or digit at "
                          "its ends"};
const struct text_rule rule_label_key = {
        label_key_holds, "a name of up to 63 letters, digits, \"-\", \"_\" and \".\", perhaps "
                         "behind a DNS name and \"/\""};
const struct text_rule rule_subdomain = {
        subdomain_holds, "a DNS name: labels of a-z, 0-9 and \"-\", with dots between"};
const struct text_rule rule_dns_name = {
        dns_name_holds, "a DNS name: labels of up to 63 of a-z, 0-9 and \"-\", with dots between"};
const struct text_rule rule_group = {group_holds, "an API group or \"\""};
const struct text_rule rule_kind = {kind_holds, "a kind: letters, digits and \"-\""};
const struct text_rule rule_hostname = {hostname_holds,
                                        "a host name in lower case, perhaps with \"*.\" in front"};
const struct text_rule rule_protocol = {protocol_holds, "a protocol, such as HTTPS"};
const struct text_rule rule_header_name = {header_name_holds, "a header name"};
const struct text_rule rule_header_value = {header_value_holds,
                                            "a header value without control characters"};
const struct text_rule rule_origin = {
        origin_holds, "\"*\" or an origin: http:// or https://, a host that may be \"*\" or start "
                      "with \"*.\", perhaps a port"};
const struct text_rule rule_cors_method = {cors_method_holds, "an HTTP method or \"*\""};
const struct text_rule rule_relative_path = {
        relative_path_holds, "a path below the configuration file's folder, without \"..\""};
