#include "fuzz.h"

#include <string.h>

#include "proxy/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice bytes = slice_from(data, size);
        struct proxy_header header = {0}, cut = {0};
        enum proxy_header_status status = proxy_header_read(bytes, &header);
        size_t half = size > 0 ? (size_t)data[size - 1] * size / 256 : 0;
        enum proxy_header_status first = proxy_header_read(slice_sub(bytes, 0, half), &cut);
        must(first == PROXY_HEADER_MORE || first == status);
        must(status != PROXY_HEADER_MORE || size < PROXY_HEADER_BYTES_MAX);
        if (status != PROXY_HEADER_DONE)
                return 0;
        must(header.len <= size && header.len <= PROXY_HEADER_BYTES_MAX);
        must(header.from.family == header.to.family ||
             (header.from.family != 0 && header.to.family != 0));
        /* What it does not read has no say, and it needs all that it reads. */
        must(proxy_header_read(slice_sub(bytes, 0, header.len), &cut) == PROXY_HEADER_DONE);
        must(memcmp(&cut, &header, sizeof(cut)) == 0);
        must(proxy_header_read(slice_sub(bytes, 0, header.len - 1), &cut) == PROXY_HEADER_MORE);
        return 0;
}
