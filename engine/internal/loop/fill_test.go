package loop

import (
	"testing"

	"github.com/sscd-io/sscd/engine/internal/core"
)

// An application whose queue has room again fills it before the next batch is built: otherwise every other batch would
// have what little is left.
func TestQueuesAreFilledBetweenBatches(t *testing.T) {
	const block, inBatch = 16384, 3
	s := newStage(t)
	a := s.serve(1)
	a.hear(grant(1, 1<<30))
	keepFull(a, block)
	s.settle()
	const all = keptFull / block
	if got, most := a.submits-1, all/inBatch+all/10; got > most {
		t.Errorf("%d blocks of which a batch holds %d went in %d batches", all, inBatch, got)
	}
}

// One that gives a byte each time it is asked does not hold up the others.
func TestATurnAsksForMoreNotForEver(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Core.SendQueue = 1 })
	a := s.serve(1)
	keepFull(a, 1)
	for turn := range 5 {
		before := a.submits
		s.l.Run()
		if n := a.submits - before; n > turnFills+1 {
			t.Errorf("turn %d: %d batches of a byte", turn, n)
		}
	}
	a.app.onWritable = nil
	s.settle()
}

// keptFull is how many bytes keepFull sends, in all.
const keptFull = 3 << 20

// keepFull has the application of a send as many messages of that size as the queue of its first channel takes, until it
// has sent keptFull.
func keepFull(a *actor, size int) {
	p, left := pattern(size, 0), keptFull
	a.app.onWritable = func(ch core.Handle) {
		for left > 0 && a.send(ch, p) == core.SendOK {
			left -= size
		}
	}
	a.s.turn(func() { a.app.onWritable(a.app.channels[0]) })
}
