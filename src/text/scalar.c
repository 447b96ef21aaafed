#include "text/scalar.h"

#include <string.h>

#include "base/memory.h"
#include "text/utf8.h"

static bool is_one_of(struct slice text, const char *const *words, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                if (slice_is(text, words[i]))
                        return true;
        }
        return false;
}

#define IS_ONE_OF(text, words) is_one_of(text, words, COUNT_OF(words))

static size_t digits_at(struct slice s, size_t at)
{
        size_t from = at;
        while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
                at++;
        return at - from;
}

static int digit_of(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c = ascii_lower(c);
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* [-+]?[0-9]+, 0o[0-7]+ or 0x[0-9a-fA-F]+. True: it is an integer; *fits: of int64_t. */
static bool read_integer(struct slice s, int64_t *value, bool *fits)
{
        bool minus = s.len > 0 && s.data[0] == '-';
        int base = 10;
        if (slice_starts_with(s, SLICE("0x")) || slice_starts_with(s, SLICE("0o"))) {
                base = s.data[1] == 'x' ? 16 : 8;
                s = slice_skip(s, 2);
        } else if (minus || (s.len > 0 && s.data[0] == '+')) {
                s = slice_skip(s, 1);
        }
        int64_t sum = 0;
        *fits = true;
        for (size_t i = 0; i < s.len; i++) {
                int digit = digit_of(s.data[i]);
                if (digit >= base)
                        return false;
                if (__builtin_mul_overflow(sum, base, &sum) ||
                    __builtin_add_overflow(sum, minus ? -digit : digit, &sum))
                        *fits = false;
        }
        *value = sum;
        return s.len > 0;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(struct slice s)
{
        static const char *const named[] = {".inf", ".Inf", ".INF"};
        static const char *const none[] = {".nan", ".NaN", ".NAN"};
        if (IS_ONE_OF(s, none))
                return true;
        size_t at = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+');
        if (IS_ONE_OF(slice_skip(s, at), named))
                return true;
        size_t whole = digits_at(s, at), fraction = 0;
        at += whole;
        if (at < s.len && s.data[at] == '.') {
                fraction = digits_at(s, ++at);
                at += fraction;
        }
        if (whole + fraction == 0)
                return false;
        if (at < s.len && ascii_lower(s.data[at]) == 'e') {
                at++;
                at += at < s.len && (s.data[at] == '-' || s.data[at] == '+');
                size_t exponent = digits_at(s, at);
                if (exponent == 0)
                        return false;
                at += exponent;
        }
        return at == s.len;
}

void scalar_resolve(struct node *node)
{
        static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
        static const char *const trues[] = {"true", "True", "TRUE"};
        static const char *const falses[] = {"false", "False", "FALSE"};
        bool fits = true;
        node->kind = NODE_STRING;
        if (IS_ONE_OF(node->text, nulls)) {
                node->kind = NODE_NULL;
        } else if (IS_ONE_OF(node->text, trues) || IS_ONE_OF(node->text, falses)) {
                node->kind = NODE_BOOL;
                node->boolean = ascii_lower(node->text.data[0]) == 't';
        } else if (read_integer(node->text, &node->integer, &fits)) {
                node->kind = fits ? NODE_INTEGER : NODE_FLOAT;
                node->integer = fits ? node->integer : 0;
        } else if (is_float(node->text)) {
                node->kind = NODE_FLOAT;
        }
}

/* Letters first: numbers, dates, sexagesimals and indicators all start with something else. */
static bool starts_plainly(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_';
}

bool scalar_is_plain_string(struct slice text)
{
        static const char *const words[] = {"null", "true", "false", "yes", "no",
                                            "on",   "off",  "y",     "n"};
        if (text.len == 0 || !starts_plainly(text.data[0]))
                return false;
        for (size_t i = 0; i < COUNT_OF(words); i++) {
                if (slice_equal_nocase(text, slice_of(words[i])))
                        return false;
        }
        for (size_t i = 0; i < text.len; i++) {
                char c = text.data[i];
                char next = i + 1 < text.len ? text.data[i + 1] : ' ';
                if (c < ' ' || c > '~' || (c == ':' && next == ' ') || (c == ' ' && next == '#'))
                        return false;
        }
        return text.data[text.len - 1] != ' ';
}
