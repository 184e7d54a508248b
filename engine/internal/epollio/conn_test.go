//go:build linux

package epollio

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

// A batch was written up to each of its bytes, and goes on from there.
func TestWritingGoesOnAtEveryByte(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	p := evlooptest.Pair(t)
	evlooptest.Tiny(p[0])
	m := r.Attach(l, p[0])
	defer unix.Close(p[1])
	unix.Write(p[1], append(evlooptest.Opens(1), evlooptest.Grant(1, 1<<30)...))
	l.event(m.FD, unix.EPOLLIN, 0)
	evlooptest.Drain(t, p[1])
	for cut := 0; ; cut++ {
		evlooptest.Fill(m.FD)
		var want []byte
		for i, n := range []int{5, 520, 30, 513} { // pieces: a copy, a reference, a copy, a reference
			msg := evlooptest.Pattern(n, cut+i)
			m.Send(m.Channels[0], msg)
			want = append(want, evlooptest.Frame(codec.Data, 1, msg)...)
		}
		if cut == len(want) {
			break
		}
		l.endOfBatch(nil)
		evlooptest.Drain(t, p[1])
		c := connOf(m)
		if c.rest == nil || c.rest.Len() != len(want) || c.interest != readable|writable {
			t.Fatalf("a full socket: rest %v, interest %b", c.rest, c.interest)
		}
		c.sent = cut
		m.LC.Sent(cut)
		var got []byte
		for tries := 0; c.rest != nil && tries < 100; tries++ {
			l.event(m.FD, unix.EPOLLOUT, 0)
			got = append(got, evlooptest.Drain(t, p[1])...)
		}
		if !bytes.Equal(got, want[cut:]) {
			t.Fatalf("from byte %d on: %d bytes, want %d, or others", cut, len(got), len(want)-cut)
		}
		if c.interest != readable {
			t.Fatalf("all is sent; interest %b", c.interest)
		}
	}
}

// A write fails in the middle of what a connection does. It learns of it when that is over, with what the
// kernel said, wherever the write came from.
func TestAWriteFails(t *testing.T) {
	for name, write := range map[string]func(l *Loop, m *evlooptest.Member){
		"in a run":    func(l *Loop, m *evlooptest.Member) { l.endOfBatch(nil) },
		"in an event": func(l *Loop, m *evlooptest.Member) { l.event(m.FD, unix.EPOLLOUT, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			l := r.loops[0]
			p := evlooptest.Pair(t)
			m := r.Attach(l, p[0])
			unix.Write(p[1], evlooptest.Opens(1))
			l.event(m.FD, unix.EPOLLIN, 0)
			l.endOfBatch(nil)
			evlooptest.Drain(t, p[1])
			if name == "in an event" { // it goes on when the socket has room
				evlooptest.Tiny(m.FD)
				evlooptest.Fill(m.FD)
				m.Send(m.Channels[0], []byte("is anybody there"))
				l.endOfBatch(nil)
			}
			unix.Close(p[1])
			m.Send(m.Channels[0], []byte("is anybody there"))
			write(l, m)
			if m.End == nil || !errors.Is(m.End.Err, unix.EPIPE) {
				t.Errorf("the end: %+v", m.End)
			}
			if len(l.broken) != 0 {
				t.Errorf("%d connections still to be told", len(l.broken))
			}
			l.endOfBatch(nil)
			if evlooptest.Alive(m.FD) {
				t.Error("the descriptor is open")
			}
		})
	}
}

// A peer that never stops talking, on a connection that can't be written any more: it is not heard out.
func TestTheLastWordsAreFew(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	p := evlooptest.Pair(t)
	m := r.Attach(l, p[0])
	unix.Write(p[1], append(evlooptest.Opens(1), evlooptest.Frame(codec.Data, 1, []byte("echo"))...))
	unix.Shutdown(m.FD, unix.SHUT_WR)
	unix.SetNonblock(p[1], false)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer unix.Shutdown(m.FD, unix.SHUT_RD)
	wg.Go(func() {
		defer unix.Close(p[1])
		for junk := make([]byte, 64<<10); ; {
			if _, err := unix.Write(p[1], junk); err != nil {
				return
			}
		}
	})
	l.event(m.FD, unix.EPOLLIN, 0)
	l.endOfBatch(nil)
	if n := l.Loop.Stats.BytesIn.Load(); m.End == nil || n > lastBytes+2*loop.MaxGulp {
		t.Errorf("the end: %+v, after %d bytes", m.End, n)
	}
}
