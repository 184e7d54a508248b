package sim

import (
	"errors"
	"time"

	"github.com/sscd-io/sscd/engine/internal/core"
)

var errBroken = errors.New("connection reset by peer")

// transport does an operation of the link at side s.
func (w *World) transport(s int, kind Kind, op *Op) {
	sd, l := &w.sides[s], &w.links[s]
	switch kind {
	case Deliver:
		w.deliver(s, int(op.N))
	case Send:
		w.send(s, int(op.N))
	case Rest:
		w.keepRest(s)
	case Stall:
		l.stalled = w.now + micros(op.N)
	case Cut, Break:
		if l.cutAt == noCut && !sd.script {
			l.cutAt = l.came + uint64(min(int(op.N), l.pending()))
			l.rough = kind == Break
		}
	case Flip:
		w.flip(s, op.N)
	}
}

// deliver lets up to n bytes arrive at side s, and tells it of the end where it comes.
func (w *World) deliver(s, n int) {
	sd, l := &w.sides[s], &w.links[s]
	if sd.script || w.now < l.stalled || w.now < sd.asleep {
		return
	}
	if n = l.reach(n); n > 0 {
		p := l.take(n)
		if sd.closed {
			l.spoil(p)
			return
		}
		if w.Trace != nil {
			w.tracef("   %v  %d bytes reach the %s", w.now-epoch, n, sideNames[s])
		}
		w.feed(s, p)
		l.spoil(p)
	}
	if over, rough := l.over(); over && !sd.closed {
		w.peerClosed(s, rough)
	}
}

// feed gives the core of side s bytes that arrived: at once, or in pieces where the world wants to know
// whether that makes a difference.
func (w *World) feed(s int, p []byte) {
	sd := &w.sides[s]
	whole := p
	w.visit(s, len(p))
	sd.lastIn = w.now
	w.mark('f', uint64(s), uint64(len(p)))
	if w.setup.Hostile {
		w.model.before(w)
	}
	for w.split != 0 && len(p) > 1 {
		w.split = mix(w.split)
		n := 1 + int(w.split%uint64(min(len(p)-1, 40)))
		sd.conn.Feed(w.now, p[:n:n])
		w.events(s)
		p = p[n:]
	}
	sd.conn.Feed(w.now, p)
	w.events(s)
	if w.setup.Hostile {
		w.model.fed(w, whole)
	} else {
		w.arrived(s)
	}
	if w.setup.Extended {
		w.measure(s)
	}
}

// measure notes since when what side s may send in all is less than it would send.
func (w *World) measure(s int) {
	sd := &w.sides[s]
	switch v := sd.conn.Look(w.now); {
	case !v.Extended || v.Out >= 1024:
		sd.dry = 0
	case sd.dry == 0:
		sd.dry = w.now
	}
}

// arrived takes the frames that are whole at side s from the way.
func (w *World) arrived(s int) {
	l := &w.links[s]
	sd := &w.sides[s]
	for l.first < len(l.flights) && l.flights[l.first].end <= l.came {
		f := &l.flights[l.first]
		l.first++
		sd.begun = 0
		switch f.kind {
		case 1:
			f.ch.ends[s].heard = true
			continue
		case 3:
			f.ch.ends[1-s].onLink -= uint64(f.bytes)
			l.data -= int64(f.bytes)
		case 8:
			if f.ch == nil {
				l.grants -= int64(f.bytes)
				continue
			}
			f.ch.ends[1-s].grants -= uint64(f.bytes)
		default:
			continue
		}
		w.touched = append(w.touched, f.ch)
	}
	for _, ch := range w.touched {
		w.checkChannel(ch)
	}
	w.touched = w.touched[:0]
	w.checkConn()
	if l.first == len(l.flights) {
		l.flights, l.first = l.flights[:0], 0
	} else if sd.begun == 0 {
		sd.begun = w.now
	}
	if l.tainted && sd.arena.FramesIn > l.whole {
		w.failf("integrity", "the %s took a frame in which a bit was changed", sideNames[s])
	}
}

// visit counts in which state the next frame finds its channel.
func (w *World) visit(s, n int) {
	l := &w.links[s]
	if w.setup.Hostile || l.first == len(l.flights) || l.flights[l.first].end > l.came {
		return
	}
	if f := &l.flights[l.first]; f.ch != nil {
		st := core.StateClosed
		if w.sides[s].conn.View(f.ch.ends[s].h, &w.view[0]) {
			st = w.view[0].State
		} else if !f.ch.ends[s].has {
			st = core.StateIdle
		}
		w.Stats.Seen[st][f.kind]++
	}
}

// peerClosed tells side s that its peer's stream ended.
func (w *World) peerClosed(s int, rough bool) {
	sd := &w.sides[s]
	w.links[s].told = true
	w.sound = false
	w.model.eof = true
	if rough {
		w.checkReset(s)
	}
	sd.cause.eof, sd.cause.broken, sd.cause.halfAt = true, sd.cause.broken || rough, w.now
	w.mark('e', uint64(s), 0)
	var err error
	if rough {
		err = errBroken
		w.links[1-s].reset = true
	}
	if w.Trace != nil {
		w.tracef("   %s: its peer's stream ends (%v)", sideNames[s], err)
	}
	sd.conn.PeerClosed(w.now, err)
	w.events(s)
}

// checkReset checks that it was not the other side's clean end that reset the transport of side s, with what that had
// sent.
func (w *World) checkReset(s int) {
	l, other := &w.links[s], &w.sides[1-s]
	cut := l.cutAt != noCut || w.links[1-s].cutAt != noCut
	if l.reset && l.sent > 0 && !cut && other.clean && !other.cause.broken && w.now < other.endAt+time.Second {
		w.failf("order and once", "the %s resets the transport after a clean end", sideNames[1-s])
	}
}

// send lets the transport of side s take up to n bytes.
func (w *World) send(s, n int) {
	sd := &w.sides[s]
	if sd.script || sd.closed || w.now < sd.asleep {
		return
	}
	if !sd.busy && !w.build(s) {
		return
	}
	b := &sd.batch
	if sd.rest != nil {
		b = sd.rest
	}
	to := &w.links[1-s]
	n = min(n, b.Len()-sd.taken)
	if !w.setup.Hostile && !w.alive {
		n = min(n, w.setup.SendBuffer-to.pending())
	}
	if n <= 0 {
		return
	}
	n = w.put(s, b, n)
	if w.setup.Resets && w.sides[1-s].closed {
		w.links[s].reset = true
	}
	sd.taken += n
	sd.lastOut = w.now
	sd.conn.Sent(w.now, n)
	w.Stats.Bytes += uint64(n)
	if sd.taken == b.Len() {
		w.letGo(s)
	}
}

// put has the transport of side s write n more bytes of a batch, and returns how many it did: of a file less may be
// there.
func (w *World) put(s int, b *core.Batch, n int) int {
	from, at := w.sides[s].taken, 0
	until := from + n
	for _, p := range b.Slices {
		if lo, hi := max(from-at, 0), min(until-at, len(p)); lo < hi && !w.setup.Hostile {
			w.links[1-s].put(p[lo:hi])
		}
		at += len(p)
	}
	if from = max(from, at); from < until {
		return n - (until - from) + w.sendfile(s, &b.Range, from-at, until-from)
	}
	return n
}

// letGo ends a batch that the transport is through with.
func (w *World) letGo(s int) {
	sd := &w.sides[s]
	sd.batch.Release()
	if sd.rest != nil {
		sd.rest.Free()
		sd.rest = nil
	}
	sd.busy, sd.taken = false, 0
}

// keepRest does what a transport does that has to keep the rest of a batch for long.
func (w *World) keepRest(s int) {
	sd := &w.sides[s]
	if sd.busy && sd.rest == nil && sd.taken > 0 {
		sd.rest, sd.taken = sd.batch.Rest(w.pool, sd.taken), 0
	}
}

// build has the core of side s build a batch, and returns whether there is one.
func (w *World) build(s int) bool {
	sd := &w.sides[s]
	sd.fair.before(w, s)
	sd.conn.Next(w.now, &sd.batch)
	w.take(s)
	return w.built(s)
}

// built looks at what side s is about to send, and returns whether there is anything.
func (w *World) built(s int) bool {
	sd := &w.sides[s]
	if sd.batch.Len() == 0 {
		return false
	}
	sd.busy, sd.taken = true, 0
	sd.lastOut = w.now
	sd.wire = sd.wire[:0]
	for _, p := range sd.batch.Slices {
		sd.wire = append(sd.wire, p...)
	}
	if sd.batch.Range.File != nil {
		sd.wire = append(sd.wire, rangeOf(&sd.batch)...)
	}
	if len(sd.wire) != sd.batch.Len() {
		w.failf("wire", "a batch of %d bytes says it has %d", len(sd.wire), sd.batch.Len())
	}
	if sd.conn.Unsent() != len(sd.wire) {
		w.failf("wire", "%d bytes of a batch of %d are unsent", sd.conn.Unsent(), len(sd.wire))
	}
	w.sent(s, sd.wire)
	w.checkRange(s, &sd.batch.Range)
	if sd.batch.Cost() < 32<<10 { // it is not full, so all has left that could
		w.model.limbo = 0
	}
	sd.fair.after(w, s)
	w.measure(s)
	return true
}

// flip changes a bit of what is on the way to side s, once: a second change might undo the first. From then on its core
// knows more than the oracle.
func (w *World) flip(s int, n uint32) {
	l := &w.links[s]
	if l.pending() == 0 || w.sides[s].script || l.tainted {
		return
	}
	at := l.came + uint64(n/8)%uint64(l.pending())
	left := uint64(0)
	for i := l.first; i < len(l.flights); i++ {
		f := &l.flights[i]
		if f.end <= at {
			continue
		}
		// A change of a payload without a CRC nobody could tell: its header changes instead, if that is on the way.
		if head := f.end - uint64(f.bytes) - headerBytes; f.bare && at >= head+headerBytes {
			if at = head + uint64(n%headerBytes); at < l.came {
				return
			}
		}
		left = uint64(len(l.flights) - i)
		break
	}
	l.buf[l.head+int(at-l.came)] ^= 1 << (n % 8)
	w.sound = false
	l.tainted, l.whole = true, l.frames-left
}

// closeTransport ends the transport of side s, whose connection is over. Bytes that nobody read make it a
// reset, if the world is like that, and then what is on the way is lost.
func (w *World) closeTransport(s int) {
	sd := &w.sides[s]
	sd.closed = true
	w.sound = false
	w.letGo(s)
	sd.batch.Free()
	if w.sides[1-s].script {
		return
	}
	w.links[1-s].ended = true
	if w.setup.Resets && w.links[s].pending() > 0 {
		w.links[1-s].reset = true
	}
}
