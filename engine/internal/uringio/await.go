//go:build linux

package uringio

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/sscd-io/sscd/engine/internal/uringio/ring"
)

const (
	// spinTime is how long a loop looks for completions by itself before it sleeps: somewhat longer than it takes to
	// fall asleep and to be woken, here and at a peer on the same machine.
	spinTime = 40 * time.Microsecond

	// shortTurn is how long the last turn took at most, the one before twice that, and so on. After longer ones there
	// is little to win.
	shortTurn = 20 * time.Microsecond

	// mostTrust is how many vain spins it takes to stop, after many that were not.
	mostTrust = 8

	// crowdWindow and fewTalk: a loop spins while the last so many receipts came from so few connections. Where more
	// talk, it pays to let their messages gather.
	crowdWindow = 64
	fewTalk     = 10

	// linger is how long a loop waits for the next message of each connection that talks, if those are many. To answer
	// one takes as long at least.
	linger = 4 * time.Microsecond

	// leastRest and mostRest are for how many waits a loop does not spin then: twice as many each time.
	leastRest, mostRest = 16, 512
)

// spinner decides before which waits a loop spins. Where messages come and go one at a time, to fall asleep and to be
// woken is most of their round trip; where they don't, it is processor time lost.
type spinner struct {
	trust int // in spins: those that found something, less those that did not
	rest  int // waits until the next one
	next  int // the next rest
}

// due returns whether to spin before this wait.
func (s *spinner) due() bool {
	if s.rest > 0 {
		s.rest--
		return false
	}
	return true
}

// note takes note of whether a spin found something.
func (s *spinner) note(found bool) {
	switch {
	case found:
		s.trust, s.next = min(s.trust+1, mostTrust), leastRest
	case s.trust > 1:
		s.trust--
	default:
		s.rest = max(s.next, leastRest)
		s.next = min(2*s.rest, mostRest)
	}
}

// crowd estimates how many connections talk: how many different ones the last crowdWindow receipts came from.
type crowd struct {
	window   uint32 // the number of this window
	receipts int    // in it
	talking  int    // in it: different connections
	last     int    // in the one before
}

// hears takes note of a receipt from a connection that was heard last in that window, and returns this one.
func (w *crowd) hears(window uint32) uint32 {
	if w.receipts == crowdWindow {
		w.window, w.receipts, w.talking, w.last = w.window+1, 0, 0, w.talking
	}
	w.receipts++
	if window != w.window {
		w.talking++
	}
	return w.window
}

// await submits what is queued and waits for completions: spinning at first, if that is likely to find some, or for
// several.
func (l *Loop) await() error {
	from := l.Loop.Since()
	l.took = max(from-l.woke, l.took/2)
	if l.spins && l.crowd.last <= fewTalk && l.took < shortTurn && l.idle(from) && l.spinner.due() {
		if err := l.enter(0, ring.Forever); err != nil {
			return err
		}
		l.settle()
		if l.idle(from) {
			l.spinner.note(l.spin(from))
		}
	}
	slept, err := l.sleep()
	l.woke = l.Loop.Since()
	if slept {
		l.Slept(l.woke)
	} else if l.Yield(l.woke) {
		l.woke = l.Loop.Since()
	}
	return err
}

// sleep submits what is queued and waits for a completion, unless there is something else to do. slept says whether it
// has given Go's processor away for that. More than one completion in the last turn means that more are likely to be on
// their way: from those who are about to run, and where many talk, from all of them.
func (l *Loop) sleep() (slept bool, err error) {
	if !l.drowsy() {
		return false, l.enter(0, ring.Forever)
	}
	if l.others > 1 {
		unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		if all := l.crowd.last; all > fewTalk {
			err := l.enter(uint32(all), time.Duration(all)*linger)
			if err != nil || !l.drowsy() {
				return false, err
			}
		}
	}
	return true, l.enter(1, ring.Forever)
}

// spin looks for completions, and returns whether there are some. It ends early if other goroutines want the loop: they
// are not to have theirs done in small pieces because it happens to be awake.
func (l *Loop) spin(from time.Duration) bool {
	for !l.ring.Pending() {
		unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // who waits for the processor may be who sends
		if l.wanted.Load() || l.stopped.Load() || l.Loop.Since()-from >= spinTime {
			return false
		}
	}
	return true
}

// idle returns whether there is nothing to do before something comes.
func (l *Loop) idle(now time.Duration) bool {
	if l.more || l.behind || len(l.ready) > 0 || len(l.hungry) > 0 || min(l.alarm, l.watch) <= now {
		return false
	}
	for _, c := range l.flying {
		if c.rest != nil || c.closed {
			return false // it goes on, or ends, as soon as its batch is out
		}
	}
	return true
}
