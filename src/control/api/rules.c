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

static bool label_holds(struct slice text)
{
        if (text.len == 0 || text.len > 63 || text.data[0] == '-' || text.data[text.len - 1] == '-')
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!is_lower(text.data[i]) && !is_digit(text.data[i]) && text.data[i] != '-')
                        return false;
        return true;
}

static bool subdomain_holds(struct slice text)
{
        struct slice rest = text, label;
        if (text.len == 0 || text.len > 253 || text.data[text.len - 1] == '.')
                return false;
        while (slice_split(&rest, '.', &label))
                if (!label_holds(label))
                        return false;
        return true;
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
        return subdomain_holds(slice_starts_with(text, SLICE("*.")) ? slice_skip(text, 2) : text);
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
const struct text_rule rule_subdomain = {
        subdomain_holds, "a DNS name: labels of a-z, 0-9 and \"-\", with dots between"};
const struct text_rule rule_group = {group_holds, "an API group or \"\""};
const struct text_rule rule_kind = {kind_holds, "a kind: letters, digits and \"-\""};
const struct text_rule rule_hostname = {hostname_holds,
                                        "a host name in lower case, perhaps with \"*.\" in front"};
const struct text_rule rule_protocol = {protocol_holds, "a protocol, such as HTTPS"};
const struct text_rule rule_header_name = {header_name_holds, "a header name"};
const struct text_rule rule_header_value = {header_value_holds,
                                            "a header value without control characters"};
const struct text_rule rule_relative_path = {
        relative_path_holds, "a path below the configuration file's folder, without \"..\""};
