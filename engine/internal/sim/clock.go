package sim

import "time"

const (
	// tolerance is how late a side may be told the time before that counts as sleep, and grace what its
	// peer gets then (SPEC section 5: who slept pings once more before it ends anything).
	tolerance = 5 * time.Second
	grace     = 10 * time.Second

	// silence is how long a peer may say nothing.
	silence = 90 * time.Second

	// maxAgain is how often a side may be due again at once.
	maxAgain = 2

	// maxTicks is how often a side may be told the time within one operation.
	maxTicks = 10_000
)

func micros(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }

// clock does an operation of time.
func (w *World) clock(s int, kind Kind, n uint32) {
	switch kind {
	case Tick:
		w.tick(s)
	case Advance:
		w.advance(w.now+micros(n), true, true)
	case Sleep:
		w.advance(w.now+micros(n), s != Client, s != Server)
		w.wake(s, n)
	case Jump:
		w.now += micros(n)
		w.wake(s, n)
		w.wake(1-s, n)
	}
}

// wake tells a side that slept the time, or lets it hear of its peer first.
func (w *World) wake(s int, n uint32) {
	if n%2 == 0 {
		w.tick(s)
	}
}

// advance lets the time go on to end. The sides that are awake are told whenever something is due.
func (w *World) advance(end time.Duration, client, server bool) {
	awake := [2]bool{client, server}
	for range maxTicks {
		s, at := -1, end
		for i := range w.sides {
			sd := &w.sides[i]
			if !awake[i] || sd.script || sd.closed {
				continue
			}
			if due := sd.conn.Deadline(w.now); due <= at {
				s, at = i, due
			}
		}
		if s < 0 {
			w.now = end
			return
		}
		w.now = max(w.now, at)
		w.tick(s)
		if w.fail != nil {
			return
		}
	}
	w.failf("timers", "more than %d ticks", maxTicks)
}

// tick tells side s the time.
func (w *World) tick(s int) {
	sd := &w.sides[s]
	if sd.script || sd.closed {
		return
	}
	v := sd.conn.Look(w.now)
	sd.conn.Tick(w.now)
	slept := w.now-v.Due > tolerance
	if v.Soon <= w.now { // what was sent first may have made that later
		slept = sd.conn.Look(w.now).Grace == w.now+grace
	}
	if slept && !sd.down {
		sd.awake = w.now
	}
	w.events(s)
	for again := 0; !sd.closed && sd.conn.Deadline(w.now) <= w.now; again++ {
		if again == maxAgain {
			w.failf("timers", "the %s is due at %v, after %d ticks at %v", sideNames[s], sd.conn.Deadline(w.now)-epoch,
				again, w.now-epoch)
			return
		}
		if !sd.busy { // what is due is due with the next batch
			w.build(s)
		}
		if !sd.closed && sd.conn.Deadline(w.now) <= w.now { // an end, or the application, made something else due
			sd.conn.Tick(w.now)
		}
		w.events(s)
	}
	if sd.closed {
		return
	}
	w.checkLife(s)
}

// checkLife checks that the connection of side s does not outlive what ends it.
func (w *World) checkLife(s int) {
	sd := &w.sides[s]
	alive := func(since, most time.Duration, why string) {
		if age := w.now - max(since, sd.awake); age > most {
			w.failf("timers", "the %s lives on %v after %s", sideNames[s], age, why)
		}
	}
	switch {
	case sd.down:
		most := time.Second
		if sd.clean && !sd.quit {
			most = 5 * time.Second // its peer may still read
		}
		alive(sd.endAt, most, "its end")
	case sd.cause.eof:
		alive(sd.cause.halfAt, 5*time.Second, "the end of its peer's stream")
	case sd.arena.FramesIn == 0 && s == Server:
		alive(epoch, 40*time.Second+grace, "it was accepted, and no frame came")
	default:
		alive(sd.lastIn, silence+grace, "it heard anything")
	}
	if sd.busy && !sd.down {
		alive(sd.lastOut, 30*time.Second+grace, "the transport took anything")
	}
}

// mayTimeOut returns whether side s has a reason to end its connection for time.
func (w *World) mayTimeOut(s int) bool {
	sd := &w.sides[s]
	if w.now < sd.awake+grace && sd.awake > epoch && !sd.cause.eof && !sd.quit {
		return false
	}
	over := func(since, span time.Duration) bool { return since != 0 && w.now-since >= span }
	switch {
	case over(sd.lastIn, silence), over(sd.draining, 30*time.Second), over(sd.begun, 30*time.Second):
		return true
	case sd.busy && over(sd.lastOut, 30*time.Second):
		return true
	case over(sd.dry, 5*time.Minute): // the connection's window was used up for so long
		return true
	}
	return s == Server && sd.arena.FramesIn == 0 && over(epoch, 40*time.Second)
}

// mayTimeOutOn returns whether side s has a reason to end a channel for time.
func (w *World) mayTimeOutOn(s int, e *end) bool {
	sd := &w.sides[s]
	if w.now < sd.awake+grace && sd.awake > epoch && !sd.cause.eof && !sd.quit {
		return false
	}
	age := w.now - e.openedAt
	switch {
	case e.closeSent != 0 && w.now-e.closeSent >= 5*time.Second:
	case e.closeAt != 0 && w.now-max(e.closeAt, e.movedAt) >= 30*time.Second:
	case !e.told && age >= 10*time.Second:
	case age >= 5*time.Minute:
	default:
		return false
	}
	return true
}
