package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// kubelet is the cluster's only node. It also does what a scheduler would: every pod comes here.
//
// What it does of a real one: network namespaces, mount namespaces with a root of their own, Secret, ConfigMap,
// projected and emptyDir volumes, service account tokens, user, group and capabilities, readiness probes, restarts,
// graceful ends, logs. What it does not: images (it maps their names to programs of the host), more than one container
// in a pod, init containers, liveness probes, limits, seccomp profiles.
type kubelet struct {
	client   *kubernetes.Clientset
	node     string
	address  string // of the node; host of the API server's connections to it
	server   *url.URL
	network  *network
	folder   string // a folder for each pod
	images   images
	mutex    sync.Mutex
	pods     map[types.UID]*pod
	programs sync.WaitGroup
}

// images maps a part of an image's name to the program that stands for it.
type images map[string]string

func (known images) String() string { return fmt.Sprint(map[string]string(known)) }

func (known images) Set(value string) error {
	part, program, found := strings.Cut(value, "=")
	if !found {
		return fmt.Errorf("want NAME=PROGRAM")
	}
	known[part] = program
	return nil
}

func (known images) program(image string) (string, bool) {
	for part, program := range known {
		if strings.Contains(image, part) {
			return program, true
		}
	}
	return "", false
}

func runKubelet(args []string) error {
	flags := flag.NewFlagSet("kubelet", flag.ExitOnError)
	k := &kubelet{images: images{}, pods: map[types.UID]*pod{}}
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	flags.StringVar(&k.node, "node", "pgnode", "name of the node")
	flags.StringVar(&k.address, "address", "10.77.0.1", "address of the node")
	flags.StringVar(&k.folder, "folder", "", "folder for the pods' files and logs")
	bridge := flags.String("bridge", "br0", "bridge that pods are plugged into")
	pods := flags.String("pods", "10.77.1.254/24", "the bridge's address and network, of which pods get theirs")
	flags.Var(k.images, "image", "NAME=PROGRAM that runs for images with NAME in their name; often")
	_ = flags.Parse(args)

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 200, 400
	if k.server, err = url.Parse(config.Host); err != nil {
		return err
	}
	if k.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if k.network, err = newNetwork(*bridge, *pods); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return k.run(ctx)
}

func (k *kubelet) run(ctx context.Context) error {
	failed := make(chan error, 1)
	if err := k.serveLogs(failed); err != nil {
		return err
	}
	if err := k.register(ctx); err != nil {
		return fmt.Errorf("node %s: %w", k.node, err)
	}
	factory := informers.NewSharedInformerFactory(k.client, 0)
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { k.see(object.(*core.Pod)) },
		UpdateFunc: func(_, object any) { k.see(object.(*core.Pod)) },
		DeleteFunc: k.miss,
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	select {
	case err = <-failed:
		return err
	case <-ctx.Done():
		k.endAll()
		return nil
	}
}

// register makes the node. Nothing here looks for its heartbeats: the node lifecycle controller is not run.
func (k *kubelet) register(ctx context.Context) error {
	node := &core.Node{ObjectMeta: meta.ObjectMeta{
		Name:   k.node,
		Labels: map[string]string{"kubernetes.io/hostname": k.node, "kubernetes.io/os": "linux", "pingate.dev/gateway": "true"},
	}}
	node, err := k.client.CoreV1().Nodes().Create(ctx, node, meta.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		node, err = k.client.CoreV1().Nodes().Get(ctx, k.node, meta.GetOptions{})
	}
	if err != nil {
		return err
	}
	now := meta.Now()
	node.Status.Addresses = []core.NodeAddress{{Type: core.NodeInternalIP, Address: k.address}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = logsPort
	node.Status.Conditions = []core.NodeCondition{{
		Type: core.NodeReady, Status: core.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	_, err = k.client.CoreV1().Nodes().UpdateStatus(ctx, node, meta.UpdateOptions{})
	return err
}

// see is told of every pod and of every change of one.
func (k *kubelet) see(object *core.Pod) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	known := k.pods[object.UID]
	switch {
	case object.Spec.NodeName == "" && object.DeletionTimestamp == nil:
		go k.bind(object)
	case known == nil && object.DeletionTimestamp != nil:
		go k.delete(object)
	case known == nil && object.Spec.NodeName == k.node && !ended(object):
		known = newPod(k, object)
		k.pods[object.UID] = known
		k.programs.Add(1)
		go known.live()
	case known != nil && object.DeletionTimestamp != nil:
		known.end(grace(object))
	}
}

func ended(object *core.Pod) bool {
	return object.Status.Phase == core.PodFailed || object.Status.Phase == core.PodSucceeded
}

func grace(object *core.Pod) time.Duration {
	if object.DeletionGracePeriodSeconds == nil {
		return 0
	}
	return time.Duration(*object.DeletionGracePeriodSeconds) * time.Second
}

// miss is told of a pod that is gone from the API server, whoever took it away.
func (k *kubelet) miss(object any) {
	if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if known := k.pods[object.(*core.Pod).UID]; known != nil {
		known.end(0)
	}
}

func (k *kubelet) bind(object *core.Pod) {
	binding := &core.Binding{
		ObjectMeta: meta.ObjectMeta{Name: object.Name, Namespace: object.Namespace, UID: object.UID},
		Target:     core.ObjectReference{Kind: "Node", Name: k.node},
	}
	err := k.client.CoreV1().Pods(object.Namespace).Bind(context.Background(), binding, meta.CreateOptions{})
	if err != nil && !errors.IsConflict(err) && !errors.IsNotFound(err) {
		log.Printf("%s/%s: bind: %v", object.Namespace, object.Name, err)
	}
}

// delete is the last thing of a pod's life: its namespace can't go before.
func (k *kubelet) delete(object *core.Pod) {
	now := int64(0)
	err := k.client.CoreV1().Pods(object.Namespace).Delete(context.Background(), object.Name, meta.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      &meta.Preconditions{UID: &object.UID},
	})
	if err != nil && !errors.IsNotFound(err) && !errors.IsConflict(err) {
		log.Printf("%s/%s: delete: %v", object.Namespace, object.Name, err)
	}
}

// patchStatus writes the whole of what the kubelet knows of a pod.
func (k *kubelet) patchStatus(object *core.Pod, status core.PodStatus) {
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": object.UID}, "status": status})
	if err == nil {
		_, err = k.client.CoreV1().Pods(object.Namespace).Patch(context.Background(), object.Name, types.MergePatchType,
			body, meta.PatchOptions{}, "status")
	}
	if err != nil && !errors.IsNotFound(err) {
		log.Printf("%s/%s: status: %v", object.Namespace, object.Name, err)
	}
}

// forget is told by a pod that has ended.
func (k *kubelet) forget(uid types.UID) {
	k.mutex.Lock()
	delete(k.pods, uid)
	k.mutex.Unlock()
	k.programs.Done()
}

// endAll kills the programs; their pods stay in the API server, which is about to go too. Their logs stay in the folder.
func (k *kubelet) endAll() {
	k.mutex.Lock()
	for _, known := range k.pods {
		known.abandoned.Store(true)
		known.end(0)
	}
	k.mutex.Unlock()
	k.programs.Wait()
}
