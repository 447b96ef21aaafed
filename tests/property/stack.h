/* A random stack of policies as a value that can be changed and printed as YAML: what the
 * composition test translates and judges. Names of policies sort by their index, so the first is
 * the oldest. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/digest.h"

enum {
        CLIENTS = 8, /* see world.h */
        ISSUERS = 2,
        PIN_SUBJECTS = CLIENTS + ISSUERS,
        LISTENERS = 3, /* two on one port, one alone */
        POLICIES_MAX = 5,
        PINS_MAX = 4,
};

enum stack_target {
        ON_GATEWAY,
        ON_FIRST,
        ON_SECOND,
        ON_ALONE,
        ON_ROUTE,
        ON_RULE,
        TARGETS,
};

enum stack_window {
        WINDOW_ALWAYS,
        WINDOW_PAST,
        WINDOW_FUTURE,
        WINDOW_EMPTY, /* of a pin: a fault */
        WINDOWS,
};

struct stack_pin {
        bool there;
        unsigned subject; /* a client, or behind them an issuer */
        bool by_certificate;
        enum stack_window window;
};

struct stack_policy {
        bool there;
        enum stack_target target;
        bool report_only, pinned_only;
        unsigned use; /* ClientAuth, ClientOrServerAuth, Any */
        struct stack_pin pins[PINS_MAX], deny[PINS_MAX];
        bool has_set;    /* pinSetRefs names a ConfigMap… */
        bool set_broken; /* …which is not there */
        struct stack_pin set[PINS_MAX];
};

struct stack {
        bool fallback, required, cas_broken, inline_pinned;
        struct stack_pin inline_pins[PINS_MAX]; /* of clients alone */
        struct stack_policy policies[POLICIES_MAX];
        bool renamed[LISTENERS]; /* policies know the former name */
};

/* Any 64-bit number moves on to the next. */
uint64_t random_next_of(uint64_t *state);
bool one_in(uint64_t *state, unsigned n);
unsigned below(uint64_t *state, unsigned n);

void stack_make(struct stack *stack, uint64_t *random);
struct stack_pin stack_pin_make(uint64_t *random, unsigned subjects);
/* digests[subject][by_certificate] */
void stack_print(const struct stack *stack, const struct digest digests[PIN_SUBJECTS][2],
                 struct buffer *out);
/* Is its place free, or is it the oldest there? */
bool stack_policy_holds(const struct stack *stack, size_t index);
