package core

import (
	"math"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// never is later than anything.
const never = time.Duration(math.MaxInt64)

// Deadline returns when Tick is to be called next. It is never later than what is due, and changes
// with every other call.
func (c *Conn) Deadline(now time.Duration) time.Duration {
	if c.phase == over {
		return never
	}
	return min(c.soonest(), max(c.firstEnd(now), c.grace))
}

// firstEnd is when the first thing is due that may end a channel or the connection.
func (c *Conn) firstEnd(now time.Duration) time.Duration {
	d := never
	if c.until != 0 {
		d = c.until
	}
	if c.phase == halfEnd && c.unsent == 0 && c.idle() && !c.owes() {
		d = min(d, c.patience())
	}
	t := &c.cfg.Timeouts
	if c.unsent > 0 {
		d = min(d, c.progress+t.Stall)
	}
	if c.phase >= failing {
		return d
	}
	if c.phase == running {
		d = min(d, c.nextBeat(), c.idleEnd(now))
		if c.out.stalled {
			d = min(d, now+t.NoWindow-since(now, c.out.since))
		}
		if c.begun != 0 {
			d = min(d, c.frameDeadline())
		}
	}
	for kind := noTimer + 1; kind < numTimers; kind++ {
		if at, ok := c.firstTimer(now, kind); ok {
			d = min(d, at)
		}
	}
	return d
}

// nextBeat is when the keep-alive acts next; before a server has heard anything, when it gives up.
func (c *Conn) nextBeat() time.Duration {
	t := &c.cfg.Timeouts
	switch {
	case !c.mayTalk():
		if c.cfg.Hurry.Load() {
			return c.started + min(t.FirstFrame, hurriedFrame)
		}
		return c.started + t.FirstFrame
	case c.pings.beats == 0:
		return c.received + t.Keepalive
	case c.pings.beats == 1:
		return c.pings.beatAt + t.Keepalive
	default: // a PING after a sleep is one more, and no reason to end earlier
		return max(c.pings.beatAt+t.Keepalive, c.received+3*t.Keepalive)
	}
}

// idleEnd is when a connection without channels has been so for too long.
func (c *Conn) idleEnd(now time.Duration) time.Duration {
	if c.cfg.Timeouts.Idle == 0 || c.channels.len() > 0 || !c.peer.greeted || c.draining() {
		return never
	}
	if c.empty == 0 {
		c.empty = max(now, 1)
	}
	return c.empty + c.cfg.Timeouts.Idle
}

// frameDeadline is when the frame that has begun must be whole.
func (c *Conn) frameDeadline() time.Duration {
	_, length := c.splitter.Partial()
	return c.begun + c.cfg.Timeouts.Frame + time.Duration(length)*time.Second/1024
}

// Tick does what is due. Events may follow, and frames.
func (c *Conn) Tick(now time.Duration) {
	c.check()
	if now >= c.soonest() {
		c.tickSoon(now)
	}
	due := c.firstEnd(now)
	if now < max(due, c.grace) || c.phase == over {
		return
	}
	if c.phase == running && now-max(due, c.grace) > sleepTolerance {
		// It is us who slept: what the peer sent meanwhile may not be read yet.
		c.grace = now + sleepGrace
		c.beat(now)
		return
	}
	t := &c.cfg.Timeouts
	switch {
	case c.until != 0 && now >= c.until:
		switch {
		case c.phase == halfEnd:
			c.die(c.endOfStream())
		case c.quit != nil && c.phase < failing:
			c.failWith(now, c.quit)
		default:
			c.die(&End{Code: codec.Timeout, Reason: "drain took too long"})
		}
	case c.phase == halfEnd && c.unsent == 0 && c.idle() && !c.owes() && now >= c.patience():
		c.die(c.endOfStream())
	case c.unsent > 0 && now >= c.progress+t.Stall:
		c.die(&End{Code: codec.Timeout, Reason: "the transport takes nothing"})
	case c.phase != running:
	case c.begun != 0 && now >= c.frameDeadline():
		c.fail(now, codec.Timeout, "a frame takes too long to arrive")
	case c.out.stalled && since(now, c.out.since) >= t.NoWindow:
		c.fail(now, codec.Timeout, "the peer grants no window")
	case now >= c.idleEnd(now):
		c.GoAway(now)
	case now < c.nextBeat():
	case !c.mayTalk():
		c.die(&End{Code: codec.Timeout, Reason: "no frame came"})
	case c.pings.beats < 2:
		c.beat(now)
	default:
		c.fail(now, codec.Timeout, "the peer does not answer")
	}
	if c.phase == running || c.phase == halfEnd {
		c.expireTimers(now)
	}
}

// beat sends a PING of the keep-alive.
func (c *Conn) beat(now time.Duration) {
	if !c.mayTalk() {
		return
	}
	c.pings.beats++
	c.pings.beatAt = now
	c.pings.add()
}

// expireTimers ends the waits that are over.
func (c *Conn) expireTimers(now time.Duration) {
	for kind := noTimer + 1; kind < numTimers; kind++ {
		for {
			at, ok := c.firstTimer(now, kind)
			if !ok || now < at {
				break
			}
			slot := c.timers[kind].first
			c.stopTimer(slot)
			c.expired(now, slot, kind)
		}
	}
}

// expired ends the wait of the channel in slot.
func (c *Conn) expired(now time.Duration, slot uint32, kind timerKind) {
	switch kind {
	case closingTimer:
		c.close(slot)
		c.arena.asides.at(slot).code = codec.Timeout
		c.report(slot, tellClosed)
	default:
		c.abort(slot, codec.Timeout)
	}
}
