//go:build linux

package epollio

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/loop"
)

var callNothing = loop.Op{Kind: loop.Call, Func: func() {}}

// A loop that can't be made leaves nothing behind, whichever descriptor is missing.
func TestNewFails(t *testing.T) {
	cfg := newRig(t, 0).cfg
	for spare := range 4 { // epoll, eventfd, timerfd, eventfd
		before := descriptors(t)
		enough := shortOf(t, spare)
		l, err := New(cfg)
		enough()
		if err == nil {
			l.Discard()
			t.Errorf("with %d descriptors: no error", spare)
		} else if !errors.Is(err, unix.EMFILE) {
			t.Errorf("with %d descriptors: %v", spare, err)
		}
		if after := descriptors(t); after != before {
			t.Errorf("with %d descriptors: %d are open after the error, %d before", spare, after, before)
		}
	}
}

// A loop whose Serve is never called is given back by Discard.
func TestDiscard(t *testing.T) {
	cfg := newRig(t, 0).cfg
	before := descriptors(t)
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if descriptors(t) == before {
		t.Error("a loop without descriptors")
	}
	l.Discard()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors after, %d before", after, before)
	}
}

// The poller fails. All that the loop had ends, as with Stop, and nobody waits for it.
func TestThePollerFails(t *testing.T) {
	r := newRig(t, 1)
	l := r.loops[0]
	served := make(chan error, 1)
	r.runs = true
	go func() { served <- l.Serve() }()
	d, resting := r.listen("127.0.0.1:0"), r.listen("127.0.0.1:0")
	r.inside(l, func() { resting.rest(unix.EMFILE) })
	m, p := r.join(l)
	p.say(opens(1))
	p.want("ACK 1")
	r.inside(l, func() { // from now on the poller waits for something that is no epoll descriptor
		if err := unix.Dup3(l.timer, epollDescriptor(l), unix.O_CLOEXEC); err != nil {
			t.Error(err)
		}
	})
	if err := <-served; !errors.Is(err, unix.EINVAL) {
		t.Errorf("Serve: %v", err)
	}
	r.wait("the end", m.gone)
	if !errors.Is(m.end.Err, unix.EINVAL) {
		t.Errorf("the end: %+v", m.end)
	}
	p.wantEnd()
	for _, d := range []*door{d, resting} {
		d.Close()
		if alive(d.fd) {
			t.Error("a listening socket is open")
		}
	}
	if l.Loop.Post(callNothing) {
		t.Error("the loop takes posts")
	}
	l.Stop()
}
