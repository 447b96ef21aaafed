/* Keeps the Services that bear Gateways as translation wants them (control/translate/services.h):
 * made, changed and deleted by the leader alone, one write a Service at a time and only where it
 * differs, upon the version that was compared. A Service that was written is left alone until the
 * store has heard of it; what can't be written is tried again later and later. On the control
 * thread; nothing here waits. */
#pragma once

#include "control/report/api_side.h"
#include "control/report/service_diff.h"
#include "control/translate/translate.h"

enum {
        SERVICE_WRITES_MAX = 8,   /* in flight */
        SERVICE_HEARD_MS = 10000, /* that long a write is waited for to be heard of */
        SERVICE_PAUSE_MS = 500,   /* after a first failure; doubles up to… */
        SERVICE_PAUSE_MS_MAX = 60000,
        SERVICE_LEFT_MS = 2000, /* that long nobody has wanted what is deleted */
};

struct services;

struct services_options { /* what it points to outlives the services */
        struct api_side side;
        struct slice namespace; /* our own */
        bool balanced;          /* Service mode: there is no address pool */
        struct service_selector selector;
};

struct services *services_open(const struct services_options *options);
/* A translation was published; it lives until the next one is given, or services_close. */
void services_take(struct services *services, const struct translation *translation);
/* The store has news of a Service, or it is gone. */
void services_heard(struct services *services);
/* Writes in flight are abandoned; memory returns in the loop's close callbacks. NULL is fine. */
void services_close(struct services *services);
