/* A client of pingate's in a loop of its own, against the doors of kube_server.py, and what its
 * calls saw. */
#pragma once

#include "../base/harness.h"
#include "folder.h"

#include "base/memory.h"
#include "control/kube/client.h"

enum {
        CALLS_MAX = 256,
        KEPT_MAX = 2048,
};

#define NOTHING ((struct kube_request){0})

enum door {
        WITH_H2,
        WITHOUT_H2,
        NAMED, /* its certificate names api.example.com alone */
        API,   /* a stand-in for an API server */
        NOBODY,
        DOOR_COUNT
};

/* Each test by HTTP/2 and without. */
#define BOTH(door) for (enum door door = WITH_H2; door <= WITHOUT_H2; door++)

extern char ports[DOOR_COUNT][8];

int start_server(void **state);
int stop_server(void **state);
/* A PEM file of the server's folder; lives until the next one is read. */
struct slice read_pem(const char *name);

enum then {
        END,
        CANCEL,
        CLOSE,
        START
};

struct world;

struct seen {
        struct world *world;
        struct kube_call *call;
        int answers, status;
        unsigned retry_after_s;
        size_t body_len, bytes, lines;
        char body[KEPT_MAX], fault[1024];
        size_t lines_max; /* then on_bytes does `then` */
        enum then then;
};

struct world {
        uv_loop_t loop;
        uv_timer_t deadline;
        bool late;
        struct kube_access access;
        char server[64];
        struct kube_client *client;
        size_t count, done;
        struct seen seen[CALLS_MAX];
};

struct world *world_open(enum door door);
/* Anew, with what `access` says now. */
void world_open_client(struct world *world);
/* Whatever is open: nothing runs any more, and nothing is left. */
void world_close(struct world *world);
/* Until *count is that high. */
void wait_for(struct world *world, const size_t *count, size_t wanted);

struct seen *start(struct world *world, const char *path, struct kube_request request);
/* And waits for its answer. */
struct seen *ask(struct world *world, const char *path, struct kube_request request);
bool on_bytes(struct slice bytes, void *self);
struct seen *watch(struct world *world, const char *path, size_t lines_max, enum then then);
/* Its body, or else its fault. */
void says(const struct seen *seen, const char *text);
