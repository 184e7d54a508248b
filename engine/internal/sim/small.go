package sim

import (
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// Small looks at every way in which small conversations can go. Each side has a few things to do, and they, the
// batches, every delivery of a byte, and the passing of a quarter of a second may come in any order:
//
//	client  open, write, close   ──▶  every interleaving  ──▶  the oracle after each step,
//	server  write, close         ──▶  every split point        the liveness phase at each end
//
// Two channels, and windows of four bytes. A way that leads to a state that was seen is not followed further;
// states are told apart by a hash of what both cores, both applications and both links have.
type Small struct {
	Fine   bool   // cut frames at every byte, and not only where something changes
	States uint64 // that were seen
	Ends   uint64 // ways that were followed to the end
	Steps  uint64

	w    *World
	seen map[uint64]struct{}
	plot [2][]action
	path []Op
	fail *Failure
}

const (
	// smallWindow is the start window of small conversations, in bytes.
	smallWindow = 4

	// smallWaits is how often a quarter of a second passes.
	smallWaits = 2

	// maxStates is how many states of one conversation are looked at.
	maxStates = 2_000_000
)

// action is what a side does once, with a channel in order of opening.
type action struct {
	kind Kind
	at   int
	n    uint32
}

// plots lists what each side may do in a small conversation.
func plots() (all [][2][]action) {
	first := action{Open, 0, 0}
	client := []action{{Write, 0, 1}, {Write, 0, 5}, {Close, 0, 0}, {Reset, 0, 7}, {Open, 1, 1}, {GoAway, 0, 0}}
	server := []action{{Write, 0, 3}, {Close, 0, 0}, {Reset, 0, 9}, {Open, 1, 0}, {Consume, 0, 2}, {Quit, 0, 0}}
	for _, a := range client {
		for _, b := range client {
			for _, c := range server {
				for _, d := range server {
					all = append(all, [2][]action{{first, a, b}, {c, d}})
				}
			}
		}
	}
	return all
}

// Plots is how many small conversations there are.
func (m *Small) Plots() int { return len(plots()) }

// Run looks at one of them, and returns what the oracle found and the script that led there.
func (m *Small) Run(plot int) (*Script, *Failure) {
	if m.w == nil {
		m.w = NewWorld()
	}
	m.plot = plots()[plot]
	m.seen = make(map[uint64]struct{})
	m.path, m.fail = m.path[:0], nil
	m.replay(0)
	m.visit(0)
	m.States += uint64(len(m.seen))
	if m.fail == nil {
		return nil, nil
	}
	return &Script{m.setup(), m.path}, m.fail
}

// setup is the world of small conversations.
func (m *Small) setup() Setup {
	return Setup{Window: smallWindow, FrameSize: 16384, SendQueue: 64, MaxChannels: 2, SendBuffer: 4096, MaxWrite: 64,
		Live: 2, ByHand: 128}
}

// replay makes the world what it is after so many operations of the path.
func (m *Small) replay(depth int) {
	if m.Steps > 0 {
		m.w.drop(Client)
		m.w.drop(Server)
	}
	m.w.begin(m.setup())
	for i := range m.path[:depth] {
		m.step(&m.path[i])
	}
}

// step does an operation.
func (m *Small) step(op *Op) {
	m.w.do(op)
	m.Steps++
}

// visit goes on from the state the world is in, in every way.
func (m *Small) visit(depth int) {
	h := m.state(depth)
	if _, ok := m.seen[h]; ok || len(m.seen) >= maxStates {
		return
	}
	m.seen[h] = struct{}{}
	var buf [8]Op
	choices := m.choices(buf[:0], depth)
	for i, op := range choices {
		if i > 0 {
			m.replay(depth)
		}
		m.path = append(m.path[:depth], op)
		m.step(&op)
		m.w.lookAtAll()
		if m.fail = m.w.fail; m.fail == nil {
			m.visit(depth + 1)
		}
		if m.fail != nil {
			return
		}
	}
	if len(choices) == 0 {
		m.path = m.path[:depth]
		m.w.live()
		m.w.finish()
		m.Ends++
		m.fail = m.w.fail
	}
}

// done counts what each side did of its plot, and how often time passed.
func (m *Small) done(depth int) (did [2]int, waits int) {
	for i := range m.path[:depth] {
		switch op := &m.path[i]; {
		case op.Kind >= Open:
			did[op.Side]++
		case op.Kind == Advance:
			waits++
		}
	}
	return did, waits
}

// choices lists what may come next.
func (m *Small) choices(ops []Op, depth int) []Op {
	did, waits := m.done(depth)
	for s := range m.w.sides {
		side := uint8(s)
		sd := &m.w.sides[s]
		if did[s] < len(m.plot[s]) && !sd.down {
			if a := m.plot[s][did[s]]; a.kind == Open || a.kind >= GoAway || a.at < len(sd.live) {
				ops = append(ops, Op{a.kind, side, uint16(a.at), a.n})
			}
		}
		if !sd.closed && !sd.busy && sd.conn.HasOutput() {
			ops = append(ops, Op{Send, side, 0, 1 << 20})
		}
		if l := &m.w.links[s]; l.reach(1) > 0 && !sd.closed {
			ops = append(ops, Op{Deliver, side, 0, m.cut(l)})
		} else if over, _ := l.over(); over && !sd.closed {
			ops = append(ops, Op{Deliver, side, 0, 1})
		}
	}
	soon := min(m.w.sides[0].conn.Look(m.w.now).Soon, m.w.sides[1].conn.Look(m.w.now).Soon)
	if waits < smallWaits && soon < 1<<62 {
		ops = append(ops, Op{Advance, 0, 0, 250_000})
	}
	return ops
}

// cut is how many bytes arrive next: to where something changes for the receiver, or one.
func (m *Small) cut(l *link) uint32 {
	if m.Fine || l.first == len(l.flights) {
		return 1
	}
	f := &l.flights[l.first]
	left := f.end - l.came // of the frame
	size := uint64(16)
	switch f.kind {
	case 3:
		size += uint64(f.bytes)
	case 8:
		size += 4
	default:
		if left > size { // parameters, a code
			size = left
		}
	}
	if left > size {
		return 1
	}
	for _, edge := range [...]uint64{1, 12, 16} {
		if at := size - left; at < edge && edge < size {
			return uint32(edge - at)
		}
	}
	return uint32(left)
}

// state is a hash of all there is.
func (m *Small) state(depth int) uint64 {
	h := hasher(1)
	did, waits := m.done(depth)
	h.add(uint64(did[0]), uint64(did[1]), uint64(waits))
	for s := range m.w.sides {
		sd, l := &m.w.sides[s], &m.w.links[s]
		v := sd.conn.Look(m.w.now)
		h.add(uint64(v.Phase), uint64(v.Late), uint64(v.Tokens), uint64(v.Accepted), v.NextID, uint64(v.Pongs),
			uint64(v.Pings), uint64(v.Refusals), m.after(v.Soon), m.after(v.Due), sd.stream-l.sent,
			uint64(sd.conn.Unsent()))
		h.add(hashBytes(l.buf[l.head:]), uint64(len(l.flights)-l.first), bit(l.told), bit(sd.closed))
		if l.first < len(l.flights) { // of the first, a part may have come
			f := &l.flights[l.first]
			h.add(f.end-l.came, uint64(f.kind), uint64(f.bytes))
		}
		for _, list := range m.w.chans {
			for _, ch := range list {
				m.channel(&h, s, ch)
			}
		}
	}
	return uint64(h)
}

// channel adds what side s has of a channel.
func (m *Small) channel(h *hasher, s int, ch *channel) {
	var v core.ChannelView
	e := &ch.ends[s]
	here := m.w.sides[s].conn.View(e.h, &v)
	h.add(uint64(ch.id), bit(here), uint64(v.State), uint64(v.Out), uint64(v.Window), uint64(v.Owed),
		uint64(v.Uncounted),
		uint64(v.Queued), bit(v.Ready), uint64(v.Flags), m.after(v.Deadline))
	h.add(e.written, e.left, e.read, e.unread, bit(e.over)|bit(e.shut)<<1|bit(e.await)<<2|bit(e.heard)<<3)
}

// after is how far away a time is.
func (m *Small) after(t time.Duration) uint64 { return uint64(t - m.w.now) }

// hasher is a hash of numbers.
type hasher uint64

func (h *hasher) add(numbers ...uint64) {
	for _, n := range numbers {
		x := (uint64(*h) ^ n) * 0x9e3779b97f4a7c15
		*h = hasher(x ^ x>>29)
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
