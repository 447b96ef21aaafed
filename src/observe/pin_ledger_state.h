/* The inside of the ledger, for pin_ledger.c and pin_ledger_print.c. */
#pragma once

#include <pthread.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/map.h"
#include "observe/pin_ledger.h"

/* How often, and when last. */
struct pin_use {
        uint64_t matches;
        int64_t last_ms; /* 0: never */
        uint64_t noted;  /* the last admission that counted: one counts once */
};

struct pin_set_record { /* one set in one scope; a folded one is the sum of many */
        struct slice policy, set;
        uint64_t pins, faults;
        struct digest digest;
        int64_t changed_ms;
        struct pin_use use;
};

struct pin_name_record { /* the pins of one name in one scope: old key and new are one client */
        struct slice policy, name;
        int64_t not_after; /* of the last that ends; PIN_ALWAYS_UNTIL: never */
        struct pin_use use;
};

/* Of one generation. Keys and texts live in the arena. */
struct pin_book {
        struct arena arena;
        struct map by_place, by_name;
        struct pin_set_record *sets[LEDGER_SETS_MAX];
        struct pin_name_record *names[LEDGER_NAMES_MAX];
        size_t set_count, name_count;
        struct pin_set_record other_sets;
        size_t other_set_count;
        uint64_t untracked; /* pins with a name that is not followed, or that were not looked at */
};

struct pin_ledger {
        pthread_mutex_t lock;
        struct snapshot *snapshot; /* one reference; NULL: none yet */
        struct pin_book *book;
        struct pin_use other_names;
        uint64_t admissions; /* that were noted */
};
