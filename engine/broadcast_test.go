//go:build linux

package engine_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/sscd-io/sscd/engine"
)

// listeners keeps what comes on each channel.
type listeners struct {
	opens chan engine.Channel
	mu    sync.Mutex
	got   map[engine.Channel][]byte
}

func (l *listeners) OnOpen(ch engine.Channel, _ engine.OpenRequest) engine.Answer {
	l.opens <- ch
	return engine.Answer{}
}

func (l *listeners) OnData(ch engine.Channel, p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got[ch] = append(l.got[ch], p...)
}

func (l *listeners) OnWritable(engine.Channel)     {}
func (l *listeners) OnClose(engine.Channel, error) {}

// all returns whether each of n channels got want.
func (l *listeners) all(n int, want []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, got := range l.got {
		if !bytes.Equal(got, want) {
			return false
		}
	}
	return len(l.got) == n
}

// A message for many channels of many connections reaches each whole and in its place among others.
func TestBroadcast(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		const conns, channels = 8, 200
		app := &listeners{opens: make(chan engine.Channel, conns*channels), got: make(map[engine.Channel][]byte)}
		server := startEngine(t, engine.Config{Backend: b, Handler: app})
		addr, err := server.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		peers := &listeners{got: make(map[engine.Channel][]byte)}
		client := startEngine(t, engine.Config{Backend: b, Handler: peers})
		for range conns {
			c, err := client.Dial(soon(t), addr.String())
			if err != nil {
				t.Fatal(err)
			}
			for range channels {
				if _, err := c.Open(engine.OpenOptions{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var to []engine.Channel
		for range conns * channels {
			to = append(to, took(t, "a channel", app.opens))
		}
		var want []byte
		for i, size := range []int{1, 64, 512, 513, 5000, 0, 20_000} {
			p := bytes.Repeat([]byte{byte('a' + i)}, size)
			server.Broadcast(p, to, func(ch engine.Channel, err error) { t.Errorf("%d bytes: %v", size, err) })
			want = append(want, p...)
			for _, ch := range to {
				if err := ch.Send([]byte{'.'}); err != nil {
					t.Fatal(err)
				}
			}
			want = append(want, '.')
		}
		eventually(t, func() (bool, string) { return peers.all(conns*channels, want), "messages are missing" })
		eventually(t, func() (bool, string) { return server.Stats().Memory == 0, "memory is still booked" })
	})
}

// Who does not take a message is told, and the others get it.
func TestBroadcastMisses(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		own, peer := newMinimal(), newMinimal()
		addr, err := startEngine(t, engine.Config{Backend: b, Handler: peer}).Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		e := startEngine(t, engine.Config{Backend: b, Handler: own, SendQueue: 1000})
		c, err := e.Dial(soon(t), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		var to []engine.Channel
		for range 3 {
			ch, err := c.Open(engine.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			took(t, "the acceptance", own.opens)
			to = append(to, ch)
		}
		to[0].Reset(engine.Cancelled)
		took(t, "the end", own.closes)
		if err := to[1].Send(make([]byte, 70_000)); err != nil { // more than a window, of which the peer grants nothing back
			t.Fatal(err)
		}
		want := map[engine.Channel]error{to[0]: engine.ErrClosed, to[1]: engine.ErrWouldBlock, {}: engine.ErrClosed}
		e.Broadcast(make([]byte, 900), append(to, engine.Channel{}), func(ch engine.Channel, err error) {
			if !errors.Is(err, want[ch]) {
				t.Errorf("%v: %v, want %v", ch, err, want[ch])
			}
			delete(want, ch)
		})
		if len(want) != 0 {
			t.Errorf("nothing is said of %v", want)
		}
		e.Broadcast(make([]byte, engine.MaxMessage+1), to[2:], func(_ engine.Channel, err error) {
			if want = nil; !errors.Is(err, engine.ErrTooLarge) {
				t.Error(err)
			}
		})
		if want != nil {
			t.Error("a message that is too large was taken")
		}
		e.Broadcast([]byte("x"), to[:1], nil)
	})
}
