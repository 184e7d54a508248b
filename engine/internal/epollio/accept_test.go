//go:build linux

package epollio

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/evloop"
	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/sock"
)

// accept has loop 0, which does not run, accept from a new socket.
func (r *rig) accept(pick func() evloop.Server) *evlooptest.Door {
	fd, err := sock.Listen("127.0.0.1:0", sock.Options{})
	if err != nil {
		r.T.Fatal(err)
	}
	came := make(chan *evlooptest.Door)
	go func() { came <- r.Accept(fd, pick) }()
	evlooptest.Until(r.T, "a listener", func() bool { return r.wakes[0].Load() > 0 })
	r.loops[0].endOfBatch(nil)
	return <-came
}

// However many clients wait, at most acceptBatch are taken before sockets are looked at.
func TestAcceptTakesTurns(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	d := r.accept(r.Idlest)
	for range acceptBatch + 10 {
		d.Dial(t)
	}
	for _, want := range []int64{acceptBatch, acceptBatch + 10, acceptBatch + 10} {
		l.event(d.FD, unix.EPOLLIN, 0)
		if n := l.Loop.Stats.Conns.Load(); n != want {
			t.Errorf("%d connections, want %d", n, want)
		}
	}
	l.Unlisten(d.Acceptor, true)
}

// While a listener rests the poller does not report it: it would keep the loop busy.
func TestAListenerThatRestsIsQuiet(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	d := r.accept(r.Idlest)
	d.Dial(t)
	for range 2 {
		evlooptest.Until(t, "a client", func() bool { return ready(t, l, d.FD) == unix.EPOLLIN })
		l.Unlisten(d.Acceptor, false)
		if got := ready(t, l, d.FD); got != 0 || l.handle[d.FD] != nil {
			t.Errorf("it rests, and %#x is reported; watched: %v", got, l.handle[d.FD] != nil)
		}
		if err := l.Listen(d.Acceptor); err != nil {
			t.Fatal(err)
		}
	}
	l.Unlisten(d.Acceptor, true)
	if l.handle[d.FD] != nil || !evlooptest.Alive(d.FD) || !slices.Equal(l.closing, []int{d.FD}) {
		t.Errorf("watched: %v, to be closed: %v", l.handle[d.FD] != nil, l.closing)
	}
}

// A socket that can't be served, by the loop that accepted it or by another, is closed, and counted as that
// and nothing else.
func TestAcceptFails(t *testing.T) {
	r := newRig(t, 2)
	var to *Loop
	d := r.accept(func() evloop.Server { return to })
	for i, l := range r.loops {
		file, err := unix.Open("/proc/self/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0) // epoll takes no files
		if err != nil {
			t.Fatal(err)
		}
		to = l
		d.Take(file)
		if n := evloop.Load(l); n != int64(i) {
			t.Errorf("loop %d: %d connections on their way", i, n)
		}
		l.endOfBatch(nil)
		if evlooptest.Alive(file) {
			t.Errorf("loop %d: the descriptor is open", i)
		}
		if n := d.Failed.Load(); n != uint64(i+1) {
			t.Errorf("loop %d: %d failures counted", i, n)
		}
		if n := evloop.Load(l); n != 0 {
			t.Errorf("loop %d: %d connections counted", i, n)
		}
	}
	r.loops[0].Unlisten(d.Acceptor, true)
}
