package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// balancer stands for the load balancers of a cloud: each Service of type LoadBalancer gets an address of its own, and
// connections to its ports go to one of the ready endpoints. Addresses need only be local to this network namespace.
type balancer struct {
	client   kubernetes.Interface
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	last     netip.Addr
	address  map[types.UID]netip.Addr
	doors    map[doorKey]*door
}

// doorKey is a port of a Service's address, and where its connections go to.
type doorKey struct {
	address netip.AddrPort
	service types.NamespacedName
	port    string // its name in the EndpointSlices
}

type door struct {
	listener net.Listener
	mutex    sync.Mutex
	backends []string
}

func runBalancer(args []string) error {
	flags := flag.NewFlagSet("balancer", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	first := flags.String("first", "10.79.0.1", "the first Service's address")
	_ = flags.Parse(args)
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	address, err := netip.ParseAddr(*first)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return balance(ctx, client, address)
}

// balance settles everything anew after each change: there are a few dozen Services, and nothing else to do.
func balance(ctx context.Context, client kubernetes.Interface, first netip.Addr) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	b := &balancer{
		client: client, services: factory.Core().V1().Services().Lister(), slices: factory.Discovery().V1().EndpointSlices().Lister(),
		last: first.Prev(), address: map[types.UID]netip.Addr{}, doors: map[doorKey]*door{},
	}
	changed := make(chan struct{}, 1)
	tell := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Services().Informer(), factory.Discovery().V1().EndpointSlices().Informer(),
	} {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: tell, UpdateFunc: func(_, now any) { tell(now) }, DeleteFunc: tell,
		})
		if err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			b.settle(ctx)
		}
	}
}

func (b *balancer) settle(ctx context.Context) {
	services, err := b.services.List(labels.Everything())
	if err != nil {
		return
	}
	wanted := map[doorKey][]string{}
	for _, service := range services {
		if service.Spec.Type != core.ServiceTypeLoadBalancer || service.DeletionTimestamp != nil {
			continue
		}
		address := b.addressOf(ctx, service)
		for _, port := range service.Spec.Ports {
			if port.Protocol == core.ProtocolTCP {
				key := doorKey{netip.AddrPortFrom(address, uint16(port.Port)), types.NamespacedName{Namespace: service.Namespace, Name: service.Name}, port.Name}
				wanted[key] = b.backends(key)
			}
		}
	}
	for key, open := range b.doors {
		if _, stays := wanted[key]; !stays {
			open.listener.Close()
			delete(b.doors, key)
		}
	}
	for key, backends := range wanted {
		b.open(key, backends)
	}
}

// addressOf gives a Service its address once, in its status, as a cloud does.
func (b *balancer) addressOf(ctx context.Context, service *core.Service) netip.Addr {
	address, known := b.address[service.UID]
	if !known {
		b.last = b.last.Next()
		address = b.last
		b.address[service.UID] = address
	}
	if len(service.Status.LoadBalancer.Ingress) > 0 {
		return address
	}
	body, err := json.Marshal(map[string]any{"status": core.ServiceStatus{LoadBalancer: core.LoadBalancerStatus{
		Ingress: []core.LoadBalancerIngress{{IP: address.String()}},
	}}})
	if err == nil {
		_, err = b.client.CoreV1().Services(service.Namespace).Patch(ctx, service.Name, types.MergePatchType, body, meta.PatchOptions{}, "status")
	}
	if err != nil {
		log.Printf("%s/%s: %v", service.Namespace, service.Name, err)
	}
	return address
}

func (b *balancer) backends(key doorKey) []string {
	var found []string
	all, err := b.slices.EndpointSlices(key.service.Namespace).List(labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: key.service.Name}))
	if err != nil {
		return nil
	}
	for _, slice := range all {
		for _, port := range slice.Ports {
			if port.Port == nil || port.Name == nil || *port.Name != key.port {
				continue
			}
			for _, endpoint := range slice.Endpoints {
				if endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready {
					found = append(found, net.JoinHostPort(endpoint.Addresses[0], strconv.Itoa(int(*port.Port))))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func (b *balancer) open(key doorKey, backends []string) {
	open := b.doors[key]
	if open == nil {
		listener, err := net.Listen("tcp", key.address.String())
		if err != nil {
			log.Printf("%s: %v", key.service, err)
			return
		}
		open = &door{listener: listener}
		b.doors[key] = open
		go open.serve()
	}
	open.mutex.Lock()
	if !slices.Equal(open.backends, backends) {
		log.Printf("%s: %s to %s", key.service, key.address, strings.Join(backends, " "))
	}
	open.backends = backends
	open.mutex.Unlock()
}

func (d *door) serve() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		go d.carry(client.(*net.TCPConn))
	}
}

func (d *door) carry(client *net.TCPConn) {
	defer client.Close()
	d.mutex.Lock()
	backends := slices.Clone(d.backends)
	d.mutex.Unlock()
	rand.Shuffle(len(backends), func(i, j int) { backends[i], backends[j] = backends[j], backends[i] })
	for _, backend := range backends {
		server, err := net.DialTimeout("tcp", backend, time.Second)
		if err != nil {
			continue
		}
		defer server.Close()
		ended := make(chan struct{})
		go func() {
			pass(server.(*net.TCPConn), client)
			close(ended)
		}()
		pass(client, server.(*net.TCPConn))
		<-ended
		return
	}
	_ = client.SetLinger(0) // a reset, as of a port that nobody listens on
}

// pass hands on what comes, then the end: a half-closed connection stays one, and a reset becomes one for the other side.
func pass(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.SetLinger(0)
		to.Close()
		return
	}
	_ = to.CloseWrite()
}
