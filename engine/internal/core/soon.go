package core

import "time"

// soon is the channels that wait together, for Timeouts.soon at most: what would be a small frame at once
// is a larger one by then. Their flags tell for what they wait: to grant what is owed (owing), to send what
// a small window holds (dribbling), or for memory that others give back (starving).
type soon struct {
	at    time.Duration // 0 if nobody waits
	waits []Handle
}

// settle grants what is owed on the channel in slot: at once if that is much, else soon.
func (c *Conn) settle(now time.Duration, slot uint32, r *record) {
	switch {
	case c.phase != running || r.state != open && r.state != opening || r.flags&finCame != 0:
	case r.in.owed >= max(c.startOf(r)/2, 1):
		if c.fit(now, slot, r); r.in.owed > 0 {
			c.control(slot, sendGrant)
		}
	default:
		c.wait(now, slot, r, owing)
	}
}

// wait puts the channel in slot among those that wait, for what the flag says.
func (c *Conn) wait(now time.Duration, slot uint32, r *record, what flags) {
	if c.soon == nil {
		c.soon = new(soon)
	}
	if r.flags&waiting == 0 {
		c.soon.waits = append(c.soon.waits, r.handle(slot))
	}
	r.flags |= what
	c.soonAt(now)
}

// soonAt has tickSoon called soon.
func (c *Conn) soonAt(now time.Duration) {
	if c.soon == nil {
		c.soon = new(soon)
	}
	if c.soon.at == 0 {
		c.soon.at = now + c.cfg.Timeouts.soon
	}
}

// soonest is when the wait is over.
func (c *Conn) soonest() time.Duration {
	if c.soon == nil || c.soon.at == 0 {
		return never
	}
	return c.soon.at
}

// tickSoon does what channels waited for.
func (c *Conn) tickSoon(now time.Duration) {
	waits := c.soon.waits
	c.soon.at, c.soon.waits = 0, nil
	if c.out.stalled && c.out.window > 0 {
		c.out.stalled, c.out.squeeze = false, true
	}
	for _, h := range waits {
		r := c.arena.get(h)
		if r == nil {
			continue
		}
		what := r.flags
		r.flags &^= waiting
		if what&owing != 0 {
			c.grantSmall(now, h.Slot, r)
		}
		if what&dribbling != 0 && r.first != 0 && r.out > 0 {
			r.flags |= squeeze
			c.ready(now, h.Slot, r)
		}
		if what&starving != 0 && r.state != closed && r.gate.heed() {
			c.report(h.Slot, tellWritable)
		}
	}
	if c.soon.waits == nil && cap(waits) <= 1024 {
		c.soon.waits = waits[:0]
	}
}

// grantSmall grants what is owed on the channel in slot, which may be little. A grant costs the peer's
// patience if it sent nothing since the last one (smallGrant); so while it has nothing to win, because the
// application still has to read what came, small ones wait until they are larger together. A window that has
// grown shrinks here when little is used.
func (c *Conn) grantSmall(now time.Duration, slot uint32, r *record) {
	r.in.consume(r.consumed.Swap(0))
	if r.flags&finCame != 0 || r.state != open && r.state != opening {
		return
	}
	if c.grown(r) > 0 {
		c.fit(now, slot, r)
	}
	if r.in.owed == 0 {
		return
	}
	if r.in.owed >= smallGrant || r.flags&cameSinceGrant != 0 || r.in.unconsumed() == 0 {
		c.control(slot, sendGrant)
	}
}
