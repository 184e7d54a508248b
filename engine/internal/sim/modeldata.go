package sim

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// The flags of DATA.
const (
	flagZip       = 1
	flagFin       = 2
	flagHeaderCRC = 4
)

// mayFlag returns whether a frame has no flags but those that the core offered.
func (m *model) mayFlag(w *World, f *wireFrame) bool {
	may := byte(0)
	if f.typ == 3 && m.peer.extended {
		may = flagFin | flagHeaderCRC
		if w.setup.Zip > 0 && f.flags&flagHeaderCRC == 0 {
			may |= flagZip
		}
	}
	return f.flags&^may == 0
}

// data is DATA on channel c, which is nil if it is closed.
func (m *model) data(w *World, f *wireFrame, c *modelChannel) {
	late := c == nil || c.state == mCrossed
	if f.flags&flagZip != 0 && !m.unzip(w, f, c, late) {
		return
	}
	n, fin := int64(len(f.payload)), f.flags&flagFin != 0
	if m.peer.extended {
		if n > m.in {
			m.fail(codec.FlowControlError)
			return
		}
		m.in -= n
	}
	switch {
	case late:
		m.owe(w, f)
	case c.finIn:
		m.fail(codec.ClosedError)
	case n > c.window:
		m.fail(codec.FlowControlError)
	case n == 0 && !fin:
		m.token(w, 1)
	default:
		c.window -= n
		c.finIn = fin
		if c.state == mOpen && !m.deaf(w, f.channel) {
			m.expect(core.DataReceived, f.channel, dataHash(f.payload, fin))
		}
		if fin && c.finOut {
			m.close(w, f.channel, endHash(0, true, false))
		}
	}
}

// unzip puts what a payload inflates to in its place, and charges for what was not worth it. It returns false
// if that ends the connection.
func (m *model) unzip(w *World, f *wireFrame, c *modelChannel, late bool) bool {
	limit := min(int64(w.setup.MaxFrame), m.in)
	if !late {
		limit = min(limit, c.window)
	}
	packed := bytes.NewReader(f.payload)
	r, err := zlib.NewReader(packed)
	var p []byte
	if err == nil {
		p, err = io.ReadAll(io.LimitReader(r, limit+1))
	}
	if err == nil && int64(len(p)) <= limit { // its checksum is read with its end
		_, err = r.Read(make([]byte, 1))
	}
	if err != io.EOF || int64(len(p)) > limit || packed.Len() > 0 {
		m.fail(codec.CompressionError)
		return false
	}
	n := len(f.payload)
	f.payload = p
	return n <= len(p)*9/10 || m.token(w, int64(1+n/1024))
}

// grant is FLOW_CONTROL on a channel that takes it.
func (m *model) grant(w *World, c *modelChannel, n int64) {
	switch {
	case n == 0:
		m.fail(codec.ProtocolError)
		return
	case c.out+n > maxWindow:
		m.fail(codec.FlowControlError)
		return
	case n < 1024 && !c.sent && !m.token(w, 1):
		return
	}
	c.out += n
	c.sent = false
}

// grantAll is FLOW_CONTROL for the connection.
func (m *model) grantAll(w *World, n int64) {
	switch {
	case m.peer.conn == 0, n == 0:
		m.fail(codec.ProtocolError)
		return
	case m.out+n > maxWindow:
		m.fail(codec.FlowControlError)
		return
	case n < 1024 && !m.sent && !m.token(w, 1):
		return
	}
	m.out += n
	m.sent = false
}

// urgency is PRIORITY on a channel that takes it.
func (m *model) urgency(w *World, f *wireFrame) {
	if m.ours(f.channel) || f.payload[0] > 7 {
		m.fail(codec.ProtocolError)
		return
	}
	m.token(w, 1)
}

// start is the receive window that a channel of the core's starts with, whose OPEN has that payload.
func (m *model) start(w *World, open []byte) int64 {
	if m.heard && !m.peer.extended {
		return int64(w.setup.Window)
	}
	return windowOf(open, int64(w.setup.Window))
}

// unused is what of a receive window may still come late. A peer that said nothing yet may be one that knows
// of one window only.
func (m *model) unused(w *World, window int64) int64 {
	if !m.heard {
		return max(window, int64(w.setup.Window))
	}
	return window
}

// accepted is a channel of the peer's, whose OPEN had that payload.
func (m *model) accepted(w *World, open []byte) *modelChannel {
	n := int64(w.setup.Window)
	c := &modelChannel{state: mOpen, window: n, start: n, out: n}
	if m.peer.extended {
		c.out = windowOf(open, m.peer.window)
	}
	return c
}

// windowOf is the window that OPEN asks for, or what it is without that.
func windowOf(open []byte, n int64) int64 {
	eachParam(open, func(t byte, v []byte) bool {
		if t == 2 && len(v) == 4 {
			n = int64(binary.BigEndian.Uint32(v))
		}
		return true
	})
	return n
}

// sawData takes DATA that the core sends, inflated.
func (m *model) sawData(w *World, f *wireFrame) {
	c, n := m.chans[f.channel], int64(len(f.payload))
	if c == nil || c.out < n {
		w.failf("window conservation", "%d bytes leave on channel %d, beyond the window", n, f.channel)
		return
	}
	offered := byte(0)
	for feature, flag := range map[int64]byte{offersFin: flagFin, offersHeaderCRC: flagHeaderCRC, offersZlib: flagZip} {
		if m.peer.features&feature != 0 {
			offered |= flag
		}
	}
	if f.flags&^offered != 0 || m.peer.extended && n > m.peer.frame {
		w.failf("wire", "DATA of %d bytes with flags %02x leaves, which the peer does not take", n, f.flags)
	}
	m.left += n
	m.out -= n
	if m.peer.conn != 0 && m.out < 0 || w.setup.Extended && !m.heard && m.left > 65536 {
		w.failf("window conservation", "%d bytes leave beyond the connection's window", n)
	}
	c.out -= n
	if n > 0 {
		c.sent, m.sent = true, true
		m.lates = min(m.lates+1+n/1024, 1<<20)
	}
	if c.finOut = f.flags&flagFin != 0; c.finOut && c.finIn {
		m.halves[f.channel] = true
		m.ended(w, f.channel)
	}
}

// sawGrant takes FLOW_CONTROL that the core sends.
func (m *model) sawGrant(w *World, f *wireFrame) {
	n := int64(binary.BigEndian.Uint32(f.payload))
	m.answers += f.size
	if f.channel == 0 {
		if m.in += n; !m.peer.extended || m.in > max(int64(w.setup.ConnWindow), 4*int64(w.setup.MaxWindow)) {
			w.failf("window conservation", "the connection's window becomes %d", m.in)
		}
		return
	}
	c := m.chans[f.channel]
	if c == nil {
		w.failf("reference model", "a grant leaves on channel %d, which is closed", f.channel)
		return
	}
	most := c.start
	if m.peer.extended {
		most = max(most, int64(w.setup.MaxWindow))
	}
	if c.window += n; c.window > most {
		w.failf("window conservation", "the window of channel %d becomes %d", f.channel, c.window)
	}
}

// sawPriority takes PRIORITY that the core sends.
func (m *model) sawPriority(w *World, f *wireFrame) {
	if m.chans[f.channel] == nil || !m.ours(f.channel) || m.peer.features&offersPriority == 0 {
		w.failf("wire", "PRIORITY leaves on channel %d, where it has no business", f.channel)
	}
}

// dataHash is what of DATA an application hears.
func dataHash(p []byte, fin bool) uint64 {
	if fin {
		return ^hashBytes(p)
	}
	return hashBytes(p)
}
