package netio

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// goodbye is ERROR on channel 0.
func goodbye(code codec.Code, reason string) []byte {
	return frame(codec.Error, 0, append(binary.BigEndian.AppendUint32(nil, uint32(code)), reason...))
}

// failing returns a connection that has failed to write its first frame, and what its reader reads next. If
// that is closed the reader reads on to wherever the transport's end is.
func failing(t *testing.T, boom error, paused bool) (s *side, next chan []byte) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	next = make(chan []byte, 2)
	s = start(t, &shim{
		Conn:  ours,
		write: func([]byte) (int, error) { return 0, boom },
		read: func(p []byte) (int, error) {
			if b := <-next; b != nil {
				return copy(p, b), nil
			}
			return ours.Read(p)
		},
	}, false)
	synctest.Wait() // the reader reads
	if paused {
		s.inside(func() { s.conn.WantRead(false) })
	}
	next <- frame(codec.Open, 1, nil)
	synctest.Wait()
	return s, next
}

// What the peer said before a write failed explains the end: it is read first.
func TestTheLastWordsAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, next := failing(t, errors.New("boom"), false)
		time.Sleep(lastWords / 2)
		next <- frame(codec.Data, 1, []byte("last words"))
		next <- goodbye(codec.Calm, "too much")
		close(next)
		s.wantOver()
		if string(s.received) != "last words" {
			t.Errorf("received %q", s.received)
		}
		if end := s.end(); end.Code != codec.Calm || !end.Remote {
			t.Errorf("the end: %+v", end)
		}
	})
}

// If there are none, the failed write is the reason, even if the peer's direction ends properly; it is told
// when nothing more can come, and soon at any rate.
func TestNoLastWords(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name   string
		paused bool
		then   func(s *side, next chan []byte)
		after  time.Duration
	}{
		{"the peer is silent", false, func(*side, chan []byte) {}, lastWords},
		{"the peer has ended its direction", false, func(s *side, next chan []byte) {
			s.conn.nc.(*shim).read = func([]byte) (int, error) { return 0, io.EOF }
			next <- frame(codec.Data, 1, []byte("x"))
		}, 0},
		{"reading is paused", true, func(*side, chan []byte) {}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				s, next := failing(t, boom, c.paused)
				c.then(s, next)
				close(next)
				s.wantOver()
				if took := time.Since(begin); took != c.after {
					t.Errorf("ended after %v, want %v", took, c.after)
				}
				if end := s.end(); !errors.Is(end.Err, boom) {
					t.Errorf("the end: %+v", end)
				}
			})
		})
	}
}

// The application need not wait for the last words.
func TestAbortAfterAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s, next := failing(t, errors.New("boom"), false)
		close(next)
		s.conn.Abort(core.End{Code: codec.Cancelled})
		s.wantOver()
		if took := time.Since(begin); took != overdueAfter {
			t.Errorf("ended after %v", took)
		}
		if end := s.end(); end.Code != codec.Cancelled {
			t.Errorf("the end: %+v", end)
		}
	})
}

// A peer says why it ends the connection, and closes its socket without having read what came: a write that
// waits fails with a reset. What it said is in the kernel, behind what the application is busy with.
func TestAResetBehindTheLastWords(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			for range 20 {
				ours, theirs := socketPair(t, network)
				ours.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4096)
				s := start(t, ours, false)
				busy, free := make(chan bool), make(chan bool)
				s.onData = func(core.Handle, []byte) { busy <- true; <-free }
				p := newPeer(t, theirs)
				for id := uint32(1); id < 200; id += 2 {
					p.say(frame(codec.Open, id, nil), grant(id, 1<<20))
				}
				until(t, "the channels", func() bool { return len(s.opened()) == 100 })
				msg := pattern(60_000, 0)
				for _, ch := range s.opened() {
					s.send(ch, msg)
				}
				p.say(frame(codec.Data, 1, []byte("x")))
				<-busy
				p.say(goodbye(codec.Calm, "too much"))
				theirs.Close()
				close(free)
				s.wantOver()
				if end := s.end(); end.Code != codec.Calm || !end.Remote {
					t.Fatalf("the end: %+v", end)
				}
			}
		})
	}
}
