#include "fuzz.h"
#include "text/duration.h"
#include "text/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct slice text = slice_from(data, size);
        struct error err;
        int64_t value, again;
        if (time_parse(text, &value, &err)) {
                char out[TIME_SIZE];
                must(time_parse(slice_of(time_print(value, out)), &again, &err) && again == value);
                time_print_ms(value * 1000 + 999, out);
                must(time_parse(slice_of(out), &again, &err) && again == value);
        }
        if (duration_parse(text, &value, &err)) {
                char out[DURATION_SIZE];
                must(duration_parse(slice_of(duration_print(value, out)), &again, &err));
                must(again == value);
        }
        return 0;
}
