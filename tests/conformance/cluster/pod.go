package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is one pod's life, led by one goroutine: files, network, program, readiness, end.
type pod struct {
	kubelet   *kubelet
	object    *core.Pod // as it was when it came; what matters here can't be changed
	folder    string
	address   netip.Addr // the node's own with hostNetwork
	started   meta.Time
	restarts  int32
	logs      logRing
	abandoned atomic.Bool // the API server is not to hear of its end
	endOnce   sync.Once
	ending    chan struct{} // closed when it has to end
	grace     time.Duration // how long its program may take, from then
}

func newPod(k *kubelet, object *core.Pod) *pod {
	return &pod{
		kubelet: k, object: object, started: meta.Now(), ending: make(chan struct{}),
		folder: filepath.Join(k.folder, fmt.Sprintf("%s_%s_%s", object.Namespace, object.Name, object.UID)),
	}
}

// end asks the pod to end; the first one to ask says how patiently.
func (p *pod) end(grace time.Duration) {
	p.endOnce.Do(func() {
		p.grace = grace
		close(p.ending)
	})
}

// context ends when the pod has to.
func (p *pod) context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-p.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (p *pod) say(format string, args ...any) {
	log.Printf("%s/%s: %s", p.object.Namespace, p.object.Name, fmt.Sprintf(format, args...))
}

func (p *pod) live() {
	defer p.kubelet.forget(p.object.UID)
	ctx, cancel := p.context()
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		p.fail(ctx, err)
	} else {
		p.runAgain(ctx)
	}
	p.clean()
	if !p.abandoned.Load() {
		p.kubelet.delete(p.object)
	}
}

// fail leaves the pod waiting with a reason until somebody deletes it.
func (p *pod) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	p.say("%v", err)
	waiting := core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CreateContainerError", Message: err.Error()}}
	p.tell(waiting, false)
	<-ctx.Done()
}

func (p *pod) prepare(ctx context.Context) error {
	if len(p.object.Spec.Containers) != 1 || len(p.object.Spec.InitContainers) != 0 {
		return fmt.Errorf("this kubelet runs pods of one container")
	}
	if err := os.MkdirAll(p.folder, 0o755); err != nil {
		return err
	}
	file, err := os.Create(p.folder + ".log")
	if err != nil {
		return err
	}
	p.logs.file = file
	if p.object.Spec.HostNetwork {
		p.address, err = netip.ParseAddr(p.kubelet.address)
	} else {
		p.address, err = p.kubelet.network.take()
	}
	if err != nil {
		return err
	}
	return p.writeVolumes(ctx)
}

// clean leaves the log.
func (p *pod) clean() {
	if p.address.IsValid() && !p.object.Spec.HostNetwork {
		p.kubelet.network.give(p.address)
	}
	_ = os.RemoveAll(p.folder)
	_ = p.logs.file.Close()
}

// runAgain keeps the program running as its restartPolicy says, which for every Deployment is always.
func (p *pod) runAgain(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		p.say("ended: %v", err)
		p.tell(core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: fmt.Sprint(err)}}, false)
		p.restarts++
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// runOnce starts the program, watches its readiness, and returns when it has ended.
func (p *pod) runOnce(ctx context.Context) error {
	command, err := p.start()
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watchReadiness(watching, command.Process.Pid)
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = p.stop(command, ended)
	}
	stopWatching()
	<-watched
	if err == nil {
		err = fmt.Errorf("exit status 0")
	}
	return err
}

// stop is SIGTERM, patience, SIGKILL. The program is the first of its process namespace: all others there go with it.
func (p *pod) stop(command *exec.Cmd, ended <-chan error) error {
	if p.grace > 0 {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			return err
		case <-time.After(p.grace):
		}
	}
	_ = command.Process.Kill()
	return <-ended
}

// start makes the namespaces with a process of ours in them, plugs the network in, and lets that process become the
// pod's program: see podinit.go.
func (p *pod) start() (*exec.Cmd, error) {
	plan, err := p.plan()
	if err != nil {
		return nil, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	defer writer.Close()
	output, program, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	command := exec.Command("/proc/self/exe", "pod-init")
	command.ExtraFiles = []*os.File{reader}
	command.Stdout, command.Stderr = program, program
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGKILL,
	}
	if !p.object.Spec.HostNetwork {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	}
	if err = command.Start(); err != nil {
		output.Close()
		return nil, err
	}
	go func() {
		p.logs.readFrom(output)
		output.Close()
	}()
	if !p.object.Spec.HostNetwork {
		err = p.kubelet.network.plug(command.Process.Pid, p.address)
	}
	if err == nil {
		err = json.NewEncoder(writer).Encode(plan)
	}
	if err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		return nil, err
	}
	return command, nil
}

// tell writes the status of the pod with its container in that state.
func (p *pod) tell(state core.ContainerState, ready bool) {
	now, running := meta.Now(), state.Running != nil
	truth := func(condition core.PodConditionType, holds bool) core.PodCondition {
		status := core.ConditionFalse
		if holds {
			status = core.ConditionTrue
		}
		return core.PodCondition{Type: condition, Status: status, LastTransitionTime: now, ObservedGeneration: p.object.Generation}
	}
	status := core.PodStatus{
		Phase: core.PodPending, HostIP: p.kubelet.address, HostIPs: []core.HostIP{{IP: p.kubelet.address}}, StartTime: &p.started,
		Conditions: []core.PodCondition{
			truth(core.PodScheduled, true), truth(core.PodInitialized, true),
			truth(core.ContainersReady, ready), truth(core.PodReady, ready),
		},
	}
	if running || p.restarts > 0 {
		status.Phase = core.PodRunning
	}
	if p.address.IsValid() {
		status.PodIP = p.address.String()
		status.PodIPs = []core.PodIP{{IP: status.PodIP}}
	}
	container := p.object.Spec.Containers[0]
	status.ContainerStatuses = []core.ContainerStatus{{
		Name: container.Name, Image: container.Image, ImageID: container.Image, State: state,
		Ready: ready, Started: &running, RestartCount: p.restarts,
	}}
	p.kubelet.patchStatus(p.object, status)
}
