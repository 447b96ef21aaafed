package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// podPlan is what the kubelet tells the process that becomes the pod's program: see podinit.go.
type podPlan struct {
	Hostname        string
	Address         string // with its prefix length; empty: the node's network
	Gateway         string
	Root            string // folder of the host that becomes the pod's root
	Mounts          []podMount
	ReadOnlyRoot    bool
	Program         string // of the host
	Arguments       []string
	Environment     []string
	User            int
	Group           int
	Groups          []int
	Capabilities    []string // that root keeps; everybody else has none
	NoNewPrivileges bool
}

type podMount struct {
	Source   string // of the host
	Target   string // of the pod
	ReadOnly bool
}

// What a container of root has if it asks for nothing: the set of every container runtime.
var defaultCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
	"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

func (p *pod) plan() (*podPlan, error) {
	container := &p.object.Spec.Containers[0]
	plan := &podPlan{Hostname: p.object.Name, Root: filepath.Join(p.folder, "root"), Capabilities: p.capabilities()}
	plan.User, plan.Group = p.userAndGroup()
	if !p.object.Spec.HostNetwork {
		plan.Address = fmt.Sprintf("%s/%d", p.address, p.kubelet.network.prefix.Bits())
		plan.Gateway = p.kubelet.network.gateway.String()
	}
	if group := p.podContext().FSGroup; group != nil {
		plan.Groups = append(plan.Groups, int(*group))
	}
	for _, group := range p.podContext().SupplementalGroups {
		plan.Groups = append(plan.Groups, int(group))
	}
	context := p.containerContext()
	plan.ReadOnlyRoot = context.ReadOnlyRootFilesystem != nil && *context.ReadOnlyRootFilesystem
	plan.NoNewPrivileges = context.AllowPrivilegeEscalation != nil && !*context.AllowPrivilegeEscalation
	if err := p.mayRun(plan); err != nil {
		return nil, err
	}
	for _, mount := range container.VolumeMounts {
		plan.Mounts = append(plan.Mounts, podMount{
			Source: filepath.Join(p.volumeFolder(mount.Name), mount.SubPath), Target: mount.MountPath, ReadOnly: mount.ReadOnly,
		})
	}
	return plan, p.planProgram(plan, container)
}

// mayRun refuses what a node refuses. What the container says goes before what the pod says.
func (p *pod) mayRun(plan *podPlan) error {
	wanted := p.containerContext().RunAsNonRoot
	if wanted == nil {
		wanted = p.podContext().RunAsNonRoot
	}
	if wanted != nil && *wanted && plan.User == 0 {
		return fmt.Errorf("container has runAsNonRoot and would run as root")
	}
	return nil
}

func (p *pod) podContext() *core.PodSecurityContext {
	if context := p.object.Spec.SecurityContext; context != nil {
		return context
	}
	return &core.PodSecurityContext{}
}

func (p *pod) containerContext() *core.SecurityContext {
	if context := p.object.Spec.Containers[0].SecurityContext; context != nil {
		return context
	}
	return &core.SecurityContext{}
}

// userAndGroup: what the container says goes before what the pod says.
func (p *pod) userAndGroup() (user, group int) {
	for _, wanted := range []*int64{p.podContext().RunAsUser, p.containerContext().RunAsUser} {
		if wanted != nil {
			user = int(*wanted)
		}
	}
	for _, wanted := range []*int64{p.podContext().RunAsGroup, p.containerContext().RunAsGroup} {
		if wanted != nil {
			group = int(*wanted)
		}
	}
	return user, group
}

func (p *pod) capabilities() []string {
	wanted := p.containerContext().Capabilities
	if wanted == nil {
		return defaultCapabilities
	}
	var kept []string
	for _, name := range defaultCapabilities {
		if !slices.Contains(wanted.Drop, core.Capability(name)) && !slices.Contains(wanted.Drop, "ALL") {
			kept = append(kept, name)
		}
	}
	for _, name := range wanted.Add {
		kept = append(kept, string(name))
	}
	return kept
}

// planProgram finds the image's program, its environment, and its arguments with $(NAME) replaced.
func (p *pod) planProgram(plan *podPlan, container *core.Container) error {
	program, known := p.kubelet.images.program(container.Image)
	if !known {
		return fmt.Errorf("image %s: no --image says which program that is", container.Image)
	}
	environment, err := p.environment(container)
	if err != nil {
		return err
	}
	for name, value := range environment {
		plan.Environment = append(plan.Environment, name+"="+value)
	}
	if program == "" { // nothing asks it anything
		plan.Program, err = os.Executable()
		plan.Arguments = []string{"cluster", "idle"}
		return err
	}
	plan.Program = program
	plan.Arguments = []string{filepath.Base(program)}
	if len(container.Command) > 0 {
		plan.Arguments = slices.Clone(container.Command)
	}
	replace := expansion.MappingFuncFor(environment)
	for _, argument := range container.Args {
		plan.Arguments = append(plan.Arguments, expansion.Expand(argument, replace))
	}
	return nil
}

func (p *pod) environment(container *core.Container) (map[string]string, error) {
	environment := map[string]string{
		"PATH":                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME":                p.object.Name,
		"KUBERNETES_SERVICE_HOST": p.kubelet.server.Hostname(),
		"KUBERNETES_SERVICE_PORT": p.kubelet.server.Port(),
	}
	replace := expansion.MappingFuncFor(environment)
	for _, variable := range container.Env {
		value := expansion.Expand(variable.Value, replace)
		if source := variable.ValueFrom; source != nil {
			if source.FieldRef == nil {
				return nil, fmt.Errorf("env %s: only fieldRef is known", variable.Name)
			}
			text, err := p.field(source.FieldRef.FieldPath)
			if err != nil {
				return nil, fmt.Errorf("env %s: %w", variable.Name, err)
			}
			value = text
		}
		environment[variable.Name] = value
	}
	return environment, nil
}

// field of the pod; those of its status and its node are known here before they are in the object.
func (p *pod) field(path string) (string, error) {
	switch path {
	case "status.podIP", "status.podIPs":
		return p.address.String(), nil
	case "status.hostIP", "status.hostIPs":
		return p.kubelet.address, nil
	case "spec.nodeName":
		return p.kubelet.node, nil
	case "spec.serviceAccountName":
		return p.object.Spec.ServiceAccountName, nil
	}
	text, err := fieldpath.ExtractFieldPathAsString(p.object, path)
	return strings.TrimSpace(text), err
}
