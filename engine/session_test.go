package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine"
	"github.com/sscd-io/sscd/engine/builtin"
	"github.com/sscd-io/sscd/pool"
)

// onSessions runs a test on a session of each kind, and checks that nothing is left of it.
func onSessions(t *testing.T, cfg engine.Config, f func(t *testing.T, client, server *engine.Session)) {
	onSessionsOf(t, cfg, cfg, f)
}

// onSessionsOf is onSessions with ends that differ.
func onSessionsOf(t *testing.T, ours, theirs engine.Config, f func(t *testing.T, client, server *engine.Session)) {
	ours.Logger, theirs.Logger = quiet, quiet
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			defer goleak.VerifyNone(t)
			client, server, stop := pairOf(t, kind, ours, theirs)
			defer stop()
			f(t, client, server)
		})
	}
}

// soon is a context for what must not take long.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func openStream(t *testing.T, s *engine.Session, o engine.OpenOptions) *engine.Stream {
	t.Helper()
	st, err := s.Open(soon(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func acceptStream(t *testing.T, s *engine.Session) *engine.Stream {
	t.Helper()
	st, err := s.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// What was written before a session is closed arrives, though nobody waited for anything.
func TestCloseLetsDataLeave(t *testing.T) {
	msg := bytes.Repeat([]byte("all of it "), 5000)
	for _, closed := range []bool{true, false} {
		t.Run(fmt.Sprintf("stream closed %v", closed), func(t *testing.T) {
			onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
				st := openStream(t, client, engine.OpenOptions{NoWait: true})
				if _, err := st.Write(msg); err != nil {
					t.Fatal(err)
				}
				if closed {
					st.Close()
				}
				go client.Close()
				got, err := io.ReadAll(acceptStream(t, server))
				if !bytes.Equal(got, msg) {
					t.Errorf("%d bytes of %d came", len(got), len(msg))
				}
				var ce *engine.ConnError
				if closed && err != nil || !closed && (!errors.As(err, &ce) || !ce.Remote || ce.Code != codec.Cancelled) {
					t.Errorf("then %v", err)
				}
				<-client.Done()
				if err := client.Err(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the session that was closed ended with %v", err)
				}
			})
		})
	}
}

// A session that is shut down lets its streams end, and takes no new ones.
func TestSessionShutdown(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		ours := openStream(t, client, engine.OpenOptions{})
		theirs := acceptStream(t, server)
		down := make(chan error, 1)
		go func() { down <- server.Shutdown(soon(t)) }()
		var refused *engine.ChannelError
		for err := error(nil); !errors.As(err, &refused); {
			var st *engine.Stream
			if st, err = client.Open(soon(t), engine.OpenOptions{}); err == nil {
				st.Close()
			}
		}
		if refused.Code != engine.Refused {
			t.Errorf("opening during the drain: %v", refused)
		}
		go theirs.Write([]byte("still here"))
		got := make([]byte, 10)
		if _, err := io.ReadFull(ours, got); err != nil {
			t.Errorf("reading during the drain: %v", err)
		}
		select {
		case err := <-down:
			t.Errorf("Shutdown returned %v while a stream was open", err)
		default:
		}
		ours.Close()
		theirs.Close()
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-client.Done()
	})
}

// Shutdown gives up when its context is done, and closes what is left.
func TestSessionShutdownGivesUp(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		st := openStream(t, client, engine.OpenOptions{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := client.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if _, err := st.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing afterwards: %v", err)
		}
		if _, err := client.Open(soon(t), engine.OpenOptions{}); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("opening afterwards: %v", err)
		}
	})
}

// While Close waits for what was written to leave, nothing can be opened any more, and what waits to be opened is not.
func TestOpenDuringClose(t *testing.T) {
	t.Run("then", func(t *testing.T) {
		onSessions(t, engine.Config{AcceptBacklog: 1 << 20}, func(t *testing.T, client, server *engine.Session) {
			st := openStream(t, client, engine.OpenOptions{})
			acceptStream(t, server)
			go st.Write(make([]byte, 1<<20)) // which nobody reads
			go func() {
				for {
					st, err := server.Accept(context.Background())
					if err != nil {
						return
					}
					st.Close()
				}
			}()
			closed := make(chan error, 1)
			settles(t, "sends that waited", func() bool { return client.Stats().SendsBlocked > 0 }, true)
			go func() { closed <- client.Close() }()
			for err := error(nil); err == nil; {
				var st *engine.Stream
				if st, err = client.Open(soon(t), engine.OpenOptions{}); err == nil {
					st.Close()
				} else if !errors.Is(err, engine.ErrClosed) {
					t.Error(err)
				}
			}
			if err := <-closed; err != nil {
				t.Error("Close:", err)
			}
		})
	})
	t.Run("before", func(t *testing.T) {
		const opens = 10
		a, b := net.Pipe() // that takes nothing
		defer b.Close()
		s, err := engine.Server(a, engine.Config{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, opens)
		for range opens {
			go func() {
				_, err := s.Open(context.Background(), engine.OpenOptions{})
				ended <- err
			}()
		}
		settles(t, "channels", func() int { return s.Stats().Channels }, opens)
		s.Close()
		for range opens {
			if err := <-ended; !errors.Is(err, engine.ErrClosed) {
				t.Error(err)
			}
		}
	})
}

// A stream that the peer has reset still counts until it is closed: a peer that opens and resets gets no
// more of this side's goroutines than channels.
func TestStreamsCountUntilClosed(t *testing.T) {
	onSessions(t, engine.Config{MaxChannels: 2}, func(t *testing.T, client, server *engine.Session) {
		var held []*engine.Stream
		for range 2 {
			st := openStream(t, client, engine.OpenOptions{})
			held = append(held, acceptStream(t, server))
			st.Reset(engine.Cancelled)
			if _, err := held[len(held)-1].Read(make([]byte, 1)); err == nil {
				t.Error("a stream that was reset can be read")
			}
		}
		var refused *engine.ChannelError
		if _, err := client.Open(soon(t), engine.OpenOptions{}); !errors.As(err, &refused) {
			t.Errorf("a third stream while two are held: %v", err)
		}
		for _, st := range held {
			st.Close()
			st.Close()
		}
		for start := time.Now(); ; time.Sleep(time.Millisecond) {
			st, err := client.Open(soon(t), engine.OpenOptions{})
			if err == nil {
				st.Close()
				break
			}
			if time.Since(start) > 10*time.Second {
				t.Fatalf("a stream after they were closed: %v", err)
			}
		}
	})
}

// A stream that is reset before anybody accepts it is not there any more; one that is closed is.
func TestBacklogForgetsWhatWasReset(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		for range 10 {
			openStream(t, client, engine.OpenOptions{Target: "reset"}).Reset(engine.Cancelled)
		}
		openStream(t, client, engine.OpenOptions{Target: "closed"}).Close()
		openStream(t, client, engine.OpenOptions{Target: "open"})
		for _, want := range []string{"closed", "open"} {
			st := acceptStream(t, server)
			if st.Target() != want {
				t.Errorf("accepted %q, want %q", st.Target(), want)
			}
			st.Close()
		}
	})
}

// Sessions that nobody accepts are bounded; those that have ended make room.
func TestSessionsWaitInBounds(t *testing.T) {
	const most = 4096
	l, err := engine.Listen("127.0.0.1:0", engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	var waiting []net.Conn
	for range most {
		waiting = append(waiting, dial())
	}
	settles(t, "connections", func() int { return l.Stats().Conns }, most)
	extra := dial()
	defer extra.Close()
	extra.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := extra.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("one more session: %v, want its end", err)
	}
	for _, nc := range waiting {
		nc.Close()
	}
	settles(t, "connections", func() int { return l.Stats().Conns }, 0)
	s, err := engine.Dial(soon(t), l.Addr().String(), engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ping(soon(t)); err != nil {
		t.Errorf("a session when there is room again: %v", err)
	}
}

// Shutdown and Close meet connections that are just coming up, from several goroutines.
func TestEndsWhileConnectionsComeUp(t *testing.T) {
	defer goleak.VerifyNone(t)
	for i := range 50 {
		e, err := engine.Start(engine.Config{Handler: builtin.New(), Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				a, b := net.Pipe()
				defer b.Close()
				e.Server(a)
			})
			wg.Go(func() {
				if i%2 == 0 {
					e.Close()
				} else if err := e.Shutdown(soon(t)); err != nil {
					t.Error(err)
				}
				if n := e.Stats().Conns; n != 0 {
					t.Errorf("%d connections after the end", n)
				}
			})
		}
		wg.Wait()
		e.Close()
	}
}

// A buffer that could not be sent is still the caller's.
func TestSendBufAfterTheEnd(t *testing.T) {
	e, err := engine.Start(engine.Config{Handler: builtin.New(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	defer b.Close()
	go io.Copy(io.Discard, b)
	c, err := e.Client(a)
	if err != nil {
		t.Fatal(err)
	}
	ch, err := c.Open(engine.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	buf := new(pool.Pool).Copy([]byte("mine"))
	if err := ch.SendBuf(buf); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("SendBuf: %v", err)
	}
	if string(buf.B) != "mine" {
		t.Errorf("the buffer holds %q", buf.B)
	}
	buf.Release()
	if err := ch.Send(nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("sending nothing on a channel that has ended: %v", err)
	}
	if _, err := c.Open(engine.OpenOptions{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Open: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*engine.Config)
	}{
		{"Timeouts.Stall", func(c *engine.Config) { c.Timeouts.Stall = -1 }},
		{"Timeouts.NoWindow", func(c *engine.Config) { c.Timeouts.NoWindow = 8 * 24 * time.Hour }},
		{"FrameSize", func(c *engine.Config) { c.FrameSize = 1<<20 + 1 }},
		{"SendQueue", func(c *engine.Config) { c.SendQueue = 16<<20 + 1 }},
		{"SendLow", func(c *engine.Config) { c.SendLow = 16<<20 + 1 }},
		{"Backend", func(c *engine.Config) { c.Backend = "carrier pigeon" }},
		{"Handler", func(c *engine.Config) { c.Handler = nil }},
	} {
		cfg := engine.Config{Handler: builtin.New()}
		c.set(&cfg)
		if _, err := engine.Start(cfg); err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.name)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Whoever hands over a connection need not close it, also if no session comes of it.
func TestBadConfigClosesTheConnection(t *testing.T) {
	for what, session := range map[string]func(net.Conn, engine.Config) (*engine.Session, error){
		"Client": engine.Client, "Server": engine.Server,
	} {
		for _, cfg := range []engine.Config{{Handler: builtin.New()}, {SendQueue: -1}} {
			a, b := net.Pipe()
			if _, err := session(a, cfg); err == nil {
				t.Errorf("%s takes %+v", what, cfg)
			}
			b.SetReadDeadline(time.Now().Add(patience))
			if _, err := b.Read([]byte{0}); err != io.EOF {
				t.Errorf("%s leaves the connection: %v", what, err)
			}
			b.Close()
		}
	}
}

// overPipe returns the sessions at both ends of a pipe, and the server's end of it.
func overPipe(t *testing.T) (client, server *engine.Session, end net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	client, err := engine.Client(a, engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	server, err = engine.Server(b, engine.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return client, server, b
}

// A transport that just ends is io.EOF, and io.ErrUnexpectedEOF with a stream on it.
func TestErrOfAnEnd(t *testing.T) {
	for streams, want := range []error{io.EOF, io.ErrUnexpectedEOF} {
		client, server, b := overPipe(t)
		if _, err := client.Ping(soon(t)); err != nil {
			t.Fatal(err)
		}
		for range streams {
			openStream(t, client, engine.OpenOptions{})
		}
		b.Close()
		<-client.Done()
		if err := client.Err(); !errors.Is(err, want) {
			t.Errorf("with %d streams: %v", streams, err)
		}
		client.Close()
		server.Close()
	}
}
