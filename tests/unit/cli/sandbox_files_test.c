/* What stays readable behind the walls. Each test forks, as the walls never come down again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/sandbox.h"

enum {
        CHILD_OK,
        CHILD_CAN_NOT_READ,
        CHILD_CAN_READ_TOO_MUCH,
        CHILD_NO_LANDLOCK,
};

static char folder[64], config[128], next[128], other[128];

static void write_file(const char *path)
{
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
}

static int open_folder(void **state)
{
        (void)state;
        snprintf(folder, sizeof(folder), "/tmp/pingate-test-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        snprintf(config, sizeof(config), "%s/conf", folder);
        if (mkdir(config, 0700) != 0)
                return -1;
        snprintf(config, sizeof(config), "%s/conf/edge.yaml", folder);
        snprintf(next, sizeof(next), "%s/conf/next", folder);
        snprintf(other, sizeof(other), "%s/other", folder);
        write_file(config);
        write_file(next);
        write_file(other);
        return 0;
}

static int close_folder(void **state)
{
        (void)state;
        char conf[128];
        snprintf(conf, sizeof(conf), "%s/conf", folder);
        unlink(config);
        unlink(next);
        unlink(other);
        rmdir(conf);
        return rmdir(folder);
}

static bool can_read(const char *path)
{
        int fd = open(path, O_RDONLY);
        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

static void a_configuration_file_stays_readable_when_it_is_replaced(void **state)
{
        (void)state;
        int go[2], walled[2], status;
        char byte;
        assert_int_equal(pipe(go), 0);
        assert_int_equal(pipe(walled), 0);
        pid_t child = fork();
        if (child == 0) {
                const char *paths[] = {config};
                close(go[1]);
                close(walled[0]);
                if (!sandbox_restrict_files(paths, 1))
                        _exit(errno == ENOSYS || errno == EOPNOTSUPP ? CHILD_NO_LANDLOCK
                                                                     : CHILD_CAN_NOT_READ);
                close(walled[1]);
                if (read(go[0], &byte, 1) != 0) /* the parent has replaced the file */
                        _exit(CHILD_CAN_NOT_READ);
                if (!can_read(config))
                        _exit(CHILD_CAN_NOT_READ);
                _exit(can_read(other) ? CHILD_CAN_READ_TOO_MUCH : CHILD_OK);
        }
        close(go[0]);
        close(walled[1]);
        assert_int_equal(read(walled[0], &byte, 1), 0);
        close(walled[0]);
        assert_int_equal(rename(next, config), 0);
        close(go[1]);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WEXITSTATUS(status) == CHILD_NO_LANDLOCK)
                skip();
        assert_int_equal(WEXITSTATUS(status), CHILD_OK);
}

/* What everybody may read in /etc beside the resolver's files; the wall's word on it as that user.
 */
static int etc_as(uid_t user)
{
        int status;
        pid_t child = fork();
        if (child == 0) {
                if (setresuid(user, user, user) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                        _exit(CHILD_CAN_NOT_READ);
                if (!sandbox_restrict_files(NULL, 0))
                        _exit(errno == ENOSYS || errno == EOPNOTSUPP ? CHILD_NO_LANDLOCK
                                                                     : CHILD_CAN_NOT_READ);
                _exit(can_read("/etc/passwd") ? CHILD_CAN_READ_TOO_MUCH : CHILD_OK);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return WEXITSTATUS(status);
}

static void resolver_files_may_be_replaced_unless_root_reads_them(void **state)
{
        enum {
                NOBODY = 65534
        };
        (void)state;
        if (etc_as(geteuid()) == CHILD_NO_LANDLOCK)
                skip();
        assert_int_equal(etc_as(geteuid() == 0 ? NOBODY : geteuid()), CHILD_CAN_READ_TOO_MUCH);
        if (geteuid() == 0)
                assert_int_equal(etc_as(0), CHILD_OK);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        a_configuration_file_stays_readable_when_it_is_replaced, open_folder,
                        close_folder),
                cmocka_unit_test(resolver_files_may_be_replaced_unless_root_reads_them),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
