/* What a command prints, for tests that read it. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Runs the command with its standard output or error (fd) in `out`; returns its exit code. */
static inline int capture(int (*run)(int, char **), char **words, int fd, char *out, size_t size)
{
        int argc = 0;
        while (words[argc])
                argc++;
        fflush(NULL);
        FILE *file = tmpfile();
        int saved = dup(fd);
        dup2(fileno(file), fd);
        int exit_code = run(argc, words);
        fflush(NULL);
        dup2(saved, fd);
        close(saved);
        rewind(file);
        out[fread(out, 1, size - 1, file)] = '\0';
        fclose(file);
        return exit_code;
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
