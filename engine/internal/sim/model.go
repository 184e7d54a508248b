package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
)

// model is what SPEC.md says a connection must do with the frames of its peer, told from the outside: from
// what comes and what leaves alone. It predicts every event, the late credit and the tokens to the last one.
type model struct {
	client  bool // the core is
	dead    bool // the connection has ended
	eof     bool // it reads no more
	heard   bool // a frame
	away    bool // GOAWAY came
	drains  bool // the application wants it to end
	awayID  uint32
	own     uint32 // the highest id of an OPEN that left
	theirs  uint32 // and came
	late    int64  // bytes that may still come late
	lates   int64  // and frames without data
	tokens  int64
	refill  time.Duration
	chans   map[uint32]*modelChannel
	unsent  []uint32              // channels that are open for the core, and whose OPEN has not left
	slots   map[uint32]*modelSlot // of channels of the peer's
	acks    map[uint32]int        // that must leave on channels of the core's
	resets  map[uint32]bool       // ERROR must leave
	limbo   int                   // slots that may not be free again before something leaves
	refusal []modelRefusal        // that must leave
	pongs   [][]byte
	hello   bool // the first of them answers the first frame
	echo    bool // the core waits for the answer to its HELLO
	echoed  bool // and a base peer's came
	pings   [][]byte
	want    []heardEvent
	got     []heardEvent
	feeding bool
	fault   codec.Code // the ERROR on channel 0 that must leave, and then nothing
	failed  bool

	buf     []byte // of a frame that is not whole
	answers int    // bytes of answers that left
	came    int    // bytes that came

	peer    modelPeer
	in, out int64           // windows of the connection, if the peer is extended
	left    int64           // bytes of DATA that left
	sent    bool            // some did, since the last grant for the connection came
	halves  map[uint32]bool // channels that end with a FIN of the core's
}

// modelState is a row of the table of SPEC section 2. Closed and idle channels have none.
type modelState uint8

const (
	mOpening modelState = iota // OPEN left, no answer came
	mOpen
	mAbandoned // CLOSE left before the answer came
	mClosing   // CLOSE left
	mCrossed   // and CLOSE came
)

type modelChannel struct {
	state       modelState
	window, out int64 // what may come, what may leave
	start       int64 // of window
	sent        bool  // DATA, since the last grant came
	finIn       bool  // FIN came
	finOut      bool  // and left
}

// modelSlot is a place for a channel of the peer's, until it has ended, all answers have left, and the
// application is through with it.
type modelSlot struct {
	live, kept bool
	acks       int // that must leave
	refused    bool
}

type modelRefusal struct {
	id   uint32
	code codec.Code
}

// heardEvent is an event in short.
type heardEvent struct {
	kind core.EventKind
	id   uint32
	what uint64
}

func (m *model) begin(w *World, client bool) {
	pongs, chans, slots, acks := m.pongs[:0], m.chans, m.slots, m.acks
	*m = model{client: client, tokens: 10_000, refill: w.now, buf: m.buf[:0], want: m.want[:0],
		got: m.got[:0], pongs: pongs, pings: m.pings[:0], refusal: m.refusal[:0], chans: chans,
		slots: slots, acks: acks, resets: m.resets, unsent: m.unsent[:0], halves: m.halves}
	if m.chans == nil {
		m.chans, m.slots = make(map[uint32]*modelChannel), make(map[uint32]*modelSlot)
		m.acks, m.resets = make(map[uint32]int), make(map[uint32]bool)
		m.halves = make(map[uint32]bool)
	}
	clear(m.chans)
	clear(m.slots)
	clear(m.acks)
	clear(m.resets)
	clear(m.halves)
}

// ours returns whether the core opens channels of that id.
func (m *model) ours(id uint32) bool { return (id%2 == 1) == m.client }

// token charges n tokens, and returns false if that was too much.
func (m *model) token(w *World, n int64) bool {
	per := time.Second / 330
	came := int64((w.now - m.refill) / per)
	m.refill += time.Duration(came) * per
	if m.tokens = min(m.tokens+came, 10_000); m.tokens < n {
		m.fail(codec.Calm)
		return false
	}
	m.tokens -= n
	return true
}

// owe charges the late credit.
func (m *model) owe(w *World, f *wireFrame) {
	n := int64(0)
	if f.typ == 3 {
		n = int64(len(f.payload))
	}
	switch m.late -= n; {
	case m.late < 0:
		m.fail(codec.Calm)
	case n > 0:
	case m.lates > 0:
		m.lates--
	default:
		m.token(w, 1)
	}
}

// credit books what may still come late of a channel, in the window it left and without data.
func (m *model) credit(window int64) {
	m.late = min(m.late+window, 1<<32-1)
	m.lates = min(m.lates+4, 1<<20)
}

// expect notes an event that must be reported.
func (m *model) expect(kind core.EventKind, id uint32, what uint64) {
	m.want = append(m.want, heardEvent{kind, id, what})
}

// fail is a connection error; end is the end with or without one.
func (m *model) fail(code codec.Code) {
	m.fault, m.failed = code, true
	m.end(code, false)
}

func (m *model) end(code codec.Code, remote bool) {
	m.dead = true
	for _, id := range m.alive() {
		m.expect(core.Closed, id, endHash(code, false, remote))
	}
	m.expect(core.Down, 0, endHash(code, false, remote))
}

// alive lists the channels that are not closed, in order.
func (m *model) alive() (ids []uint32) {
	for id := range m.chans {
		ids = append(ids, id)
	}
	ids = append(ids, m.unsent...)
	slices.Sort(ids)
	return ids
}

// frame predicts what comes of a frame that is right by itself.
func (m *model) frame(w *World, f *wireFrame) {
	first := !m.heard
	m.heard = true
	if first && m.greet(w, f) {
		return
	}
	switch {
	case f.typ >= 128:
		m.token(w, 1)
	case !m.mayFlag(w, f), f.typ == 9 && !m.peer.extended:
		m.fail(codec.Unsupported)
	case f.typ == 6 || f.typ == 7:
		if f.channel != 0 {
			m.fail(codec.ProtocolError)
		} else if f.typ == 6 {
			m.ping(w, f.payload, first)
		} else {
			m.pong(w, f.payload)
		}
	case f.channel == 0 && f.typ == 5:
		m.connError(w, f.payload)
	case f.channel == 0 && f.typ == 8:
		m.grantAll(w, int64(binary.BigEndian.Uint32(f.payload)))
	case f.channel == 0:
		m.fail(codec.ProtocolError)
	case f.typ == 1:
		m.open(w, f)
	default:
		m.onChannel(w, f)
	}
}

// onChannel is the table of SPEC section 2.
func (m *model) onChannel(w *World, f *wireFrame) {
	c := m.chans[f.channel]
	highest := m.theirs
	if m.ours(f.channel) {
		highest = m.own
	}
	switch {
	case c == nil && f.channel > highest: // idle
		m.fail(codec.ProtocolError)
	case f.typ == 3 && (c == nil || c.state != mOpening && c.state != mAbandoned):
		m.data(w, f, c)
	case c == nil: // closed
		m.owe(w, f)
	case f.typ == 5: // ERROR
		if c.state != mOpening && c.state != mAbandoned && !m.token(w, 1) {
			return
		}
		m.close(w, f.channel, errorHash(f.payload))
	case c.state == mOpening && f.typ == 4:
		c.state = mOpen
		m.expect(core.Accepted, f.channel, 0)
	case c.state == mAbandoned && f.typ == 4:
		c.state = mClosing
	case c.state == mOpening || c.state == mAbandoned: // the acceptor sends nothing else first
		m.fail(codec.ProtocolError)
	case f.typ == 4 && c.state == mOpen:
		m.token(w, 1)
	case f.typ == 4:
		m.close(w, f.channel, endHash(0, true, false))
	case c.state == mCrossed:
		m.owe(w, f)
	case f.typ == 2 && c.state == mOpen:
		m.answer(f.channel)
		m.close(w, f.channel, endHash(0, true, false))
	case f.typ == 2:
		m.answer(f.channel)
		m.credit(c.window)
		c.state, c.window = mCrossed, 0
	case f.typ == 8:
		m.grant(w, c, int64(binary.BigEndian.Uint32(f.payload)))
	case f.typ == 9:
		m.urgency(w, f)
	}
}

// deaf returns whether the application wants no more bytes of a channel.
func (m *model) deaf(w *World, id uint32) bool {
	sd := &w.sides[w.setup.Core]
	ch := w.channel(id)
	return sd.quit || ch != nil && ch.ends[w.setup.Core].shut && !ch.ends[w.setup.Core].over ||
		ch != nil && ch.ends[w.setup.Core].deaf
}

// open is OPEN.
func (m *model) open(w *World, f *wireFrame) {
	sd := &w.sides[w.setup.Core]
	if m.ours(f.channel) || f.channel <= m.theirs {
		m.fail(codec.ProtocolError)
		return
	}
	m.theirs = f.channel
	full := len(m.slots) >= w.setup.MaxChannels
	if !full && len(m.slots)+m.limbo >= w.setup.MaxChannels { // either will do
		full = len(m.got) <= len(m.want) || m.got[len(m.want)].kind != core.Opened
	}
	code := codec.NoError
	switch {
	case !validOpen(f.payload):
		code = codec.ProtocolError
	case full || m.away || m.drains:
		code = codec.Refused
	case sd.refuse != 0:
		code = codec.Code(sd.refuse)
		m.slots[f.channel] = &modelSlot{refused: true}
		m.expect(core.Opened, f.channel, hashBytes(f.payload))
	default:
		m.chans[f.channel] = m.accepted(w, f.payload)
		m.slots[f.channel] = &modelSlot{live: true, acks: 1}
		m.expect(core.Opened, f.channel, hashBytes(f.payload))
		return
	}
	m.refusal = append(m.refusal, modelRefusal{f.channel, code})
	m.credit(int64(w.setup.Window))
	m.token(w, 1)
}

// answer notes that an ACK must leave.
func (m *model) answer(id uint32) {
	if s := m.slots[id]; s != nil {
		s.acks++
	} else {
		m.acks[id]++
	}
}

// close ends a channel, and expects that this is reported so.
func (m *model) close(w *World, id uint32, how uint64) {
	m.expect(core.Closed, id, how)
	m.ended(w, id)
}

// ended books the end of a channel: what it left unused of its window may still come late.
func (m *model) ended(w *World, id uint32) {
	c := m.chans[id]
	switch {
	case c == nil: // its OPEN never left
		m.credit(m.unused(w, m.start(w, w.openForm(w.channel(id).form))))
	case c.state != mCrossed:
		m.credit(m.unused(w, c.window))
	}
	delete(m.chans, id)
	if s := m.slots[id]; s != nil {
		s.live, s.kept = false, w.sides[w.setup.Core].keep
		m.free(id, s)
	}
}

// free gives a slot back that nobody needs.
func (m *model) free(id uint32, s *modelSlot) {
	if !s.live && !s.kept && s.acks == 0 && !s.refused {
		delete(m.slots, id)
		m.limbo++
	}
}

// connError is ERROR on channel 0.
func (m *model) connError(w *World, p []byte) {
	switch {
	case len(p) == 0 || binary.BigEndian.Uint32(p) != 0:
		code := codec.Internal
		if len(p) > 0 {
			code = codec.Code(binary.BigEndian.Uint32(p)).Known()
		}
		m.end(code, true)
		return
	case len(p) < 8:
		m.fail(codec.FrameSizeError)
		return
	}
	id := binary.BigEndian.Uint32(p[4:])
	if m.away {
		if !m.token(w, 100) || id >= m.awayID {
			return
		}
	}
	for _, ch := range m.alive() {
		if m.ours(ch) && (ch > id || slices.Contains(m.unsent, ch)) {
			m.close(w, ch, endHash(codec.Refused, false, true))
		}
	}
	m.unsent = m.unsent[:0]
	if !m.away {
		m.expect(core.GoneAway, 0, 0)
	}
	m.away, m.awayID = true, id
}
