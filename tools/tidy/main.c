/* tidy ROOT                  all rules
 * tidy --layers ROOT STAMP   the includes alone; writes the header STAMP when they are in order */
#include <stdio.h>

#include "base/slice.h"
#include "tidy/tidy.h"

enum {
        EXIT_TIDY = 0,
        EXIT_UNTIDY = 1,
        EXIT_USAGE = 2,
};

int main(int argc, char **argv)
{
        bool layers = argc == 4 && slice_is(slice_of(argv[1]), "--layers");
        if (!layers && argc != 2) {
                fputs("usage: tidy ROOT | tidy --layers ROOT STAMP\n", stderr);
                return EXIT_USAGE;
        }
        const char *root = layers ? argv[2] : argv[1];
        struct findings findings = {.out = stderr};
        struct error err;
        if (!tidy_run(root, layers ? TIDY_LAYERS : TIDY_ALL, &findings, &err) ||
            (layers && findings.count == 0 && !tidy_stamp(argv[3], &err))) {
                fprintf(stderr, "tidy: %s\n", err.text);
                return EXIT_USAGE;
        }
        return findings.count > 0 ? EXIT_UNTIDY : EXIT_TIDY;
}
