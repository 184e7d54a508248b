package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sscd-io/sscd/engine"
)

// The peers that sscd must understand, seen from this directory.
const (
	ourPeer      = "../../scripts/ssc_peer.py"
	referenceDir = "../../../shared/reference" // beside the module; not part of it
)

// python returns the Python interpreter. Without one there is no test; where CI=true, no success either.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip("there is no python3:", err)
	}
	return path
}

// reference returns the directory of the pattern's reference peer, which is not everywhere.
func reference(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(referenceDir, "ssc_reference.py")); err != nil {
		t.Skip("the reference peer is not here:", err)
	}
	return referenceDir
}

// port finds what a Python server prints.
var port = regexp.MustCompile(`(?m)^(\d+)$`)

func TestOurPeerAsClient(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		server, addr := serve(t, "--backend", backend)
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		peer := start(t, nil, python(t), ourPeer, "client", host, port)
		peer.wantStatus(0)
		wantQuietEnd(t, server)
	})
}

func TestOurPeerAsServer(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		peer := start(t, nil, python(t), ourPeer, "server")
		addr := "127.0.0.1:" + peer.announced(&peer.stdout, port)
		converse(t, addr, engine.Backend(backend))
		echoThroughConnect(t, addr)
		connect(t, nil, addr, "no such target").wantComplaint(1, "REFUSED")
		peer.signal(syscall.SIGTERM)
		peer.wantStatus(0) // it would have ended at our first fault
	})
}

func TestOurPeersAmongThemselves(t *testing.T) {
	t.Parallel()
	server := start(t, nil, python(t), ourPeer, "server")
	client := start(t, nil, python(t), ourPeer, "client", "127.0.0.1", server.announced(&server.stdout, port))
	client.wantStatus(0)
	server.signal(syscall.SIGTERM)
	server.wantStatus(0)
}

func TestReferenceAsClient(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		dir := reference(t)
		server, addr := serve(t, "--backend", backend)
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		// -B: no byte code is left in a directory that is not ours.
		peer := start(t, nil, python(t), "-B", "testdata/reference.py", dir, "client", port)
		peer.wantStatus(0)
		if said := peer.stdout.String(); said != "" {
			t.Errorf("the reference complains:\n%s", said)
		}
		wantQuietEnd(t, server)
	})
}

func TestReferenceAsServer(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		peer := start(t, nil, python(t), "-B", "testdata/reference.py", reference(t), "server")
		announced := peer.announced(&peer.stdout, port)
		addr := "127.0.0.1:" + announced
		converse(t, addr, engine.Backend(backend))
		echoThroughConnect(t, addr)
		if said := peer.stdout.String(); said != announced+"\n" {
			t.Errorf("the reference complains:\n%s", said)
		}
		if peer.over() {
			t.Errorf("the reference has ended: %v", peer.cmd.ProcessState)
		}
	})
}

// wantQuietEnd ends a server, which must have nothing to complain about.
func wantQuietEnd(t *testing.T, server *process) {
	t.Helper()
	server.signal(syscall.SIGTERM)
	server.wantStatus(0)
	if log := server.stderr.String(); strings.Contains(log, "level=WARN") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the server logs:\n%s", log)
	}
}

// converse talks, as a client, to a server that echoes: over ten streams at once, one of which carries
// much more than a window.
func converse(t *testing.T, addr string, backend engine.Backend) {
	t.Helper()
	session := dial(t, addr, engine.Config{Backend: backend})
	var echoes sync.WaitGroup
	var streams []*engine.Stream
	for i := range 10 {
		stream := open(t, session, "echo")
		streams = append(streams, stream)
		text := []byte(fmt.Sprintf("This is stream %d. ", i))
		if i == 3 {
			text = noise(1 << 20)
		}
		echoes.Go(func() {
			if err := echo(stream, text); err != nil {
				t.Errorf("stream %d: %v", i, err)
			}
		})
	}
	if _, err := session.Ping(within(t)); err != nil {
		t.Error("ping:", err)
	}
	echoes.Wait()
	for _, stream := range streams {
		if err := stream.Close(); err != nil {
			t.Error("close:", err)
		}
	}
	// A CLOSE that is not acknowledged would leave its channel for five seconds.
	begun := time.Now()
	eventually(t, "the end of all channels", func() bool { return session.Stats().Channels == 0 })
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("closing took %v", took)
	}
	if err := session.Err(); err != nil {
		t.Error("the session has ended:", err)
	}
	if err := session.Close(); err != nil {
		t.Error("closing the session:", err)
	}
	if s := session.Stats(); len(s.ErrorsSent)+len(s.ErrorsReceived) > 0 || s.LateFrames > 0 {
		t.Errorf("errors sent %v, received %v, late frames %d", s.ErrorsSent, s.ErrorsReceived, s.LateFrames)
	}
}

// echo sends a text and wants it back.
func echo(stream *engine.Stream, text []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := stream.Write(text)
		sent <- err
	}()
	got := make([]byte, len(text))
	_, err := io.ReadFull(stream, got)
	if err != nil {
		stream.Close() // so that Write returns
	}
	if err := errors.Join(err, <-sent); err != nil {
		return err
	}
	if !bytes.Equal(got, text) {
		return fmt.Errorf("the echo of %d bytes differs", len(text))
	}
	return nil
}

// echoThroughConnect has sscd connect send more than a window through a server that echoes.
func echoThroughConnect(t *testing.T, addr string) {
	t.Helper()
	sent := noise(300 << 10)
	connect(t, bytes.NewReader(sent), addr, "echo").wantEcho(sent)
}
