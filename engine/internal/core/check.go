//go:build poison

package core

import "fmt"

// checkedChannels is up to how many channels a connection is checked: check looks at all of them.
const checkedChannels = 64

// check verifies what must hold between two calls.
func (c *Conn) check() {
	if c.phase >= failing && len(c.channels) > 0 {
		panic("core: channels on a connection that has ended")
	}
	if len(c.channels) > checkedChannels {
		return
	}
	accepted := uint32(0)
	for id, slot := range c.channels {
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
	}
	if accepted > c.accepted {
		panic(fmt.Sprintf("core: %d channels of the peer's in %d slots", accepted, c.accepted))
	}
}

// checkChannel verifies one channel.
func (c *Conn) checkChannel(slot uint32, r *record) error {
	if r.state == idle || r.state == closed {
		return fmt.Errorf("is not live")
	}
	if r.in.window+r.in.owed > c.window() {
		return fmt.Errorf("window %d and %d owed", r.in.window, r.in.owed)
	}
	if control := c.queue.HasControl(c.arena.flows, slot); control != (r.flags&sendAny != 0) {
		return fmt.Errorf("control frames %x, in the queue: %v", r.flags&sendAny, control)
	}
	waits := r.first != 0 && r.flags&sendOpen == 0
	ready := waits && c.sendable(r) > 0
	if data := c.queue.HasData(c.arena.flows, slot); data != ready {
		return fmt.Errorf("can send: %v, in the queue: %v", ready, data)
	}
	if r.state > open && (waits || ready) {
		return fmt.Errorf("data behind CLOSE")
	}
	queued := 0
	for i := c.backlog(r); i != 0; i = c.arena.segs.at(i).next {
		s := c.arena.segs.at(i)
		queued += max(cost(int(s.end))-int(s.off), 0)
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
