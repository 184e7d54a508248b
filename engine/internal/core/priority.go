package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// Priority returns that of channel h, 0 (bulk) to 7 (urgent).
func (c *Conn) Priority(h Handle) uint8 {
	if r := c.arena.get(h); r != nil {
		return r.prio
	}
	return DefaultPriority
}

// SetPriority changes that of channel h, which this side must have opened. The peer is told if it wants to
// know.
func (c *Conn) SetPriority(h Handle, priority uint8) {
	r := c.arena.get(h)
	if r == nil || r.state == closed || r.prio == priority || !c.ours(r.id) {
		return
	}
	r.prio = priority
	if c.can(codec.FeaturePriority) && r.state <= open {
		c.control(h.Slot, sendPriority)
	}
}

// recvPriority takes PRIORITY on a live channel.
func (c *Conn) recvPriority(now time.Duration, f *codec.Frame, r *record) {
	switch p := f.Payload[0]; {
	case c.ours(r.id):
		c.fault(now, codec.ProtocolError, f, "comes from the acceptor")
	case p > 7:
		c.fault(now, codec.ProtocolError, f, "is not 0 to 7")
	default:
		r.prio = p
		c.token(now)
	}
}
