//go:build linux

package engine_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
)

// listenRaw is a listener whose sessions a raw peer talks to.
func listenRaw(t *testing.T, b engine.Backend) (*engine.Listener, *rawPeer) {
	t.Helper()
	l, err := engine.Listen("127.0.0.1:0", engine.Config{Backend: b, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, dialRaw(t, l.Addr().String())
}

func acceptSession(t *testing.T, l *engine.Listener) *engine.Session {
	t.Helper()
	s, err := l.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A peer that leaves its socket and a channel open does not keep Session.Close from returning.
func TestCloseNeedsNoPeer(t *testing.T) {
	onBackendsAtOnce(t, func(t *testing.T, b engine.Backend) {
		l, p := listenRaw(t, b)
		p.send("OPEN 1")
		s := acceptSession(t, l)
		acceptStream(t, s)
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Close does not return")
		}
		settles(t, "connections", func() int { return l.Stats().Conns }, 0)
	})
}

// A question that ends with FIN gets its answer, also if the server closes everything behind it at once.
func TestAnAnswerToFin(t *testing.T) {
	for _, closes := range []bool{false, true} {
		onBackends(t, func(t *testing.T, b engine.Backend) {
			l, p := listenRaw(t, b)
			go func() {
				s, err := l.Accept(context.Background())
				if err != nil {
					return
				}
				st, err := s.Accept(context.Background())
				if err != nil {
					return
				}
				st.Read(make([]byte, 100))
				time.Sleep(20 * time.Millisecond) // it thinks
				st.Write(make([]byte, 30_000))
				st.Close()
				if closes {
					s.Close()
				}
			}()
			p.send("OPEN 1", "DATA 1 100")
			p.conn.CloseWrite()
			got, closed := 0, false
			for !closed {
				f, err := p.next(patience)
				if err != nil {
					t.Fatalf("after %d bytes of 30,000: %v", got, err)
				}
				if f.Type == codec.Data {
					got += len(f.Payload)
				}
				closed = f.Type == codec.Close
			}
			if got != 30_000 {
				t.Errorf("%d bytes of 30,000, then CLOSE", got)
			}
		})
	}
}

// opener opens a channel whenever one has ended.
type opener struct {
	engine.Handler
	mu  sync.Mutex
	log []string
}

func (o *opener) note(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log = append(o.log, s)
}

func (o *opener) seen() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.log)
}

func (o *opener) OnConnect(*engine.Conn)           {}
func (o *opener) OnDisconnect(*engine.Conn, error) { o.note("disconnect") }

func (o *opener) OnClose(ch engine.Channel, err error) {
	o.note("close")
	if _, err := ch.Conn().Open(engine.OpenOptions{}); err == nil {
		o.note("open")
	}
}

// Who is told that a connection ends can open nothing on it any more, and hears of its end last.
func TestNothingIsOpenedAtTheEnd(t *testing.T) {
	o := &opener{Handler: builtin.New()}
	e, err := engine.Start(engine.Config{Handler: o, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a, b := net.Pipe()
	c, err := e.Client(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(engine.OpenOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(b, make([]byte, codec.HeaderSize)); err != nil { // OPEN
		t.Fatal(err)
	}
	b.Close()
	settles(t, "calls", func() int { return len(o.seen()) }, 2)
	if got := o.seen(); !slices.Equal(got, []string{"close", "disconnect"}) {
		t.Errorf("calls: %v", got)
	}
}

// A channel may be reset with any code, also with the one that says that a connection has ended: the
// connection goes on.
func TestAnyCodeResetsAChannelOnly(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		for code := codec.NoError; code <= codec.FirstApplicationCode; code++ {
			st := openStream(t, client, engine.OpenOptions{})
			theirs := acceptStream(t, server)
			st.Reset(code)
			if _, err := theirs.Read(make([]byte, 1)); err == nil {
				t.Errorf("code %v: a stream that was reset can be read", code)
			}
			theirs.Close()
		}
		openStream(t, client, engine.OpenOptions{}).Close()
	})
}

// Pings that a peer does not answer end with their contexts, however many they are; one that it answers is
// not taken for another.
func TestPingsWithoutAnswer(t *testing.T) {
	onBackends(t, func(t *testing.T, b engine.Backend) {
		l, p := listenRaw(t, b)
		p.send("OPEN 1")
		s := acceptSession(t, l)
		p.want("ACK 1")
		for range 20 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			if _, err := s.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a ping without an answer: %v", err)
			}
			cancel()
		}
		took := make(chan error, 1)
		go func() {
			_, err := s.Ping(soon(t))
			took <- err
			s.Close() // which the peer hears
		}()
		for f, _ := p.next(patience); f.Type == codec.Ping; f, _ = p.next(patience) {
			p.sendBytes(codec.Header{Type: codec.Pong}.Append(nil, f.Payload))
		}
		if err := <-took; err != nil {
			t.Errorf("a ping that was answered: %v", err)
		}
	})
}
