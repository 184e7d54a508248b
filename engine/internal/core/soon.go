package core

import "time"

// soon is what channels wait for together, for Timeouts.soon at most: what would be a small frame at once
// is a larger one by then.
type soon struct {
	at       time.Duration // 0 if nobody waits
	grants   []Handle      // owed too little to be granted at once
	dribbles []Handle      // with a window for a few bytes of what they have to send
}

// settle grants what is owed on the channel in slot: at once if that is much, else with others soon.
func (c *Conn) settle(now time.Duration, slot uint32, r *record) {
	switch {
	case c.phase != running || r.state != open && r.state != opening:
	case r.in.owed >= startWindow/2:
		c.control(slot, sendGrant)
	case r.flags&owing == 0:
		r.flags |= owing
		c.soon.grants = append(c.soon.grants, r.handle(slot))
		c.soonest(now)
	}
}

// dribble lets the channel in slot send what its small window holds, soon.
func (c *Conn) dribble(now time.Duration, slot uint32, r *record) {
	if r.flags&dribbling != 0 {
		return
	}
	r.flags |= dribbling
	c.soon.dribbles = append(c.soon.dribbles, r.handle(slot))
	c.soonest(now)
}

func (c *Conn) soonest(now time.Duration) {
	if c.soon.at == 0 {
		c.soon.at = now + c.cfg.Timeouts.soon
	}
}

// tickSoon does what channels waited for.
func (c *Conn) tickSoon(now time.Duration) {
	c.soon.at = 0
	for _, h := range c.soon.grants {
		if r := c.arena.get(h); r != nil {
			r.flags &^= owing
			c.grantSmall(h.Slot, r)
		}
	}
	c.soon.grants = emptied(c.soon.grants)
	for _, h := range c.soon.dribbles {
		if r := c.arena.get(h); r != nil {
			r.flags &^= dribbling
			if r.first != 0 && r.out > 0 {
				r.flags |= squeeze
				c.ready(now, h.Slot, r)
			}
		}
	}
	c.soon.dribbles = emptied(c.soon.dribbles)
}

// grantSmall grants what is owed on the channel in slot, which may be little. A grant costs the peer's
// patience if it sent nothing since the last one (smallGrant); so while it has nothing to win, because the
// application still has to read what came, small ones wait until they are larger together.
func (c *Conn) grantSmall(slot uint32, r *record) {
	r.in.consume(r.consumed.Swap(0))
	if r.in.owed == 0 || r.state != open && r.state != opening {
		return
	}
	if r.in.owed >= smallGrant || r.flags&cameSinceGrant != 0 || r.in.unconsumed() == 0 {
		c.control(slot, sendGrant)
	}
}

// emptied returns list for its next use, without what has become too much memory for that.
func emptied(list []Handle) []Handle {
	if cap(list) > 1024 {
		return nil
	}
	return list[:0]
}
