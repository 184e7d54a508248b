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
