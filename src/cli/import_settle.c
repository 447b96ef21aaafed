/* Which listeners of a Gateway stay, and which of them need pins of their own. */
#include "cli/import_values.h"

const struct import_validation *import_common_validation(const struct import_gateway *g)
{
        const struct import_validation *found = g->by_default;
        vec_each (l, &g->listeners) {
                if (!l->https || l->left_out)
                        continue;
                if (!l->validation || (found && !import_validation_equal(found, l->validation)))
                        return NULL;
                found = l->validation;
        }
        return found;
}

/* CAs and mode are the port's here, whatever name the client asks for (I19): a listener that wants
 * others than the first of its port is left out. Pins can be a listener's own. */
static void port_settle(struct importer *im, struct import_gateway *g, struct import_listener *l)
{
        struct import_listener *first = NULL;
        vec_each (other, &g->listeners)
                if (other->https && !other->left_out && other->port == l->port &&
                    other->validation && !first)
                        first = other;
        if (!first || import_validation_equal(first->validation, l->validation))
                return;
        if (!l->validation) {
                l->validation = first->validation;
                import_note(im, IMPORT_NO_EQUIVALENT, l->source,
                            "asked for no certificate, but shares port %lld with listener %.*s: "
                            "here it asks for the same",
                            (long long)l->port, SLICE_ARG(first->name));
        } else if (l->validation->fallback != first->validation->fallback ||
                   !node_equal(l->validation->cas, first->validation->cas)) {
                l->left_out = true;
                import_note(im, IMPORT_REFUSED, l->source,
                            "has other CAs, or another mode, than listener %.*s of the same port, "
                            "which can't be here: it is left out; give it a port",
                            SLICE_ARG(first->name));
        } else {
                vec_each (other, &g->listeners)
                        other->by_policy |= other->https && other->port == l->port;
        }
}

/* Every name that `narrow` serves would be served by `wide`, were `narrow` not there. */
static bool hostname_covers(struct slice wide, struct slice narrow)
{
        struct slice suffix = slice_skip(wide, 1);
        if (wide.len == 0 || slice_equal_nocase(wide, narrow))
                return true;
        return slice_starts_with(wide, SLICE("*.")) && narrow.len > suffix.len &&
               slice_equal_nocase(slice_skip(narrow, narrow.len - suffix.len), suffix);
}

/* What is left out must not fall to a listener that demands less: false once nothing does. */
static bool coverers_leave(struct importer *im, struct import_gateway *g)
{
        bool changed = false;
        vec_each (out, &g->listeners)
                vec_each (l, &g->listeners) {
                        if (!out->left_out || l->left_out || l->port != out->port ||
                            !hostname_covers(l->hostname, out->hostname))
                                continue;
                        l->left_out = changed = true;
                        import_note(im, IMPORT_REFUSED, l->source,
                                    "would serve the names of listener %.*s, which is left out: "
                                    "so is listener %.*s",
                                    SLICE_ARG(out->name), SLICE_ARG(l->name));
                }
        return changed;
}

void import_settle(struct importer *im, struct import_gateway *g)
{
        vec_each (l, &g->listeners)
                if (l->https && !l->left_out)
                        port_settle(im, g, l);
        while (coverers_leave(im, g))
                continue;
}
