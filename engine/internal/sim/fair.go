package sim

import (
	"fmt"

	"github.com/sscd-io/sscd/sched"
)

// fairness watches the channels of a side that have data and window all the time: no channel of the same priority
// may get more than those, and no other priority more than theirs by its weight, but for what a round of the
// scheduler can make of difference.
type fairness struct {
	set     []*channel
	classes [sched.Classes]uint64 // what the channels of each priority got
	batches int
}

// maxEpoch is for how many batches one set is watched.
const maxEpoch = 200

func (f *fairness) init() { *f = fairness{set: f.set[:0]} }

// ready returns whether a channel of side s has data and window for it, and its priority.
func ready(w *World, s int, ch *channel) (prio uint8, ok bool) {
	ok = w.sides[s].conn.View(ch.ends[s].h, &w.view[0]) && w.view[0].Ready
	return w.view[0].Priority, ok
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
	clear(f.classes[:])
	for _, ch := range w.sides[s].live {
		e := &ch.ends[s]
		e.served = 0
		if prio, ok := ready(w, s, ch); ok {
			e.prio = prio
			f.set = append(f.set, ch)
		}
	}
}

// sent notes n bytes of DATA of a channel.
func (f *fairness) sent(w *World, s int, ch *channel, n int) {
	if n == 0 {
		return // FIN alone leaves as control frames do
	}
	e := &ch.ends[s]
	if w.sides[s].conn.View(e.h, &w.view[0]) && w.view[0].Priority != e.prio {
		e.prio, e.served = w.view[0].Priority, 0
	}
	e.served += uint64(n) + 16
	f.classes[e.prio] += uint64(n) + 16
}

// keep drops from the set who is not ready, and whose priority has changed.
func (f *fairness) keep(w *World, s int) {
	kept := f.set[:0]
	for _, ch := range f.set {
		if prio, ok := ready(w, s, ch); ok && prio == ch.ends[s].prio {
			kept = append(kept, ch)
		}
	}
	f.set = kept
}

// after compares what the channels got, and what their priorities got.
func (f *fairness) after(w *World, s int) {
	if !w.setup.Fair || w.setup.Hostile {
		return
	}
	f.keep(w, s)
	frame := uint64(w.setup.FrameSize + 16)
	if w.setup.MaxFile > 0 && w.setup.Ranges {
		frame = max(frame, uint64(w.fileFrame()+16))
	}
	bound := max(frame, sched.Quantum) + 2*frame
	for _, ch := range f.set {
		e := &ch.ends[s]
		for _, other := range w.sides[s].live {
			if o := &other.ends[s]; o.prio == e.prio && o.served > e.served+bound {
				w.failf("fairness", "of the %s's channels one got %d bytes and another, also of priority %d, %d: more "+
					"than %d apart", sideNames[s], o.served, e.prio, e.served, bound)
			}
		}
		if err := f.compare(w, e.prio, frame); err != "" {
			w.failf("fairness", "of the %s's channels, %s", sideNames[s], err)
		}
	}
}

// compare compares what each priority got with what one did that had data all the time: by the same number of
// rounds, and of the two that are cut, less a debt of a frame, and more by one.
func (f *fairness) compare(w *World, mine uint8, frame uint64) string {
	weight := func(prio uint8) float64 { return float64(sched.Weight(prio)) }
	rounds := float64(f.classes[mine]+frame)/weight(mine) + 2*sched.Unit
	for prio, bytes := range f.classes {
		switch {
		case w.setup.Strict && bytes > 0 && prio < int(mine):
			return fmt.Sprintf("those of priority %d got %d bytes while one of %d had data", prio, bytes, mine)
		case !w.setup.Strict && float64(bytes) > rounds*weight(uint8(prio))+float64(frame):
			return fmt.Sprintf("those of priority %d got %d bytes, and of %d %d: that is not by weight", prio, bytes,
				mine, f.classes[mine])
		}
	}
	return ""
}
