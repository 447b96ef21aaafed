#include "cli/service_options.h"

#include "control/api/rules.h"
#include "text/utf8.h"

enum {
        PORT_MIN = 1024,
};

bool service_ports_parse(struct slice text, struct service_plan *out, struct error *err)
{
        char shown[UTF8_SHOWN_SIZE];
        struct slice rest = text, first;
        uint64_t from, to;
        slice_split(&rest, '-', &first);
        if (!rest.data || !slice_to_u64(first, 65535, &from) || !slice_to_u64(rest, 65535, &to) ||
            from < PORT_MIN || to < from)
                return error_set(err, ERROR_USAGE,
                                 "\"%s\" is no range of ports, wants FROM-TO of %d to 65535",
                                 utf8_show(text, shown), PORT_MIN);
        out->first_port = (uint16_t)from;
        out->last_port = (uint16_t)to;
        return true;
}

bool service_selector_parse(struct slice text, struct service_selector *out, struct error *err)
{
        char shown[UTF8_SHOWN_SIZE];
        struct slice rest = text, key;
        slice_split(&rest, '=', &key);
        if (!rest.data || !rule_label_key.holds(key) || !rule_label_name.holds(rest))
                return error_set(err, ERROR_USAGE, "\"%s\" is no label, wants KEY=VALUE",
                                 utf8_show(text, shown));
        out->key = key;
        out->value = rest;
        return true;
}
