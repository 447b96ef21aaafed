#include "cli/demo_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/admin_client.h"
#include "cli/cli.h"
#include "cli/demo_config.h"
#include "text/json.h"

enum {
        READY_MS = 10000,
        STOP_MS = 5000,
        AUDIT_MS = 5000,
        STEP_MS = 20
};

static const char *const folder_files[] = {
        "gateway.yaml", "ca.crt",       "server.crt",    "server.key",    "pinned.crt",
        "pinned.key",   "renewed.crt",  "renewed.key",   "expired.crt",   "expired.key",
        "unpinned.crt", "unpinned.key", "untrusted.crt", "untrusted.key", "audit.log",
        "access.log",   "gateway.log",
};

static void pause_ms(long ms)
{
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void file_path(const struct demo_world *world, const char *name, char out[static 128])
{
        snprintf(out, 128, "%s/%s", world->folder, name);
}

static bool write_file(const struct demo_world *world, const char *name, struct slice text,
                       struct error *err)
{
        char path[128];
        file_path(world, name, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set_errno(err, "%s", path);
        bool ok = write(fd, text.data, text.len) == (ssize_t)text.len;
        if (!ok)
                error_set_errno(err, "%s", path);
        close(fd);
        return ok;
}

static bool write_identity(const struct demo_world *world, const char *name,
                           const struct throwaway *identity, struct error *err)
{
        char file[64];
        struct buffer pem;
        buffer_init(&pem, 65536);
        snprintf(file, sizeof(file), "%s.crt", name);
        bool ok = pki_print_certificate(identity, &pem) &&
                  write_file(world, file, buffer_slice(&pem), err);
        buffer_clear(&pem);
        snprintf(file, sizeof(file), "%s.key", name);
        ok = ok && pki_print_key(identity, &pem) &&
             write_file(world, file, buffer_slice(&pem), err);
        buffer_done(&pem);
        return ok;
}

static bool make_identities(struct demo_world *w, struct error *err)
{
        const struct throwaway_wish ca = {THROWAWAY_CA, "demo corp CA", NULL, NULL, false};
        const struct throwaway_wish other_ca = {THROWAWAY_CA, "somebody else's CA", NULL, NULL,
                                                false};
        if (!throwaway_make(&ca, &w->ca, err) || !throwaway_make(&other_ca, &w->other_ca, err))
                return false;
        const struct throwaway_wish server = {THROWAWAY_SERVER, DEMO_HOST, &w->ca, NULL, false};
        const struct throwaway_wish pinned = {THROWAWAY_CLIENT, "robot", &w->ca, NULL, false};
        const struct throwaway_wish unpinned = {THROWAWAY_CLIENT, "intern", &w->ca, NULL, false};
        if (!throwaway_make(&server, &w->server, err) ||
            !throwaway_make(&pinned, &w->pinned, err) ||
            !throwaway_make(&unpinned, &w->unpinned, err))
                return false;
        EVP_PKEY *key = w->pinned.key;
        const struct throwaway_wish renewed = {THROWAWAY_CLIENT, "robot", &w->ca, key, false};
        const struct throwaway_wish expired = {THROWAWAY_CLIENT, "robot", &w->ca, key, true};
        const struct throwaway_wish untrusted = {THROWAWAY_CLIENT, "robot", &w->other_ca, key,
                                                 false};
        return throwaway_make(&renewed, &w->renewed, err) &&
               throwaway_make(&expired, &w->expired, err) &&
               throwaway_make(&untrusted, &w->untrusted, err);
}

static bool write_identities(const struct demo_world *w, struct error *err)
{
        struct buffer pem;
        buffer_init(&pem, 65536);
        bool ok = pki_print_certificate(&w->ca, &pem) &&
                  write_file(w, "ca.crt", buffer_slice(&pem), err);
        buffer_done(&pem);
        return ok && write_identity(w, "server", &w->server, err) &&
               write_identity(w, "pinned", &w->pinned, err) &&
               write_identity(w, "renewed", &w->renewed, err) &&
               write_identity(w, "expired", &w->expired, err) &&
               write_identity(w, "unpinned", &w->unpinned, err) &&
               write_identity(w, "untrusted", &w->untrusted, err);
}

/* A port that was free a moment ago. Both are held until both are known, so they differ. */
static bool pick_ports(struct demo_world *world, struct error *err)
{
        int *ports[] = {&world->port, &world->admin_port};
        int fds[2] = {-1, -1};
        bool ok = true;
        for (size_t i = 0; i < COUNT_OF(ports) && ok; i++) {
                struct sockaddr_in address = {.sin_family = AF_INET,
                                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
                socklen_t len = sizeof(address);
                fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                ok = fds[i] >= 0 && bind(fds[i], (struct sockaddr *)&address, len) == 0 &&
                     getsockname(fds[i], (struct sockaddr *)&address, &len) == 0;
                *ports[i] = ntohs(address.sin_port);
        }
        if (!ok)
                error_set_errno(err, "no free port on 127.0.0.1");
        for (size_t i = 0; i < COUNT_OF(fds); i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        return ok;
}

static bool write_config(const struct demo_world *world, struct error *err)
{
        struct buffer yaml;
        buffer_init(&yaml, 1 << 20);
        bool ok = demo_config_print(world, &yaml)
                          ? write_file(world, "gateway.yaml", buffer_slice(&yaml), err)
                          : error_set(err, ERROR_LIMIT, "the demo's configuration is too long");
        buffer_done(&yaml);
        return ok;
}

bool demo_world_open(struct demo_world *world, int backend_port, struct error *err)
{
        *world = (struct demo_world){.backend_port = backend_port};
        snprintf(world->folder, sizeof(world->folder), "/tmp/pingate-demo-XXXXXX");
        if (!mkdtemp(world->folder)) {
                world->folder[0] = '\0';
                return error_set_errno(err, "/tmp: no folder for the demo");
        }
        return pick_ports(world, err) && make_identities(world, err) &&
               write_identities(world, err) && write_config(world, err);
}

/* In the child. The folder is where it runs, so its own files need no absolute names. */
static void become_gateway(const struct demo_world *world)
{
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlives the demo */
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL); /* the demo's own mask must not outlive exec */
        char admin[32], log[128], config[128], audit[128], access[128];
        snprintf(admin, sizeof(admin), "127.0.0.1:%d", world->admin_port);
        file_path(world, "gateway.log", log);
        file_path(world, "gateway.yaml", config);
        file_path(world, "audit.log", audit);
        file_path(world, "access.log", access);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd >= 0) {
                dup2(fd, STDOUT_FILENO);
                dup2(fd, STDERR_FILENO);
        }
        execl("/proc/self/exe", "pingate", "run", "-c", config, "--admin", admin, "--workers", "1",
              "--drain-delay", "0s", "--audit-log", audit, "--access-log", access, (char *)NULL);
        fprintf(stderr, "pingate: /proc/self/exe: %s\n", strerror(errno));
        _exit(127);
}

static bool is_ready(const struct demo_world *world)
{
        char admin[32];
        snprintf(admin, sizeof(admin), "127.0.0.1:%d", world->admin_port);
        struct buffer body;
        buffer_init(&body, 65536);
        int status = 0;
        bool ready = admin_get(admin, "/readyz", &status, &body, NULL) && status == 200;
        buffer_done(&body);
        return ready;
}

/* What the gateway said last, for a demo that can't start. */
static bool gateway_failed(const struct demo_world *world, const char *how, struct error *err)
{
        char path[128];
        file_path(world, "gateway.log", path);
        char *text = NULL;
        size_t len = 0;
        if (!cli_read_file(path, 1 << 20, &text, &len, NULL))
                return error_set(err, ERROR_SYSTEM, "`pingate run` %s", how);
        while (len > 0 && text[len - 1] == '\n')
                text[--len] = '\0';
        error_set(err, ERROR_SYSTEM, "`pingate run` %s; it says: %s", how, text);
        free(text);
        return false;
}

bool demo_world_run(struct demo_world *world, struct error *err)
{
        fflush(NULL);
        world->gateway = fork();
        if (world->gateway < 0) {
                world->gateway = 0;
                return error_set_errno(err, "fork");
        }
        if (world->gateway == 0)
                become_gateway(world);
        for (int waited = 0; waited < READY_MS; waited += STEP_MS) {
                int how;
                if (waitpid(world->gateway, &how, WNOHANG) == world->gateway) {
                        world->gateway = 0;
                        return gateway_failed(world, "ended", err);
                }
                if (is_ready(world))
                        return true;
                pause_ms(STEP_MS);
        }
        return gateway_failed(world, "was not ready within 10 s", err);
}

static void stop_gateway(struct demo_world *world)
{
        if (world->gateway == 0)
                return;
        kill(world->gateway, SIGTERM);
        for (int waited = 0; waited < STOP_MS; waited += STEP_MS) {
                if (waitpid(world->gateway, NULL, WNOHANG) != 0) {
                        world->gateway = 0;
                        return;
                }
                pause_ms(STEP_MS);
        }
        kill(world->gateway, SIGKILL);
        waitpid(world->gateway, NULL, 0);
        world->gateway = 0;
}

void demo_world_close(struct demo_world *world, bool keep)
{
        stop_gateway(world);
        struct throwaway *all[] = {&world->ca,       &world->other_ca, &world->server,
                                   &world->pinned,   &world->renewed,  &world->expired,
                                   &world->unpinned, &world->untrusted};
        for (size_t i = 0; i < COUNT_OF(all); i++)
                throwaway_done(all[i]);
        if (keep || world->folder[0] == '\0')
                return;
        for (size_t i = 0; i < COUNT_OF(folder_files); i++) {
                char path[128];
                file_path(world, folder_files[i], path);
                unlink(path);
        }
        rmdir(world->folder);
}

/* Looks through the log's lines for the handshake of that peer. */
static bool find_reason(struct slice log, const char *peer, char reason[static 64])
{
        struct slice line;
        bool found = false;
        while (!found && slice_split(&log, '\n', &line)) {
                struct arena arena;
                arena_init(&arena, 8192);
                struct node *root;
                if (line.len > 0 && json_parse(&arena, line, "audit.log", &root, NULL) &&
                    slice_is(node_text(root, "event"), "handshake") &&
                    slice_is(node_text(root, "peer"), peer)) {
                        snprintf(reason, 64, "%.*s", SLICE_ARG(node_text(root, "reason")));
                        found = true;
                }
                arena_done(&arena);
        }
        return found;
}

bool demo_world_reason(const struct demo_world *world, int local_port, char reason[static 64],
                       struct error *err)
{
        char path[128], peer[64];
        file_path(world, "audit.log", path);
        snprintf(peer, sizeof(peer), "127.0.0.1:%d", local_port);
        for (int waited = 0; waited < AUDIT_MS; waited += STEP_MS) {
                char *text = NULL;
                size_t len = 0;
                bool found = cli_read_file(path, 16 << 20, &text, &len, NULL) &&
                             find_reason(slice_from(text, len), peer, reason);
                free(text);
                if (found)
                        return true;
                pause_ms(STEP_MS);
        }
        return error_set(err, ERROR_SYSTEM, "%s: no record of the handshake from %s", path, peer);
}
