package sim

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
)

// sent looks at what side s is about to send: whether each frame is one, whether it may stand there, and
// what of it will be on the way.
func (w *World) sent(s int, p []byte) {
	sd := &w.sides[s]
	for len(p) > 0 {
		var limits codectest.Limits
		if !sd.spoken { // HELLO, or the answer to it
			limits.Ping, limits.Pong = 2048, 2048
		}
		limits.HeaderCRC = w.takesHeaderCRC(s)
		f, more, fault := decode(p, limits)
		if more || fault != 0 {
			w.failf("wire", "the %s sends what is no frame (%v, cut %v): %x", sideNames[s], fault, more,
				p[:min(len(p), 20)])
			return
		}
		if w.Trace != nil {
			w.tracef("   %s sends type %d on %d, %d bytes", sideNames[s], f.typ, f.channel, len(f.payload))
		}
		p = p[f.size:]
		sd.stream += uint64(f.size)
		w.Stats.Frames++
		w.mark(uint64(f.typ), uint64(f.channel), uint64(len(f.payload)))
		ch := w.sentFrame(s, &f)
		if w.fail != nil {
			return
		}
		sd.spoken = true
		if w.setup.Hostile {
			w.model.saw(w, &f)
			continue
		}
		n := len(f.payload)
		if f.typ == 8 {
			n = int(binary.BigEndian.Uint32(f.payload))
		}
		w.links[1-s].fly(sd.stream, ch, &f, n)
	}
}

// takesHeaderCRC returns whether side s knows that its peer takes DATA without a CRC of its payload.
func (w *World) takesHeaderCRC(s int) bool {
	if w.setup.Hostile {
		return w.model.peer.features&offersHeaderCRC != 0
	}
	return w.setup.Extended && w.sides[s].arena.FramesIn > 0
}

// sentFrame checks one frame that side s sends.
func (w *World) sentFrame(s int, f *wireFrame) *channel {
	typ := codec.Type(f.typ)
	ch := w.channel(f.channel)
	refusal := ch == nil && f.channel != 0 && typ == codec.Error // of an OPEN that never became a channel
	switch {
	case f.flags != 0 && (typ != codec.Data || !w.setup.Extended || f.flags&^7 != 0):
		w.failf("wire", "flags %02x on %v", f.flags, typ)
	case f.typ > 9 || f.typ == 9 && !w.setup.Extended:
		w.failf("wire", "the %s sends %v", sideNames[s], typ)
	case f.channel == 0 && typ == codec.FlowControl && w.setup.Extended:
		return nil
	case f.channel == 0 && typ != codec.Ping && typ != codec.Pong && typ != codec.Error,
		f.channel != 0 && (typ == codec.Ping || typ == codec.Pong):
		w.failf("wire", "%v on channel %d", typ, f.channel)
	case f.channel == 0:
		says := typ != codec.Error || binary.BigEndian.Uint32(f.payload) == 0
		if s == Server && w.sides[s].arena.FramesIn == 0 && says {
			w.failf("wire", "the server speaks first: %v", typ)
		}
		return nil
	case refusal:
		return nil
	case ch == nil:
		w.failf("wire", "%v on channel %d, which nobody opened", typ, f.channel)
	default:
		w.sentOn(s, ch, typ, f)
	}
	return ch
}

// sentOn checks a frame of a channel.
func (w *World) sentOn(s int, ch *channel, typ codec.Type, f *wireFrame) {
	e := &ch.ends[s]
	bad := func(why string) {
		w.failf("wire", "the %s sends %v on channel %d %s", sideNames[s], typ, ch.id, why)
	}
	switch typ {
	case codec.Open:
		if ch.opener != s || f.channel <= w.sides[s].opened {
			bad("out of order")
		}
		w.sides[s].opened = f.channel
		e.wire = wireOpened
		return
	case codec.Ack:
		if e.wire == wireNothing {
			e.wire = wireOpened
		}
		return
	case codec.Error:
		e.wire = wireClosed
		return
	}
	switch e.wire {
	case wireNothing:
		bad("before its OPEN or ACK")
	case wireClosed:
		bad("behind its CLOSE or ERROR")
	}
	switch typ {
	case codec.Close:
		e.wire, e.closeSent = wireClosed, w.now
	case codec.Data:
		w.sentData(s, ch, f)
	case codec.FlowControl:
		e.grants += uint64(binary.BigEndian.Uint32(f.payload))
	}
}

// sentData checks DATA, and books it as on the way.
func (w *World) sentData(s int, ch *channel, f *wireFrame) {
	e := &ch.ends[s]
	if f.flags&1 != 0 {
		w.inflate(f)
	}
	p, fin := f.payload, f.flags&2 != 0
	if e.finOut {
		w.failf("wire", "the %s sends DATA behind FIN on channel %d", sideNames[s], ch.id)
	}
	if len(p) == 0 && !fin {
		w.failf("wire", "the %s sends empty DATA on channel %d", sideNames[s], ch.id)
	}
	w.checkFrame(s, ch, len(p), f.flags)
	if w.setup.Hostile {
		w.checkBytes(s, ch, p, e.left)
	}
	e.left += uint64(len(p))
	e.onLink += uint64(len(p))
	if e.left > e.written {
		w.failf("order and once", "%d bytes left on channel %d, of %d written", e.left, ch.id, e.written)
	}
	if fin && (!e.finish || e.left != e.written) {
		w.failf("order and once", "FIN leaves on channel %d behind %d bytes of %d", ch.id, e.left, e.written)
	}
	e.finOut = e.finOut || fin
	w.sides[s].fair.sent(w, s, ch, f.size-16)
}

// checkBytes compares what came from side s with what it wrote.
func (w *World) checkBytes(s int, ch *channel, p []byte, off uint64) {
	w.Stats.Verified += uint64(len(p))
	if e := &ch.ends[s]; e.holed && off+uint64(len(p)) > e.hole {
		whole := max(off, e.hole) - off
		w.checkHole(s, ch, p[whole:], off+whole)
		p = p[:whole]
	}
	if i := ch.ends[s].out.check(p, off); i >= 0 {
		w.failf("order and once", "byte %d of the %s on channel %d is wrong: %x", off+uint64(i), sideNames[s],
			ch.id, p[i:min(len(p), i+16)])
	}
}

// inflate puts what the payload of a compressed frame inflates to in its place, by the standard library.
func (w *World) inflate(f *wireFrame) {
	r, err := zlib.NewReader(bytes.NewReader(f.payload))
	if err == nil {
		packed := len(f.payload)
		f.payload, err = io.ReadAll(r)
		if len(f.payload) <= 100 || packed > len(f.payload)*9/10 {
			w.failf("wire", "%d bytes were compressed to %d", len(f.payload), packed)
		}
	}
	if err != nil {
		w.failf("wire", "a payload is no zlib stream: %v", err)
	}
}
