package engine_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/sscd-io/sscd/engine"
)

// pair is two ends of a session over a transport of the given kind.
func pair(t testing.TB, kind string, cfg engine.Config) (client, server *engine.Session, stop func()) {
	t.Helper()
	return pairOf(t, kind, cfg, cfg)
}

// pairOf is pair of ends that differ.
func pairOf(t testing.TB, kind string, ours, theirs engine.Config) (client, server *engine.Session, stop func()) {
	t.Helper()
	switch kind {
	case "pipe":
		a, b := net.Pipe()
		client, err := engine.Client(a, ours)
		if err != nil {
			t.Fatal(err)
		}
		server, err := engine.Server(b, theirs)
		if err != nil {
			t.Fatal(err)
		}
		return client, server, func() { client.Close(); server.Close() }
	default:
		ours.Backend, theirs.Backend = engine.Backend(kind), engine.Backend(kind)
	}
	l, err := engine.Listen("127.0.0.1:0", theirs)
	if err != nil {
		t.Fatal(err)
	}
	client, err = engine.Dial(context.Background(), l.Addr().String(), ours)
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return client, server, func() { client.Close(); l.Close() }
}

// kinds are the transports of streams: a pipe, and all backends.
var kinds = func() []string {
	all := []string{"pipe"}
	for _, b := range engine.Backends() {
		all = append(all, string(b))
	}
	return all
}()

func TestNetConn(t *testing.T) {
	subtests := make(map[string]func(t *testing.T))
	for _, kind := range kinds {
		subtests[kind] = func(t *testing.T) {
			nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
				client, server, stop := pair(t, kind, engine.Config{})
				s1, err := client.Open(context.Background(), engine.OpenOptions{})
				if err != nil {
					return nil, nil, nil, err
				}
				s2, err := server.Accept(context.Background())
				if err != nil {
					return nil, nil, nil, err
				}
				return s1, s2, stop, nil
			})
		}
	}
	atOnce(t, subtests)
}

// A Write whose bytes were all taken has succeeded, also if the peer has read them and closed the stream before it
// returns.
func TestWriteThatWasTakenSucceeds(t *testing.T) {
	subtests := make(map[string]func(t *testing.T))
	for _, kind := range kinds {
		subtests[kind] = func(t *testing.T) {
			client, server, stop := pair(t, kind, engine.Config{})
			defer stop()
			for range 500 {
				ours, err := client.Open(context.Background(), engine.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := server.Accept(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					var b [8]byte
					io.ReadFull(theirs, b[:])
					theirs.Close()
				}()
				if n, err := ours.Write(make([]byte, 8)); n != 8 || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
				ours.Close()
			}
		}
	}
	atOnce(t, subtests)
}

// A stream that was closed is gone, though it had a deadline, and can have no new one.
func TestDeadlinesKeepNoStream(t *testing.T) {
	const streams = 50
	client, server, stop := pair(t, "pipe", engine.Config{Logger: quiet})
	defer stop()
	var freed atomic.Int32
	for range streams {
		st := openStream(t, client, engine.OpenOptions{})
		runtime.SetFinalizer(st, func(*engine.Stream) { freed.Add(1) })
		later := time.Now().Add(time.Hour)
		st.SetDeadline(later)
		st.Close()
		for _, set := range []func(time.Time) error{st.SetDeadline, st.SetReadDeadline, st.SetWriteDeadline} {
			if err := set(later); !errors.Is(err, engine.ErrClosed) {
				t.Error("a deadline after Close:", err)
			}
		}
		acceptStream(t, server).Close()
	}
	eventually(t, func() (bool, string) {
		runtime.GC()
		return freed.Load() > streams/2, "streams that are closed wait for their deadlines"
	})
}

// Who ends reading before all is read has not read to the end, though that has come.
func TestCloseReadOfWhatHasEnded(t *testing.T) {
	onSessions(t, engine.Config{}, func(t *testing.T, client, server *engine.Session) {
		ours, theirs := openStream(t, client, engine.OpenOptions{}), acceptStream(t, server)
		theirs.Write([]byte("unread"))
		theirs.Close()
		settles(t, "channels of the peer", func() int { return server.Stats().Channels }, 0) // so the end is here
		ours.CloseRead()
		if n, err := ours.Read(make([]byte, 10)); n != 0 || !errors.Is(err, engine.ErrClosed) {
			t.Errorf("%d bytes, %v", n, err)
		}
		ours.Close()
	})
}
