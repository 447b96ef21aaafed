/* What texts of the API must look like: the patterns of the upstream CRDs, by hand, since each is a
 * line or two and a regular expression from a file is nothing to trust (I41). */
#pragma once

#include "control/api/decode.h"

extern const struct text_rule rule_label;      /* a namespace: DNS label, RFC 1123 */
extern const struct text_rule rule_label_name; /* the name in a label's key, or its value */
extern const struct text_rule rule_label_key;  /* "example.com/team", or "team" */
extern const struct text_rule rule_subdomain;  /* names of objects and of their parts */
extern const struct text_rule rule_dns_name;   /* a host's: its labels are of 63 at most */
extern const struct text_rule rule_group;      /* empty or a subdomain */
extern const struct text_rule rule_kind;
extern const struct text_rule rule_hostname; /* a DNS name, perhaps behind "*." */
extern const struct text_rule rule_protocol;
extern const struct text_rule rule_header_name; /* a token, RFC 9110, 5.6.2 */
extern const struct text_rule rule_header_value;
extern const struct text_rule rule_origin; /* of CORS: scheme, host, perhaps a port; or "*" */
extern const struct text_rule rule_cors_method;
extern const struct text_rule rule_relative_path; /* below the configuration file's folder */
