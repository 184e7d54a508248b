package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/sock"
)

// listening is what the kernel says of the socket of an engine's Net listener.
func listening(t *testing.T, s SocketConfig, addr string) (o sock.Options, backlog uint32) {
	t.Helper()
	e, err := Start(Config{
		Handler: streams{accepted: func(*Session) {}}, Backend: Net, Socket: s, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if _, err := e.Listen(addr); err != nil {
		t.Fatal(err)
	}
	err = sock.Control(e.listeners[0].(*netListener).Listener, func(fd int) (err error) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			backlog = info.Sacked // tcp_get_info puts sk_max_ack_backlog there
			o, err = sock.Effective(fd)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return o, backlog
}

// What package net can't be told about a listener is told to the kernel.
func TestNetListenerSocket(t *testing.T) {
	plain, most := listening(t, SocketConfig{}, "127.0.0.1:0")
	if plain.ReusePort || most < 100 {
		t.Errorf("nothing is asked for: %+v, a backlog of %d", plain, most)
	}
	o, backlog := listening(t, SocketConfig{ReusePort: true, Backlog: 3}, "127.0.0.1:0")
	if !o.ReusePort || backlog != 3 {
		t.Errorf("SO_REUSEPORT and a backlog of 3 are asked for: %+v, %d", o, backlog)
	}
}

// eachBackend runs a test with the Config of each backend.
func eachBackend(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, b := range []Backend{Epoll, Net} {
		t.Run(string(b), func(t *testing.T) {
			f(t, Config{Backend: b, Loops: 2, Logger: slog.New(slog.DiscardHandler)})
		})
	}
}

// talk opens a session, and a stream on which something is said.
func talk(t *testing.T, l *Listener, addr string, cfg Config) {
	t.Helper()
	ctx := context.Background()
	client, err := Dial(ctx, addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	st, err := client.Open(ctx, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := server.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 5)
	if _, err := io.ReadFull(theirs, buf); err != nil || string(buf) != "hello" {
		t.Errorf("%q, %v", buf, err)
	}
}

// A Unix socket is written unix:name, or as a path; it is there as long as it is listened on, and can be
// listened on again, after Close as after a crash.
func TestUnixSockets(t *testing.T) {
	eachBackend(t, func(t *testing.T, cfg Config) {
		path := filepath.Join(t.TempDir(), "socket")
		for _, addr := range []string{path, "unix:" + path, fmt.Sprintf("unix:@sscd-test-%d", os.Getpid())} {
			for range 2 {
				l, err := Listen(addr, cfg)
				if err != nil {
					t.Fatalf("%s: %v", addr, err)
				}
				talk(t, l, addr, cfg)
				if _, err := Listen(addr, cfg); !errors.Is(err, unix.EADDRINUSE) {
					t.Errorf("%s is listened on: %v", addr, err)
				}
				talk(t, l, addr, cfg) // as if nobody had come in between
				l.Close()
				if _, err := os.Lstat(path); !os.IsNotExist(err) {
					t.Errorf("%s: the file after Close: %v", addr, err)
				}
			}
		}

		crashed, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		crashed.(*net.UnixListener).SetUnlinkOnClose(false)
		crashed.Close()
		l, err := Listen(path, cfg)
		if err != nil {
			t.Fatalf("after a crash: %v", err)
		}
		defer l.Close()
		talk(t, l, path, cfg)
	})
}

func TestUnixSocketWithReusePort(t *testing.T) {
	eachBackend(t, func(t *testing.T, cfg Config) {
		cfg.Socket = SocketConfig{ReusePort: true}
		path := filepath.Join(t.TempDir(), "socket")
		if _, err := Listen(path, cfg); !errors.Is(err, sock.ErrReusePort) {
			t.Errorf("%v", err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the file: %v", err)
		}
	})
}
