//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine"
)

// collector keeps what comes on a channel, and says so at its end.
type collector struct {
	opens  chan engine.Channel
	closes chan error
	ends   chan []byte
	got    []byte
}

func newCollector() *collector {
	return &collector{make(chan engine.Channel, 10), make(chan error, 10), make(chan []byte, 10), nil}
}

func (c *collector) OnOpen(ch engine.Channel, _ engine.OpenRequest) engine.Answer {
	c.opens <- ch
	return engine.Answer{}
}

func (c *collector) OnData(_ engine.Channel, p []byte)   { c.got = append(c.got, p...) }
func (c *collector) OnEnd(engine.Channel)                { c.ends <- c.got }
func (c *collector) OnWritable(engine.Channel)           {}
func (c *collector) OnClose(_ engine.Channel, err error) { c.ends <- c.got; c.closes <- err }
func (c *collector) pair(t *testing.T, b engine.Backend, base bool) (ch engine.Channel, own minimal) {
	t.Helper()
	own = newMinimal()
	cfg := engine.Config{Handler: own}
	if base {
		cfg.Profile = engine.BaseOnly
	}
	conn := enginePair(t, b, cfg, engine.Config{Handler: c})
	ch, err := conn.Open(engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	took(t, "the acceptance", own.opens)
	return ch, own
}

// randomFile is a file of n bytes and what is in it.
func randomFile(t *testing.T, n int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	r.Read(content)
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A range of a file arrives between what is sent before and behind it, in either profile, from memory and from disk.
func TestSendFile(t *testing.T) {
	path, content := randomFile(t, 2<<20+12345)
	for _, base := range []bool{false, true} {
		for _, r := range []struct{ off, n int }{
			{0, len(content)}, {1, 1}, {4095, 100}, {100_000, 65_536}, {12_345, 1 << 20}, {len(content), 0}, {0, 65_537},
		} {
			t.Run(fmt.Sprintf("base %v, %d from %d", base, r.n, r.off), func(t *testing.T) {
				onBackends(t, func(t *testing.T, b engine.Backend) {
					peer := newCollector()
					ch, own := peer.pair(t, b, base)
					f := openFile(t, path)
					if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
						t.Fatal(err)
					}
					err := errors.Join(ch.Send([]byte("before")), ch.SendFile(f, int64(r.off), int64(r.n)),
						ch.Send([]byte("behind")), ch.Close())
					if err != nil {
						t.Fatal(err)
					}
					want := append(append([]byte("before"), content[r.off:][:r.n]...), "behind"...)
					if got := took(t, "the file", peer.ends); !bytes.Equal(got, want) {
						t.Errorf("%d bytes came, not the %d that were sent", len(got), len(want))
					}
					if err := took(t, "the end", own.closes); err != nil {
						t.Error(err)
					}
					if err := f.Close(); !errors.Is(err, os.ErrClosed) {
						t.Errorf("the file was not closed: %v", err)
					}
					ch.Conn().Close()
				})
			})
		}
	}
}

// A file ends a direction like any other message.
func TestSendFileAndHalfClose(t *testing.T) {
	path, content := randomFile(t, 200_000)
	onBackends(t, func(t *testing.T, b engine.Backend) {
		peer := newCollector()
		ch, _ := peer.pair(t, b, false)
		if err := errors.Join(ch.SendFile(openFile(t, path), 0, 200_000), ch.CloseWrite()); err != nil {
			t.Fatal(err)
		}
		if got := took(t, "the end of the file", peer.ends); !bytes.Equal(got, content) {
			t.Errorf("%d other bytes", len(got))
		}
	})
}

// Many files at a time share a connection, and one that ends early leaves the others alone.
func TestManyFiles(t *testing.T) {
	const n = 3 << 20
	path, content := randomFile(t, n)
	onBackends(t, func(t *testing.T, b engine.Backend) {
		peers := &listeners{opens: make(chan engine.Channel, 100), got: make(map[engine.Channel][]byte)}
		own := &listeners{opens: make(chan engine.Channel, 100)}
		c := enginePair(t, b, engine.Config{Handler: own}, engine.Config{Handler: peers})
		var reset engine.Channel
		for i := range 21 {
			ch, err := c.Open(engine.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := ch.SendFile(openFile(t, path), 0, n); err != nil {
				t.Fatal(err)
			}
			if i == 10 {
				reset = ch
			}
		}
		for range 21 {
			took(t, "a channel", peers.opens)
		}
		reset.Reset(engine.Cancelled)
		eventually(t, func() (bool, string) {
			peers.mu.Lock()
			defer peers.mu.Unlock()
			whole := 0
			for _, got := range peers.got {
				if bytes.Equal(got, content) {
					whole++
				}
			}
			return whole >= 20, fmt.Sprintf("%d files are there", whole)
		})
	})
}

// What can't be sent is said, and stays the caller's.
func TestSendFileRefuses(t *testing.T) {
	path, _ := randomFile(t, 1000)
	dir := openFile(t, t.TempDir())
	defer dir.Close()
	f := openFile(t, path)
	defer f.Close()
	onBackends(t, func(t *testing.T, b engine.Backend) {
		ch, _ := newCollector().pair(t, b, false)
		if err := ch.SendFile(dir, 0, 0); !errors.Is(err, engine.ErrNotRegular) {
			t.Errorf("a directory: %v", err)
		}
		for _, r := range [][2]int64{{0, 1001}, {1000, 1}, {-1, 1}, {0, -1}, {1 << 62, 1 << 62}} {
			if err := ch.SendFile(f, r[0], r[1]); err == nil {
				t.Errorf("%d bytes from %d on are sent", r[1], r[0])
			}
		}
		if err := (engine.Channel{}).SendFile(f, 0, 1); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("no channel: %v", err)
		}
		if err := ch.Send([]byte("x")); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.Stat(); err != nil {
		t.Errorf("the file was taken: %v", err)
	}
}

// A file that is made shorter before a frame of it begins ends its channel, not the connection.
func TestFileThatShrinks(t *testing.T) {
	for _, base := range []bool{false, true} {
		onBackends(t, func(t *testing.T, b engine.Backend) {
			path, _ := randomFile(t, 1<<20)
			own, peer := newMinimal(), newMinimal() // which gives no window back
			cfg := engine.Config{Handler: own}
			if base {
				cfg.Profile = engine.BaseOnly
			}
			c := enginePair(t, b, cfg, engine.Config{Handler: peer})
			ch, err := c.Open(engine.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			theirs := took(t, "the channel", peer.opens)
			if err := ch.SendFile(openFile(t, path), 0, 1<<20); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, 1000); err != nil {
				t.Fatal(err)
			}
			theirs.Consume(1 << 20)
			var ended *engine.ChannelError
			if err := took(t, "the end", own.closes); !errors.As(err, &ended) || ended.Code != engine.Internal || ended.Remote {
				t.Errorf("%v", err)
			}
			if _, err := c.Open(engine.OpenOptions{}); err != nil {
				t.Errorf("the connection ended: %v", err)
			}
		})
	}
}

// gated is a connection that can be kept from reading.
type gated struct {
	net.Conn
	mu sync.Mutex // held while nothing is to be read
}

func (g *gated) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Conn.Read(p[:min(len(p), 1000)])
}

// A frame whose file is made shorter while it leaves is filled with zeros; the channel ends behind it, and the connection
// lives.
func TestFileThatShrinksUnderAFrame(t *testing.T) {
	path, content := randomFile(t, 1<<20)
	app, peer := newMinimal(), newCollector()
	server := startEngine(t, engine.Config{Handler: app, Socket: engine.SocketConfig{WriteBuffer: 4096}})
	addr, err := server.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	nc.(*net.TCPConn).SetReadBuffer(4096)
	g := &gated{Conn: nc}
	c, err := startEngine(t, engine.Config{Handler: peer}).Client(g)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(engine.OpenOptions{}); err != nil {
		t.Fatal(err)
	}
	ch := took(t, "the channel", app.opens)
	if _, err := c.Ping(soon(t)); err != nil { // all that was to be said has been
		t.Fatal(err)
	}
	g.mu.Lock()
	before := server.Stats().BytesOut
	if err := ch.SendFile(openFile(t, path), 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (bool, string) { return server.Stats().BytesOut > before+1000, "nothing leaves" })
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	g.mu.Unlock()
	var ended *engine.ChannelError
	if err := took(t, "the end", peer.closes); !errors.As(err, &ended) || ended.Code != engine.Internal || !ended.Remote {
		t.Errorf("%v", err)
	}
	got := took(t, "what came", peer.ends)
	whole := len(bytes.TrimRight(got, "\x00"))
	if len(got) != 65536 || whole == 65536 || !bytes.HasPrefix(content, got[:whole]) {
		t.Errorf("%d bytes came, %d of them of the file", len(got), whole)
	}
	if _, err := c.Ping(soon(t)); err != nil {
		t.Errorf("the connection ended: %v", err)
	}
}
