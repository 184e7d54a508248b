package core

import (
	"time"

	"github.com/sscd-io/sscd/codec"
)

// COMPRESSED payloads (SPEC section 3). Windows count what they inflate to; deflate.go does the work.

// unpack inflates the payload of a compressed DATA frame. r is the channel's record, nil if it has none, and v
// what the frame means to it. It returns false if that ended the connection.
func (c *Conn) unpack(now time.Duration, f *codec.Frame, r *record, v verdict) bool {
	limit := min(c.cfg.MaxFrame, int(c.in.window))
	if v != late { // what is late is bounded by the late credit
		limit = min(limit, int(r.in.window))
	}
	return c.inflate(now, f, limit)
}

// inflate puts what the payload of a frame inflates to, limit bytes at most, in its place. It is valid until the
// next Step.
func (c *Conn) inflate(now time.Duration, f *codec.Frame, limit int) bool {
	packed := len(f.Payload)
	buf, err := c.cfg.zipper.inflate(c.cfg.Pool, f.Payload, limit)
	if err != nil {
		c.fault(now, codec.CompressionError, f, err.Error())
		return false
	}
	c.arena.dropInflated() // of a frame that was no event
	c.arena.inflated = buf
	f.Payload = buf.B
	if packed > len(buf.B)*9/10 { // no correct peer compresses for that; the work was much for little
		c.charge(now, 1+int32(packed/zipToken))
	}
	return c.phase == running
}

// appendZipped appends a DATA frame whose payload is compressed, if the peer takes that and it is worth it.
func (c *Conn) appendZipped(b *Batch, h codec.Header, payload []byte) bool {
	if !c.cfg.Compression || !c.can(codec.FeatureZlib) {
		return false
	}
	packed, ok := c.cfg.zipper.deflate(c.arena.packed[:0], payload)
	if c.arena.packed = packed[:0]; !ok {
		return false
	}
	h.Flags |= codec.Compressed
	b.saved += len(payload) - len(packed)
	if len(packed) <= copyLimit {
		b.frame(c.cfg.Pool, h, packed, nil)
		return true
	}
	buf := c.cfg.Pool.Copy(packed)
	b.frameOf(c.cfg.Pool, h, buf.B, nil, buf)
	buf.Release()
	return true
}

// dropInflated gives back the memory of the last inflated payload.
func (a *Arena) dropInflated() {
	if a.inflated != nil {
		a.inflated.Release()
		a.inflated = nil
	}
}
