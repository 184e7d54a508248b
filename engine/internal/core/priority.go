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

// SetPriority changes that of channel h, which this side must have opened, also for what waits to be sent on it.
// The peer is told if it wants to know.
func (c *Conn) SetPriority(h Handle, priority uint8) {
	r := c.arena.get(h)
	if r == nil || r.state == closed || r.prio == priority || !c.ours(r.id) {
		return
	}
	c.prioritize(h.Slot, r, priority)
	if c.can(codec.FeaturePriority) && r.state <= open {
		c.control(h.Slot, sendPriority)
	}
}

// recvPriority takes PRIORITY on a live channel.
func (c *Conn) recvPriority(now time.Duration, f *codec.Frame, slot uint32, r *record) {
	switch p := f.Payload[0]; {
	case c.ours(r.id):
		c.fault(now, codec.ProtocolError, f, "comes from the acceptor")
	case p > 7:
		c.fault(now, codec.ProtocolError, f, "is not 0 to 7")
	default:
		c.prioritize(slot, r, p)
		c.token(now)
	}
}

// prioritize changes the priority of the channel in slot, and its place among those with data.
func (c *Conn) prioritize(slot uint32, r *record, priority uint8) {
	r.prio = priority
	c.queue.Move(c.arena.flows, slot, priority)
}
