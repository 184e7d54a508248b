package sim

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// before is called before bytes of the script reach the core.
func (m *model) before(w *World) {
	m.feeding = true
	m.drains = w.sides[w.setup.Core].draining != 0
	m.echo = w.sides[w.setup.Core].conn.Look(w.now).Greeting
	m.got, m.want = m.got[:0], m.want[:0]
	m.unsent = m.unsent[:0]
	opened := w.chans[w.setup.Core]
	for i := len(opened) - 1; i >= 0 && opened[i].id > m.own; i-- {
		if e := &opened[i].ends[w.setup.Core]; !e.over {
			m.unsent = append(m.unsent, opened[i].id)
		}
	}
}

// hear notes an event that the core reports while it is fed.
func (m *model) hear(w *World, ev *core.Event) {
	if !m.feeding {
		return
	}
	h := heardEvent{kind: ev.Kind}
	if ev.Channel.Slot != 0 {
		var v core.ChannelView
		w.sides[w.setup.Core].conn.View(ev.Channel, &v)
		h.id = v.ID
	}
	switch ev.Kind {
	case core.Opened, core.DataReceived:
		h.what = dataHash(ev.Data, ev.Fin)
	case core.Closed, core.Down:
		h.what = endHash(ev.End.Code, ev.End.Clean, ev.End.Remote)
	}
	m.got = append(m.got, h)
}

// fed compares what bytes of the script led to with what they should.
func (m *model) fed(w *World, p []byte) {
	sd := &w.sides[w.setup.Core]
	m.feeding = false
	m.came += len(p)
	m.buf = append(m.buf, p...)
	rest := m.buf
	for !m.dead && !m.eof {
		f, more, fault := decode(rest, m.limits(w))
		if fault != 0 {
			m.fail(fault)
			break
		}
		if more {
			break
		}
		rest = rest[f.size:]
		sd.begun = 0
		w.Stats.Seen[m.row(&f)][f.typ]++
		if w.Trace != nil {
			w.tracef("   it is a frame of type %d on %d, %d bytes", f.typ, f.channel, len(f.payload))
		}
		m.frame(w, &f)
	}
	m.buf = m.buf[:copy(m.buf, rest)]
	if len(m.buf) > 0 && sd.begun == 0 {
		sd.begun = w.now
	}
	m.compare(w)
}

// compare is the oracle: the core must have reported and charged what the model says.
func (m *model) compare(w *World) {
	sd := &w.sides[w.setup.Core]
	for i := range max(len(m.got), len(m.want)) {
		switch {
		case i >= len(m.got):
			w.failf("reference model", "%v of channel %d is not reported", eventNames[m.want[i].kind], m.want[i].id)
		case i >= len(m.want):
			w.failf("reference model", "%v of channel %d is reported", eventNames[m.got[i].kind], m.got[i].id)
		case m.got[i] != m.want[i]:
			w.failf("reference model", "event %d is %v of channel %d (%x), not %v of channel %d (%x)", i,
				eventNames[m.got[i].kind], m.got[i].id, m.got[i].what, eventNames[m.want[i].kind], m.want[i].id,
				m.want[i].what)
		}
	}
	v := sd.conn.Look(w.now)
	switch {
	case m.dead != (v.Phase >= 2):
		w.failf("reference model", "the connection has failed: %v, and not %v", v.Phase >= 2, m.dead)
	case m.dead:
	case v.Late != m.late:
		w.failf("reference model", "the late credit is %d, and not %d", v.Late, m.late)
	case v.Lates != m.lates:
		w.failf("reference model", "room for %d late frames, and not %d", v.Lates, m.lates)
	case int64(v.Tokens) != m.tokens:
		w.failf("reference model", "%d tokens are left, and not %d", v.Tokens, m.tokens)
	case m.peer.extended && v.In != m.in:
		w.failf("reference model", "the connection's window is %d, and not %d", v.In, m.in)
	case sd.conn.Memory().Used() > int64(w.setup.Memory):
		w.failf("memory", "%d bytes are booked of %d", sd.conn.Memory().Used(), w.setup.Memory)
	case v.Carried > 2*len(m.buf)+4096:
		w.failf("memory", "%d bytes keep a frame of which %d came", v.Carried, len(m.buf))
	}
	if len(m.got) == 0 && v.Accepted > len(m.slots)+m.limbo {
		w.failf("slots", "%d slots are held, and %d are known of", v.Accepted, len(m.slots))
	}
}

// row is the state a frame finds its channel in, for the statistics.
func (m *model) row(f *wireFrame) core.State {
	c, highest := m.chans[f.channel], m.theirs
	if m.ours(f.channel) {
		highest = m.own
	}
	switch {
	case c == nil && f.channel > highest:
		return core.StateIdle
	case c == nil:
		return core.StateClosed
	}
	return [...]core.State{core.StateOpening, core.StateOpen, core.StateAbandoned, core.StateClosing,
		core.StateCrossed}[c.state]
}

// amplified is how many bytes of answers there may be beyond those that came.
const amplified = 1 << 16

// saw takes a frame that the core sends.
func (m *model) saw(w *World, f *wireFrame) {
	if m.failed { // there is one thing left to say
		if f.typ != 5 || f.channel != 0 || m.fault == 0 || binary.BigEndian.Uint32(f.payload) != uint32(m.fault) {
			w.failf("reference model", "type %d on channel %d leaves after a connection error", f.typ, f.channel)
		}
		m.fault = 0
		return
	}
	c := m.chans[f.channel]
	switch f.typ {
	case 1:
		m.own = f.channel
		n := m.start(w, f.payload)
		m.chans[f.channel] = &modelChannel{state: mOpening, window: n, start: n, out: int64(w.setup.Window)}
	case 2:
		if c != nil && c.state == mOpening {
			c.state = mAbandoned
		} else if c != nil {
			c.state = mClosing
		}
	case 3:
		m.sawData(w, f)
	case 4:
		m.sawAck(w, f)
	case 5:
		m.sawError(w, f)
	case 6:
		m.pings = append(m.pings, append([]byte(nil), f.payload...))
	case 7:
		m.sawPong(w, f)
	case 8:
		m.sawGrant(w, f)
	case 9:
		m.sawPriority(w, f)
	}
	// An answer may be a little longer than what it answers, but what is refused costs tokens.
	if m.answers > m.came+amplified {
		w.failf("amplification", "%d bytes came, %d bytes of answers left", m.came, m.answers)
	}
}

// sawAck takes an ACK that the core sends.
func (m *model) sawAck(w *World, f *wireFrame) {
	m.answers += f.size
	if s := m.slots[f.channel]; s != nil && s.acks > 0 {
		s.acks--
		m.free(f.channel, s)
		return
	}
	if m.acks[f.channel]--; m.acks[f.channel] < 0 {
		w.failf("reference model", "an ACK leaves on channel %d that answers nothing", f.channel)
	}
	if m.acks[f.channel] == 0 {
		delete(m.acks, f.channel)
	}
}

// sawError takes an ERROR that the core sends.
func (m *model) sawError(w *World, f *wireFrame) {
	if f.channel == 0 {
		return
	}
	m.answers += f.size
	code := codec.Code(binary.BigEndian.Uint32(f.payload))
	for i, r := range m.refusal {
		if r.id == f.channel {
			if code != r.code {
				w.failf("reference model", "channel %d is refused with %v, and not %v", r.id, code, r.code)
			}
			m.refusal = append(m.refusal[:i], m.refusal[i+1:]...)
			if s := m.slots[r.id]; s != nil {
				s.refused = false
				m.free(r.id, s)
			}
			return
		}
	}
	if ch := w.channel(f.channel); !m.resets[f.channel] && ch.ends[w.setup.Core].lostFile(code) {
		m.localEnd(w, f.channel, false)
	}
	if !m.resets[f.channel] {
		w.failf("reference model", "channel %d is reset, and not by the application", f.channel)
	}
	delete(m.resets, f.channel)
	if s := m.slots[f.channel]; s != nil {
		s.refused = false
		m.free(f.channel, s)
	}
}

// localEnd takes the end of a channel for which no frame was the reason. ERROR leaves if the peer knows of it
// and does not close it; it is the answer to whatever was not answered.
func (m *model) localEnd(w *World, id uint32, silent bool) {
	if id == 0 || m.dead {
		return
	}
	m.answers -= 20
	if _, known := m.chans[id]; known && !silent {
		m.resets[id] = true
		delete(m.acks, id)
		if s := m.slots[id]; s != nil {
			s.acks, s.refused = 0, true
		}
	}
	m.ended(w, id)
}

// released takes that the application is through with a channel it kept.
func (m *model) released(id uint32) {
	if s := m.slots[id]; s != nil {
		s.kept = false
		m.free(id, s)
	}
}

// validOpen returns whether p is what OPEN may carry (SPEC section 4).
func validOpen(p []byte) bool {
	return eachParam(p, func(t byte, v []byte) bool {
		switch t {
		case 1:
			return len(v) == 1 && v[0] <= 7
		case 2:
			return len(v) == 4 && v[0] <= 127
		case 3:
			return len(v) <= 1024 && utf8.Valid(v)
		}
		return true
	})
}

// errorHash is the end of a channel that ERROR with payload p brings.
func errorHash(p []byte) uint64 {
	code := codec.Internal
	if len(p) >= 4 {
		code = asHeard(codec.Code(binary.BigEndian.Uint32(p)))
	}
	return endHash(code, false, true)
}

// endHash is an end in short.
func endHash(code codec.Code, clean, remote bool) uint64 {
	h := uint64(code) << 2
	if clean {
		return 1
	}
	if remote {
		h |= 2
	}
	return h
}

// hashBytes is a hash of p.
func hashBytes(p []byte) uint64 {
	h := uint64(len(p))
	for ; len(p) >= 8; p = p[8:] {
		h = (h ^ binary.LittleEndian.Uint64(p)) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	for _, b := range p {
		h = (h ^ uint64(b)) * 0x9e3779b97f4a7c15
	}
	return h
}
