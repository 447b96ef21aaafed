#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "control/translate/host_claims.h"
#include "route/host_match.h"

enum {
        PATTERNS = 12
};

/* A few labels, so that many patterns nest and many are the same. */
static void pattern_make(char out[64])
{
        static const char *const labels[] = {"a", "b", "c"};
        int at = random() % 3 == 0 ? snprintf(out, 64, "*.") : 0;
        int count = 1 + (int)(random() % 3);
        if (random() % 12 == 0) {
                out[0] = '\0';
                return;
        }
        for (int l = 0; l < count; l++)
                at += snprintf(out + at, (size_t)(64 - at), "%s%s", l ? "." : "",
                               labels[random() % 3]);
}

/* What a walk over all says: somebody whose pattern meets, or nobody. */
static void asked(const struct host_claims *claims, char (*all)[64], size_t count, char *pattern)
{
        struct slice both, wanted = slice_of(pattern);
        const char *met = host_claims_meet(claims, wanted);
        const char *holder = host_claims_holder(claims, wanted), *first_holder = NULL;
        bool meets = false;
        for (size_t i = 0; i < count; i++) {
                meets |= host_intersect(slice_of(all[i]), wanted, &both);
                if (!first_holder && slice_equal(slice_of(all[i]), wanted))
                        first_holder = all[i];
        }
        if ((met != NULL) != meets)
                fail_msg("\"%s\": %s", pattern, meets ? "was not met" : met);
        if (met && !host_intersect(slice_of(met), wanted, &both))
                fail_msg("\"%s\" does not meet \"%s\"", met, pattern);
        assert_ptr_equal(holder, first_holder);
}

static void claims_agree_with_a_walk_over_all(void **state)
{
        (void)state;
        srandom(7);
        for (int round = 0; round < 2000; round++) {
                char all[PATTERNS][64], pattern[64];
                struct host_claims claims = {0};
                for (size_t i = 0; i < PATTERNS; i++) {
                        pattern_make(pattern);
                        asked(&claims, all, i, pattern);
                        pattern_make(all[i]);
                        host_claims_add(&claims, slice_of(all[i]), all[i]);
                }
                host_claims_done(&claims);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(claims_agree_with_a_walk_over_all),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
