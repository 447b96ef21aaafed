package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logsPort is where the API server asks for the logs that its clients ask it for.
const logsPort = 10250

// A mirror test reads what a pod wrote since the test began: enough for that, and no more than some MB for all pods.
const logLinesMax = 4000

type logLine struct {
	at   time.Time
	text string
}

// logRing holds the last lines of a program, and copies all of them to a file for whoever looks for a failure's cause.
type logRing struct {
	mutex sync.Mutex
	lines []logLine
	first int // index of the oldest, once the ring is full
	file  *os.File
}

func (ring *logRing) write(text string) {
	line := logLine{time.Now(), text}
	ring.mutex.Lock()
	defer ring.mutex.Unlock()
	if len(ring.lines) < logLinesMax {
		ring.lines = append(ring.lines, line)
	} else {
		ring.lines[ring.first] = line
		ring.first = (ring.first + 1) % logLinesMax
	}
	if ring.file != nil {
		fmt.Fprintf(ring.file, "%s %s\n", line.at.UTC().Format("15:04:05.000"), text)
	}
}

// readFrom takes a program's output until its end. Longer lines than 1 MiB are cut into some.
func (ring *logRing) readFrom(output io.Reader) {
	reader := bufio.NewReaderSize(output, 1<<20)
	for {
		text, err := reader.ReadSlice('\n')
		if len(text) > 0 {
			ring.write(strings.TrimRight(string(text), "\n"))
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (ring *logRing) since(at time.Time) []logLine {
	ring.mutex.Lock()
	defer ring.mutex.Unlock()
	var found []logLine
	for i := range ring.lines {
		line := ring.lines[(ring.first+i)%len(ring.lines)]
		if !line.at.Before(at) {
			found = append(found, line)
		}
	}
	return found
}

// serveLogs answers GET /containerLogs/NAMESPACE/POD/CONTAINER, as the API server asks for pods/log. It does not
// verify the node's certificate unless told to, and the network ends at this host.
func (k *kubelet) serveLogs(failed chan<- error) error {
	certificate, err := ownCertificate(k.address)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(k.address, strconv.Itoa(logsPort)),
		&tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.answerLogs)
	go func() { failed <- http.Serve(listener, routes) }()
	return nil
}

func (k *kubelet) answerLogs(answer http.ResponseWriter, request *http.Request) {
	known := k.podNamed(request.PathValue("namespace"), request.PathValue("pod"))
	if known == nil {
		http.Error(answer, "no such pod on this node", http.StatusNotFound)
		return
	}
	since := time.Time{}
	query := request.URL.Query()
	if text := query.Get("sinceTime"); text != "" {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			http.Error(answer, "sinceTime: "+err.Error(), http.StatusBadRequest)
			return
		}
		since = parsed
	}
	if seconds, err := strconv.Atoi(query.Get("sinceSeconds")); err == nil {
		since = time.Now().Add(-time.Duration(seconds) * time.Second)
	}
	lines := known.logs.since(since)
	if count, err := strconv.Atoi(query.Get("tailLines")); err == nil && count >= 0 && count < len(lines) {
		lines = lines[len(lines)-count:]
	}
	answer.Header().Set("Content-Type", "text/plain")
	for _, line := range lines {
		if query.Get("timestamps") == "true" {
			fmt.Fprintf(answer, "%s ", line.at.UTC().Format(time.RFC3339Nano))
		}
		fmt.Fprintln(answer, line.text)
	}
}

func (k *kubelet) podNamed(namespace, name string) *pod {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for _, known := range k.pods {
		if known.object.Namespace == namespace && known.object.Name == name {
			return known
		}
	}
	return nil
}

func ownCertificate(address string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: address},
		IPAddresses:  []net.IP{net.ParseIP(address)},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
