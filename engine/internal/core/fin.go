package core

import "time"

// Half close (SPEC section 2): FIN on a DATA frame ends one direction of a channel. When both have ended so
// the channel is closed, without CLOSE and ACK.

// CloseWrite ends this side's direction of channel h once what is queued has left. Arena.Finish must have
// been called, and the peer must take FIN. Closed follows when both directions have ended.
func (c *Conn) CloseWrite(now time.Duration, h Handle) {
	r := c.sending(h)
	if r == nil {
		return
	}
	r.flags |= finWanted
	if c.backlog(r) == 0 {
		c.control(h.Slot, sendFin)
	}
}

// recvFin notes that the peer's direction of the channel in slot has ended.
func (c *Conn) recvFin(slot uint32, r *record) {
	r.flags |= finCame
	c.endIfBoth(slot, r)
}

// sentFin notes that this side's direction has.
func (c *Conn) sentFin(slot uint32, r *record) {
	r.flags |= finSent
	c.endIfBoth(slot, r)
}

// endIfBoth closes the channel in slot if both directions have ended.
func (c *Conn) endIfBoth(slot uint32, r *record) {
	const both = finSent | finCame
	if r.flags&both == both && r.state != closed {
		c.close(slot)
		c.report(slot, tellClosed)
	}
}
