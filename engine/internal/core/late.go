package core

import (
	"math"
	"time"

	"github.com/sscd-io/sscd/codec"
)

// lateness is what may still come on channels that are closed (SPEC section 2): bytes of DATA, and frames without
// data. It needs no memory per channel, and a peer that keeps to the rules never uses up more.
type lateness struct {
	bytes  uint32 // the windows that channels left unused
	frames uint32
}

// closed books a channel that closes, with what its receive window has left.
func (l *lateness) closed(window int64) {
	l.bytes = uint32(min(int64(l.bytes)+window, math.MaxUint32)) // more is never under way
	l.room(lateFrames)
}

// sent books a DATA frame of n bytes: it may be answered by a grant, and each lateGrant bytes of it by another.
func (l *lateness) sent(n int) { l.room(1 + uint32(n/lateGrant)) }

// room is for n frames more.
func (l *lateness) room(n uint32) { l.frames = min(l.frames+n, maxLateFrames) }

// recvLate charges a frame of a closed channel.
func (c *Conn) recvLate(now time.Duration, f *codec.Frame) {
	c.arena.Late.Add(1)
	if f.Type == codec.Data && len(f.Payload) > 0 {
		if uint32(len(f.Payload)) > c.late.bytes {
			c.fault(now, codec.Calm, f, "comes too late")
			return
		}
		c.late.bytes -= uint32(len(f.Payload))
		return
	}
	if c.late.frames == 0 {
		c.token(now)
		return
	}
	c.late.frames--
}
