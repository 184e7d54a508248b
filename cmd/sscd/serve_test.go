package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

// serving finds the address in what sscd serve logs.
var serving = regexp.MustCompile(`msg=serving addr=(\S+)`)

// serve starts sscd serve and returns it with the address it listens on.
func serve(t *testing.T, args ...string) (server *process, addr string) {
	t.Helper()
	server = start(t, nil, sscd, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	return server, server.announced(&server.stderr, serving)
}

// eachBackend runs a test for each backend of the server.
func eachBackend(t *testing.T, test func(t *testing.T, backend string)) {
	t.Parallel()
	for _, backend := range []string{"epoll", "net"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			test(t, backend)
		})
	}
}

// checkSource checks that b is what a source of len(b) bytes sends.
func checkSource(t *testing.T, b []byte) {
	t.Helper()
	for i, c := range b {
		if c != byte(i) {
			t.Fatalf("byte %d of the source is %#x", i, c)
		}
	}
}

func TestDrainLetsChannelsFinish(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		server, addr := serve(t, "--backend", backend)
		session := dial(t, addr, engine.Config{})

		// A transfer is under way, most of which the windows hold back,
		const size = 8 << 20
		stream := open(t, session, fmt.Sprint("source:", size))
		got := make([]byte, size)
		if _, err := io.ReadFull(stream, got[:size/8]); err != nil {
			t.Fatal(err)
		}
		// when the server is told to end. It takes nothing new,
		server.signal(syscall.SIGTERM)
		eventually(t, "the end of listening", func() bool {
			nc, err := net.Dial("tcp", addr)
			if err == nil {
				nc.Close()
			}
			return err != nil
		})
		eventually(t, "the refusal of a channel", func() bool {
			late, err := session.Open(within(t), engine.OpenOptions{})
			if err == nil {
				late.Close()
				return false
			}
			var refused *engine.ChannelError
			return errors.As(err, &refused) && refused.Code == engine.Refused
		})
		// but what has begun ends as it should.
		if _, err := io.ReadFull(stream, got[size/8:]); err != nil {
			t.Fatal(err)
		}
		checkSource(t, got)
		if n, err := stream.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("behind the source come %d bytes, %v", n, err)
		}
		server.wantStatus(0)
		if !strings.Contains(server.stderr.String(), "msg=ended") {
			t.Errorf("the server logs:\n%s", server.stderr.String())
		}
	})
}

func TestDrainWaitsForClients(t *testing.T) {
	t.Parallel()
	server, addr := serve(t)
	in, out := pipe(t)
	client := connect(t, in, addr, "echo")

	// Half of a conversation has been held when the server is told to end; the other half follows.
	sent := noise(512 << 10)
	say := func(p []byte) {
		if _, err := out.Write(p); err != nil {
			t.Error(err)
		}
	}
	say(sent[:len(sent)/2])
	eventually(t, "half of the echo", func() bool { return client.stdout.len() == len(sent)/2 })
	server.signal(syscall.SIGTERM)
	eventually(t, "the drain", func() bool { return strings.Contains(server.stderr.String(), "msg=draining") })
	say(sent[len(sent)/2:])
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	client.wantEcho(sent)
	server.wantStatus(0)
}

// Who does not want to wait for the drain says so with a second signal.
func TestSecondSignalEndsTheDrain(t *testing.T) {
	server, addr := serve(t)
	open(t, dial(t, addr, engine.Config{}), "echo")
	server.signal(syscall.SIGTERM)
	eventually(t, "the drain", func() bool { return strings.Contains(server.stderr.String(), "msg=draining") })
	eventually(t, "the end", func() bool {
		server.cmd.Process.Signal(syscall.SIGTERM) // which fails once it has ended
		return server.over()
	})
	if how := server.cmd.ProcessState.Sys().(syscall.WaitStatus); !how.Signaled() || how.Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v", server.cmd.ProcessState)
	}
}

func TestDrainDeadlineIsNoCleanEnd(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		server, addr := serve(t, "--backend", backend, "--drain", "200ms")
		stream := open(t, dial(t, addr, engine.Config{}), "echo")
		server.signal(syscall.SIGTERM)
		server.wantStatus(0)
		if _, err := stream.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("the channel that was cut off ended with %v", err)
		}
	})
}

func TestBusyPort(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		_, addr := serve(t, "--backend", backend)
		second := start(t, nil, sscd, "serve", "--backend", backend, "--listen", addr)
		second.wantComplaint(1, addr+": ")
		if !strings.Contains(second.stderr.String(), "address already in use") {
			t.Errorf("it says %s", second.stderr.String())
		}
	})
}

func TestInsecureAllowsAnyAddress(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, "--insecure", "--listen", "0.0.0.0:0")
	if !strings.Contains(addr, ":") || strings.HasPrefix(addr, "127.") {
		t.Errorf("it serves %s", addr)
	}
}

func TestUnixSocket(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		addr := unixAddr(t)
		serve(t, "--backend", backend, "--listen", addr)
		sent := noise(1 << 20)
		connect(t, bytes.NewReader(sent), addr, "echo").wantEcho(sent)
		second := start(t, nil, sscd, "serve", "--backend", backend, "--listen", addr)
		second.wantComplaint(1, "address already in use")
	})
}

func TestUnixSocketCanBeServedAgain(t *testing.T) {
	eachBackend(t, func(t *testing.T, backend string) {
		addr := unixAddr(t)
		for range 2 {
			server, _ := serve(t, "--backend", backend, "--listen", addr)
			server.signal(syscall.SIGTERM)
			server.wantStatus(0)
		}
	})
}

// unixAddr returns an address for a Unix socket.
func unixAddr(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sscd") // t.TempDir may be too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "unix:" + filepath.Join(dir, "socket")
}
