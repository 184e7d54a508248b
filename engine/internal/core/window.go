package core

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// connOut is the send window of the connection (SPEC section 2). Before the server's first frame it is
// 65,536 for a client that said HELLO, then what the peer says, or none at all.
type connOut struct {
	window  int64  // less what was sent; it begins at unlimited for none
	limited bool   // the peer said one
	sent    bool   // DATA went out since the last grant
	squeeze bool   // send even what is less than minSplit
	stalled bool   // data waits for it
	since   uint32 // in milliseconds
}

// unlimited is more than a connection ever sends.
const unlimited = math.MaxInt64 / 2

// meet takes the window that the peer's HELLO says; 0 for none.
func (o *connOut) meet(n uint32) {
	if o.limited = n != 0; o.limited {
		o.window += int64(n) - startWindow // what a client has sent counts
	} else {
		o.window = unlimited
	}
	o.stalled = false
}

// holds returns how much may be sent now of a frame for which the window is too small.
func (c *Conn) holds(now time.Duration) int {
	o := &c.out
	if o.window >= minSplit || o.window > 0 && (o.squeeze || c.phase != running) {
		return int(o.window)
	}
	if !o.stalled {
		o.stalled, o.since = true, milliseconds(now)
		if o.window > 0 {
			c.soonAt(now)
		}
	}
	return 0
}

// recvConnCredit takes FLOW_CONTROL on channel 0.
func (c *Conn) recvConnCredit(now time.Duration, f *codec.Frame) {
	n := binary.BigEndian.Uint32(f.Payload)
	switch {
	case !c.out.limited:
		c.fault(now, codec.ProtocolError, f, "belongs to no window")
		return
	case n == 0:
		c.fault(now, codec.ProtocolError, f, "grants nothing")
		return
	case c.out.window+int64(n) > maxWindow:
		c.fault(now, codec.FlowControlError, f, "makes the window too large")
		return
	case n < smallGrant && !c.out.sent:
		c.token(now)
	}
	c.out.window += int64(n)
	c.out.sent, c.out.stalled = false, false
}

// arrived books the bytes of a DATA frame, which count for the connection whatever becomes of them. They are granted
// back as they come: this window bounds what is under way, so that urgent frames need not wait behind it;
// what applications keep is bounded by the windows of channels.
func (c *Conn) arrived(now time.Duration, f *codec.Frame) bool {
	if n := uint32(len(f.Payload)); n <= c.in.window {
		c.in.window -= n
		c.in.owed += n
	} else if c.peer.extended {
		c.fault(now, codec.FlowControlError, f, "exceeds the window of the connection")
		return false
	}
	if c.in.owed >= uint32(c.cfg.ConnWindow)/2 {
		c.tune(now, &c.in, &c.meter, uint32(c.cfg.ConnWindow), connWindows*uint32(c.cfg.MaxWindow), nil)
		c.grantConn = c.in.owed > 0
	}
	return true
}

// tune makes a receive window fit its path: twice what is consumed in the smallest round trip, but not less
// than start or more than most. It is a channel's if memory is given, from which it takes what it grows by. It grows
// only while the peer has less than it could use, so what the path holds stays little, and shrinks when less is used.
func (c *Conn) tune(now time.Duration, f *inflow, m *meter, start, most uint32, memory *Budget) {
	rtt := c.pings.smallest()
	c.probe(now)
	switch {
	case rtt == 0:
		return
	case memory == nil && c.pings.again:
		f.shrink(f.size-min(f.size, start), m)
		return
	case memory != nil:
		rtt = max(rtt, leastTrip)
	}
	n, ok := m.rate(f, now, rtt)
	if !ok {
		return
	}
	switch want := uint32(min(max(2*n, uint64(start)), uint64(max(most, start)))); {
	case want > f.size:
		more := want - f.size
		if memory != nil {
			if more = uint32(min(int64(more), memory.Spare())); !memory.Take(int(more)) {
				return
			}
		}
		f.grow(more, m)
	case want < f.size/2:
		less := f.shrink(min(f.size-want, f.size/4), m)
		if memory != nil {
			memory.Give(int(less))
		}
	}
}

// startOf is the size of a channel's receive window at its start.
func (c *Conn) startOf(r *record) uint32 {
	switch {
	case r.flags&fixedWindow != 0 && c.peer.extended:
		return r.in.size
	case c.peer.extended && c.ours(r.id):
		return uint32(c.cfg.Window)
	}
	return uint32(c.cfg.StartWindow)
}

// fit tunes the receive window of a channel.
func (c *Conn) fit(now time.Duration, slot uint32, r *record) {
	if c.peer.extended && r.flags&fixedWindow == 0 {
		m := &c.arena.asides.at(slot).meter
		c.tune(now, &r.in, m, c.startOf(r), uint32(c.cfg.MaxWindow), &c.memory)
	}
}

// grown is what a channel's window took from memory. A window that began larger than it turned out to be on a
// base connection took nothing.
func (c *Conn) grown(r *record) int {
	if !c.peer.extended {
		return 0
	}
	return int(r.in.size - min(r.in.size, c.startOf(r)))
}
