package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// runEtcd serves one etcd member until SIGTERM. Nothing outlives a run of tests, so nothing is synced to disk.
func runEtcd(args []string) error {
	flags := flag.NewFlagSet("etcd", flag.ExitOnError)
	folder := flags.String("data-dir", "", "folder of the database")
	client := flags.String("listen", "http://127.0.0.1:2379", "URL for clients")
	_ = flags.Parse(args)

	config := embed.NewConfig()
	config.Dir = *folder
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"
	config.ListenPeerUrls = nil
	address, err := url.Parse(*client)
	if err != nil {
		return fmt.Errorf("etcd: --listen: %w", err)
	}
	config.ListenClientUrls = []url.URL{*address}
	config.AdvertiseClientUrls = config.ListenClientUrls

	server, err := embed.StartEtcd(config)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-server.Server.ReadyNotify():
	case err = <-server.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-time.After(time.Minute):
		return fmt.Errorf("etcd: not ready after a minute")
	case <-stop:
		return nil
	}
	select {
	case err = <-server.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-stop:
		return nil
	}
}
