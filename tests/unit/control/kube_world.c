#include "kube_world.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
        DEADLINE_MS = 60000
};

char ports[DOOR_COUNT][8];
static char ca[4096];
static pid_t server;
static int server_in;

/* --- the server --- */

struct slice read_pem(const char *name)
{
        static char text[4096];
        FILE *file = fopen(folder_file(name), "r");
        must(file != NULL);
        size_t len = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        return slice_from(text, len);
}

int start_server(void **state)
{
        int to[2], from[2];
        char line[64] = "";
        char *const arguments[] = {"python3", KUBE_SERVER, folder_path, NULL};
        posix_spawn_file_actions_t actions;
        signal(SIGPIPE, SIG_IGN);
        setenv("https_proxy", "http://127.0.0.1:1", 1);
        setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
        if (folder_open_test(state) != 0 || pipe(to) != 0 || pipe(from) != 0)
                return -1;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, to[0], 0);
        posix_spawn_file_actions_adddup2(&actions, from[1], 1);
        posix_spawn_file_actions_addclose(&actions, to[1]);
        int failed = posix_spawn(&server, "/usr/bin/python3", &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(to[0]), close(from[1]);
        server_in = to[1];
        FILE *said = fdopen(from[0], "r");
        if (failed || !said || !fgets(line, sizeof(line), said) ||
            sscanf(line, "%7s %7s %7s %7s", ports[WITH_H2], ports[WITHOUT_H2], ports[NAMED],
                   ports[API]) != 4)
                return -1;
        fclose(said);
        memcpy(ports[NOBODY], "1", 2);
        struct slice pem = read_pem("ca.crt");
        memcpy(ca, pem.data, pem.len);
        return 0;
}

int stop_server(void **state)
{
        close(server_in);
        waitpid(server, NULL, 0);
        return folder_close_test(state);
}

/* --- a client, and what its calls saw --- */

static void on_deadline(uv_timer_t *timer)
{
        ((struct world *)timer->data)->late = true;
}

void world_open_client(struct world *world)
{
        struct error err;
        kube_client_close(world->client);
        world->client = kube_client_open(&world->loop, &world->access, NULL, &err);
        assert_non_null(world->client);
}

struct world *world_open(enum door door)
{
        struct world *world = NEW(struct world);
        snprintf(world->server, sizeof(world->server), "https://127.0.0.1:%s", ports[door]);
        world->access = (struct kube_access){.server = slice_of(world->server),
                                             .host = SLICE("127.0.0.1"),
                                             .port = slice_of(ports[door]),
                                             .ca = slice_of(ca),
                                             .namespace = SLICE("default"),
                                             .token = SLICE("t0ken")};
        must(uv_loop_init(&world->loop) == 0 && uv_timer_init(&world->loop, &world->deadline) == 0);
        world->deadline.data = world;
        uv_timer_start(&world->deadline, on_deadline, DEADLINE_MS, 0);
        world_open_client(world);
        return world;
}

void world_close(struct world *world)
{
        kube_client_close(world->client);
        uv_close((uv_handle_t *)&world->deadline, NULL);
        size_t done = world->done;
        uv_run(&world->loop, UV_RUN_DEFAULT);
        assert_int_equal(world->done, done);
        assert_int_equal(uv_loop_close(&world->loop), 0);
        assert_false(world->late);
        free(world);
}

void wait_for(struct world *world, const size_t *count, size_t wanted)
{
        while (*count < wanted && !world->late)
                uv_run(&world->loop, UV_RUN_ONCE);
        if (world->late)
                fail_msg("%zu of %zu, not in time", *count, wanted);
}

static void on_done(const struct kube_answer *answer, void *self)
{
        struct seen *seen = self;
        uv_stop(&seen->world->loop); /* it would wait for more than what is waited for */
        seen->world->done++;
        seen->answers++;
        seen->status = answer->status;
        seen->retry_after_s = answer->retry_after_s;
        seen->body_len = answer->body.len;
        snprintf(seen->body, sizeof(seen->body), "%.*s",
                 (int)slice_sub(answer->body, 0, KEPT_MAX - 1).len,
                 answer->body.len ? answer->body.data : "");
        snprintf(seen->fault, sizeof(seen->fault), "%.*s", SLICE_ARG(answer->fault));
        assert_int_equal(answer->fault.len == 0, answer->status >= 200 && answer->status <= 299);
        kube_call_cancel(seen->call); /* too late, and no harm */
        seen->call = NULL;
}

struct seen *start(struct world *world, const char *path, struct kube_request request)
{
        must(world->count < CALLS_MAX);
        struct seen *seen = &world->seen[world->count++];
        char text[256]; /* copied by the client */
        snprintf(text, sizeof(text), "%s", path);
        request.method = request.method ? request.method : "GET";
        request.path = slice_of(text);
        request.self = seen;
        request.on_done = on_done;
        *seen = (struct seen){.world = world};
        seen->call = kube_call_start(world->client, &request);
        memset(text, 'x', sizeof(text));
        assert_int_equal(seen->answers, 0);
        return seen;
}

struct seen *ask(struct world *world, const char *path, struct kube_request request)
{
        size_t done = world->done;
        struct seen *seen = start(world, path, request);
        wait_for(world, &world->done, done + 1);
        assert_int_equal(seen->answers, 1);
        return seen;
}

bool on_bytes(struct slice bytes, void *self)
{
        struct seen *seen = self;
        uv_stop(&seen->world->loop);
        seen->bytes += bytes.len;
        for (size_t i = 0; i < bytes.len; i++)
                seen->lines += bytes.data[i] == '\n';
        if (seen->lines < seen->lines_max)
                return true;
        if (seen->then == CANCEL)
                kube_call_cancel(seen->call);
        if (seen->then == CLOSE)
                kube_client_close(seen->world->client);
        if (seen->then == START && seen->world->count < 8)
                start(seen->world, "/echo", NOTHING);
        return seen->then != END;
}

struct seen *watch(struct world *world, const char *path, size_t lines_max, enum then then)
{
        struct seen *seen = start(world, path, (struct kube_request){.on_bytes = on_bytes});
        seen->lines_max = lines_max;
        seen->then = then;
        return seen;
}

void says(const struct seen *seen, const char *text)
{
        const char *said = seen->status >= 200 && seen->status <= 299 ? seen->body : seen->fault;
        if (!strstr(said, text))
                fail_msg("\"%s\" does not say \"%s\"", said, text);
        assert_null(strchr(seen->fault, '\n'));
}
