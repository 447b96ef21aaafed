/* What the sources of an import share: notes on what they read, look-ups, and the parts of a
 * validation. Nothing here lets anybody in: what can't be read leaves less than was written. */
#pragma once

#include "cli/import.h"

/* at: names file, line and field; NULL: none. */
void import_note(struct importer *im, enum import_weight weight, const struct node *at,
                 const char *format, ...) PRINTF_LIKE(4, 5);

/* What becomes of a field that is not read: NULL `why`: nothing, it is read elsewhere. */
struct import_field {
        const char *name;
        const char *why;
};

/* Notes every field that `known` gives a reason for; true when there is one that it does not know:
 * that one may have narrowed access. */
bool import_fields(struct importer *im, const struct node *map, const struct import_field *known,
                   size_t count);
/* The document of that kind in the input; NULL: there is none. Namespaces "" and "default" are one.
 */
const struct node *import_find(const struct importer *im, const char *group, const char *kind,
                               struct slice namespace, struct slice name);
struct slice import_namespace(const struct node *document);
struct slice import_name(const struct node *document);

/* Reads both lists into `v`. What is no pin is refused and left out, and pins stay demanded. */
void import_pins(struct importer *im, struct import_validation *v, const struct node *spki,
                 const struct node *certificates);
/* Subject alternative names that were demanded; to be called behind import_pins. */
void import_names(struct importer *im, struct import_validation *v, const struct node *names);
/* caCertificateRefs of one ref. */
void import_ca_add(struct importer *im, struct import_validation *v, const char *kind,
                   struct slice namespace, struct slice name);
/* The same of a ConfigMap that is to be filled: from what, people are told. */
void import_ca_wanted(struct importer *im, struct import_validation *v,
                      const struct import_gateway *gateway, struct slice certificates_from,
                      struct slice crls_from);
bool import_validation_equal(const struct import_validation *a, const struct import_validation *b);

/* Whether pins are in force, and whether certificatePinning has room for them. */
bool import_pins_hold(const struct import_validation *v);
bool import_pins_fit_inline(const struct import_validation *v);
/* What holds on every TLS listener; NULL: there is nothing such. */
const struct import_validation *import_common_validation(const struct import_gateway *g);
/* Leaves out what can't be kept, and finds out who needs pins by a policy. */
void import_settle(struct importer *im, struct import_gateway *g);
