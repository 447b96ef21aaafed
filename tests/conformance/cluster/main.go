// Command cluster is a Kubernetes control plane and one node for tests, on one host and without containers.
//
// Nothing of the API is faked: etcd, kube-apiserver, the controllers and kubectl are upstream's own code. Only the node
// is ours: its kubelet runs the pods' programs as processes, each in a network namespace of its own. Every part is a
// process of its own, because upstream's commands register flags and feature gates globally and would clash in one.
package main

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// parts are the subcommands; each finds its own arguments in os.Args[1:] and returns an exit status.
var parts = map[string]func() int{
	"etcd":        func() int { return report(runEtcd(os.Args[1:])) },
	"apiserver":   func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"controllers": func() int { return cli.Run(controllers.NewControllerManagerCommand()) },
	"kubectl":     runKubectl,
	"balancer":    func() int { return report(runBalancer(os.Args[1:])) },
	"kubelet":     func() int { return report(runKubelet(os.Args[1:])) },
	"pod-init":    func() int { return report(runPodInit()) },
	"idle":        func() int { return report(runIdle()) },
}

const usage = "usage: cluster etcd|apiserver|controllers|kubelet|balancer|kubectl [ARGUMENT]..."

func main() {
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	part := parts[os.Args[1]]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	os.Exit(part())
}

func runKubectl() int {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	return 0
}

func report(err error) int {
	if err != nil {
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		return 1
	}
	return 0
}
