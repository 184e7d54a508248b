//go:build linux

package evloop

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/loop"
)

// The errors of accept(2) that are about a connection that is gone are told from those over which accepting
// has to rest: something has run out, or nobody knows.
func TestErrorsOfAccept(t *testing.T) {
	for _, err := range []unix.Errno{
		unix.EINTR, unix.ECONNABORTED, unix.ECONNRESET, unix.EPERM,
		// "Linux accept() passes already-pending network errors on the new socket as an error code."
		unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH,
		unix.EOPNOTSUPP, unix.ENETUNREACH, unix.ETIMEDOUT,
	} {
		if !lost(err) {
			t.Errorf("accepting would rest for %v", err)
		}
	}
	for _, err := range []unix.Errno{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM,
		unix.EAGAIN, unix.EBADF, unix.EFAULT, unix.EINVAL, unix.ENOTSOCK, unix.ENOSYS, unix.ENOSR,
	} {
		if lost(err) {
			t.Errorf("%v would be skipped", err)
		}
	}
}

// watcher is a Server that notes what it is to listen to.
type watcher struct {
	Base
	said []string
}

func (w *watcher) Serve() error   { return nil }
func (w *watcher) Stop()          {}
func (w *watcher) Discard() error { return nil }

func (w *watcher) Attach(int, *loop.Conn, loop.Events, bool, bool) error { return nil }

func (w *watcher) Listen(*Acceptor) error {
	w.said = append(w.said, "listen")
	return nil
}

func (w *watcher) Unlisten(_ *Acceptor, close bool) {
	if close {
		w.said = append(w.said, "close")
	} else {
		w.said = append(w.said, "unlisten")
	}
}

// The rests double from minPause to maxPause and no further; a connection ends that. While it rests the listener is
// not watched, and once closed it does not rest again.
func TestRestsDouble(t *testing.T) {
	w := new(watcher)
	a := &Acceptor{FD: -1, s: w, log: slog.New(slog.DiscardHandler), pick: func() Server { return nil }}
	w.add(a)
	for i, want := range []time.Duration{10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000} {
		if a.Fail(unix.EMFILE) {
			t.Error("goes on at once")
		}
		a.rest(unix.EMFILE) // again, while it does
		a.resume.Stop()
		a.resume = nil
		if a.pause != want*time.Millisecond {
			t.Errorf("rest %d takes %v, want %v", i, a.pause, want*time.Millisecond)
		}
	}
	if !slices.Equal(w.said, slices.Repeat([]string{"unlisten"}, 10)) || a.Pauses.Load() != 10 {
		t.Errorf("%d pauses; the loop was told: %v", a.Pauses.Load(), w.said)
	}
	if !a.Fail(unix.ECONNABORTED) || a.Skipped.Load() != 1 {
		t.Error("rests over a connection that was lost")
	}
	a.Take(-1) // nobody's
	if a.pause != 0 {
		t.Errorf("a connection has come; the pause is %v", a.pause)
	}
	w.said = nil
	w.EndAccepting()
	a.end()
	a.rest(unix.EMFILE)
	if !slices.Equal(w.said, []string{"close"}) || a.resume != nil || len(w.acceptors) != 0 {
		t.Errorf("at its end the loop was told: %v; resting: %v", w.said, a.resume != nil)
	}
}
