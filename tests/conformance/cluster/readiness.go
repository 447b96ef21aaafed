package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Without a probe a pod is ready once its program listens, or after this if it never does. A real node takes it for
// ready at once, and who asks it too early tries again; this way nobody's first request is lost.
const listenPatience = 3 * time.Second

// watchReadiness keeps the pod's Ready condition true to its program until ctx ends.
func (p *pod) watchReadiness(ctx context.Context, pid int) {
	running := core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: meta.Now()}}
	container := &p.object.Spec.Containers[0]
	if container.ReadinessProbe == nil {
		if !p.object.Spec.HostNetwork {
			waitForListener(ctx, pid)
		}
		if ctx.Err() == nil {
			p.tell(running, true)
		}
		return
	}
	p.tell(running, false)
	ready, failures := false, 0
	period := time.Duration(container.ReadinessProbe.PeriodSeconds) * time.Second
	for {
		err := p.probe(ctx, container)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !ready:
			ready, failures = true, 0
			p.tell(running, true)
		case err == nil:
			failures = 0
		case ready:
			failures++
			if failures >= int(container.ReadinessProbe.FailureThreshold) {
				p.say("not ready: %v", err)
				ready = false
				p.tell(running, false)
			}
		}
		wait := period
		if !ready {
			wait = min(period, 200*time.Millisecond)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (p *pod) probe(ctx context.Context, container *core.Container) error {
	probe := container.ReadinessProbe
	timeout := time.Duration(max(probe.TimeoutSeconds, 1)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch {
	case probe.HTTPGet != nil:
		return probeHTTP(ctx, "http://"+p.endpoint(container, probe.HTTPGet.Port)+probe.HTTPGet.Path)
	case probe.TCPSocket != nil:
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.endpoint(container, probe.TCPSocket.Port))
		if err == nil {
			connection.Close()
		}
		return err
	}
	return fmt.Errorf("this kubelet knows httpGet and tcpSocket")
}

func probeHTTP(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	answer.Body.Close()
	if answer.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

func (p *pod) endpoint(container *core.Container, port intstr.IntOrString) string {
	number := port.IntValue()
	for _, known := range container.Ports {
		if port.Type == intstr.String && known.Name == port.StrVal {
			number = int(known.ContainerPort)
		}
	}
	return net.JoinHostPort(p.address.String(), strconv.Itoa(number))
}

// waitForListener returns when the process's network namespace has listening sockets and no new ones came for a moment:
// a program with more than one port opens them one after the other.
func waitForListener(ctx context.Context, pid int) {
	ctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	before := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		now := listeners(pid, "tcp") + listeners(pid, "tcp6") + listeners(pid, "udp") + listeners(pid, "udp6")
		if now > 0 && now == before {
			return
		}
		before = now
	}
}

// listeners counts the sockets of a /proc/net table that wait for peers: state LISTEN, or for UDP one without a peer.
func listeners(pid int, table string) int {
	file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
	if err != nil {
		return 0
	}
	defer file.Close()
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 3 && (fields[3] == "0A" || fields[3] == "07") {
			count++
		}
	}
	return count
}
