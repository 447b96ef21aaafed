package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// runPodInit is the first process of a pod: it waits until the kubelet has plugged the network in and says what to run,
// makes the pod's root, gives up what the pod may not have, and becomes the program.
func runPodInit() error {
	// Capabilities belong to a thread, and execve keeps those of the one that calls it.
	runtime.LockOSThread()
	plan := &podPlan{}
	if err := json.NewDecoder(os.NewFile(3, "plan")).Decode(plan); err != nil {
		return fmt.Errorf("pod-init: the kubelet went away: %w", err)
	}
	unix.CloseOnExec(3)
	steps := []struct {
		name string
		take func(*podPlan) error
	}{
		{"host name", func(plan *podPlan) error { return unix.Sethostname([]byte(plan.Hostname)) }},
		{"network", configureNetwork},
		{"root", makeRoot},
		{"privileges", dropPrivileges},
	}
	for _, step := range steps {
		if err := step.take(plan); err != nil {
			return fmt.Errorf("pod-init: %s: %w", step.name, err)
		}
	}
	return fmt.Errorf("pod-init: %s: %w", plan.Program, syscall.Exec(programInRoot(plan), plan.Arguments, plan.Environment))
}

// runIdle stands for images that nothing asks anything.
func runIdle() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	return nil
}

func configureNetwork(plan *podPlan) error {
	if plan.Address == "" {
		return nil
	}
	return ip("link set lo up", "address add "+plan.Address+" dev eth0", "link set eth0 up", "route add default via "+plan.Gateway)
}

func programInRoot(plan *podPlan) string {
	return filepath.Join("/image", filepath.Base(plan.Program))
}

// makeRoot mounts, on a new root: the host's /usr for libraries, a /proc and /dev, the program, and the pod's volumes.
// None of it is seen outside of this process's mount namespace, and all of it goes with that.
func makeRoot(plan *podPlan) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := os.MkdirAll(plan.Root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", plan.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m"); err != nil {
		return err
	}
	if err := mountSystem(plan.Root); err != nil {
		return err
	}
	mounts := append([]podMount{{Source: plan.Program, Target: programInRoot(plan), ReadOnly: true}}, plan.Mounts...)
	for _, mount := range mounts {
		if err := bind(mount.Source, filepath.Join(plan.Root, mount.Target), mount.ReadOnly); err != nil {
			return err
		}
	}
	if plan.ReadOnlyRoot {
		if err := unix.Mount("", plan.Root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return err
		}
	}
	if err := unix.Chroot(plan.Root); err != nil {
		return err
	}
	return unix.Chdir("/")
}

func mountSystem(root string) error {
	if err := bind("/usr", root+"/usr", true); err != nil {
		return err
	}
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} {
		if target, err := os.Readlink("/" + name); err == nil {
			err = os.Symlink(target, filepath.Join(root, name))
			if err != nil {
				return err
			}
		}
	}
	for _, device := range []string{"null", "zero", "full", "random", "urandom"} {
		if err := bind("/dev/"+device, root+"/dev/"+device, false); err != nil {
			return err
		}
	}
	for folder, mode := range map[string]os.FileMode{"proc": 0o555, "etc": 0o755, "tmp": 0o777 | os.ModeSticky, "run": 0o755, "root": 0o700} {
		path := filepath.Join(root, folder)
		if err := os.Mkdir(path, mode); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask
			return err
		}
	}
	// The users of pingate's image; programs of other images do not ask for theirs.
	for name, text := range map[string]string{
		"passwd": "root:x:0:0::/root:/bin/sh\npingate:x:65532:65532::/nonexistent:/usr/sbin/nologin\n",
		"group":  "root:x:0:\npingate:x:65532:\n",
	} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return unix.Mount("proc", root+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// bind shows a file or folder of the host at a path that it makes.
func bind(source, target string, readOnly bool) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err = unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	if readOnly {
		err = unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID, "")
	}
	return err
}

// dropPrivileges does what a container runtime does: nobody gets a capability back that the pod may not have, and who is
// not root has none at all, whatever the pod adds.
func dropPrivileges(plan *podPlan) error {
	kept, err := capabilityBits(plan.Capabilities)
	if err != nil {
		return err
	}
	for number := range uint(64) {
		if kept&(1<<number) == 0 {
			if err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(number), 0, 0, 0); err != nil && err != unix.EINVAL {
				return err
			}
		}
	}
	if err = unix.Setgroups(plan.Groups); err != nil {
		return err
	}
	if err = unix.Setresgid(plan.Group, plan.Group, plan.Group); err != nil {
		return err
	}
	if err = unix.Setresuid(plan.User, plan.User, plan.User); err != nil {
		return err
	}
	if plan.User == 0 {
		if err = setCapabilities(kept); err != nil {
			return err
		}
	}
	if plan.NoNewPrivileges {
		if err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	// A change of user forgets that the pod ends with the kubelet.
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

func setCapabilities(kept uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for i := range data {
		half := uint32(kept >> (32 * i))
		data[i] = unix.CapUserData{Effective: half, Permitted: half}
	}
	return unix.Capset(&header, &data[0])
}

// The numbers of linux/capability.h that pods here may name.
var capabilityNumbers = map[string]uint{
	"CHOWN": unix.CAP_CHOWN, "DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "FOWNER": unix.CAP_FOWNER, "FSETID": unix.CAP_FSETID,
	"KILL": unix.CAP_KILL, "SETGID": unix.CAP_SETGID, "SETUID": unix.CAP_SETUID, "SETPCAP": unix.CAP_SETPCAP,
	"NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "NET_RAW": unix.CAP_NET_RAW, "NET_ADMIN": unix.CAP_NET_ADMIN,
	"SYS_CHROOT": unix.CAP_SYS_CHROOT, "MKNOD": unix.CAP_MKNOD, "AUDIT_WRITE": unix.CAP_AUDIT_WRITE, "SETFCAP": unix.CAP_SETFCAP,
}

func capabilityBits(names []string) (uint64, error) {
	bits := uint64(0)
	for _, name := range names {
		number, known := capabilityNumbers[strings.TrimPrefix(name, "CAP_")]
		if !known {
			return 0, fmt.Errorf("capability %s is not known here", name)
		}
		bits |= 1 << number
	}
	return bits, nil
}
