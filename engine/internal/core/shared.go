package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/pool"
)

// Message is a message for many channels. Its bytes and their CRC are there once, whatever the number of channels, and
// are not changed any more.
type Message struct {
	buf *pool.Buf
	sum *codec.Sum
}

// NewMessage returns the message of the bytes of buf, of which it takes the reference.
func NewMessage(buf *pool.Buf) *Message { return &Message{buf, codec.NewSum(buf.B)} }

// Retain adds a reference to m, which is shared from then on by n channels of one arena.
func (m *Message) Retain(n int) *Shared {
	m.buf.Retain()
	return &Shared{Message: m, left: n}
}

// Release gives up the reference of who made m.
func (m *Message) Release() { m.buf.Release() }

// Shared is a message that waits on channels of one arena. They are counted here, inside the loop, so that the
// reference that all loops count is one for all of them.
type Shared struct {
	*Message
	left int   // channels whose SendShared was not called yet, or on which it waits
	slot int32 // in Arena.shared; 0 before the first of them
}

// Drop tells that SendShared is not called for n of the channels.
func (a *Arena) Drop(s *Shared, n int) {
	if s.left -= n; s.left > 0 {
		return
	}
	s.buf.Release()
	if s.slot != 0 {
		a.shared[s.slot] = nil
		a.freeShared = append(a.freeShared, s.slot)
	}
}

// slotOf is the slot of s, which gets one if it has none.
func (a *Arena) slotOf(s *Shared) int32 {
	if s.slot == 0 {
		if n := len(a.freeShared); n > 0 {
			s.slot = a.freeShared[n-1]
			a.freeShared = a.freeShared[:n-1]
		} else {
			a.shared = append(a.shared, nil)
			s.slot = int32(len(a.shared) - 1)
		}
		a.shared[s.slot] = s
	}
	return s.slot
}

// SendShared is Send of a message that other channels send, too. It must have been reserved on each.
func (c *Conn) SendShared(now time.Duration, h Handle, s *Shared) {
	r := c.sending(h)
	if r == nil {
		c.arena.Drop(s, 1)
		return
	}
	c.push(r, s.buf).place = c.arena.slotOf(s)
	c.ready(now, h.Slot, r)
}

// sumOf is the sum of the payload if it is all of a segment and known, else nil.
func (a *Arena) sumOf(s *segment, n int) *codec.Sum {
	if s.place <= 0 || n != int(s.end) {
		return nil
	}
	return a.shared[s.place].sum
}
