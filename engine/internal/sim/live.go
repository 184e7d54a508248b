package sim

import (
	"time"

	"github.com/sscd-io/sscd/codec"
	"github.com/sscd-io/sscd/engine/internal/core"
	"github.com/sscd-io/sscd/pool"
)

const (
	// maxRounds and maxSpan bound the liveness phase. What needs more does not end.
	maxRounds = 20_000
	maxSpan   = 20 * time.Minute

	// calm is how long things may take that are not waiting for anything.
	calm = 3 * time.Second
)

// live is the liveness phase: no more faults, readers read, and everything must finish.
func (w *World) live() {
	w.alive, w.since = true, w.now
	w.lookAtAll()
	w.patient = calm
	for s := range w.sides {
		w.relieve(s)
	}
	if w.setup.Hostile {
		w.peer.leave(w)
	}
	if w.setup.Hostile {
		w.run("to end", w.over)
		return
	}
	if !w.run("to deliver what was written", w.settled) {
		return
	}
	w.lookAtAll()
	w.checkDelivered()
	closer := int(w.hash & 1)
	for _, s := range []int{closer, 1 - closer} {
		sd := &w.sides[s]
		for i := len(sd.live) - 1; i >= 0 && !sd.script; i-- {
			w.use(s, sd.live[i], Close, 0)
		}
	}
	if !w.run("to close the channels", w.closed) {
		return
	}
	if sd := &w.sides[closer]; !sd.script && !sd.down {
		w.application(closer, GoAway+Kind(w.hash>>1&1), &Op{})
	} else if sd := &w.sides[1-closer]; !sd.script && !sd.down {
		w.application(1-closer, Quit, &Op{})
	}
	w.run("to end", w.over)
}

// relieve ends what hinders side s.
func (w *World) relieve(s int) {
	sd, l := &w.sides[s], &w.links[s]
	l.stalled = 0
	if sd.script {
		return
	}
	w.patient += time.Second * time.Duration(w.backlog(s)/uint64(w.setup.Window))
	sd.refuse, sd.keep, sd.react, sd.reader = 0, false, NumKinds, true
	w.read(s)
	if s == Client { // a server speaks second
		w.application(s, Ping, &Op{})
	}
	for len(sd.kept) > 0 {
		w.release(s, 0)
	}
	for i := len(sd.live) - 1; i >= 0; i-- {
		ch := sd.live[i]
		w.use(s, ch, Consume, uint32(min(ch.ends[s].unread, 1<<30)))
	}
	w.read(s)
	w.events(s)
}

// backlog is how many bytes of the channel with the most of them have not arrived.
func (w *World) backlog(s int) uint64 {
	most := uint64(0)
	for _, ch := range w.sides[s].live {
		e := &ch.ends[s]
		most = max(most, e.booked-ch.ends[1-s].read)
	}
	return most
}

// run lets the world go on until done says so, and returns whether it did. What for is for people.
func (w *World) run(what string, done func() bool) bool {
	for range maxRounds {
		if w.fail != nil {
			return false
		}
		if w.pump() {
			continue
		}
		if done() {
			return true
		}
		if w.now-w.since > maxSpan || !w.nextDue() {
			w.failf("liveness", "stuck: nothing is left to do %s (%v on)", what, w.now-w.since)
			return false
		}
	}
	w.failf("liveness", "stuck: it takes too long %s", what)
	return false
}

// pump moves all bytes there are, and returns whether there were any, or events.
func (w *World) pump() (moved bool) {
	for s := range w.sides {
		sd := &w.sides[s]
		if sd.script {
			continue
		}
		fetched := w.fetched(s, 0)
		w.read(s)
		came, out := w.links[s].came, sd.stream-uint64(sd.conn.Unsent())
		for range maxRounds {
			if w.send(s, 1<<30); sd.busy || !sd.conn.HasOutput() || sd.closed {
				break
			}
			if before := sd.stream; !w.build(s) || before == sd.stream {
				break
			}
		}
		w.events(s)
		w.deliver(s, 1<<30)
		w.events(s)
		moved = moved || fetched || len(sd.fetches) > 0
		moved = moved || w.links[s].came != came || sd.stream-uint64(sd.conn.Unsent()) != out || len(sd.letters) > 0
	}
	return moved
}

// nextDue lets the time pass until something is due, and returns false if nothing ever is.
func (w *World) nextDue() bool {
	next := time.Duration(1<<63 - 1)
	for s := range w.sides {
		if sd := &w.sides[s]; !sd.script && !sd.closed {
			next = min(next, sd.conn.Deadline(w.now))
		}
	}
	if next == 1<<63-1 {
		return false
	}
	w.advance(max(next, w.now), true, true)
	return true
}

// settled returns whether all that was written has arrived, or never will.
func (w *World) settled() bool {
	for s := range w.sides {
		if !w.sound {
			return true
		}
		for _, ch := range w.sides[s].live {
			e, o := &ch.ends[s], &ch.ends[1-s]
			if e.closing || o.over || o.closing || e.left < e.written || o.read < e.written || !e.told || e.await {
				return false
			}
		}
	}
	return true
}

// checkDelivered checks that nobody waits for anything any more.
func (w *World) checkDelivered() {
	for s := range w.sides {
		for _, ch := range w.sides[s].live {
			if !w.sound || w.setup.Hostile {
				return
			}
			e := &ch.ends[s]
			w.sides[s].conn.View(e.h, &w.view[0])
			if e.await {
				w.failf("liveness", "a writer of channel %d is never told that it can go on", ch.id)
			}
			if w.view[0].Queued != 0 {
				w.failf("memory", "%d bytes are booked on channel %d, where nothing waits", w.view[0].Queued, ch.id)
			}
		}
	}
}

// closed returns whether no channel is left.
func (w *World) closed() bool { return len(w.sides[0].live) == 0 && len(w.sides[1].live) == 0 }

// over returns whether the connection has ended on both sides.
func (w *World) over() bool {
	for s := range w.sides {
		if sd := &w.sides[s]; !sd.script && !(sd.closed && sd.down) {
			return false
		}
	}
	return true
}

// stuck notes that side s ended something for time: in the liveness phase, a while after its beginning, that
// should not be necessary any more.
func (w *World) stuck(s int, what string, id uint32) {
	if d := w.sides[s].draining; d != 0 && d < w.since {
		return // it was to end anyway
	}
	if w.alive && !w.setup.Hostile && !w.cutOff() && w.now-w.since > w.patient {
		w.failf("liveness", "the %s ends %s %d for time, though nothing hinders it", sideNames[s], what, id)
	}
}

// cutOff returns whether one of the streams ended early.
func (w *World) cutOff() bool {
	for s := range w.sides {
		if w.sides[s].cause.eof || w.links[s].tainted || w.sides[s].closed {
			return true
		}
	}
	return false
}

// finish ends the world, and checks that nothing is left of it.
func (w *World) finish() {
	for s := range w.sides {
		sd := &w.sides[s]
		if sd.script {
			continue
		}
		if w.fail == nil && !(sd.down && sd.closed) {
			w.failf("liveness", "the %s is not at its end", sideNames[s])
		}
		if w.fail != nil {
			w.drop(s)
			continue
		}
		for w.fetched(s, 0) {
		}
		w.read(s)
		w.checkFiles(s)
		if n := len(sd.files); n > 0 {
			w.failf("files", "%d files of the %s are open at the end", n, sideNames[s])
		}
		if n := sd.arena.Used(); n > 0 {
			w.failf("memory", "%d slots of the %s are left at the end", n, sideNames[s])
		}
		if n := sd.arena.Segments(); n > 0 {
			w.failf("memory", "%d messages of the %s are left at the end", n, sideNames[s])
		}
		if n := sd.conn.Memory().Used(); n != 0 {
			w.failf("memory", "%d bytes of the %s are booked at the end", n, sideNames[s])
		}
		if n := sd.conn.Look(w.now).Carried; n > 0 {
			w.failf("memory", "%d bytes of a cut frame of the %s are left at the end", n, sideNames[s])
		}
	}
	if w.fail == nil {
		if leaks := w.pool.Leaks(); len(leaks) > 0 {
			w.failf("memory", "%d buffers were never released, one of %s", len(leaks), leaks[0])
		}
	} else if pool.Poison {
		w.pool = new(pool.Pool)
	}
}

// drop ends side s of a world that is not looked at any more.
func (w *World) drop(s int) {
	sd := &w.sides[s]
	sd.conn.Abort(&core.End{Code: codec.Internal})
	for range maxRounds {
		if !sd.conn.Step(w.now, &w.ev) {
			break
		}
	}
	w.letGo(s)
	sd.batch.Free()
}
