package netio

import (
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// blockedWrite returns a connection whose writer waits for a peer that does not read.
func blockedWrite(t *testing.T, timeless bool) *side {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { theirs.Close() })
	s := start(t, &shim{Conn: ours, timeless: timeless}, false)
	theirs.Write(frame(codec.Open, 1, nil)) // and the ACK is not read
	synctest.Wait()
	s.send(s.channels[0], pattern(30_000, 0))
	synctest.Wait()
	return s
}

// eachDeadlines runs f in a bubble for a transport with deadlines, and for one without.
func eachDeadlines(t *testing.T, f func(t *testing.T, timeless bool)) {
	for _, timeless := range []bool{false, true} {
		t.Run(map[bool]string{false: "deadlines", true: "no deadlines"}[timeless], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, timeless) })
		})
	}
}

// The application ends the connection while a write waits for a peer that does not read: that ends the
// write, soon. Session.Close and Engine.Close wait for it.
func TestABlockedWriteEnds(t *testing.T) {
	eachDeadlines(t, func(t *testing.T, timeless bool) {
		s := blockedWrite(t, timeless)
		begin := time.Now()
		s.conn.Abort(core.End{Code: codec.Cancelled})
		s.wantOver()
		if took := time.Since(begin); took > overdueAfter {
			t.Errorf("ended after %v", took)
		}
		if end := s.end(); end.Code != codec.Cancelled {
			t.Errorf("the end: %+v", end)
		}
	})
}

// A peer that does not read at all is given up after Timeouts.Stall. There are transports without
// deadlines: SSH channels, pipes of programs.
func TestAStalledWriteEnds(t *testing.T) {
	eachDeadlines(t, func(t *testing.T, timeless bool) {
		begin := time.Now()
		s := blockedWrite(t, timeless)
		time.Sleep(30 * time.Second)
		s.wantOver()
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("ended after %v", took)
		}
		if end := s.end(); end.Code != codec.Timeout {
			t.Errorf("the end: %+v", end)
		}
	})
}

// What is posted while a write waits is done: bursts, too, and what is posted after one was looked at.
func TestPostsAreDoneWhileAWriteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := blockedWrite(t, false)
		for range 3 {
			done := 0
			for range 100 {
				s.conn.Loop.Post(loop.Op{Kind: loop.Call, Conn: &s.lc, Func: func() { done++ }})
			}
			time.Sleep(overdueAfter)
			synctest.Wait()
			s.inside(func() {
				if done != 100 {
					t.Errorf("%d of 100 posts are done", done)
				}
			})
		}
		s.conn.Abort(core.End{Code: codec.Cancelled})
		s.wantOver()
	})
}

// While writes are quick, posting sets no timer for each of them: one is pending at most.
func TestOneWatchAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		s := serve(t, &shim{Conn: ours, write: func(p []byte) (int, error) {
			time.Sleep(time.Millisecond)
			return len(p), nil
		}}, true)
		defer theirs.Close()
		ch := s.open()
		watches, watched := 0, false
		begin := time.Now()
		for range 1000 {
			s.send(ch, []byte("x"))
			time.Sleep(100 * time.Microsecond)
			if now := s.conn.watched.Load(); now != watched {
				if watched = now; now {
					watches++
				}
			}
		}
		if limit := int(time.Since(begin)/overdueAfter) + 1; watches == 0 || watches > limit {
			t.Errorf("%d watches, want 1 to %d", watches, limit)
		}
	})
}

// A transport without deadlines whose Close takes its time: nobody waits for it inside, but over is called
// and Done closed only when it has returned, and it is called once.
func TestASlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		sh := &closer{shim: shim{Conn: ours, timeless: true}}
		s := start(t, sh, false)
		theirs.Write(frame(codec.Open, 1, nil)) // and the ACK is not read
		synctest.Wait()
		begin := time.Now()
		s.conn.Abort(core.End{Code: codec.Cancelled})
		time.Sleep(overdueAfter)
		synctest.Wait()
		s.inside(func() {})
		if took := time.Since(begin); took != overdueAfter || s.end() == nil {
			t.Errorf("after %v the end: %+v", took, s.end())
		}
		s.wantOver()
		if took := time.Since(begin); took != overdueAfter+slowClose {
			t.Errorf("over after %v", took)
		}
		if n := sh.closes.Load(); n != 1 {
			t.Errorf("closed %d times", n)
		}
	})
}

const slowClose = 3 * time.Second

// closer is a shim whose Close is slow.
type closer struct {
	shim
	closes atomic.Int64
}

func (c *closer) Close() error {
	c.closes.Add(1)
	err := c.shim.Close()
	time.Sleep(slowClose)
	return err
}
