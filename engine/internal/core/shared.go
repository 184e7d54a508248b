package core

import (
	"math"
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
	left int      // channels whose SendShared was not called yet, or on which it waits
	slot int32    // in Arena.shared; 0 before the first of them
	_    [44]byte // to a line of the cache: left changes for each channel, and neighbours belong to other loops
}

// Many is from how many channels of a connection on NextShared is worth it: fewer should leave with what else there is.
func (m *Message) Many(cfg *Config) int {
	n := len(m.buf.B)
	if n > copyLimit {
		return math.MaxInt
	}
	return cfg.BatchBytes / 4 / (codec.HeaderSize + n)
}

// Drop tells that n of the channels are through with s.
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

// NextShared is SendShared on channels of a connection with nothing else to send, and Next: a message that need not
// wait takes no place in any queue. It returns with how many of to it is through: those behind do not fit, or none can
// be sent so. All that leave so have one priority.
func (c *Conn) NextShared(now time.Duration, b *Batch, to []Handle, s *Shared) (done int) {
	n := len(s.buf.B)
	if n > copyLimit || c.HasOutput() || c.out.stalled {
		return 0
	}
	b.most = c.cfg.BatchBytes
	var prio uint8
	sent := 0
	for b.fits(codec.HeaderSize+n, codec.HeaderSize+n) && done < len(to) {
		h := to[done]
		done++
		r := c.sending(h)
		if r == nil || r.first != 0 || r.flags&compressing != 0 || sent > 0 && r.prio != prio ||
			uint32(n) > min(uint32(r.out), c.peer.frame) || int64(n) > c.out.window {
			c.SendShared(now, h, s)
			continue
		}
		b.frame(c.cfg.Pool, codec.Header{Channel: r.id, Type: codec.Data}, s.buf.B, s.sum)
		r.out.take(n)
		r.flags = r.flags&^squeeze | sentSinceGrant
		c.out.window -= int64(n)
		c.late.sent(n)
		if r.gate.free(cost(n), c.cfg.SendLow, &c.memory) {
			c.report(h.Slot, tellWritable)
		}
		prio = r.prio
		sent++
	}
	if sent > 0 {
		c.spoke = now
		c.out.sent, c.out.squeeze = true, false
		c.arena.Drop(s, sent)
	}
	c.built(now, b)
	return done
}

// sumOf is the sum of the payload if it is all of a segment and known, else nil.
func (a *Arena) sumOf(s *segment, n int) *codec.Sum {
	if s.place <= 0 || n != int(s.end) {
		return nil
	}
	return a.shared[s.place].sum
}
