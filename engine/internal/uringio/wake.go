//go:build linux

package uringio

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// drowsy returns whether there is nothing to do but to wait, for timer and event among others. Then Wake writes to the
// eventfd, until the next Enter is over.
func (l *Loop) drowsy() bool {
	now := l.Loop.Since()
	if l.watch <= now {
		l.look()
	}
	next := min(l.alarm, l.watch)
	if l.armed > next { // otherwise it goes off early, and is set again then
		l.timer.Set(next - now)
		l.armed = next
	}
	if !l.idle(now) || l.ring.Pending() {
		return false
	}
	l.asleep.Store(true)
	return !l.wanted.Load() && !l.stopped.Load()
}

// Wake implements loop.Backend.
func (l *Loop) Wake() {
	l.wanted.Store(true)
	if !l.asleep.CompareAndSwap(true, false) {
		return // it looks before it sleeps
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.quit {
		unix.Write(l.event, one[:])
	}
}

// What wakes the loop, in [Loop.watching].
const (
	onEvent = iota
	onTimer
)

// woken is called when the loop was. Nobody reads from what did it: it is waited for by edges.
func (l *Loop) woken(by uint32, more bool) {
	l.watching[by] = more
	if by == onTimer {
		l.armed = never
	} else {
		l.wanted.Store(true)
	}
}

// Alarm implements loop.Backend.
func (l *Loop) Alarm(at time.Duration) { l.alarm = at }
