package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// GoAway announces that no more channels are accepted or opened (GOAWAY). The connection ends when the
// last channel has, or at the drain deadline.
func (c *Conn) GoAway(now time.Duration) {
	if c.phase != running || c.goingAway {
		return
	}
	c.goingAway = true
	c.servedID = c.peerID
	c.until = now + c.cfg.Timeouts.Drain
	c.sendAway = c.client || c.gotFrame // a server speaks second
}

// recvGoAway takes the peer's GOAWAY: it serves our channels up to id, and no new ones.
func (c *Conn) recvGoAway(now time.Duration, id uint32) {
	if !c.goneAway {
		c.goneAway = true
		c.news |= newsAway
		if !c.goingAway {
			c.until = now + c.cfg.Timeouts.Drain
		}
	}
	for _, slot := range c.slots(func(ours uint32) bool { return c.ours(ours) && ours > id }) {
		r := c.arena.records.at(slot)
		c.close(slot)
		r.flags |= byPeer
		r.code = codec.Refused
		c.report(slot, tellClosed)
	}
}
