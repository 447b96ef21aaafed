#include "cli/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Keys must not reach a disk: no core file, no ptrace by the same user (I43). */
static void forbid_dumps(void)
{
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool become_user(const char *name, struct error *err)
{
        if (!name)
                return true;
        struct passwd *user = getpwnam(name);
        if (!user)
                return error_set(err, ERROR_USAGE, "--user %s: no such user", name);
        if (geteuid() == user->pw_uid)
                return true;
        /* Ports below 1024 are bound later too: the one capability that is left must survive. */
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || initgroups(name, user->pw_gid) != 0 ||
            setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
            setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
                return error_set_errno(err, "--user %s: can't change to it", name);
        return true;
}

/* All but CAP_NET_BIND_SERVICE go, from the bounding set too where that is allowed. */
static bool drop_capabilities(void)
{
        for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
                if (capability != CAP_NET_BIND_SERVICE)
                        (void)prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3] = {0};
        if (syscall(SYS_capget, &header, held) != 0)
                return false;
        /* systemd's unit leaves nothing to drop and forbids capset itself: that is no failure. */
        unsigned keep = held[0].permitted & (1U << CAP_NET_BIND_SERVICE);
        if (held[0].permitted == keep && held[1].permitted == 0)
                return true;
        struct __user_cap_data_struct kept[_LINUX_CAPABILITY_U32S_3] = {
                {.effective = keep, .permitted = keep, .inheritable = 0}};
        return syscall(SYS_capset, &header, kept) == 0;
}

static void warn(on_sandbox_warning_fn on_warning, void *self, const char *what)
{
        char text[160], reason[64];
        snprintf(text, sizeof(text), "%s is off: %s", what,
                 strerror_r(errno, reason, sizeof(reason)));
        on_warning(text, self);
}

bool sandbox_enter(const struct sandbox_options *options, on_sandbox_warning_fn on_warning,
                   void *self, struct error *err)
{
        forbid_dumps();
        if (!become_user(options->user, err))
                return false;
        if (!drop_capabilities())
                warn(on_warning, self, "dropping capabilities");
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                warn(on_warning, self, "no_new_privs");
        if (!sandbox_restrict_files(options->read_paths, options->read_path_count))
                warn(on_warning, self, "Landlock");
        if (!sandbox_restrict_calls())
                warn(on_warning, self, "seccomp");
        /* A change of user makes the kernel forget it. */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        return true;
}
