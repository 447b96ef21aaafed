/* Objects from files: `-c PATH…`, each a file or a folder of *.yaml, *.yml and *.json (hidden files
 * and what editors leave behind are passed over). All of it or nothing: one file that can't be read
 * or one object that breaks its schema, and the former generation serves on (design.md 1.7 a, b).
 */
#pragma once

#include "control/api/object.h"
#include "control/source/readings.h"

enum {
        SOURCE_FILES_MAX = 20000,
        SOURCE_FILE_BYTES_MAX = 64 << 20,
        PIN_FILE_BYTES_MAX = 256 << 20, /* a million pins with names and owners */
};

/* Errors say "FILE:LINE: OBJECT: FIELD: …". "-" is standard input. Not a File pin set's absence:
 * that is told to its policy, which then admits nobody (1.7 c). Of several results from the same
 * readings, only the last says which File pin sets its policies mean. */
bool source_files_read(const char *const *paths, size_t count, struct readings *readings,
                       struct objects **out, struct error *err);
