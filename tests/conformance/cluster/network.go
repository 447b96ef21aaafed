package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
)

// network hands out the pods' addresses and plugs the pods into the bridge. Each pod has a network namespace of its own,
// for all of them bind the same ports of every address.
type network struct {
	bridge  string
	gateway netip.Addr   // the bridge's own address
	prefix  netip.Prefix // of which pods get theirs
	mutex   sync.Mutex
	last    netip.Addr
	taken   map[netip.Addr]bool
}

func newNetwork(bridge, address string) (*network, error) {
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		return nil, fmt.Errorf("--pods: %w", err)
	}
	return &network{
		bridge: bridge, gateway: prefix.Addr(), prefix: prefix.Masked(),
		last: prefix.Masked().Addr(), taken: map[netip.Addr]bool{prefix.Addr(): true},
	}, nil
}

// take gives the address that was given least recently, so that a client's stale connection meets nobody.
func (n *network) take() (netip.Addr, error) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for range 1 << (n.prefix.Addr().BitLen() - n.prefix.Bits()) {
		n.last = n.last.Next()
		if !n.prefix.Contains(n.last.Next()) { // the last one is the broadcast address
			n.last = n.prefix.Addr().Next()
		}
		if !n.taken[n.last] {
			n.taken[n.last] = true
			return n.last, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no address is left in %s", n.prefix)
}

func (n *network) give(address netip.Addr) {
	n.mutex.Lock()
	delete(n.taken, address)
	n.mutex.Unlock()
}

// plug gives the process's network namespace an eth0. The host's end goes away with the namespace.
func (n *network) plug(pid int, address netip.Addr) error {
	bytes := address.As4()
	name := fmt.Sprintf("pod%d-%d", bytes[2], bytes[3])
	return ip(
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", name, pid),
		fmt.Sprintf("link set %s master %s up", name, n.bridge),
	)
}

// ip runs commands of iproute2, all in one process.
func ip(commands ...string) error {
	command := exec.Command("ip", "-batch", "-")
	command.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}
