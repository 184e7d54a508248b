//go:build linux

package uringio

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// patience is for how many completions the next Enter waits (see ring.Enter); timer and event are among them.
func (l *Loop) patience() (wait uint32) {
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
		return 0
	}
	if l.asleep.Store(true); l.wanted.Load() || l.stopped.Load() {
		return 0
	}
	if l.others < 2 {
		return 1
	}
	// More is likely to be on its way: from those who are about to run, and where many talk, from all of them.
	unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	if l.crowd.last <= fewTalk {
		return 1
	}
	return uint32(l.crowd.last)
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
