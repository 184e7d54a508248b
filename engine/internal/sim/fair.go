package sim

import "github.com/sscd-io/sscd/sched"

// fairness watches the channels of a side that have data and window all the time: none of all its channels
// may get more than those, but for what a round of the scheduler can make of difference.
type fairness struct {
	set     []*channel
	batches int
}

// maxEpoch is for how many batches one set is watched.
const maxEpoch = 200

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
		ch.ends[s].served = 0
		if ready(w, s, ch) {
			f.set = append(f.set, ch)
		}
	}
}

// sent notes n bytes of DATA of a channel.
func (f *fairness) sent(e *end, n int) { e.served += uint64(n) + 16 }

// keep drops from the set who is not ready.
func (f *fairness) keep(w *World, s int) {
	kept := f.set[:0]
	for _, ch := range f.set {
		if ready(w, s, ch) {
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
	least, most := ^uint64(0), uint64(0)
	for _, ch := range f.set {
		least = min(least, ch.ends[s].served)
	}
	for _, ch := range w.sides[s].live {
		most = max(most, ch.ends[s].served)
	}
	bound := uint64(sched.Quantum + 2*(w.setup.FrameSize+16))
	if most > least+bound {
		w.failf("fairness", "of the %s's channels one got %d bytes and another %d: more than %d apart", sideNames[s],
			most, least, bound)
	}
}
