//go:build linux

package epollio

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/evloop/evlooptest"
	"github.com/sscd-io/sscd/engine/internal/loop"
)

var callNothing = loop.Op{Kind: loop.Call, Func: func() {}}

// A loop that can't be made leaves nothing behind, whichever descriptor is missing.
func TestNewFails(t *testing.T) {
	cfg := newRig(t, 0).Cfg
	for spare := range 5 { // epoll, eventfd, timerfd, eventfd, lane
		before := evlooptest.Descriptors(t)
		enough := evlooptest.ShortOf(t, spare)
		l, err := New(cfg)
		enough()
		if err == nil {
			l.Discard()
			t.Errorf("with %d descriptors: no error", spare)
		} else if !errors.Is(err, unix.EMFILE) {
			t.Errorf("with %d descriptors: %v", spare, err)
		}
		if after := evlooptest.Descriptors(t); after != before {
			t.Errorf("with %d descriptors: %d are open after the error, %d before", spare, after, before)
		}
	}
}

// A loop whose Serve is never called is given back by Discard.
func TestDiscard(t *testing.T) {
	cfg := newRig(t, 0).Cfg
	before := evlooptest.Descriptors(t)
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if evlooptest.Descriptors(t) == before {
		t.Error("a loop without descriptors")
	}
	l.Discard()
	if after := evlooptest.Descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

// The poller fails. All that the loop had ends, as with Stop, and nobody waits for it.
func TestThePollerFails(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	served := make(chan error, 1)
	r.StartWith(0, func(err error) { served <- err })
	d, resting := r.Listen("127.0.0.1:0"), r.Listen("127.0.0.1:0")
	r.Inside(l, func() { l.Unlisten(resting.Acceptor, false) })
	m, p := r.Join(l)
	p.Say(evlooptest.Opens(1))
	p.Want("ACK 1")
	r.Inside(l, func() { // from now on the poller waits for something that is no epoll descriptor
		if err := unix.Dup3(l.timer.FD, epollDescriptor(l), unix.O_CLOEXEC); err != nil {
			t.Error(err)
		}
	})
	if err := <-served; !errors.Is(err, unix.EINVAL) {
		t.Errorf("Serve: %v", err)
	}
	r.Wait("the end", m.Over)
	if !errors.Is(m.End.Err, unix.EINVAL) {
		t.Errorf("the end: %+v", m.End)
	}
	p.WantEnd()
	for _, d := range []*evlooptest.Door{d, resting} {
		d.Close()
		if evlooptest.Alive(d.FD) {
			t.Error("a listening socket is open")
		}
	}
	if l.Loop.Post(callNothing) {
		t.Error("the loop takes posts")
	}
	l.Stop()
}
