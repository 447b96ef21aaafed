package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
)

func TestAddressThatWasGivenBackIsTheLastToBeTakenAgain(t *testing.T) {
	network, err := newNetwork("br0", "10.77.1.6/29")
	if err != nil {
		t.Fatal(err)
	}
	var taken []string
	for range 5 { // .1 to .5: .6 is the bridge's, .7 is for all
		address, err := network.take()
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, address.String())
		if address.String() == "10.77.1.2" {
			network.give(address)
		}
	}
	if want := []string{"10.77.1.1", "10.77.1.2", "10.77.1.3", "10.77.1.4", "10.77.1.5"}; !slices.Equal(taken, want) {
		t.Fatalf("taken %v, want %v", taken, want)
	}
	if address, err := network.take(); err != nil || address.String() != "10.77.1.2" {
		t.Fatalf("then %v %v", address, err)
	}
	if address, err := network.take(); err == nil {
		t.Fatalf("%v was taken twice", address)
	}
}

func TestLogsHoldTheLastLinesAndKnowSinceWhen(t *testing.T) {
	ring := &logRing{}
	for i := range logLinesMax + 3 {
		ring.write(fmt.Sprint(i))
	}
	lines := ring.since(time.Time{})
	if len(lines) != logLinesMax || lines[0].text != "3" || lines[len(lines)-1].text != fmt.Sprint(logLinesMax+2) {
		t.Fatalf("%d lines, from %q to %q", len(lines), lines[0].text, lines[len(lines)-1].text)
	}
	after := time.Now()
	ring.write("new")
	if lines = ring.since(after); len(lines) != 1 || lines[0].text != "new" {
		t.Fatalf("since then: %v", lines)
	}
}

func podWith(whole *core.PodSecurityContext, container *core.SecurityContext) *pod {
	return &pod{object: &core.Pod{Spec: core.PodSpec{
		SecurityContext: whole, Containers: []core.Container{{SecurityContext: container}},
	}}}
}

func TestCapabilitiesAreWhatTheContainerKeepsAndAdds(t *testing.T) {
	for _, c := range []struct {
		wanted *core.Capabilities
		kept   []string
	}{
		{nil, defaultCapabilities},
		{&core.Capabilities{Drop: []core.Capability{"ALL"}}, nil},
		{&core.Capabilities{Drop: []core.Capability{"ALL"}, Add: []core.Capability{"NET_BIND_SERVICE"}}, []string{"NET_BIND_SERVICE"}},
	} {
		if kept := podWith(nil, &core.SecurityContext{Capabilities: c.wanted}).capabilities(); !slices.Equal(kept, c.kept) {
			t.Errorf("%v keeps %v, want %v", c.wanted, kept, c.kept)
		}
	}
}

func TestRootIsRefusedWhereThePodSaysSo(t *testing.T) {
	yes, no, user := true, false, int64(65532)
	for _, c := range []struct {
		pod       *core.PodSecurityContext
		container *core.SecurityContext
		runs      bool
	}{
		{nil, nil, true},
		{&core.PodSecurityContext{RunAsNonRoot: &yes}, nil, false},
		{&core.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user}, nil, true},
		{&core.PodSecurityContext{RunAsNonRoot: &yes}, &core.SecurityContext{RunAsNonRoot: &no}, true},
	} {
		p := podWith(c.pod, c.container)
		plan := &podPlan{}
		plan.User, plan.Group = p.userAndGroup()
		if err := p.mayRun(plan); (err == nil) != c.runs {
			t.Errorf("%v, %v: %v", c.pod, c.container, err)
		}
	}
}

func TestABalancerHandsOnTheEndOfEachDirection(t *testing.T) {
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	go func() { // answers once it has heard all
		connection, _ := backend.Accept()
		heard, _ := io.ReadAll(connection)
		fmt.Fprintf(connection, "heard %s", heard)
		connection.Close()
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go (&door{listener: listener, backends: []string{backend.Addr().String()}}).serve()

	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(client, "all")
	_ = client.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(client); err != nil || !strings.HasSuffix(string(answer), "heard all") {
		t.Fatalf("%q %v", answer, err)
	}
}
