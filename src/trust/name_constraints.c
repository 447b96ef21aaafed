#include "trust/name_constraints.h"

#include <stdio.h>

#include <openssl/x509v3.h>

#include "base/slice.h"

static struct slice dns_of(const GENERAL_NAME *name)
{
        if (name->type != GEN_DNS)
                return SLICE_NONE;
        return slice_from(ASN1_STRING_get0_data(name->d.dNSName),
                          (size_t)ASN1_STRING_length(name->d.dNSName));
}

/* Is `excluded` a name or a tree within what `*.base` stands for, or around it? */
static bool covers(struct slice base, struct slice excluded)
{
        if (excluded.len > 0 && excluded.data[0] == '.')
                excluded = slice_skip(excluded, 1);
        if (excluded.len <= base.len)
                return slice_equal_nocase(slice_skip(base, base.len - excluded.len), excluded);
        size_t label = excluded.len - base.len;
        return excluded.data[label - 1] == '.' &&
               slice_equal_nocase(slice_skip(excluded, label), base);
}

static bool excludes_wildcard(const NAME_CONSTRAINTS *constraints, struct slice base)
{
        for (int i = 0; i < sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees); i++) {
                const GENERAL_SUBTREE *subtree =
                        sk_GENERAL_SUBTREE_value(constraints->excludedSubtrees, i);
                struct slice excluded = dns_of(subtree->base);
                if (subtree->base->type == GEN_DNS && covers(base, excluded))
                        return true;
        }
        return false;
}

/* Names of one certificate against the constraints of one CA above it. OpenSSL has bounded their
 * product (2^20) before we come here. */
static bool certificate_is_excluded(const NAME_CONSTRAINTS *constraints, X509 *x509)
{
        GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
        bool excluded = false;
        for (int i = 0; i < sk_GENERAL_NAME_num(names) && !excluded; i++) {
                struct slice dns = dns_of(sk_GENERAL_NAME_value(names, i));
                if (slice_starts_with(dns, SLICE("*.")))
                        excluded = excludes_wildcard(constraints, slice_skip(dns, 2));
        }
        GENERAL_NAMES_free(names);
        return excluded;
}

bool wildcard_is_excluded(STACK_OF(X509) * path, char why[static RULE_TEXT_SIZE])
{
        bool excluded = false;
        for (int ca = 1; ca < sk_X509_num(path) && !excluded; ca++) {
                X509 *x509 = sk_X509_value(path, ca);
                if (X509_get_ext_by_NID(x509, NID_name_constraints, -1) < 0)
                        continue;
                NAME_CONSTRAINTS *constraints =
                        X509_get_ext_d2i(x509, NID_name_constraints, NULL, NULL);
                for (int below = 0; constraints && below < ca && !excluded; below++)
                        excluded = certificate_is_excluded(constraints, sk_X509_value(path, below));
                NAME_CONSTRAINTS_free(constraints);
        }
        if (excluded)
                snprintf(why, RULE_TEXT_SIZE,
                         "a wildcard DNS name stands for a name that a CA's constraints exclude");
        return excluded;
}

static size_t count_constraints(X509 *x509)
{
        if (X509_get_ext_by_NID(x509, NID_name_constraints, -1) < 0)
                return 0;
        NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(x509, NID_name_constraints, NULL, NULL);
        int count = 0;
        if (constraints && constraints->permittedSubtrees)
                count += sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees);
        if (constraints && constraints->excludedSubtrees)
                count += sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees);
        NAME_CONSTRAINTS_free(constraints);
        return (size_t)count;
}

/* As OpenSSL counts: alternative names and the subject's entries. */
static size_t count_names(X509 *x509)
{
        size_t count = (size_t)X509_NAME_entry_count(X509_get_subject_name(x509));
        GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
        count += names ? (size_t)sk_GENERAL_NAME_num(names) : 0;
        GENERAL_NAMES_free(names);
        return count;
}

bool name_constraints_are_bounded(X509 *leaf, STACK_OF(X509) * others,
                                  char why[static RULE_TEXT_SIZE])
{
        size_t constraints = 0;
        for (int i = 0; i < sk_X509_num(others); i++)
                constraints += count_constraints(sk_X509_value(others, i));
        if (constraints == 0)
                return true;
        size_t names = count_names(leaf);
        for (int i = 0; i < sk_X509_num(others); i++)
                names += count_names(sk_X509_value(others, i));
        if (names <= NAME_COMPARISONS_MAX / constraints)
                return true;
        snprintf(why, RULE_TEXT_SIZE,
                 "%zu names against %zu name constraints are too many to compare", names,
                 constraints);
        return false;
}
