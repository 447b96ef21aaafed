/* Runs a fuzz target over every file of a folder, in builds without libFuzzer. The input is a block
 * of exactly its size, so that the address sanitizer sees a read past its end. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "fuzz.h"

static bool replay_file(const char *path)
{
        struct stat status;
        FILE *file = fopen(path, "rb");
        if (!file || fstat(fileno(file), &status) != 0) {
                perror(path);
                return false;
        }
        size_t size = (size_t)status.st_size;
        uint8_t *input = malloc(size ? size : 1);
        bool whole = input && fread(input, 1, size, file) == size;
        fclose(file);
        if (whole)
                LLVMFuzzerTestOneInput(input, size);
        free(input);
        return whole;
}

int main(int argc, char **argv)
{
        struct dirent **entries;
        int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1, done = 0;
        bool good = true;
        for (int i = 0; i < count; i++) {
                char path[4096];
                snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
                if (entries[i]->d_name[0] != '.') {
                        good = replay_file(path) && good;
                        done++;
                }
                free(entries[i]);
        }
        if (count >= 0)
                free(entries);
        printf("%d inputs\n", done);
        if (done == 0)
                fprintf(stderr, "no seeds: %s\n", argc == 2 ? argv[1] : "usage: replay FOLDER");
        return good && done > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
