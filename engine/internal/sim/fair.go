package sim

import "github.com/sscd-io/sscd/sched"

// fairness watches the channels of a side that have data and window all the time: of the channels of the same
// priority, none may get more than those, but for what a round of the scheduler can make of difference. What
// priorities get of each other is the scheduler's to say.
type fairness struct {
	set     []*channel
	batches int
}

// maxEpoch is for how many batches one set is watched.
const maxEpoch = 200

// classes is how many priorities there are.
const classes = 8

// changed is the class of a channel whose priority is not what it was when the set was chosen.
const changed = classes

func (f *fairness) init() { *f = fairness{set: f.set[:0]} }

// ready returns whether a channel of side s has data and window for it.
func ready(w *World, s int, ch *channel) bool {
	return w.sides[s].conn.View(ch.ends[s].h, &w.view[0]) && w.view[0].Ready
}

// before drops from the set who has nothing to send, and begins with another one when that says nothing.
func (f *fairness) before(w *World, s int) {
	if !w.setup.Fair || w.setup.Hostile {
		return
	}
	f.keep(w, s)
	if f.batches++; len(f.set) > 1 && f.batches < maxEpoch {
		return
	}
	f.set, f.batches = f.set[:0], 0
	for _, ch := range w.sides[s].live {
		e := &ch.ends[s]
		e.served, e.class = 0, w.sides[s].conn.Priority(e.h)
		if ready(w, s, ch) {
			f.set = append(f.set, ch)
		}
	}
}

// sent notes n bytes of DATA of a channel.
func (f *fairness) sent(w *World, s int, e *end, n int) {
	if e.served == 0 {
		e.class = w.sides[s].conn.Priority(e.h)
	}
	e.served += uint64(n) + 16
}

// keep drops from the set who is not ready, and who is of another priority now.
func (f *fairness) keep(w *World, s int) {
	for _, ch := range w.sides[s].live {
		if e := &ch.ends[s]; e.served > 0 && e.class != w.sides[s].conn.Priority(e.h) {
			e.class = changed
		}
	}
	kept := f.set[:0]
	for _, ch := range f.set {
		if e := &ch.ends[s]; ready(w, s, ch) && e.class == w.sides[s].conn.Priority(e.h) {
			kept = append(kept, ch)
		}
	}
	f.set = kept
}

// after compares what the channels got.
func (f *fairness) after(w *World, s int) {
	if !w.setup.Fair || w.setup.Hostile {
		return
	}
	f.keep(w, s)
	if len(f.set) == 0 {
		return
	}
	var least, most [classes + 1]uint64
	for i := range least {
		least[i] = ^uint64(0)
	}
	for _, ch := range f.set {
		e := &ch.ends[s]
		least[e.class] = min(least[e.class], e.served)
	}
	for _, ch := range w.sides[s].live {
		e := &ch.ends[s]
		most[e.class] = max(most[e.class], e.served)
	}
	bound := uint64(sched.Quantum + 2*(w.setup.FrameSize+16))
	for class := range classes {
		if least[class] != ^uint64(0) && most[class] > least[class]+bound {
			w.failf("fairness", "of the %s's channels of priority %d one got %d bytes, another %d: more than %d apart",
				sideNames[s], class, most[class], least[class], bound)
		}
	}
}
