package sim

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"slices"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/codec/codectest"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// hostile is a peer without a core: what it sends is made up frame by frame, right ones that lead far and
// every kind of wrong one (the rows of HOSTILE.md that a core can meet).
type hostile struct {
	at     int // the side it plays
	next   uint32
	opens  map[uint32]*channel // by it, as the core's application got them
	damage uint32              // the bit of the next frame to change, and 1
	known  []uint32            // scratch

	spoke    bool // it sent its first frame
	extended bool // and that was HELLO, a right one
	limited  bool // in which it asked for a window for the connection
	packed   bytes.Buffer
	zlib     *zlib.Writer
}

// begin makes p the peer of the world's core.
func (p *hostile) begin(w *World) {
	opens := p.opens
	*p = hostile{at: 1 - w.setup.Core, opens: opens, known: p.known[:0], zlib: p.zlib}
	if p.opens == nil {
		p.opens = make(map[uint32]*channel)
	}
	clear(p.opens)
	p.next = 2
	if p.at == Client {
		p.next = 1
	}
	w.sides[p.at].script = true
	w.model.begin(w, w.setup.Core == Client)
}

// do does an operation of the peer's.
func (p *hostile) do(w *World, kind Kind, op *Op) {
	if w.setup.Extended && !p.spoke && (kind == Frame || kind == Flood) {
		if p.spoke = true; w.random(16) != 0 {
			p.hello(w)
			return
		}
	}
	switch kind {
	case Frame:
		p.sendFrame(w, op.Pick, op.N)
	case Flood:
		p.flood(w, op.N)
	case Raw:
		var noise [8]byte
		for range min(op.N, 64)/8 + 1 {
			w.noise = mix(w.noise)
			binary.LittleEndian.PutUint64(noise[:], w.noise)
			w.links[w.setup.Core].put(noise[:])
		}
	case Damage:
		p.damage = op.N | 1<<31
	}
}

// random is a number below n.
func (w *World) random(n uint32) uint32 {
	w.noise = mix(w.noise)
	return uint32(w.noise>>32) % n
}

// put sends a frame to the core, damaged if that is its turn.
func (p *hostile) put(w *World, typ, flags byte, id uint32, payload []byte) {
	frame := codectest.Encode(codectest.Limits{HeaderCRC: p.extended},
		codectest.Frame{Channel: id, Type: typ, Flags: flags, Payload: payload})
	if p.damage != 0 {
		bit := p.damage &^ (1 << 31) % uint32(8*len(frame))
		frame[bit/8] ^= 1 << (bit % 8)
		p.damage = 0
	}
	w.links[w.setup.Core].put(frame)
}

// number is a payload of one u32, and what follows it.
func number(n uint32, more ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 16), n), more...)
}

// sentTypes are the types of frames to draw from.
var sentTypes = [...]byte{1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 7, 8, 8, 8, 8, 8, 128, 255,
	9, 0, 77}

// sendFrame sends a frame. The low byte of n says which type, the next how odd it is, the rest how much.
func (p *hostile) sendFrame(w *World, pick uint16, n uint32) {
	typ := sentTypes[n%uint32(len(sentTypes))]
	if p.extended && typ == 77 {
		typ = 9
	}
	odd := n >> 8 & 0xff
	if odd > 16 && typ != 1 && typ < 9 && n%31 == 0 {
		odd = 0
	}
	if odd > 16 && (typ == 9 && !p.extended || typ == 0 || typ == 77) {
		typ = 3 // these end the connection
	}
	id := p.target(w, typ, pick, odd)
	flags := byte(0)
	if odd == 1 {
		flags = 1 << (n >> 16 % 8)
	}
	payload := p.payload(w, typ, id, odd, n>>16)
	if typ == 3 && p.extended && odd != 1 {
		flags, payload = p.dress(w, odd, payload)
	}
	p.put(w, typ, flags, id, payload)
}

// target is the channel a frame is sent on.
func (p *hostile) target(w *World, typ byte, pick uint16, odd uint32) uint32 {
	m := &w.model
	switch {
	case odd >= 5 && odd < 12:
		rare := odd%2 == 0
		if id, ok := p.pick(w, pick, func(_ uint32, c *modelChannel) bool { return !rare || c.state != mOpen }); ok {
			return id
		}
		return p.next
	case odd >= 12 && odd < 16: // a certain state, if any channel is in it
		state := [...]modelState{mOpening, mAbandoned, mClosing, mCrossed}[odd-12]
		if id, ok := p.pick(w, pick, func(_ uint32, c *modelChannel) bool { return c.state == state }); ok {
			return id
		}
	case odd == 2:
		return [...]uint32{0, 1, 2, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1}[w.random(7)]
	case odd == 3 || odd == 4: // not in use any more, or not yet
		return w.random(p.next + 4)
	}
	switch {
	case typ == 1:
		id := p.next
		p.next += 2
		if pick%64 == 0 { // gaps of any size
			p.next += w.random(1<<28) &^ 1
		}
		return id
	case typ == 6 || typ == 7 || typ >= 128:
		return 0
	case typ == 5 && pick%32 == 0, typ == 8 && p.limited && pick%4 == 0:
		return 0
	}
	id, ok := p.pick(w, pick, func(id uint32, c *modelChannel) bool {
		if typ == 9 && m.ours(id) || typ == 3 && c.finIn && odd > 16 {
			return false
		}
		if typ == 4 && pick%8 != 0 { // what waits for it
			return c.state != mOpen
		}
		return c.state != mOpening && c.state != mAbandoned
	})
	switch {
	case ok:
		return id
	case m.theirs > 0: // closed, or its OPEN is on the way
		return m.theirs
	}
	return p.next
}

// pick returns one of the channels that are not closed, and for which may returns true.
func (p *hostile) pick(w *World, pick uint16, may func(uint32, *modelChannel) bool) (id uint32, ok bool) {
	p.known = p.known[:0]
	for id, c := range w.model.chans {
		if may(id, c) {
			p.known = append(p.known, id)
		}
	}
	if len(p.known) == 0 {
		return 0, false
	}
	slices.Sort(p.known)
	return p.known[int(pick)%len(p.known)], true
}

// payload is what a frame carries.
func (p *hostile) payload(w *World, typ byte, id, odd, amount uint32) []byte {
	b := w.zeros[:]
	switch typ {
	case 1:
		return p.openPayload(w, odd, amount)
	case 3:
		n := amount % 300
		if c := w.model.chans[id]; c != nil && odd > 16 {
			n = max(1, uint32(min(int64(n), c.window/2)))
		}
		if odd == 6 {
			n = uint32(w.setup.MaxFrame) - 6 + amount%10
		}
		fill := pattern{key: newKey(w.noise, id, 0)}
		fill.fill(w.batch[:n], 0)
		return w.batch[:n]
	case 4:
		if odd < 32 {
			return b[:amount%5000]
		}
	case 5:
		return p.errorPayload(w, id, odd, amount)
	case 6, 7:
		if odd == 7 && w.setup.Extended { // once more
			return append([]byte([...]string{helloAsk, helloAnswer}[amount&1]), 4, 0, 4, 0, 0, 0, byte(amount>>1))
		}
		if pings := w.model.pings; typ == 7 && len(pings) > 0 && odd > 32 {
			return pings[int(amount)%len(pings)]
		}
		if n := 8 + amount%4*4; odd > 16 {
			return append(number(amount), b[:n-4]...)
		}
		return b[:amount%260]
	case 8:
		switch {
		case odd < 4:
			return number([...]uint32{0, 1<<31 - 1, 1 << 31, 1<<32 - 1}[odd])
		case odd == 4:
			return b[:amount%8]
		}
		return number(1 + amount%5000)
	case 2:
		return b[:odd/255]
	case 9:
		return p.priority(odd, amount)
	}
	return b[:amount%5000*(odd/250)]
}

// openPayload is parameters of OPEN, right or wrong.
func (p *hostile) openPayload(w *World, odd, amount uint32) []byte {
	o := w.openForm(amount << 4)
	switch {
	case odd > 64:
		return nil
	case odd > 32:
		return o
	case odd > 24:
		return append(o, 2, 0, 4, byte(amount), 0, 0, 1)
	case odd > 16 && len(o) > 0:
		return o[:amount%uint32(len(o)+1)]
	case odd > 8:
		return append(o, 3, 0, 2, 0xff, 0xfe)
	}
	return append(o, byte(amount), 0, byte(amount>>8))
}

// errorPayload is that of ERROR, on channel 0 often GOAWAY.
func (p *hostile) errorPayload(w *World, id, odd, amount uint32) []byte {
	switch {
	case odd < 8:
		return w.zeros[:odd]
	case id == 0 && odd > 128:
		return append(number(0), number(amount)...)
	case id == 0 && odd > 120:
		return number(amount % 16)
	case odd < 16:
		return nil
	}
	return append(number([...]uint32{0, 1, 6, 7, 13, 14, 255, 256, 1 << 31}[amount%9]), "because"...)
}

// floodLimit is how many bytes may be on their way to the core when more of a flood is sent: sockets hold no more.
const floodLimit = 1 << 20

// flood sends many frames of a kind: the low four bits say which, the others how many.
func (p *hostile) flood(w *World, n uint32) {
	times := n >> 4 % 200
	if n>>4%64 == 0 {
		times = 10_100 // more than there are tokens
	}
	m := &w.model
	live := uint32(0)
	for id := range m.chans {
		live = max(live, id)
	}
	for ; times > 0 && w.links[w.setup.Core].pending() < floodLimit; times-- {
		switch n & 15 {
		case 0, 1: // rapid reset
			p.put(w, 1, 0, p.next, nil)
			p.put(w, byte(2+3*(n&1)), 0, p.next, nil)
			p.next += 2
		case 2: // opens
			p.put(w, 1, 0, p.next, nil)
			p.next += 2
		case 3:
			p.put(w, 6, 0, 0, number(w.random(9), 1, 2, 3, 4))
		case 4:
			p.put(w, 7, 0, 0, number(w.random(9), 1, 2, 3, 4))
		case 5:
			p.put(w, 8, 0, live, number(1))
		case 6:
			p.put(w, 4, 0, live, nil)
		case 7:
			p.put(w, 3, 0, live, nil)
		case 8:
			p.put(w, 3, 0, live, []byte{1})
		case 9, 10: // late ones
			p.put(w, byte(2+n&3), 0, m.theirs, nil)
		case 11:
			p.put(w, 5, 0, 0, append(number(0), number(w.random(100))...))
		case 12:
			p.put(w, byte(128+w.random(128)), 0, live, nil)
		case 13, 14, 15:
			p.floodExtended(w, n&15, live)
		}
	}
}

// opened returns the channel that the core reports as opened by the peer.
func (p *hostile) opened(w *World, s int, id uint32) *channel {
	if p.opens[id] != nil || id%2 == uint32(s^1) {
		return nil
	}
	ch := w.newChannel(1 - s)
	ch.name(w.setup.Seed, id)
	p.opens[id] = ch
	return ch
}

// closed takes the end of a channel of the core's. Those that a frame brought are the model's to judge.
func (p *hostile) closed(w *World, s int, ch *channel, end *core.End) {
	m, e := &w.model, &ch.ends[s]
	if m.feeding || m.dead {
		return
	}
	switch {
	case end.Code == codec.Timeout && w.mayTimeOutOn(s, e):
		c := m.chans[ch.id]
		m.localEnd(w, ch.id, c != nil && (c.state == mClosing || c.state == mCrossed || c.state == mAbandoned))
	case e.reset && (end.Code == e.code || e.code == 0 && end.Code == codec.Cancelled):
		m.localEnd(w, ch.id, false)
	case e.lostFile(end.Code):
		if m.chans[ch.id] != nil { // else its ERROR has left already, in the batch that was to have the file
			m.localEnd(w, ch.id, false)
		}
	case end.Code == codec.Refused && w.sides[s].draining != 0:
		if ch.id != 0 {
			m.localEnd(w, ch.id, true)
		}
	case end.Clean && m.halves[ch.id]:
		delete(m.halves, ch.id)
	case end.Code == codec.Refused && ch.id == 0 && m.peer.extended && m.peer.channels < int64(w.setup.Live):
	case end.Clean && w.sides[s].cause.eof:
		m.localEnd(w, ch.id, true)
	default:
		w.failf("ids and states", "channel %d ends with %v, for no reason", ch.id, end.Code)
	}
}

// down takes the end of the core's connection.
func (p *hostile) down(w *World, s int, end *core.End) {
	m, sd := &w.model, &w.sides[s]
	if m.feeding {
		return
	}
	m.dead = true
	switch {
	case sd.aborted, end.Err != nil && sd.cause.eof:
	case end.Clean && (sd.draining != 0 || m.away):
	case end.Code == codec.Cancelled && sd.quit, end.Code == codec.Timeout && w.mayTimeOut(s):
		m.failed, m.fault = true, end.Code
	default:
		w.failf("ids and states", "the connection ends with %v (%s, %v), for no reason", end.Code, end.Reason, end.Err)
	}
}

// leave ends the peer: it closes its stream, or is not heard of again.
func (p *hostile) leave(w *World) {
	if w.hash&3 != 0 {
		w.links[w.setup.Core].ended = true
	}
}
