//go:build poison

package core

import "fmt"

// checkedChannels is up to how many channels a connection is checked: check looks at all of them.
const checkedChannels = 64

// check verifies what must hold between two calls.
func (c *Conn) check() {
	if c.phase >= failing && c.channels.len() > 0 {
		panic("core: channels on a connection that has ended")
	}
	if c.channels.len() > checkedChannels {
		return
	}
	if err := c.checkWindows(); err != nil {
		panic(fmt.Sprintf("core: the connection's windows: %v", err))
	}
	accepted, booked := uint32(0), 0
	for id, slot := range c.channels.all {
		r := c.arena.records.at(slot)
		if err := c.checkChannel(slot, r); err != nil {
			panic(fmt.Sprintf("core: channel %d, %v: %v", id, r.state, err))
		}
		if r.id != id {
			panic(fmt.Sprintf("core: channel %d is in the place of %d", r.id, id))
		}
		if !c.ours(id) {
			accepted++
		}
		booked += counted(int(r.gate.word.Load()&gateQueued)) + c.grown(r)
	}
	if accepted > c.accepted || int(c.opened) != c.channels.len()-int(accepted) {
		panic(fmt.Sprintf("core: %d channels, %d of the peer's in %d slots, %d ours", c.channels.len(), accepted,
			c.accepted, c.opened))
	}
	// What applications keep, and reservations of channels not opened yet, may come on top.
	if used := c.memory.Used(); used < int64(booked) {
		panic(fmt.Sprintf("core: %d bytes of memory used, the channels booked %d", used, booked))
	}
}

// checkWindows verifies the connection's own.
func (c *Conn) checkWindows() error {
	in, out := &c.in, &c.out
	switch {
	case in.size != in.window+in.owed: // all is consumed as it comes
		return fmt.Errorf("receive window %d and %d owed of %d", in.window, in.owed, in.size)
	case c.peer.extended && int(in.size) < c.cfg.ConnWindow:
		return fmt.Errorf("receive window shrunk to %d", in.size)
	case out.window < 0:
		return fmt.Errorf("send window %d", out.window)
	case out.stalled && c.queue.OnlyControl():
		return fmt.Errorf("stalled with nothing to send")
	}
	return nil
}

// checkChannel verifies one channel.
func (c *Conn) checkChannel(slot uint32, r *record) error {
	if r.state == idle || r.state == closed {
		return fmt.Errorf("is not live")
	}
	if err := c.checkInflow(r); err != nil {
		return err
	}
	if control := c.queue.HasControl(c.arena.flows, slot); control != (r.flags&sendAny != 0) {
		return fmt.Errorf("control frames %x, in the queue: %v", r.flags&sendAny, control)
	}
	waits := r.first != 0 && r.flags&sendOpen == 0
	ready := waits && c.sendable(r) > 0
	if data := c.queue.HasData(c.arena.flows, slot); data != ready {
		return fmt.Errorf("can send: %v, in the queue: %v", ready, data)
	}
	if ready && c.queue.Class(c.arena.flows, slot) != r.prio {
		return fmt.Errorf("of priority %d, in the queue of %d", r.prio, c.queue.Class(c.arena.flows, slot))
	}
	switch {
	case r.state > open && (waits || ready):
		return fmt.Errorf("data behind CLOSE")
	case r.flags&(finSent|sendFin) != 0 && (waits || r.flags&finWanted == 0):
		return fmt.Errorf("data behind FIN, or FIN that nobody wanted")
	case r.flags&(finSent|sendFin) == finSent|sendFin:
		return fmt.Errorf("FIN is sent twice")
	case r.flags&(finSent|finCame) == finSent|finCame:
		return fmt.Errorf("both directions have ended")
	}
	queued := 0
	for i := c.backlog(r); i != 0; i = c.arena.segs.at(i).next {
		s := c.arena.segs.at(i)
		if s.isFile() {
			queued += fileCost
		} else {
			queued += cost(s.size()) - s.size() + int(s.end-s.off)
		}
	}
	if booked := int(r.gate.word.Load() & gateQueued); booked < queued {
		return fmt.Errorf("%d bytes booked, %d waiting", booked, queued)
	}
	switch {
	case r.state > open && r.timer != closingTimer:
		return fmt.Errorf("nothing ends it")
	case r.state == opening && r.timer != openingTimer && r.timer != closeWaitTimer:
		return fmt.Errorf("nothing ends it")
	case waits && !ready && r.timer == noTimer:
		return fmt.Errorf("waits for window without end")
	}
	return nil
}

// checkInflow verifies a channel's receive window: size = window + unconsumed + owed.
func (c *Conn) checkInflow(r *record) error {
	in := &r.in
	live := r.state == open || r.state == opening // else nothing is granted any more
	switch {
	case in.window+in.owed > in.size:
		return fmt.Errorf("window %d and %d owed of %d", in.window, in.owed, in.size)
	case live && r.flags&byHand == 0 && in.unconsumed() > 0:
		return fmt.Errorf("%d bytes that nobody will consume", in.unconsumed())
	case r.state == open && in.size < c.startOf(r):
		return fmt.Errorf("window shrunk to %d", in.size)
	}
	return nil
}
