//go:build linux

package epollio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// listeners counts the sockets of this system that listen on a port.
func listeners(t *testing.T, port int) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(table), "\n") {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "0A" { // TCP_LISTEN
			n++
		}
	}
	return n
}

// An engine listens with one socket, or with one for each loop, on the same port; connections are served
// wherever the kernel puts them, and all sockets are closed in the end.
func TestListeningSockets(t *testing.T) {
	const loops = 4
	for _, reuse := range []bool{false, true} {
		e, err := engine.Start(engine.Config{
			Handler: builtin.New(), Backend: engine.Epoll, Loops: loops, Socket: engine.SocketConfig{ReusePort: reuse},
		})
		if err != nil {
			t.Fatal(err)
		}
		addr, err := e.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := addr.(*net.TCPAddr).Port
		want := 1
		if reuse {
			want = loops
		}
		if n := listeners(t, port); n != want {
			t.Errorf("SO_REUSEPORT %v: %d sockets listen, want %d", reuse, n, want)
		}
		for range 20 {
			s, err := engine.Dial(context.Background(), addr.String(), engine.Config{})
			if err != nil {
				t.Fatal(err)
			}
			st, err := s.Open(context.Background(), engine.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			buf := []byte("echo")
			st.Write(buf)
			if _, err := io.ReadFull(st, buf); err != nil || string(buf) != "echo" {
				t.Errorf("SO_REUSEPORT %v: %q, %v", reuse, buf, err)
			}
			s.Close()
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if n := listeners(t, port); n != 0 {
			t.Errorf("SO_REUSEPORT %v: %d sockets listen after Close", reuse, n)
		}
	}
}
