#include "control/translate/pool.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/vec.h"
#include "text/utf8.h"

struct range { /* of one family */
        struct ip_address first, last;
        uint32_t count;
};

struct address_pool {
        VEC(struct range) ranges; /* lowest first; no two have an address in common */
        size_t count;
};

/* --- addresses --- */

static size_t length_of(const struct ip_address *ip)
{
        return ip->family == 4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

bool ip_parse(struct slice text, struct ip_address *out)
{
        char copy[IP_TEXT_SIZE];
        struct in6_addr v6;
        struct ip_address ip = {.family = 4};
        if (text.len == 0 || text.len >= sizeof(copy))
                return false;
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        if (inet_pton(AF_INET, copy, ip.bytes) != 1) {
                if (inet_pton(AF_INET6, copy, &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6))
                        return false;
                ip.family = 6;
                memcpy(ip.bytes, &v6, sizeof(v6));
        }
        *out = ip;
        return true;
}

struct slice ip_print(const struct ip_address *ip, char text[static IP_TEXT_SIZE])
{
        must(inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, text, IP_TEXT_SIZE));
        return slice_of(text);
}

bool ip_is_wildcard(const struct ip_address *ip)
{
        static const unsigned char zeros[sizeof(ip->bytes)];
        return memcmp(ip->bytes, zeros, sizeof(zeros)) == 0;
}

struct sockaddr_storage ip_socket_address(const struct ip_address *ip, uint16_t port)
{
        struct sockaddr_storage out = {0};
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&v4.sin_addr, ip->bytes, sizeof(v4.sin_addr));
        memcpy(&v6.sin6_addr, ip->bytes, sizeof(v6.sin6_addr));
        if (ip->family == 4)
                memcpy(&out, &v4, sizeof(v4));
        else
                memcpy(&out, &v6, sizeof(v6));
        return out;
}

static int ip_compare(const struct ip_address *a, const struct ip_address *b)
{
        return a->family != b->family ? a->family - b->family
                                      : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
        return ip_compare(a, b) == 0;
}

static struct ip_address ip_add(const struct ip_address *ip, uint32_t count)
{
        struct ip_address sum = *ip;
        uint64_t carry = count;
        for (size_t i = length_of(ip); i-- > 0 && carry > 0; carry >>= 8) {
                carry += sum.bytes[i];
                sum.bytes[i] = (unsigned char)carry;
        }
        return sum;
}

/* How many are from the one to the other, both with them; more than the maximum is just more. */
static uint32_t ip_count(const struct ip_address *first, const struct ip_address *last)
{
        int64_t difference = 0;
        for (size_t i = 0; i < length_of(first); i++) {
                difference = difference * 256 + last->bytes[i] - first->bytes[i];
                if (difference > ADDRESS_POOL_MAX)
                        return ADDRESS_POOL_MAX + 1;
        }
        return (uint32_t)difference + 1;
}

/* What a host can have for its own and be asked by. */
static bool ip_is_unicast(const struct ip_address *ip)
{
        bool link_local = ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80; /* wants a zone */
        if (ip_is_wildcard(ip))
                return false;
        return ip->family == 4 ? ip->bytes[0] > 0 && ip->bytes[0] < 224
                               : ip->bytes[0] != 0xff && !link_local;
}

/* --- reading --- */

/* The last of a network, of which `first` is the first. NULL: read; else what is wrong. */
static const char *network_read(struct slice bits_text, struct range *range)
{
        size_t length = length_of(&range->first);
        uint64_t bits;
        if (!slice_to_u64(bits_text, length * 8, &bits))
                return "has no such number of bits";
        range->last = range->first;
        for (size_t bit = bits; bit < length * 8; bit++) {
                unsigned char mask = (unsigned char)(0x80U >> bit % 8);
                if (range->first.bytes[bit / 8] & mask)
                        return "has bits behind its network's";
                range->last.bytes[bit / 8] |= mask;
        }
        return NULL;
}

static const char *range_read(struct slice text, struct range *range)
{
        struct slice rest = text, first;
        char separator = slice_find(text, '/') < text.len ? '/' : '-';
        const char *fault = NULL;
        slice_split(&rest, separator, &first);
        if (!ip_parse(slice_trim(first), &range->first))
                return "is no IP address, range (A-B) or network (A/BITS)";
        range->last = range->first;
        if (rest.data && separator == '/')
                fault = network_read(slice_trim(rest), range);
        else if (rest.data && !ip_parse(slice_trim(rest), &range->last))
                fault = "is no IP address, range (A-B) or network (A/BITS)";
        if (fault)
                return fault;
        if (range->first.family != range->last.family)
                return "begins with IPv4 and ends with IPv6, or the other way";
        if (ip_compare(&range->first, &range->last) > 0)
                return "ends before it begins";
        if (!ip_is_unicast(&range->first) || !ip_is_unicast(&range->last))
                return "has an address that no client can ask for";
        range->count = ip_count(&range->first, &range->last);
        return NULL;
}

static int by_first(const void *a, const void *b)
{
        const struct range *left = a, *right = b;
        return ip_compare(&left->first, &right->first);
}

static bool ranges_check(struct address_pool *pool, struct error *err)
{
        char text[IP_TEXT_SIZE];
        qsort(pool->ranges.items, pool->ranges.count, sizeof(struct range), by_first);
        for (size_t i = 1; i < pool->ranges.count; i++) {
                const struct range *range = &pool->ranges.items[i];
                if (ip_compare(&range[-1].last, &range->first) >= 0)
                        return error_set(err, ERROR_USAGE, "%.*s is there twice, wants it once",
                                         SLICE_ARG(ip_print(&range->first, text)));
        }
        return true;
}

static bool entry_take(struct address_pool *pool, struct slice text, struct error *err)
{
        struct range range = {0};
        char shown[UTF8_SHOWN_SIZE];
        text = slice_trim(text);
        const char *fault = text.len == 0 ? "is empty, wants an address" : range_read(text, &range);
        if (fault)
                return error_set(err, ERROR_USAGE, "\"%s\" %s", utf8_show(text, shown), fault);
        pool->count += range.count;
        if (pool->count > ADDRESS_POOL_MAX)
                return error_set(err, ERROR_USAGE,
                                 "\"%s\" makes more than %d addresses in all, wants fewer",
                                 utf8_show(text, shown), ADDRESS_POOL_MAX);
        vec_push(&pool->ranges, range);
        return true;
}

bool address_pool_parse(struct slice text, struct address_pool **out, struct error *err)
{
        struct address_pool *pool = NEW(struct address_pool);
        struct slice entry;
        bool ok = text.len > 0 || error_set(err, ERROR_USAGE, "names no address");
        while (ok && slice_split(&text, ',', &entry))
                ok = entry_take(pool, entry, err);
        ok = ok && ranges_check(pool, err);
        if (ok)
                *out = pool;
        else
                address_pool_free(pool);
        return ok;
}

/* --- the pool --- */

void address_pool_free(struct address_pool *pool)
{
        if (pool)
                vec_done(&pool->ranges);
        free(pool);
}

size_t address_pool_count(const struct address_pool *pool)
{
        return pool->count;
}

struct ip_address address_pool_at(const struct address_pool *pool, size_t index)
{
        const struct range *range = pool->ranges.items;
        must(index < pool->count);
        for (; index >= range->count; range++)
                index -= range->count;
        return ip_add(&range->first, (uint32_t)index);
}

bool address_pool_has(const struct address_pool *pool, const struct ip_address *ip)
{
        vec_each (range, &pool->ranges)
                if (ip_compare(&range->first, ip) <= 0 && ip_compare(ip, &range->last) <= 0)
                        return true;
        return false;
}
