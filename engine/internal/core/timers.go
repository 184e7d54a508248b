package core

import "time"

// timerKind is what a channel waits for, at most one at a time. All waits of one kind are equally
// long, so the channels that wait form a list in order of their deadlines: starting, stopping and
// expiring are O(1), and a channel that waits for nothing costs nothing.
type timerKind uint8

const (
	noTimer        timerKind = iota
	openingTimer             // for the answer to OPEN
	closeWaitTimer           // for its data to leave, so that CLOSE can
	closingTimer             // for the ACK of CLOSE
	noWindowTimer            // for window
	numTimers

	keptList = numTimers // closed, and kept until the application releases it; without a deadline
	numLists = keptList + 1
)

// timerList is the channels that wait for one kind of thing.
type timerList struct{ first, last uint32 }

// duration is how long kind waits.
func (t *Timeouts) duration(kind timerKind) time.Duration {
	switch kind {
	case openingTimer:
		return t.Opening
	case closeWaitTimer:
		return t.CloseWait
	case closingTimer:
		return t.Closing
	default:
		return t.NoWindow
	}
}

// startTimer makes the channel in slot wait for kind, instead of for what it waited.
func (c *Conn) startTimer(now time.Duration, slot uint32, kind timerKind) {
	c.enlist(slot, kind)
	c.arena.records.at(slot).deadline = milliseconds(now + c.cfg.Timeouts.duration(kind))
}

// enlist puts the channel in slot at the end of the list of kind.
func (c *Conn) enlist(slot uint32, kind timerKind) {
	c.stopTimer(slot)
	r := c.arena.records.at(slot)
	l := &c.timers[kind]
	r.timer = kind
	r.prevTimer, r.nextTimer = l.last, 0
	if l.last == 0 {
		l.first = slot
	} else {
		c.arena.records.at(l.last).nextTimer = slot
	}
	l.last = slot
}

// stopTimer ends the wait of the channel in slot, if there is one.
func (c *Conn) stopTimer(slot uint32) {
	r := c.arena.records.at(slot)
	if r.timer == noTimer {
		return
	}
	l := &c.timers[r.timer]
	if r.prevTimer == 0 {
		l.first = r.nextTimer
	} else {
		c.arena.records.at(r.prevTimer).nextTimer = r.nextTimer
	}
	if r.nextTimer == 0 {
		l.last = r.prevTimer
	} else {
		c.arena.records.at(r.nextTimer).prevTimer = r.prevTimer
	}
	r.timer, r.nextTimer, r.prevTimer = noTimer, 0, 0
}

// firstTimer is when the next wait of kind ends, if a channel waits so.
func (c *Conn) firstTimer(now time.Duration, kind timerKind) (time.Duration, bool) {
	slot := c.timers[kind].first
	if slot == 0 {
		return 0, false
	}
	// Deadlines wrap after 49 days; none is that far away.
	ms := (now + time.Millisecond - 1) / time.Millisecond
	left := int32(c.arena.records.at(slot).deadline - uint32(ms))
	return (ms + time.Duration(left)) * time.Millisecond, true
}

// milliseconds is a time that wraps, after 49 days. It is rounded up, so that nothing is due early.
func milliseconds(d time.Duration) uint32 {
	return uint32((d + time.Millisecond - 1) / time.Millisecond)
}

// since is how long ago ms was.
func since(now time.Duration, ms uint32) time.Duration {
	return time.Duration(int32(milliseconds(now)-ms)) * time.Millisecond
}

// microseconds is a time that wraps, after 71 minutes.
func microseconds(d time.Duration) uint32 { return uint32(d / time.Microsecond) }

// ofMicroseconds is a span of so many.
func ofMicroseconds(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
