#include "trust/der.h"

#include <string.h>

enum {
        DER_DEPTH_MAX = 32,
        DER_BOOLEAN = 1,
        DER_INTEGER = 2,
        DER_BIT_STRING = 3,
        DER_NULL = 5,
        DER_SEQUENCE = 16,
        DER_SET = 17,
        DER_CONSTRUCTED = 0x20,
        DER_CLASS = 0xc0,
        DER_NUMBER = 0x1f,
};

struct element {
        unsigned char tag;
        struct slice whole, content;
};

static bool read_length(struct slice *rest, size_t *len)
{
        if (rest->len == 0)
                return false;
        unsigned char first = (unsigned char)rest->data[0];
        *rest = slice_skip(*rest, 1);
        *len = first;
        if (first < 0x80)
                return true;
        size_t octets = first & 0x7f;
        /* 0x80 is the indefinite form; leading zeros and what fits the short form are not DER. */
        if (octets == 0 || octets > 4 || rest->len < octets || rest->data[0] == 0)
                return false;
        *len = 0;
        for (size_t i = 0; i < octets; i++)
                *len = *len << 8 | (unsigned char)rest->data[i];
        *rest = slice_skip(*rest, octets);
        return *len >= 0x80;
}

static bool read_element(struct slice *rest, struct element *element)
{
        struct slice start = *rest;
        if (rest->len < 2)
                return false;
        element->tag = (unsigned char)rest->data[0];
        /* Tags above 30 have no place in a certificate. */
        if ((element->tag & DER_NUMBER) == DER_NUMBER)
                return false;
        *rest = slice_skip(*rest, 1);
        size_t len;
        if (!read_length(rest, &len) || len > rest->len)
                return false;
        element->content = slice_sub(*rest, 0, len);
        *rest = slice_skip(*rest, len);
        element->whole = slice_sub(start, 0, start.len - rest->len);
        return true;
}

static bool primitive_is_der(unsigned char number, struct slice content)
{
        const unsigned char *at = (const unsigned char *)content.data;
        switch (number) {
        case DER_BOOLEAN:
                return content.len == 1 && (at[0] == 0 || at[0] == 0xff);
        case DER_INTEGER:
                if (content.len == 0)
                        return false;
                return content.len == 1 ||
                       !((at[0] == 0 && !(at[1] & 0x80)) || (at[0] == 0xff && (at[1] & 0x80)));
        case DER_BIT_STRING:
                if (content.len == 0 || at[0] > 7 || (content.len == 1 && at[0] != 0))
                        return false;
                return (at[content.len - 1] & ((1U << at[0]) - 1)) == 0 || content.len == 1;
        case DER_NULL:
                return content.len == 0;
        default:
                return true;
        }
}

/* X.690, 11.6: the members of a SET OF stand in order, compared as octet strings. */
static bool in_order(struct slice before, struct slice after)
{
        return slice_compare(before, after) <= 0;
}

static bool content_is_der(const struct element *element, int depth);

static bool members_are_der(struct slice content, bool ordered, int depth)
{
        struct slice before = SLICE_NONE;
        while (content.len > 0) {
                struct element member;
                if (!read_element(&content, &member) || !content_is_der(&member, depth))
                        return false;
                if (ordered && !in_order(before, member.whole))
                        return false;
                before = member.whole;
        }
        return true;
}

static bool content_is_der(const struct element *element, int depth)
{
        bool constructed = element->tag & DER_CONSTRUCTED;
        unsigned char number = element->tag & DER_NUMBER;
        if (depth >= DER_DEPTH_MAX)
                return false;
        if ((element->tag & DER_CLASS) == 0) {
                bool wants = number == DER_SEQUENCE || number == DER_SET;
                if (constructed != wants)
                        return false;
                if (!constructed)
                        return primitive_is_der(number, element->content);
        }
        return !constructed ||
               members_are_der(element->content, element->tag == (DER_SET | DER_CONSTRUCTED),
                               depth + 1);
}

bool der_check(struct slice bytes)
{
        struct element element;
        return read_element(&bytes, &element) && bytes.len == 0 && content_is_der(&element, 0);
}
